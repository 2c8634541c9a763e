#!/bin/sh
# Puts a backup in the place of the running database: restore.sh backups/NAME
set -eu
if [ "${1:-}" = "" ]; then
    echo "error: name a backup, as in make restore FILE=backups/NAME; make backups lists them" >&2
    exit 2
fi
# A path is meant from where it is typed.
if [ -e "$1" ]; then
    file=$(realpath "$1")
    shift
    set -- "$file" "$@"
fi
cd "$(dirname "$0")/.."
make --no-print-directory .venv/ready
exec .venv/bin/python -m scripts.engine restore "$@"
