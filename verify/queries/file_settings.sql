-- What ALTER SYSTEM wrote, in force or not.
select f.name, f.setting as value
from pg_file_settings f
where f.sourcefile like '%postgresql.auto.conf'
