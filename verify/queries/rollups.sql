select format('%I.%I', c.view_schema, c.view_name)::regclass::text as name, c.materialized_only, c.compression_enabled as compressed,
       c.view_definition as definition,
       coalesce(nullif(format('%s.%s', p.user_view_schema, p.user_view_name), '.'),
                format('%s.%s', c.hypertable_schema, c.hypertable_name)) as source
from timescaledb_information.continuous_aggregates c
left join _timescaledb_catalog.hypertable h
  on h.schema_name = c.hypertable_schema and h.table_name = c.hypertable_name
left join _timescaledb_catalog.continuous_agg p on p.mat_hypertable_id = h.id
