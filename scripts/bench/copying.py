"""COPY of the same readings into the hypertable and into a bare heap."""

import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice

import psycopg

from scripts.bench import readings
from scripts.bench.progress import bar
from scripts.bench.registry import Bench
from scripts.bench.timing import side_by_side
from scripts.console import step

ROUNDS = 3
BLOCK_ROWS = 1000
TARGET, HEAP = "energy_readings", "bench.heap"
# The upserts' rounds (one more warms the caches), readings per batch, and single ones for each batch.
UPSERT_ROUNDS, BATCH, SINGLES = 7, 1000, 20


def copy_in(session: psycopg.Connection, table: str, blocks: Iterable[bytes]) -> float:
    """Time of one COPY of prepared bytes into a table of energy readings, its commit included, s."""
    began = time.perf_counter()
    with session.cursor().copy(f"copy {table} ({readings.COLUMNS[TARGET]}) from stdin") as target:
        for block in blocks:
            target.write(block)
    return time.perf_counter() - began


def copy_out(session: psycopg.Connection, query: str) -> Iterator[bytes]:
    """COPY's text of the rows of a query, row by row."""
    with session.cursor().copy(f"copy ({query}) to stdout") as source:
        for row in source:
            yield bytes(row)


def batches(bench: Bench) -> int:
    """Batches of upserts in a round: a hundredth of the readings of the COPY, up to ten batches."""
    return max(1, min(bench.rows // (100 * BATCH), 10))


def copy_rounds(bench: Bench) -> None:
    """COPY the newest readings of the plant into the hypertable and into a heap, which both keep them.

    Leaves in `found`: `copy`, the seconds; `bytes`, the sizes of both; `following`, the readings that
    come next, for the upserts.
    """
    with step("Preparing the readings to copy"):
        upserts = (UPSERT_ROUNDS + 1) * batches(bench) * (2 * BATCH + SINGLES)
        # Whole minutes, since a reading of every machine falls on each.
        window = timedelta(minutes=int((bench.rows + upserts) / bench.plant.rate / 60) + 2)
        begin, end = bench.plant.end - window, bench.plant.end
        query = readings.rows(TARGET, bench.plant.machines, begin, end)
        rows = copy_out(bench.session, f"{query} limit {bench.rows + upserts}")
        blocks = [b"".join(islice(rows, BLOCK_ROWS)) for _ in range(bench.rows // BLOCK_ROWS)]
        blocks.append(b"".join(islice(rows, bench.rows % BLOCK_ROWS)))
        following = list(rows)
        bench.found["following"] = (row.decode().rstrip("\n").split("\t") for row in following)
        bench.session.execute("create schema bench")
        bench.session.execute(f"create table {HEAP} (like {TARGET} including defaults)")
    with bar(f"Copying {bench.rows:,} readings, {ROUNDS} times each way", 2 * ROUNDS) as advance:

        def into(table: str) -> float:
            bench.session.execute(f"truncate {table}")
            taken = copy_in(bench.session, table, blocks)
            advance()
            return taken

        bench.found["copy"] = side_by_side(lambda: into(HEAP), lambda: into(TARGET), ROUNDS, budget=600, warm=False)
    sizes = f"select hypertable_size('{TARGET}')::bigint, pg_total_relation_size('{HEAP}')"
    bench.found["bytes"] = bench.session.execute(sizes).fetchone()
