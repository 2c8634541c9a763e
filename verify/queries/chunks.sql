-- Chunks that are over, whose times of compression and retention come.
select format('%I.%I', hypertable_schema, hypertable_name)::regclass::text as name, is_compressed as compressed,
       range_end, chunk_creation_time as made
from timescaledb_information.chunks
where hypertable_schema = 'public' and range_end < now() - interval '1 day'
