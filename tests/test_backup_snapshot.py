"""A backup that begins while a chunk is being compressed, or while old ones are dropped, has every reading."""

import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from scripts.backup import snapshot
from verified import until

pytestmark = pytest.mark.community
WAITS = "select count(*) > 0 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@pytest.fixture
def chunk(fresh: psycopg.Connection) -> str:
    """The uncompressed chunk of a day with readings, the day before it being long past retention."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for past in 12, 120:
        fresh.execute(
            "insert into energy_readings (time, machine_id, power_kw) select %s + n * interval '1 minute', id, 1 from machines, generate_series(0, 99) n",
            [day - timedelta(days=past)],
        )
    return fresh.execute("select c::text from show_chunks('energy_readings', newer_than => interval '60 days') c").fetchone()[0]


def rows_seen(dsn: str, found: list[int]) -> None:
    with psycopg.connect(dsn, autocommit=True) as session, snapshot.taken(session) as name, psycopg.connect(dsn, autocommit=True) as dump:
        dump.execute("begin isolation level repeatable read")
        dump.execute(f"set transaction snapshot '{name}'")
        found.append(dump.execute("select count(*) from energy_readings").fetchone()[0])


def test_compression_under_way(fresh: psycopg.Connection, fresh_database: str, chunk: str) -> None:
    found: list[int] = []
    backup = threading.Thread(target=rows_seen, args=[fresh_database, found])
    with psycopg.connect(fresh_database) as policy:
        policy.execute("select compress_chunk(%s)", [chunk])
        backup.start()
        until(fresh, WAITS)
    backup.join()
    assert found == [1400]


def test_chunks_dropped_under_way(fresh: psycopg.Connection, fresh_database: str, chunk: str) -> None:
    found: list[int] = []
    backup = threading.Thread(target=rows_seen, args=[fresh_database, found])
    with psycopg.connect(fresh_database) as policy:
        policy.execute("select drop_chunks('energy_readings', older_than => interval '60 days')")
        backup.start()
        until(fresh, WAITS)
    backup.join()
    assert found == [700]
