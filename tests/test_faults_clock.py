"""The server's clock stepped weeks ahead and back, and what the verifier's advice makes of it."""

import secrets
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from conftest import ABSENT, CHECKOUT, free_port
from faults import Writer, assert_rollups, by_copy, initialise, run_policies, today, writers
from verified import BAD, SPEC, names, until, verify_anew

from scripts.cluster import Cluster
from scripts.server import memory_flags
from verify.result import Outcome

pytestmark = pytest.mark.community
DUE = """select job_id, schedule_interval from timescaledb_information.jobs
    where proc_name = 'policy_refresh_continuous_aggregate' and hypertable_name is not null"""
# What the wall clock does, and not the monotonic one, which no step of the clock touches; the file is read at every look.
FAKED = {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1"}


@pytest.fixture
def stepped(edition: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Cluster, Callable]]:
    """A running server, and a function that sets its clock, as in step('+3d')."""
    installation = request.config.installations.get(edition)
    if installation is None:
        pytest.skip(ABSENT[edition])
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        pytest.skip("libfaketime is not installed (Debian's package faketime), so the clock cannot be stepped")
    # pytest closes its own temporary folders to the server's user.
    state = Path(tempfile.mkdtemp(prefix="enms-clock-"))
    state.chmod(0o755)
    clock = state / "clock"

    def step(offset: str) -> None:
        # As a whole: somebody looks at it all the time.
        part = clock.with_suffix(".part")
        part.write_text(f"{offset}\n")
        part.rename(clock)

    step("+0")
    server = Cluster(installation, state, free_port(), secrets.token_urlsafe(16))
    try:
        server.create()
        with monkeypatch.context() as environment:
            for name, value in (FAKED | {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock)}).items():
                environment.setenv(name, value)
            server.start(memory_flags() | {"shared_buffers": "128MB"})
        yield server, step
    finally:
        server.kill()
        shutil.rmtree(state, ignore_errors=True)


def test_clock_four_weeks_ahead_and_back(stepped: tuple[Cluster, Callable]) -> None:
    server, step = stepped
    dsn = initialise(server)
    at_work = [writer for writer in writers() if writer.table == "energy_readings"]
    latest = Writer("now", 6, "energy_readings", 3, today(), by_copy)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for writer in [*at_work, latest]:
            for _ in range(4):
                writer.write(connection)
        run_policies(connection)

        step("+28d")
        connection.execute("insert into energy_readings (time, machine_id, power_kw) select now() - interval '3 hours', id, 1 from machines")
        run_policies(connection)
        # PostgreSQL 15 starts its background workers inside select(), where the library does not reach them: the jobs run
        # in this session, and their next start is put where the scheduler would have put it.
        connection.execute(f"select alter_job(job_id, next_start => now() + schedule_interval) from ({DUE}) due")
        assert connection.execute("select count(*) from energy_readings where time < now() - interval '95 days'").fetchone()[0] == 0

        step("+0")
        bad = {result.name: result.verdict for result in verify_anew(dsn) if result.outcome in BAD}
        put_off = {name for name, verdict in bad.items() if "is put off until" in verdict.detail}
        assert bad.keys() == put_off | {"watermarks of the rollups"} and len(put_off) == len(SPEC.rollups), bad
        assert "readings in the future" in names(verify_anew(dsn, "health"), Outcome.INFORMATION)

        # What the verifier says to do, word by word.
        delete, mend = bad["watermarks of the rollups"].fix.split("; then ")
        assert delete == "delete the readings of the future"
        connection.execute("delete from energy_readings where time > now()")
        for statement in mend.rstrip(";").split("; "):
            connection.execute(statement)
        for name in put_off:
            connection.execute(bad[name].fix)
        connection.execute("select _timescaledb_functions.restart_background_workers()")
        until(connection, f"select bool_and(s.last_successful_finish between now() - interval '1 minute' and now()) from ({DUE}) due"
                          " join timescaledb_information.job_stats s using (job_id)")  # fmt: skip
        assert [result.name for result in verify_anew(dsn) if result.outcome in BAD] == []

        # Retention went by the clock that was wrong. It took nothing that a refresh still looks at, so the rollups are whole.
        oldest = connection.execute("select min(time) from energy_readings").fetchone()[0]
        assert timedelta(days=60) > datetime.now(UTC) - oldest
        assert_rollups(connection, [*at_work, latest])
        fresh = Writer("after", 7, "energy_readings", 5, datetime.now(UTC) - timedelta(minutes=20), by_copy)
        fresh.write(connection)
        run_policies(connection, "refresh_continuous_aggregate")
        assert_rollups(connection, [*at_work, latest, fresh])


def test_made_at_any_hour(stepped: tuple[Cluster, Callable], tmp_path: Path) -> None:
    """No policy is to wait for longer than its interval, which the verifier calls put off: 1.1.0 made such at these hours."""
    server, step = stepped
    with tarfile.open(CHECKOUT / "tests/fixtures/schema-1.1.0.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    for hour in 0, 9:
        now = datetime.now(UTC)
        then = (now + timedelta(days=1)).replace(hour=hour, minute=5, second=0)
        step(f"+{(then - now).total_seconds():.0f}")
        name = f"made_at_{hour}"
        server.create_database(name)
        if hour == 0:
            server.run_init(name, tmp_path / "init")
        server.run_init(name)
        with psycopg.connect(server.dsn(name)) as connection:
            first = "select count(*), count(*) filter (where next_start > now() + schedule_interval) from timescaledb_information.jobs"
            jobs, late = connection.execute(f"{first} where hypertable_name is not null").fetchone()
        assert jobs and not late, hour
