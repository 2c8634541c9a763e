-- What ALTER DEFAULT PRIVILEGES adds to PostgreSQL's own defaults, in our schemas and in all.
select coalesce(g.rolname, 'PUBLIC') as grantee, lower(x.privilege_type) as privilege, pg_get_userbyid(d.defaclrole) as owner,
       n.nspname::text as schema,
       case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types' else 'schemas' end as objects
from pg_default_acl d
left join pg_namespace n on n.oid = d.defaclnamespace
cross join lateral aclexplode(d.defaclacl) x
left join pg_roles g on g.oid = x.grantee
where x.grantee <> d.defaclrole and (n.nspname is null or n.nspname in ('public', 'enms'))
  and not exists (select from aclexplode(acldefault(case d.defaclobjtype when 'S' then 's' else d.defaclobjtype end, d.defaclrole)) o
                  where d.defaclnamespace = 0 and o.grantee = x.grantee and o.privilege_type = x.privilege_type)
