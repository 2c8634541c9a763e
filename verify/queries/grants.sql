-- One row per privilege that somebody other than the owner has. A default is what PostgreSQL grants by itself.
select coalesce(g.rolname, 'PUBLIC') as grantee, lower(x.privilege_type) as privilege, x.is_grantable as grantable,
       o.kind, o.name
from (
    select case c.relkind when 'S' then 'sequence' else 'relation' end as kind, c.oid::regclass::text as name, c.relowner as owner,
           coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner)) as acl
    from pg_class c
    where c.relkind in ('r', 'p', 'v', 'm', 'S') and c.relnamespace in (select oid from pg_namespace where nspname in ('public', 'enms'))
    union all
    select 'column', a.attrelid::regclass::text || '.' || a.attname, c.relowner, a.attacl
    from pg_attribute a join pg_class c on c.oid = a.attrelid
    where a.attacl is not null and c.relnamespace in (select oid from pg_namespace where nspname in ('public', 'enms'))
    union all
    select 'function', replace(p.pronamespace::regnamespace::text || '.', 'public.', '') || p.proname, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
    from pg_proc p
    where p.pronamespace in (select oid from pg_namespace where nspname in ('public', 'enms'))
    union all
    select 'schema', n.nspname::text, n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
    from pg_namespace n
    where n.nspname in ('public', 'enms')
    union all
    select 'database', 'this', d.datdba, coalesce(d.datacl, acldefault('d', d.datdba))
    from pg_database d
    where d.datname = current_database()) o
cross join lateral aclexplode(o.acl) x
left join pg_roles g on g.oid = x.grantee
where x.grantee <> o.owner
