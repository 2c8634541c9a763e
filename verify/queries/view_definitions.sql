select c.oid::regclass::text as name, pg_get_viewdef(c.oid) as definition
from pg_class c
where c.relkind = 'v' and c.relnamespace in (select oid from pg_namespace where nspname in ('public', 'enms'))
