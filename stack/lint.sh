#!/usr/bin/env bash
# Every check that needs no running server. Stops at the first that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin

"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
"$bin/lint-imports"
"$bin/buf" lint
stack/protos.sh --check

# Against main when this is not main itself: a field number is for ever.
for main in origin/main main; do
  if git rev-parse --quiet --verify "$main^{commit}" >/dev/null 2>&1 && git cat-file -e "$main:protos" 2>/dev/null; then
    before=$(mktemp -d)
    trap 'rm -rf "$before"' EXIT
    git archive "$main" protos buf.yaml | tar -x -C "$before"
    "$bin/buf" breaking --against "$before"
    break
  fi
done
