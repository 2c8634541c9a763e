"""The views v_ops_*: their figures against independent counts, who may read them, and what they never show."""

import json
import re
import secrets
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
import yaml
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

import oracle
from conftest import CHECKOUT, initialised
from readings import copy, refresh
from scripts.cluster import Cluster
from scripts.status import disk

VIEWS = "v_ops_server", "v_ops_sizes", "v_ops_ingest", "v_ops_freshness", "v_ops_jobs", "v_ops_statements", "v_ops_disk_forecast"
MACHINES = {name: UUID(f"c0000000-0000-0000-0000-00000000000{n}") for n, name in enumerate(
    ("compressor", "hvac", "conveyor", "pump", "molding", "eu", "north"), 1)}  # fmt: skip
SECRET = "hiddenword"
NUMBER = 87654321
CONFIG = yaml.safe_load((CHECKOUT / "scripts/status/sql_exporter.yml").read_text())
METRICS = CONFIG["collectors"][0]["metrics"]
PANELS = re.findall(r"^-- (\w[^\n]*)\n((?:(?!--)[^\n]+\n)+)", (CHECKOUT / "scripts/status/grafana.sql").read_text(), re.M)


def rows(connection: psycopg.Connection, query: str, *parameters: object) -> list[dict]:
    return connection.cursor(row_factory=dict_row).execute(query, parameters).fetchall()


def by(found: list[dict], key: str) -> dict:
    return {row[key]: row for row in found}


@pytest.fixture(scope="module")
def plant(cluster: Cluster) -> Iterator[tuple[str, list[oracle.EnergyReading], list]]:
    """DSN of a database, its energy readings and the other readings: twelve days, some of them compressed where the edition does."""
    now = datetime.now(UTC)
    energy = [
        oracle.EnergyReading(now - timedelta(seconds=age, minutes=n * 10), MACHINES[name], kind, Decimal(9), Decimal(1))
        for name, age, kind in (("compressor", 1, "electrical"), ("eu", 1, "energy"), ("pump", 7_200, "electrical"), ("north", 3 * 86_400, "electrical"),
                                ("molding", 100, "natural_gas"))
        for n in range(12 * 144)
        if timedelta(seconds=age, minutes=n * 10) < timedelta(days=12) and (name, n % 5) != ("eu", 0)
    ]  # fmt: skip
    # Ahead of now, which must not hide that the machine is late.
    energy.append(oracle.EnergyReading(now + timedelta(hours=5), MACHINES["pump"], "electrical", Decimal(9), Decimal(1)))
    others = [oracle.ProductionReading(now - timedelta(minutes=7 * n), MACHINES["molding"], 3) for n in range(500)]
    with initialised(cluster, "ops") as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            copy(connection, energy)
            copy(connection, others)
            if edition_of(connection) == "community":
                refresh(connection)
                connection.execute("select compress_chunk(c) from show_chunks('energy_readings', older_than => interval '7 days') c")
        yield dsn, energy, others


def edition_of(connection: psycopg.Connection) -> str:
    return rows(connection, "select edition from v_ops_server")[0]["edition"]


@pytest.fixture
def owner(plant: tuple) -> Iterator[psycopg.Connection]:
    with psycopg.connect(plant[0], autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def monitor(cluster: Cluster, plant: tuple) -> Iterator[psycopg.Connection]:
    """A session of a member of enms_monitor."""
    name = f"ops_monitor_{secrets.token_hex(3)}"
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as server:
        server.execute(f"create role {name} login password '{cluster.password}' in role enms_monitor")
        try:
            with psycopg.connect(plant[0], user=name, autocommit=True) as session:
                yield session
        finally:
            server.execute(f"drop role {name}")


def test_server(owner: psycopg.Connection, edition: str) -> None:
    before = rows(owner, "select now() as t")[0]["t"]
    (row,) = rows(owner, "select * from v_ops_server")
    after = rows(owner, "select now() as t")[0]["t"]
    assert row["edition"] == edition and row["database_name"] == owner.info.dbname and row["schema_version"]
    assert row["database_bytes"] == rows(owner, "select pg_database_size(current_database()) as size")[0]["size"]
    # Both are whole seconds.
    assert (before - row["started_at"]).total_seconds() - 2 <= row["uptime_seconds"] <= (after - row["started_at"]).total_seconds() + 2


def test_sizes_are_those_of_the_files(owner: psycopg.Connection, edition: str) -> None:
    """Against the catalogue of PostgreSQL, chunk by chunk by what inherits from the table, and what those are compressed to."""
    found = by(rows(owner, "select * from v_ops_sizes"), "relation")
    for name in "energy_readings", "production_data", "environmental_data":
        chunks = rows(owner, "select inhrelid as oid, pg_total_relation_size(inhrelid) as size from pg_inherits where inhparent = %s::regclass", name)
        total = sum(chunk["size"] for chunk in chunks) + rows(owner, "select pg_total_relation_size(%s) as size", name)[0]["size"]
        if edition == "community":
            compressed = "select coalesce(sum(pg_total_relation_size(format('_timescaledb_internal.%%I', relname)::regclass)), 0)::bigint as size from pg_class where relname ~ %s and relkind = 'r'"
            number = owner.execute("select compressed_hypertable_id from _timescaledb_catalog.hypertable where table_name = %s", [name]).fetchone()[0]
            total += rows(owner, compressed, f"^compress_hyper_{number}_\\d+_chunk$")[0]["size"]
        assert found[name]["total_bytes"] == total and found[name]["chunks"] == len(chunks) and found[name]["kind"] == "readings"
        assert total == found[name]["table_bytes"] + found[name]["index_bytes"] + found[name]["toast_bytes"]
    for name in "machines", "audit_log", "enms.schema_version":
        assert found[name]["total_bytes"] == rows(owner, "select pg_total_relation_size(%s) as size", name)[0]["size"]
    assert ("energy_readings_1min" in found) == (edition == "community")
    if edition == "community":
        (stats,) = rows(owner, "select * from hypertable_compression_stats('energy_readings')")
        energy = found["energy_readings"]
        assert 4 <= energy["compressed_chunks"] == stats["number_compressed_chunks"] < energy["chunks"]
        assert energy["before_compression_bytes"] == stats["before_compression_total_bytes"]
        assert energy["saved_percent"] == round(100 - Decimal(100) * stats["after_compression_total_bytes"] / stats["before_compression_total_bytes"], 1)
        (minute,) = rows(owner, "select * from hypertable_size('energy_readings_1min') as size")
        assert found["energy_readings_1min"]["total_bytes"] == minute["size"] and found["energy_readings_1min"]["kind"] == "rollup"


def test_ingest_is_the_count_of_each_day(owner: psycopg.Connection, plant: tuple) -> None:
    _, energy, others = plant
    expected = {table: Counter((reading.machine_id, reading.time.date()) for reading in readings) for table, readings in
                (("energy_readings", energy), ("production_readings", others))}  # fmt: skip
    found = rows(owner, "select * from v_ops_ingest")
    today = datetime.now(UTC).date()
    assert {row["day"] for row in found} == {today - timedelta(days=n) for n in range(8)}
    assert {row["machine_id"] for row in found} == set(MACHINES.values()) and len(found) == 56
    for row in found:
        # What is ahead of now is of the rollups' last day, which may be tomorrow's.
        assert (row["energy_readings"], row["production_readings"], row["environmental_readings"]) == (
            expected["energy_readings"][row["machine_id"], row["day"]], expected["production_readings"][row["machine_id"], row["day"]], 0)  # fmt: skip
    assert {row["expected_energy_readings"] for row in found if row["machine_id"] == MACHINES["pump"] and row["day"] < today} == {2880}


def test_freshness_against_each_interval(owner: psycopg.Connection, plant: tuple) -> None:
    _, energy, _ = plant
    limit = datetime.now(UTC) + timedelta(minutes=5)
    newest = {name: max((r.time for r in energy if r.machine_id == machine and r.time < limit), default=None) for name, machine in MACHINES.items()}
    clock = "select clock_timestamp() as t"
    before = rows(owner, clock)[0]["t"]
    found = {str(row["machine_id"]): row for row in rows(owner, "select * from v_ops_freshness")}
    after = rows(owner, clock)[0]["t"]
    assert {name: found[str(machine)]["last_reading"] for name, machine in MACHINES.items()} == newest
    # A machine without a reading is late once it has been there as long.
    late = {name for name, machine in MACHINES.items() if found[str(machine)]["late"]}
    past = {at: {name for name, last in newest.items() if last and last < at - timedelta(seconds=900)} for at in (before, after)}
    assert {"pump", "north"} <= past[before] <= late <= past[after] | {"hvac", "conveyor"}
    assert ("hvac" in late) == ("conveyor" in late) and ("hvac" not in late or rows(owner, "select min(created_at) as t from machines")[0]["t"] < after - timedelta(seconds=900))
    with owner.transaction(force_rollback=True):
        owner.execute("alter table machines disable trigger user; update machines set created_at = now() - interval '1 hour'")
        assert {row["machine_id"] for row in rows(owner, "select * from v_ops_freshness where late")} >= {MACHINES[n] for n in ("pump", "north", "hvac", "conveyor")}
        owner.execute("update machines set data_interval_seconds = 721 where name = 'Hydraulic-Pump-1'")
        (pump,) = rows(owner, "select * from v_ops_freshness where machine_name = 'Hydraulic-Pump-1'")
        now = rows(owner, "select now() as t")[0]["t"]
        age = (now - newest["pump"]).total_seconds()
        assert (pump["late_after_seconds"], pump["late"]) == (7210, age > 7210) and abs(pump["age_seconds"] - age) <= 0.5
        owner.execute("update machines set is_active = false where name = 'HVAC-EU-North'")
        assert rows(owner, "select count(*) as n from v_ops_freshness where machine_name = 'HVAC-EU-North'")[0]["n"] == 0


@pytest.mark.community
def test_freshness_finds_what_only_a_rollup_or_only_raw_has(fresh: psycopg.Connection) -> None:
    at = rows(fresh, "select date_trunc('minute', now()) as t")[0]["t"]
    for machine, minutes in (MACHINES["hvac"], 60 * 24 * 40), (MACHINES["pump"], 60 * 24 * 400), (MACHINES["eu"], 30):
        fresh.execute("insert into energy_readings (time, machine_id, power_kw) values (%s, %s, 1)", [at - timedelta(minutes=minutes, seconds=-7), machine])
    fresh.execute("call refresh_continuous_aggregate('energy_readings_1min', null, now() - interval '1 hour')")
    # Late: not in the rollup yet, and newer than that is filled.
    fresh.execute("insert into energy_readings (time, machine_id, power_kw) values (%s, %s, 1)", [at - timedelta(minutes=2), MACHINES["conveyor"]])
    fresh.execute("select drop_chunks('energy_readings', older_than => interval '90 days')")
    found = {row["machine_id"]: row["last_reading"] for row in rows(fresh, "select * from v_ops_freshness")}
    assert found[MACHINES["hvac"]] == at - timedelta(days=40, seconds=-7)
    assert found[MACHINES["pump"]] == at - timedelta(days=400)
    assert found[MACHINES["eu"]] == at - timedelta(minutes=30, seconds=-7)
    assert found[MACHINES["conveyor"]] == at - timedelta(minutes=2) and found[MACHINES["north"]] is None


def test_jobs(fresh: psycopg.Connection, edition: str) -> None:
    found = by(rows(fresh, "select * from v_ops_jobs"), "job_id")
    # Whatever the time of day, none has to wait for longer than its interval.
    assert [row for row in found.values() if not row["healthy"]] == []
    if edition == "apache-2":
        assert found == {}
        return
    known = rows(fresh, "select * from timescaledb_information.jobs where job_id >= 1000")
    assert found.keys() == {job["job_id"] for job in known} and len(found) == 24
    kinds = Counter(row["kind"] for row in found.values())
    assert kinds == {"refresh": 14, "compression": 7, "retention": 3} and {row["state"] for row in found.values()} <= {"not run yet", "ok"}
    raw = {row["kind"]: row for row in found.values() if row["target"] == "energy_readings"}
    assert (raw["compression"]["acts_after_seconds"], raw["retention"]["acts_after_seconds"]) == (7 * 86_400, 90 * 86_400)
    refresh_job = next(row["job_id"] for row in found.values() if row["target"] == "energy_readings_1min" and row["kind"] == "refresh")
    fresh.execute("create procedure fails(job_id integer, config jsonb) language plpgsql as $$ begin raise 'no'; end $$")
    own = fresh.execute("select add_job('fails', '1 hour')").fetchone()[0]
    fresh.execute(f"call run_job({refresh_job})")
    fresh.execute("select alter_job(%s, scheduled => false)", [raw["retention"]["job_id"]])
    # What runs by a session is not counted; the scheduler's own record is written instead.
    stat = ("insert into _timescaledb_internal.bgw_job_stat (job_id, last_start, last_finish, next_start, last_successful_finish, last_run_success, total_runs,"
            " total_duration, total_duration_failures, total_successes, total_failures, total_crashes, consecutive_failures, consecutive_crashes, flags)"
            " values (%s, %s, %s, %s, %s, %s, 5, '1 s', '1 s', 3, 2, 0, 0, 0, 0) on conflict (job_id) do update set last_finish = excluded.last_finish,"
            " next_start = excluded.next_start, last_successful_finish = excluded.last_successful_finish, last_run_success = excluded.last_run_success,"
            " total_failures = excluded.total_failures, last_start = excluded.last_start")  # fmt: skip
    now = datetime.now(UTC)
    order = [row["job_id"] for row in found.values() if row["kind"] == "refresh"]
    # The newest failure counts: a lock that a refresh by hand held, or something else.
    for job, code, ago in (order[3], "55P03", 1), (order[3], "22012", 5), (order[4], "55P03", 1), (order[5], "22012", 1), (order[5], "55P03", 5):
        fresh.execute("insert into _timescaledb_internal.bgw_job_stat_history (job_id, pid, execution_start, execution_finish, succeeded, data) values (%s, 1, %s, now(), false, %s)",
                      [job, now - timedelta(minutes=ago), json.dumps({"error_data": {"sqlerrcode": code, "message": "no"}})])  # fmt: skip
    for job, success, next_start, well in (
        (order[0], now, now + timedelta(seconds=30), True), (order[1], now - timedelta(minutes=1), now, False), (order[2], now, now + timedelta(days=3), True),
        (order[3], now - timedelta(minutes=1), now, False), (order[4], now - timedelta(days=5), now, False), (order[5], now - timedelta(minutes=1), now, False),
    ):  # fmt: skip
        fresh.execute(stat, [job, success - timedelta(seconds=2), success, next_start, success, well])
    found = by(rows(fresh, "select * from v_ops_jobs"), "job_id")
    assert [found[job]["state"] for job in order[:6]] == ["ok", "failed", "put off", "ok", "failed", "failed"]
    assert [found[job]["healthy"] for job in order[:6]] == [True, False, False, True, False, False]
    # Why a job failed is for its owner to see, and a monitor is told the same state all the same.
    with fresh.transaction(force_rollback=True):
        fresh.execute("set local role enms_monitor")
        assert {row["job_id"]: row["state"] for row in rows(fresh, "select job_id, state from v_ops_jobs")} == {job: row["state"] for job, row in found.items()}
    assert (found[order[0]]["last_success"], found[order[0]]["next_start"], found[order[0]]["failures"]) == (now, now + timedelta(seconds=30), 2)
    off = found[raw["retention"]["job_id"]]
    assert off["state"] == "off" and not off["healthy"] and found[own]["healthy"]
    fresh.execute("select alter_job(%s, scheduled => false)", [own])
    assert rows(fresh, "select state, healthy from v_ops_jobs where job_id = %s", own) == [{"state": "off", "healthy": True}]
    assert (found[own]["kind"], found[own]["target"]) == ("fails", None)


@pytest.mark.community
def test_a_job_that_hangs_is_overdue(fresh: psycopg.Connection) -> None:
    """TimescaleDB takes a job to run while a session has the name of its worker."""
    job, name = fresh.execute("select id, application_name from _timescaledb_catalog.bgw_job where proc_name = 'policy_refresh_continuous_aggregate' order by id").fetchone()
    fresh.execute("create or replace function pg_temp.began(p_ago interval) returns void language sql as $$"
                  " insert into _timescaledb_internal.bgw_job_stat (job_id, last_start, last_finish, next_start, last_successful_finish, last_run_success, total_runs, total_duration,"
                  f" total_duration_failures, total_successes, total_failures, total_crashes, consecutive_failures, consecutive_crashes) values ({job}, now() - p_ago,"
                  " '-infinity', '-infinity', now() - interval '4 hours', true, 5, '1 s', '0', 5, 0, 0, 0, 0) on conflict (job_id) do update set last_start = excluded.last_start,"
                  " last_finish = excluded.last_finish, last_successful_finish = excluded.last_successful_finish $$")  # fmt: skip
    # As if the server had been up for longer.
    body = fresh.execute("select pg_get_functiondef('enms.ops_jobs'::regproc)").fetchone()[0]
    assert "pg_postmaster_start_time()" in body
    fresh.execute(body.replace("pg_postmaster_start_time()", "now() - interval '1 day'"))
    fresh.execute("update enms.schema_version set completed_at = now() - interval '1 day'")
    fresh.execute("select set_config('application_name', %s, false)", [name])
    for ago, state, healthy in ("1 minute", "running", True), ("3 hours", "overdue", False):
        fresh.execute("select pg_temp.began(%s::interval)", [ago])
        assert rows(fresh, "select state, healthy from v_ops_jobs where job_id = %s", job) == [{"state": state, "healthy": healthy}]


@pytest.mark.community
def test_what_one_rollup_has_yet_to_be_given_is_found_and_counted_once(fresh: psycopg.Connection) -> None:
    """Gas comes while the refreshes of other carriers stand still, or get ahead of each other."""
    now = rows(fresh, "select now() as t")[0]["t"]
    gas = [now - timedelta(minutes=10 * n + 1) for n in range(30)]
    for at in gas:
        fresh.execute("insert into energy_readings (time, machine_id, energy_type, power_kw) values (%s, %s, 'natural_gas', 1)", [at, MACHINES["molding"]])
    fresh.execute("insert into energy_readings (time, machine_id, energy_type, power_kw) values (%s, %s, 'steam', 1)", [now - timedelta(hours=4), MACHINES["hvac"]])
    fresh.execute("insert into energy_readings (time, machine_id, power_kw) values (%s, %s, 1)", [now - timedelta(minutes=2), MACHINES["pump"]])

    def found() -> tuple:
        newest = {row["machine_id"]: row["last_reading"] for row in rows(fresh, "select * from v_ops_freshness")}
        counts = Counter()
        for row in rows(fresh, "select * from v_ops_ingest"):
            counts[row["machine_id"]] += row["energy_readings"]
        return newest[MACHINES["molding"]], newest[MACHINES["hvac"]], counts[MACHINES["molding"]], counts[MACHINES["hvac"]], counts[MACHINES["pump"]]

    expected = gas[0], now - timedelta(hours=4), 30, 1, 1
    assert found() == expected
    for rollup, end in (
        ("energy_readings_1min", "null"), ("energy_readings_1day", "null"), ("energy_by_carrier_1min", "now() - interval '4 hours 30 minutes'"),
        ("energy_by_carrier_1hour", "null"), ("energy_by_carrier_1min", "now() - interval '2 hours'"), ("energy_by_carrier_1min", "null"), ("energy_by_carrier_1hour", "null"),
    ):  # fmt: skip
        fresh.execute(f"call refresh_continuous_aggregate('{rollup}', null, {end})")
        assert found() == expected, (rollup, end)


def test_readings_are_due_from_when_a_machine_was_entered(fresh: psycopg.Connection, edition: str) -> None:
    def due(machine: str) -> list[int]:
        return [row["expected_energy_readings"] for row in rows(fresh, "select * from v_ops_ingest where machine_id = %s order by day", MACHINES[machine])]

    fresh.execute("alter table machines disable trigger user; update machines set data_interval_seconds = 3600, created_at = (now() at time zone 'UTC')::date - interval '10 hours'")
    fresh.execute("insert into energy_readings (time, machine_id, power_kw) values ((now() at time zone 'UTC')::date - interval '4 days', %s, 1)", [MACHINES["pump"]])
    fresh.execute("insert into energy_readings (time, machine_id, power_kw) values ((now() at time zone 'UTC')::date - interval '9 hours', %s, 1)", [MACHINES["eu"]])
    if edition == "community":
        refresh(fresh)
    assert due("hvac")[:7] == due("eu")[:7] == [0, 0, 0, 0, 0, 0, 10]
    assert due("pump")[:7] == [0, 0, 0, 24, 24, 24, 24]
    assert due("pump")[7] == due("hvac")[7] > 0


def test_a_monitor_needs_no_function_that_makes_numbers(fresh: psycopg.Connection) -> None:
    query = (CHECKOUT / "verify/queries/needs.sql").read_text()
    fresh.execute("revoke execute on function uuid_generate_v4() from public")
    assert {(row["role"], row["lacks"]) for row in rows(fresh, query)} == {(role, "execute on uuid_generate_v4()") for role in ("enms_ingest", "enms_reader")}


def test_forecast(owner: psycopg.Connection, edition: str) -> None:
    found, sizes = by(rows(owner, "select * from v_ops_disk_forecast"), "relation"), by(rows(owner, "select * from v_ops_sizes"), "relation")
    assert sum(row["bytes_now"] for row in found.values()) == rows(owner, "select database_bytes from v_ops_server")[0]["database_bytes"]
    energy = found["energy_readings"]
    assert energy["bytes_now"] == sizes["energy_readings"]["total_bytes"]
    # By the chunks of the last seven days, which are not compressed.
    recent = rows(owner, "select c.range_start, c.range_end, pg_total_relation_size(format('%%I.%%I', c.chunk_schema, c.chunk_name)::regclass) as size, c.is_compressed"
                         " from timescaledb_information.chunks c where hypertable_name = 'energy_readings' and range_end > now() - interval '7 days' and range_start < now()")  # fmt: skip
    days = sum((min(chunk["range_end"], datetime.now(UTC)) - chunk["range_start"]).total_seconds() for chunk in recent) / 86_400
    plain = sum(chunk["size"] for chunk in recent if not chunk["is_compressed"])
    assert not any(chunk["is_compressed"] for chunk in recent)
    assert abs(energy["bytes_per_day"] - plain / days) <= plain / days / 100
    if edition == "community":
        ratio = 1 - sizes["energy_readings"]["saved_percent"] / 100
        assert energy["shrinking_measured"] and abs(energy["shrinks_to"] - ratio) < Decimal("0.001")
        assert (energy["compress_after_days"], energy["kept_days"]) == (7, 90)
        expected = energy["bytes_per_day"] * (8 + 82 * float(energy["shrinks_to"]))
        assert abs(energy["bytes_at_retention"] - expected) < expected / 100 and energy["bytes_in_a_year"] == energy["bytes_at_retention"]
        minute = found["energy_readings_1min"]
        assert minute["kept_days"] is None and minute["bytes_at_retention"] is None and not minute["shrinking_measured"]
        assert minute["bytes_in_a_year"] > minute["bytes_now"] + 60 * minute["bytes_per_day"]
    else:
        assert energy["kept_days"] is None and energy["shrinks_to"] == 1
        assert abs(energy["bytes_in_a_year"] - energy["bytes_now"] - 365 * energy["bytes_per_day"]) < energy["bytes_per_day"]
    # What make status reckons with day by day comes to the view's sum; days are told to two places.
    for row in found.values():
        assert abs(disk.grown([row], 365) - (row["bytes_in_a_year"] - row["bytes_now"])) <= 0.03 * row["bytes_per_day"] + 1, row["relation"]


@pytest.mark.community
def test_forecast_learns_nothing_from_chunks_that_are_nearly_empty(owner: psycopg.Connection) -> None:
    """As the year of a machine that sends every quarter-hour leaves them, beside those that send each second."""
    shrinks = "select shrinks_to, shrinking_measured from v_ops_disk_forecast where relation = 'energy_readings'"
    before = rows(owner, shrinks)
    owner.execute("insert into energy_readings (time, machine_id, power_kw) select now() - interval '55 days', id, 1 from machines limit 1")
    old = "show_chunks('energy_readings', older_than => interval '50 days')"
    try:
        assert owner.execute(f"select count(compress_chunk(c)) from {old} c").fetchone()[0] == 1
        assert rows(owner, shrinks) == before and before[0]["shrinking_measured"]
    finally:
        owner.execute("select drop_chunks('energy_readings', older_than => interval '50 days')")


def test_statements_never_show_what_was_written_in_them(owner: psycopg.Connection, monitor: psycopg.Connection, cluster: Cluster) -> None:
    role = f"ops_secret_{secrets.token_hex(3)}"
    ours, theirs = [
        f"create role {role} login password '{SECRET}'", f"alter role {role} password '{SECRET}'", f"alter role {role} set search_path = '{SECRET}'",
        f"do $$ begin perform '{SECRET}'; end $$", f"select '{SECRET}' into temporary t_{role}", f"select $x${SECRET}$x$ as dollars",
        f"select 1 /* {SECRET} */ + 1", f"/* /* a */ {SECRET} */ select 2", f"select 3 -- {SECRET}\n", f"select '{SECRET}'::text, count(*) from machines",
f"copy (select '{SECRET}') to stdout", f"explain select E'it\\'s {SECRET}'", f"set application_name = '{SECRET}'",
        f"values ('{SECRET}'), (E'\\'{SECRET}')", f"( select '{SECRET}' )", f"declare c_{role} cursor with hold for select '{SECRET}'", f"drop role {role}",
        f"select 1 as \"a--b\", 'x\n{SECRET}' as x into temporary t_name_{role}", f"select 1 as \"c/*\", 'd */ {SECRET}' as x into temporary t_star_{role}",
        f"select {NUMBER} as n into temporary t_number_{role}", f"select 1 as \"x/*\" -- a */ b {SECRET}\n",
        f"prepare p_{role} as select 1", f"select 1 as _{role} -- it's {SECRET}\n",
        f"create table t_own_{role} as select '{SECRET}' as a", f"drop table t_own_{role}", f"comment on table machines is '{SECRET}'",
    ], ["select 'of another database' as marker_of_another"]  # fmt: skip
    comment = owner.execute("select obj_description('machines'::regclass)").fetchone()[0]
    for statement in ours:
        if statement.startswith("copy"):
            with owner.cursor().copy(statement) as out:
                list(out)
        else:
            owner.execute(statement)
    owner.execute(f"set application_name = ''; comment on table machines is '{comment}'")
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as elsewhere:
        for statement in theirs:
            elsewhere.execute(statement)
    # The owner does see it in pg_stat_statements, so that this can fail.
    assert rows(owner, "select count(*) as n from pg_stat_statements where query like %s", f"%{SECRET}%")[0]["n"] > 5
    # All of them, not the slowest hundred alone.
    with owner.transaction(force_rollback=True):
        body = owner.execute("select pg_get_functiondef('enms.ops_statements'::regproc)").fetchone()[0]
        assert "limit 100" in body
        owner.execute(body.replace("limit 100", ""))
        found = rows(owner, "select * from v_ops_statements")
    texts = [row["statement"] for row in found]
    assert [text for text in texts if SECRET in text.lower() or str(NUMBER) in text or "marker_of_another" in text] == []
    assert {"alter …", "do …", "set …", "copy …", "values ($1), ($2)"} <= set(texts)
    assert "select $1::text, count(*) from machines" in texts
    assert [row for row in rows(monitor, "select * from v_ops_statements") if SECRET in str(row)] == []
    assert len(rows(monitor, "select * from v_ops_statements where role_name = %s", owner.info.user)) > 10
    hidden = "select count(*) as n from pg_stat_statements where userid <> (select oid from pg_roles where rolname = current_user) and query <> '<insufficient privilege>'"
    assert rows(monitor, hidden)[0]["n"] == 0


def test_a_monitor_reads_every_view_and_nothing_else(owner: psycopg.Connection, monitor: psycopg.Connection) -> None:
    for view in VIEWS:
        assert rows(monitor, f"select * from {view}") or view == "v_ops_jobs"
    relations = owner.execute(
        "select c.oid::regclass::text from pg_class c where c.relnamespace in ('public'::regnamespace, 'enms'::regnamespace) and c.relkind in ('r', 'v', 'm')"
        " and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')"
    ).fetchall()
    for (relation,) in relations:
        if relation not in VIEWS:
            with pytest.raises(errors.InsufficientPrivilege):
                monitor.execute(f"select * from {relation}")
    for statement in (
        "select * from enms.ops_newest_readings()", "select * from enms.ops_statements()", "select enms.latest_readings()", "create table x (a int)",
        "select * from calculate_all_kpis('c0000000-0000-0000-0000-000000000001', now() - interval '1 day', now())", "create temporary table x (a int)",
        "select * from pg_authid", "delete from v_ops_sizes", "set role enms_reader", "select pg_stat_statements_reset()",
    ):  # fmt: skip
        with pytest.raises((errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState)):
            monitor.execute(statement)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric["metric_name"])
def test_queries_of_the_exporter(monitor: psycopg.Connection, metric: dict, edition: str) -> None:
    """Each as the exporter runs it: the columns are its labels and values, the labels are texts and tell the rows apart."""
    found = rows(monitor, metric["query"])
    absent = {"enms_job", "enms_compression"} if edition == "apache-2" else {"enms_job_since", "enms_job_failures"}
    assert found or any(metric["metric_name"].startswith(name) for name in absent)
    keys, values = metric.get("key_labels", []), metric["values"]
    assert len(values) == 1 or "value_label" in metric
    for row in found:
        assert row.keys() == {*keys, *values}
        assert all(isinstance(row[key], str) for key in keys) and all(isinstance(row[value], int | Decimal | float) for value in values)
    assert len({tuple(row[key] for key in keys) for row in found}) == len(found)


def test_the_exporter_configuration_holds_no_password() -> None:
    # Named, or the exporter's own `up` stays 1 while the database is away.
    assert CONFIG["target"] == {"name": "enms", "data_source_name": "postgres://exporter@localhost:5432/enms", "collectors": ["enms"]}
    # With one of the labels that are added to every series sql_exporter does not start, or Prometheus renames it.
    labels = {label for metric in METRICS for label in (*metric.get("key_labels", []), metric.get("value_label"))}
    assert not labels & {"target", "job", "instance"}
    names = [metric["metric_name"] for metric in METRICS]
    assert len(names) == len(set(names)) > 10 and all(re.fullmatch(r"enms_[a-z_]+", name) for name in names)
    assert all(metric["type"] in ("gauge", "counter") and metric["help"] for metric in METRICS)


@pytest.mark.parametrize("place", ["scripts/status/sql_exporter.yml", "scripts/guide/operator.md"])
def test_the_exporters_address_as_it_is_told(place: str) -> None:
    """The driver of sql_exporter asks for TLS where the address doesn't say, and the server has none unless it is switched on."""
    (told,) = re.findall(r"SQLEXPORTER_TARGET_DSN='([^']+)'", (CHECKOUT / place).read_text())
    told = conninfo_to_dict(told)
    assert told.pop("password") == "PASSWORD" and told.pop("user") == "exporter"
    example = dict(re.findall(r"^(\w+)=(.*)", (CHECKOUT / ".env.example").read_text(), re.M))
    assert told == {"host": "localhost", "port": example["ENMS_PORT"], "dbname": example["POSTGRES_DB"], "sslmode": "disable"}


def test_the_data_source_of_the_status_is_as_the_other() -> None:
    status, other = (yaml.safe_load((CHECKOUT / f"scripts/grafana/{name}.yml").read_text())["datasources"][0] for name in ("status", "datasource"))
    assert status["user"] == "exporter" and status["secureJsonData"] == {"password": "$ENMS_MONITOR_PASSWORD"}
    for name in "type", "access", "url", "database", "editable":
        assert status[name] == other[name]
    for name in "database", "sslmode", "postgresVersion", "connMaxLifetime":
        assert status["jsonData"][name] == other["jsonData"][name]


@pytest.mark.parametrize(("title", "query"), PANELS, ids=[title for title, _ in PANELS])
def test_queries_for_grafana(monitor: psycopg.Connection, title: str, query: str, edition: str) -> None:
    found = rows(monitor, query)
    assert found or (edition == "apache-2" and title in ("Table: what compression saved", "Table: jobs, those that are not well first"))
    if title.startswith("Time series"):
        assert {"time", "metric", "value"} == found[0].keys() and found[0]["time"].tzinfo


def test_every_view_has_a_panel_and_a_metric() -> None:
    assert len(PANELS) > 10
    for view in VIEWS:
        assert any(view in query for _, query in PANELS) and any(view in metric["query"] for metric in METRICS), view
