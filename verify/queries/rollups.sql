-- The definition as it was made, as refreshes run it, and as a query of the rollup finds it.
select format('%I.%I', c.view_schema, c.view_name)::regclass::text as name, c.materialized_only, c.compression_enabled as compressed,
       c.view_definition as definition,
       pg_get_viewdef(format('%I.%I', g.partial_view_schema, g.partial_view_name)::regclass) as refresh,
       pg_get_viewdef(format('%I.%I', c.view_schema, c.view_name)::regclass) as shown,
       format('%I.%I', c.materialization_hypertable_schema, c.materialization_hypertable_name) as storage, g.mat_hypertable_id as id,
       coalesce(nullif(format('%s.%s', p.user_view_schema, p.user_view_name), '.'),
                format('%s.%s', c.hypertable_schema, c.hypertable_name)) as source
from timescaledb_information.continuous_aggregates c
join _timescaledb_catalog.continuous_agg g on g.user_view_schema = c.view_schema and g.user_view_name = c.view_name
left join _timescaledb_catalog.hypertable h
  on h.schema_name = c.hypertable_schema and h.table_name = c.hypertable_name
left join _timescaledb_catalog.continuous_agg p on p.mat_hypertable_id = h.id
where c.view_schema in ('public', 'enms')
