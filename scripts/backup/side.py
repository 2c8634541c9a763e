"""The database beside ours that a backup is restored into, compared and verified there."""

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from scripts import rollups
from scripts.backup import archive, digests, manifest, roles, shell, source, store, swap, verdict
from scripts.connection import Database
from scripts.console import Failure, count_step, say, step
from scripts.settings import schema_version

# A number for pg_advisory_lock that no one else has a reason to use.
LOCK = 0x656E6D73
# What the database beside ours is called, after its name.
SIDES = RESTORING, TRIED = "restoring", "restore_test"
SERVER = """
select current_setting('server_version_num')::integer / 10000 as major,
       (select rolname from pg_roles where oid = 10) as superuser,
       array(select version from pg_available_extension_versions where name = 'timescaledb' order by 1) as versions,
       pg_try_advisory_lock(%s) as alone,
       (select format('process %%s, %%s', a.pid, a.usename) from pg_locks l join pg_stat_activity a using (pid)
        where l.locktype = 'advisory' and l.granted and l.objid = %s and l.classid = 0 and l.pid <> pg_backend_pid() limit 1) as other,
       (select rolsuper from pg_roles where rolname = current_user) as may
"""

STAGGER = """
select count(*) from (
    select alter_job(job_id, next_start => now() + row_number() over (order by proc_name <> 'policy_compression', job_id) * interval '20 seconds')
    from timescaledb_information.jobs
    where proc_name in ('policy_compression', 'policy_retention') and scheduled) jobs
"""


@contextmanager
def restored(database: Database, folder: Path, suffix: str) -> Iterator[tuple[psycopg.Connection, str, dict, list[sql.Composable]]]:
    """A verified copy of the backup in a database beside ours, which is dropped at the end if it still has that name.

    Yields a session of the server's database postgres, the copy's name, the manifest, and the statements that belong to its
    becoming the database.
    """
    target = database.name
    if target == "postgres":
        raise Failure("the database is postgres, which a restore works from: alter database rename gives it a name of its own")
    side = f"{target}_{suffix}"
    if len(swap.kept_name(target, store.EPOCH).encode()) > 63:
        raise Failure(f"the name {target} is too long: a restore adds 24 characters, and PostgreSQL allows 63 bytes; alter database rename shortens it")
    content = manifest.load(folder)
    with errors(), source.open_session(database, "postgres") as session:
        server = open_server(session)
        manifest.require_fit(folder, content, server, schema_version())
        manifest.require_whole(folder, content)
        archive.require_readable(database, server["major"], folder / store.DUMP)
        asked = json.loads((folder / store.ROLES).read_text())
        if suffix == RESTORING:
            _announce(session, target, content)
        for name in SIDES:
            _clear(session, f"{target}_{name}")
        shell.require_room(session, content)
        try:
            shell.create(session, side, content)
            copy = swap.beside(database, side)
            shell.extend(copy, folder, content)
            made = roles.create_missing(session, asked)
            archive.load(copy, server["major"], side, folder / store.DUMP)
            shell.complete(session, side, content)
            _compare(copy, content)
            _verify(copy, content)
            limit = sql.SQL("alter database {} connection limit {}").format(sql.Identifier(side), content["connections"])
            yield session, side, content, [limit, *roles.settle(asked, made)]
        except BaseException:
            # The session may have gone with the server, and what went wrong is told before what can't be cleared up.
            with contextlib.suppress(psycopg.Error, Failure), source.open_session(database, "postgres") as another:
                _clear(another, side)
            raise
        _clear(session, side)
    if made and suffix == RESTORING:
        say(f"Created the roles that this server did not have: {', '.join(made)}")


def _announce(session: psycopg.Connection, target: str, content: dict) -> None:
    """Say what a person may not expect, while it can still be stopped."""
    if content["database"] != target:
        say(f"Note: this is a backup of the database {content['database']}, and is to become {target}")
    for name in swap.all_kept(session, target):
        say(f"Note: {name}, which the last restore kept, is dropped when this one succeeds")


@contextmanager
def errors() -> Iterator[None]:
    """What the server refuses, as a Failure."""
    try:
        yield
    except psycopg.Error as error:
        raise Failure(f"the restore failed, the running database is as it was: {' '.join(str(error).split())}") from None


def open_server(session: psycopg.Connection) -> dict:
    """What there is to know of the server, with other restores kept out until the session ends; raises Failure."""
    row = session.execute(SERVER, [LOCK, LOCK])
    server = dict(zip((column.name for column in row.description), row.fetchone(), strict=True))
    if not server["may"]:
        raise Failure(f"{session.info.user} cannot restore: connect as a superuser")
    if not server["alone"]:
        raise Failure(f"another restore is under way on this server ({server['other']}): wait for its end")
    return server


def _compare(copy: Database, content: dict) -> None:
    """Compare every table and rollup with the manifest, before any job runs; raises Failure."""
    with source.open_session(copy) as session, count_step("Comparing with the manifest") as progress:
        # The database stays in restoring mode, and so without jobs, while this session looks at it.
        session.execute("set timescaledb.restoring = off")
        wrong = manifest.differences(content, digests.digests(session, progress))
    if wrong:
        raise store.Damaged(f"what was restored is not what was backed up: {'; '.join(wrong[:3])}{' ...' if wrong[3:] else ''}")


def _verify(copy: Database, content: dict) -> None:
    """End restoring mode and have the verifier look; Failure on what it did not find when the backup was made."""
    with source.open_session(copy) as session:
        with session.transaction():
            # Its jobs wait until it is the database. The scheduler waits for this transaction, so none gets to run.
            session.execute("select timescaledb_post_restore()")
            session.execute("select _timescaledb_functions.stop_background_workers()")
        # All would be due at once, and in each other's way.
        session.execute(STAGGER)
        for schema, name in content["filled"]:
            try:
                session.execute(sql.SQL("refresh materialized view {}").format(sql.Identifier(schema, name)))
            except psycopg.Error as error:
                say(f"Warning: the materialized view {schema}.{name} can't be filled: {' '.join(str(error).split())}")
        _refresh(session)
        with step("Analyzing the tables"):
            session.execute("analyze")
    with step("Verifying the restored database"):
        new = {check: detail for check, detail in verdict.failing(copy).items() if check not in content["failing"]}
    if new:
        check, detail = next(iter(new.items()))
        more = f", and {len(new) - 1} more" if len(new) > 1 else ""
        raise store.Damaged(f"the verifier did not pass what was restored, as it did when it was backed up: {check}: {detail}{more}")


def _refresh(session: psycopg.Connection) -> None:
    """Do what the refresh policies had not done yet when the backup was made, one level after the other.

    The scheduler runs all levels at once, and one that is refreshed while the level below it is may lack minutes until its
    next run.
    """
    due = rollups.refresh_jobs(session, only_scheduled=True)
    if due:
        with count_step("Refreshing the rollups") as told:
            refused = {}
            for done, (name, job) in enumerate(due.items(), 1):
                if error := rollups.refresh(session, job):
                    refused[name] = error
                told(done, len(due))
        for name, error in refused.items():
            say(f"Warning: the rollup {name} can't be refreshed, its policy tries again: {' '.join(str(error).split())}")


def _clear(session: psycopg.Connection, side: str) -> None:
    """Drop the copy, also one that a killed restore left, and the roles made for it; neither is there if it became the database."""
    there = session.execute("select datconnlimit from pg_database where datname = %s", [side]).fetchone()
    if there and there[0] != 0:
        raise Failure(f"there is a database {side}, which no restore has made: rename it or drop it")
    if there:
        session.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(side)))
    roles.drop_made(session)
