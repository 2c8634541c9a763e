"""The statements of the MQTT flow, and a session that may do what its role may."""

import threading
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar

import psycopg

from scripts.bench.readings import COLUMNS, on_conflict
from scripts.connection import Database, Unreachable
from scripts.console import Failure, say
from scripts.demo.model import Row

ROLE = "enms_ingest"
# The flow writes the source into its statement.
VALUES = {
    "energy_readings": f"({', '.join(['%s'] * 9)}, 'mqtt', %s)",
    "production_data": f"({', '.join(['%s'] * 10)})",
    "environmental_data": f"({', '.join(['%s'] * 13)})",
}
STATUS = (
    "insert into machine_status (machine_id, is_running, current_mode, current_power_kw, last_updated) values (%s, %s, %s, %s, now())"
    " on conflict (machine_id) do update set is_running = excluded.is_running, current_mode = excluded.current_mode,"
    " current_power_kw = excluded.current_power_kw, last_updated = now()"
)
# Rows of a statement when history is written; the triggers on the readings cost a statement more than a row.
BATCH = 60
RETRY_SECONDS = 1
# Beginnings of SQLSTATE: a connection that is lost, and a server that stops or starts; a transaction that another one was in the way of.
LOST, CLASHED = ("08", "57P0"), ("40001", "40P01")
T = TypeVar("T")


def upsert(table: str, rows: int = 1) -> str:
    """The flow's upsert into a table of readings, of so many rows."""
    return f"insert into {table} ({COLUMNS[table]}) values {', '.join([VALUES[table]] * rows)} {on_conflict(table)}"


def write(session: psycopg.Connection, table: str, rows: Iterable[Row], batch: int = 1) -> int:
    """Upsert rows, `batch` in a statement and what is left over one by one; how many there were."""
    rows, done = iter(rows), 0
    with session.cursor() as cursor:
        batches, left = [], ()
        while len(part := list(islice(rows, batch))) == batch:
            batches.append([value for row in part for value in row])
            done += batch
        left, done = part, done + len(part)
        for size, parameters in (batch, batches), (1, left):
            if parameters:
                cursor.executemany(upsert(table, size), parameters)
    return done


def ingest(database: Database) -> psycopg.Connection:
    """A session that is the ingest role's, with what that may do and nothing more; raises Failure if it can't be had."""
    session = database.connect(autocommit=True, prepare_threshold=1, application_name="enms demo")
    try:
        become(session)
    except BaseException:
        session.close()
        raise
    return session


def become(session: psycopg.Connection) -> None:
    """Make a session the ingest role's."""
    user, zone = session.execute("select session_user, current_setting('TimeZone')").fetchone()
    if zone.upper() not in ("UTC", "ETC/UTC", "GMT"):
        raise Failure(f"this session's time zone is {zone}, and the readings come in UTC without an offset: unset PGTZ, or set it to UTC")
    try:
        session.execute(f"set session authorization {ROLE}")
    except psycopg.errors.InsufficientPrivilege:
        raise Failure(f"the role {user} may not become {ROLE}, which writes the readings: use a superuser, such as the owner") from None
    except psycopg.errors.InvalidParameterValue:
        raise Failure(f"the role {ROLE} is missing: make apply") from None


class Lasting:
    """Work on a session that is opened again, however long that takes, when the server restarts.

    `opened` makes the session; `stopped` ends the waiting, by KeyboardInterrupt.
    """

    def __init__(self, opened: Callable[[], psycopg.Connection], stopped: threading.Event) -> None:
        self.opened, self.stopped, self.session = opened, stopped, None

    def do(self, work: Callable[[psycopg.Connection], T]) -> T:
        """Result of the work, which is done again from its start if the connection breaks, or after a deadlock."""
        told = False
        while True:
            try:
                if self.session is None:
                    self.session = self.opened()
                result = work(self.session)
                if told:
                    say("the database answers again")
                return result
            except (psycopg.OperationalError, Unreachable) as error:
                state = getattr(error, "sqlstate", None) or ""
                lost = self.session is None or self.session.broken or state.startswith(LOST)
                # A full disk, for one, does not mend by waiting.
                if not lost and state not in CLASHED:
                    raise
                if lost and not told:
                    say(f"Note: the database does not answer, so the demo waits for it: {' '.join(str(error).split())}")
                    told = True
                self.close()
            if self.stopped.wait(RETRY_SECONDS):
                raise KeyboardInterrupt

    def close(self) -> None:
        """Close the session, if there is one."""
        if self.session is not None:
            self.session.close()
            self.session = None
