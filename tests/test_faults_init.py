"""The embedded engine's commands killed half-way, and its server stopped under load."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from conftest import CHECKOUT, free_port
from engine_cli import Checkout, only_error
from faults import Load, connected, server, writers  # noqa: F401

from scripts.cluster import Cluster

pytestmark = pytest.mark.one_edition

START_OVER = "first boot did not reach its end: make clean, then make up"
# In a file of init/ these end, in turn, the command itself, its psql, and the server with all its children.
VICTIMS = {
    "command": "\\! kill -9 $(ps -o ppid= -p $PPID)",
    "psql": "\\! kill -9 $PPID",
    "server": "\\! kill -9 $(head -n 1 .enms/data/postmaster.pid) $(pgrep -P $(head -n 1 .enms/data/postmaster.pid))",
}


@pytest.fixture
def checkout(edition: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Checkout]:
    """A checkout that has never been up, on the edition's server."""
    installation = request.config.installations.get(edition)
    if installation is None:
        pytest.skip(f"no {edition} edition on this machine")
    empty = tmp_path / "none"
    empty.mkdir()
    bindir = installation.bindir if installation.origin == "host" else empty
    made = Checkout(tmp_path / "enms", ENGINE="embedded", ENMS_PORT=free_port(), ENMS_PG_BIN=bindir)
    yield made
    made.run("clean", "--force")


def boundaries(text: str) -> list[int]:
    """Numbers of the lines after which a statement has ended, outside of every $$ body."""
    ends, inside = [], False
    for number, line in enumerate(text.splitlines(), 1):
        inside ^= line.count("$$") % 2 == 1
        if not inside and line.rstrip().endswith(";") and not line.startswith("--"):
            ends.append(number)
    return ends


def with_line(file: Path, number: int, line: str) -> str:
    """Put a line in a file after that of the number; what the file was."""
    text = file.read_text()
    lines = text.splitlines()
    file.write_text("\n".join([*lines[:number], line, *lines[number:]]) + "\n")
    return text


def files(checkout: Checkout) -> list[Path]:
    return sorted((checkout.path / "init").glob("*.sql"))


def test_killed_in_every_file_of_init(checkout: Checkout, edition: str, record_property) -> None:
    """Before the first statement of a file, in its middle, or short of its end; whatever it was that died."""
    victims, kills = list(VICTIMS), 0
    for place, file in enumerate(files(checkout)):
        # Half of the files on either edition.
        if place % 2 != (edition != "community"):
            continue
        ends = boundaries(file.read_text())
        # The very last statement is the marker.
        at = [0, ends[len(ends) // 2], ends[-2]][place // 2 if edition == "community" else 2 - place // 2]
        victim = victims[kills]
        text = with_line(file, at, VICTIMS[victim])
        killed = checkout.run("up")
        assert killed.returncode, (file, victim, killed.stdout)
        file.write_text(text)
        if victim == "server":
            assert "make clean and make up" in only_error(killed)
        assert checkout.run("status").returncode == (1 if victim == "command" else 0)
        assert START_OVER in only_error(checkout.run("up")), (file, victim)
        assert "No database is up; data is kept" in checkout.run("status").stdout
        assert checkout.run("clean", "--force").returncode == 0
        kills += 1
    assert "verified: " in checkout.up()
    record_property("faults", f"{edition}: make up survived {kills} kills inside init/")


def test_no_part_of_init_makes_a_database_healthy(server: Cluster, edition: str, tmp_path: Path, record_property) -> None:
    """The health check's question after every statement of every file: only the last one makes it green."""
    folder = tmp_path / "init"
    shutil.copytree(CHECKOUT / "init", folder)
    answers = tmp_path / "answers"
    ask = f"\\! psql -X -tAc 'select 1 from enms.schema_version limit 1' >>{answers} 2>&1; echo . >>{answers}"
    for file in sorted(folder.glob("*.sql")):
        lines, ends = file.read_text().splitlines(), set(boundaries(file.read_text()))
        # Not after each of hundreds of comments.
        asked = [number for number in ends if not lines[number - 1].startswith("comment on")]
        file.write_text("\n".join(line + (f"\n{ask}" if number in asked else "") for number, line in enumerate(lines, 1)) + "\n")
    server.create_database("watched")
    server.run_init("watched", folder)
    told = answers.read_text().splitlines()
    points = told.count(".")
    assert points > 100 and told.count("1") == 1 and told[-2:] == ["1", "."], told[-4:]
    record_property("faults", f"{edition}: not healthy after {points - 1} statements of init/, healthy after the last")


@pytest.mark.community
def test_two_ups_at_once_and_down_under_load(checkout: Checkout, record_property) -> None:
    both = [start_up(checkout) for _ in range(2)]
    said = ["".join(boot.communicate(timeout=180)) for boot in both]
    assert [boot.returncode for boot in both] == [0, 0], said
    assert sorted("Running init/" in words for words in said) == [False, True]

    dsn = f"host=127.0.0.1 port={checkout.environment['ENMS_PORT']} user=enms_user dbname=enms password={checkout.password()}"
    at_work = writers()
    load = Load(dsn, at_work)
    idle, copying, asking = (psycopg.connect(dsn) for _ in range(3))
    idle.execute("select 1")
    copying.cursor().copy("copy energy_readings (time, machine_id, power_kw) from stdin").__enter__().write_row(("2026-01-01", at_work[0].machine, 1))
    asking.pgconn.send_query(b"select pg_sleep(600)")
    time.sleep(1)
    began = time.monotonic()
    assert checkout.run("down").returncode == 0
    record_property("faults", f"make down under load, embedded: a clean shutdown in {time.monotonic() - began:.1f} s of 120 s")
    load.stop()
    log = checkout.path / ".enms" / "log" / "postgresql.log"
    assert "database system is shut down" in log.read_text().splitlines()[-1]
    checkout.up()
    assert "not properly shut down" not in log.read_text()
    with connected(dsn) as connection:
        for writer in at_work:
            writer.settle(connection)


@pytest.mark.community
def test_terminated_in_init(checkout: Checkout) -> None:
    """SIGTERM, as a service manager sends it, is as orderly an end as Ctrl-C."""
    (checkout.path / "init" / "02-slow.sql").write_text("select pg_sleep(600);\n")
    boot = start_up(checkout)
    while "Running init/" not in (said := os.read(boot.stdout.fileno(), 1000).decode()):
        assert said, boot.stderr.read()
    boot.terminate()
    assert boot.communicate(timeout=60)[1].strip() == "error: interrupted" and boot.returncode == 130
    assert "No database is up" in checkout.run("status").stdout
    assert START_OVER in only_error(checkout.run("up"))


def start_up(checkout: Checkout) -> subprocess.Popen:
    return subprocess.Popen(
        checkout.command("up"), cwd=checkout.path, env=checkout.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
