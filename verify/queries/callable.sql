-- What works on chunks, workers and large objects without asking whose they are, and is still open to everybody.
-- init/02-schema.sql has the same condition.
select p.oid::regprocedure::text as routine
from pg_proc p
left join pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
left join pg_extension e on e.oid = d.refobjid
where has_function_privilege('public', p.oid, 'execute')
  and (p.oid::regproc::text in ('lo_creat', 'lo_create', 'lo_from_bytea')
       or e.extname = 'timescaledb' and p.provolatile = 'v'
          and (p.proname = 'add_job'
               or p.pronamespace::regnamespace::text in ('_timescaledb_functions', '_timescaledb_internal')
                  and p.proname !~ '_(size|stats|count|status|info|loaded|state|uuid|internal|command|columns|defaults|query)$'
                  and p.proname !~ '^(policy|get|show|to|estimate|interval|range|subtract|chunk_id|jsonb)_'))
order by routine
