-- The process that starts this database's jobs.
select max(a.backend_start) as started
from pg_stat_activity a
where a.datname = current_database() and a.backend_type like 'TimescaleDB Background Worker Scheduler%'
