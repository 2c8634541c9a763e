-- What COMMENT ON says of our relations and their columns, functions, enums, roles and schemas; each object's own
-- comment has no column.
select 'relation' as kind, c.oid::regclass::text as object, coalesce(a.attname, '')::text as column, d.description as text
from pg_description d
join pg_class c on d.classoid = 'pg_class'::regclass and c.oid = d.objoid
left join pg_attribute a on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0
where c.relnamespace in (select oid from pg_namespace where nspname in ('public', 'enms'))
union all
select 'function', replace(p.pronamespace::regnamespace::text || '.', 'public.', '') || p.proname, '', d.description
from pg_description d
join pg_proc p on d.classoid = 'pg_proc'::regclass and p.oid = d.objoid
where p.pronamespace in (select oid from pg_namespace where nspname in ('public', 'enms'))
union all
select 'enum', d.objoid::regtype::text, '', d.description
from pg_description d
where d.classoid = 'pg_type'::regclass
union all
select 'role', r.rolname, '', d.description
from pg_shdescription d
join pg_roles r on d.classoid = 'pg_authid'::regclass and r.oid = d.objoid
union all
select 'schema', n.nspname, '', d.description
from pg_description d
join pg_namespace n on d.classoid = 'pg_namespace'::regclass and n.oid = d.objoid
