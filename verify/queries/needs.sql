-- What our roles need of the server itself, and no longer have: PostgreSQL grants it to everybody.
select r.rolname::text as role, 'execute on ' || p.oid::regprocedure as lacks
from pg_roles r
join pg_proc p on p.proname in ('time_bucket', 'uuid_generate_v4')
    and exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
where r.rolname in ('enms_ingest', 'enms_reader', 'enms_monitor') and not has_function_privilege(r.oid, p.oid, 'execute')
  -- No view calls it: it makes the numbers of new rows.
  and (p.proname, r.rolname) <> ('uuid_generate_v4', 'enms_monitor')
union all
select r.rolname::text, 'usage on schema ' || n.nspname
from pg_roles r
join pg_namespace n on n.nspname in ('_timescaledb_functions', '_timescaledb_internal', '_timescaledb_catalog', 'timescaledb_information')
where r.rolname in ('enms_ingest', 'enms_reader', 'enms_monitor') and not has_schema_privilege(r.oid, n.oid, 'usage')
