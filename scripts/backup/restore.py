"""make restore and make restore-test: into a database beside the running one, compared and verified there."""

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
            opened = sql.SQL("alter database {} allow_connections true").format(sql.Identifier(file))
            kept = _change_places(database, session, file, [opened])
        say(f"Back: {target} is what was kept as {file}")
    else:
        folder = store.find(file)
        with side.restored(database, folder, side.RESTORING) as (session, copy, content, at_once):
            kept = _change_places(database, session, copy, at_once)
        trials.record(folder, None)
        say(f"Restored: {target} is as of {content['created']}, {_extent(content)}")
    with source.open_session(database, "postgres") as session:
        for name in swap.drop_kept(session, target, but=kept):
            say(f"Dropped {name}, which the restore before this one had kept")
    if kept:
        say(f"Kept: what was {target} until now is {kept}; README, Backup and restore, says how to go back, or to take readings over")


def trial(database: Database) -> None:
    """Restore the newest backup into a database that is thrown away, and say whether it can be relied on; raises Failure."""
    newest = next(iter(store.backups()), None)
    if newest is None:
        raise Failure(f"there is no backup in {store.shown(backups_folder())}: make backup")
    try:
        with side.restored(database, newest, side.TRIAL) as (_, _, content, _):
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
            return swap.swap(session, copy, database.name, at_once)
        finally:
            # Whichever it is now: its scheduler was cut off like every other session, and would stay away.
            swap.start_jobs(database)


def _extent(content: dict) -> str:
    rows = sum(relation["rows"] for relation in content["relations"].values())
    return f"{rows:,} rows in {len(content['relations'])} tables and rollups, each as its manifest says"
