select format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass::text as name, h.num_dimensions as dimensions,
       d.column_name::text as time_column, extract(epoch from d.time_interval)::bigint as chunk_seconds,
       h.compression_enabled as compressed
from timescaledb_information.hypertables h
join timescaledb_information.dimensions d using (hypertable_schema, hypertable_name)
where d.dimension_number = 1 and h.hypertable_schema in ('public', 'enms')
