"""Every kind of object is changed in a live database, and the verifier names it and nothing else."""

from collections import Counter
from typing import NamedTuple

import psycopg
import pytest

from verified import SOURCES, SPEC, changed, details, dsn, names, own_cluster, verify  # noqa: F401
from verify import cli
from verify.result import ExitCode, Outcome

DEGREE_DAYS = SOURCES.views["environmental_degree_days_daily"]


class Change(NamedTuple):
    """One change: its kind, the SQL, and the checks that must fail, no others."""

    kind: str
    sql: str
    failing: tuple[str, ...]
    community: bool = False


def function(name: str, old: str, new: str) -> str:
    """SQL that replaces text in a function as the server has it."""
    return f"""do $do$ declare v text := pg_get_functiondef('{name}'::regproc); begin
        assert position($a${old}$a$ in v) > 0; execute replace(v, $a${old}$a$, $b${new}$b$); end $do$"""


CHANGES = [
    Change("table dropped", "drop table anomalies cascade; create view v_active_anomalies as select 1 as a; drop view v_active_anomalies",
           ("table anomalies", "view v_active_anomalies", "view v_factory_dashboard", "grants to enms_reader")),
    Change("table renamed", "alter table anomalies rename to anomalies_old",
           ("table anomalies", "grants to enms_reader")),
    Change("table's owner", "create role m_owner; alter table anomalies owner to m_owner", ("table anomalies",)),
    Change("table unlogged", "alter table anomalies set unlogged", ("table anomalies",)),
    Change("row security", "alter table anomalies enable row level security", ("table anomalies",)),
    Change("rule", "create rule m_rule as on delete to anomalies do instead nothing", ("table anomalies",)),
    Change("sequence's owner", "alter table audit_log alter id drop default; alter sequence audit_log_id_seq owned by none; "
           "create role m_owner; alter sequence audit_log_id_seq owner to m_owner; "
           "alter table audit_log alter id set default nextval('audit_log_id_seq')", ("sequence audit_log_id_seq",)),
    Change("column dropped", "alter table factories drop column address", ("columns of factories",)),
    Change("column added", "alter table factories add column extra_note text", ("columns of factories",)),
    Change("column renamed", "alter table factories rename column address to street", ("columns of factories",)),
    Change("column retyped", "alter table factories alter column address type varchar(80)", ("columns of factories",)),
    Change("column moved", "alter table factories drop column contact_phone, add column contact_phone varchar(50)", ("columns of factories",)),
    Change("column generated", "alter table factories drop column address, add column address text generated always as ('x') stored",
           ("columns of factories",)),
    Change("nullability", "alter table factories alter column updated_at drop not null", ("columns of factories",)),
    Change("nullability", "alter table anomalies alter column is_resolved set not null", ("columns of anomalies",)),
    Change("default", "alter table machines alter column rated_frequency_hz set default 60", ("columns of machines",)),
    Change("default", "alter table machines alter column data_interval_seconds drop default", ("columns of machines",)),
    Change("column of a hypertable", "alter table production_data add column extra integer", ("columns of production_data",)),
    Change("primary key", "alter table anomalies drop constraint anomalies_pkey", ("constraints of anomalies",)),
    Change("unique key", "alter table energy_baselines drop constraint energy_baselines_machine_version_unique",
           ("constraints of energy_baselines",)),
    Change("unique key", "alter table production_data drop constraint production_data_machine_time_unique", ("constraints of production_data",)),
    Change("foreign key", "alter table anomalies drop constraint anomalies_machine_fkey, "
           "add constraint anomalies_machine_fkey foreign key (machine_id) references machines (id)", ("constraints of anomalies",)),
    Change("check's definition", "alter table carbon_factors drop constraint carbon_factors_factor_not_negative, "
           "add constraint carbon_factors_factor_not_negative check (emission_factor_kg_co2_per_kwh >= -1)", ("constraints of carbon_factors",)),
    Change("check not valid", "alter table carbon_factors drop constraint carbon_factors_valid_order, "
           "add constraint carbon_factors_valid_order check (valid_to >= valid_from) not valid", ("constraints of carbon_factors",)),
    Change("constraint added", "alter table factories add constraint m_extra check (name <> 'x')", ("constraints of factories",)),
    Change("index's definition", "drop index idx_anomalies_machine_time; create index idx_anomalies_machine_time on anomalies (machine_id, detected_at)",
           ("indexes of anomalies",)),
    Change("index invalid", "update pg_index set indisvalid = false where indexrelid = 'idx_energy_tariffs_factory'::regclass",
           ("indexes of energy_tariffs",)),
    Change("key's index invalid", "update pg_index set indisvalid = false where indexrelid = 'anomalies_pkey'::regclass", ("indexes of anomalies",)),
    Change("index added", "create index m_extra on factories (location)", ("indexes of factories",)),
    Change("trigger's definition", "create or replace trigger audit_log_append_only before update or delete on audit_log "
           "for each statement execute function enms.keep_audit_log()", ("triggers of audit_log",)),
    Change("trigger for replication only", "alter table audit_log enable replica trigger audit_log_append_only", ("triggers of audit_log",)),
    Change("trigger added", "create trigger m_extra before insert on anomalies for each row execute function public.update_updated_at_column()",
           ("triggers of anomalies",)),
    Change("enum value added", "alter type alert_level add value 'emergency'", ("enum alert_level",)),
    Change("enum value renamed", "alter type alert_level rename value 'critical' to 'severe'", ("enum alert_level",)),
    Change("enum value moved", "update pg_enum set enumsortorder = 99 where enumlabel = 'normal'", ("enum alert_level",)),
    Change("chunk interval", "select public.set_chunk_time_interval('energy_readings', interval '7 days')", ("chunk interval of energy_readings",)),
    Change("dimension", "select public.add_dimension('production_data', public.by_hash('machine_id', 2))", ("hypertable production_data",)),
    Change("compression's order", "alter table production_data set (timescaledb.compress_orderby = 'time')",
           ("compression of production_data",), True),
    Change("compression's segment", "alter table production_data set (timescaledb.compress_segmentby = '')",
           ("compression of production_data",), True),
    Change("compression off", "select public.remove_compression_policy('production_data'); alter table production_data set (timescaledb.compress = false)",
           ("compression of production_data", "compression policy of production_data"), True),
    Change("rollup's definition", f"""drop materialized view environmental_degree_days_daily;
           create materialized view environmental_degree_days_daily with (timescaledb.continuous, timescaledb.materialized_only = false) as
           {DEGREE_DAYS.replace('18.0 -', '19.0 -')} with no data;
           select public.add_continuous_aggregate_policy('environmental_degree_days_daily', null, interval '1 day', interval '1 hour',
           buckets_per_batch => 3650);
           grant select on environmental_degree_days_daily to enms_reader""", ("definition of environmental_degree_days_daily",), True),
    Change("rollup a plain view", f"drop materialized view environmental_degree_days_daily; create view environmental_degree_days_daily as {DEGREE_DAYS}; "
           "grant select on environmental_degree_days_daily to enms_reader", ("rollup environmental_degree_days_daily",), True),
    Change("rollup dropped", "drop materialized view environmental_degree_days_daily",
           ("rollup environmental_degree_days_daily", "grants to enms_reader"), True),
    Change("policy dropped", "select public.remove_continuous_aggregate_policy('energy_readings_1hour')", ("refresh policy of energy_readings_1hour",), True),
    Change("policy's start", "select public.remove_continuous_aggregate_policy('energy_readings_1min'); select public.add_continuous_aggregate_policy("
           "'energy_readings_1min', interval '3 hours', interval '1 minute', interval '1 minute')", ("refresh policy of energy_readings_1min",), True),
    Change("policy's end", "select public.remove_continuous_aggregate_policy('energy_readings_1min'); select public.add_continuous_aggregate_policy("
           "'energy_readings_1min', interval '60 days', interval '2 hours', interval '1 minute')", ("refresh policy of energy_readings_1min",), True),
    Change("policy's batch", "select public.alter_job(job_id, config => config - 'buckets_per_batch') from timescaledb_information.jobs "
           "where proc_name = 'policy_refresh_continuous_aggregate' and hypertable_name = 'energy_readings_1day'",
           ("refresh policy of energy_readings_1day",), True),
    Change("policy's schedule", "select public.alter_job(job_id, schedule_interval => interval '1 day') from timescaledb_information.jobs "
           "where proc_name = 'policy_refresh_continuous_aggregate' and hypertable_name = 'energy_readings_1day'",
           ("refresh policy of energy_readings_1day",), True),
    Change("retention's age", "select public.remove_retention_policy('energy_readings'); "
           "select public.add_retention_policy('energy_readings', interval '30 days')", ("retention policy of energy_readings",), True),
    Change("compression's age", "select public.remove_compression_policy('energy_readings'); "
           "select public.add_compression_policy('energy_readings', interval '1 day')", ("compression policy of energy_readings",), True),
    Change("retention of a rollup", "select public.add_retention_policy('energy_readings_1day', interval '1 year')",
           ("policies beyond the declared",), True),
    Change("job's owner", "create role m_owner login; update _timescaledb_catalog.bgw_job set owner = 'm_owner' where id = (select min(job_id) "
           "from timescaledb_information.jobs where proc_name = 'policy_retention' and hypertable_name = 'energy_readings')",
           ("retention policy of energy_readings",), True),
    Change("view's definition", "create or replace view v_power_trend_24h as select r.bucket as time, r.machine_id, r.max_power_kw as power_kw "
           "from energy_readings_1min r", ("definition of v_power_trend_24h",)),
    Change("view's columns", "drop view v_power_trend_24h; create view v_power_trend_24h as select r.bucket as time, r.machine_id "
           "from energy_readings_1min r; grant select on v_power_trend_24h to enms_reader",
           ("columns of v_power_trend_24h", "definition of v_power_trend_24h")),
    Change("view's options", "alter view v_power_trend_24h set (security_invoker = true)", ("view v_power_trend_24h",)),
    Change("function's body", function("enms.carbon_factor_on", "desc", "asc"), ("body of enms.carbon_factor_on",)),
    Change("function's body and figures", function("enms.tariff_applies", ">= p_tariff.start_hour", "> p_tariff.start_hour"),
           ("body of enms.tariff_applies",)),
    Change("function's figures", function("enms.energy_slices", "r.energy_kwh, r.power_kw, 1::bigint", "r.energy_kwh * 2, r.power_kw, 1::bigint"),
           ("body of enms.energy_slices", *(f"{name} on the known plant" for name in (
               "calculate_sec", "calculate_energy_cost", "calculate_carbon_intensity", "calculate_all_kpis", "get_factory_summary")))),
    Change("function's security", "alter function calculate_sec security definer", ("attributes of calculate_sec",)),
    Change("function's search_path", "alter function calculate_sec reset search_path", ("attributes of calculate_sec",)),
    Change("function's parallel safety", "alter function calculate_sec parallel unsafe", ("attributes of calculate_sec",)),
    Change("function's owner", "create role m_owner; alter function calculate_sec owner to m_owner", ("attributes of calculate_sec",)),
    Change("overload", "create function calculate_sec(uuid, timestamptz, timestamptz, text default null) returns int language sql as 'select 1'; "
           "revoke all on function calculate_sec(uuid, timestamptz, timestamptz, text) from public", ("function calculate_sec",)),
    Change("extension missing", "drop extension tablefunc", ("extension tablefunc",)),
    Change("extension's version", "update pg_extension set extversion = '0.9' where extname = 'tablefunc'", ("extension tablefunc",)),
    Change("setting by ALTER ROLE", "alter role enms_ingest set timezone = 'Europe/Berlin'", ("settings by ALTER DATABASE and ALTER ROLE",)),
    Change("required setting of the user's role", "create role m_login; alter role m_login set synchronous_commit = off",
           ("settings by ALTER DATABASE and ALTER ROLE",)),
    Change("restoring mode", "alter database enms set timescaledb.restoring = on", ("restoring mode",)),
    Change("grant too many", "grant delete on energy_readings to enms_ingest", ("grants to enms_ingest",)),
    Change("grant of a column", "grant update (name) on factories to enms_reader", ("grants to enms_reader",)),
    Change("grant with option", "grant select on factories to enms_reader with grant option", ("grants to enms_reader",)),
    Change("grant of a schema", "grant create on schema public to enms_ingest", ("grants to enms_ingest",)),
    Change("grant to PUBLIC", "grant select on factories to public", ("grants to PUBLIC",)),
    Change("grant to PUBLIC", "grant execute on function calculate_sec to public", ("grants to PUBLIC",)),
    Change("grant to PUBLIC", "grant usage on schema enms to public", ("grants to PUBLIC",)),
    Change("grant to PUBLIC", "grant usage on sequence audit_log_id_seq to public", ("grants to PUBLIC",)),
    Change("role may log in", "alter role enms_reader login", ("role enms_reader",)),
    Change("role a superuser", "alter role enms_reader superuser", ("role enms_reader",)),
    Change("role's membership", "grant pg_write_all_data to enms_reader", ("role enms_reader",)),
    Change("seed changed", "update machines set mqtt_topic = 'x' where name = 'HVAC-Main'", ("row HVAC-Main of machines",)),
    Change("seed changed", "update factories set grid_region = null where name = 'Demo Manufacturing Plant'", ("row Demo Manufacturing Plant of factories",)),
    Change("seed missing", "delete from machines where name = 'HVAC-Main'", ("row HVAC-Main of machines",)),
    Change("status missing", "delete from machine_status", tuple(f"row {row['name']} of machine_status" for row in SPEC.seed["machines"])),
    Change("default factor missing", "update carbon_factors set is_active = false where region = 'default'", ("carbon factor of default today",)),
    Change("tariff gap", "delete from energy_tariffs where name = 'Base'", ("tariffs of Demo Manufacturing Plant today",)),
    Change("tariff run out", "update energy_tariffs set valid_to = '2020-01-01' where name = 'Grundtarif'",
           ("tariffs of European Production Facility today",)),
    Change("two currencies", "update energy_tariffs set currency = 'USD' where name = 'Hochtarif'", ("tariffs of European Production Facility today",)),
    Change("marker missing", "delete from enms.schema_version", ("completion marker",)),
    Change("marker of another spec", "update enms.schema_version set spec_digest = 'x'", ("completion marker",)),
]  # fmt: skip


def generated() -> list[Change]:
    """One change for each object of the spec, so that a new one is covered the day it is declared."""
    changes = []
    for table, declared in SPEC.tables.items():
        for kind, drop in (("constraints", f"alter table {table} drop constraint %s cascade"), ("indexes", "drop index %s"),
                           ("triggers", f"drop trigger %s on {table}")):  # fmt: skip
            changes += [Change(f"{kind} dropped", drop % name, (f"{kind} of {table}",)) for name in declared.get(kind, {})]
        changes += [Change("triggers disabled", f"alter table {table} disable trigger {name}", (f"triggers of {table}",)) for name in declared.get("triggers", {})]
        for number, column in enumerate(declared["columns"], 1):
            name = column.split()[0]
            changes.append(Change("columns renamed", f"alter table {table} rename column {name} to m_{number}", (f"columns of {table}",)))
    for name in SPEC.enums:
        changes.append(Change("enums extended", f"alter type {name} add value 'm_value'", (f"enum {name}",)))
    for name in SPEC.rollups:
        target = f"hypertable_name = '{name}'"
        changes.append(Change("rollups materialized only", f"alter materialized view {name} set (timescaledb.materialized_only = true)", (f"{name} is real-time",), True))
        changes.append(Change("policies unscheduled", _unscheduled(target), (f"refresh policy of {name}",), True))
    for kind, targets in ("compression", SPEC.compressed), ("retention", SPEC.hypertables):
        for name in targets:
            target = f"hypertable_name = '{name}' and proc_name = 'policy_{kind}'"
            changes.append(Change("policies unscheduled", _unscheduled(target), (f"{kind} policy of {name}",), True))
    for name, declared in SPEC.functions.items():
        changes.append(Change("functions' bodies", f"update pg_proc set prosrc = prosrc || ' -- x' where oid = '{name}'::regproc", (f"body of {name}",)))
        other = "immutable" if "immutable" not in declared["options"] else "volatile"
        changes.append(Change("functions' volatility", f"alter function {name} {other}", (f"attributes of {name}",)))
    for name in SPEC.views:
        view = name.rsplit(".", 1)[-1]
        changes.append(Change("views renamed", f"alter view {name} rename to m_{view}", (f"view {name}",)))
    for role, privileges in SPEC.grants.items():
        for privilege, objects in privileges.items():
            for name in objects:
                what = f"function {name}" if privilege == "execute" else name
                changes.append(Change("grants revoked", f"revoke {privilege} on {what} from {role}", (f"grants to {role}",)))
    return changes


def _unscheduled(where: str) -> str:
    return f"select public.alter_job(job_id, scheduled => false) from timescaledb_information.jobs where {where}"


# A change may take the object with it that others are made of; what is checked of those then waits.
FAMILIES = {
    "constraints": "constraints", "indexes": "indexes", "triggers": "triggers", "columns": "tables", "enum": "enums", "refresh": "policies",
    "compression": "policies", "retention": "policies", "body": "functions", "attributes": "functions", "view": "views", "grants": "roles",
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change.kind}: {', '.join(change.failing)}"[:90])
def test_change_is_named_and_nothing_else_is(change: Change, changed: psycopg.Connection, edition: str) -> None:
    if change.community and edition != "community":
        pytest.skip("the Apache-2 edition has none")
    make(changed, change)
    results = verify(changed)
    assert names(results) == set(change.failing), details(results)
    assert cli.exit_code(results) is ExitCode.DRIFT
    waiting = [result.verdict.detail for result in results if result.outcome is Outcome.NOT_EVALUATED]
    assert all(detail.startswith("waits for: ") or "cannot be made a temporary view" in detail for detail in waiting), details(results)


def test_every_object_of_the_spec(changed: psycopg.Connection, edition: str) -> None:
    missed, made = [], Counter()
    for change in generated():
        if change.community and edition != "community":
            continue
        expected = change.failing[0]
        family = "rollups" if expected.endswith("real-time") else FAMILIES[expected.split()[0]]
        with changed.transaction(force_rollback=True):
            try:
                make(changed, change)
            except psycopg.errors.FeatureNotSupported:
                continue
            results = verify(changed, family)
        made[change.kind] += 1
        if expected not in names(results):
            missed.append(f"{change.kind}: {change.sql}")
    print("\n" + "\n".join(f"{kind:<28}{count:>5}" for kind, count in sorted(made.items())), f"\n{'in all':<28}{made.total():>5}")
    assert not missed


def make(connection: psycopg.Connection, change: Change) -> None:
    """Make a change. Catalogue tables may be written to, which stands for damage that no statement does."""
    with connection.transaction():
        connection.execute("set local allow_system_table_mods = on")
        connection.execute("set local search_path = public")
        connection.execute(change.sql)
        connection.execute("set local search_path = pg_catalog, public")
