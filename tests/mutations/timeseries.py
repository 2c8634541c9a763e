"""Changes of hypertables, their compression, rollups and policies."""

from collections.abc import Iterator

from mutations.change import Change
from verify.checks.policies import COMPRESS, DROP, REFRESH, REMOVE, names
from verify.definitions import REFRESH as REFRESHED
from verify.definitions import SHOWN
from verify.sources import Sources
from verify.spec import Spec

# A view that gives the same rows by another text.
WRAP = """do $do$ declare v_view regclass := %s; begin
    execute format('create or replace view %%s as select * from (%%s) q', v_view, rtrim(pg_get_viewdef(v_view), ';')); end $do$"""
INNER = "(select format('%%I.%%I', %s_view_schema, %s_view_name)::regclass from _timescaledb_catalog.continuous_agg where user_view_name = '%s')"


def changes(spec: Spec, sources: Sources) -> Iterator[Change]:
    for name in spec.hypertables:
        yield Change("chunk interval", f"chunk interval of {name}", "3 days", f"select public.set_chunk_time_interval('{name}', interval '3 days')")
        yield Change("dimension added", f"hypertable {name}", "2 dimensions", f"select public.add_dimension('{name}', public.by_hash('machine_id', 2))")
    for name, declared in spec.compressed.items():
        yield from _compression(name, declared, "materialized view" if name in spec.rollups else "table")
    for name, declared in spec.rollups.items():
        yield from _rollup(name, declared)
    for check, kind, target in names(spec):
        yield from _policy(check, kind, target)
    for name in spec.rollups:
        add = f"select public.add_retention_policy('{name}', interval '9 years')"
        yield Change("retention of a rollup", "policies beyond the declared", f"on {name}", add, community=True)


def _compression(name: str, declared: dict, what: str) -> Iterator[Change]:
    check, alter = f"compression of {name}", f"alter {what} {name} set"
    order = declared["order_by"][0].split()[0]
    for kind, option in (
        ("compression's segment", "timescaledb.compress_segmentby = ''"),
        ("compression's order", f"timescaledb.compress_orderby = '{order} asc'"),
        ("compression's NULLs", f"timescaledb.compress_orderby = '{order} desc nulls last'"),
    ):
        yield Change(kind, check, "segment by", f"{alter} ({option})", community=True)
    off = f"select public.remove_compression_policy('{name}'); {alter} (timescaledb.compress = false)"
    yield Change("compression off", check, "off", off, community=True, also=(f"compression policy of {name}",))


def _rollup(name: str, declared: dict) -> Iterator[Change]:
    there = f"rollup {name}"
    yield Change("rollup dropped", there, "missing", f"drop materialized view if exists {name} cascade", f"drop view if exists {name} cascade", takes=True)
    yield Change("rollup's owner", there, "m_owner", f"alter materialized view {name} owner to m_owner", f"alter view {name} owner to m_owner")
    only = f"alter materialized view {name} set (timescaledb.materialized_only = true)"
    yield Change("materialized only", f"{name} is real-time", "materialized only", only, community=True)
    direct, partial = (INNER % (which, which, name) for which in ("direct", "partial"))
    yield Change("rollup's definition", f"definition of {name}", "differs from init/", WRAP % direct, WRAP % f"'{name}'::regclass", community=True)
    yield Change("rollup's refresh", REFRESHED.format(name), "differs from init/", WRAP % partial, community=True)
    yield Change("rollup's real-time view", SHOWN.format(name), "differs from init/", WRAP % f"'{name}'::regclass", community=True)
    for number, line in enumerate(declared["columns"]):
        rename = f"{name} rename column {line.split()[0]} to m_{number}"
        yield Change("rollup's column renamed", f"columns of {name}", line, f"alter materialized view {rename}", f"alter view {rename}")


def _policy(check: str, kind: str, target: str) -> Iterator[Change]:
    job = f"(select job_id from timescaledb_information.jobs where hypertable_name = '{target}' and proc_name = '{kind}')"

    def configured(what: str, names: str, config: str) -> Change:
        return Change(what, check, names, f"update _timescaledb_catalog.bgw_job set config = {config} where id = {job}", community=True)

    yield Change("policy dropped", check, "missing", f"select public.{REMOVE[kind]}('{target}')", community=True)
    own = {REFRESH: ("start_offset", "end_offset"), COMPRESS: ("compress_after",), DROP: ("drop_after",)}[kind]
    for name in own:
        yield configured(f"policy's {name}", name, f"""config || '{{"{name}": "11 days"}}'""")
    if kind == REFRESH:
        yield configured("policy's buckets_per_batch", "buckets_per_batch", "config - 'buckets_per_batch'")
        yield configured("policy's order of batches", "newest first", "config - 'refresh_newest_first'")
    yield configured("policy's further options", "m_option", """config || '{"m_option": 1}'""")
    for what, named, option in (
        ("policy's schedule", "every", "schedule_interval => interval '11 days'"),
        ("policy unscheduled", "scheduled", "scheduled => false"),
        ("policy's longest run", "longest run", "max_runtime => interval '1 second'"),
        ("policy's retries", "retries", "max_retries => 0"),
    ):
        yield Change(what, check, named, f"select public.alter_job({job}, {option})", community=True)
    owner = f"update _timescaledb_catalog.bgw_job set owner = 'm_owner' where id = {job}"
    yield Change("policy's owner", check, "m_owner", owner, community=True)
    for when in "infinity", "2099-01-01":
        put_off = f"select public.alter_job({job}, next_start => '{when}')"
        yield Change("policy put off", f"runs of the {check}", "put off", put_off, community=True)
