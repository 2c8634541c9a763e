"""Row count, first and last time, and a digest of the content of every table, in any order of rows."""

from collections.abc import Callable

import psycopg
from psycopg import sql

# Tables of the schema and of the user. A rollup is what is stored of it: the rest follows from the readings.
# A materialized view is filled anew by a restore, so what it held may have been out of date.
# TimescaleDB's bookkeeping goes along where a dump holds the whole of it.
RELATIONS = """
with own as (
    select c.oid, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname) as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
      and n.nspname !~ '^(pg_|_timescaledb_|timescaledb_)' and n.nspname <> 'information_schema'
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')),
bookkeeping as (
    select c.oid, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname)
    from pg_extension e cross join unnest(e.extconfig, e.extcondition) x (oid, filter)
    join pg_class c on c.oid = x.oid join pg_namespace n on n.oid = c.relnamespace
    where e.extname = 'timescaledb' and c.relkind = 'r' and x.filter = '')
select r.name, r.nspname, r.relname,
       (select a.attname from pg_attribute a where a.attrelid = r.oid and a.atttypid = 'timestamptz'::regtype and not a.attisdropped
        order by a.attnum limit 1)
from (table own union all table bookkeeping) r
order by r.name
"""
ROLLUPS = """
select format('%I.%I', c.view_schema, c.view_name), c.materialization_hypertable_schema, c.materialization_hypertable_name,
       d.column_name
from timescaledb_information.continuous_aggregates c
join timescaledb_information.dimensions d
  on d.hypertable_schema = c.materialization_hypertable_schema and d.hypertable_name = c.materialization_hypertable_name
order by 1
"""
DIGEST = "select count(*), {first}, {last}, coalesce(sum(hashtextextended(enms_row::text, 0)), 0)::text from {relation} enms_row"


def digests(session: psycopg.Connection, progress: Callable[[int, int], None] = lambda done, all: None) -> dict[str, dict]:
    """For each table and rollup by name: rows, first and last time, and the digest; `progress` is told tables done and in all.

    The digest is the sum of PostgreSQL's 64-bit hashes of the rows as text, so it is the same on any chunk or storage.
    """
    found = session.execute(RELATIONS).fetchall() + session.execute(ROLLUPS).fetchall()
    result = {}
    for number, (name, schema, table, time) in enumerate(found):
        progress(number, len(found))
        column = sql.SQL("{}({})::text")
        first, last = (column.format(sql.SQL(which), sql.Identifier(time)) if time else sql.SQL("null") for which in ("min", "max"))
        row = session.execute(sql.SQL(DIGEST).format(relation=sql.Identifier(schema, table), first=first, last=last)).fetchone()
        result[name] = dict(zip(("rows", "first", "last", "digest"), row, strict=True))
    return result
