"""Backup and restore while readings come in: nothing acknowledged is lost, nobody waits for long, and how long is told."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from backed_up import Server, fill, server
from verified import until

POLICIES = "j.proc_name in ('policy_compression', 'policy_retention')"
NEXT = f"select job_id, s.next_start from timescaledb_information.jobs j join timescaledb_information.job_stats s using (job_id) where {POLICIES} order by 1"


class Writer(threading.Thread):
    """A client that writes one reading after the other, and connects again when it is cut off."""

    def __init__(self, dsn: str, begin: datetime) -> None:
        super().__init__(daemon=True)
        self.dsn = dsn
        self.begin = begin
        self.acknowledged: list[datetime] = []
        self.longest = 0.0
        self.over = False

    def run(self) -> None:
        last = time.monotonic()
        number = 0
        while not self.over:
            try:
                with psycopg.connect(self.dsn, autocommit=True) as session:
                    while not self.over:
                        number += 1
                        reading = self.begin + timedelta(milliseconds=number)
                        session.execute(
                            "insert into energy_readings (time, machine_id, power_kw) values (%s, 'c0000000-0000-0000-0000-000000000001', 1)", [reading]
                        )
                        self.acknowledged.append(reading)
                        self.longest, last = max(self.longest, time.monotonic() - last), time.monotonic()
            except psycopg.OperationalError:
                # Not acknowledged; whether it was written or not, the next one has a time of its own.
                continue

    def goes_on(self) -> None:
        """Waits until it has written some more; fails the test if it does not."""
        more = len(self.acknowledged) + 20
        deadline = time.monotonic() + 60
        while len(self.acknowledged) < more:
            assert time.monotonic() < deadline and self.is_alive(), f"nothing was written after reading {len(self.acknowledged)}"
            time.sleep(0.01)


@pytest.fixture(scope="module")
def place(edition: str, request: pytest.FixtureRequest) -> Iterator[Server]:
    with server(edition, request.config) as made:
        with made.connect() as session:
            fill(session, edition, days=(20, 9))
        yield made


@contextmanager
def writing(place: Server, days: int, tell: Callable[[str, float], None], what: str) -> Iterator[Writer]:
    """A client that writes readings of so many days ago."""
    writer = Writer(place.cluster.dsn("enms"), datetime.now(UTC) - timedelta(days=days, hours=3))
    writer.start()
    try:
        writer.goes_on()
        yield writer
        writer.goes_on()
    finally:
        writer.over = True
        writer.join(60)
    tell(what, writer.longest)


@pytest.fixture
def tell(edition: str, request: pytest.FixtureRequest) -> Callable[[str, float], None]:
    """Notes a longest pause for the end of the test run."""
    return lambda what, seconds: request.config.pauses.update({f"{what}, {edition}": seconds})


def found(place: Server, dbname: str, writer: Writer) -> set[datetime]:
    with place.connect(dbname, options="-c timezone=UTC") as session:
        return {row for (row,) in session.execute("select time from energy_readings where time > %s and time < %s", [writer.begin, writer.begin + timedelta(hours=3)])}


def test_ingest_during_a_backup(place: Server, tell: Callable[[str, float], None]) -> None:
    with writing(place, 0, tell, "a backup") as writer:
        place.backup()
    assert found(place, "enms", writer) >= set(writer.acknowledged)


@pytest.mark.community
def test_compression_and_retention_wait_for_the_dump_and_late_readings_for_neither(place: Server, tell: Callable[[str, float], None]) -> None:
    with place.connect() as session:
        # A chunk that is to be compressed, and gets late readings.
        session.execute("select decompress_chunk(c, true) from show_chunks('energy_readings', older_than => interval '7 days') c")
        due = "alter_job(job_id, scheduled => true, next_start => now() + interval '4 seconds')"
        session.execute(f"select {due} from timescaledb_information.jobs j where {POLICIES}")
        (when,) = session.execute("select now() + interval '4 seconds'").fetchone()
        session.execute("select _timescaledb_functions.start_background_workers()")
        with writing(place, 9, tell, "a dump that policies become due in, late readings") as writer, place.stopped("archive:update", "backup") as backup:
            assert all(start > when + timedelta(minutes=5) for _, start in session.execute(NEXT))
            until(session, f"select clock_timestamp() > '{when.isoformat()}'::timestamptz + interval '3 seconds'")
            writer.goes_on()
            backup.send_signal(signal.SIGCONT)
            assert backup.wait(120) == 0
        assert found(place, "enms", writer) >= set(writer.acknowledged)
        # At the end they are due again, and do what they are for.
        until(session, "select count(*) = 0 from timescaledb_information.chunks where hypertable_name = 'energy_readings' and not is_compressed and range_end < now() - interval '8 days'")
        session.execute("select _timescaledb_functions.stop_background_workers()")


def test_ingest_during_a_restore(place: Server, edition: str, tell: Callable[[str, float], None]) -> None:
    backup = place.backup()
    with writing(place, 0, tell, "a restore, with the change of places") as writer:
        output = place.done("restore", str(backup))
    kept = next(name for name in place.databases() if name.startswith("enms_before_"))
    assert kept in output
    with place.connect("postgres") as session:
        session.execute(f"alter database {kept} allow_connections true")
    new, old = found(place, "enms", writer), found(place, kept, writer)
    assert new and old
    assert sorted(set(writer.acknowledged) - new - old) == []


@pytest.mark.one_edition
def test_clients_that_come_back_at_once_do_not_stop_a_restore(place: Server) -> None:
    backup = place.backup()
    over = threading.Event()

    def keep_coming() -> None:
        while not over.is_set():
            try:
                with psycopg.connect(place.cluster.dsn("enms"), autocommit=True) as session:
                    while not over.wait(0.01):
                        session.execute("select 1")
            except psycopg.OperationalError:
                continue

    clients = [threading.Thread(target=keep_coming, daemon=True) for _ in range(5)]
    for client in clients:
        client.start()
    try:
        assert "Restored: enms" in place.done("restore", str(backup))
    finally:
        over.set()
        for client in clients:
            client.join(30)
