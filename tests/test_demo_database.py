"""The demo in a database: the role it writes by, what it finds there, and that its rows agree with each other."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from conftest import CHECKOUT
from engine_cli import only_error
from scripts.connection import Database
from scripts.console import Failure
from scripts.rollups import refresh_jobs
from scripts.demo import baselines, findings, history, live, plant, rollups, statements
from scripts.demo.events import FAULT, within
from scripts.demo.model import ENERGY, ENVIRONMENT, PRODUCTION, readings_of
from scripts.demo.plant import Machine
from verified import details, dsn, own_cluster, until, verify_anew  # noqa: F401

pytestmark = pytest.mark.one_edition

SEED, DAY = 50001, 86400
COLUMNS = {  # as the model gives them; the source is the statement's own
    ENERGY: "time, machine_id, energy_type, power_kw, energy_kwh, voltage_v, current_a, power_factor, frequency_hz, metadata",
    PRODUCTION: "time, machine_id, production_count, production_count_good, production_count_bad, throughput_units_per_hour, operating_mode,"
    " speed_percent, recipe_id, batch_id",
    ENVIRONMENT: "time, machine_id, outdoor_temp_c, indoor_temp_c, machine_temp_c, outdoor_humidity_percent, indoor_humidity_percent,"
    " pressure_bar, flow_rate_m3h, supply_air_temp_c, return_air_temp_c, cop, vibration_mm_s",
}  # fmt: skip
LIVE = "select count(*) > 0 from energy_readings where time > now() - interval '1 second'"
SESSIONS = "from pg_stat_activity where datname = current_database() and application_name = 'enms demo'"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "scripts.demo", *arguments]


def environment(dsn: str, **more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("ENMS_", "PG"))} | {"ENMS_DSN": dsn} | more


def demo(dsn: str, *arguments: str, **more: str) -> subprocess.CompletedProcess:  # noqa: F811
    return subprocess.run(command(*arguments), cwd=CHECKOUT, env=environment(dsn, **more), capture_output=True, text=True)


def start(dsn: str, path: Path, *arguments: str) -> subprocess.Popen:  # noqa: F811
    with path.open("w") as out:
        # A shell starts what runs behind it deaf to SIGINT, and all of its children with it.
        return subprocess.Popen(
            command(*arguments), cwd=CHECKOUT, env=environment(dsn), stdout=out, stderr=subprocess.STDOUT, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def stored(connection: psycopg.Connection, table: str, machine: Machine, begin: int, end: int) -> list[tuple]:
    query = f"select {COLUMNS[table]} from {table} where machine_id = %s and time >= to_timestamp(%s) and time < to_timestamp(%s) order by time"
    return connection.execute(query, [machine.id, begin, end]).fetchall()


def modelled(machine: Machine, begin: int, end: int) -> dict[str, list[tuple]]:
    """The model's rows by table, as a client reads them: numbers as numbers, times with their zone."""
    rows: dict[str, list[tuple]] = {table: [] for table in COLUMNS}
    step = max(60, machine.interval)
    for minute in range(begin // step * step, end, step):
        for table, made in readings_of(SEED, machine, minute).rows.items():
            rows[table] += [(datetime.fromtimestamp(epoch, UTC), *(_value(text) for text in row[1:])) for epoch, row in made if begin <= epoch < end]
    return rows


def _value(text: str | None) -> object:
    if text is None or text.startswith(("{", "demo")):
        return json.loads(text) if text and text.startswith("{") else text
    try:
        return Decimal(text)
    except ArithmeticError:
        return text


def database_of(dsn: str) -> Database:  # noqa: F811
    return Database({key: str(value) for key, value in conninfo_to_dict(dsn).items()}, None)


def compare(connection: psycopg.Connection, machine: Machine, begin: int, end: int) -> None:
    """The tables hold what the model says, all of it and nothing else."""
    for table, expected in modelled(machine, begin, end).items():
        there = [(row[0], str(row[1]), *row[2:]) for row in stored(connection, table, machine, begin, end)]
        assert there == expected, (machine.name, table)


def test_demo_from_history_to_live_and_on(dsn: str, tmp_path: Path) -> None:  # noqa: F811
    """One run with a lost connection, ended by TERM; what it missed is filled by the next, which Ctrl-C ends; the verifier passes all along."""
    began = int(time.time())
    with psycopg.connect(dsn, autocommit=True) as connection:
        first = start(dsn, tmp_path / "first", "--days", "0.05")
        until(connection, f"select count(*) = 7 from machine_status where last_updated > to_timestamp({began})")
        until(connection, LIVE)
        connection.execute(f"select pg_terminate_backend(pid) {SESSIONS}")
        time.sleep(1)
        until(connection, LIVE)
        assert details(verify_anew(dsn)) == ""
        first.send_signal(signal.SIGTERM)
        assert first.wait() == 0
        said = (tmp_path / "first").read_text().splitlines()
        assert said[-1].startswith("stopped: ") and "readings written live" in said[-1]
        assert [line for line in said if line.startswith("Note: the database does not answer, so the demo waits for it: ")]
        assert not [line for line in said if line.startswith("error: ")]
        until(connection, f"select count(*) = 0 {SESSIONS}")

        time.sleep(2)
        again = time.time()
        second = start(dsn, tmp_path / "second", "--days", "0.05")
        until(connection, f"select count(*) = 7 from machine_status where last_updated > to_timestamp({again})")
        until(connection, LIVE)
        second.send_signal(signal.SIGINT)
        assert second.wait() == 0
        said = (tmp_path / "second").read_text()
        assert "error" not in said and "\x1b" not in said and "stopped: " in said.splitlines()[-1]
        # A tick that Ctrl-C broke off is filled in, and what is there is not written again.
        rows = {table: connection.execute(f"select count(*), max(xmin::text::bigint) from {table}").fetchone() for table in COLUMNS}
        # Within the same second, the status would be that of the second before.
        time.sleep(1)
        end = int(time.time())
        third = demo(dsn, "--days", "0.042", "--history-only")
        new = sum(connection.execute(f"select count(*) from {table}").fetchone()[0] for table in COLUMNS) - sum(number for number, _ in rows.values())
        assert third.returncode == 0 and f"\n{new:,} readings, " in third.stdout and new > 0
        for table, (number, newest) in rows.items():
            query = f"select count(*) from {table} where time < to_timestamp(%s)"
            assert number <= connection.execute(query, [end + 2]).fetchone()[0] < number + 500
            assert connection.execute(f"{query} and xmin::text::bigint > %s", [began // 3600 * 3600 - 3600, newest]).fetchone()[0] == 0
        begin = began // 3600 * 3600 - 3600
        machines = plant.machines(connection)
        assert end - began > 4 and [machine.interval for machine in machines] == [1, 10, 10, 30, 30, 1, 10]
        for machine in machines:
            compare(connection, machine, begin, end)
        status = connection.execute("select machine_id::text, is_running, current_mode::text, current_power_kw from machine_status").fetchall()
        for machine_id, running, mode, power in status:
            last = connection.execute("select power_kw from energy_readings where machine_id = %s order by time desc limit 1", [machine_id]).fetchone()
            assert power == last[0] and running == (mode == "running")
        assert "seed 50001" in only_error(_quiet(demo(dsn, "--seed", "7", "--history-only")))
    assert details(verify_anew(dsn)) == ""


@pytest.fixture
def coarse(connection: psycopg.Connection) -> Iterator[list[Machine]]:
    """A pump and an HVAC at ten minutes, whose tables are emptied in the end."""
    yield [replace(machine, interval=600) for machine in plant.machines(connection) if machine.name in ("HVAC-Main", "Hydraulic-Pump-1")]
    connection.execute("truncate energy_readings, production_data, environmental_data")
    connection.execute("delete from anomalies; delete from energy_baselines")


def digest(connection: psycopg.Connection) -> list[tuple]:
    return [
        connection.execute(f"select count(*), md5(string_agg(t::text, '/' order by t.time, t.machine_id)) from {table} t").fetchone() for table in COLUMNS
    ]


def test_a_week_agree_with_themselves(connection: psycopg.Connection, database: str, coarse: list[Machine]) -> None:
    begin, end = at("2026-11-09T07:00:00"), at("2026-11-16T09:00:00")
    work = history.stretches(coarse, SEED, begin, end)
    server = database_of(database)
    assert history.fill(server, SEED, work) == sum(stretch.rows for stretch in work)
    assert history.missing(connection, coarse, SEED, begin, end) == []
    for machine in coarse:
        compare(connection, machine, begin, end)

    before = digest(connection)
    history.fill(server, SEED, work[50:90])
    assert digest(connection) == before
    deleted = connection.execute("delete from energy_readings where time >= '2026-11-10 10:30+00' and time < '2026-11-10 11:00+00'").rowcount
    lost = history.missing(connection, coarse, SEED, begin, end)
    assert 1 <= len(lost) <= 2 and {stretch.begin for stretch in lost} == {at("2026-11-10T10:00:00")}
    assert history.fill(server, SEED, lost) == deleted < sum(stretch.rows for stretch in lost)
    assert digest(connection) == before

    rows = findings.anomalies(SEED, coarse, begin, end)
    assert findings.store(connection, rows, end, begin) == len(rows) > 0 and findings.store(connection, rows, end, begin) == 0
    checked = connection.execute("""
        select a.anomaly_type, round(avg(e.power_kw), 6) = a.metric_value, a.detected_at = (a.metadata ->> 'end')::timestamptz,
               a.is_resolved = (a.resolved_at is not null), bool_and(p.operating_mode = 'fault') = (a.anomaly_type = 'unexpected_stop')
        from anomalies a
        join energy_readings e on e.machine_id = a.machine_id and e.time >= (a.metadata ->> 'begin')::timestamptz and e.time < (a.metadata ->> 'end')::timestamptz
        join production_data p on p.machine_id = e.machine_id and p.time = e.time
        group by a.id order by 1
    """).fetchall()  # fmt: skip
    assert len(checked) == len(rows) and all(all(row[1:]) for row in checked), checked

    assert baselines.store(connection, SEED, coarse, begin, end) == 2 and baselines.store(connection, SEED, coarse, begin, end) == 0
    found = connection.execute("""
        select b.r_squared, b.intercept, (b.coefficients ->> 'production_count')::numeric, b.training_samples, b.rmse,
               regr_r2(d.kwh, d.units), regr_intercept(d.kwh, d.units), regr_slope(d.kwh, d.units), count(*), sqrt(regr_syy(d.kwh, d.units) * (1 - regr_r2(d.kwh, d.units)) / count(*))
        from energy_baselines b join machines m on m.id = b.machine_id and m.type <> 'hvac' cross join lateral (
            select sum(kwh) as kwh, sum(units) as units from (
                select (time at time zone 'America/Los_Angeles')::date as day, energy_kwh as kwh, 0 as units from energy_readings where machine_id = m.id
                union all select (time at time zone 'America/Los_Angeles')::date, 0, production_count from production_data where machine_id = m.id) r
            where day between (b.training_start_date at time zone 'America/Los_Angeles')::date and (b.training_end_date at time zone 'America/Los_Angeles')::date - 1
            group by day) d
        group by b.id
    """).fetchall()  # fmt: skip
    assert len(found) == 1
    for row in found:
        (squared, intercept, slope, samples, rmse), expected = row[:5], row[5:]
        assert samples == expected[3] == 7 and squared > Decimal("0.9")
        assert abs(float(squared) - expected[0]) < 1e-4 and abs(float(intercept) - expected[1]) < 1e-3 and abs(float(slope) - expected[2]) < 1e-5
        assert abs(float(rmse) - expected[4]) < 1e-3
    (features,) = connection.execute("select feature_names from energy_baselines b join machines m on m.id = machine_id where m.type = 'hvac'").fetchone()
    assert features == ["degree_days", "operating_hours"]


def test_live_writes_no_anomaly_of_a_time_without_readings(connection: psycopg.Connection, database: str, coarse: list[Machine]) -> None:
    """Of the fault that comes it tells, and resolves it when that is due."""
    machine = replace(coarse[0], interval=60)
    fault = next(event for event in within(SEED, machine, at("2026-11-09T00:00:00"), at("2026-11-15T00:00:00")) if event.kind == FAULT)
    running = live.Plant(database_of(database), SEED, [machine], fault.begin - 120, fault.begin - 120)
    try:
        running.advance(fault.begin)
        assert connection.execute("select count(*) from anomalies").fetchone() == (0,)
        running.advance(fault.begin + findings.FAULT_SECONDS)
        query = """select a.is_resolved, count(e.time) from anomalies a left join energy_readings e on e.machine_id = a.machine_id
            and e.time >= (a.metadata ->> 'begin')::timestamptz and e.time < (a.metadata ->> 'end')::timestamptz group by a.id"""
        assert connection.execute(query).fetchall() == [(False, 5)]
        (row,) = findings.anomalies(SEED, [machine], fault.begin, running.done)
        running.done = running.judged = int(row["resolved_at"].timestamp()) // 60 * 60
        running.advance(running.done + 60)
        assert connection.execute(query).fetchall() == [(True, 5)]
    finally:
        running.close()


def test_only_what_waiting_mends_is_waited_for(database: str) -> None:
    stopped = threading.Event()
    stopped.set()
    for code, waits in ("53100", False), ("57014", False), ("23514", False), ("40P01", True), ("57P01", True), ("08006", True):
        lasting = statements.Lasting(lambda: statements.ingest(database_of(database)), stopped)
        with pytest.raises((psycopg.Error, KeyboardInterrupt)) as raised:
            lasting.do(lambda session: session.execute(f"do $$ begin raise exception 'refused' using errcode = '{code}'; end $$"))
        assert (raised.type is KeyboardInterrupt) == waits, code
        lasting.close()
    server = database_of(database)
    nowhere = replace(server, parameters=server.parameters | {"port": "1"})
    with pytest.raises(KeyboardInterrupt):
        statements.Lasting(nowhere.connect, stopped).do(lambda session: None)


@pytest.mark.community
def test_a_rollup_that_cannot_be_refreshed_is_told_with_the_reason(connection: psycopg.Connection, capsys: pytest.CaptureFixture) -> None:
    jobs = refresh_jobs(connection)
    connection.execute("set role enms_reader")
    try:
        rollups.refresh(connection)
    finally:
        connection.execute("reset role")
    said = capsys.readouterr().out
    assert said.count("could not be refreshed, its policy tries again within the hour: insufficient permissions") == len(jobs) > 0


def test_another_seed_gives_other_readings(connection: psycopg.Connection, database: str, coarse: list[Machine]) -> None:
    begin, end = at("2026-11-10T00:00:00"), at("2026-11-10T06:00:00")
    digests = []
    for seed in SEED, SEED + 1, SEED:
        connection.execute("truncate energy_readings, production_data, environmental_data")
        history.fill(database_of(database), seed, history.stretches(coarse, seed, begin, end))
        digests.append([digest for _, digest in digest(connection)])
    assert digests[0] == digests[2] and all(one != other for one, other in zip(digests[0], digests[1], strict=True))


@pytest.mark.parametrize("statement", [
    "delete from energy_readings", "truncate production_data", "select from energy_tariffs", "select from energy_readings_1hour",
    "update machines set rated_power_kw = 1", "insert into anomalies (machine_id, detected_at, anomaly_type, severity) values"
    " ('c0000000-0000-0000-0000-000000000001', now(), 'x', 'warning')", "select calculate_sec(null, null, null)", "create table own (i integer)",
    "create role other", "set role pg_monitor",
])  # fmt: skip
def test_readings_are_written_by_a_session_that_may_do_nothing_else(database: str, statement: str) -> None:
    with statements.ingest(database_of(database)) as session:
        assert session.execute("select session_user, current_user, rolsuper from pg_roles where rolname = current_user").fetchone() == (
            "enms_ingest", "enms_ingest", False)  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(statement)


def test_refuses_to_mix(connection: psycopg.Connection, database: str, coarse: list[Machine]) -> None:
    roles = connection.execute("select count(*) from pg_roles").fetchone()
    for table, columns, values in (
        ("energy_readings", "power_kw, energy_kwh", "5, 0.1"), ("energy_readings", "power_kw, metadata", "5, null"), ("production_data", "production_count", "3"),
        ("production_data", "batch_id", "'demolition-7'"),
    ):  # fmt: skip
        connection.execute(f"insert into {table} (time, machine_id, {columns}) values ('2026-11-09 10:30+00', %s, {values})", [coarse[0].id])
        with pytest.raises(Failure, match=f"^{coarse[0].name} has readings that are not the demo's.* --force"):
            history.refuse_others(connection, coarse, SEED, at("2026-11-09T10:30:00"))
        history.refuse_others(connection, coarse, SEED, at("2026-11-09T10:30:01"))
        connection.execute("truncate energy_readings, production_data")
    for table, columns, values in (
        ("energy_readings", "power_kw, metadata", """5, '{"demo": 7}'"""), ("production_data", "batch_id", "'demo-7-20261109'"),
    ):  # fmt: skip
        connection.execute(f"insert into {table} (time, machine_id, {columns}) values ('2026-11-09 10:30+00', %s, {values})", [coarse[0].id])
        begin = at("2026-11-09T10:00:00")
        for refuse in lambda *given: history.refuse_others(*given, begin), lambda *given: history.missing(*given, begin, begin + 3600):
            with pytest.raises(Failure, match="^the machines have readings of the demo with seed 7: "):
                refuse(connection, coarse, SEED)
        assert history.missing(connection, coarse, SEED, begin - 3600, begin) != [], "reads no more than it is asked for"
        connection.execute("truncate energy_readings, production_data")
    foreign = "insert into energy_readings (time, machine_id, power_kw) select now() - %s::interval, id, 1 from machines where id = any (%s)"
    connection.execute(foreign, ["30 minutes", (ids := [machine.id for machine in coarse])])
    for only in "--history-only", "--live-only":
        assert f"{coarse[0].name}, {coarse[1].name} have readings that" in only_error(_quiet(demo(database, only)))
    assert demo(database, "--days", "0.042", "--history-only", "--force").returncode == 0
    assert connection.execute("select count(*) > 5000 from energy_readings").fetchone()[0]
    connection.execute("truncate energy_readings, production_data, environmental_data")
    connection.execute(foreign, ["3 hours", ids])
    query = "select t::text, xmin::text from energy_readings t where metadata is null or not metadata ? 'demo' order by t::text"
    own = connection.execute(query).fetchall()
    assert demo(database, "--days", "0.042", "--history-only").returncode == 0
    assert connection.execute(query).fetchall() == own and len(own) == 2, "older readings are left as they are"
    assert connection.execute("select min(time) > now() - interval '130 minutes' from energy_readings where metadata ? 'demo'").fetchone()[0]
    assert f"{coarse[0].name}, {coarse[1].name} have readings that" in only_error(_quiet(demo(database, "--days", "0.2", "--history-only")))
    assert connection.execute("select count(*) from pg_roles").fetchone() == roles


def test_refuses_what_it_cannot_write_by(connection: psycopg.Connection, database: str) -> None:
    assert "time zone is Asia/Kathmandu" in only_error(_quiet(demo(database, "--history-only", PGTZ="Asia/Kathmandu")))
    name = f"demo_reader_{os.getpid()}"
    connection.execute(f"create role {name} login password 'reader' in role enms_reader")
    try:
        error = only_error(_quiet(demo(f"{database} user={name} password=reader", "--history-only")))
        assert f"{name} may not become enms_ingest" in error
    finally:
        connection.execute(f"drop role {name}")
    connection.execute("update machines set is_active = false")
    try:
        assert "none of the seed's seven machines" in only_error(_quiet(demo(database, "--history-only")))
    finally:
        connection.execute("update machines set is_active = true")


def _quiet(run: subprocess.CompletedProcess) -> subprocess.CompletedProcess:
    assert "Writing" not in run.stdout, run.stdout
    return run


def test_an_interrupted_history_is_filled_by_the_next(connection: psycopg.Connection, database: str, coarse: list[Machine], tmp_path: Path) -> None:
    run = start(database, tmp_path / "out", "--days", "2", "--history-only")
    until(connection, "select count(*) > 20000 from energy_readings")
    run.send_signal(signal.SIGTERM)
    assert run.wait() == 130
    last = (tmp_path / "out").read_text().splitlines()[-1]
    assert last.startswith("stopped: ") and "rows of history written; run it again to fill in the rest" in last
    rows = sum(connection.execute(f"select count(*) from {table}").fetchone()[0] for table in COLUMNS)
    assert f"{rows:,} rows" in last
