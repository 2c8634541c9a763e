"""The benchmark on a tiny plant: what it writes, and that it leaves the server as it was."""

import json
import math
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from conftest import CHECKOUT
from engine_cli import only_error
from scripts.bench import readings
from scripts.bench.measures import policies
from scripts.bench.plant import Plant
from scripts.bench.registry import NOT_IN_EDITION
from scripts.cluster import Cluster
from scripts.server import APACHE

pytestmark = pytest.mark.one_edition

ROWS = {
    "copy", "upsert", "upsert_conflicting", "upsert_single", "import", "fill", "kpis_24h", "kpis_30d", "kpis_1y", "factory_summary",
    "views", "raw_bytes", "compression", "policies_idle", "policies_late",
}  # fmt: skip
COMMUNITY_ROWS = {"fill", "compression", "policies_idle", "policies_late"}
INFORMATION = {"upsert_conflicting", "upsert_single"}
TINY = "--rows", "2000", "--history", "20"
HOUR = datetime(2026, 11, 18, 9, tzinfo=UTC)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "scripts.bench", *map(str, arguments)]


def environment(**variables: object) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ENMS_", "BENCH_", "PG"))}
    return inherited | {name: str(value) for name, value in variables.items()}


def bench(*arguments: object, **variables: object) -> subprocess.CompletedProcess:
    """Run the benchmark to its end."""
    return subprocess.run(command(*arguments), cwd=CHECKOUT, env=environment(**variables), capture_output=True, text=True)


def databases(cluster: Cluster) -> set[str]:
    with psycopg.connect(cluster.dsn("postgres")) as connection:
        return {name for (name,) in connection.execute("select datname from pg_database").fetchall()}


def contents(dsn: str) -> dict[str, int]:
    """Rows of every table of the product, and the number of relations."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('public', 'enms')")
        counts = {table: connection.execute(f"select count(*) from {table}").fetchone()[0] for (table,) in tables.fetchall()}
        return counts | {"relations": connection.execute("select count(*) from pg_class").fetchone()[0]}


def test_measures_everything_and_leaves_nothing(cluster: Cluster, fresh_database: str, edition: str, tmp_path: Path) -> None:
    before = databases(cluster), contents(fresh_database)
    path = tmp_path / "new" / "ratios.json"
    run = bench(*TINY, "--check", "--json", path, ENMS_DSN=fresh_database, BENCH_DAYS=0.05)
    assert path.exists(), run.stdout + run.stderr
    assert (databases(cluster), contents(fresh_database)) == before
    assert list(path.parent.iterdir()) == [path]

    found = json.loads(path.read_text())
    assert found["server"]["edition"] == edition and found["plant"]["machines"] == 7
    assert found["plant"]["rows_loaded"]["energy_readings"] == round(0.05 * 204_480)
    rows = found["rows"]
    assert set(rows) == ROWS
    absent = COMMUNITY_ROWS if edition == APACHE else set()
    for key, row in rows.items():
        assert row["work"] in run.stdout and row["floor"] in run.stdout
        if key in absent:
            assert row["ratio"] is None and row["met"] is None and row["reason"] == NOT_IN_EDITION
            continue
        assert row["reason"] is None and row["ratio"] > 0 and math.isfinite(row["ratio"]), row
        assert row["text"]["measured"] in run.stdout
        if key in INFORMATION:
            assert row["goal"] is None and row["met"] is None
        else:
            low, high = row["goal"].get("at_least", -math.inf), row["goal"].get("at_most", math.inf)
            assert row["met"] is (low <= row["ratio"] <= high)
    assert all(median > 0 for median in rows["views"]["details"]["median_ms"].values())
    assert {"v_today_summary", "v_latest_energy_readings"} < set(rows["views"]["details"]["median_ms"])
    sizes = found["mb_per_million_rows"]
    assert 50 < sizes["raw"] < 1000
    if edition != APACHE:
        assert 0 < sizes["compressed"] < sizes["raw"] and sizes["energy_readings_15min"] > 0
    assert run.returncode == int(any(row["met"] is False for row in rows.values()))
    assert run.stderr == ""


def start(cluster: Cluster, path: Path, moment: str) -> tuple[subprocess.Popen, str]:
    """A run that has got as far as `moment`, and the name of its database."""
    before = databases(cluster)
    size = ("--rows", "200000") if moment == "Copying" else TINY
    run = subprocess.Popen(
        command(*size, "--json", path), cwd=CHECKOUT, env=environment(ENMS_DSN=cluster.dsn("postgres"), BENCH_DAYS=20),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    seen = ""
    while not seen.endswith(moment):
        letter = run.stdout.read(1)
        assert letter, seen + run.stderr.read()
        seen += letter
    (name,) = databases(cluster) - before
    return run, name


@pytest.mark.parametrize("moment", ["Copying", "Loading"])
def test_an_interrupted_run_drops_its_database(cluster: Cluster, tmp_path: Path, moment: str) -> None:
    run, name = start(cluster, tmp_path / "ratios.json", moment)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate()
    assert run.returncode == 130 and errors == "error: interrupted\n"
    assert name not in databases(cluster) and list(tmp_path.iterdir()) == []


def test_the_drivers_own_warnings_are_not_for_people(cluster: Cluster) -> None:
    """What psycopg says of a rollback that could not be sent, as after an interrupt in the middle of a COPY."""
    work = """
from psycopg import connect
from scripts.console import exit_code
def interrupted():
    with connect(DSN, autocommit=True) as session, connect(DSN) as other:
        with session.transaction():
            other.execute("select pg_terminate_backend(%s, 5000)", [session.info.backend_pid])
            raise KeyboardInterrupt
"""
    for ends, said in ("exit_code(interrupted)", "error: interrupted\n"), ("interrupted()", "error ignored in rollback"):
        run = subprocess.run([sys.executable, "-c", work.replace("DSN", repr(cluster.dsn("postgres"))) + ends], cwd=CHECKOUT, capture_output=True, text=True)
        assert run.stderr == said if said.endswith("\n") else said in run.stderr


def test_a_failed_run_drops_its_database(cluster: Cluster, tmp_path: Path) -> None:
    run, name = start(cluster, tmp_path / "ratios.json", "Loading")
    with psycopg.connect(cluster.dsn("postgres")) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
    output, errors = run.communicate()
    failed = subprocess.CompletedProcess(run.args, run.returncode, output, errors)
    assert "the benchmark stopped: " in only_error(failed)
    assert name not in databases(cluster) and list(tmp_path.iterdir()) == []


def test_a_folder_for_the_json_file_is_refused_at_once(tmp_path: Path) -> None:
    error = only_error(bench("--json", tmp_path, ENMS_DSN="host=127.0.0.1 port=1"), code=2)
    assert f"{tmp_path} is a folder" in error


def test_a_role_that_may_not_make_databases_is_refused(cluster: Cluster) -> None:
    before = databases(cluster)
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        connection.execute("create role bench_reader login password 'reader'; grant connect on database postgres to bench_reader")
        try:
            run = bench(ENMS_DSN=f"{cluster.dsn('postgres')} user=bench_reader password=reader")
            assert "bench_reader may not create databases" in only_error(run)
        finally:
            connection.execute("drop owned by bench_reader; drop role bench_reader")
    assert databases(cluster) == before


@pytest.mark.parametrize("name", ["BENCH_DAYS", "BENCH_MACHINES"])
@pytest.mark.parametrize("value", ["0", "-1", "abc", "nan", "1e9"])
def test_a_plant_that_cannot_be_is_refused(name: str, value: str) -> None:
    # No database is looked for: the port is one that nobody listens on.
    error = only_error(bench(ENMS_DSN="host=127.0.0.1 port=1", **{name: value}), code=2)
    assert f"{name} is '{value}'" in error


def test_help_is_plain() -> None:
    run = bench("--help")
    assert run.returncode == 0 and "BENCH_DAYS" in run.stdout and "\x1b" not in run.stdout


def test_readings_depend_on_seed_machine_and_time_alone(connection: psycopg.Connection) -> None:
    plant = Plant.build(connection, 1, None)
    whole = connection.execute(readings.rows("energy_readings", plant.machines, HOUR, HOUR + timedelta(hours=2))).fetchall()
    later = connection.execute(readings.rows("energy_readings", plant.machines, HOUR + timedelta(hours=1), HOUR + timedelta(hours=2))).fetchall()
    assert len(whole) == 2 * sum(3600 // machine.interval for machine in plant.machines)
    assert whole[-len(later) :] == later and whole == sorted(whole, key=lambda row: row[:2])
    powers = [row[3] for row in later if str(row[1]) == plant.machines[0].id]
    assert len(set(powers)) > 100, "a sensor's noise"


def test_machines_of_ones_own_number(fresh: psycopg.Connection) -> None:
    plant = Plant.build(fresh, 2, 12)
    assert [machine.interval for machine in plant.machines] == [10] * 12
    assert len(plant.factory_machines) == 5
    assert plant.end - plant.begin == timedelta(days=2)
    assert plant.hours[0][0] == plant.begin and plant.hours[-1][1] == plant.end


def test_late_blocks_are_one_percent_of_the_plant() -> None:
    for days in 3, 10, 30, 59:
        end = datetime(2026, 11, 22, 10, 20, tzinfo=UTC)
        plant = Plant((), end - timedelta(days=days), end, days)
        blocks = policies.late_blocks(plant)
        share = sum((end - begin for begin, end in blocks), timedelta()) / timedelta(days=days)
        assert 0.009 < share < 0.011 and len(blocks) >= 3
        assert all(plant.begin <= begin and end <= plant.end - timedelta(days=1) for begin, end in blocks)
        assert all(one[1] <= other[0] for one, other in zip(blocks, blocks[1:], strict=False))
