#!/usr/bin/env bash
# Makes .venv from requirements.lock, hashes checked. Does nothing when it is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

fail() {
  echo "error: $1" >&2
  exit 1
}

stamp=.venv/.up-to-date
# The lock decides: the project itself is installed as an editable one.
wanted=$(sha256sum <requirements.lock)
[[ -x .venv/bin/python && $(cat "$stamp" 2>/dev/null) == "$wanted" ]] && exit 0

command -v "$python" >/dev/null || fail "$python is not installed. Run: apt-get install python3, or: make setup PYTHON=..."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" -V) is too old, 3.11 or newer is needed. Run: make setup PYTHON=python3.11"
free_mib=$(df -Pm . | awk 'NR == 2 { print $4 }')
[[ $free_mib -ge 2048 ]] || fail "only $free_mib MiB are free here, 2048 are needed. Free some space"

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "installing python3-venv"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get install -y -qq python3-venv || { apt-get update -qq && apt-get install -y -qq python3-venv; }; } \
      >/dev/null 2>&1 || true
  fi
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "Python's venv module is missing. Run: sudo apt-get install python3-venv"
fi

echo "installing Python packages into .venv"
[[ -x .venv/bin/python ]] || "$python" -m venv .venv
log=.venv/setup.log
pip=(.venv/bin/python -m pip install --disable-pip-version-check --no-deps)
"${pip[@]}" --require-hashes -r requirements.lock >"$log" 2>&1 || {
  tail -n 5 "$log" >&2
  fail "the packages could not be installed. Check the network and run again: make setup (all of it: $log)"
}
"${pip[@]}" --no-build-isolation --editable . >>"$log" 2>&1 || {
  tail -n 5 "$log" >&2
  fail "this project could not be installed into .venv (all of it: $log)"
}
echo "$wanted" >"$stamp"
