"""docker-compose.yml by itself, without make, in a copy of the checkout run by pytest-docker."""

import json
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from conftest import CHECKOUT, free_port
from pytest_docker.plugin import Services

import compose
from compose import docker, own_address

pytestmark = pytest.mark.docker
PARTS = "docker-compose.yml", "postgresql.conf", "init", "scripts/hba", ".env.example"
# Docker checks the health every 5 s and needs 6 failures in a row.
HEALTH_TURNS = 90


def copy_of_checkout(folder: Path, **settings: object) -> Path:
    """The files that a bare `docker compose up` needs, with an .env made by hand from .env.example."""
    folder.mkdir(parents=True)
    for part in PARTS:
        source = CHECKOUT / part
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
    lines = [line for line in (folder / ".env.example").read_text().splitlines() if line.split("=")[0] not in settings]
    (folder / ".env").write_text("\n".join([*lines, *(f"{name}={value}" for name, value in settings.items())]) + "\n")
    return folder


@pytest.fixture(scope="session")
def settings() -> dict[str, object]:
    return {"ENMS_IMAGE": compose.image(), "ENMS_PORT": free_port(), "POSTGRES_PASSWORD": secrets.token_urlsafe(16)}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, object]) -> Path:
    return copy_of_checkout(tmp_path_factory.mktemp("compose") / "enms", **settings)


@pytest.fixture(scope="session")
def docker_compose_file(folder: Path) -> str:
    return str(folder / "docker-compose.yml")


@pytest.fixture(scope="session")
def docker_compose_project_name() -> str:
    return f"enms-test-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def docker_setup() -> list[str]:
    return ["up -d --wait"]


@pytest.fixture(scope="session")
def container(docker_services: Services, docker_compose_project_name: str) -> str:
    """Id of the running container, which `up -d --wait` found healthy."""
    return docker("ps", "-q", "--filter", f"label=com.docker.compose.project={docker_compose_project_name}")


@pytest.fixture
def connection(container: str, settings: dict[str, object]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(host="127.0.0.1", port=settings["ENMS_PORT"], user="enms_user", dbname="enms",
                         password=settings["POSTGRES_PASSWORD"], autocommit=True) as opened:  # fmt: skip
        yield opened


def health(container: str) -> str:
    return docker("inspect", "--format", "{{.State.Health.Status}}", container)


def eventually(condition: Callable[[], bool], what: str) -> None:
    for _ in range(HEALTH_TURNS):
        if condition():
            return
        time.sleep(1)
    pytest.fail(f"never so: {what}")


def test_up_wait_gives_a_database_with_its_marker(connection: psycopg.Connection, container: str) -> None:
    assert health(container) == "healthy"
    assert connection.execute("select count(*) from enms.schema_version").fetchone()[0] == 1
    assert connection.execute("select count(*) from machines").fetchone()[0] == 7


def test_the_configuration_is_in_force(connection: psycopg.Connection) -> None:
    assert connection.execute("show config_file").fetchone()[0] == "/etc/postgresql/postgresql.conf"
    wanted = {"shared_buffers": "2GB", "effective_cache_size": "6GB", "work_mem": "64MB", "random_page_cost": "1.1",
              "synchronous_commit": "on", "TimeZone": "UTC", "password_encryption": "scram-sha-256",
              "timescaledb.telemetry_level": "off"}  # fmt: skip
    actual = {name: connection.execute("select current_setting(%s)", [name]).fetchone()[0] for name in wanted}
    assert actual == wanted
    assert connection.execute("select count(*) from pg_file_settings where error is not null").fetchone()[0] == 0


def test_health_follows_the_marker(connection: psycopg.Connection, container: str) -> None:
    row = connection.execute("delete from enms.schema_version returning *").fetchone()
    try:
        eventually(lambda: health(container) == "unhealthy", "unhealthy without the marker")
    finally:
        connection.execute("insert into enms.schema_version values (%s, %s, %s)", row)
    eventually(lambda: health(container) == "healthy", "healthy with the marker")


def inside(container: str, command: str) -> str:
    """Output of a shell command in the running container, errors included."""
    run = subprocess.run(["docker", "exec", container, "sh", "-c", command], capture_output=True, text=True)
    return run.stdout + run.stderr


def test_the_running_container_is_hardened(container: str, settings: dict[str, object]) -> None:
    status = dict(line.split(":\t", 1) for line in inside(container, "cat /proc/1/status").splitlines() if ":\t" in line)
    assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split()
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    # Mode 2 is a filter of system calls.
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    for path in "/x", "/usr/x", "/etc/postgresql/x", "/docker-entrypoint-initdb.d/x", "/etc/postgresql/hba/x", "/etc/postgresql/tls/x":
        assert "Read-only file system" in inside(container, f"touch {path}"), path
    mounts = {fields[1]: set(fields[3].split(",")) for fields in map(str.split, inside(container, "cat /proc/mounts").splitlines())}
    for path in "/", "/etc/postgresql/postgresql.conf", "/docker-entrypoint-initdb.d", "/etc/postgresql/hba", "/etc/postgresql/tls":
        assert "ro" in mounts[path], path
    for path in "/tmp", "/run/postgresql", "/dev/shm":
        assert mounts[path] >= {"rw", "nosuid", "nodev", "noexec"}, path
    assert "Permission denied" in inside(container, "cp /bin/true /tmp/x; /tmp/x; rm -f /tmp/x")
    assert "No such file" in inside(container, "ls /var/run/docker.sock")
    assert inside(container, "df --output=size -k /dev/shm || df -k /dev/shm").split().count("1048576") == 1
    # By the first or the second version of control groups.
    assert int(inside(container, "cat /sys/fs/cgroup/memory.max 2>&- || cat /sys/fs/cgroup/memory/memory.limit_in_bytes")) == 8 << 30
    assert int(inside(container, "cat /sys/fs/cgroup/pids.max 2>&- || cat /sys/fs/cgroup/pids/pids.max")) == 512
    own = {"HOME", "HOSTNAME", "PATH", "PWD", "OLDPWD", "SHLVL", "_"}
    names = {line.partition("=")[0] for line in inside(container, "env").splitlines()}
    of_image = {line.partition("=")[0] for line in json.loads(docker("image", "inspect", "--format", "{{json .Config.Env}}", str(settings["ENMS_IMAGE"])))}
    assert names - own - of_image == {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_INITDB_ARGS"}
    facts = json.loads(docker("inspect", container))[0]
    assert facts["Config"]["StopTimeout"] == 120 and facts["Config"]["StopSignal"] == "SIGINT" and not facts["HostConfig"]["Privileged"]
    assert facts["HostConfig"]["PortBindings"]["5432/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(settings["ENMS_PORT"])}]


def test_inside_the_container_too_nobody_gets_in_without_the_password(container: str, connection: psycopg.Connection, settings: dict[str, object]) -> None:
    for host in "127.0.0.1", "/run/postgresql":
        assert "no password supplied" in inside(container, f"psql -X -w -h {host} -U enms_user enms -c 'select 1'"), host
    rules = connection.execute("select type, auth_method from pg_hba_file_rules").fetchall()
    assert set(rules) == {("local", "scram-sha-256"), ("host", "scram-sha-256")}
    logs = subprocess.run(["docker", "logs", container], capture_output=True, text=True)
    assert settings["POSTGRES_PASSWORD"] not in logs.stdout + logs.stderr + docker("top", container)


def test_the_port_is_closed_to_other_addresses(container: str, settings: dict[str, object]) -> None:
    away, port = own_address(), settings["ENMS_PORT"]
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(host=away, port=port, user="enms_user", password="x", connect_timeout=5)
    # From a container, in a network of its own, the address of the machine is another machine's.
    for host in away, "172.17.0.1":
        command = ["docker", "run", "--rm", "--entrypoint=psql", str(settings["ENMS_IMAGE"]), f"host={host} port={port} user=enms_user password=x connect_timeout=5", "-c", "select 1"]
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == 2 and re.search("refused|timeout|unreachable", run.stderr), run.stderr


def test_restart_keeps_the_data(connection: psycopg.Connection, container: str, settings: dict[str, object]) -> None:
    connection.execute("insert into energy_readings (time, machine_id, power_kw) select now(), id, 1 from machines")
    count = connection.execute("select count(*) from energy_readings").fetchone()[0]
    assert docker("restart", container) is not None
    assert "was not properly shut down" not in subprocess.run(["docker", "logs", container], capture_output=True, text=True).stderr
    eventually(lambda: health(container) == "healthy", "healthy after the restart")
    with psycopg.connect(host="127.0.0.1", port=settings["ENMS_PORT"], user="enms_user", dbname="enms",
                         password=settings["POSTGRES_PASSWORD"]) as again:  # fmt: skip
        assert again.execute("select count(*) from energy_readings").fetchone()[0] == count


def test_half_an_init_is_never_healthy(tmp_path: Path, settings: dict[str, object]) -> None:
    folder = copy_of_checkout(tmp_path / "half", **(settings | {"ENMS_PORT": free_port()}))
    (folder / "init" / "05-views.sql").write_text("select 1 / 0;\n")
    # The same check, asked more often than every 5 s over a minute.
    quick = "services: {postgres: {healthcheck: {interval: 1s, start_period: 15s, retries: 3}}}\n"
    (folder / "docker-compose.override.yml").write_text(quick)
    project = f"enms-test-{secrets.token_hex(4)}"
    command = ["docker", "compose", "-p", project]
    try:
        run = subprocess.run([*command, "up", "-d", "--wait"], cwd=folder, capture_output=True, text=True)
        assert run.returncode != 0
        # The container restarts on what the first boot left behind; the image alone would call that ready.
        half = docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={project}")
        eventually(lambda: health(half) == "unhealthy", "unhealthy on half a schema")
    finally:
        subprocess.run([*command, "down", "-v"], cwd=folder, capture_output=True)


@pytest.mark.parametrize("program", [["docker", "compose"], ["docker-compose"]], ids=["docker compose", "docker-compose 1.29"])
def test_without_a_password_it_stops_with_one_line(program: list[str], tmp_path: Path, settings: dict[str, object]) -> None:
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    folder = copy_of_checkout(tmp_path / "enms", **settings)
    (folder / ".env").unlink()
    environment = {name: value for name, value in os.environ.items() if name != "POSTGRES_PASSWORD"}
    run = subprocess.run([*program, "up", "-d"], cwd=folder, capture_output=True, text=True, env=environment)
    assert run.returncode != 0
    assert "copy .env.example to .env" in run.stderr.strip().splitlines()[-1]
    assert "POSTGRES_PASSWORD" in run.stderr


def test_docker_compose_1_29_takes_the_same_file(tmp_path: Path, settings: dict[str, object]) -> None:
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose 1.29 is not installed")
    folder = copy_of_checkout(tmp_path / "enms", **settings)
    run = subprocess.run(["docker-compose", "config"], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert str(settings["ENMS_IMAGE"]) in run.stdout
