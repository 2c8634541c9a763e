-- What ALTER DATABASE and ALTER ROLE set for this database.
select coalesce(r.rolname, '') as role, s.setdatabase <> 0 as here,
       split_part(c.setting, '=', 1) as name, substr(c.setting, strpos(c.setting, '=') + 1) as value
from pg_db_role_setting s
left join pg_roles r on r.oid = s.setrole
cross join lateral unnest(s.setconfig) c (setting)
where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
