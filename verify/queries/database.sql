-- When the database was made, for superusers only: a file of its folder that is written then and never again.
select (pg_stat_file('base/' || d.oid || '/PG_VERSION', true)).modification as made
from pg_database d
where d.datname = current_database()
