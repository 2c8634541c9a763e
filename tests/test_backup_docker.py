"""Backup and restore of the docker engine's database, through its container's own pg_dump and pg_restore."""

import secrets
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from compose import docker
from conftest import free_port
from engine_cli import Checkout

import compose

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout whose database runs in a container."""
    made = Checkout(
        tmp_path_factory.mktemp("docker") / "en ms",
        ENGINE="docker",
        ENMS_IMAGE=compose.image(),
        ENMS_PORT=free_port(),
        COMPOSE_PROJECT_NAME=f"enms-test-{secrets.token_hex(4)}",
    )
    made.up()
    yield made
    made.run("clean", "--force")


def done(checkout: Checkout, *arguments: str) -> str:
    run = checkout.run(*arguments)
    assert run.returncode == 0 and not run.stderr, run.stdout + run.stderr
    return run.stdout


def container(checkout: Checkout) -> str:
    return docker("ps", "-q", "--filter", f"label=com.docker.compose.project={checkout.environment['COMPOSE_PROJECT_NAME']}")


@contextmanager
def unseen(password: str) -> Iterator[None]:
    """Fails the test if the password is in any process's arguments meanwhile."""
    seen, over = set(), threading.Event()

    def look() -> None:
        while not over.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes())
                except OSError:
                    continue

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()
    commands = b"\n".join(seen)
    assert b"pg_dump" in commands or b"pg_restore" in commands
    assert password.encode() not in commands


def test_round_trip(checkout: Checkout) -> None:
    readings = "select count(*), sum(power_kw) from energy_readings_1hour join energy_readings using (machine_id)"
    checkout.query("insert into energy_readings (time, machine_id, power_kw) select now() - n * interval '1 minute', id, n from machines, generate_series(1, 99) n")
    checkout.query("create role clerk login password 'c' in role enms_reader")
    before = checkout.query(readings)
    with unseen(checkout.password()):
        assert "Backup: backups/enms-" in done(checkout, "backup")
    (backup,) = (checkout.path / "backups").glob("enms-*")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in backup.iterdir()} == {0o600}
    assert f'"image": "{compose.image()}"' in (backup / "manifest.json").read_text()
    checkout.query("drop role clerk; delete from energy_readings")
    with unseen(checkout.password()):
        done(checkout, "restore-test")
        assert "Created the roles that this server did not have: clerk" in done(checkout, "restore", f"backups/{backup.name}")
    assert checkout.query(readings) == before
    # Its next check is of the database that came in.
    deadline = time.monotonic() + 60
    checked = docker("inspect", "--format", "{{len .State.Health.Log}} {{(index .State.Health.Log 0).Start}}", container(checkout))
    while docker("inspect", "--format", "{{len .State.Health.Log}} {{(index .State.Health.Log 0).Start}}", container(checkout)) == checked:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert docker("inspect", "--format", "{{.State.Health.Status}}", container(checkout)) == "healthy"
    assert checkout.query("select count(*) from pg_database where datname ~ '_restor'") == "0"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_pg_dump_is_left_in_the_container(checkout: Checkout, number: int) -> None:
    """It would hold its locks until the container is stopped."""
    # Large enough for a dump that fills every pipe between here and there.
    checkout.query("create table if not exists bulk as select md5(random()::text) from generate_series(1, 2000000)")
    backup = subprocess.Popen(checkout.command("backup"), cwd=checkout.path, env=checkout.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    running = "select count(*) from pg_stat_activity where application_name = 'pg_dump'"
    deadline = time.monotonic() + 60
    while checkout.query(running) == "0":
        assert backup.poll() is None and time.monotonic() < deadline
    backup.send_signal(number)
    backup.communicate()
    while checkout.query(running) != "0":
        assert time.monotonic() < deadline, "pg_dump goes on in the container"
        time.sleep(0.2)
    assert docker("exec", container(checkout), "sh", "-c", "cat /proc/[0-9]*/comm").split().count("pg_dump") == 0
