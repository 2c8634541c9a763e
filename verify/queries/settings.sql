-- reset_val is what a session starts with, whatever this one has set since.
select lower(name) as name, reset_val as value, unit, vartype, source, sourcefile, pending_restart
from pg_settings
