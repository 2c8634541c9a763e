#!/bin/bash
# What docker-compose.yml relies on in the official image's entrypoint, for a stand-in made of Debian's packages:
# a first boot on an empty PGDATA runs /docker-entrypoint-initdb.d on a server that listens on the socket only.
set -eu
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
        echo "POSTGRES_PASSWORD is empty" >&2
        exit 1
    fi
    # Several arguments in one variable, as the official image takes them.
    # shellcheck disable=SC2086
    initdb -D "$PGDATA" --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") ${POSTGRES_INITDB_ARGS:-}
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    export PGPASSWORD=$POSTGRES_PASSWORD PGHOST=/var/run/postgresql
    arguments=$(printf '%q ' "${@:2}" -c listen_addresses=)
    pg_ctl -D "$PGDATA" -o "$arguments" -w start
    [ "$database" = postgres ] || psql -X -v ON_ERROR_STOP=1 -U "$user" -d postgres -c "create database \"$database\""
    for file in /docker-entrypoint-initdb.d/*.sql; do
        echo "running $file"
        psql -X -v ON_ERROR_STOP=1 -U "$user" -d "$database" -f "$file"
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGPASSWORD PGHOST
fi
exec "$@"
