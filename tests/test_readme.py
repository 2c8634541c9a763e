"""Every query and every command in the README runs as it stands there."""

import re
import shlex
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from conftest import CHECKOUT, free_port
from engine_cli import Checkout

import oracle
from readings import copy

README = (CHECKOUT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)( community)?\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
QUERIES = [
    pytest.param(text, marks=[pytest.mark.community] if only else [], id=" ".join(text.split())[:60])
    for kind, only, text in BLOCKS if kind == "sql"
]  # fmt: skip
# Tasks that take long run as far as it takes to see that the command leads there.
SHORTENED = {"test": "ARGS=--collect-only -q tests/test_oracle.py", "bench": "ARGS=--help"}
COMMANDS = [line.split("  #")[0].strip() for kind, _, text in BLOCKS if kind == "sh" for line in text.splitlines()]


@pytest.fixture(scope="module")
def plant(database: str) -> str:
    """A database with some hours of readings, so that the queries have something to find."""
    with psycopg.connect(database, autocommit=True) as connection:
        begin = datetime.now(UTC) - timedelta(hours=30)
        machine = uuid.UUID("c0000000-0000-0000-0000-000000000001")
        copy(connection, [oracle.EnergyReading(begin + n * oracle.QUARTER, machine, "energy", Decimal(9), Decimal(2)) for n in range(100)])
    return database


@pytest.mark.parametrize("queries", QUERIES)
def test_queries(plant: str, queries: str) -> None:
    with psycopg.connect(plant) as connection:
        connection.execute(queries)
        connection.rollback()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A copy of the checkout with the tools' packages of this run, so that make need not fetch them again."""
    made = Checkout(tmp_path_factory.mktemp("readme") / "enms", ENGINE="embedded", ENMS_PORT=free_port())
    (made.path / ".venv" / "bin").mkdir(parents=True)
    python = made.path / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(made.python)} "$@"\n')
    python.chmod(0o755)
    for mark in "ready", "ready-test":
        (made.path / ".venv" / mark).touch()
    yield made
    made.run("clean", "--force")


def test_commands(checkout: Checkout) -> None:
    assert COMMANDS[:2] == ["make up", "make test"]
    for command in COMMANDS:
        words = shlex.split(_named(command, checkout))
        if words[0] == "make" and words[1] in SHORTENED:
            words = ["make", words[1], SHORTENED[words[1]]]
        run = subprocess.run(words, cwd=checkout.path, env=checkout.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert run.returncode == 0, f"{command}: {run.stdout}{run.stderr}"
        if words == ["make", "up"]:
            assert "verified: enms at" in run.stdout + run.stderr and "Connect: psql" in run.stdout
        if words == ["make", "backup"]:
            checkout.query("insert into energy_readings (time, machine_id, power_kw) select now(), id, 1 from machines")
        if words[:2] == ["make", "restore"]:
            assert checkout.query("select count(*) from energy_readings") == "0"
    # What came after the backup was taken over, and is in the plain dump as well.
    assert checkout.query("select count(*) from energy_readings") == "7"
    old = checkout.run("psql", "-d", "old", "-XAtc", "select count(*) from energy_readings_1hour")
    assert old.stdout.strip() == "7", old.stderr


def _named(command: str, checkout: Checkout) -> str:
    """The command with this run's own backup and database for those that the README names as examples."""
    if "-f backup.sql" in command:
        dump = ["-m", "scripts.engine", "dsn"]
        dsn = subprocess.run([checkout.python, *dump], cwd=checkout.path, env=checkout.environment, capture_output=True, text=True).stdout.strip()
        password = {"PGPASSWORD": checkout.password()}
        subprocess.run(["pg_dump", "-f", "backup.sql", dsn], cwd=checkout.path, env=checkout.environment | password, check=True, capture_output=True)
    if found := re.search(r"enms-\d{8}T\d{6}Z", command):
        return command.replace(found[0], max(path.name for path in (checkout.path / "backups").glob("enms-*")))
    if found := re.search(r"enms_before_\d{8}t\d{6}z", command):
        return command.replace(found[0], checkout.query("select datname from pg_database where datname ~ '^enms_before_'"))
    return command


def test_every_task_of_make_is_named(checkout: Checkout) -> None:
    run = subprocess.run(["make"], cwd=checkout.path, env=checkout.environment, capture_output=True, text=True)
    for task in re.findall(r"make ([\w-]+) ", run.stdout):
        assert task == "help" or f"make {task}" in README, task


def test_the_versions_named_are_those_in_the_files() -> None:
    image = re.search(r"ENMS_IMAGE:-([^}]+)}", (CHECKOUT / "docker-compose.yml").read_text())[1]
    assert image in README and image in (CHECKOUT / ".env.example").read_text()
