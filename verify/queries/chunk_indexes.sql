select c.relname::text as name
from pg_index i join pg_class c on c.oid = i.indexrelid
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = '_timescaledb_internal' and not i.indisvalid
