-- Functions, casts and operators that somebody put where every query finds them first.
select 'function ' || p.oid::regprocedure as object
from pg_proc p
where p.pronamespace = 'pg_catalog'::regnamespace and p.oid >= 16384
  and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
union all
select format('cast of %s to %s', format_type(c.castsource, null), format_type(c.casttarget, null))
from pg_cast c
where c.oid >= 16384 and c.castcontext <> 'e' and c.castsource < 16384 and c.casttarget < 16384
  and not exists (select from pg_depend d where d.classid = 'pg_cast'::regclass and d.objid = c.oid and d.deptype = 'e')
