"""Every query and every command in the README and on the guide's pages runs as it stands there."""

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
from scripts.guide import pages

PAGES = {pages.shown(page): page.read_text() for page in pages.find()}
BLOCKS = [
    (page, kind, only, text) for page, whole in PAGES.items()
    for kind, only, text in re.findall(r"^```(\w*)( community)?\n(.*?)^```$", whole, re.DOTALL | re.MULTILINE)
]  # fmt: skip
QUERIES = [
    pytest.param(text, marks=[pytest.mark.community] if only else [], id=" ".join(text.split())[:60])
    for _, kind, only, text in BLOCKS if kind == "sql"
]  # fmt: skip
# Tasks that take long run as far as it takes to see that the command leads there.
SHORTENED = {
    "test": "ARGS=--collect-only -q tests/test_oracle.py",
    "bench": "ARGS=--help",
    "demo": "ARGS=--days 0.1 --history-only",
}
# A line, with those that it goes on over.
COMMAND = re.compile(r"(?:.*\\\n)*.*<<'END'.*\n(?:.*\n)*?END\n|(?:.*\\\n)*.+\n")
# In the order of the pages; what a page repeats is run once, but for what changes the state of the server.
COMMANDS = [command.strip() for _, kind, _, text in BLOCKS if kind == "sh" for command in COMMAND.findall(text)]
REPEATED = "make up", "make down"


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
    for mark in "ready", "ready-tools", "ready-test":
        (made.path / ".venv" / mark).touch()
    for words in ("init", "-q"), ("add", "init"), ("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "init"):
        subprocess.run(["git", *words], cwd=made.path, check=True)
    yield made
    made.run("clean", "--force")


def test_commands(checkout: Checkout) -> None:
    assert COMMANDS[0].startswith("make up ") and COMMANDS[1].startswith("make test ")
    done = set()
    for command in COMMANDS:
        command = _shortened(re.sub(r"\s+# .*", "", command))
        if command in done and command not in REPEATED:
            continue
        done.add(command)
        run = _run(command, checkout)
        assert run.returncode == 0, f"{command}: {run.stdout}{run.stderr}"
        if command == "make up" and "Running init/" in run.stdout:
            _assert_as_shown(run.stdout)
        if command == "make backup":
            checkout.query("insert into energy_readings (time, machine_id, power_kw) select '2031-01-01', id, 1 from machines")
        if command.startswith("make restore "):
            assert checkout.query("select count(*) from energy_readings where time = '2031-01-01'") == "0"
    # What came after the backup was taken over, and is in the plain dump as well.
    assert checkout.query("select count(*) from energy_readings where time = '2031-01-01'") == "7"
    old = checkout.run("psql", "-d", "old", "-XAtc", "select count(*) from energy_readings_1hour where bucket = '2031-01-01'")
    assert old.stdout.strip() == "7", old.stderr


def _shortened(command: str) -> str:
    words = command.split()
    return f"make {words[1]} {shlex.quote(SHORTENED[words[1]])}" if words[0] == "make" and words[1] in SHORTENED else command


def _run(command: str, checkout: Checkout) -> subprocess.CompletedProcess:
    words = ["sh", "-c", _named(command, checkout)]
    return subprocess.run(words, cwd=checkout.path, env=checkout.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def _named(command: str, checkout: Checkout) -> str:
    """The command with this run's own backup and database for those that the pages name as examples."""
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


def _assert_as_shown(said: str) -> None:
    """Every line that the README shows of make up was said, in that order; … stands for anything."""
    shown = next(text for page, kind, _, text in BLOCKS if page == "README.md" and kind == "text")
    lines = [".*".join(map(re.escape, line.split("…"))) for line in shown.splitlines()]
    lines = [line.replace(re.escape("..."), r"\.\.\.") for line in lines]
    assert re.search("^" + r"$(?s:.*?)^".join(lines) + "$", said, re.MULTILINE), f"{shown}\nis not what was said:\n{said}"


def test_every_task_of_make_is_run(checkout: Checkout) -> None:
    run = subprocess.run(["make"], cwd=checkout.path, env=checkout.environment, capture_output=True, text=True)
    tasks = set(re.findall(r"^  make ([\w-]+) ", run.stdout, re.MULTILINE))
    named = {name for page in PAGES.values() for name in re.findall(r"`make ([a-z-]+)(?:`| [A-Z_]+=)", page)}
    assert not named - tasks, f"no such task: {named - tasks}"
    # clean is what the fixture ends with; smoke runs make test, and so itself.
    run_here = {command.split()[1] for command in COMMANDS if command.startswith("make ")}
    assert tasks - {"help", "clean", "smoke"} <= run_here, tasks - run_here


def test_the_cron_jobs_lead_to_what_is_there() -> None:
    lines = [line for _, kind, _, text in BLOCKS if kind == "cron" for line in text.splitlines()]
    assert len(lines) == 2
    for line in lines:
        command = re.fullmatch(r"(?:[\d*]+ +){5}(.*)", line)[1].replace("/srv/enms", str(CHECKOUT))
        if command.startswith("make "):
            assert re.search(rf"^{command.split()[-1]}:", (CHECKOUT / "Makefile").read_text(), re.MULTILINE), line
        else:
            assert subprocess.run(["test", "-x", command]).returncode == 0, line


def test_only_output_is_not_run() -> None:
    kinds = {kind for page, kind, _, _ in BLOCKS if page != "scripts/guide/commands.md"}
    assert kinds <= {"sh", "sql", "cron", "mermaid", "text"}
    text = [(page, text) for page, kind, _, text in BLOCKS if kind == "text" and page != "scripts/guide/commands.md"]
    # What make up says, which is compared, and make's list, which is generated.
    assert len(text) == 2, text


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\((?!https:)([^)\s]+)\)", re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)):
        place, _, anchor = target.partition("#")
        path = (CHECKOUT / page).parent / place if place else CHECKOUT / page
        assert path.is_file(), f"{page}: {target}"
        headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, f"{page}: {target}"


def test_the_versions_named_are_those_in_the_files() -> None:
    image = re.search(r"ENMS_IMAGE:-([^}]+)}", (CHECKOUT / "docker-compose.yml").read_text())[1]
    assert image in PAGES["README.md"] and image in (CHECKOUT / ".env.example").read_text()
