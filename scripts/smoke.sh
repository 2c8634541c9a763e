#!/bin/sh
# What the check of a pull request does. Without an argument every step, in a throw-away copy of this folder, with a port and
# a Compose project of its own; with the name of a step that step in this folder, as .github/workflows/smoke.yml runs them.
# SMOKE_TEST_ARGS goes to pytest: SMOKE_TEST_ARGS='-k oracle' make smoke is quicker than the whole suite.
set -u
cd "$(dirname "$0")/.." || exit 1
steps="up verify test backup restore-test"

fail() {
    echo "error: $*" >&2
    exit 1
}

# What is set for the caller's own database, or for the make that called this, is not meant for another.
unset ARGS FILE FORCE MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL ENMS_DSN ENMS_BIND ENMS_TLS ENMS_BACKUPS ENMS_KEEP_BACKUPS
unset POSTGRES_USER POSTGRES_DB POSTGRES_PASSWORD PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGOPTIONS PGTZ

if [ $# -gt 0 ]; then
    case " $steps " in
    *" $1 "*) ;;
    *) echo "error: $1 is no step: $steps" >&2 && exit 2 ;;
    esac
    [ "$1" != test ] || exec make test ARGS="${SMOKE_TEST_ARGS:-}"
    exec make "$1"
fi

python=$(command -v "${ENMS_PYTHON:-python3}") || fail "Python 3.11 or newer is needed: install it, or name one with ENMS_PYTHON"
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])') || fail "no free port was found"
# For the tests on a real plant's year, which stands beside this folder.
[ ! -d ../shared ] || export ENMS_SHARED="${ENMS_SHARED:-$(cd ../shared && pwd)}"
copy=$(mktemp -d "${TMPDIR:-/tmp}/enms-smoke.XXXXXX") || fail "no temporary folder can be made: is the disk full?"

in_copy() {
    (cd "$copy" && env COMPOSE_PROJECT_NAME="$(basename "$copy" | tr . - | tr '[:upper:]' '[:lower:]')" ENMS_PORT="$port" "$@")
}

clean() {
    code=$?
    # A second Ctrl-C leaves nothing half removed.
    trap '' INT TERM HUP
    trap - EXIT
    # Until .env is written nothing has been started.
    if [ -e "$copy/.env" ] && ! in_copy make clean FORCE=1 >"$copy/clean.log" 2>&1; then
        cat "$copy/clean.log" >&2
        fail "the database of $copy could not be removed: see above, then make clean there"
    fi
    rm -rf "$copy" || fail "$copy could not be removed"
    exit "$code"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Through a file, as of a pipe only the end's exit code counts.
{ tar -cf "$copy/.copy.tar" --exclude=./.git --exclude=./.env --exclude=./.enms --exclude=./.venv --exclude=./backups --exclude=./tls . &&
    tar -xf "$copy/.copy.tar" -C "$copy" && rm "$copy/.copy.tar"; } ||
    fail "this folder could not be copied to $copy: is the disk full?"
# The tools' packages are taken from here where they are up to date, else they are installed.
if make -q .venv/ready-test 2>/dev/null; then
    ln -s "$PWD/.venv" "$copy/.venv"
fi

# The tests have ports, projects and servers of their own.
run() {
    case $1 in
    test) (cd "$copy" && sh scripts/smoke.sh test) ;;
    *) in_copy sh scripts/smoke.sh "$1" ;;
    esac
}

for step in $steps; do
    echo "smoke: $step"
    run "$step" || {
        code=$?
        if [ "$step" != test ] && [ -e "$copy/.env" ]; then in_copy make logs 2>&1 | tail -n 40 >&2; fi
        echo "error: smoke: $step failed; its output stands above" >&2
        exit "$code"
    }
done
echo "smoke: passed"
