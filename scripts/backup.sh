#!/bin/sh
# Backs up the running database into backups/; from any folder, as cron needs it.
set -eu
cd "$(dirname "$0")/.."
make --no-print-directory .venv/ready
exec .venv/bin/python -m scripts.engine backup "$@"
