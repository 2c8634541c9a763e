"""One database in the place of another, in one transaction."""

import re
import time
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from scripts.backup import source
from scripts.backup.meanwhile import meanwhile
from scripts.backup.store import STAMP
from scripts.connection import Database

# One statement, which the server carries through or takes back even if this process is killed. Whoever is connected is
# cut off. Once the renaming has its lock nobody else gets in; it waits for those who did before, and CUT ends them.
SWAP = """
declare
    deadline constant timestamptz := clock_timestamp() + interval '30 seconds';
begin
    loop
        perform pg_stat_clear_snapshot();
        perform pg_terminate_backend(pid) from pg_stat_activity where datname in ({target_name}, {side_name});
        perform pg_stat_clear_snapshot();
        perform pg_terminate_backend(pid, 5000) from pg_stat_activity where datname in ({target_name}, {side_name});
        begin
            {at_once}
            {keep}
            alter database {side} rename to {target};
            exit;
        exception when object_in_use then
            if clock_timestamp() > deadline then
                raise;
            end if;
        end;
    end loop;
end
"""
CUT = "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = any(%s)"
CUT_EVERY = 0.05
# No jobs, and no client by mistake: it is to stay as it is.
KEEP = "alter database {target} rename to {kept}; alter database {kept} allow_connections false;"


def kept_name(target: str, moment: datetime) -> str:
    """The name that the replaced database is kept under."""
    # In lower case as far as it is ours, so that nobody has to quote it.
    return f"{target}_before_{moment.strftime(STAMP).lower()}"


def swap(database: Database, session: psycopg.Connection, side: str, at_once: list[sql.Composable]) -> str | None:
    """Give `side` the name of the database; what had it is kept under the name returned, None if nothing had. Raises psycopg.Error.

    The statements `at_once` belong to the same transaction.
    """
    kept, target = None, database.name
    if exists(session, target):
        # One that is kept already may be of this very second.
        while exists(session, kept := kept_name(target, datetime.now(UTC))):
            time.sleep(0.1)
    names = {"target": target, "side": side, "kept": kept or ""}
    identifiers = {key: sql.Identifier(name) for key, name in names.items() if name}
    keep = sql.SQL(KEEP).format(**identifiers) if kept else sql.SQL("")
    names = {"target": identifiers["target"], "side": identifiers["side"], "target_name": target, "side_name": side}
    statements = sql.SQL(" ").join(statement + sql.SQL(";") for statement in at_once)
    body = sql.SQL(SWAP).format(**names, keep=keep, at_once=statements).as_string(session)
    with source.open_session(database, "postgres") as other, meanwhile(lambda: other.execute(CUT, [[target, side]]), CUT_EVERY):
        session.execute(sql.SQL("do {}").format(sql.Literal(body)))
    return kept


def start_jobs(database: Database) -> None:
    """Have TimescaleDB's scheduler started in a database whose own was ended."""
    with source.open_session(database) as session:
        session.execute("select _timescaledb_functions.start_background_workers()")


def is_kept(name: str, target: str) -> bool:
    """True for a name that kept_name() makes for `target`."""
    return re.fullmatch(re.escape(target) + r"_before_\d{8}t\d{6}z", name) is not None


def all_kept(session: psycopg.Connection, target: str) -> list[str]:
    """The databases that restores have kept."""
    return [name for (name,) in session.execute("select datname from pg_database") if is_kept(name, target)]


def exists(session: psycopg.Connection, name: str) -> bool:
    """True if the server has a database of that name."""
    return session.execute("select from pg_database where datname = %s", [name]).fetchone() is not None


def beside(database: Database, name: str) -> Database:
    """The database of another name on the same server."""
    return replace(database, parameters=database.parameters | {"dbname": name})
