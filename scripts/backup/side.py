"""The database beside ours that a backup is restored into, compared and verified there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from scripts.backup import archive, digests, manifest, roles, source, store, swap, verdict
from scripts.connection import Database
from scripts.console import Failure, count_step, say, step
from scripts.settings import schema_version

# A number for pg_advisory_lock that no one else has a reason to use.
LOCK = 0x656E6D73
# What the database beside ours is called, after its name.
SIDES = RESTORING, TRIAL = "restoring", "restore_test"
SERVER = """
select current_setting('server_version_num')::integer / 10000 as major,
       (select rolname from pg_roles where oid = 10) as superuser,
       array(select version from pg_available_extension_versions where name = 'timescaledb' order by 1) as versions,
       pg_try_advisory_lock(%s) as alone, (select rolsuper from pg_roles where rolname = current_user) as may
"""
# In the order of creation, and so of what is made of what.
FILLED = """
select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'm' and c.relispopulated order by c.oid
"""
ROOM = r"""
select max((regexp_match(line, '\s(\d+)\s+\d+%'))[1]::bigint) * 1024, pg_size_bytes(current_setting('max_wal_size')) from enms_room
"""


@contextmanager
def restored(database: Database, folder: Path, suffix: str) -> Iterator[tuple[psycopg.Connection, str, dict, list[sql.Composable]]]:
    """A verified copy of the backup in a database beside ours, which is dropped at the end if it still has that name.

    Yields a session of the server's database postgres, the copy's name, the manifest, and the statements that belong to its
    becoming the database.
    """
    target = database.name
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
        for name in SIDES:
            _drop(session, f"{target}_{name}")
        roles.drop_made(session)
        _require_room(session, content)
        try:
            _create(session, side, content)
            copy = swap.beside(database, side)
            _extend(copy, folder, content)
            made = roles.create_missing(session, asked)
            archive.load(copy, server["major"], side, folder / store.DUMP)
            _set(session, side, content)
            _compare(copy, content)
            _verify(copy, content)
            limit = sql.SQL("alter database {} connection limit {}").format(sql.Identifier(side), content["connections"])
            yield session, side, content, [limit, *roles.settle(asked, made)]
        finally:
            # Both are still there if it did not become the database.
            _drop(session, side)
            roles.drop_made(session)
    if made and suffix == RESTORING:
        say(f"Created the roles that this server did not have: {', '.join(made)}")


@contextmanager
def errors() -> Iterator[None]:
    """What the server refuses, as a Failure."""
    try:
        yield
    except psycopg.Error as error:
        raise Failure(f"the restore failed, the running database is as it was: {' '.join(str(error).split())}") from None


def open_server(session: psycopg.Connection) -> dict:
    """What there is to know of the server, with other restores kept out until the session ends; raises Failure."""
    row = session.execute(SERVER, [LOCK])
    server = dict(zip((column.name for column in row.description), row.fetchone(), strict=True))
    if not server["may"]:
        raise Failure(f"{session.info.user} cannot restore: connect as a superuser")
    if not server["alone"]:
        raise Failure("another restore is under way on this server: wait for its end")
    return server


def _require_room(session: psycopg.Connection, content: dict) -> None:
    """Raise Failure before the data disk is full: that would bring the server down, and with it the running database."""
    try:
        with session.transaction():
            session.execute("create temp table enms_room (line text) on commit drop")
            # The server's own view, in a container or on another machine as well; it works in its data folder.
            session.execute("copy enms_room from program 'df -kP .'")
            free, wal = session.execute(ROOM).fetchone()
    except psycopg.Error:
        # Where the server has no df, or may not run it.
        return
    needed = content["size"] + min(content["size"], wal)
    if free is not None and free < needed:
        raise Failure(f"a restore needs about {needed / 1e6:,.0f} MB of the server's disk, {free / 1e6:,.0f} MB are free: free some space and try again")


def _create(session: psycopg.Connection, side: str, content: dict) -> None:
    # The limit keeps clients out, and marks the database as a restore's.
    statement = "create database {} template template0 encoding {} lc_collate {} lc_ctype {} connection limit 0"
    literals = [sql.Literal(content[name]) for name in ("encoding", "collate", "ctype")]
    session.execute(sql.SQL(statement).format(sql.Identifier(side), *literals))


def _extend(copy: Database, folder: Path, content: dict) -> None:
    """Create TimescaleDB in the version that wrote the dump, ready for it."""
    with source.open_session(copy) as session:
        session.execute(sql.SQL("create extension timescaledb version {}").format(sql.Literal(content["timescaledb"])))
        edition = session.execute("show timescaledb.license").fetchone()[0]
        manifest.require_edition(folder, content, source.EDITIONS.get(edition, edition))
        session.execute("select timescaledb_pre_restore()")


def _set(session: psycopg.Connection, side: str, content: dict) -> None:
    """Owner, comment, grants and settings of the database itself, which a dump leaves out."""
    name = sql.Identifier(side)
    session.execute(sql.SQL("alter database {} owner to {}").format(name, sql.Identifier(content["owner"])))
    session.execute(sql.SQL("comment on database {} is {}").format(name, sql.Literal(content["comment"])))
    session.execute(sql.SQL("revoke all on database {} from public").format(name))
    for grantee, privilege, grantable in content["acl"]:
        role = sql.Identifier(grantee) if grantee else sql.SQL("public")
        option = sql.SQL(" with grant option" if grantable else "")
        session.execute(sql.SQL("grant {} on database {} to {}").format(sql.SQL(privilege), name, role) + option)
    for role, settings in content["settings"] or []:
        whose = sql.SQL("alter role {} in database {} ").format(sql.Identifier(role), name) if role else sql.SQL("alter database {} ").format(name)
        for setting in settings:
            session.execute(whose + roles.assignment(setting))


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
        # pg_restore has filled them in restoring mode, which shows hypertables as empty.
        for schema, name in session.execute(FILLED).fetchall():
            session.execute(sql.SQL("refresh materialized view {}").format(sql.Identifier(schema, name)))
        with step("Analyzing the tables"):
            session.execute("analyze")
    with step("Verifying the restored database"):
        new = {check: detail for check, detail in verdict.failing(copy).items() if check not in content["failing"]}
    if new:
        check, detail = next(iter(new.items()))
        more = f", and {len(new) - 1} more" if len(new) > 1 else ""
        raise store.Damaged(f"the verifier did not pass what was restored, as it did when it was backed up: {check}: {detail}{more}")


def _drop(session: psycopg.Connection, side: str) -> None:
    """Drop the copy, also one that a killed restore left."""
    there = session.execute("select datconnlimit from pg_database where datname = %s", [side]).fetchone()
    if there and there[0] != 0:
        raise Failure(f"there is a database {side}, which no restore has made: rename it or drop it")
    if there:
        session.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(side)))
