"""The one connection of a run: where it goes, and the session that the facts are read in."""

import os
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from scripts import connection
from scripts.console import Failure
from verify.refusal import Refused, one_line
from verify.result import ExitCode, Fatal

CONNECT_TIMEOUT = 5
PARAMETERS = {"application_name": "enms verify", "client_encoding": "utf8"}
# A person's habits in psql, which libpq would hand to the server: they are no drift of the database.
HABITS = "PGTZ", "PGDATESTYLE", "PGGEQO"
# Whatever the server, the database or the role has these at, the facts are read and printed the same. They are SET
# once the session has begun: pg_settings then still tells what a session begins with.
SESSION = {
    # The facts are small: a query that takes this long waits for something.
    "statement_timeout": "'15 s'",
    "search_path": "pg_catalog, public",
    "timezone": "'UTC'",
    "client_min_messages": "error",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "'read committed'",
    "default_transaction_deferrable": "off",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    "datestyle": "iso",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
}
SINCE = {"idle_session_timeout": 140_000, "transaction_timeout": 170_000}


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
            return Target(make_conninfo(**connection.read_dsn(dsn)), False)
        except (Failure, psycopg.Error, ValueError) as error:
            raise Fatal(f"the DSN cannot be read: {one_line(error)}", ExitCode.USAGE) from None
    if any(name in os.environ for name in ("PGHOST", "PGSERVICE", "PGDATABASE")):
        return Target("", False)
    try:
        return Target(make_conninfo(**connection.find().parameters), True)
    except Failure as error:
        raise Fatal(str(error), ExitCode.CONNECT) from None


def connect(target: Target) -> psycopg.Connection:
    """An autocommit connection that only reads; Fatal with the server's reason if there is none."""
    for name in HABITS:
        os.environ.pop(name, None)
    given = conninfo_to_dict(target.conninfo).keys() | ({"connect_timeout"} if "PGCONNECT_TIMEOUT" in os.environ else set())
    parameters = PARAMETERS | ({} if "connect_timeout" in given else {"connect_timeout": CONNECT_TIMEOUT})
    try:
        opened = psycopg.connect(target.conninfo, autocommit=True, **parameters)
    except (psycopg.Error, ValueError) as error:
        raise Refused("cannot connect", error) from None
    try:
        if opened.execute("select pg_backend_pid()").fetchone()[0] != opened.info.backend_pid:
            opened.close()
            raise Fatal("what answers is a connection pooler, which would lend this session's settings to others: connect to the server itself.", ExitCode.CONNECT)
        prepare(opened)
    except psycopg.Error as error:
        opened.close()
        raise Refused("connected, but the server refuses every command", error) from None
    return opened


def prepare(opened: psycopg.Connection) -> None:
    """Set a session up as every run does; raises psycopg.Error."""
    # By itself and first: the time of one message is measured by the limit that it found.
    opened.execute(f"set statement_timeout = {SESSION['statement_timeout']}")
    opened.execute(settings(opened))


def settings(opened: psycopg.Connection) -> str:
    """The statements that set a session of this server up."""
    known = {name: value for name, value in SESSION.items() if opened.info.server_version >= SINCE.get(name, 0)}
    return "; ".join(f"set {name} = {value}" for name, value in known.items())
