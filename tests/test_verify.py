"""The verifier on servers that are right, on ones that cannot be verified, and its command line."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from conftest import CHECKOUT
from scripts.cluster import Cluster
from verified import SOURCES, SPEC, changed, details, dsn, names, own_cluster, verify  # noqa: F401
from verify.catalog import Catalog
from verify.checks.behaviour import EXPECTED
from verify.checks.jobs import PORTAL, PORTAL_FIX
from verify.checks.policies import names as policy_names
from verify.connection import SETTINGS
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
"""


def run(*arguments: str, env: dict[str, str] | None = None, script: str = "") -> subprocess.CompletedProcess:
    """Run `python -m verify` as a user would; `script` is Python to run before it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "ENMS"))} | (env or {})
    how = ["-c", f"{script}; import runpy; runpy.run_module('verify', run_name='__main__')"] if script else ["-m", "verify"]
    return subprocess.run([sys.executable, *how, *arguments], cwd=CHECKOUT, env=clean, capture_output=True, text=True)


def test_fresh_database_passes(dsn: str, edition: str) -> None:
    ran = run("--dsn", dsn, "--format", "json")
    report = json.loads(ran.stdout)
    assert ran.returncode == 0, ran.stdout
    assert set(report["counts"]) <= {"passed", "information", "not in this edition"}
    assert ("not in this edition" in report["counts"]) == (edition != "community")
    assert ran.stderr.startswith("verified: ") and ran.stderr.count("\n") == 1


def test_objects_and_rows_of_the_users_are_information(changed: psycopg.Connection) -> None:
    changed.execute("set local search_path = public")
    changed.execute(OWN)
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
    changed.execute("insert into energy_readings (time, machine_id, power_kw) select now() - interval '5 hours', id, 1 from machines where name = 'HVAC-Main'")
    results = {result.name: result.verdict.detail for result in verify(changed, "health")}
    assert "energy_readings: 1 up to" in results["readings in the future"]
    assert "HVAC-Main (5 hours ago)" in results["machines that stopped reporting"]


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
        assert "restoring mode" in names(_over(own_cluster.dsn("restored"), "health"))
        connection.execute("select timescaledb_post_restore()")
    ran = run("--dsn", own_cluster.dsn("restored"))
    assert ran.returncode == 0, ran.stdout


def _over(target: str, *families: str):
    with psycopg.connect(target, autocommit=True, **SETTINGS) as connection:
        return verify(connection, *families)


TRACE = """
select jsonb_build_object(
    'sequences', (select jsonb_object_agg(schemaname || '.' || sequencename, last_value) from pg_sequences
                  where schemaname in ('public', 'enms', '_timescaledb_catalog')),
    'chunks', (select count(*) from _timescaledb_catalog.chunk),
    'invalidations', (select count(*) from _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log),
    'rows', (select jsonb_build_array((select count(*) from public.factories), (select count(*) from public.machines),
             (select count(*) from public.energy_tariffs), (select count(*) from public.carbon_factors), (select count(*) from public.audit_log),
             (select count(*) from public.energy_readings), (select count(*) from public.production_data))))
"""


def test_behaviour_leaves_no_trace(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        before = connection.execute(TRACE).fetchone()[0]
        results = _over(dsn, "behaviour")
        assert len(names(results, Outcome.PASSED)) == len(EXPECTED) + 1, details(results)
        assert connection.execute(TRACE).fetchone()[0] == before


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
            results = _over(dsn, "behaviour")
            assert not names(results) | names(results, Outcome.NOT_EVALUATED), details(results)
    finally:
        stop.set()
        thread.join()
    assert not broke and len(wrote) > 1


def test_behaviour_gives_way_to_a_lock(dsn: str) -> None:
    with psycopg.connect(dsn) as other:
        other.execute("lock table energy_readings in share row exclusive mode")
        results = _over(dsn, "behaviour")
    assert "a known plant can be inserted" in names(results, Outcome.NOT_EVALUATED)


def test_role_that_may_only_read(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create role m_reader login password 'm' in role enms_reader")
    try:
        ran = run("--dsn", make_conninfo(dsn, user="m_reader", password="m"), "--format", "json")
        report = json.loads(ran.stdout)
        assert "failed" not in report["counts"], ran.stdout
        unseen = {result["family"] for result in report["results"] if result["outcome"] == "not evaluated"}
        assert unseen <= {"settings", "behaviour", "jobs"}
        assert ran.returncode == 1
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("drop role m_reader")


@pytest.mark.parametrize(
    ("change", "undo", "failing"),
    [
        ("alter system set work_mem = '1MB'", "alter system reset work_mem", "setting work_mem"),
        ("alter system set synchronous_commit = off", "alter system reset synchronous_commit", "setting synchronous_commit is on"),
        ("alter database enms set jit = on", "alter database enms reset jit", "setting jit"),
        ("alter role enms_user set timezone = 'Europe/Berlin'", "alter role enms_user reset timezone", "setting timezone is UTC"),
    ],
)
def test_setting_that_somebody_overrides(dsn: str, change: str, undo: str, failing: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(change)
        connection.execute("select pg_reload_conf()")
        try:
            time.sleep(0.3)
            ran = run("--dsn", dsn, "--format", "json")
            failed = {result["check"]: result for result in json.loads(ran.stdout)["results"] if result["outcome"] == "failed"}
            assert ran.returncode == 1 and failing in failed
            assert {name.split()[1] for name in failed} == {failing.split()[1]}
            assert "alter" in failed[failing]["fix"]
        finally:
            connection.execute(undo)
            connection.execute("select pg_reload_conf()")
            time.sleep(0.3)


def test_setting_by_alter_system_that_waits_for_a_restart(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("alter system set max_worker_processes = 8")
        try:
            results = _over(dsn, "settings")
        finally:
            connection.execute("alter system reset max_worker_processes")
    assert names(results) == {"settings by ALTER SYSTEM"}, details(results)


@pytest.mark.community
def test_job_that_fails(dsn: str, edition: str) -> None:
    refresh = "select min(job_id) from timescaledb_information.jobs where hypertable_name = 'energy_readings_1min'"
    with psycopg.connect(dsn, autocommit=True) as connection:
        job = connection.execute(refresh).fetchone()[0]
        connection.execute("select _timescaledb_functions.start_background_workers()")
        _until(connection, f"select total_successes > 0 from timescaledb_information.job_stats where job_id = {job}")
        assert not names(_over(dsn, "jobs"))

        # A configuration that the job cannot work with makes it fail; once put back, its last run still has.
        config = connection.execute("select config from timescaledb_information.jobs where job_id = %s", [job]).fetchone()[0]
        connection.execute("update _timescaledb_catalog.bgw_job set config = config - 'mat_hypertable_id' where id = %s", [job])
        connection.execute("update _timescaledb_internal.bgw_job_stat set next_start = now() where job_id = %s", [job])
        connection.execute("select _timescaledb_functions.restart_background_workers()")
        _until(connection, f"select last_run_status = 'Failed' from timescaledb_information.job_stats where job_id = {job}")
        connection.execute("update _timescaledb_catalog.bgw_job set config = %s where id = %s", [json.dumps(config), job])
        results = _over(dsn, "jobs")
        assert names(results) == {"runs of the refresh policy of energy_readings_1min"}
        assert "failed last time" in details(results) and "mat_hypertable_id" in details(results)

        connection.execute("select _timescaledb_functions.stop_background_workers()")


def aged(connection: psycopg.Connection, *families: str, days: float, scheduler: bool = True):
    """Results as they would be with a server, and a job scheduler, that have been up for some days."""
    catalog = Catalog(connection)
    then = catalog.one("server")["now"] - timedelta(days=days)
    catalog.one("server")["started"] = catalog.one("database")["made"] = then
    catalog.one("scheduler")["started"] = then if scheduler else None
    return Runner(Context(SPEC, catalog, SOURCES)).run(families)


@pytest.mark.community
def test_jobs_that_starve_never_ran_or_have_no_scheduler(changed: psycopg.Connection, edition: str) -> None:
    policies = {f"runs of the {name}" for name, _, _ in policy_names(SPEC)}
    changed.execute("delete from _timescaledb_internal.bgw_job_stat")
    assert names(aged(changed, "jobs", days=0.001), Outcome.INFORMATION) == policies
    assert names(aged(changed, "jobs", days=30)) == policies
    assert names(aged(changed, "jobs", days=30, scheduler=False)) == {"job scheduler of this database"}
    changed.execute(
        "insert into _timescaledb_internal.bgw_job_stat (job_id, last_start, last_finish, next_start, last_successful_finish, last_run_success, "
        "total_runs, total_duration, total_duration_failures, total_successes, total_failures, total_crashes, consecutive_failures, "
        "consecutive_crashes, flags) select job_id, now() - interval '2 hours', now() - interval '2 hours', now(), now() - interval '2 hours', "
        "true, 1, '1 s', '0 s', 1, 0, 0, 0, 0, 0 from timescaledb_information.jobs"
    )
    starving = names(aged(changed, "jobs", days=30))
    assert starving == {f"runs of the refresh policy of {name}" for name, rollup in SPEC.rollups.items() if seconds(rollup["refresh_every"]) < 3600}


@pytest.mark.community
def test_postgresql_minor_that_breaks_jobs_is_named(changed: psycopg.Connection, edition: str) -> None:
    job = "(select min(job_id) from timescaledb_information.jobs where hypertable_name = 'energy_readings_1min')"
    changed.execute(
        "insert into _timescaledb_internal.bgw_job_stat_history (job_id, pid, execution_start, execution_finish, succeeded, data) "
        f"values ({job}, 1, now() - interval '1 s', now(), false, %s)",
        [json.dumps({"error_data": {"message": PORTAL, "sqlerrcode": "24000"}})],
    )
    changed.execute(
        f"update _timescaledb_internal.bgw_job_stat set last_run_success = false, last_finish = now() where job_id = {job}"
    )
    failed = {result.name: result.verdict for result in verify(changed, "jobs") if result.outcome is Outcome.FAILED}
    assert set(failed) == {"runs of the refresh policy of energy_readings_1min"}
    verdict = failed.popitem()[1]
    assert PORTAL in verdict.detail and verdict.fix == PORTAL_FIX


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


def _until(connection: psycopg.Connection, question: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not (row := connection.execute(question).fetchone()) or not row[0]:
        assert time.monotonic() < deadline, question
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"password": "wrong"}, 3, "password authentication failed"),
        ({"dbname": "nowhere"}, 3, 'database "nowhere" does not exist'),
        ({"port": "1"}, 3, "Connection refused"),
        ({"sslmode": "require"}, 3, "SSL"),
    ],
)
def test_no_connection_is_one_line(dsn: str, changes: dict[str, str], code: int, says: str) -> None:
    ran = run("--dsn", make_conninfo(dsn, **changes))
    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr.startswith("error: cannot connect: ") and says in ran.stderr and ran.stderr.count("\n") == 1


def test_another_database_is_drift_without_a_traceback(dsn: str) -> None:
    ran = run("--dsn", make_conninfo(dsn, dbname="postgres"))
    assert ran.returncode == 1 and "Traceback" not in ran.stdout + ran.stderr
    assert "extension timescaledb" in ran.stdout


def test_statement_timeout_is_a_failure_with_its_text(dsn: str) -> None:
    with psycopg.connect(dsn) as other:
        other.execute("lock table enms.schema_version in access exclusive mode")
        ran = run("--dsn", dsn, "--only", "marker", script="from verify import connection; connection.SETTINGS['options'] += ' -c statement_timeout=300'")
    assert ran.returncode == 1 and "statement timeout" in ran.stdout, ran.stdout + ran.stderr


def test_server_that_goes_away_half_way(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute("begin; lock table enms.schema_version in access exclusive mode")
        ran: list[subprocess.CompletedProcess] = []
        thread = threading.Thread(target=lambda: ran.append(run("--dsn", dsn)))
        thread.start()
        with psycopg.connect(dsn, autocommit=True) as killer:
            _until(killer, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'enms verify' and wait_event_type = 'Lock'")
        thread.join()
    assert ran[0].returncode == 3 and ran[0].stderr.startswith("error: the server went away"), ran[0].stderr
    assert ran[0].stderr.count("\n") == 1


def test_wait_says_what_it_waits_for_and_goes_on(dsn: str, own_cluster: Cluster) -> None:
    own_cluster.create_database("late")
    done: list[subprocess.CompletedProcess] = []
    thread = threading.Thread(target=lambda: done.append(run("--dsn", own_cluster.dsn("late"), "--wait", "60", "--only", "marker")))
    thread.start()
    time.sleep(1)
    own_cluster.run_init("late")
    thread.join()
    assert done[0].returncode == 0, done[0].stdout + done[0].stderr
    assert "waiting up to" in done[0].stderr and "completion marker" in done[0].stderr


def test_wait_ends(dsn: str) -> None:
    ran = run("--dsn", make_conninfo(dsn, dbname="postgres"), "--wait", "1")
    assert ran.returncode == 3 and "not ready after 1 s" in ran.stderr and "marker" in ran.stderr


def test_environment_names_the_server(dsn: str, own_cluster: Cluster) -> None:
    environment = own_cluster.environment("enms")
    assert run("--only", "marker", env={key: value for key, value in environment.items() if key.startswith("PG")}).returncode == 0
    assert run("--only", "marker", env={"ENMS_DSN": dsn}).returncode == 0


def test_half_initialised_database_is_named(dsn: str, own_cluster: Cluster, tmp_path: Path) -> None:
    own_cluster.create_database("half")
    for path in sorted((CHECKOUT / "init").glob("0[1-4]*.sql")):
        shutil.copy(path, tmp_path)
    own_cluster.run_init("half", tmp_path)
    results = _over(own_cluster.dsn("half"))
    assert {"completion marker", "view v_today_summary", "row HVAC-Main of machines"} <= names(results)
