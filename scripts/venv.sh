#!/bin/sh
# Makes .venv, if it is not there, and installs the tools' packages in it: venv.sh . or venv.sh '.[test]'
set -u

fail() {
    echo "error: $*" >&2
    exit 1
}

newest() {
    for candidate in "${ENMS_PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$candidate" && return
    done
}

log=$(mktemp) || fail "no temporary file can be made: is the disk full?"
trap 'rm -f "$log"' EXIT

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(newest)
    [ -n "$python" ] || fail "Python 3.11 or newer is needed: install it, or name one with ENMS_PYTHON"
    "$python" -m venv --clear .venv >"$log" 2>&1 ||
        fail "$python cannot make .venv: install its venv module (python3-venv on Debian) and try again"
fi
echo "Installing the tools' Python packages in .venv ..." >&2
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable "$1" >"$log" 2>&1 ||
    fail "pip could not install the packages: $(grep -m 1 ERROR "$log" || tail -n 1 "$log")"
