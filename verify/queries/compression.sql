-- A rollup's settings are kept under the hypertable that stores it.
select format('%I.%I', coalesce(a.view_schema, s.hypertable_schema), coalesce(a.view_name, s.hypertable_name))::regclass::text as name,
       s.attname::text as column_name, s.segmentby_column_index as segment, s.orderby_column_index as place,
       s.orderby_asc as ascending, s.orderby_nullsfirst as nulls_first
from timescaledb_information.compression_settings s
left join timescaledb_information.continuous_aggregates a
  on a.materialization_hypertable_schema = s.hypertable_schema and a.materialization_hypertable_name = s.hypertable_name
where coalesce(a.view_schema, s.hypertable_schema) in ('public', 'enms')
order by coalesce(s.segmentby_column_index, s.orderby_column_index)
