select r.rolname::text as name, r.rolcanlogin as login, r.rolsuper as superuser, r.rolcreaterole as createrole,
       r.rolcreatedb as createdb, r.rolreplication as replication, r.rolbypassrls as bypassrls,
       array(select g.rolname::text from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid) as member_of
from pg_roles r
