-- Of chunks of our hypertables and of those that store our rollups; one that is being built is not broken.
select c.relname::text as name
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_inherits h on h.inhrelid = i.indrelid
where not i.indisvalid
  and (h.inhparent in (select r.oid from pg_class r where r.relnamespace in (select oid from pg_namespace where nspname in ('public', 'enms')))
       or h.inhparent in (select format('%I.%I', s.schema_name, s.table_name)::regclass
                          from _timescaledb_catalog.continuous_agg a
                          join _timescaledb_catalog.hypertable s on s.id = a.mat_hypertable_id
                          where a.user_view_schema in ('public', 'enms')))
  and i.indexrelid not in (select p.index_relid from pg_stat_progress_create_index p where p.index_relid is not null)
