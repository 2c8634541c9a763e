select i.indrelid::regclass::text as relation, x.relname::text as name, pg_get_indexdef(i.indexrelid) as definition,
       i.indisvalid and i.indisready and i.indislive as valid,
       exists (select from pg_constraint c where c.conrelid = i.indrelid and c.conindid = i.indexrelid and c.contype in ('p', 'u', 'x')) as of_constraint
from pg_index i
join pg_class x on x.oid = i.indexrelid
where x.relnamespace in (select oid from pg_namespace where nspname in ('public', 'enms'))
  -- One that is being built is not there yet.
  and i.indexrelid not in (select p.index_relid from pg_stat_progress_create_index p where p.index_relid is not null)
