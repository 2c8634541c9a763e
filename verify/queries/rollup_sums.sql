-- Two whole hours, one of today and one whose chunk is compressed: readings and sums by machine in raw and in the rollups
-- of up to an hour, and how many machines differ. Left out: hours that TimescaleDB still has to refresh, and those whose
-- raw is all gone. Of many machines, twenty, which change by the hour. The bound of 9 days keeps older chunks out of the plan.
with hours as materialized (
    select date_trunc('hour', now()) - age as start
    from unnest(array[interval '3 hours', interval '8 days 3 hours']) age),
sample as materialized (
    select m.id from public.machines m order by md5(m.id::text || date_trunc('hour', now())::text) limit 20),
levels as materialized (
    select regexp_replace(c.user_view_name, '_[0-9a-z]+$', '') as fact, c.mat_hypertable_id as id, c.raw_hypertable_id as source
    from _timescaledb_catalog.continuous_agg c
    where c.user_view_schema = 'public' and c.user_view_name ~ '^(energy_readings|production_data|environmental_data)_(1min|15min|1hour)$'),
pending as materialized (
    select l.fact, i.lowest_modified_value as low, i.greatest_modified_value as high
    from _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log i
    join levels l on l.source = i.hypertable_id
    union all
    select l.fact, u.lowest_modified_value, u.greatest_modified_value
    from enms.unfinished_refreshes() u
    join levels l on l.id = u.materialization_id),
raw as (
    select 'energy_readings' as fact, date_trunc('hour', r.time) as start, r.machine_id, count(*) as readings, sum(r.energy_kwh) as amount
    from public.energy_readings r
    where r.time >= now() - interval '9 days'
      and r.machine_id = any (array(select s.id from sample s))
      and (r.time >= date_trunc('hour', now()) - interval '3 hours' and r.time < date_trunc('hour', now()) - interval '2 hours'
           or r.time >= date_trunc('hour', now()) - interval '8 days 3 hours' and r.time < date_trunc('hour', now()) - interval '8 days 2 hours')
      and r.energy_type in ('electrical', 'electricity', 'energy')
    group by 2, 3
    union all
    select 'production_data', date_trunc('hour', r.time), r.machine_id, count(*), sum(r.production_count)
    from public.production_data r
    where r.time >= now() - interval '9 days'
      and r.machine_id = any (array(select s.id from sample s))
      and (r.time >= date_trunc('hour', now()) - interval '3 hours' and r.time < date_trunc('hour', now()) - interval '2 hours'
           or r.time >= date_trunc('hour', now()) - interval '8 days 3 hours' and r.time < date_trunc('hour', now()) - interval '8 days 2 hours')
    group by 2, 3
    union all
    select 'environmental_data', date_trunc('hour', r.time), r.machine_id, count(*), sum(r.outdoor_temp_c)
    from public.environmental_data r
    where r.time >= now() - interval '9 days'
      and r.machine_id = any (array(select s.id from sample s))
      and (r.time >= date_trunc('hour', now()) - interval '3 hours' and r.time < date_trunc('hour', now()) - interval '2 hours'
           or r.time >= date_trunc('hour', now()) - interval '8 days 3 hours' and r.time < date_trunc('hour', now()) - interval '8 days 2 hours')
    group by 2, 3),
rolled as (
    select 'energy_readings' as fact, 'energy_readings_1min' as rollup, date_trunc('hour', r.bucket) as start, r.machine_id, sum(r.reading_count) as readings, sum(r.total_energy_kwh) as amount
    from public.energy_readings_1min r
    where r.bucket >= now() - interval '9 days'
      and r.machine_id = any (array(select s.id from sample s))
      and (r.bucket >= date_trunc('hour', now()) - interval '3 hours' and r.bucket < date_trunc('hour', now()) - interval '2 hours'
           or r.bucket >= date_trunc('hour', now()) - interval '8 days 3 hours' and r.bucket < date_trunc('hour', now()) - interval '8 days 2 hours')
    group by 3, 4
    union all
    select 'energy_readings', 'energy_readings_15min', date_trunc('hour', r.bucket), r.machine_id, sum(r.total_readings), sum(r.total_energy_kwh)
    from public.energy_readings_15min r
    where r.bucket >= now() - interval '9 days'
      and r.machine_id = any (array(select s.id from sample s))
      and (r.bucket >= date_trunc('hour', now()) - interval '3 hours' and r.bucket < date_trunc('hour', now()) - interval '2 hours'
           or r.bucket >= date_trunc('hour', now()) - interval '8 days 3 hours' and r.bucket < date_trunc('hour', now()) - interval '8 days 2 hours')
    group by 3, 4
    union all
    select 'energy_readings', 'energy_readings_1hour', date_trunc('hour', r.bucket), r.machine_id, sum(r.total_readings), sum(r.total_energy_kwh)
    from public.energy_readings_1hour r
    where r.bucket >= now() - interval '9 days'
      and r.machine_id = any (array(select s.id from sample s))
      and (r.bucket >= date_trunc('hour', now()) - interval '3 hours' and r.bucket < date_trunc('hour', now()) - interval '2 hours'
           or r.bucket >= date_trunc('hour', now()) - interval '8 days 3 hours' and r.bucket < date_trunc('hour', now()) - interval '8 days 2 hours')
    group by 3, 4
    union all
    select 'production_data', 'production_data_1min', date_trunc('hour', r.bucket), r.machine_id, sum(r.reading_count), sum(r.total_production_count)
    from public.production_data_1min r
    where r.bucket >= now() - interval '9 days'
      and r.machine_id = any (array(select s.id from sample s))
      and (r.bucket >= date_trunc('hour', now()) - interval '3 hours' and r.bucket < date_trunc('hour', now()) - interval '2 hours'
           or r.bucket >= date_trunc('hour', now()) - interval '8 days 3 hours' and r.bucket < date_trunc('hour', now()) - interval '8 days 2 hours')
    group by 3, 4
    union all
    select 'production_data', 'production_data_15min', date_trunc('hour', r.bucket), r.machine_id, sum(r.total_readings), sum(r.total_production_count)
    from public.production_data_15min r
    where r.bucket >= now() - interval '9 days'
      and r.machine_id = any (array(select s.id from sample s))
      and (r.bucket >= date_trunc('hour', now()) - interval '3 hours' and r.bucket < date_trunc('hour', now()) - interval '2 hours'
           or r.bucket >= date_trunc('hour', now()) - interval '8 days 3 hours' and r.bucket < date_trunc('hour', now()) - interval '8 days 2 hours')
    group by 3, 4
    union all
    select 'production_data', 'production_data_1hour', date_trunc('hour', r.bucket), r.machine_id, sum(r.total_readings), sum(r.total_production_count)
    from public.production_data_1hour r
    where r.bucket >= now() - interval '9 days'
      and r.machine_id = any (array(select s.id from sample s))
      and (r.bucket >= date_trunc('hour', now()) - interval '3 hours' and r.bucket < date_trunc('hour', now()) - interval '2 hours'
           or r.bucket >= date_trunc('hour', now()) - interval '8 days 3 hours' and r.bucket < date_trunc('hour', now()) - interval '8 days 2 hours')
    group by 3, 4
    union all
    select 'environmental_data', 'environmental_data_1min', date_trunc('hour', r.bucket), r.machine_id, sum(r.reading_count), sum(r.sum_outdoor_temp_c)
    from public.environmental_data_1min r
    where r.bucket >= now() - interval '9 days'
      and r.machine_id = any (array(select s.id from sample s))
      and (r.bucket >= date_trunc('hour', now()) - interval '3 hours' and r.bucket < date_trunc('hour', now()) - interval '2 hours'
           or r.bucket >= date_trunc('hour', now()) - interval '8 days 3 hours' and r.bucket < date_trunc('hour', now()) - interval '8 days 2 hours')
    group by 3, 4
    union all
    select 'environmental_data', 'environmental_data_15min', date_trunc('hour', r.bucket), r.machine_id, sum(r.total_readings), sum(r.sum_outdoor_temp_c)
    from public.environmental_data_15min r
    where r.bucket >= now() - interval '9 days'
      and r.machine_id = any (array(select s.id from sample s))
      and (r.bucket >= date_trunc('hour', now()) - interval '3 hours' and r.bucket < date_trunc('hour', now()) - interval '2 hours'
           or r.bucket >= date_trunc('hour', now()) - interval '8 days 3 hours' and r.bucket < date_trunc('hour', now()) - interval '8 days 2 hours')
    group by 3, 4
    union all
    select 'environmental_data', 'environmental_data_1hour', date_trunc('hour', r.bucket), r.machine_id, sum(r.total_readings), sum(r.sum_outdoor_temp_c)
    from public.environmental_data_1hour r
    where r.bucket >= now() - interval '9 days'
      and r.machine_id = any (array(select s.id from sample s))
      and (r.bucket >= date_trunc('hour', now()) - interval '3 hours' and r.bucket < date_trunc('hour', now()) - interval '2 hours'
           or r.bucket >= date_trunc('hour', now()) - interval '8 days 3 hours' and r.bucket < date_trunc('hour', now()) - interval '8 days 2 hours')
    group by 3, 4),
compared as (
    select r.fact, r.rollup, r.start, r.machine_id, (w.readings, w.amount) is distinct from (r.readings, r.amount) as differs
    from rolled r
    left join raw w using (fact, start, machine_id)
    union all
    -- What no level has.
    select w.fact, w.fact || '_1min', w.start, w.machine_id, true
    from raw w
    where not exists (select from rolled r where r.rollup = w.fact || '_1min' and r.start = w.start and r.machine_id = w.machine_id))
select d.rollup, d.start, count(*) filter (where d.differs) as machines, min(d.machine_id::text) filter (where d.differs) as machine
from compared d
where exists (select from raw e where e.fact = d.fact and e.start = d.start)
  and not exists (select from pending p
                  where p.fact = d.fact and p.low < extract(epoch from d.start + interval '1 hour') * 1000000
                    and p.high >= extract(epoch from d.start) * 1000000)
group by 1, 2
