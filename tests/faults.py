"""Sessions that write readings and note what the server acknowledged, to be held against it after a fault."""

import random
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from conftest import ABSENT, free_port

import oracle
from scripts.cluster import Cluster
from scripts.server import memory_flags

Key = tuple[datetime, UUID]
Values = tuple[Decimal, Decimal]
TABLES = {"energy_readings": ("power_kw", "energy_kwh"), "production_data": ("speed_percent", "throughput_units_per_hour"),
          "environmental_data": ("outdoor_temp_c", "machine_temp_c")}  # fmt: skip
# Each rollup's columns that are the count and the sum of the second measure; of degree days there are none.
SUMS = {
    "energy_readings": {"1min": ("reading_count", "total_energy_kwh"), "15min": ("total_readings", "total_energy_kwh"),
                        "1hour": ("total_readings", "total_energy_kwh"), "1day": ("total_readings", "total_energy_kwh")},
    "production_data": {"1min": ("reading_count", "sum_throughput"), "15min": ("total_readings", "sum_throughput"),
                        "1hour": ("total_readings", "sum_throughput"), "1day": ("total_readings", None)},
    "environmental_data": {"1min": ("reading_count", "sum_machine_temp_c"), "15min": ("total_readings", "sum_machine_temp_c"),
                           "1hour": ("total_readings", None)},
}  # fmt: skip
WIDTHS = {"1min": oracle.MINUTE, "15min": oracle.QUARTER, "1hour": oracle.HOUR, "1day": oracle.DAY}


class Writer:
    """What one session writes for a machine of its own, and what it was told about it.

    `stored` is what has been acknowledged; `pending` is the statement or transaction under way, of
    which nobody knows after a fault whether it is in, but which is in as a whole or not at all.
    """

    def __init__(self, name: str, machine: int, table: str, size: int, begin: datetime, way: Callable, again: int = 0) -> None:
        self.name, self.table, self.size, self.way = name, table, size, way
        self.machine = UUID(f"c0000000-0000-0000-0000-{machine:012}")
        self.next, self.again = begin, again
        self.random = random.Random(machine)
        self.stored: dict[Key, Values] = {}
        self.pending: dict[Key, Values] = {}
        self.acknowledged = 0

    def write(self, connection: psycopg.Connection) -> None:
        """Write one batch and note it."""
        if self.again and len(self.stored) >= self.again:
            # The same readings once more, as a collector corrects them.
            times = [time for time, _ in self.random.sample(sorted(self.stored), self.size)]
        else:
            # Fifty seconds apart, so that buckets of every width get several.
            times = [self.next + timedelta(seconds=50 * step) for step in range(self.size)]
            self.next = times[-1] + timedelta(seconds=50)
        self.pending = {(time, self.machine): (self._value(), self._value()) for time in times}
        self.way(connection, self.table, [(*key, *values) for key, values in self.pending.items()])
        self.acknowledge()

    def acknowledge(self) -> None:
        self.acknowledged += len(self.pending)
        self.stored |= self.pending
        self.pending = {}

    def settle(self, connection: psycopg.Connection, since: int = 0) -> None:
        """After a fault: what was acknowledged is there as it was, from the number `since` on, and what was not, whole or not at all."""
        keys = [*list(self.stored)[0 if self.again else since :], *self.pending]
        there = self.read(connection, [time for time, _ in keys])
        before = {key: values for key in keys if (values := self.stored.get(key))}
        if there == before | self.pending:
            self.acknowledged -= len(self.pending)
            self.acknowledge()
        else:
            wrong = {key: (there.get(key), before.get(key)) for key in keys if there.get(key) != before.get(key)}
            assert there == before, f"{self.name}: {len(wrong)} of {len(keys)} differ, such as {next(iter(wrong.items()))}"
            self.pending = {}

    def read(self, connection: psycopg.Connection, times: Sequence[datetime]) -> dict[Key, Values]:
        """The readings that the server has for this machine at these times."""
        first, second = TABLES[self.table]
        found = connection.execute(
            f"select time, machine_id, {first}, {second} from {self.table} where machine_id = %s and time = any(%s)"
            if len(times) < 1000
            else f"select time, machine_id, {first}, {second} from {self.table} where machine_id = %s and time >= %s",
            [self.machine, list(times) if len(times) < 1000 else min(times)],
        ).fetchall()
        rows = {(time, machine): (one, other) for time, machine, one, other in found}
        assert len(rows) == len(found), f"{self.name}: a reading is there twice"
        return rows

    def _value(self) -> Decimal:
        return Decimal(self.random.randrange(1, 9_000)) / 100


def by_insert(connection: psycopg.Connection, table: str, rows: list[tuple]) -> None:
    """Each reading in a statement, all in one transaction."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(f"insert into {table} (time, machine_id, {', '.join(TABLES[table])}) values (%s, %s, %s, %s)", rows)


def by_one_insert(connection: psycopg.Connection, table: str, rows: list[tuple]) -> None:
    """One statement for all."""
    marks = ", ".join(["(%s, %s, %s, %s)"] * len(rows))
    connection.execute(f"insert into {table} (time, machine_id, {', '.join(TABLES[table])}) values {marks}", [value for row in rows for value in row])


def by_copy(connection: psycopg.Connection, table: str, rows: list[tuple]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"copy {table} (time, machine_id, {', '.join(TABLES[table])}) from stdin") as target:
        for row in rows:
            target.write_row(row)


def by_upsert(connection: psycopg.Connection, table: str, rows: list[tuple]) -> None:
    one, other = TABLES[table]
    key = "time, machine_id, energy_type" if table == "energy_readings" else "time, machine_id"
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            f"insert into {table} (time, machine_id, {one}, {other}) values (%s, %s, %s, %s)"
            f" on conflict ({key}) do update set {one} = excluded.{one}, {other} = excluded.{other}",
            rows,
        )


def today() -> datetime:
    """The midnight before, in UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def writers() -> list[Writer]:
    """Every way in which readings come: now and late, into compressed days, and into history that is rolled up as it comes."""
    midnight = today()
    return [
        Writer("single inserts", 1, "energy_readings", 1, midnight - timedelta(days=2), by_one_insert),
        Writer("batches", 2, "energy_readings", 40, midnight - timedelta(days=5), by_insert),
        Writer("COPY", 3, "energy_readings", 100, midnight - timedelta(days=48), by_copy),
        Writer("upserts", 4, "energy_readings", 30, midnight - timedelta(days=1), by_upsert, again=600),
        Writer("history", 5, "energy_readings", 60, midnight - timedelta(days=84), by_insert),
        Writer("history of production", 6, "production_data", 40, midnight - timedelta(days=80), by_copy),
        Writer("corrected history", 7, "environmental_data", 25, midnight - timedelta(days=70), by_upsert, again=300),
    ]


class Load:
    """Writers at work, each in a thread with a session of its own, until stop() or the server's end."""

    def __init__(self, dsn: str, at_work: Iterable[Writer], policies: bool = True) -> None:
        self.stopping = threading.Event()
        self.errors: list[Exception] = []
        self.runs = 0
        self.threads = [threading.Thread(target=self._work, args=[dsn, writer]) for writer in at_work]
        self.threads += [threading.Thread(target=self._run_policies, args=[dsn])] * policies
        for thread in self.threads:
            thread.start()

    def _work(self, dsn: str, writer: Writer) -> None:
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                while not self.stopping.is_set():
                    writer.write(connection)
        except psycopg.Error as error:
            self.errors.append(error)

    def _run_policies(self, dsn: str) -> None:
        """Every policy over and over, as the scheduler does at its own pace."""
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                while not self.stopping.is_set():
                    for job in policies(connection):
                        run_policy(connection, job)
                        self.runs += 1
                    self.stopping.wait(0.01)
        except psycopg.Error as error:
            self.errors.append(error)

    def notice(self) -> None:
        """Wait until each has lost the server, which is gone."""
        for thread in self.threads:
            thread.join(60)

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def expected_sums(rows: Iterable[tuple[Key, Values]], width: timedelta) -> dict[Key, tuple[int, Decimal]]:
    """Count and sum of the second measure by bucket and machine, in plain Python."""
    sums: dict[Key, tuple[int, Decimal]] = {}
    for (moment, machine), (_, value) in rows:
        bucket = oracle.bucket_of(moment, width), machine
        count, total = sums.get(bucket, (0, Decimal(0)))
        sums[bucket] = count + 1, total + value
    return sums


def assert_rollups(connection: psycopg.Connection, at_work: Iterable[Writer]) -> int:
    """Every rollup holds what these writers' readings come to, and each bucket once; the number of buckets compared."""
    compared = 0
    for table, levels in SUMS.items():
        ours = [writer for writer in at_work if writer.table == table]
        rows = [row for writer in ours for row in writer.stored.items()]
        for level, (count, total) in levels.items():
            found = connection.execute(
                f"select bucket, machine_id, {count}, {total or 'null'} from {table}_{level} where machine_id = any(%s)", [[w.machine for w in ours]]
            ).fetchall()
            actual = {(bucket, machine): (number, value) for bucket, machine, number, value in found}
            assert len(actual) == len(found), f"{table}_{level} has two rows for one bucket"
            expected = expected_sums(rows, WIDTHS[level])
            if total is None:
                expected = {key: (number, None) for key, (number, _) in expected.items()}
            wrong = {key for key in actual.keys() | expected.keys() if actual.get(key) != expected.get(key)}
            assert not wrong, f"{table}_{level}: {len(wrong)} of {len(expected)} buckets, {[(k, actual.get(k), expected.get(k)) for k in sorted(wrong)[:2]]}"
            compared += len(expected)
    return compared


KINDS = "refresh_continuous_aggregate", "compression", "retention"


def policies(connection: psycopg.Connection, *kinds: str) -> list[int]:
    """Job ids of the policies of these kinds, or of all, the lowest level of the rollups first; none on Apache-2."""
    found = connection.execute(
        """select job_id from timescaledb_information.jobs j join unnest(%s::text[]) with ordinality k (kind, place) on j.proc_name = 'policy_' || k.kind
           where hypertable_name is not null order by place, job_id""",
        [list(kinds or KINDS)],
    ).fetchall()
    return [job for (job,) in found]


def run_policy(connection: psycopg.Connection, job: int) -> None:
    """Run one policy, after the scheduler if that is running it right now."""
    for _ in range(100):
        try:
            connection.execute(f"call run_job({job})")
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            time.sleep(0.1)
    raise AssertionError(f"job {job} never came to run")


def run_policies(connection: psycopg.Connection, *kinds: str) -> None:
    """Each policy of these kinds, or of all, once."""
    for job in policies(connection, *kinds):
        run_policy(connection, job)


def start(server: Cluster) -> None:
    """Start the server as make up does, only smaller."""
    server.start(memory_flags() | {"shared_buffers": "128MB"})


def connected(dsn: str) -> psycopg.Connection:
    """A connection, as soon as a server that restarts itself answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return psycopg.connect(dsn, autocommit=True)
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def assert_stored(connection: psycopg.Connection, writer: Writer) -> None:
    """The server has all that it acknowledged."""
    assert writer.read(connection, [time for time, _ in writer.stored]) == writer.stored


@pytest.fixture(scope="module")
def server(edition: str, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running server as make up starts it, fsync and all, which a test may kill."""
    installation = request.config.installations.get(edition)
    if installation is None:
        pytest.skip(ABSENT[edition])
    state = Path(tempfile.mkdtemp(prefix="enms-faults-"))
    made = Cluster(installation, state, free_port(), secrets.token_urlsafe(16))
    try:
        made.create()
        start(made)
        yield made
    finally:
        made.kill()
        shutil.rmtree(state, ignore_errors=True)


def initialise(cluster: Cluster, name: str = "enms") -> str:
    """DSN of a new database after init/, whose jobs run."""
    cluster.create_database(name)
    cluster.run_init(name)
    return cluster.dsn(name)
