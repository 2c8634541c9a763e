"""What a role that logs in may do: as a member of enms_reader, of enms_ingest, of enms_monitor, and of none."""

import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import psycopg
import pytest
from psycopg import errors

from conftest import CHECKOUT, initialised
from scripts.cluster import Cluster

COMPRESSOR = "c0000000-0000-0000-0000-000000000001"
UNKNOWN = "c0000000-0000-0000-0000-0000000000ff"
READER, INGEST, MONITOR, NEITHER = "reader", "ingest", "monitor", "neither"
# TimescaleDB shows everybody its catalogue: names of tables, chunks and jobs, no readings.
CATALOGUE = {"_timescaledb_cache", "_timescaledb_catalog", "_timescaledb_config", "timescaledb_experimental", "timescaledb_information"}
STATISTICS = {"_timescaledb_internal.bgw_job_stat", "_timescaledb_internal.bgw_policy_chunk_stats", "_timescaledb_internal.compressed_chunk_stats",
              "_timescaledb_internal.hypertable_chunk_local_size", "public.pg_stat_statements", "public.pg_stat_statements_info"}  # fmt: skip
READINGS = {"energy_readings", "production_data", "environmental_data"}
KPIS = {"calculate_sec", "calculate_peak_demand", "calculate_load_factor", "calculate_energy_cost", "calculate_carbon_intensity",
        "calculate_all_kpis", "get_machine_operating_hours", "get_factory_summary"}  # fmt: skip
DEFINERS = {"refuse_unknown_machine", "keep_machine_with_readings", "refuse_tariff_overlap", "write_audit_log", "roll_up_history",
            "note_deleted_history", "feed_rollups"}  # fmt: skip
# Of the views v_ops_*, which call them with their reader's rights; four of them show what that reader may not ask for by itself.
OPERATIONS = {"ops_storage", "ops_jobs", "ops_newest_readings", "ops_carrier_days", "ops_statements"}
SHOWING = {"ops_jobs", "ops_newest_readings", "ops_carrier_days", "ops_statements"}
# Of PostgreSQL's own: files, logs, the server itself, other sessions' memory, large objects.
POWERFUL = """pg_read_file pg_read_binary_file pg_ls_dir pg_ls_logdir pg_ls_waldir pg_ls_tmpdir pg_ls_archive_statusdir pg_stat_file
    pg_current_logfile lo_import lo_export lo_create lo_creat lo_from_bytea pg_reload_conf pg_rotate_logfile pg_switch_wal pg_promote
    pg_create_restore_point pg_backup_start pg_backup_stop pg_stat_reset pg_stat_reset_shared pg_stat_statements_reset
    pg_log_backend_memory_contexts pg_replication_origin_create pg_hba_file_rules pg_show_all_file_settings""".split()


def may(role: str, kind: str, schema: str, name: str, parent: str) -> set[str]:
    """What a role may do with a table, view or sequence; `parent` is the table of ours that a chunk is a part of."""
    if schema in CATALOGUE or f"{schema}.{name}" in STATISTICS:
        return {"select"} if kind != "S" else set()
    if role == READER:
        own = (schema == "public" and name != "v_ops_statements") or (schema == "enms" and name in ("schema_version", "factory_periods")) or parent
        return {"select"} if own and kind != "S" else set()
    if role == INGEST:
        if (schema == "public" and name in READINGS | {"machine_status"}) or parent in READINGS:
            return {"select", "insert", "update"}
        return {"select"} if schema == "public" and name in ("machines", "factories") else set()
    if role == MONITOR:
        return {"select"} if schema == "public" and kind == "v" and name.startswith("v_ops_") else set()
    return set()


# A reader takes these from the catalogue: every relation outside of PostgreSQL's own schemas, chunks and what they are compressed to included.
RELATIONS = """
    with ours as (
        select format('%%I.%%I', h.schema_name, h.table_name)::regclass as relation, coalesce(c.user_view_name, h.table_name)::text as parent
        from _timescaledb_catalog.hypertable h
        left join _timescaledb_catalog.continuous_agg c on c.mat_hypertable_id = h.id
        where h.id not in (select compressed_hypertable_id from _timescaledb_catalog.hypertable where compressed_hypertable_id is not null)
        union all
        select format('%%I.%%I', x.schema_name, x.table_name)::regclass, coalesce(c.user_view_name, h.table_name)::text
        from _timescaledb_catalog.hypertable h
        join _timescaledb_catalog.hypertable x on x.id = h.compressed_hypertable_id
        left join _timescaledb_catalog.continuous_agg c on c.mat_hypertable_id = h.id),
    chunks as (
        select i.inhrelid as relation, o.parent from pg_inherits i join ours o on o.relation = i.inhparent
        union all
        -- A compressed chunk inherits from nothing.
        select format('%%I.%%I', z.schema_name, z.table_name)::regclass, o.parent
        from _timescaledb_catalog.chunk k
        join _timescaledb_catalog.chunk z on z.id = k.compressed_chunk_id
        join _timescaledb_catalog.hypertable h on h.id = k.hypertable_id
        join ours o on o.relation = format('%%I.%%I', h.schema_name, h.table_name)::regclass),
    views as (
        select format('%%I.%%I', s.schema, s.name)::regclass as relation, c.user_view_name::text as parent
        from _timescaledb_catalog.continuous_agg c
        cross join lateral (values (c.partial_view_schema, c.partial_view_name), (c.direct_view_schema, c.direct_view_name)) s (schema, name))
    select c.relkind, n.nspname, c.relname, coalesce(o.parent, k.parent, ''),
           v.relation is not null,
           array(select p from unnest(case c.relkind when 'S' then array['usage', 'select', 'update']
                                      else array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger'] end) p
                 where case c.relkind when 'S' then has_sequence_privilege(%(role)s, c.oid, p)
                       else has_table_privilege(%(role)s, c.oid, p) or (p in ('select', 'insert', 'update', 'references')
                            and has_any_column_privilege(%(role)s, c.oid, p)) end)
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join ours o on o.relation = c.oid
    left join chunks k on k.relation = c.oid
    left join views v on v.relation = c.oid
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_|^information_schema$'
"""
ROUTINES = """
    select n.nspname, p.proname, p.provolatile = 'v', coalesce(e.extname, '')
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    left join pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
    left join pg_extension e on e.oid = d.refobjid
    where has_function_privilege(%(role)s, p.oid, 'execute')
"""


@pytest.fixture(scope="module")
def roles(cluster: Cluster) -> Iterator[dict[str, str]]:
    """Names of login roles by what `plant` makes them members of; their password is that of the cluster."""
    names = {kind: f"access_{kind}_{secrets.token_hex(3)}" for kind in (READER, INGEST, MONITOR, NEITHER)}
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as owner:
        for name in names.values():
            owner.execute(f"create role {name} login password '{cluster.password}'")
        yield names
        for name in names.values():
            owner.execute(f"drop role {name}")


@pytest.fixture(scope="module")
def plant(cluster: Cluster, roles: dict[str, str]) -> Iterator[str]:
    """DSN of a database with readings in a fresh, a compressed and an uncompressed old chunk."""
    with initialised(cluster, "access") as dsn:
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute(f"grant enms_reader to {roles[READER]}; grant enms_ingest to {roles[INGEST]}; grant enms_monitor to {roles[MONITOR]}")
            for days in 0, 20, 40:
                for table in READINGS:
                    column = {"energy_readings": "power_kw", "production_data": "production_count", "environmental_data": "machine_temp_c"}[table]
                    owner.execute(f"insert into {table} (time, machine_id, {column}) select now() - interval '{days} days' - n * interval '1 minute', id, n"
                                  " from machines, generate_series(1, 30) n")  # fmt: skip
            if owner.execute("select current_setting('timescaledb.license')").fetchone()[0] == "timescale":
                owner.execute("select compress_chunk(c) from show_chunks('energy_readings', older_than => interval '30 days') c")
        yield dsn


@pytest.fixture(scope="module")
def login(plant: str, roles: dict[str, str]) -> Iterator[dict[str, psycopg.Connection]]:
    """Sessions of the groups' members."""
    with ExitStack() as opened:
        yield {kind: opened.enter_context(psycopg.connect(plant, user=roles[kind], autocommit=True)) for kind in (READER, INGEST, MONITOR)}


@pytest.fixture(scope="module")
def owner(plant: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(plant, autocommit=True) as opened:
        yield opened


@pytest.mark.parametrize("kind", [READER, INGEST, MONITOR, NEITHER])
def test_every_relation_gives_what_is_declared(owner: psycopg.Connection, roles: dict[str, str], kind: str) -> None:
    rows = owner.execute(RELATIONS, {"role": roles[kind]}).fetchall()
    # The views inside a continuous aggregate give the reader nothing that the aggregate does not.
    wrong = [f"{schema}.{name}: {sorted(found)}" for relkind, schema, name, parent, inside, found in rows
             # PostgreSQL's counters in TimescaleDB's schemas can be read by everybody.
             if (relkind, found) != ("S", ["select"]) and set(found) != may(kind, relkind, schema, name, parent) and not (inside and kind == READER and found == ["select"])]  # fmt: skip
    assert len(rows) > 80 and wrong == []


@pytest.mark.parametrize("kind", [READER, INGEST, MONITOR, NEITHER])
def test_every_function_gives_what_is_declared(owner: psycopg.Connection, roles: dict[str, str], kind: str) -> None:
    rows = owner.execute(ROUTINES, {"role": roles[kind]}).fetchall()
    ours = {name for schema, name, _, extension in rows if schema in ("public", "enms") and not extension}
    triggers = {"update_updated_at_column", "keep_audit_log", "history_horizon", "band_hours", "is_timezone"} | DEFINERS
    assert ours & triggers == set()
    assert ours >= KPIS | (OPERATIONS - {"ops_statements"}) and "ops_statements" not in ours if kind == READER else ours == (OPERATIONS if kind == MONITOR else set())
    assert [name for schema, name, *_ in rows if name in POWERFUL] == []
    # Of what changes something in TimescaleDB's own schemas, only the policies are open: they ask who owns the table.
    internal = {name for schema, name, changes, _ in rows if changes and schema.startswith("_timescaledb")}
    verbs = re.compile(r"(drop|create|freeze|unfreeze|attach|detach|rebuild|recompress|remove|alter|merge|move|start|stop|restart|reset|lock|set|constraint)_|.*_(reset|cleanup|update)$")
    assert {name for name in internal if verbs.match(name)} == set()
    assert "add_job" not in {name for _, name, *_ in rows}


def test_schemas_database_and_functions_that_run_as_the_owner(owner: psycopg.Connection, roles: dict[str, str]) -> None:
    definers = owner.execute("select proname from pg_proc where prosecdef and has_function_privilege('public', oid, 'execute') or pronamespace = 'enms'::regnamespace and prosecdef").fetchall()
    assert {name for name, in definers} == DEFINERS | SHOWING
    pinned = owner.execute(
        "select p.proname, array_to_string(p.proconfig, ',') from pg_proc p where p.pronamespace::regnamespace::text in ('enms', 'public')"
        " and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')"
    ).fetchall()
    # tariff_applies names nothing outside of pg_catalog, and is inlined for it.
    assert {name for name, settings in pinned if not re.search(r"search_path=pg_catalog, (public, )?pg_temp(,|$)", settings or "")} == {"tariff_applies"}
    for kind, usage, database in (READER, {"public", "enms"}, {"connect"}), (INGEST, {"public"}, {"connect", "temporary"}), (MONITOR, {"public"}, {"connect"}), (NEITHER, set(), set()):
        found = {name for name, in owner.execute("select nspname from pg_namespace where has_schema_privilege(%s, oid, 'usage')", [roles[kind]])}
        assert {name for name in found if "timescaledb" not in name} - {"pg_catalog", "information_schema"} == usage
        assert owner.execute("select count(*) from pg_namespace where has_schema_privilege(%s, oid, 'create')", [roles[kind]]).fetchone()[0] == 0
        assert {p for p in ("connect", "temporary", "create")
                if owner.execute("select has_database_privilege(%s, current_database(), %s)", [roles[kind], p]).fetchone()[0]} == database  # fmt: skip
    assert owner.execute("select count(*) from pg_default_acl").fetchone()[0] == 0


def test_a_role_of_neither_group_does_not_get_in(plant: str, roles: dict[str, str]) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(plant, user=roles[NEITHER])


# Refused to every group; {chunk} and {owner} are put in.
REFUSED = """
    delete from energy_readings | truncate energy_readings | truncate machines | update machines set name = 'x' | delete from machine_status
    insert into machines (factory_id, name, type, rated_power_kw) select id, 'x', 'pump', 1 from factories
    insert into audit_log (event_type, action) values ('x', 'y') | delete from audit_log | delete from {chunk} | truncate {chunk} | drop table {chunk}
    update enms.schema_version set version = 'x' | select * from enms.touched_history | select nextval('audit_log_id_seq') | select setval('audit_log_id_seq', 1)
    insert into _timescaledb_catalog.metadata values ('x', 'y', true) | delete from _timescaledb_catalog.chunk | delete from _timescaledb_catalog.hypertable
    update _timescaledb_config.bgw_job set scheduled = false
    create table public.x (a int) | create table enms.x (a int) | create table _timescaledb_internal.x (a int) | create schema x
    create function public.x() returns int language sql as 'select 1' | create view public.x as select 1 | create type public.x as (a int)
    create extension dblink | create extension postgres_fdw | create extension file_fdw | create event trigger x on ddl_command_start execute function enms.write_audit_log()
    create trigger x before insert on machines for each row execute function suppress_redundant_updates_trigger() | create rule x as on insert to machines do nothing
    create policy x on machines using (true) | alter table machines disable trigger all | alter table machines owner to current_user
    alter table energy_readings add x int | create index on energy_readings (power_kw) | drop table anomalies | drop view v_today_summary cascade | drop function calculate_sec
    alter function calculate_sec owner to current_user | create or replace function enms.band_hours(p_start_hour integer, p_end_hour integer) returns integer[] language sql as 'select null'
    alter type machine_type add value 'x' | comment on table machines is 'x' | lock table machines in row share mode | select * from machines for update
    cluster machines | reindex table machines | create publication x | create tablespace x location '/tmp'
    create role x | create database x | alter role {owner} password 'x' | alter role enms_reader superuser | alter role current_user superuser
    alter role current_user createrole | grant {owner} to current_user | grant pg_read_server_files to current_user | grant enms_ingest, enms_reader, enms_monitor to current_user
    set role {owner} | set session authorization {owner}
    alter system set work_mem = '1GB' | alter database {database} set work_mem = '1GB' | set session_replication_role = replica
    set log_statement = 'none' | set temp_file_limit = -1 | set timescaledb.restoring = on | set log_min_messages = 'panic' | set lc_messages = 'de_DE'
    select set_config('session_replication_role', 'replica', false)
    select pg_read_file('postgresql.auto.conf') | select pg_read_binary_file('PG_VERSION') | select pg_ls_dir('.') | select pg_ls_logdir() | select pg_ls_waldir()
    select pg_stat_file('PG_VERSION') | select pg_current_logfile() | select lo_import('/etc/passwd') | select lo_from_bytea(0, 'x') | select lo_create(0) | select lo_creat(-1)
    copy machines to '/tmp/x' | copy machines to program 'cat' | copy energy_readings from '/etc/passwd' | copy energy_readings from program 'id'
    select * from pg_authid | select * from pg_shadow | select * from pg_hba_file_rules | select * from pg_file_settings | select * from pg_user_mapping
    select * from pg_statistic | select * from pg_largeobject | select * from pg_backend_memory_contexts | select subconninfo from pg_subscription
    select pg_terminate_backend({pid}) | select pg_cancel_backend({pid}) | select pg_reload_conf() | select pg_rotate_logfile() | select pg_switch_wal() | select pg_promote()
    select pg_create_restore_point('x') | select pg_stat_reset() | select pg_stat_statements_reset() | select pg_backup_start('x') | select pg_create_physical_replication_slot('x')
    select drop_chunks('energy_readings', older_than => interval '1 day') | select set_chunk_time_interval('energy_readings', interval '1 hour')
    select timescaledb_pre_restore() | select timescaledb_post_restore() | select create_hypertable('audit_log', 'timestamp', migrate_data => true)
    select attach_tablespace('pg_default', 'energy_readings') | select detach_tablespaces('energy_readings') | select add_job('pg_catalog.pg_sleep', '1 hour')
    select _timescaledb_functions.drop_chunk('{chunk}') | select _timescaledb_functions.stop_background_workers() | select _timescaledb_functions.restart_background_workers()
    select _timescaledb_functions.freeze_chunk('{chunk}') | select _timescaledb_functions.unfreeze_chunk('{chunk}')
    select _timescaledb_functions.create_chunk('energy_readings', '{{"time": [1893456000000000, 1893542400000000]}}')
    select enms.refuse_unknown_machine() | select enms.write_audit_log()
"""
# Of the community edition.
COMMUNITY = """
    call refresh_continuous_aggregate('energy_readings_1min', now() - interval '400 days', now() - interval '200 days') | select remove_retention_policy('energy_readings')
    select compress_chunk('{chunk}') | select decompress_chunk('{chunk}') | select add_retention_policy('production_data', interval '1 day') | select alter_job(1000, scheduled => false)
    select delete_job(1000) | call run_job(1000) | select remove_compression_policy('energy_readings') | select remove_continuous_aggregate_policy('energy_readings_1hour')
    select reorder_chunk('{chunk}') | select move_chunk('{chunk}', 'pg_default', 'pg_default') | call _timescaledb_functions.policy_retention(1, '{{"drop_after": "1 day", "hypertable_id": 1}}')
    alter table energy_readings set (timescaledb.compress = false) | alter materialized view energy_readings_1min set (timescaledb.materialized_only = true)
    update _timescaledb_catalog.bgw_job set scheduled = false | select alter_job(1, scheduled => false)
    select delete_job(1) | call run_job(1) | select _timescaledb_functions.attach_osm_table_chunk('energy_readings', 'machines')
"""
ALONE = {
    READER: """
        insert into energy_readings (time, machine_id, power_kw) select now(), id, 1 from machines | update energy_readings set power_kw = 0 | update machine_status set is_running = true
        update {chunk} set power_kw = 0 | create temporary table x (a int) | create function pg_temp.x() returns int language sql as 'select 1' | lock table energy_readings in row exclusive mode
        copy energy_readings from stdin | insert into energy_tariffs select * from energy_tariffs | insert into anomalies select * from anomalies | select into x from machines
    """,
    INGEST: """
        select * from energy_tariffs | select * from carbon_factors | select * from energy_baselines | select * from anomalies | select * from audit_log | select * from enms.schema_version
        select * from energy_readings_1min | select * from energy_readings_1day | select * from v_today_summary | select * from v_monthly_cost_breakdown
        select * from calculate_all_kpis('c0000000-0000-0000-0000-000000000001', now() - interval '1 day', now()) | select enms.latest_readings() | copy energy_tariffs to stdout
        create table energy_readings_x (like energy_readings) | create temporary table t as select * from energy_tariffs
    """,
    MONITOR: """
        select * from energy_readings | select * from production_data | select * from environmental_data | select * from machines | select * from factories | select * from machine_status
        select * from energy_tariffs | select * from carbon_factors | select * from energy_baselines | select * from anomalies | select * from audit_log | select * from enms.schema_version
        select * from energy_readings_1min | select * from energy_readings_1day | select * from v_today_summary | select * from v_machines_detail | select * from {chunk} | table v_latest_energy_readings
        select * from calculate_all_kpis('c0000000-0000-0000-0000-000000000001', now() - interval '1 day', now()) | select enms.latest_readings() | copy machines to stdout
        select * from enms.ops_statements() | select * from enms.ops_newest_readings() | select * from enms.ops_storage() | create temporary table x (a int)
        insert into energy_readings (time, machine_id, power_kw) values (now(), 'c0000000-0000-0000-0000-000000000001', 1) | create view x as select 1
        create or replace view v_ops_sizes as select 1 | copy (select * from energy_readings) to stdout | select count(*) from energy_readings | lock table machines in access share mode
    """,
}


def test_the_verifier_looks_for_what_init_takes_back() -> None:
    conditions = [
        re.search(r"(?s)(where has_function_privilege.*?\)_'\)+)", (CHECKOUT / file).read_text())[1]
        for file in ("init/02-schema.sql", "verify/queries/callable.sql")
    ]
    first, second = (" ".join(condition.split()) for condition in conditions)
    assert first == second


def statements(text: str) -> list[str]:
    return [part.strip() for line in text.splitlines() for part in line.split(" | ") if part.strip()]


def attempt(session: psycopg.Connection, statement: str) -> str:
    """The SQLSTATE of a statement that is undone, or what it did."""
    try:
        with session.transaction(force_rollback=True):
            session.execute(statement)
    except errors.ActiveSqlTransaction:
        return attempt_outside(session, statement)
    except psycopg.Error as error:
        return error.sqlstate or str(error)
    return "done"


def attempt_outside(session: psycopg.Connection, statement: str) -> str:
    """The SQLSTATE of a statement that can't be undone."""
    try:
        session.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate or str(error)
    return "done"


@pytest.mark.parametrize("kind", [READER, INGEST, MONITOR])
def test_what_is_refused(owner: psycopg.Connection, login: dict[str, psycopg.Connection], kind: str) -> None:
    chunk = owner.execute("select c::text from show_chunks('energy_readings') c order by 1 desc limit 1").fetchone()[0]
    facts = {"chunk": chunk, "owner": owner.info.user, "database": owner.info.dbname, "pid": owner.info.backend_pid}
    community = owner.execute("select current_setting('timescaledb.license')").fetchone()[0] == "timescale"
    tried = statements(REFUSED + ALONE[kind] + (COMMUNITY if community else ""))
    found = {statement: attempt(login[kind], statement.format(**facts)) for statement in tried}
    assert len(found) == len(tried) > 130
    assert {statement: state for statement, state in found.items() if state != "42501"} == {}


def test_other_sessions_statements_and_passwords_are_not_shown(owner: psycopg.Connection, login: dict[str, psycopg.Connection]) -> None:
    owner.execute("select 'a secret of the owner'")
    for session in login.values():
        shown = session.execute("select query from pg_stat_activity where pid = %s", [owner.info.backend_pid]).fetchone()[0]
        assert shown == "<insufficient privilege>"
        assert session.execute("select count(*) from pg_stat_statements where query like '%%secret of%%' or query like '%%insert into factories%%'").fetchone()[0] == 0
        assert session.execute("select distinct rolpassword from pg_roles").fetchall() == [("********",)]
        assert session.execute("select count(*) from pg_settings where name in ('config_file', 'hba_file', 'data_directory')").fetchone()[0] == 0


def test_a_reader_holds_up_no_writer_of_history(login: dict[str, psycopg.Connection]) -> None:
    reader, ingest = login[READER], login[INGEST]
    with reader.transaction(force_rollback=True), ingest.transaction(force_rollback=True):
        reader.execute("select pg_advisory_xact_lock(hashtext('enms.roll_up_history'))")
        reader.execute("lock table enms.schema_version, energy_readings, energy_readings_1min, machines in access share mode")
        ingest.execute("set local lock_timeout = '5s'")
        ingest.execute("insert into energy_readings (time, machine_id, power_kw) values (now() - interval '300 days', %s, 1)", [COMPRESSOR])
        ingest.execute("set constraints all immediate")


UPSERT = ("insert into energy_readings (time, machine_id, energy_type, power_kw, energy_kwh, metadata)"
          " select now() - %s * interval '1 day', id, 'energy', %s, 0.1, '{}' from machines"
          " on conflict (time, machine_id, energy_type) do update set power_kw = excluded.power_kw, metadata = excluded.metadata")  # fmt: skip


def test_ingest_writes_whatever_the_age(owner: psycopg.Connection, login: dict[str, psycopg.Connection]) -> None:
    ingest = login[INGEST]
    stamp = ingest.execute("select date_trunc('minute', now())").fetchone()[0]
    # 0: a fresh chunk, 20: an uncompressed, 40: a compressed one, 70: past the refreshes, 400: past retention.
    for days in 0, 20, 40, 70, 400:
        for power in 1, 2:
            with ingest.transaction():
                ingest.execute(UPSERT.replace("now()", f"timestamptz '{stamp}'"), [days, power])
        day = owner.execute("select count(*), min(power_kw), max(power_kw) from energy_readings where time = %s::timestamptz - %s * interval '1 day'", [stamp, days])
        assert day.fetchone() == (7, 2, 2)
    rollup = "select count(*) from energy_readings_1min where bucket = %s::timestamptz - interval '400 days' and max_power_kw = 2"
    assert owner.execute(rollup, [stamp]).fetchone()[0] == 7
    for days in 1, 40, 400:
        with ingest.cursor() as cursor, cursor.copy("copy environmental_data (time, machine_id, outdoor_temp_c) from stdin") as rows:
            rows.write_row([stamp - timedelta(days=days), COMPRESSOR, 12])
    ingest.execute("insert into production_data (time, machine_id, production_count, operating_mode) values (%s, %s, '3', 'running')"
                   " on conflict (time, machine_id) do update set production_count = excluded.production_count", [stamp, COMPRESSOR])  # fmt: skip
    ingest.execute("insert into machine_status (machine_id, is_running, current_mode, last_updated) values (%s, true, 'running', now())"
                   " on conflict (machine_id) do update set is_running = excluded.is_running, current_mode = excluded.current_mode", [COMPRESSOR])  # fmt: skip
    ingest.execute("update machine_status set current_power_kw = 7 where machine_id = %s", [COMPRESSOR])
    ingest.execute("create temporary table staged (like energy_readings)")
    with pytest.raises(errors.ForeignKeyViolation, match=f"unknown machine {UNKNOWN}"):
        ingest.execute("insert into energy_readings (time, machine_id, power_kw) values (now(), %s, 1)", [UNKNOWN])


def test_an_upsert_has_to_read_its_key_and_what_it_sets(owner: psycopg.Connection, roles: dict[str, str]) -> None:
    """Why enms_ingest may select from what it writes. Of readings from every column: TimescaleDB can't grant some alone once it compresses a table."""
    statement = "insert into machine_status (machine_id, is_running) values (%s, true) on conflict (machine_id) do update set is_running = excluded.is_running"
    with owner.transaction(force_rollback=True):
        owner.execute(f"revoke select on machine_status from enms_ingest; set local role {roles[INGEST]}")
        with pytest.raises(errors.InsufficientPrivilege), owner.transaction():
            owner.execute(statement, [COMPRESSOR])
        owner.execute("reset role; grant select (machine_id) on machine_status to enms_ingest")
        owner.execute(f"set local role {roles[INGEST]}")
        with pytest.raises(errors.InsufficientPrivilege), owner.transaction():
            owner.execute(statement, [COMPRESSOR])
        owner.execute("reset role")
        owner.execute("grant select (machine_id, is_running) on machine_status to enms_ingest")
        owner.execute(f"set local role {roles[INGEST]}")
        owner.execute(statement, [COMPRESSOR])


# What a session could put in the way of names that functions, triggers and views of ours use.
DECOYS = """
    create temporary table machines (like public.machines including defaults);
    insert into pg_temp.machines (id, factory_id, name, type, rated_power_kw) values ('c0000000-0000-0000-0000-0000000000ff', gen_random_uuid(), 'Decoy', 'pump', 1);
    create temporary table energy_readings (like public.energy_readings); create temporary table energy_tariffs as select * from public.energy_tariffs with no data;
    create temporary table factories (like public.factories); create temporary table carbon_factors as select * from public.carbon_factors with no data;
    create temporary view energy_readings_1min as select now() as bucket; create temporary view energy_readings_15min as select now() as bucket;
    create temporary table touched_history (source text); create temporary table pending_history (source text); create temporary table audit_log (id int);
    create function pg_temp.now() returns timestamptz language sql as $$ select timestamptz '2000-01-01' $$;
    create function pg_temp.time_bucket(interval, timestamptz) returns timestamptz language sql as $$ select timestamptz '2000-01-01' $$;
    create function pg_temp.round(numeric, integer) returns numeric language sql as $$ select -1::pg_catalog.numeric $$;
    create function pg_temp.less(timestamptz, timestamptz) returns boolean language sql as $$ select true $$;
    create operator pg_temp.>= (leftarg = pg_catalog.timestamptz, rightarg = pg_catalog.timestamptz, function = pg_temp.less);
    create domain pg_temp.uuid as text; create domain pg_temp.numeric as text; create domain pg_temp.timestamptz as text;
"""
FIGURES = [
    *(f"select * from public.{name}('{COMPRESSOR}', %(start)s, %(end)s)" for name in sorted(KPIS - {"get_factory_summary"})),
    "select * from public.get_factory_summary('11111111-1111-1111-1111-111111111111', %(start)s, %(end)s)",
    "select * from public.energy_readings_15min where bucket < %(end)s order by machine_id, bucket", "select * from public.v_monthly_cost_breakdown order by 1, 2",
    "select * from public.v_machines_detail order by 1", "select * from public.v_energy_comparison_daily order by 1, 2", "select * from public.v_carbon_emissions_tracking order by 1, 2",
]  # fmt: skip
PATHS = ["pg_temp, public, pg_catalog", "pg_temp, pg_catalog", "enms, pg_temp, public, pg_catalog", ""]


@pytest.mark.parametrize("path", PATHS)
def test_no_search_path_leads_functions_and_views_astray(plant: str, owner: psycopg.Connection, roles: dict[str, str], path: str) -> None:
    start, end = owner.execute("select date_trunc('hour', now()) - interval '50 days', date_trunc('hour', now()) - interval '1 day'").fetchone()
    with psycopg.connect(plant, user=roles[READER]) as reader:
        expected = [reader.execute(figure, {"start": start, "end": end}).fetchall() for figure in FIGURES]
    assert all(expected[: len(KPIS)])
    # A reader has no temporary objects; one that loads as well has them all.
    owner.execute(f"grant enms_ingest to {roles[READER]}")
    try:
        with psycopg.connect(plant, user=roles[READER], autocommit=True) as session:
            session.execute(DECOYS)
            session.execute("select pg_catalog.set_config('search_path', %s, false)", [path])
            found = [session.execute(figure, {"start": start, "end": end}).fetchall() for figure in FIGURES]
            assert [figure for figure, one, other in zip(FIGURES, expected, found, strict=True) if one != other] == []
            with pytest.raises(errors.ForeignKeyViolation, match=f"unknown machine {UNKNOWN}"):
                session.execute("insert into public.energy_readings (time, machine_id, power_kw) values (pg_catalog.now(), %s, 1)", [UNKNOWN])
            stamp = session.execute("select pg_catalog.date_trunc('minute', pg_catalog.now()) - pg_catalog.make_interval(days => %s)", [500 + PATHS.index(path)]).fetchone()[0]
            session.execute("insert into public.energy_readings (time, machine_id, power_kw) values (%s, %s, 5)", [stamp, COMPRESSOR])
        assert owner.execute("select reading_count from energy_readings_1min where bucket = %s", [stamp]).fetchall() == [(1,)]
        assert owner.execute("select count(*) from enms.touched_history").fetchone()[0] == 0
    finally:
        owner.execute(f"revoke enms_ingest from {roles[READER]}")
