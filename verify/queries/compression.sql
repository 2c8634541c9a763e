select format('%I.%I', hypertable_schema, hypertable_name)::regclass::text as name, attname::text as column_name,
       segmentby_column_index as segment, orderby_column_index as place,
       orderby_asc as ascending, orderby_nullsfirst as nulls_first
from timescaledb_information.compression_settings
where hypertable_schema in ('public', 'enms')
order by coalesce(segmentby_column_index, orderby_column_index)
