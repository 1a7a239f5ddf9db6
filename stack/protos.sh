#!/usr/bin/env bash
# Makes gen/isthmus from protos/isthmus. `--check` fails when what is committed differs.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
out=gen
if [[ "${1:-}" == --check ]]; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
fi
mapfile -t files < <(find protos -name '*.proto' | sort)
PATH="$PWD/$bin:$PATH" "$bin/python" -m grpc_tools.protoc -I protos \
  --python_out="$out" --grpc_python_out="$out" --mypy_out="$out" --mypy_grpc_out="$out" "${files[@]}"
find "$out/isthmus" -type d -exec touch {}/__init__.py \;
if [[ "${1:-}" == --check ]]; then
  diff -r -x __pycache__ "$out/isthmus" gen/isthmus >/dev/null || {
    echo "gen/ is not what protos/ makes: run 'make protos' and commit" >&2
    exit 1
  }
fi
