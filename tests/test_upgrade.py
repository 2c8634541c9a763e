"""make apply on databases of earlier versions: what it brings, what it keeps, what it refuses and what stops it half-way.

fixtures/schema-VERSION.tar.xz is init/ as a release had it, made when the next one begins by
`git archive TAG init | xz -9e > tests/fixtures/schema-VERSION.tar.xz`.
"""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import psycopg
import pytest
from compose import docker
from conftest import CHECKOUT, free_port
from engine_cli import Checkout, only_error
from psycopg.conninfo import conninfo_to_dict
from verified import details, own_cluster, until, verify_anew  # noqa: F401

import compose
from scripts import busy, embedded, extension, upgrade
from scripts.cluster import Cluster
from scripts.connection import Database
from scripts.console import Failure
from verify import spec

FIXTURES = Path(__file__).parent / "fixtures"
VERSION = spec.load().version
PREVIOUS = max((file.name[7:-7] for file in FIXTURES.glob("schema-*.tar.xz")), key=lambda name: [int(n) for n in name.split(".")])
MACHINE = "c0000000-0000-0000-0000-000000000002"

# What a plant has by now: readings that are compressed, not compressed and fresh, minutes of which only the rollups know,
# tariffs, roles and objects of its own, and a job at another hour.
PLANT = """
insert into factories (id, name, timezone) values ('33333333-3333-3333-3333-333333333333', 'Own', 'Europe/Vienna');
insert into machines (id, factory_id, name, type, rated_power_kw)
values ('c0000000-0000-0000-0000-000000000033', '33333333-3333-3333-3333-333333333333', 'Own press', 'other', 11);
update energy_tariffs set is_active = false where name = 'Hochtarif';
update energy_tariffs set rate_per_kwh = 0.1 where name = 'Peak';
insert into energy_tariffs (factory_id, name, rate_per_kwh, currency, valid_from)
values ('33333333-3333-3333-3333-333333333333', 'Contract', 0.31, 'EUR', '2020-01-01');
insert into energy_readings (time, machine_id, power_kw, energy_kwh, energy_type)
select t, m.id, 10, 0.5, case when m.type = 'pump' then 'steam' else 'electrical' end
from (select * from machines order by id limit 4) m, (select date_trunc('day', now()) - d * interval '1 day' + n * interval '7 minutes' as t
                  from unnest(array[0, 1, 2, 10, 11, 95, 96]) d, generate_series(0, 30) n) times
where t < now();
insert into production_data (time, machine_id, production_count, operating_mode)
select time, machine_id, 3, 'running' from energy_readings;
insert into environmental_data (time, machine_id, outdoor_temp_c) select time, machine_id, 12.5 from energy_readings;
create role upgrade_grafana login in role enms_reader;
create role upgrade_report;
create schema own;
grant usage on schema own to upgrade_report;
create view own.today as select machine_name, energy_today_kwh from v_today_summary;
create view own.again as select t.machine_name, h.bucket from own.today t, energy_readings_1hour h;
create table own.note (machine_id uuid references machines (id), text text);
insert into own.note values ('c0000000-0000-0000-0000-000000000002', 'oiled');
create function own.kpi() returns numeric language sql stable
    return (select total_energy_kwh from calculate_all_kpis('c0000000-0000-0000-0000-000000000002', now() - interval '3 days', now()));
grant select on own.again, v_today_summary, energy_readings_1day, machines to upgrade_report;
alter view v_power_trend_24h owner to upgrade_report;
alter view v_power_trend_24h owner to current_user;
alter role upgrade_grafana in database {name} set statement_timeout = '30s';
"""
COMMUNITY_PLANT = """
select compress_chunk(c) from show_chunks('energy_readings', older_than => interval '7 days') c;
select drop_chunks('energy_readings', older_than => interval '90 days');
select drop_chunks('production_data', older_than => interval '90 days');
select drop_chunks('environmental_data', older_than => interval '90 days');
select alter_job(job_id, next_start => now() + interval '5 hours') from timescaledb_information.jobs where proc_name = 'policy_retention';
"""
# Back to what databases had before the keys began with the time, and helpers took many machines.
OLDER = """
alter table energy_readings drop constraint energy_readings_machine_time_type_unique;
alter table energy_readings add constraint energy_readings_machine_time_type_unique unique (machine_id, time, energy_type);
alter table production_data drop constraint production_data_machine_time_unique;
alter table production_data add constraint production_data_machine_time_unique unique (machine_id, time);
alter table environmental_data drop constraint environmental_data_machine_time_unique;
alter table environmental_data add constraint environmental_data_machine_time_unique unique (machine_id, time);
alter table energy_tariffs drop constraint energy_tariffs_time_of_use_complete;
alter table energy_tariffs add constraint energy_tariffs_time_of_use_complete check (not is_time_of_use
    or (start_hour is not null and end_hour is not null and start_hour <> end_hour and end_hour - start_hour <> -24
        and applicable_days is not null and cardinality(applicable_days) > 0));
grant usage on schema enms to enms_ingest;
create trigger energy_readings_history_on_insert after insert on energy_readings
    referencing new table as new_rows for each statement execute function enms.roll_up_history();
create function enms.range_parts(timestamptz, timestamptz, boolean) returns timestamptz language sql return $1;
alter function enms.machine_figures(uuid[], timestamptz, timestamptz, uuid, text, boolean) rename to later;
create function enms.machine_figures(p_machine_ids uuid[], p_start_time timestamptz, p_end_time timestamptz,
    p_factory_id uuid, p_region text) returns table (power numeric) language sql return 1;
create or replace view v_power_trend_24h as
select m.time, m.machine_id, f.power as power_kw
from (select now() as time, id as machine_id from machines) m
cross join lateral enms.machine_figures(array[m.machine_id], m.time, m.time, null::uuid, null::text) f;
alter function enms.later(uuid[], timestamptz, timestamptz, uuid, text, boolean) rename to machine_figures;
"""
OLDER_COMMUNITY = """
select alter_job(job_id, config => config - array['buckets_per_batch', 'refresh_newest_first']) from timescaledb_information.jobs
where proc_name = 'policy_refresh_continuous_aggregate';
"""


@pytest.fixture(scope="module")
def previous_init(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """init/ of the release before this one."""
    return unpacked(PREVIOUS, tmp_path_factory.mktemp("previous"))


def unpacked(version: str, folder: Path) -> Path:
    """init/ of a release."""
    with tarfile.open(FIXTURES / f"schema-{version}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "init"


@pytest.fixture
def make(own_cluster: Cluster) -> Iterator[Callable[..., Database]]:  # noqa: F811
    """Makes databases, of an init/ or empty, whose policies stand still; they are dropped at the end."""
    made = []

    def new(name: str, init: Path | None = None) -> Database:
        own_cluster.create_database(name)
        made.append(name)
        if init:
            own_cluster.run_init(name, init)
            with psycopg.connect(own_cluster.dsn(name), autocommit=True) as connection:
                connection.execute("select _timescaledb_functions.stop_background_workers()")
        return Database(conninfo_to_dict(own_cluster.dsn(name)), None)

    yield new
    with psycopg.connect(own_cluster.dsn("postgres"), autocommit=True) as connection:
        for name in made:
            connection.execute(f"drop database {name} with (force)")
        connection.execute("drop role if exists upgrade_grafana, upgrade_report")


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of init/ that apply takes, for a test to write a next version into."""
    copy = shutil.copytree(CHECKOUT / "init", tmp_path / "init")
    monkeypatch.setattr(upgrade, "INIT", copy)
    return copy


def ask(database: Database, question: str) -> list[tuple]:
    with database.connect(autocommit=True) as session:
        cursor = session.execute(question)
        return cursor.fetchall() if cursor.description else []


def rows(database: Database) -> dict[str, tuple]:
    """Count and digest of every table and rollup, and of what the plant made of jobs, roles, grants and settings."""
    relations = ask(
        database,
        """
        select c.oid::regclass::text from pg_class c
        where c.relnamespace in ('public'::regnamespace, 'own'::regnamespace) and c.relkind in ('r', 'v')
          and (c.relkind = 'r' or c.relname ~ '_(1min|15min|1hour|1day|daily)$' or c.relnamespace = 'own'::regnamespace)
          and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
        """,
    )
    questions = {name: f"select count(*), md5(string_agg(t::text, ' ' order by t::text)) from {name} t" for (name,) in relations} | {
        "grants": "select c.oid::regclass::text, a.grantee::regrole::text, a.privilege_type from pg_class c, aclexplode(c.relacl) a"
        " where c.relnamespace in ('public'::regnamespace, 'own'::regnamespace) and a.grantee in (select oid from pg_roles where rolname like 'upgrade_%') order by 1, 2, 3",
        "members": "select roleid::regrole::text, member::regrole::text from pg_auth_members order by 1, 2",
        "settings": "select setconfig from pg_db_role_setting where setdatabase = (select oid from pg_database where datname = current_database())",
        "views": "select c.oid::regclass::text, pg_get_viewdef(c.oid) from pg_class c where relkind = 'v' and relnamespace = 'own'::regnamespace order by 1",
        "function": "select own.kpi()",
        "jobs": "select job_id, proc_name, schedule_interval, scheduled, case when proc_name = 'policy_retention' then next_start end from timescaledb_information.jobs order by 1",
    }  # fmt: skip
    return {name: ask(database, question) for name, question in questions.items()}


def schema(cluster: Cluster, database: Database) -> str:
    """The whole schema as pg_dump writes it."""
    command = [cluster.installation.program("pg_dump") or "pg_dump", "--schema-only"]
    run = subprocess.run(command, env=database.environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    # Since PostgreSQL 15.14 a dump begins and ends with a random key.
    return re.sub(r"^\\(un)?restrict .*", "", run.stdout, flags=re.M)


@pytest.mark.parametrize("release", [PREVIOUS, "1.0.0"])
def test_database_of_an_earlier_version_is_upgraded_and_kept(
    own_cluster: Cluster, make: Callable, tmp_path: Path, edition: str, release: str  # noqa: F811
) -> None:
    database, older = make("upgraded", unpacked(release, tmp_path)), release == "1.0.0"
    community = edition == "community"
    for script in [PLANT.format(name="upgraded"), *[COMMUNITY_PLANT] * community, *[OLDER] * older, *[OLDER_COMMUNITY] * (older and community)]:
        ask(database, script)
    before, version = rows(database), ask(database, "select version from enms.schema_version")
    if community:
        stored = "select count(*) > 0 from energy_readings_1min where bucket < now() - interval '91 days'"
        assert ask(database, stored) == [(True,)] and ask(database, stored.replace("_1min", "").replace("bucket", "time")) == [(False,)]

    upgrade.apply(database)
    assert rows(database) == before
    # It came in as one of everybody, who does not any more since 1.1.0.
    assert ask(database, "select has_database_privilege('upgrade_report', current_database(), 'connect')") == [(older,)]
    results = verify_anew(own_cluster.dsn("upgraded"))
    assert not details(results), details(results)
    assert ask(database, "select version from enms.schema_version order by completed_at") == [*version, (VERSION,)]
    for (job,) in ask(database, "select job_id from timescaledb_information.jobs where job_id >= 1000 order by job_id"):
        ask(database, f"call run_job({job})")
    assert rows(database) == before
    # The keys are as good as before: a reading sent again corrects the one that is stored, compressed or not.
    again = "insert into energy_readings select * from energy_readings on conflict (time, machine_id, energy_type) do update set power_kw = 11"
    ask(database, again)
    assert ask(database, "select count(*) from energy_readings") == [before["energy_readings"][0][:1]]

    whole = schema(own_cluster, database), rows(database)
    upgrade.apply(database)
    assert (schema(own_cluster, database), rows(database)) == whole


def refusal(database: Database) -> str:
    """What apply says; fails if it touches anything."""
    state = "select count(*), max(xmin::text::bigint), to_regclass('enms.schema_version') from pg_class"
    before = ask(database, state)
    with pytest.raises(Failure) as refused:
        upgrade.apply(database)
    assert ask(database, state) == before
    return str(refused.value)


@pytest.mark.one_edition
def test_what_is_not_to_be_upgraded_is_refused(make: Callable, previous_init: Path, init: Path, own_cluster: Cluster) -> None:  # noqa: F811
    database = make("refused", previous_init)
    ask(database, "update enms.schema_version set version = '1.10.0'")
    assert "its schema is 1.10.0, newer than" in refusal(database)
    ask(database, "delete from enms.schema_version")
    assert "did not reach its end" in refusal(database)
    ask(database, "drop schema enms cascade")
    assert "did not reach its end" in refusal(database)
    ask(database, "alter database refused set timescaledb.restoring = 'on'")
    assert "timescaledb_post_restore()" in refusal(database)

    other = make("other")
    ask(other, "create table theirs (id integer)")
    assert "not an EnMS database" in refusal(other)
    ask(other, "drop table theirs")
    broken = init / "07-broken.sql"
    broken.write_text("select 1/0;\n")
    assert re.search(r"init/07-broken\.sql:1: ERROR: +division by zero \(nothing was changed\)", refusal(other))
    broken.unlink()
    # This server is not this database's alone, and whom its own lets in is not changed.
    ask(other, "grant connect on database postgres to public")
    upgrade.apply(other)
    assert ask(other, "select version from enms.schema_version") == [(VERSION,)]
    assert ask(other, "select has_database_privilege('public', 'postgres', 'connect')") == [(True,)]
    results = verify_anew(own_cluster.dsn("other"))
    assert not details(results), details(results)
    assert any("every role may enter postgres" in str(result.verdict) for result in results)


@pytest.mark.one_edition
def test_views_of_the_user_stop_a_view_that_changes_and_nothing_is_done(
    own_cluster: Cluster, make: Callable, init: Path  # noqa: F811
) -> None:
    database = make("columns", CHECKOUT / "init")
    ask(database, "create schema own; create view own.trend as select * from v_power_trend_24h; create view own.trends as select * from own.trend")
    views = init / "05-views.sql"
    # A next version, in which a column of the view has another type, and which README's Development tells to set aside.
    aside = """
do $$
begin
    if exists (select from pg_attribute where attrelid = to_regclass('public.v_power_trend_24h') and attname = 'power_kw'
               and atttypid <> 'double precision'::regtype) then
        alter view public.v_power_trend_24h rename to superseded_v_power_trend_24h;
        alter view public.superseded_v_power_trend_24h set schema enms;
    end if;
end
$$;
"""
    text = views.read_text()
    start = text.index("create or replace view public.v_power_trend_24h")
    changed = text[start:].replace("avg_power_kw as power_kw", "avg_power_kw::double precision as power_kw", 1)
    assert changed != text[start:]
    views.write_text(text[:start] + aside + changed)
    (init / "02-schema.sql").write_text((init / "02-schema.sql").read_text() + "create table early (id integer);\n")
    before = schema(own_cluster, database)
    with pytest.raises(Failure, match=r"view own\.trend(, |;).*pg_dump.*nothing was changed"):
        upgrade.apply(database)
    assert schema(own_cluster, database) == before
    ask(database, "drop view own.trends, own.trend")
    upgrade.apply(database)
    kind = "select atttypid::regtype::text from pg_attribute where attrelid = 'v_power_trend_24h'::regclass and attname = 'power_kw'"
    assert ask(database, kind) == [("double precision",)] and ask(database, "select * from early") == []

    # A row that a constraint of a next version would not have let in.
    ask(database, "alter table factories drop constraint factories_grid_region_not_empty")
    ask(database, "update factories set grid_region = ' ' where id = (select min(id::text)::uuid from factories)")
    with pytest.raises(Failure, match="(select \\* from public.factories where not .*) finds the rows.*nothing was changed") as refused:
        upgrade.apply(database)
    finds = re.search(r"(select \* from .*) finds the rows", str(refused.value))[1]
    assert len(ask(database, finds)) == 1


@pytest.mark.one_edition
def test_killed_half_way_leaves_the_database_as_it_was(make: Callable, init: Path) -> None:
    database = make("killed", CHECKOUT / "init")
    (init / "02-schema.sql").write_text((init / "02-schema.sql").read_text() + "create table if not exists early (id integer);\n")
    late = init / "05-views.sql"
    text = late.read_text()
    late.write_text(text + "select pg_sleep(1);\n")
    script = f"""if True:
        import pathlib
        from scripts import upgrade
        from scripts.connection import Database
        upgrade.INIT = pathlib.Path({str(init)!r})
        upgrade.apply(Database({database.parameters!r}, None))"""
    killed = subprocess.Popen([sys.executable, "-c", script], cwd=CHECKOUT, start_new_session=True, stdout=subprocess.DEVNULL)
    sleeping = "from pg_stat_activity where datname = 'killed' and query like 'select pg_sleep%' and pid <> pg_backend_pid() and state = 'active'"
    with database.connect(autocommit=True) as session:
        until(session, f"select exists (select {sleeping})")
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        until(session, f"select not exists (select {sleeping})")
    assert ask(database, "select to_regclass('early')") == [(None,)]
    late.write_text(text)
    upgrade.apply(database)
    assert ask(database, "select * from early") == []


@pytest.mark.one_edition
def test_clients_and_policies_go_on_and_what_holds_it_up_is_named(
    make: Callable, edition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = make("busy", CHECKOUT / "init")
    errors, stop = [], threading.Event()

    def repeat(statements: list[str]) -> None:
        with database.connect(autocommit=True) as session:
            while not stop.is_set():
                for statement in statements:
                    try:
                        session.execute(statement)
                    except psycopg.Error as error:
                        errors.append(f"{statement}: {error}")
                time.sleep(0.05)

    ingest = (
        "insert into energy_readings (time, machine_id, power_kw) select clock_timestamp(), id, 1 from machines"
        " on conflict (time, machine_id, energy_type) do update set power_kw = excluded.power_kw"
    )
    jobs = [f"call run_job({job})" for (job,) in ask(database, "select job_id from timescaledb_information.jobs where job_id >= 1000")]
    threads = [threading.Thread(target=repeat, args=([work],)) for work in (ingest, ingest, "select * from v_today_summary")]
    threads += [threading.Thread(target=repeat, args=(part,)) for part in (jobs[::2], jobs[1::2])]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            upgrade.apply(database)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors

    monkeypatch.setattr(busy, "PATIENCE", 1)
    with database.connect(application_name="backfill") as session:
        session.execute(ingest)
        with pytest.raises(Failure, match="not free.*backfill.*nothing was changed"):
            upgrade.apply(database)
        session.rollback()
    upgrade.apply(database)


@pytest.mark.one_edition
def test_timescaledb_is_updated_though_its_old_library_is_gone(
    make: Callable, own_cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture  # noqa: F811
) -> None:
    current = own_cluster.installation.timescaledb
    base, _, patch = current.rpartition(".")
    if patch == "0":
        pytest.skip(f"no earlier patch release of TimescaleDB {current}")
    database, second, third = replace(make("library", CHECKOUT / "init"), engine=embedded), make("second"), make("third")
    for other in second, third:
        ask(other, "create extension timescaledb")
    make("closed")
    ask(database, "alter database closed allow_connections false")
    assert extension.difference(database) is None
    # The catalogue is the same within a minor version: what an earlier patch release would have written.
    earlier = f"{base}.{int(patch) - 1}"
    written = (
        "update _timescaledb_catalog.metadata set value = '{0}' where key = 'timescaledb_version';"
        "update pg_extension set extversion = '{0}' where extname = 'timescaledb'"
    )
    for old in database, second:
        ask(old, written.format(earlier))
    assert upgrade.advice(database) == f"its TimescaleDB is {earlier}, whose library the server lacks: make apply updates it"
    monkeypatch.setattr(busy, "PATIENCE", 1)
    # The last has nothing to update: its session stays. The second is in use, by one that needs no library.
    with third.connect() as kept, second.connect(options="-c timescaledb.disable_load=on", application_name="lister") as lister:
        lister.execute("update pg_extension set extversion = extversion where extname = 'timescaledb'")
        with pytest.raises(Failure, match="of second were not free.*lister.*TimescaleDB was updated in library, and nothing else"):
            upgrade.apply(database)
        lister.rollback()
        assert extension.difference(database) is None and extension.difference(second) is not None
        ask(database, written.format(earlier))
        capsys.readouterr()
        upgrade.apply(database)
        assert kept.execute("select 1").fetchone() == (1,)
    assert "Not updated, as they are closed to sessions: closed" in capsys.readouterr().out
    assert [extension.difference(place) for place in (database, second, third)] == [None, None, None]
    ask(third, written.format("99.0.0"))
    assert upgrade.advice(third) == f"its TimescaleDB is 99.0.0, whose library the server lacks: {extension.REMEDY}"
    assert not details(verify_anew(own_cluster.dsn("library"), "extensions", "rollups", "policies", "behaviour"))


def test_data_of_another_major_version_is_refused_by_the_embedded_engine(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    installation = next(iter(request.config.installations.values()), None)
    if installation is None or installation.origin != "host":
        pytest.skip("no server of this machine's own")
    checkout = Checkout(tmp_path / "enms", ENGINE="embedded", ENMS_PORT=free_port(), POSTGRES_PASSWORD="unused")
    checkout.data.mkdir(parents=True)
    (checkout.data / "PG_VERSION").write_text("14\n")
    record = asdict(installation) | {"bindir": "/nowhere", "major": 14}
    (checkout.path / ".enms" / "engine.json").write_text(json.dumps({"installation": record, "complete": True}))
    (checkout.path / ".env").write_text("POSTGRES_PASSWORD=unused\n")
    error = only_error(checkout.run("up"))
    assert "made by PostgreSQL 14" in error and "make backup" in error and "make restore FILE=backups/NAME" in error
    assert [path.name for path in checkout.data.iterdir()] == ["PG_VERSION"]


@pytest.mark.docker
def test_volume_of_another_major_version_is_refused_by_the_docker_engine(tmp_path: Path) -> None:
    image, project = compose.image(), f"enms-test-{secrets.token_hex(4)}"
    checkout = Checkout(tmp_path / "enms", ENGINE="docker", ENMS_IMAGE=image, ENMS_PORT=free_port(), COMPOSE_PROJECT_NAME=project)
    (checkout.path / ".env").write_text("POSTGRES_PASSWORD=unused\n")
    labels = (f"--label=com.docker.compose.project={project}", "--label=com.docker.compose.volume=data")
    volume = docker("volume", "create", *labels, f"{project}_data")
    inside = ("run", "--rm", "--user=0", "--network=none", "--entrypoint=sh", f"--volume={volume}:/data", image, "-c")
    try:
        docker(*inside, "echo 14 >/data/PG_VERSION")
        error = only_error(checkout.run("up"))
        assert f"the Docker volume {volume} was made by PostgreSQL 14, and {image} is 17" in error
        assert "make backup" in error and "make restore FILE=backups/NAME" in error
        assert docker(*inside, "ls /data") == "PG_VERSION"
        assert docker("ps", "--all", "-q", "--filter", f"label=com.docker.compose.project={project}") == ""
    finally:
        docker("volume", "rm", "--force", volume)


@pytest.mark.docker
def test_previous_version_in_a_volume_is_upgraded_and_a_missing_library_is_told_at_once(
    previous_init: Path, tmp_path: Path
) -> None:
    image, project = compose.image(), f"enms-test-{secrets.token_hex(4)}"
    checkout = Checkout(tmp_path / "enms", ENGINE="docker", ENMS_IMAGE=image, ENMS_PORT=free_port(), COMPOSE_PROJECT_NAME=project)
    ours = checkout.path / "init"
    kept = ours.rename(checkout.path / "kept")
    shutil.copytree(previous_init, ours)
    try:
        # The image runs the init/ of before; what this checkout says of it needs no verifier.
        assert f"error: the database is up, but its schema is {PREVIOUS}, this checkout's is {VERSION}: make apply" in checkout.run("up").stderr
        checkout.query("create view mine as select machine_name from v_today_summary")
        shutil.rmtree(ours)
        kept.rename(ours)
        applied = checkout.run("apply")
        assert applied.returncode == 0 and f"Schema {VERSION}, before " in applied.stdout, applied.stdout + applied.stderr
        assert checkout.run("verify").returncode == 0 and checkout.query("select count(*) from mine") == "7"

        installed = checkout.query("select extversion from pg_extension where extname = 'timescaledb'")
        earlier = re.sub(r"\d+$", lambda patch: str(int(patch[0]) - 1), installed)
        checkout.query(
            f"update _timescaledb_catalog.metadata set value = '{earlier}' where key = 'timescaledb_version';"
            f"update pg_extension set extversion = '{earlier}' where extname = 'timescaledb'"
        )
        checkout.run("down")
        refused = checkout.run("up")
        assert f"error: the database is up, but its TimescaleDB is {earlier}, whose library the server lacks: make apply" in refused.stderr, refused.stderr
        assert checkout.run("apply").returncode == 0
        assert "verified: " in checkout.up()
    finally:
        checkout.run("clean", "--force")
