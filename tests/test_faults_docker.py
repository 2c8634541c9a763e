"""The container killed in its first boot, stopped under load, and brought back by Docker."""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from compose import docker
from conftest import free_port
from engine_cli import Checkout
from faults import Load, Writer, connected, writers

import compose

pytestmark = pytest.mark.docker


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout that has never been up, on the docker engine."""
    made = Checkout(
        tmp_path / "enms", ENGINE="docker", ENMS_IMAGE=compose.image(), ENMS_PORT=free_port(),
        COMPOSE_PROJECT_NAME=f"enms-test-{secrets.token_hex(4)}",
    )  # fmt: skip
    yield made
    made.run("clean", "--force")


def container(checkout: Checkout) -> str | None:
    """Id of the project's container, running or not."""
    return docker("ps", "-aq", "--no-trunc", "--filter", f"label=com.docker.compose.project={checkout.environment['COMPOSE_PROJECT_NAME']}") or None


def inspect(checkout: Checkout, what: str) -> str:
    return docker("inspect", "--format", "{{." + what + "}}", container(checkout))


def log(checkout: Checkout) -> str:
    run = subprocess.run(["docker", "logs", container(checkout)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return run.stdout


def kill_first_process(checkout: Checkout) -> None:
    """As the kernel does when memory runs out: Docker itself then knows nothing of a wish to stop."""
    os.kill(int(inspect(checkout, "State.Pid")), signal.SIGKILL)


def until(condition, what: str) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail(f"never so: {what}")


def dsn(checkout: Checkout) -> str:
    return f"host=127.0.0.1 port={checkout.environment['ENMS_PORT']} user=enms_user dbname=enms password={checkout.password()}"


MOMENTS = {"in initdb": "belonging to this database system", "before the database is made": "Success. You can now start", "in init/": "04-slow.sql"}


@pytest.mark.parametrize("moment", MOMENTS)
def test_first_boot_killed(checkout: Checkout, moment: str) -> None:
    # Where the boot stands still until it is killed.
    if moment == "in init/":
        (checkout.path / "init" / "04-slow.sql").write_text("select pg_sleep(600);\n")
    boot = subprocess.Popen(checkout.command("up"), cwd=checkout.path, env=checkout.environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    until(lambda: container(checkout) and MOMENTS[moment] in log(checkout), moment)
    kill_first_process(checkout)
    errors = boot.communicate(timeout=120)[1]
    assert boot.returncode, "half a database was taken for one"
    assert "first boot did not reach its end" in errors and "make clean and make up" in errors.splitlines()[-1], errors
    (checkout.path / "init" / "04-slow.sql").unlink(missing_ok=True)
    if moment == "before the database is made":
        # The next container's log knows nothing of the first boot.
        assert checkout.run("down").returncode == 0
        assert "first boot did not reach its end" in checkout.run("up").stderr
    if moment == "in init/":
        assert "first boot did not reach its end" in checkout.run("up").stderr
        checkout.run("clean", "--force")
        checkout.up()


def test_stopped_killed_and_out_of_memory_under_load(checkout: Checkout, record_property) -> None:
    checkout.up()
    at_work = writers()
    load = Load(dsn(checkout), at_work)
    busy = [psycopg.connect(dsn(checkout)) for _ in range(3)]
    busy[0].execute("select 1")
    copying = busy[1].cursor().copy("copy energy_readings (time, machine_id, power_kw) from stdin").__enter__()
    copying.write_row(("2026-01-01", "c0000000-0000-0000-0000-000000000001", 1))
    busy[2].pgconn.send_query(b"select pg_sleep(600)")
    time.sleep(2)
    began = time.monotonic()
    assert docker("stop", container(checkout)) is not None
    record_property("faults", f"docker stop under load: a clean shutdown in {time.monotonic() - began:.1f} s of 120 s")
    load.stop()
    assert inspect(checkout, "State.ExitCode") == "0" and "database system is shut down" in log(checkout).splitlines()[-1]
    checkout.up()
    assert "not properly shut down" not in log(checkout)
    survived(checkout, at_work)

    load = Load(dsn(checkout), at_work)
    time.sleep(1)
    kill_first_process(checkout)
    load.stop()
    until(lambda: inspect(checkout, "RestartCount") == "1" and inspect(checkout, "State.Running") == "true", "restarted by Docker")
    survived(checkout, at_work)

    # Docker takes its own kill for a wish to stop; make up brings it back.
    assert docker("kill", container(checkout)) is not None
    checkout.up()
    survived(checkout, at_work)

    load = Load(dsn(checkout), at_work)
    assert docker("update", "--memory", "500m", "--memory-swap", "500m", container(checkout)) is not None
    with pytest.raises(psycopg.OperationalError), connected(dsn(checkout)) as greedy:
        greedy.execute("select length(string_agg(repeat('x', 1000000), '')) from generate_series(1, 900)")
    load.stop()
    assert docker("update", "--memory", "8g", "--memory-swap", "8g", container(checkout)) is not None
    survived(checkout, at_work)
    assert checkout.run("verify").returncode == 0


def survived(checkout: Checkout, at_work: list[Writer]) -> None:
    """Everything that was acknowledged is there."""
    with connected(dsn(checkout)) as connection:
        for writer in at_work:
            writer.settle(connection)
