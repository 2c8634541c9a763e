"""Writing readings: COPY and the collectors' upserts."""

import time
from collections.abc import Callable

import psycopg

from scripts.bench import readings
from scripts.bench.copying import BATCH, HEAP, SINGLES, TARGET, UPSERT_ROUNDS, batches
from scripts.bench.registry import INGEST, Bench, Goal, Measured, measure, rates
from scripts.bench.timing import side_by_side

PLAIN = "bench.plain"


@measure("copy", "COPY of {rows} readings", "COPY into a heap, no index", Goal(">= 0.35", at_least=0.35), stage=INGEST)
def copy(bench: Bench) -> Measured:
    """Rate of COPY into energy_readings, with its key, checks and triggers, to that into a bare table."""
    return rates(bench.found["copy"], bench.rows)


@measure(
    "upsert", "upserts by 1,000, new readings", "INSERT, plain table with the key", Goal(">= 0.6", at_least=0.6), stage=INGEST
)
def upsert(bench: Bench) -> Measured:
    """Rate of Node-RED's upserts of new readings."""
    return _upserts(bench, BATCH, conflicting=False)


@measure("upsert_conflicting", "upserts by 1,000, all conflict", "the same INSERT of new ones", stage=INGEST)
def upsert_conflicting(bench: Bench) -> Measured:
    """Rate of upserts that correct readings that are there."""
    return _upserts(bench, BATCH, conflicting=True)


@measure("upsert_single", "upserts one by one", "INSERT one by one, plain table", stage=INGEST)
def upsert_single(bench: Bench) -> Measured:
    """Rate of upserts of one reading each, each its own transaction."""
    return _upserts(bench, 1, conflicting=False)


def _upserts(bench: Bench, size: int, conflicting: bool) -> Measured:
    """Statements of `size` readings, as text, into the hypertable and into a plain table with the same key and rows."""
    _make_plain(bench)
    statements = batches(bench) * (1 if size > 1 else SINGLES)
    target, plain = _sender(bench, TARGET, size, upserts=True), _sender(bench, PLAIN, size, upserts=False)
    sent: list[list[str]] = []

    def take() -> None:
        # The next readings, which are new to both tables.
        sent[:] = [[value for _ in range(size) for value in next(bench.found["following"])] for _ in range(statements)]

    def subject() -> float:
        if conflicting:
            target(sent)
        return target(sent)

    pair = side_by_side(lambda: plain(sent), subject, UPSERT_ROUNDS, budget=60, before=take)
    return rates(pair, size * statements)


def _sender(bench: Bench, table: str, size: int, upserts: bool) -> Callable[[list[list[str]]], float]:
    """What sends batches of readings, a statement and a transaction each, and returns the seconds."""
    width = len(readings.COLUMNS[TARGET].split(","))
    rows = ", ".join(f"({', '.join(f'${row * width + column + 1}' for column in range(width))})" for row in range(size))
    query = f"insert into {table} ({readings.COLUMNS[TARGET]}) values {rows}"
    if upserts:
        query += f" {readings.on_conflict(TARGET)}"
    # The statement is sent as it is: looking for placeholders in 1,000 rows would cost more than the server's work.
    cursor = psycopg.RawCursor(bench.session)

    def send(batches: list[list[str]]) -> float:
        began = time.perf_counter()
        for batch in batches:
            cursor.execute(query, batch)
        return time.perf_counter() - began

    return send


def _make_plain(bench: Bench) -> None:
    """The plain table, once, with the readings that the hypertable holds: an index grows slower with its size."""
    if bench.session.execute("select to_regclass(%s)", [PLAIN]).fetchone()[0]:
        return
    bench.session.execute(f"create table {PLAIN} (like {TARGET} including defaults, unique ({readings.KEYS[TARGET]}))")
    bench.session.execute(f"insert into {PLAIN} select * from {HEAP}")
    for table in PLAIN, TARGET:
        bench.session.execute(f"vacuum (analyze) {table}")
