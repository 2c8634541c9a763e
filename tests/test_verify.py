"""The verifier on servers that are right, on ones that cannot be verified, and its command line."""

import json
import shutil
import subprocess
import threading
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from conftest import CHECKOUT
from scripts.cluster import Cluster
from verified import SOURCES, SPEC, changed, details, dsn, make_due, names, own_cluster, run, until, verify, verify_anew  # noqa: F401
from verify import behaviour
from verify.catalog import Catalog
from verify.checks.behaviour import EXPECTED
from verify.checks.jobs import PORTAL, PORTAL_FIX
from verify.checks.policies import names as policy_names
from verify.registry import Context, Runner
from verify.result import Outcome
from verify.text import seconds

# Objects and rows that a user may add without asking.
OWN = """
create table notes (id int primary key, machine_id uuid references machines (id));
create index on notes (machine_id);
create view notes_of_machines as select m.name, n.id from machines m join notes n on n.machine_id = m.id;
create function notes_count() returns bigint language sql as 'select count(*) from notes';
create role m_dashboards login; grant enms_reader to m_dashboards; grant select on notes to m_dashboards, public;
grant select on machines to m_dashboards; alter role m_dashboards set work_mem = '128MB';
insert into factories (id, name, timezone) values ('33333333-3333-3333-3333-333333333333', 'Own', 'Asia/Seoul');
insert into machines (factory_id, name, type, rated_power_kw) values ('33333333-3333-3333-3333-333333333333', 'Own-1', 'other', 1);
insert into energy_tariffs (factory_id, name, rate_per_kwh, currency, valid_from)
    values ('33333333-3333-3333-3333-333333333333', 'flat', 100, 'USD', '2020-01-01');
insert into carbon_factors (region, emission_factor_kg_co2_per_kwh, valid_from) values ('default', 0.4, '2024-01-01'), ('KR', 0.42, '2024-01-01');
update machines set is_active = false where name = 'Conveyor-A';
create function machines() returns bigint language sql as 'select 1'; comment on function machines() is 'of the same name';
create type m_kind as enum ('a'); comment on type m_kind is 'mine';
create role anomalies; comment on role anomalies is 'of the same name'; grant select on audit_log to anomalies;
alter default privileges in schema public grant select on tables to m_dashboards;
create schema own; create table own.machines (time timestamptz not null, id int); select create_hypertable('own.machines', by_range('time'));
"""
OWN_JOB = """
create procedure m_job(job_id int, config jsonb) language sql as 'select 1';
select add_job('m_job', '1 day', config => '{"hypertable_id": "metrics", "drop_after": "never"}');
select add_retention_policy('own.machines', interval '1 year');
"""


def test_fresh_database_passes(dsn: str, edition: str) -> None:
    ran = run("--dsn", dsn, "--format", "json")
    report = json.loads(ran.stdout)
    assert ran.returncode == 0, ran.stdout
    assert set(report["counts"]) <= {"passed", "information", "not in this edition"}
    assert ("not in this edition" in report["counts"]) == (edition != "community")
    assert ran.stderr.startswith("verified: ") and ran.stderr.count("\n") == 1


def test_objects_and_rows_of_the_users_are_information(changed: psycopg.Connection, edition: str) -> None:
    changed.execute("set local search_path = public")
    changed.execute(OWN + (OWN_JOB if edition == "community" else ""))
    changed.execute("set local search_path = pg_catalog, public")
    results = verify(changed)
    assert not names(results) | names(results, Outcome.NOT_EVALUATED), details(results)
    told = names(results, Outcome.INFORMATION)
    assert {"objects of your own", "functions of your own", "grants to roles of your own"} <= told


def test_database_with_a_month_of_readings_passes(changed: psycopg.Connection, edition: str) -> None:
    for table, column in ("energy_readings", "power_kw"), ("production_data", "production_count"), ("environmental_data", "outdoor_temp_c"):
        changed.execute(
            f"insert into {table} (time, machine_id, {column}) select t, m.id, 10 from public.machines m, "
            "generate_series(now() - interval '35 days', now(), interval '2 hours') t"
        )
    if edition == "community":
        changed.execute("select public.compress_chunk(c) from public.show_chunks('energy_readings', older_than => interval '7 days') c")
    results = verify(changed)
    assert not names(results) | names(results, Outcome.NOT_EVALUATED), details(results)
    assert "machines that stopped reporting" not in names(results, Outcome.INFORMATION)


def test_readings_of_the_future_and_silent_machines_are_told_of(changed: psycopg.Connection) -> None:
    changed.execute("insert into energy_readings (time, machine_id, power_kw) select now() + interval '1 day', id, 1 from machines limit 1")
    changed.execute("update machine_status set last_reading_time = now() - interval '5 hours' where machine_id = (select id from machines where name = 'HVAC-Main')")
    results = {result.name: result.verdict.detail for result in verify(changed, "health")}
    assert "energy_readings: 1 up to" in results["readings in the future"]
    # The last year that is stored.
    changed.execute("insert into production_data (time, machine_id) select '9999-01-01', id from machines limit 1")
    results = {result.name: result.verdict.detail for result in verify(changed, "health")}
    assert "production_data: 1 up to 9999-01-01" in results["readings in the future"]
    assert "HVAC-Main (none for 15 minutes; status tells of 5 hours ago)" in results["machines that stopped reporting"]


def test_database_on_which_init_ran_again_passes(dsn: str, own_cluster: Cluster) -> None:
    own_cluster.create_database("again")
    own_cluster.run_init("again")
    with psycopg.connect(own_cluster.dsn("again"), autocommit=True) as connection:
        connection.execute(OWN.replace("m_dashboards", "m_boards").replace("role anomalies", "role m_anomalies").replace("to anomalies", "to m_anomalies").replace("alter role m_boards set work_mem = '128MB';", ""))
    own_cluster.run_init("again")
    results = verify_anew(own_cluster.dsn("again"))
    assert not names(results) | names(results, Outcome.NOT_EVALUATED), details(results)


@pytest.mark.community
def test_rollup_that_differs_from_its_readings(own_cluster: Cluster, edition: str) -> None:
    own_cluster.create_database("rolled")
    own_cluster.run_init("rolled")
    check = "rollups agree with readings"
    with psycopg.connect(own_cluster.dsn("rolled"), autocommit=True) as connection:
        connection.execute("select _timescaledb_functions.stop_background_workers()")
        for table, column in ("energy_readings", "energy_kwh, power_kw"), ("production_data", "production_count, throughput_units_per_hour"), ("environmental_data", "outdoor_temp_c, cop"):
            connection.execute(f"insert into {table} (time, machine_id, {column}) select now() - n * interval '1 hour', id, 2, 3 from machines, unnest(array[1, 2, 3, 4, 5, 194, 195, 196]) n")
            for level in "1min", "15min", "1hour":
                connection.execute(f"call refresh_continuous_aggregate('{table}_{level}', null, now() - interval '1 hour')")
        assert check in names(verify_anew(own_cluster.dsn("rolled")), Outcome.PASSED)
        for rollup, column in (
            ("energy_readings_1min", "reading_count"), ("energy_readings_15min", "total_energy_kwh"), ("energy_readings_1hour", "total_energy_kwh"),
            ("production_data_1hour", "total_readings"), ("environmental_data_1min", "sum_outdoor_temp_c"),
        ):  # fmt: skip
            storage = "select format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) from timescaledb_information.continuous_aggregates where view_name = '{}'"
            stored = connection.execute(storage.format(rollup)).fetchone()[0]
            # Without a note for the rollups above, as damage would be.
            log = "delete from _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log"
            connection.execute(f"update {stored} set {column} = {column} + 1")
            connection.execute(log)
            results = verify_anew(own_cluster.dsn("rolled"))
            assert names(results) == {check} and f"{rollup} at" in details(results), details(results)
            connection.execute(f"update {stored} set {column} = {column} - 1")
            connection.execute(log)
        ahead = "(extract(epoch from now() + interval '9 days') * 1000000)::bigint"
        with connection.transaction(force_rollback=True):
            connection.execute(f"update _timescaledb_catalog.continuous_aggs_watermark set watermark = {ahead}")
            assert {"watermarks of the rollups"} == names(verify(connection, "health")) - {check}
        # What is still to be refreshed may differ.
        connection.execute("update energy_readings set energy_kwh = 5 where time > now() - interval '4 hours'")
        assert not names(verify_anew(own_cluster.dsn("rolled")))


def test_database_restored_from_a_dump_passes(dsn: str, own_cluster: Cluster, tmp_path: Path) -> None:
    program = own_cluster.installation.program
    if not (program("pg_dump") and program("pg_restore")):
        pytest.skip("this server comes without pg_dump")
    dump = tmp_path / "enms.dump"
    environment = own_cluster.environment("enms")
    subprocess.run([program("pg_dump"), "-Fc", "-f", dump], env=environment, check=True, capture_output=True)
    own_cluster.create_database("restored")
    with psycopg.connect(own_cluster.dsn("restored"), autocommit=True) as connection:
        connection.execute("create extension timescaledb")
        connection.execute("select timescaledb_pre_restore()")
        subprocess.run([program("pg_restore"), "-d", "restored", dump], env=own_cluster.environment("restored"), capture_output=True)
        assert "restoring mode" in names(verify_anew(own_cluster.dsn("restored"), "health"))
        connection.execute("select timescaledb_post_restore()")
    # A dump of a database does not hold who may connect to it.
    assert names(verify_anew(own_cluster.dsn("restored"), "roles")) == {"grants to enms_ingest", "grants to enms_monitor", "grants to enms_reader", "grants to PUBLIC"}
    own_cluster.run_init("restored")
    ran = run("--dsn", own_cluster.dsn("restored"))
    assert ran.returncode == 0, ran.stdout


TRACE = """
select jsonb_build_object(
    'rows', (select jsonb_object_agg(c.oid::regclass, (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from %s', c.oid::regclass), false, true, '')))[1]::text)
             from pg_class c where c.relkind = 'r' and c.relnamespace::regnamespace::text in
                 ('public', 'enms', '_timescaledb_catalog', '_timescaledb_config', '_timescaledb_internal', '_timescaledb_cache')),
    'objects', (select jsonb_build_array((select count(*) from pg_class), (select count(*) from pg_proc), (select count(*) from pg_depend))),
    'sequences', (select jsonb_object_agg(schemaname || '.' || sequencename, last_value) from pg_sequences))
"""


def test_run_leaves_no_trace(dsn: str) -> None:
    """Rows of every table, TimescaleDB's own and its invalidation logs among them, chunks, sequences and objects."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        before = connection.execute(TRACE).fetchone()[0]
        assert "_timescaledb_catalog.continuous_aggs_hypertable_invalidation_log" in before["rows"]
        results = verify_anew(dsn)
        assert {f"{name} on the known plant" for name in EXPECTED} <= names(results, Outcome.PASSED), details(results)
        assert connection.execute(TRACE).fetchone()[0] == before


def test_number_of_queries_does_not_depend_on_what_there_is(changed: psycopg.Connection) -> None:
    def queries() -> int:
        sent = []

        class Counted(psycopg.Cursor):
            def execute(self, query: object, *arguments: object, **options: object) -> psycopg.Cursor:
                sent.append(query)
                return super().execute(query, *arguments, **options)

        changed.cursor_factory = Counted
        try:
            verify(changed)
        finally:
            changed.cursor_factory = psycopg.Cursor
        return len(sent)

    few = queries()
    changed.execute(
        "do $$ begin for n in 1..50 loop execute format('create table public.m_%s (id int primary key)', n); "
        "execute format('create view public.v_m_%s as select id from public.m_%s', n, n); end loop; end $$"
    )
    changed.execute("insert into public.energy_readings (time, machine_id, power_kw) select now() - n * interval '1 day', id, 1 from public.machines, generate_series(0, 40) n")
    assert queries() == few < 80


def test_behaviour_works_while_readings_come_in(dsn: str) -> None:
    """Each batch makes a chunk, the work in which an ingest and the verifier could block each other."""
    stop, wrote, broke = threading.Event(), [], []

    def ingest() -> None:
        try:
            with psycopg.connect(dsn) as connection:
                while not stop.is_set():
                    for table, value in ("production_data", "production_count"), ("energy_readings", "power_kw"):
                        day = f"now() - {len(wrote) % 50} * interval '1 day'"
                        connection.execute(f"insert into {table} (time, machine_id, {value}) select {day}, id, 1 from machines on conflict do nothing")
                    connection.commit()
                    wrote.append(table)
        except psycopg.Error as error:
            broke.append(error)

    thread = threading.Thread(target=ingest)
    thread.start()
    try:
        for _ in range(5):
            results = verify_anew(dsn, "behaviour")
            assert not names(results) | names(results, Outcome.NOT_EVALUATED), details(results)
    finally:
        stop.set()
        thread.join()
    assert not broke and len(wrote) > 1


def test_behaviour_gives_way_to_a_lock(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behaviour, "PAUSES", (0.1,))
    with psycopg.connect(dsn) as other:
        other.execute("lock table energy_readings in share row exclusive mode")
        results = verify_anew(dsn, "behaviour")
    assert "a known plant can be inserted" in names(results, Outcome.NOT_EVALUATED)


def test_role_that_may_only_read(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create role m_reader login password 'm' in role enms_reader")
    try:
        ran = run("--dsn", make_conninfo(dsn, user="m_reader", password="m"), "--format", "json")
        report = json.loads(ran.stdout)
        assert "failed" not in report["counts"], ran.stdout
        unseen = {result["family"] for result in report["results"] if result["outcome"] == "not evaluated"}
        assert unseen <= {"server", "settings", "tables", "rollups", "views", "behaviour", "jobs"}
        assert ran.returncode == 1
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("drop role m_reader")


@pytest.mark.community
def test_job_that_fails(dsn: str, edition: str) -> None:
    refresh = "select min(job_id) from timescaledb_information.jobs where hypertable_name = 'energy_readings_1min'"
    with psycopg.connect(dsn, autocommit=True) as connection:
        job = connection.execute(refresh).fetchone()[0]
        connection.execute("select _timescaledb_functions.start_background_workers()")
        until(connection, f"select total_successes > 0 from timescaledb_information.job_stats where job_id = {job}")
        assert not names(verify_anew(dsn, "jobs"))

        # A configuration that the job cannot work with makes it fail; once put back, its last run still has.
        config = connection.execute("select config from timescaledb_information.jobs where job_id = %s", [job]).fetchone()[0]
        make_due(connection, job, f"update _timescaledb_catalog.bgw_job set config = config - 'mat_hypertable_id' where id = {job}")
        until(connection, f"select last_run_status = 'Failed' from timescaledb_information.job_stats where job_id = {job}")
        connection.execute("update _timescaledb_catalog.bgw_job set config = %s where id = %s", [json.dumps(config), job])
        results = verify_anew(dsn, "jobs")
        assert names(results) == {"runs of the refresh policy of energy_readings_1min"}
        assert "failed last time" in details(results) and "mat_hypertable_id" in details(results)

        connection.execute("select _timescaledb_functions.stop_background_workers()")


def aged(connection: psycopg.Connection, *families: str, days: float, scheduler: bool = True):
    """Results as they would be with a server, and a job scheduler, that have been up for some days."""
    catalog = Catalog(connection)
    then = catalog.one("server")["now"] - timedelta(days=days)
    catalog.one("server")["started"] = catalog.one("database")["made"] = catalog.one("marker")["completed_at"] = then
    catalog.one("scheduler")["started"] = then if scheduler else None
    return Runner(Context(SPEC, catalog, SOURCES)).run(families)


@pytest.mark.community
def test_jobs_that_never_ran_starve_or_fail(changed: psycopg.Connection, edition: str, request: pytest.FixtureRequest) -> None:
    policies = {f"runs of the {name}" for name, _, _ in policy_names(SPEC)}
    changed.execute("delete from _timescaledb_internal.bgw_job_stat")
    assert names(aged(changed, "jobs", days=0.001), Outcome.INFORMATION) == policies
    assert names(aged(changed, "jobs", days=30)) == policies
    assert names(aged(changed, "jobs", days=30, scheduler=False)) == {"job scheduler of this database"}
    late = "now() - 4 * schedule_interval - interval '15 minutes'"
    changed.execute(
        "insert into _timescaledb_internal.bgw_job_stat (job_id, last_start, last_finish, next_start, last_successful_finish, last_run_success, "
        "total_runs, total_duration, total_duration_failures, total_successes, total_failures, total_crashes, consecutive_failures, "
        f"consecutive_crashes, flags) select job_id, {late}, {late}, now(), {late}, "
        "true, 1, '1 s', '0 s', 1, 0, 0, 0, 0, 0 from timescaledb_information.jobs"
    )
    assert names(aged(changed, "jobs", days=30)) == policies
    changed.execute("update _timescaledb_internal.bgw_job_stat set last_start = now(), last_finish = now(), last_successful_finish = now()")
    assert not names(aged(changed, "jobs", days=30))
    changed.execute(
        "insert into _timescaledb_internal.bgw_job_stat_history (job_id, pid, execution_start, execution_finish, succeeded, data) "
        "select job_id, 1, now(), now(), false, %s from timescaledb_information.jobs",
        [json.dumps({"error_data": {"message": PORTAL, "sqlerrcode": "24000"}})],
    )
    changed.execute("update _timescaledb_internal.bgw_job_stat set last_run_success = false")
    failing = {result.name: result.verdict for result in aged(changed, "jobs", days=30) if result.outcome is Outcome.FAILED}
    assert failing.keys() == policies and all(PORTAL in verdict.detail and verdict.fix == PORTAL_FIX for verdict in failing.values())
    # A refresh by hand was in the way, and the policy has succeeded lately.
    changed.execute("update _timescaledb_internal.bgw_job_stat_history set data = jsonb_set(data, '{error_data,sqlerrcode}', '\"55P03\"')")
    assert not names(aged(changed, "jobs", days=30))
    request.config.mutations.setdefault(edition, {}).update(dict.fromkeys(("job never ran", "job starves", "job fails"), (len(policies), 0)))


@pytest.mark.community
def test_chunks_that_policies_left_over(changed: psycopg.Connection, edition: str) -> None:
    changed.execute("insert into energy_readings (time, machine_id, power_kw) select now() - interval '20 days', id, 1 from machines limit 1")
    changed.execute("insert into production_data (time, machine_id) select now() - interval '100 days', id from machines limit 1")
    assert not names(aged(changed, "health", days=30)), "a chunk made just now is not left over"
    changed.execute("update _timescaledb_catalog.chunk set creation_time = now() - interval '20 days'")
    assert names(aged(changed, "health", days=30)) == {
        "old chunks of energy_readings are compressed", "old chunks of production_data are compressed",
        "chunks of production_data past retention are dropped",
    }  # fmt: skip
    assert not names(aged(changed, "health", days=0.1)), "policies of a server that was down had no time yet"


def test_environment_names_the_server(dsn: str, own_cluster: Cluster) -> None:
    environment = own_cluster.environment("enms")
    assert run("--only", "marker", env={key: value for key, value in environment.items() if key.startswith("PG")}).returncode == 0
    assert run("--only", "marker", env={"ENMS_DSN": dsn}).returncode == 0


def test_half_initialised_database_is_named(dsn: str, own_cluster: Cluster, tmp_path: Path) -> None:
    own_cluster.create_database("half")
    for path in sorted((CHECKOUT / "init").glob("0[1-4]*.sql")):
        shutil.copy(path, tmp_path)
    own_cluster.run_init("half", tmp_path)
    results = verify_anew(own_cluster.dsn("half"))
    assert {"completion marker", "view v_today_summary", "row Demo Manufacturing Plant of factories"} <= names(results)
