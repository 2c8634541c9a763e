-- Two whole hours, one of today and one whose chunk is compressed: readings and sums by machine in raw and in the hourly
-- rollups, and how many machines differ. Left out: hours that TimescaleDB still has to refresh, and those whose raw is all gone. The
-- bound of 9 days keeps older chunks out of the plan.
with hours as materialized (
    select date_trunc('hour', now()) - age as start
    from unnest(array[interval '3 hours', interval '8 days 3 hours']) age),
levels as materialized (
    select regexp_replace(c.user_view_name, '_[0-9a-z]+$', '_1hour') as rollup, c.mat_hypertable_id as id, c.raw_hypertable_id as source
    from _timescaledb_catalog.continuous_agg c
    where c.user_view_schema = 'public' and c.user_view_name ~ '_(1min|15min|1hour)$'),
pending as materialized (
    select l.rollup, i.lowest_modified_value as low, i.greatest_modified_value as high
    from _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log i
    join levels l on l.source = i.hypertable_id
    union all
    select l.rollup, u.lowest_modified_value, u.greatest_modified_value
    from enms.unfinished_refreshes() u
    join levels l on l.id = u.materialization_id),
quiet as materialized (
    select distinct l.rollup, h.start from levels l cross join hours h
    where not exists (select from pending p
                      where p.rollup = l.rollup and p.low < extract(epoch from h.start + interval '1 hour') * 1000000
                        and p.high >= extract(epoch from h.start) * 1000000)),
raw as (
    select 'energy_readings_1hour' as rollup, date_trunc('hour', r.time) as start, r.machine_id, count(*) as readings, sum(r.energy_kwh) as amount
    from public.energy_readings r
    where r.time >= now() - interval '9 days' and (r.time >= date_trunc('hour', now()) - interval '3 hours' and r.time < date_trunc('hour', now()) - interval '2 hours'
           or r.time >= date_trunc('hour', now()) - interval '8 days 3 hours' and r.time < date_trunc('hour', now()) - interval '8 days 2 hours')
      and r.energy_type in ('electrical', 'electricity', 'energy')
    group by 2, 3
    union all
    select 'production_data_1hour', date_trunc('hour', r.time), r.machine_id, count(*), sum(r.production_count)
    from public.production_data r
    where r.time >= now() - interval '9 days' and (r.time >= date_trunc('hour', now()) - interval '3 hours' and r.time < date_trunc('hour', now()) - interval '2 hours'
           or r.time >= date_trunc('hour', now()) - interval '8 days 3 hours' and r.time < date_trunc('hour', now()) - interval '8 days 2 hours')
    group by 2, 3
    union all
    select 'environmental_data_1hour', date_trunc('hour', r.time), r.machine_id, count(*), sum(r.outdoor_temp_c)
    from public.environmental_data r
    where r.time >= now() - interval '9 days' and (r.time >= date_trunc('hour', now()) - interval '3 hours' and r.time < date_trunc('hour', now()) - interval '2 hours'
           or r.time >= date_trunc('hour', now()) - interval '8 days 3 hours' and r.time < date_trunc('hour', now()) - interval '8 days 2 hours')
    group by 2, 3),
rolled as (
    select 'energy_readings_1hour' as rollup, r.bucket as start, r.machine_id, r.total_readings as readings, r.total_energy_kwh as amount
    from public.energy_readings_1hour r
    where r.bucket >= now() - interval '9 days' and r.bucket in (date_trunc('hour', now()) - interval '3 hours', date_trunc('hour', now()) - interval '8 days 3 hours')
    union all
    select 'production_data_1hour', r.bucket, r.machine_id, r.total_readings, r.total_production_count
    from public.production_data_1hour r
    where r.bucket >= now() - interval '9 days' and r.bucket in (date_trunc('hour', now()) - interval '3 hours', date_trunc('hour', now()) - interval '8 days 3 hours')
    union all
    select 'environmental_data_1hour', r.bucket, r.machine_id, r.total_readings, r.sum_outdoor_temp_c
    from public.environmental_data_1hour r
    where r.bucket >= now() - interval '9 days' and r.bucket in (date_trunc('hour', now()) - interval '3 hours', date_trunc('hour', now()) - interval '8 days 3 hours'))
select d.rollup, d.start, count(*) filter (where d.differs) as machines, min(d.machine_id::text) filter (where d.differs) as machine
from (select rollup, start, machine_id, (w.readings, w.amount) is distinct from (o.readings, o.amount) as differs
      from raw w full join rolled o using (rollup, start, machine_id)) d
where exists (select from quiet q where q.rollup = d.rollup and q.start = d.start)
  and exists (select from raw e where e.rollup = d.rollup and e.start = d.start)
group by 1, 2
