"""make restore and make restore-test: into a database beside the running one, compared and verified there."""

import contextlib

import psycopg
from psycopg import sql

from scripts.backup import listing, side, source, store, swap, trials
from scripts.connection import Database
from scripts.console import Failure, say, step
from scripts.settings import backups_folder


def restore(database: Database, file: str) -> None:
    """Put the backup in the place of the running database, which is kept under a dated name; raises Failure.

    `file` may also be what an earlier restore has kept, which then changes places with the database again.
    """
    target = database.name
    if swap.is_kept(file, target):
        with side.errors(), source.open_session(database, "postgres") as session:
            side.open_server(session)
            if not swap.exists(session, file):
                raise Failure(f"the server has no database {file}: make psql ARGS=-l lists them")
            _require_usable(database, session, file)
            kept = _change_places(database, session, file, [])
            _drop_kept(session, target, kept)
        say(f"Back: {target} is what was kept as {file}")
    else:
        folder = store.find(file)
        with side.restored(database, folder, side.RESTORING) as (session, copy, content, at_once):
            kept = _change_places(database, session, copy, at_once)
            _drop_kept(session, target, kept)
        trials.record(folder, None)
        say(f"Restored: {target} is as of {content['created']}, {_extent(content)}")
    if kept:
        say(f"Kept: what was {target} until now is {kept}; scripts/guide/operator.md says how to go back, or to take readings over")


def trial(database: Database) -> None:
    """Restore the newest backup into a database that is thrown away, and say whether it can be relied on; raises Failure."""
    newest = next(iter(store.backups(database.name)), None)
    if newest is None:
        raise Failure(f"there is no backup of {database.name} in {store.shown(backups_folder())}: make backup")
    try:
        with side.restored(database, newest, side.TRIED) as (_, _, content, _):
            pass
    except store.Damaged as failure:
        trials.record(newest, str(failure))
        raise
    trials.record(newest, None)
    say(f"Restored and verified: {store.shown(newest)}, {listing.age(newest)} old, {_extent(content)}")


def _change_places(database: Database, session: psycopg.Connection, copy: str, at_once: list[sql.Composable]) -> str | None:
    """Make `copy` the database, with its jobs running; returns the name that the other is kept under."""
    with step("Changing places"):
        try:
            kept = swap.swap(database, session, copy, at_once)
        except BaseException:
            # Its scheduler was cut off like every other session, and would stay away.
            with contextlib.suppress(psycopg.Error, Failure):
                swap.start_jobs(database)
            raise
        try:
            swap.start_jobs(database)
        except (psycopg.Error, Failure) as error:
            raise Failure(f"{database.name} is the restored one now, but its jobs could not be started, make up does: {' '.join(str(error).split())}") from None
        return kept


def _require_usable(database: Database, session: psycopg.Connection, kept: str) -> None:
    """Open what was kept to connections; raises Failure, with it closed again, if it can't be the database."""
    allow = sql.SQL("alter database {} allow_connections {}")
    session.execute(allow.format(sql.Identifier(kept), sql.SQL("true")))
    try:
        with source.open_session(swap.beside(database, kept)) as inside:
            source.facts(inside)
    except (psycopg.Error, Failure) as error:
        session.execute(allow.format(sql.Identifier(kept), sql.SQL("false")))
        raise Failure(f"{kept} can't be gone back to: {' '.join(str(error).split())}") from None


def _drop_kept(session: psycopg.Connection, target: str, kept: str | None) -> None:
    for name in swap.all_kept(session, target):
        if name != kept:
            try:
                session.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
                say(f"Dropped {name}, which the restore before this one had kept")
            except psycopg.Error as error:
                say(f"Warning: {name}, which the restore before this one had kept, can't be dropped: {' '.join(str(error).split())}")


def _extent(content: dict) -> str:
    rows = sum(relation["rows"] for relation in content["relations"].values())
    return f"{rows:,} rows in {len(content['relations'])} tables and rollups, each as its manifest says"
