"""Real servers for the tests: one throw-away cluster per edition of TimescaleDB found on the machine."""

import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

import oracle
from scripts.cluster import Cluster
from scripts.console import Failure
from scripts.debian import debian_root
from scripts.server import APACHE, COMMUNITY, Installation, find_installations

CHECKOUT = Path(__file__).resolve().parent.parent

# Enough for the many databases of a test run; fsync protects nothing that a test keeps.
SETTINGS = {"shared_buffers": "256MB", "fsync": "off"}

WAITING = "docker", "faults", "engine", "exposure", "compose", "upgrade", "backup", "readme", "smoke"

ABSENT = {
    COMMUNITY: "no community edition of TimescaleDB on this machine",
    APACHE: "no Apache-2 edition of TimescaleDB on this machine, and Debian's could not be fetched",
}


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: tests wait for servers half of the time."""
    return (os.cpu_count() or 1) + 1


def _installations() -> dict[str, Installation]:
    """The server that stands for each edition: the machine's own first, else Debian's packages."""
    found: dict[str, Installation] = {}
    for installation in find_installations():
        found.setdefault(installation.edition, installation)
    if APACHE not in found:
        try:
            found[APACHE] = debian_root(build=True)
        except Failure as reason:
            print(f"no Debian root: {reason}", file=sys.stderr)
    return found


def pytest_configure(config: pytest.Config) -> None:
    config.installations = _installations()
    # By edition and kind: changes of a live database that the verifier named, and those that the server refused.
    config.mutations = {}
    # Longest time that a client waited for an answer, in seconds, by what went on.
    config.pauses = {}


def pytest_sessionfinish(session: pytest.Session) -> None:
    # A worker of pytest-xdist hands its counts to the process that prints them.
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["mutations"] = session.config.mutations
        session.config.workeroutput["pauses"] = session.config.pauses


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    for edition, kinds in getattr(node, "workeroutput", {}).get("mutations", {}).items():
        node.config.mutations.setdefault(edition, {}).update(kinds)
    node.config.pauses.update(getattr(node, "workeroutput", {}).get("pauses", {}))


def pytest_report_header(config: pytest.Config) -> list[str]:
    lines = [f"edition {edition}: {installation}" for edition, installation in sorted(config.installations.items())]
    if COMMUNITY not in config.installations:
        lines.append("edition community: not found; continuous aggregates, compression and policies are NOT tested")
    if oracle.find_steel_plant_csv() is None:
        lines.append("steel_industry_2018.csv: not found; set ENMS_SHARED to the folder that holds data/ with it")
    return lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    # By the tests' own records, which come from parallel workers too.
    survived = [text for report in terminalreporter.getreports("passed") for name, text in report.user_properties if name == "faults"]
    if survived:
        terminalreporter.section("faults survived")
        for line in survived:
            terminalreporter.line(line)
    for edition, kinds in config.mutations.items():
        terminalreporter.section(f"changes of a live database, edition {edition}")
        terminalreporter.line(f"{'kind':<40}{'made and named':>16}{'refused by the server':>24}")
        for kind, (made, refused) in sorted(kinds.items()):
            terminalreporter.line(f"{kind:<40}{made:>16}{refused:>24}")
        made, refused = (sum(counts[place] for counts in kinds.values()) for place in (0, 1))
        terminalreporter.line(f"{f'{len(kinds)} kinds':<40}{made:>16}{refused:>24}")
    if config.pauses:
        terminalreporter.section("longest pause of a client that writes")
        for what, seconds in config.pauses.items():
            terminalreporter.line(f"{what:<80}{seconds:>8.2f} s")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that wait longest come first, or the other workers would have nothing to do at the end."""
    items.sort(key=lambda item: not any(word in item.path.name for word in WAITING))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "edition" in metafunc.fixturenames:
        editions = [COMMUNITY] if metafunc.definition.get_closest_marker("community") else [COMMUNITY, APACHE]
        if metafunc.definition.get_closest_marker("one_edition") and not os.environ.get("ENMS_EVERY_EDITION"):
            editions = [edition for edition in editions if edition in metafunc.config.installations][:1] or editions[:1]
        metafunc.parametrize("edition", editions, scope="session")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def clusters() -> Iterator[dict[str, Cluster]]:
    """The running servers by edition; modules take turns with the editions, the servers stay."""
    running: dict[str, Cluster] = {}
    yield running
    for server in running.values():
        server.stop("immediate")
        shutil.rmtree(server.state, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(edition: str, clusters: dict[str, Cluster], request: pytest.FixtureRequest) -> Cluster:
    """A running server of the edition, with this project's postgresql.conf."""
    if edition not in clusters:
        installation = request.config.installations.get(edition)
        if installation is None:
            pytest.skip(ABSENT[edition])
        state = Path(tempfile.mkdtemp(prefix="enms-test-"))
        clusters[edition] = Cluster(installation, state, free_port(), secrets.token_urlsafe(16))
        clusters[edition].create()
        clusters[edition].start(SETTINGS)
    return clusters[edition]


@contextmanager
def initialised(cluster: Cluster, prefix: str) -> Iterator[str]:
    """DSN of a new database with init/ run in it, dropped at the end.

    Its policies stand still, so that a test decides when they run.
    """
    name = f"t_{prefix}_{secrets.token_hex(3)}"
    cluster.create_database(name)
    cluster.run_init(name)
    with psycopg.connect(cluster.dsn(name), autocommit=True) as connection:
        connection.execute("select _timescaledb_functions.stop_background_workers()")
    yield cluster.dsn(name)
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def database(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """DSN of a database that the tests of a module share."""
    with initialised(cluster, request.module.__name__.rpartition(".")[2]) as dsn:
        yield dsn


@pytest.fixture
def fresh_database(cluster: Cluster) -> Iterator[str]:
    """DSN of a database of the test's own."""
    with initialised(cluster, "fresh") as dsn:
        yield dsn


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to `database`."""
    with psycopg.connect(database, autocommit=True) as opened:
        yield opened


@pytest.fixture
def fresh(fresh_database: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to `fresh_database`."""
    with psycopg.connect(fresh_database, autocommit=True) as opened:
        yield opened
