"""The throw-away database that is measured, and what server it is on."""

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql

from scripts import client
from scripts.connection import Database
from scripts.console import Failure, complain, step
from scripts.server import APACHE, COMMUNITY
from scripts.settings import INIT

INTERRUPTS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
LOCAL = "", "localhost", "127.0.0.1", "::1"


@contextmanager
def throwaway(server: Database) -> Iterator[Database]:
    """A new database on the server with init/ run in it and its jobs standing still; dropped at the end.

    Raises Failure if the role may not make databases, or init/ cannot be run.
    """
    name = f"enms_bench_{secrets.token_hex(4)}"
    own = replace(server, parameters=server.parameters | {"dbname": name})
    with server.connect(autocommit=True) as session:
        if not session.execute("select rolcreatedb or rolsuper from pg_roles where rolname = current_user").fetchone()[0]:
            user = session.execute("select current_user").fetchone()[0]
            raise Failure(f"the role {user} may not create databases, and the benchmark needs one of its own: use another role")
    try:
        with step(f"Making the database {name}"):
            with server.connect(autocommit=True) as session:
                session.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            client.run_sql_files(own.psql(), own.environment, INIT)
            with own.connect(autocommit=True) as session:
                # A policy that starts by itself would disturb what is measured.
                session.execute("select _timescaledb_functions.stop_background_workers()")
        yield own
    finally:
        _drop(server, name)


def _drop(server: Database, name: str) -> None:
    """Drop the database; a second Ctrl-C does not stop that."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in INTERRUPTS}
    try:
        with server.connect(autocommit=True) as session:
            session.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
    except (Failure, psycopg.Error) as error:
        complain(f"the database {name} could not be dropped, so drop it yourself: {error}")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def edition(session: psycopg.Connection) -> str:
    """'community' or 'apache-2'."""
    licence = session.execute("select current_setting('timescaledb.license')").fetchone()[0]
    return COMMUNITY if licence == "timescale" else APACHE


def facts(session: psycopg.Connection, server: Database) -> dict[str, Any]:
    """Versions of PostgreSQL and TimescaleDB, and the processors; None where the server is another machine."""
    postgresql, timescaledb = session.execute(
        "select split_part(current_setting('server_version'), ' ', 1),"
        " (select extversion from pg_extension where extname = 'timescaledb')"
    ).fetchone()
    here = server.engine is not None or session.info.host in LOCAL or session.info.host.startswith("/")
    return {
        "postgresql": postgresql,
        "timescaledb": timescaledb,
        "edition": edition(session),
        "cpus": os.cpu_count() if here else None,
    }
