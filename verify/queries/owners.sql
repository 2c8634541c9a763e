-- Who owns what ours is in, and may thereby drop it; and who may do everything.
select 'schema public' as object, r.rolname::text as owner, r.rolsuper as superuser
from pg_namespace n join pg_roles r on r.oid = n.nspowner where n.nspname = 'public'
union all
select 'database', r.rolname::text, r.rolsuper
from pg_database d join pg_roles r on r.oid = d.datdba where d.datname = current_database()
union all
select 'type ' || t.oid::regtype, r.rolname::text, r.rolsuper
from pg_type t join pg_roles r on r.oid = t.typowner
where t.typtype = 'e' and t.typnamespace in (select oid from pg_namespace where nspname in ('public', 'enms'))
