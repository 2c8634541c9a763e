-- Rollups that TimescaleDB takes for filled up to a time to come: what is read until then shows after a refresh only.
select format('%I.%I', c.user_view_schema, c.user_view_name)::regclass::text as name, c.mat_hypertable_id as id,
       least(to_timestamp(w.watermark / 1000000.0), '9999-01-01') as watermark
from _timescaledb_catalog.continuous_aggs_watermark w
join _timescaledb_catalog.continuous_agg c on c.mat_hypertable_id = w.mat_hypertable_id
where c.user_view_schema in ('public', 'enms') and w.watermark > extract(epoch from now() + interval '1 day') * 1000000
