"""A server for the verifier's tests: in the shape of make up, so that a fresh database passes in full."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from conftest import ABSENT, CHECKOUT, free_port
from scripts.cluster import Cluster
from scripts.server import memory_flags
from verify import spec
from verify.catalog import Catalog
from verify.connection import prepare
from verify.registry import Context, Runner
from verify.result import Outcome, Result
from verify.sources import Sources

SPEC = spec.load()
SOURCES = Sources()
BAD = {Outcome.FAILED, Outcome.NOT_EVALUATED}


@pytest.fixture(scope="module")
def own_cluster(edition: str, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running server that a module may change settings and roles of."""
    installation = request.config.installations.get(edition)
    if installation is None:
        pytest.skip(ABSENT[edition])
    state = Path(tempfile.mkdtemp(prefix="enms-verify-"))
    server = Cluster(installation, state, free_port(), secrets.token_urlsafe(16))
    try:
        server.create()
        server.start(memory_flags() | {"shared_buffers": "256MB"})
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="module")
def dsn(own_cluster: Cluster) -> str:
    """DSN of a freshly initialised database whose policies stand still."""
    own_cluster.create_database("enms")
    own_cluster.run_init("enms")
    with psycopg.connect(own_cluster.dsn("enms"), autocommit=True) as connection:
        connection.execute("select _timescaledb_functions.stop_background_workers()")
    return own_cluster.dsn("enms")


@pytest.fixture
def changed(dsn: str) -> Iterator[psycopg.Connection]:
    """A connection in a transaction that is rolled back, as the verifier sets its sessions up."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        prepare(connection)
        connection.execute("set default_transaction_read_only = off; set lock_timeout = 10000")
        with connection.transaction(force_rollback=True):
            yield connection


def run(*arguments: str, env: dict[str, str] | None = None, script: str = "") -> subprocess.CompletedProcess:
    """Run `python -m verify` as a user would; `script` is Python to run before it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "ENMS"))} | (env or {})
    how = ["-c", f"{script}; import runpy; runpy.run_module('verify', run_name='__main__')"] if script else ["-m", "verify"]
    return subprocess.run([sys.executable, *how, *arguments], cwd=CHECKOUT, env=clean, capture_output=True, text=True)


def verify(connection: psycopg.Connection, *families: str) -> list[Result]:
    """Results of a run over the connection, inside its transaction if it is in one."""
    return Runner(Context(SPEC, Catalog(connection), SOURCES)).run(families)


def verify_anew(dsn: str, *families: str) -> list[Result]:
    """Results of a run over a session of its own, set up as the command does."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        prepare(connection)
        return verify(connection, *families)


def until(connection: psycopg.Connection, question: str, seconds: float = 90) -> None:
    """Wait until a query answers true; fails the test if it does not."""
    deadline = time.monotonic() + seconds
    while not (row := connection.execute(question).fetchone()) or not row[0]:
        assert time.monotonic() < deadline, question
        time.sleep(0.1)


def make_due(connection: psycopg.Connection, job: int, meanwhile: str = "select") -> None:
    """Let the scheduler begin a job at once, whatever it is doing and whatever became of the job before; `meanwhile` no job runs."""
    connection.execute("select _timescaledb_functions.stop_background_workers()")
    # TimescaleDB lets a job that was cut off, as by the line above, rest for five minutes, or for as long as it takes to forget that.
    connection.execute(f"delete from _timescaledb_internal.bgw_job_stat where job_id = {job}")
    connection.execute(f"select alter_job({job}, next_start => now())")
    connection.execute(meanwhile)
    connection.execute("select _timescaledb_functions.start_background_workers()")


def names(results: list[Result], outcome: Outcome = Outcome.FAILED) -> set[str]:
    """Names of the checks with that outcome."""
    return {result.name for result in results if result.outcome is outcome}


def details(results: list[Result]) -> str:
    """What failed and what was not evaluated, for an assertion's message."""
    return "\n".join(f"{r.outcome} {r.name}: {r.verdict}" for r in results if r.outcome in BAD)
