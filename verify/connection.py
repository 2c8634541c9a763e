"""The one connection of a run: where it goes, and waiting for the server to be ready."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import make_conninfo

from scripts import connection
from scripts.console import Failure
from verify.result import ExitCode, Fatal

# The facts are small: a query that takes this long, in ms, waits for something.
STATEMENT_TIMEOUT = 15_000
CONNECT_TIMEOUT = 5
PAUSE = 0.25
SETTINGS = {
    "application_name": "enms verify",
    "connect_timeout": CONNECT_TIMEOUT,
    "options": f"-c statement_timeout={STATEMENT_TIMEOUT} -c search_path=pg_catalog,public -c client_min_messages=error "
    "-c default_transaction_read_only=on",
}


@dataclass(frozen=True)
class Target:
    """Where to connect. `ours` is True for an engine of this checkout, which postgresql.conf must be in force on."""

    conninfo: str
    ours: bool


def find_target(dsn: str | None = None) -> Target:
    """The argument, else ENMS_DSN, else libpq's PG* variables, else the engine that is up; Fatal if there is none."""
    dsn = dsn or os.environ.get("ENMS_DSN")
    if dsn:
        try:
            return Target(make_conninfo(dsn), False)
        except psycopg.ProgrammingError as error:
            raise Fatal(f"the DSN cannot be read: {_reason(error)}", ExitCode.USAGE) from None
    if any(name in os.environ for name in ("PGHOST", "PGSERVICE", "PGDATABASE")):
        return Target("", False)
    try:
        return Target(make_conninfo(**connection.find().parameters), True)
    except Failure as error:
        raise Fatal(str(error), ExitCode.CONNECT) from None


def connect(target: Target) -> psycopg.Connection:
    """An autocommit connection that only reads; Fatal with the server's reason if there is none."""
    try:
        return psycopg.connect(target.conninfo, autocommit=True, **SETTINGS)
    except psycopg.Error as error:
        raise Fatal(f"cannot connect: {_reason(error)}", ExitCode.CONNECT) from None


def wait(dsn: str | None, seconds: float, version: str, tell: Callable[[str], None]) -> tuple[Target, psycopg.Connection]:
    """A connection to a server that answers and whose database has the completion marker.

    Tries for `seconds` and says through `tell` what it waits for whenever that changes; then Fatal.
    """
    deadline = time.monotonic() + seconds
    said = ""
    while True:
        try:
            target = find_target(dsn)
            opened = connect(target)
            reason = _unfinished(opened, version)
            if not reason:
                return target, opened
            opened.close()
        except Fatal as error:
            if error.code is ExitCode.USAGE:
                raise
            reason = str(error)
        left = deadline - time.monotonic()
        if left <= 0:
            raise Fatal(f"not ready after {seconds:g} s: {reason}", ExitCode.CONNECT)
        if reason != said:
            tell(f"waiting up to {left:.0f} s: {reason}")
            said = reason
        time.sleep(min(PAUSE, left))


def _unfinished(opened: psycopg.Connection, version: str) -> str:
    """Why the database is not ready; empty if it is."""
    try:
        if opened.execute("select to_regclass('enms.schema_version')").fetchone()[0] is None:
            return "init/ has not got to the completion marker yet"
        found = opened.execute("select 1 from enms.schema_version where version = %s", [version]).fetchone()
        return "" if found else f"the completion marker of version {version} is not there yet"
    except psycopg.Error as error:
        return " ".join(str(error).split())


def _reason(error: psycopg.Error) -> str:
    """What the driver says, on one line."""
    return " ".join(str(error).split()).removeprefix("connection failed: ") or type(error).__name__
