"""Bringing a database up to this checkout's schema, and its TimescaleDB to the server's: `make apply`."""

import re
import subprocess
from contextlib import suppress
from pathlib import Path

import psycopg

from scripts import busy, client, extension
from scripts.connection import Database
from scripts.console import Failure, say, step
from scripts.settings import INIT, schema_version

# Clients queue behind a lock that is waited for. Half of deadlock_timeout's default, so that in a deadlock it is always
# this session that gives way, never a collector or a policy; where it may, it looks for one itself much sooner.
BEGIN = """\
set lock_timeout = '500ms';
select set_config(name, value, false) from (values ('deadlock_timeout', '10ms'), ('lc_messages', 'C')) s (name, value)
join pg_roles on rolname = current_user and rolsuper \\g /dev/null
"""
BUSY = re.compile(r"ERROR: +(canceling statement due to lock timeout|deadlock detected|tuple concurrently updated)")
# The statement that a row of the user's own stops, in what psql says of where an error came up.
VIOLATED = re.compile(r'is violated by some row.*?"alter table (\S+) add constraint \S+ check \((.*?)\)"\n', re.S)
VERSIONS = "select version from enms.schema_version"
STATE = """
select current_database() as name, pg_is_in_recovery() as standby, to_regclass('enms.schema_version') is not null as has_marker,
       current_setting('timescaledb.restoring', true) = 'on' as restoring,
       to_regnamespace('enms') is not null or to_regclass('public.energy_readings') is not null as begun,
       exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
               where n.nspname <> 'information_schema' and n.nspname !~ '^(pg|_?timescaledb)_'
                 and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')) as filled
"""


def apply(database: Database) -> None:
    """Run init/ on the database in one transaction, after updating its TimescaleDB where the server has a newer one.

    Raises Failure, with nothing changed, for a database that is not this schema's or is newer than it.
    """
    # Before TimescaleDB too; only where its library is missing can nothing be asked.
    with suppress(psycopg.errors.UndefinedFile):
        _require_ours(database)
    changed = extension.update(database) if extension.difference(database) else "nothing was changed"
    found = _require_ours(database)
    with step("Running init/"):
        _run(database, changed)
    version = schema_version()
    say(f"Schema {version}, {'as before' if found == version else f'before {found}' if found else 'in an empty database'}")


def advice(database: Database) -> str | None:
    """What to do where the database is of another release than this checkout, or than the server's TimescaleDB."""
    if difference := extension.difference(database):
        return ": ".join(difference)
    with database.connect(autocommit=True) as session:
        has_marker = session.execute("select to_regclass('enms.schema_version') is not null").fetchone()[0]
        found = [version for (version,) in session.execute(VERSIONS)] if has_marker else []
    newest, ours = max(found, key=extension.numbers, default=schema_version()), schema_version()
    if newest == ours:
        return None
    todo = "make apply brings it up to date" if extension.numbers(newest) < extension.numbers(ours) else "pull the newer checkout"
    return f"its schema is {newest}, this checkout's is {ours}: {todo}"


def _require_ours(database: Database) -> str | None:
    """Version of the database's schema, None if the database is empty; Failure if it must not be touched."""
    with database.connect(autocommit=True) as session:
        name, standby, has_marker, restoring, begun, filled = session.execute(STATE).fetchone()
        found = [version for (version,) in session.execute(VERSIONS)] if has_marker else []
    refused = f"{name} was left as it is: "
    if standby:
        raise Failure(f"{refused}it is a standby; run make apply on its primary")
    if restoring:
        raise Failure(f"{refused}it is being restored; let that end, or end it: select timescaledb_post_restore()")
    if not found and begun:
        advice = "make clean and make up; on a server elsewhere drop the database, create it and make apply; or restore a backup"
        raise Failure(f"{refused}it has no completion marker, so its first boot did not reach its end ({advice})")
    if not found and filled:
        raise Failure(f"{refused}it is not an EnMS database and not empty; name the right one in ENMS_DSN, or an empty one to fill")
    if not found:
        return None
    newest, ours = max(found, key=extension.numbers), schema_version()
    if extension.numbers(newest) > extension.numbers(ours):
        raise Failure(f"{refused}its schema is {newest}, newer than {ours} of this checkout; pull, or restore a backup made with {ours}")
    return newest


def _run(database: Database, changed: str) -> None:
    """Run init/*.sql in one transaction, again and again while the database is busy; Failure says what was `changed` before."""
    files = sorted(INIT.glob("*.sql"))
    parts = [BEGIN, *(file.read_text().rstrip("\n") + "\n" for file in files)]
    command = [*database.psql(), "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", "-"]

    def attempt() -> bool:
        run = subprocess.run(command, env=database.environment, input="".join(parts), capture_output=True, text=True)
        if run.returncode and not BUSY.search(run.stderr):
            raise Failure(f"{_reason(run.stderr, files, parts)} ({changed})")
        return run.returncode == 0

    busy.until_free(database, attempt, changed)


def _reason(output: str, files: list[Path], parts: list[str]) -> str:
    """Why psql failed, with the file and line of init/ in place of those of its standard input, and what depends on what."""
    reason = client.reason(output)
    if place := re.search(r"psql:<stdin>:(\d+):", reason):
        line = int(place[1])
        for file, part in zip([None, *files], parts, strict=True):
            if line <= part.count("\n"):
                break
            line -= part.count("\n")
        reason = reason.replace(place[0], f"{INIT.name}/{file.name}:{line}:" if file else "psql:")
    if violated := VIOLATED.search(output):
        table, condition = violated[1], " ".join(violated[2].split())
        return f"{reason}: select * from {table} where not ({condition}) finds the rows; put them right, then make apply"
    if "because other objects depend on it" not in reason:
        return reason
    readers = re.findall(r"^(?:DETAIL: +)?(.+) depends on .+$", output, flags=re.M)
    advice = "save what is yours with pg_dump --schema-only -t, drop it, make apply, and make it again by the new columns"
    return f"{reason}: {', '.join(dict.fromkeys(readers))}; {advice}"
