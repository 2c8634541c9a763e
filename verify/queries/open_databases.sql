-- The server's own databases that every role may enter.
select d.datname::text as name
from pg_database d
where d.datname in ('postgres', 'template1') and d.datname <> current_database() and d.datallowconn
  and has_database_privilege('public', d.oid, 'connect')
order by name
