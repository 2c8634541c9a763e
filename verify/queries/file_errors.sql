-- Lines of configuration files that are wrong, or wait for a restart; those of ALTER SYSTEM are looked at by themselves,
-- and a flag of the server's start is stronger than any.
select regexp_replace(f.sourcefile, '.*/', '') as file, f.sourceline as line, f.name, f.error
from pg_file_settings f
left join pg_settings s on lower(s.name) = lower(f.name)
where f.error is not null and f.sourcefile not like '%postgresql.auto.conf' and s.source is distinct from 'command line'
