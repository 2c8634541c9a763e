"""What the tables refuse, what they record, and who may do what."""

import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from scripts.cluster import Cluster

COMPRESSOR = "c0000000-0000-0000-0000-000000000001"
DEMO = "11111111-1111-1111-1111-111111111111"
UNKNOWN = "c0000000-0000-0000-0000-0000000000ff"
READINGS = ["energy_readings", "production_data", "environmental_data"]


@pytest.fixture
def undone(connection: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The connection in a transaction that is rolled back."""
    with connection.transaction(force_rollback=True):
        yield connection


def insert(table: str) -> str:
    power = ", power_kw" if table == "energy_readings" else ""
    return f"insert into {table} (time, machine_id{power}) values (now(), %s{', 1' if power else ''})"


@pytest.mark.parametrize("table", READINGS)
@pytest.mark.parametrize("way", ["insert", "upsert", "update", "copy"])
def test_no_way_round_the_machine_check(undone: psycopg.Connection, table: str, way: str) -> None:
    undone.execute(insert(table), [COMPRESSOR])
    key = "(time, machine_id, energy_type)" if table == "energy_readings" else "(time, machine_id)"
    with pytest.raises(errors.ForeignKeyViolation, match=f"unknown machine {UNKNOWN} in {table}"):
        if way == "insert":
            undone.execute(insert(table), [UNKNOWN])
        elif way == "upsert":
            undone.execute(f"{insert(table)} on conflict {key} do update set machine_id = '{UNKNOWN}'", [COMPRESSOR])
        elif way == "update":
            undone.execute(f"update {table} set machine_id = %s", [UNKNOWN])
        else:
            columns = "time, machine_id, power_kw" if table == "energy_readings" else "time, machine_id"
            with undone.cursor().copy(f"copy {table} ({columns}) from stdin") as target:
                target.write_row(["2026-11-01", UNKNOWN, 1][: columns.count(",") + 1])


def test_readings_and_the_deletion_of_their_machine_wait_for_each_other(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        machine = admin.execute(
            "insert into machines (factory_id, name, type, rated_power_kw) values (%s, 'Short-lived', 'pump', 1) returning id", [DEMO]
        ).fetchone()[0]
    with psycopg.connect(database) as writer, psycopg.connect(database, autocommit=True) as remover:
        writer.execute(insert("energy_readings"), [machine])
        refused: list[Exception] = []

        def remove() -> None:
            try:
                remover.execute("delete from machines where id = %s", [machine])
            except psycopg.Error as error:
                refused.append(error)

        thread = threading.Thread(target=remove)
        thread.start()
        thread.join(0.5)
        waited = thread.is_alive()
        writer.commit()
        thread.join()
        orphans = writer.execute("select count(*) from energy_readings r left join machines m on m.id = r.machine_id where m.id is null")
        assert orphans.fetchone()[0] == 0
        assert waited and isinstance(refused[0], errors.ForeignKeyViolation)


@pytest.mark.parametrize("statement", [
    "delete from machines where id = '{m}'", "delete from factories where id = '{f}'",
    "update machines set id = uuid_generate_v4() where id = '{m}'", "truncate machines cascade", "truncate factories cascade",
])  # fmt: skip
def test_a_machine_with_readings_stays(undone: psycopg.Connection, statement: str) -> None:
    undone.execute(insert("production_data"), [COMPRESSOR])
    with pytest.raises(errors.ForeignKeyViolation):
        undone.execute(statement.format(m=COMPRESSOR, f=DEMO))


def test_a_machine_without_readings_goes(undone: psycopg.Connection) -> None:
    machine = undone.execute(
        "insert into machines (factory_id, name, type, rated_power_kw) values (%s, 'Mistake', 'pump', 1) returning id", [DEMO]
    ).fetchone()[0]
    undone.execute("delete from machines where id = %s", [machine])


@pytest.mark.parametrize(("column", "value", "constraint"), [
    ("power_kw", "NaN", "energy_readings_power_is_number"), ("energy_kwh", "-0.1", "energy_readings_energy_not_negative"),
    ("energy_kwh", "NaN", "energy_readings_energy_not_negative"), ("voltage_v", "-1", "energy_readings_voltage_not_negative"),
    ("power_factor", "1.1", "energy_readings_power_factor_range"), ("frequency_hz", "-50", "energy_readings_frequency_not_negative"),
    ("quality_score", "1.5", "energy_readings_quality_score_range"), ("energy_type", "", "energy_readings_energy_type_not_empty"),
])  # fmt: skip
def test_implausible_readings_are_refused_by_name(undone: psycopg.Connection, column: str, value: str, constraint: str) -> None:
    values = {"time": "2026-11-01", "machine_id": COMPRESSOR, "power_kw": "1", column: value}
    with pytest.raises(errors.CheckViolation) as refused:
        undone.execute(f"insert into energy_readings ({', '.join(values)}) values ({', '.join(['%s'] * len(values))})", list(values.values()))
    assert refused.value.diag.constraint_name == constraint


def test_negative_power_is_feed_in(undone: psycopg.Connection) -> None:
    undone.execute("insert into energy_readings (time, machine_id, power_kw) values (now(), %s, -5)", [COMPRESSOR])


def tariff(connection: psycopg.Connection, name: str, **columns) -> None:
    row = {"factory_id": DEMO, "name": name, "rate_per_kwh": 0.1, "valid_from": "2030-01-01", **columns}
    connection.execute(f"insert into energy_tariffs ({', '.join(row)}) values ({', '.join(['%s'] * len(row))})", list(row.values()))


BAND = {"is_time_of_use": True, "applicable_days": [1, 2, 3]}


@pytest.mark.parametrize(("first", "second"), [
    ({}, {}),
    ({"valid_to": "2031-01-01"}, {"valid_from": "2031-01-01"}),
    (BAND | {"start_hour": 22, "end_hour": 6}, BAND | {"start_hour": 5, "end_hour": 7}),
    (BAND | {"start_hour": 22, "end_hour": 6}, BAND | {"start_hour": 0, "end_hour": 1, "applicable_days": [3, 4]}),
    (BAND | {"start_hour": 8, "end_hour": 12}, BAND | {"start_hour": 20, "end_hour": 22, "timezone": "Asia/Tokyo"}),
])  # fmt: skip
def test_overlapping_tariffs_are_refused_and_both_named(undone: psycopg.Connection, first: dict, second: dict) -> None:
    undone.execute("update energy_tariffs set is_active = false where factory_id = %s", [DEMO])
    tariff(undone, "Old rate", **first)
    with pytest.raises(errors.ExclusionViolation, match="(?=.*Old rate)(?=.*New rate)"):
        tariff(undone, "New rate", **second)


@pytest.mark.parametrize(("first", "second"), [
    ({"valid_to": "2030-12-31"}, {"valid_from": "2031-01-01"}),
    ({}, BAND | {"start_hour": 8, "end_hour": 12}),
    (BAND | {"start_hour": 22, "end_hour": 6}, BAND | {"start_hour": 6, "end_hour": 22}),
    (BAND | {"start_hour": 8, "end_hour": 12}, BAND | {"start_hour": 8, "end_hour": 12, "applicable_days": [0, 6]}),
    ({}, {"is_active": False}),
])  # fmt: skip
def test_tariffs_side_by_side_are_accepted(undone: psycopg.Connection, first: dict, second: dict) -> None:
    undone.execute("update energy_tariffs set is_active = false where factory_id = %s", [DEMO])
    tariff(undone, "First", **first)
    tariff(undone, "Second", **second)


@pytest.mark.parametrize("columns", [
    {"start_hour": 5, "end_hour": 5}, {"start_hour": 24, "end_hour": 0}, {"start_hour": -1, "end_hour": 5}, {"start_hour": 1, "end_hour": 25},
    {"start_hour": 1, "end_hour": 2, "applicable_days": []}, {"start_hour": 1, "end_hour": 2, "applicable_days": [7]},
    {"start_hour": 1, "end_hour": 2, "timezone": "CEST"}, {"start_hour": 1, "end_hour": 2, "timezone": "FOO5"},
    {"start_hour": 1, "end_hour": 2, "valid_to": "2029-12-31"}, {"start_hour": 1, "end_hour": 2, "rate_per_kwh": -1},
    {"start_hour": 1, "end_hour": 2, "currency": "$"}, {"start_hour": 1},
])  # fmt: skip
def test_impossible_tariffs_are_refused(undone: psycopg.Connection, columns: dict) -> None:
    undone.execute("delete from energy_tariffs where factory_id = %s", [DEMO])
    with pytest.raises(errors.CheckViolation):
        tariff(undone, "Impossible", **(BAND | columns))


def test_configuration_changes_are_audited_and_stay(undone: psycopg.Connection) -> None:
    undone.execute("update machines set rated_power_kw = 56 where id = %s", [COMPRESSOR])
    undone.execute("update machines set rated_power_kw = 56 where id = %s", [COMPRESSOR])
    rows = undone.execute(
        "select action, user_id, old_values ->> 'rated_power_kw', new_values ->> 'rated_power_kw' from audit_log "
        "where entity_type = 'machines' and entity_id = %s and action = 'UPDATE'", [COMPRESSOR]
    ).fetchall()  # fmt: skip
    assert rows == [("UPDATE", "enms_user", "55.00", "56.00")]
    for statement in "update audit_log set action = 'x'", "truncate audit_log":
        with pytest.raises(errors.InsufficientPrivilege, match="append-only"), undone.transaction():
            undone.execute(statement)
    assert undone.execute("delete from audit_log where entity_type = 'machines'").rowcount > 0


def test_every_relation_column_and_function_is_commented(connection: psycopg.Connection) -> None:
    bare = connection.execute(
        "select c.oid::regclass || coalesce('.' || a.attname, '') from pg_class c "
        "cross join lateral (select 0 as attnum, null as attname union all select attnum, attname from pg_attribute "
        "where attrelid = c.oid and attnum > 0 and not attisdropped) a "
        "where c.relnamespace::regnamespace::text in ('public', 'enms') and c.relkind in ('r', 'v') and c.relname not like 'pg_stat%' "
        "and case a.attnum when 0 then obj_description(c.oid, 'pg_class') else col_description(c.oid, a.attnum) end is null "
        "union all select p.oid::regprocedure::text from pg_proc p where p.pronamespace::regnamespace::text in ('public', 'enms') "
        "and obj_description(p.oid, 'pg_proc') is null "
        "and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')"
    ).fetchall()
    assert bare == []


def test_init_again_changes_nothing(cluster: Cluster, fresh_database: str) -> None:
    tables = "factories machines machine_status energy_tariffs carbon_factors audit_log enms.schema_version".split()
    name = psycopg.conninfo.conninfo_to_dict(fresh_database)["dbname"]

    def state(connection: psycopg.Connection) -> list:
        rows = [connection.execute(f"select * from {table} order by 1").fetchall() for table in tables]
        jobs = connection.execute("select job_id, config, schedule_interval from timescaledb_information.jobs order by 1").fetchall()
        objects = connection.execute(
            "select c.oid::regclass::text, pg_get_viewdef(c.oid) from pg_class c where relkind = 'v' "
            "and relnamespace::regnamespace::text in ('public', 'enms') order by 1"
        ).fetchall()
        grants = connection.execute(
            "select oid::regclass::text, relacl::text from pg_class where relnamespace::regnamespace::text in ('public', 'enms') "
            "union all select oid::regprocedure::text, proacl::text from pg_proc where pronamespace::regnamespace::text = 'enms' order by 1"
        ).fetchall()
        return [rows, jobs, objects, grants]

    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute("update energy_tariffs set valid_to = '2026-12-31' where name = 'Base'")
        tariff(connection, "Base 2027", valid_from="2027-01-01")
        before = state(connection)
        cluster.run_init(name)
        assert state(connection) == before


def test_init_again_respects_what_became_of_the_seed(cluster: Cluster, fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute("delete from energy_tariffs")
        tariff(connection, "Own contract", valid_from="2020-01-01")
        connection.execute("delete from machines where name = 'HVAC-EU-North'")
        cluster.run_init(psycopg.conninfo.conninfo_to_dict(fresh_database)["dbname"])
        assert connection.execute("select name from energy_tariffs").fetchall() == [("Own contract",)]
        assert connection.execute("select count(*) from machines").fetchone()[0] == 6


def test_two_sessions_cannot_each_write_half_an_overlap(fresh_database: str) -> None:
    for isolation in psycopg.IsolationLevel.READ_COMMITTED, psycopg.IsolationLevel.REPEATABLE_READ:
        with psycopg.connect(fresh_database) as first, psycopg.connect(fresh_database) as second:
            first.isolation_level = second.isolation_level = isolation
            for session in first, second:
                session.execute("select count(*) from energy_tariffs")
            tariff(first, f"A {isolation.name}", factory_id="22222222-2222-2222-2222-222222222222", valid_from="2014-01-01", valid_to="2014-12-31")
            thread = threading.Thread(target=lambda: (time.sleep(0.3), first.commit()))
            thread.start()
            with pytest.raises((errors.ExclusionViolation, errors.SerializationFailure)):
                tariff(second, f"B {isolation.name}", factory_id="22222222-2222-2222-2222-222222222222", valid_from="2014-06-01", valid_to="2014-12-31")
            thread.join()
            second.rollback()
            first.execute("delete from energy_tariffs where valid_to = '2014-12-31'")
            first.commit()


def test_a_machine_is_not_deleted_on_an_old_snapshot(connection: psycopg.Connection) -> None:
    with pytest.raises(errors.FeatureNotSupported, match="repeatable read"), connection.transaction():
        connection.execute("set transaction isolation level repeatable read")
        connection.execute("delete from machines where id = %s", [COMPRESSOR])


READER_MAY = [
    "select * from energy_readings limit 1", "select * from energy_readings_1day limit 1", "select * from v_today_summary",
    "select * from v_monthly_cost_breakdown", "select * from energy_tariffs", "select * from enms.schema_version",
    f"select * from calculate_all_kpis('{COMPRESSOR}', now() - interval '1 day', now())",
    f"select * from get_factory_summary('{DEMO}', now() - interval '1 day', now())",
]  # fmt: skip
READER_MAY_NOT = [
    insert("energy_readings").replace("%s", f"'{COMPRESSOR}'"), "update machines set name = 'x'", "delete from energy_tariffs",
    "create table public.mine (a int)", "select pg_read_file('postgresql.conf')", "copy machines to '/tmp/x'",
    "insert into audit_log (event_type, action) values ('x', 'x')", "delete from enms.schema_version",
]  # fmt: skip
INGEST_MAY = [
    *(insert(table).replace("%s", f"'{COMPRESSOR}'") for table in READINGS), "select * from machines", "select * from factories",
    f"insert into machine_status (machine_id, is_running, last_updated) values ('{COMPRESSOR}', true, now()) "
    "on conflict (machine_id) do update set is_running = excluded.is_running, last_updated = now()",
    f"insert into energy_readings (time, machine_id, power_kw) values ('2020-01-01', '{COMPRESSOR}', 1) "
    "on conflict (time, machine_id, energy_type) do update set power_kw = excluded.power_kw",
]  # fmt: skip
INGEST_MAY_NOT = [
    "delete from energy_readings", "truncate energy_readings", "update machines set name = 'x'", "select * from energy_tariffs",
    "create table public.mine (a int)", "drop table energy_readings", "select * from audit_log",
    f"select * from calculate_all_kpis('{COMPRESSOR}', now() - interval '1 day', now())",
]  # fmt: skip

MONITOR_MAY = ["select * from v_ops_sizes", "select * from v_ops_freshness", "select * from v_ops_ingest", "select * from v_ops_statements"]
MONITOR_MAY_NOT = ["select * from energy_readings", "select * from machines", "select * from v_today_summary", "select * from enms.schema_version"]


@pytest.mark.parametrize(("role", "statement", "may"), [
    *(("enms_reader", s, True) for s in READER_MAY), *(("enms_reader", s, False) for s in READER_MAY_NOT),
    *(("enms_ingest", s, True) for s in INGEST_MAY), *(("enms_ingest", s, False) for s in INGEST_MAY_NOT),
    *(("enms_monitor", s, True) for s in MONITOR_MAY), *(("enms_monitor", s, False) for s in MONITOR_MAY_NOT),
])  # fmt: skip
def test_roles(undone: psycopg.Connection, role: str, statement: str, may: bool) -> None:
    undone.execute(f"set local role {role}")
    if may:
        undone.execute(statement)
    else:
        with pytest.raises(errors.InsufficientPrivilege):
            undone.execute(statement)


def test_public_may_nothing(connection: psycopg.Connection) -> None:
    role = f"nobody_{uuid.uuid4().hex[:8]}"
    connection.execute(f"create role {role}")
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"set local role {role}")
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute("select * from public.machines")
    finally:
        connection.execute(f"drop role {role}")


def test_an_interrupted_init_leaves_no_marker(cluster: Cluster, tmp_path: Path) -> None:
    for file in sorted((Path(__file__).parent.parent / "init").glob("*.sql")):
        (tmp_path / file.name).write_text(file.read_text() if file.name < "05" else "select 1 / 0;\n")
    cluster.create_database("half")
    try:
        with pytest.raises(Exception, match="05-views.sql.*division by zero"):
            cluster.run_init("half", tmp_path)
        with psycopg.connect(cluster.dsn("half")) as connection:
            assert connection.execute("select count(*) from enms.schema_version").fetchone()[0] == 0
    finally:
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
            connection.execute("drop database half with (force)")
