"""Giving way to other sessions: attempts at what needs a lock that they may hold, again and again."""

import time
from collections.abc import Callable

from scripts.connection import Database
from scripts.console import Failure

# s, for which a busy database is tried again.
PATIENCE = 60
PAUSE = 1
# TimescaleDB's library, which the server may lack, is asked for by the first command of every session but this one.
UNLOADED = "set timescaledb.disable_load = on"
BLOCKERS = """
select string_agg(format('process %s (%s, %s)', pid, usename, coalesce(nullif(application_name, ''), 'no name')), ', ')
from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and xact_start < now() - interval '2 seconds'
"""


def until_free(database: Database, attempt: Callable[[], bool], changed: str) -> None:
    """Attempt again and again while other sessions of the database hold what is needed; Failure names them, and says what was `changed`."""
    deadline = time.monotonic() + PATIENCE
    while not attempt():
        if time.monotonic() > deadline:
            with database.connect(autocommit=True) as session:
                session.execute(UNLOADED)
                blockers = session.execute(BLOCKERS).fetchone()[0] or "a session that has ended by now"
            what = f"the tables of {database.parameters.get('dbname', 'the database')}"
            raise Failure(f"{what} were not free for {PATIENCE} s: let {blockers} end, then make apply ({changed})")
        time.sleep(PAUSE)
