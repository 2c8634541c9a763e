"""Bringing history in from a file, against the COPY of the same readings."""

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from scripts.bench import readings
from scripts.bench.copying import HEAP, TARGET, copy_in
from scripts.bench.registry import INGEST, Bench, Goal, Measured, measure, rates
from scripts.bench.timing import side_by_side
from scripts.console import Failure
from scripts.settings import CHECKOUT

ROUNDS, BLOCK = 3, 1 << 17


@measure("import", "make import of {rows} readings", "COPY of the same", Goal(">= 0.5", at_least=0.5), stage=INGEST)
def import_csv(bench: Bench) -> Measured:
    """Rate of the import of a CSV file, start and checks included, to that of the bare COPY; neither refreshes the rollups."""
    if find_spec("polars") is None:
        return Measured(None, "", reason="polars is not installed: pip install '.[tools]'")
    with tempfile.TemporaryDirectory(prefix="enms-bench-") as folder:
        csv, text = Path(folder, "readings.csv"), Path(folder, "readings.txt")
        _write(bench.session, csv, "(format csv, header)")
        _write(bench.session, text, "")

        def clear() -> None:
            bench.session.execute(f"truncate {TARGET}")

        def floor() -> float:
            clear()
            with open(text, "rb") as file:
                return copy_in(bench.session, TARGET, iter(partial(file.read, BLOCK), b""))

        def subject() -> float:
            clear()
            return _import(bench.session, csv)

        return rates(side_by_side(floor, subject, ROUNDS, budget=60, warm=False), bench.rows)


def _write(session: psycopg.Connection, path: Path, form: str) -> None:
    """The copied readings in a file."""
    query = f"copy (select {readings.COLUMNS[TARGET]} from {HEAP} order by {readings.KEYS[TARGET]}) to stdout {form}"
    with open(path, "wb") as file, session.cursor().copy(query) as rows:
        for block in rows:
            file.write(block)


def _import(session: psycopg.Connection, path: Path) -> float:
    """Seconds of an import as a user runs it; raises Failure if it fails."""
    password = {"password": session.info.password} if session.info.password else {}
    dsn = make_conninfo(**session.info.get_parameters(), **password)
    began = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "scripts.history", path, "--no-refresh"], cwd=CHECKOUT, env=os.environ | {"ENMS_DSN": dsn},
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    if run.returncode:
        raise Failure(f"the import of the copied readings failed: {(run.stderr or run.stdout).strip()}")
    return time.perf_counter() - began
