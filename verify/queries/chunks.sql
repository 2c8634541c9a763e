-- Chunks that are over, whose times of compression and retention come; a rollup's are those of the hypertable that
-- stores it.
select format('%I.%I', coalesce(a.view_schema, c.hypertable_schema), coalesce(a.view_name, c.hypertable_name))::regclass::text as name,
       c.is_compressed as compressed, c.range_end, c.chunk_creation_time as made
from timescaledb_information.chunks c
left join timescaledb_information.continuous_aggregates a
  on a.materialization_hypertable_schema = c.hypertable_schema and a.materialization_hypertable_name = c.hypertable_name
where coalesce(a.view_schema, c.hypertable_schema) = 'public' and c.range_end < now() - interval '1 day'
