"""make status: the screen at 80 columns, the JSON, and what it says of databases that have not all of it."""

import json
import os
import re
import secrets
import subprocess
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from rich.cells import cell_len

from conftest import CHECKOUT, initialised
from engine_cli import Checkout, only_error
from scripts.cluster import Cluster
from scripts.status import attention, disk, words
from scripts.status.facts import VIEWS

LATE, FRESH = "Hydraulic-Pump-1", "HVAC-Main"
SECTIONS = ["Size on disk, with indexes", "Machines", "Jobs", "Statements that took the most time", "Disk", "Backups"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy of the checkout without data or backups of its own."""
    return Checkout(tmp_path_factory.mktemp("status") / "enms")


@pytest.fixture(scope="module")
def plant(cluster: Cluster) -> Iterator[str]:
    """DSN of a database with a machine that is late, one that is not, and others without readings."""
    with initialised(cluster, "status") as dsn:
        with psycopg.connect(dsn, autocommit=True) as session:
            session.execute(
                "insert into energy_readings (time, machine_id, power_kw) select now() - n * interval '1 minute' - case m.name when %s then interval '2 hours' else '0' end,"
                " m.id, 1 from machines m, generate_series(0, 300) n where m.name in (%s, %s)", [LATE, LATE, FRESH])  # fmt: skip
        yield dsn


def status(checkout: Checkout, *arguments: str, **environment: object) -> subprocess.CompletedProcess:
    return checkout.run("status", *arguments, **environment)


def test_the_screen_fits_into_80_columns(checkout: Checkout, plant: str, edition: str) -> None:
    run = status(checkout, ENMS_DSN=plant, COLUMNS=80)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    assert "\x1b" not in run.stdout
    lines = run.stdout.splitlines()
    # What can be copied is not cut: the address and the notes.
    assert [line for line in lines if cell_len(line) > 80 and not line.startswith(("address", "Note: "))] == []
    assert len(lines) <= 45
    titles = [title for title in SECTIONS if edition == "community" or title != "Jobs"]
    assert [next((title for title in SECTIONS if line.startswith(title)), None) for before, line in zip(lines, lines[1:]) if before == ""] == titles
    assert f"({edition} edition)" in run.stdout and "complete since" in run.stdout and "elsewhere (ENMS_DSN)" in run.stdout
    assert psycopg.conninfo.conninfo_to_dict(plant)["password"] not in run.stdout
    machines = [line for line in lines if line.startswith((LATE, FRESH))]
    assert re.match(rf"{LATE} +30 s +LATE 2 h ago ", machines[0]) and re.match(rf"{FRESH} +10 s +\d+ (s|min) ago +\d+ ", machines[1])
    assert "1 late of 7" in run.stdout and run.stdout.count("no reading") == 5
    assert "There is none: make backup" in run.stdout
    assert lines[0] == "attention    1 of 7 machines late; no backup"
    if edition == "community":
        assert "Jobs: 24" in run.stdout and re.search(r"^refresh: 14 ", run.stdout, re.M)
    else:
        assert "Rollups are views on this edition" in run.stdout


def test_names_say_nothing_to_the_terminal_and_name_their_factory_where_they_need_it(checkout: Checkout, fresh_database: str) -> None:
    long = "Compressor of the northern hall, third from the gate"
    with psycopg.connect(fresh_database, autocommit=True) as session:
        session.execute("delete from machine_status; delete from machines")
        session.execute("insert into factories (name) values (%s), (%s)", ["Plant of the North\x1b[2J", "Plant of the North, Annex"])
        for name in "Esc\x1b[31mRED\x1b[2J [b]\ttab\nnewline", long:
            session.execute("insert into machines (factory_id, name, type, rated_power_kw) select id, %s, 'motor', 1 from factories where name = 'Plant of the North, Annex'", [name])
        session.execute("insert into machines (factory_id, name, type, rated_power_kw) select id, 'Press', 'motor', 1 from factories where name like 'Plant of%'")
    for columns in 80, 40:
        run = status(checkout, ENMS_DSN=fresh_database, COLUMNS=columns)
        assert run.returncode == 0 and not re.search(r"[^\n -~\xa0-\uffff]", run.stdout), run.stderr
        lines = run.stdout[run.stdout.index("\nMachines: ") : run.stdout.index("\nDisk")].split("\n")
        assert [line for line in lines if cell_len(line) > columns and not line.startswith("Note: ")] == []
        # The names alone: what stands before the interval, or on a line of its own.
        names = " ".join(" ".join(re.split(r" +\d+ (?:s|min) | {3}", line)[0] for line in lines).split())
        assert "Plant of the North\ufffd[2J / Press" in names and "Plant of the North, Annex / Press" in names and long in names, names
        assert "Esc\ufffd[31mRED\ufffd[2J [b]\ufffdtab\ufffdnewline" in names and "Annex / Esc" not in names, names


def test_colours_are_for_terminals_that_want_them(checkout: Checkout, plant: str) -> None:
    def shown(**environment: str) -> str:
        command = ["script", "-qec", f"{checkout.python} -m scripts.status", "/dev/null"]
        return subprocess.run(command, cwd=checkout.path, env=checkout.environment | {"ENMS_DSN": plant, "TERM": "xterm-256color"} | environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout  # fmt: skip

    assert re.search(r"\x1b\[1;31mLATE", shown())
    assert "LATE" in shown(NO_COLOR="1") and "\x1b" not in shown(NO_COLOR="1")


@pytest.mark.parametrize("command", [["status"], ["status", "--format", "json"], ["kpis"], ["kpis", "--format", "csv"]])
def test_a_reader_that_has_enough_ends_it_quietly(checkout: Checkout, plant: str, command: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    name, *arguments = command
    run = subprocess.run([checkout.python, "-m", f"scripts.{name}", *arguments], cwd=checkout.path, env=checkout.environment | {"ENMS_DSN": plant},
                         stdout=writer, stderr=subprocess.PIPE, text=True)  # fmt: skip
    os.close(writer)
    assert (run.returncode, run.stderr) == (0, "")


def test_json_has_every_view(checkout: Checkout, plant: str, edition: str) -> None:
    run = subprocess.run([checkout.python, "-m", "scripts.status", "--format", "json"], cwd=checkout.path,
                         env=checkout.environment | {"ENMS_DSN": plant}, capture_output=True, text=True)  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["up"] and found["notes"] == [] and found["server"]["edition"] == edition and found["server"]["complete"]
    with psycopg.connect(plant) as session:
        for name, query in VIEWS.items():
            columns = [column.name for column in session.execute(query).description]
            assert all(list(row) == columns for row in found[name]) and (found[name] or name == "jobs"), name
    assert [row["machine_name"] for row in found["freshness"] if row["late"]] == [LATE]
    assert sum(row["energy_readings"] for row in found["ingest"] if row["machine_name"] == FRESH) == 301
    assert found["backups"] == {"count": 0, "newest": None, "oldest": None, "tried": None} and found["disk"]["free_bytes"] is None
    assert datetime.fromisoformat(found["server"]["started_at"]) < datetime.now(UTC)


def test_a_member_of_enms_monitor_sees_all_of_it_and_others_are_told(checkout: Checkout, plant: str, cluster: Cluster) -> None:
    role = f"status_{secrets.token_hex(3)}"
    with psycopg.connect(plant, autocommit=True) as owner:
        owner.execute(f"create role {role} login password '{cluster.password}' in role enms_monitor")
        try:
            dsn = psycopg.conninfo.make_conninfo(plant, user=role)
            found = json.loads(status(checkout, "--format", "json", ENMS_DSN=dsn).stdout)
            assert found["notes"] == [] and found["server"]["schema_version"] and all(found[name] is not None for name in VIEWS)
            assert "LATE 2 h ago" in status(checkout, ENMS_DSN=dsn).stdout
            owner.execute(f"revoke enms_monitor from {role}; grant enms_ingest to {role}")
            run = status(checkout, ENMS_DSN=dsn)
            assert run.returncode == 0 and "not for this role to see" in run.stdout and "grant enms_monitor to it" in run.stdout
        finally:
            owner.execute(f"drop role {role}")


@pytest.mark.community
def test_an_older_schema_is_shown_as_far_as_it_goes(checkout: Checkout, cluster: Cluster, tmp_path: Path) -> None:
    version = "1.1.0"
    with tarfile.open(CHECKOUT / f"tests/fixtures/schema-{version}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    name = f"t_older_{secrets.token_hex(3)}"
    cluster.create_database(name)
    try:
        cluster.run_init(name, tmp_path / "init")
        run = status(checkout, ENMS_DSN=cluster.dsn(name))
        assert run.returncode == 0 and f"{version}, complete since" in run.stdout
        assert f"the schema is {version}, and has no views v_ops_*: make apply brings what is missing" in run.stdout
        with psycopg.connect(cluster.dsn(name), autocommit=True) as session:
            session.execute("delete from enms.schema_version")
        assert status(checkout, ENMS_DSN=cluster.dsn(name)).returncode == 1
    finally:
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as session:
            session.execute(f"drop database {name} with (force)")


def test_what_can_not_be_read_is_noted_and_the_rest_is_shown(checkout: Checkout, fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as session:
        session.execute("drop view v_ops_freshness; create or replace function enms.ops_storage() returns table (relation text, kind text, range_start timestamptz,"
                        " range_end timestamptz, made timestamptz, table_bytes bigint, index_bytes bigint, toast_bytes bigint, compressed boolean, before_bytes bigint,"
                        " after_bytes bigint) language plpgsql as $$ begin raise 'out of [order]'; end $$")  # fmt: skip
    run = status(checkout, ENMS_DSN=fresh_database)
    assert run.returncode == 0, run.stderr
    assert "Note: v_ops_sizes could not be read: out of [order]; see make verify" in run.stdout
    assert "has no v_ops_freshness: make apply brings what is missing" in run.stdout and "Statements that took" in run.stdout
    assert json.loads(status(checkout, "--format", "json", ENMS_DSN=fresh_database).stdout)["sizes"] is None


def test_jobs_that_are_not_well_stand_out(checkout: Checkout, plant: str, edition: str) -> None:
    if edition != "community":
        assert "Jobs" not in status(checkout, ENMS_DSN=plant).stdout
        return
    with psycopg.connect(plant, autocommit=True) as session:
        session.execute("select alter_job(1000, scheduled => false), alter_job(1001, next_start => now() + interval '3 days')")
        lines = status(checkout, ENMS_DSN=plant, COLUMNS=80).stdout.splitlines()
        everything = status(checkout, "--all", ENMS_DSN=plant).stdout
        session.execute("select alter_job(1000, scheduled => true), alter_job(1001, next_start => now())")
    assert lines[0] == "attention    1 of 7 machines late; 2 jobs not well; no backup"
    assert any(re.match(r"1000 refresh energy_readings_1min +OFF ", line) for line in lines)
    assert any(re.match(r"1001 refresh energy_readings_15min +PUT OFF .* in 2 d$", line.rstrip()) for line in lines)
    assert "Jobs: 2 not well of 24" in lines and any(line.startswith("refresh: 12 ") for line in lines)
    assert len(re.findall(r"^10\d\d ", everything, re.M)) == 24


def test_without_a_database_and_wrong_words(tmp_path: Path) -> None:
    empty = Checkout(tmp_path / "enms", ENGINE="embedded")
    run = status(empty)
    assert run.returncode == 0 and "No database is up; there is no data yet" in run.stdout
    found = json.loads(status(empty, "--format", "json").stdout)
    assert found["up"] is False and "No database is up" in found["notes"][0]
    assert status(empty, "--format", "xml").returncode == 2 and status(empty, ENMS_DSN="host").returncode == 2
    assert "cannot connect" in only_error(status(empty, ENMS_DSN="host=127.0.0.1 port=1 dbname=enms user=x"))
    assert "--format" in status(empty, "--help").stdout


def test_backups_by_age_and_trial(checkout: Checkout, plant: str, tmp_path: Path) -> None:
    name = psycopg.conninfo.conninfo_to_dict(plant)["dbname"]
    made = {days: f"{name}-{datetime.now(UTC) - timedelta(days=days, minutes=5):%Y%m%dT%H%M%SZ}" for days in (0, 3, 40)}
    for folder in (*made.values(), "other-20200101T000000Z"):
        (tmp_path / folder).mkdir()

    def shown() -> str:
        return status(checkout, ENMS_DSN=plant, ENMS_BACKUPS=tmp_path, COLUMNS=200).stdout.splitlines()[-1]

    assert shown() == "3, the newest 5 min old, the oldest 40 d; none was ever restored: make restore-test"
    trial = {"at": "2026-01-02T03:04:05+00:00", "failure": None}
    (tmp_path / made[3] / "trial.json").write_text(json.dumps(trial))
    assert shown().endswith("; that of 3 d ago was restored and verified on 2026-01-02")
    (tmp_path / made[0] / "trial.json").write_text(json.dumps(trial | {"failure": "rows differ"}))
    assert "FAILED on 2026-01-02: make backups says why" in shown()
    assert status(checkout, ENMS_DSN=plant, ENMS_BACKUPS=tmp_path, COLUMNS=200).stdout.splitlines()[0] == "attention    1 of 7 machines late; a restore failed"


def row(**facts: object) -> dict:
    return {"bytes_now": 0, "bytes_in_a_year": 0, "bytes_at_retention": None, "held_days": 0, "kept_days": None, "plain_days": None, "shrinks_to": 1} | facts


def test_the_disk_is_full_when_the_sum_says() -> None:
    good = row(bytes_per_day=10)
    assert disk.forecast([good], 100)["days_until_full"] == 11
    assert disk.forecast([good], None)["days_until_full"] is None
    # Compressed to a tenth after 5 days, dropped after 25: 50 + 20, and never more.
    dropped = row(bytes_per_day=10, plain_days=5, shrinks_to=0.1, kept_days=25, bytes_at_retention=70, bytes_in_a_year=70)
    assert disk.grown([dropped], 5) == 50 and disk.grown([dropped], 15) == 60 and disk.grown([dropped], 1000) == 70
    assert disk.forecast([dropped], 69)["days_until_full"] == 25 and disk.forecast([dropped], 70)["days_until_full"] is None
    assert disk.forecast([dropped | {"held_days": 24.5, "bytes_now": 69.5}], 1)["days_until_full"] is None
    # A plant that has grown: what is held is less than such days would have made, until all of it has been dropped.
    grown = dropped | {"held_days": 25, "bytes_now": 20}
    assert disk.grown([grown], 5) == 10 and disk.grown([grown], 25) == disk.grown([grown], 365) == 50
    assert disk.forecast([row(bytes_per_day=None)], 5)["bytes_per_day"] is None
    assert disk.forecast(None, 5) == {"free_bytes": 5, "days_until_full": None}


def test_what_needs_attention_is_told_first() -> None:
    well = {"server": {"complete": True, "difference": None}, "freshness": [{"late": False}], "jobs": None, "backups": None, "disk": {"days_until_full": 30}}
    assert attention.needed(well) == []
    assert attention.needed(well | {"disk": {"days_until_full": 1}, "server": {"complete": False, "difference": "a: b"}}) == [
        "the schema is not complete", "TimescaleDB differs from what the server has", "disk full in 1 day"]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), [
    (None, "-"), (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (24576, "24.6 kB"), (99_600_000, "100 MB"), (1.234e9, "1.23 GB"), (5e12, "5 TB"),
])  # fmt: skip
def test_sizes_in_words(given: float | None, expected: str) -> None:
    assert words.size(given) == expected


def test_times_in_words() -> None:
    assert [words.span(seconds) for seconds in (0, 59, 60, 7199, 86_400 * 400)] == ["0 s", "59 s", "1 min", "1 h", "400 d"]
    assert [words.duration(ms) for ms in (0.1234, 12.345, 999.4, 1000, 61_000, 7_200_000)] == ["0.123 ms", "12.3 ms", "999 ms", "1 s", "61 s", "2 h"]
    assert words.ago(None) == "never" and words.ahead(None) == "-" and words.ahead(datetime.now(UTC)) == "now"
