"""Changes that one has to think of, beside those that every object gives rise to."""

from collections.abc import Iterator

from mutations.change import Change
from verify.sources import Sources
from verify.spec import Spec

DAILY = "environmental_degree_days_daily"
ENERGY = "calculate_sec", "calculate_energy_cost", "calculate_carbon_intensity", "calculate_all_kpis", "get_factory_summary"


def changes(spec: Spec, sources: Sources) -> Iterator[Change]:
    select = sources.views[DAILY]
    yield Change("rollup rebuilt otherwise", f"definition of {DAILY}", "19.0", f"""drop materialized view {DAILY};
        create materialized view {DAILY} with (timescaledb.continuous, timescaledb.materialized_only = false) as
        {select.replace('18.0 -', '19.0 -')} with no data;
        select public.add_continuous_aggregate_policy('{DAILY}', null, interval '1 day', interval '1 hour', buckets_per_batch => 3650,
            refresh_newest_first => false);
        grant select on {DAILY} to enms_reader""", community=True, also=(f"comments of {DAILY}",))  # fmt: skip
    yield Change("rollup a plain view", f"rollup {DAILY}", "not a continuous aggregate", f"drop materialized view {DAILY}; "
                 f"create view {DAILY} as {select}; grant select on {DAILY} to enms_reader", community=True)  # fmt: skip
    yield Change("column generated", "columns of factories", "generated 'x'", "alter table factories drop column address, "
                 "add column address text generated always as ('x') stored")  # fmt: skip
    yield Change("foreign key of another action", "constraints of anomalies", "anomalies_machine_fkey", "alter table anomalies drop constraint "
                 "anomalies_machine_fkey, add constraint anomalies_machine_fkey foreign key (machine_id) references machines (id)")  # fmt: skip
    yield Change("tariffs begin an hour late", "body of enms.tariff_applies", "differs", replaced("enms.tariff_applies", ">= p_tariff.start_hour", "> p_tariff.start_hour"))
    yield Change("newest factor becomes the oldest", "body of enms.carbon_factor_on", "differs", replaced("enms.carbon_factor_on", "desc", "asc"))
    yield Change("energy counted twice", "body of enms.energy_slices", "differs", replaced(
        "enms.energy_slices", "r.energy_kwh, r.power_kw, 1::bigint", "r.energy_kwh * 2, r.power_kw, 1::bigint"),
        also=tuple(f"{name} on the known plant" for name in ENERGY))  # fmt: skip
    yield Change("function in another language", "attributes of enms.history_horizon", "plpgsql", "create or replace function enms.history_horizon() "
                 "returns timestamptz language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp as "
                 "'begin return now() - interval ''50 days''; end'", also=("body of enms.history_horizon",))  # fmt: skip
    yield Change("hours that no tariff prices", "tariffs of Demo Manufacturing Plant today", "hours of the week", "delete from energy_tariffs where name = 'Base'")
    yield Change("hypertable a plain table", "hypertable environmental_data", "a plain table", "alter table environmental_data rename to m_data; "
                 "create table environmental_data (like m_data including all); grant select on environmental_data to enms_reader; "
                 "grant select, insert, update on environmental_data to enms_ingest", takes=True)  # fmt: skip
    yield Change("rule on a view", "view v_week_summary", "m_rule", "create rule m_rule as on delete to v_week_summary do instead nothing")
    yield Change("trigger on a view", "view v_week_summary", "m_trigger", "create trigger m_trigger instead of delete on v_week_summary "
                 "for each row execute function public.update_updated_at_column()")  # fmt: skip
    for kind, function, old, new in (
        ("peak demand is the mean", "calculate_peak_demand", "round(k.peak_kw, 3), enms", "round(k.avg_power_kw, 3), enms"),
        ("load factor a percentage", "calculate_load_factor", "round(k.load_factor, 4)", "round(k.load_factor * 100, 4)"),
        ("idling counts as running", "get_machine_operating_hours", "p.hours * p.running / p.readings), 0), 12", "p.hours * (p.running + p.idle) / p.readings), 0), 12"),
    ):
        yield Change(kind, f"body of {function}", "differs", replaced(function, old, new), also=(f"{function} on the known plant",))
    for name in spec.hypertables:
        check, chunk = f"chunks of {name} are as it is", f"select i.inhrelid from pg_inherits i where i.inhparent = '{name}'::regclass"
        value = ", power_kw) select now(), id, 1" if name == "energy_readings" else ") select now(), id"
        insert = f"insert into {name} (time, machine_id{value} from machines limit 1"
        yield Change("chunk without its key", check, "unique", f"{insert}; update pg_index set indisvalid = false where indisunique and indrelid in ({chunk})",
                     also=("indexes of chunks",))  # fmt: skip
        yield Change("chunk without a trigger", check, "history_noted", f"{insert}; update pg_trigger set tgenabled = 'D' where not tgisinternal and tgrelid in ({chunk})")

        for kind, sql, names in (
            ("chunk with a trigger", "create trigger m_chunk before insert on {} for each row execute function public.update_updated_at_column()", "m_chunk"),
            ("chunk unlogged", "alter table {} set unlogged", "unlogged"),
            ("chunk with grants of its own", "grant select on {} to public", "grants select to PUBLIC"),
        ):
            for_each = "do $do$ declare v regclass; begin for v in {} loop execute format($f${}$f$, v); end loop; end $do$"
            yield Change(kind, check, names, community=kind == "chunk unlogged", sql=f"{insert}; " + for_each.format(chunk, sql.format("%s")))
        yield Change("chunk frozen", check, "is frozen", f"{insert}; update _timescaledb_catalog.chunk c set status = 4 from _timescaledb_catalog.hypertable h "
                     f"where h.id = c.hypertable_id and h.table_name = '{name}'")  # fmt: skip
    for name in spec.rollups:
        storage = f"select format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) from timescaledb_information.continuous_aggregates where view_name = '{name}'"
        for kind, sql, names in (
            ("rollup's storage with a trigger", "create trigger m_storage before insert on %s for each row execute function public.update_updated_at_column()", "m_storage"),
            ("rollup's storage granted", "grant update on %s to public", "grants update to PUBLIC"),
        ):
            yield Change(kind, f"storage of {name}", names, f"do $do$ begin execute format($f${sql}$f$, ({storage})); end $do$", community=True)
    for table in "machines", "factories":
        yield Change("table with a child", f"table {table}", f"m_{table} inherits", f"create table m_{table} () inherits ({table})")
    yield Change("publication of everything", "table energy_readings", "m_all refuses", "create publication m_all for all tables",
                 also=tuple(f"table {name}" for name, declared in spec.tables.items() if not any("PRIMARY" in text for text in declared.get("constraints", {}).values())
                            and not declared.get("unlogged")))  # fmt: skip
    yield Change("functions taken from everybody", "what the roles need of the server", "time_bucket", "revoke execute on all functions in schema public from public")
    yield Change("schema taken from everybody", "what the roles need of the server", "_timescaledb_functions", "revoke usage on schema _timescaledb_functions from public")
    yield Change("schema's owner", "owners of database, schema and types", "schema public: m_owner", "alter schema public owner to m_owner", takes=True)
    yield Change("enum's owner", "owners of database, schema and types", "machine_type: m_owner", "alter type machine_type owner to m_owner")
    yield Change("database's owner", "owners of database, schema and types", "database: m_owner", "alter database {database} owner to m_owner", takes=True)
    yield Change("function that shadows", "nothing put in pg_catalog", "calculate_sec", "create function pg_catalog.calculate_sec(uuid, timestamptz, timestamptz) "
                 "returns int language sql as 'select 1'")  # fmt: skip
    yield Change("cast that shadows", "nothing put in pg_catalog", "numeric to text", "create cast (numeric as text) with inout as implicit")
    yield Change("guard of past retention off", "settings by ALTER ROLE", "enms.past_retention", "alter database {database} set \"enms.past_retention\" = 'replace'")
    yield Change("sequence unlogged", "sequence audit_log_id_seq", "unlogged", "alter sequence audit_log_id_seq set unlogged")


def replaced(function: str, old: str, new: str) -> str:
    """SQL that replaces text in a function as the server has it."""
    return f"""do $do$ declare v text := pg_get_functiondef('{function}'::regproc); begin
        assert position($a${old}$a$ in v) > 0; execute replace(v, $a${old}$a$, $b${new}$b$); end $do$"""
