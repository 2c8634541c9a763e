-- Tables, views and sequences that no extension brought.
select c.oid::regclass::text as name, c.relkind::text as kind, c.relpersistence::text as persistence,
       pg_get_userbyid(c.relowner) as owner, coalesce(c.reloptions, '{}') as options,
       c.relrowsecurity as row_security,
       array(select r.rulename::text from pg_rewrite r where r.ev_class = c.oid and r.rulename <> '_RETURN') as rules
from pg_class c
where c.relnamespace in (select oid from pg_namespace where nspname in ('public', 'enms'))
  and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
