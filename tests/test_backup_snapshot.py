"""A backup that begins while a chunk is being compressed, or while old ones are dropped, has every reading."""

import re
import subprocess
import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from scripts.backup import snapshot
from scripts.cluster import Cluster
from verified import until

pytestmark = pytest.mark.community
WAITS = "select count(*) > 0 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@pytest.fixture
def chunk(fresh: psycopg.Connection) -> str:
    """The uncompressed chunk of a day with readings; there is one more day, long past retention."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for past in 12, 120:
        fresh.execute(
            "insert into energy_readings (time, machine_id, power_kw) select %s + n * interval '1 minute', id, 1 from machines, generate_series(0, 99) n",
            [day - timedelta(days=past)],
        )
    return fresh.execute("select c::text from show_chunks('energy_readings', newer_than => interval '60 days') c").fetchone()[0]


@pytest.fixture
def dumped(cluster: Cluster, fresh: psycopg.Connection, fresh_database: str):
    """Runs a statement of a policy, and pg_dump on a snapshot asked for before it commits; rows by table of the dump."""

    def dump(found: list[str]) -> None:
        with psycopg.connect(fresh_database, autocommit=True) as session, snapshot.taken(session) as name:
            command = [cluster.installation.program("pg_dump"), "--data-only", f"--snapshot={name}"]
            found.append(subprocess.run(command, env=cluster.environment(session.info.dbname), capture_output=True, text=True, check=True).stdout)

    def beside(statement: str, *arguments: str) -> dict[str, int]:
        found: list[str] = []
        backup = threading.Thread(target=dump, args=[found])
        with psycopg.connect(fresh_database) as policy:
            policy.execute(statement, arguments)
            backup.start()
            until(fresh, WAITS)
        backup.join()
        return {table: rows.count("\n") for table, rows in re.findall(r"^COPY (\S+) .*?;\n(.*?)^\\\.$", found[0], re.M | re.S)}

    return beside


def test_compression_under_way(dumped, chunk: str) -> None:
    rows = dumped("select compress_chunk(%s)", chunk)
    assert rows[chunk] == 0
    compressed = [count for table, count in rows.items() if "compress_hyper" in table]
    assert sum(compressed) > 0, "the chunk is in the dump neither as rows nor compressed"


def test_chunks_dropped_under_way(dumped, chunk: str) -> None:
    rows = dumped("select drop_chunks('energy_readings', older_than => interval '60 days')")
    assert {table: count for table, count in rows.items() if re.fullmatch(r"_timescaledb_internal\._hyper_1_\d+_chunk", table)} == {chunk: 700}


def test_an_interrupt_in_the_middle_of_a_statement_stays_one(fresh_database: str) -> None:
    with pytest.raises(KeyboardInterrupt), psycopg.connect(fresh_database, autocommit=True) as session, snapshot.taken(session):
        # Sent, and its answer not waited for: nothing else can be asked.
        session.pgconn.send_query(b"select pg_sleep(1)")
        raise KeyboardInterrupt
