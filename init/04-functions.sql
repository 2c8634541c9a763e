-- KPI functions and the helpers they share.
-- Running this file again changes nothing; that is also how a newer text of it is applied.
--
-- Ranges are half-open, [start, end). Whole hours come from the hourly rollup, quarter-hours from the 15-minute
-- rollup, the rest from the 1-minute rollup and, below a minute, from raw, so that any range gives what the raw
-- readings give.
-- Every query is planned for its own range (force_custom_plan): only then does the planner leave out the
-- chunks outside it.

\set ON_ERROR_STOP on
set client_min_messages = warning;

-- A range that every KPI accepts.
create or replace function enms.require_range(p_start_time timestamptz, p_end_time timestamptz) returns void
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_start_time is null or p_end_time is null then
        raise exception '% is NULL', case when p_start_time is null then 'p_start_time' else 'p_end_time' end
            using errcode = 'invalid_parameter_value', hint = 'Give both ends of the range.';
    elsif not isfinite(p_start_time) or not isfinite(p_end_time) then
        raise exception '% is infinite', case when isfinite(p_start_time) then 'p_end_time' else 'p_start_time' end
            using errcode = 'invalid_parameter_value', hint = 'Give a finite time.';
    elsif p_end_time <= p_start_time then
        raise exception 'p_end_time % is not after p_start_time %', p_end_time, p_start_time
            using errcode = 'invalid_parameter_value', hint = 'The range is half-open: [start, end), start before end.';
    end if;
end
$$;
comment on function enms.require_range(timestamptz, timestamptz) is 'Raises 22023 for a NULL, infinite, reversed or empty range.';

-- A machine that exists, with what the KPIs need of it.
create or replace function enms.require_machine(p_machine_id uuid) returns public.machines
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_machine machines;
begin
    if p_machine_id is null then
        raise exception 'p_machine_id is NULL'
            using errcode = 'invalid_parameter_value', hint = 'Give the id of a machine.';
    end if;
    select * into v_machine from machines m where m.id = p_machine_id;
    if not found then
        raise exception 'unknown machine % (p_machine_id)', p_machine_id
            using errcode = 'no_data_found', hint = 'List them: select id, name from machines.';
    end if;
    return v_machine;
end
$$;
comment on function enms.require_machine(uuid) is 'The machine''s row; raises 22023 for NULL and P0002 for an unknown one.';

-- A factory that exists.
create or replace function enms.require_factory(p_factory_id uuid) returns public.factories
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_factory factories;
begin
    if p_factory_id is null then
        raise exception 'p_factory_id is NULL'
            using errcode = 'invalid_parameter_value', hint = 'Give the id of a factory.';
    end if;
    select * into v_factory from factories f where f.id = p_factory_id;
    if not found then
        raise exception 'unknown factory % (p_factory_id)', p_factory_id
            using errcode = 'no_data_found', hint = 'List them: select id, name from factories.';
    end if;
    return v_factory;
end
$$;
comment on function enms.require_factory(uuid) is 'The factory''s row; raises 22023 for NULL and P0002 for an unknown one.';

-- One currency for a sum of money.
create or replace function enms.require_one_currency(p_first text, p_last text) returns varchar
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_first <> p_last then
        raise exception 'the range is priced in % and in %', p_first, p_last
            using errcode = 'invalid_parameter_value', hint = 'Ask for each currency''s part of the range by itself.';
    end if;
    return p_first;
end
$$;
comment on function enms.require_one_currency(text, text) is 'The currency; raises 22023 when a range is priced in two.';

-- How a range divides: its whole hours (where asked for), the whole quarter-hours beside them, and the parts of
-- quarter-hours at its two ends (or the one part that the whole range is), each of these again into whole
-- minutes and what is left of minutes on either side.
create or replace function enms.range_parts(p_start_time timestamptz, p_end_time timestamptz, p_by_hour boolean)
returns table (level text, part_start timestamptz, part_end timestamptz, first_minute timestamptz, last_minute timestamptz)
language plpgsql immutable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_first      timestamptz := time_bucket('15 minutes', p_start_time + interval '15 minutes' - interval '1 microsecond');
    v_last       timestamptz := time_bucket('15 minutes', p_end_time);
    v_first_hour timestamptz := time_bucket('1 hour', v_first + interval '1 hour' - interval '1 microsecond');
    v_last_hour  timestamptz := time_bucket('1 hour', v_last);
begin
    if not p_by_hour or v_first_hour >= v_last_hour then
        -- No whole hour: all quarter-hours come before an empty run of hours.
        v_first_hour := v_last;
        v_last_hour := v_last;
    end if;
    return query
    select p.level, p.part_start, p.part_end,
           time_bucket('1 minute', p.part_start + interval '1 minute' - interval '1 microsecond'),
           time_bucket('1 minute', p.part_end)
    from (values ('hour', v_first_hour, v_last_hour),
                 ('quarter', v_first, v_first_hour),
                 ('quarter', v_last_hour, v_last),
                 ('part', p_start_time, least(v_first, p_end_time)),
                 ('part', least(greatest(v_first, v_last), p_end_time), p_end_time)) p (level, part_start, part_end)
    where p.part_start < p.part_end;
end
$$;
comment on function enms.range_parts(timestamptz, timestamptz, boolean) is 'The whole hours and quarter-hours of a range and the parts of quarter-hours at its ends, with the whole minutes in each.';

-- Whether local hours of a factory and of its tariffs are UTC hours too: not where a zone is off by half an hour
-- or a quarter. Such offsets last for months, so a look at each week finds them.
create or replace function enms.hours_are_whole(p_factory_id uuid, p_tariff_factory_id uuid, p_start_time timestamptz, p_end_time timestamptz)
returns boolean
language sql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
    select not exists (
        select
        from (select f.timezone as zone from factories f where f.id in (p_factory_id, p_tariff_factory_id)
              union
              select t.timezone from energy_tariffs t
              where t.factory_id = p_tariff_factory_id and t.is_active and t.timezone is not null) z
        cross join (select generate_series(p_start_time, p_end_time, interval '7 days') as time
                    union all select p_end_time) w
        where extract(minute from w.time at time zone z.zone) <> extract(minute from w.time at time zone 'UTC'));
$$;
comment on function enms.hours_are_whole(uuid, uuid, timestamptz, timestamptz) is 'True where no zone of the factory and its tariffs is off UTC by a part of an hour in the range.';

-- Electricity of one machine in a range, one row per hour, quarter-hour or part of one that holds a reading.
create or replace function enms.energy_slices(
    p_machine_id uuid, p_start_time timestamptz, p_end_time timestamptz, p_by_hour boolean)
returns table (
    slice timestamptz, energy_kwh numeric, sum_power_kw numeric, readings bigint,
    peak_kw numeric, sum_demand_kw numeric, demands bigint)
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_part record;
    v_next timestamptz;
begin
    for v_part in select * from enms.range_parts(p_start_time, p_end_time, p_by_hour) loop
        if v_part.level = 'hour' then
            return query
            select r.bucket, r.total_energy_kwh, r.sum_power_kw, r.total_readings,
                   r.peak_demand_kw, r.sum_demand_kw, r.demand_intervals
            from energy_readings_1hour r
            where r.machine_id = p_machine_id and r.bucket >= v_part.part_start and r.bucket < v_part.part_end;
            continue;
        elsif v_part.level = 'quarter' then
            return query
            select r.bucket, r.total_energy_kwh, r.sum_power_kw, r.total_readings,
                   r.peak_demand_kw, r.peak_demand_kw, 1::bigint
            from energy_readings_15min r
            where r.machine_id = p_machine_id and r.bucket >= v_part.part_start and r.bucket < v_part.part_end;
            continue;
        end if;
        v_next := v_part.last_minute + interval '1 minute';
        return query
        select time_bucket('15 minutes', v_part.part_start), sum(p.energy_kwh), sum(p.power_kw), sum(p.readings)::bigint,
               null::numeric, null::numeric, 0::bigint
        from (
            select r.total_energy_kwh as energy_kwh, r.sum_power_kw as power_kw, r.reading_count as readings
            from energy_readings_1min r
            where r.machine_id = p_machine_id and r.bucket >= v_part.first_minute and r.bucket < v_part.last_minute
            union all
            select e.energy_kwh, e.power_kw, 1
            from energy_readings e
            where e.machine_id = p_machine_id and e.time >= v_part.part_start and e.time < least(v_part.first_minute, v_part.part_end)
              and e.energy_type in ('electrical', 'electricity', 'energy')
            union all
            select e.energy_kwh, e.power_kw, 1
            from energy_readings e
            where e.machine_id = p_machine_id and e.time >= greatest(v_part.first_minute, v_part.last_minute) and e.time < v_part.part_end
              and e.energy_type in ('electrical', 'electricity', 'energy')
            union all
            -- Past retention a minute can't be divided: it counts where it begins.
            select r.total_energy_kwh, r.sum_power_kw, r.reading_count
            from energy_readings_1min r
            where r.machine_id = p_machine_id and r.bucket = v_part.last_minute
              and r.bucket >= v_part.first_minute and r.bucket < v_part.part_end
              and not exists (
                  select from energy_readings e
                  where e.machine_id = p_machine_id
                    and e.time >= v_part.last_minute and e.time < v_next
                    and e.energy_type in ('electrical', 'electricity', 'energy'))) p
        having sum(p.readings) > 0;
    end loop;
end
$$;
comment on function enms.energy_slices(uuid, timestamptz, timestamptz, boolean) is 'Electricity per hour, quarter-hour or part of one: energy kWh, sum of the power readings kW, readings; of whole quarter-hours the peak, sum and number of demands, kW.';

-- Production of one machine in a range, one row per hour, quarter-hour or part of one that holds a reading. The
-- modes of an hour's row can't be shared out: each quarter-hour of it has a share of its own.
create or replace function enms.production_slices(
    p_machine_id uuid, p_start_time timestamptz, p_end_time timestamptz, p_by_hour boolean)
returns table (hours numeric, units bigint, running bigint, idle bigint, downtime bigint, offline bigint, readings bigint)
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_part record;
    v_next timestamptz;
begin
    for v_part in select * from enms.range_parts(p_start_time, p_end_time, p_by_hour) loop
        if v_part.level = 'hour' then
            return query
            select 1.0, coalesce(r.total_production_count, 0), r.running_count, r.idle_count,
                   r.maintenance_count + r.fault_count, r.offline_count, r.total_readings
            from production_data_1hour r
            where r.machine_id = p_machine_id and r.bucket >= v_part.part_start and r.bucket < v_part.part_end;
            continue;
        elsif v_part.level = 'quarter' then
            return query
            select 0.25, coalesce(r.total_production_count, 0), r.running_count, r.idle_count,
                   r.maintenance_count + r.fault_count, r.offline_count, r.total_readings
            from production_data_15min r
            where r.machine_id = p_machine_id and r.bucket >= v_part.part_start and r.bucket < v_part.part_end;
            continue;
        end if;
        v_next := v_part.last_minute + interval '1 minute';
        return query
        select extract(epoch from v_part.part_end - v_part.part_start) / 3600, coalesce(sum(p.units), 0)::bigint, sum(p.running)::bigint,
               sum(p.idle)::bigint, sum(p.downtime)::bigint, sum(p.offline)::bigint, sum(p.readings)::bigint
        from (
            select r.total_production_count as units, r.running_count as running, r.idle_count as idle,
                   r.maintenance_count + r.fault_count as downtime, r.offline_count as offline,
                   r.reading_count as readings
            from production_data_1min r
            where r.machine_id = p_machine_id
              and ((r.bucket >= v_part.first_minute and r.bucket < v_part.last_minute)
                   -- Past retention a minute can't be divided: it counts where it begins.
                   or (r.bucket = v_part.last_minute and r.bucket >= v_part.first_minute and r.bucket < v_part.part_end
                       and not exists (
                           select from production_data d
                           where d.machine_id = p_machine_id
                             and d.time >= v_part.last_minute and d.time < v_next)))
            union all
            select d.production_count, (d.operating_mode = 'running')::integer, (d.operating_mode = 'idle')::integer,
                   (d.operating_mode in ('maintenance', 'fault'))::integer, (d.operating_mode = 'offline')::integer, 1
            from production_data d
            where d.machine_id = p_machine_id and d.time >= v_part.part_start and d.time < least(v_part.first_minute, v_part.part_end)
            union all
            select d.production_count, (d.operating_mode = 'running')::integer, (d.operating_mode = 'idle')::integer,
                   (d.operating_mode in ('maintenance', 'fault'))::integer, (d.operating_mode = 'offline')::integer, 1
            from production_data d
            where d.machine_id = p_machine_id and d.time >= greatest(v_part.first_minute, v_part.last_minute) and d.time < v_part.part_end) p
        having sum(p.readings) > 0;
    end loop;
end
$$;
comment on function enms.production_slices(uuid, timestamptz, timestamptz, boolean) is 'Production per hour, quarter-hour or part of one: its length h, units, readings by operating mode.';

-- Whether a tariff prices a local time. Without a pinned search_path so that it is inlined into queries
-- that ask it for every quarter-hour; it names no object outside pg_catalog.
create or replace function enms.tariff_applies(p_tariff public.energy_tariffs, p_local timestamp) returns boolean
language sql immutable parallel safe
as $$
    select p_tariff.is_active
       and p_local >= p_tariff.valid_from
       and (p_tariff.valid_to is null or p_local < p_tariff.valid_to + 1)
       and (not p_tariff.is_time_of_use
            or (extract(dow from p_local)::integer = any (p_tariff.applicable_days)
                and case when p_tariff.start_hour < p_tariff.end_hour
                         then extract(hour from p_local) >= p_tariff.start_hour
                              and extract(hour from p_local) < p_tariff.end_hour
                         else extract(hour from p_local) >= p_tariff.start_hour
                              or extract(hour from p_local) < p_tariff.end_hour end));
$$;
comment on function enms.tariff_applies(public.energy_tariffs, timestamp) is 'True where the tariff is active and valid at the local time and its band covers it.';

-- The demand charge in force at an instant: that of the tariff which prices it, else of the flat one beneath.
create or replace function enms.demand_charge_at(p_factory_id uuid, p_time timestamptz) returns numeric
language sql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
    select t.demand_charge_per_kw
    from energy_tariffs t
    join factories f on f.id = t.factory_id
    where t.factory_id = p_factory_id
      and t.demand_charge_per_kw is not null
      and enms.tariff_applies(t, p_time at time zone coalesce(t.timezone, f.timezone))
    order by t.is_time_of_use desc
    limit 1;
$$;
comment on function enms.demand_charge_at(uuid, timestamptz) is 'Demand charge in force at an instant, currency per kW; NULL where no tariff has one.';

-- The emission factor of a region on a day.
create or replace function enms.carbon_factor_on(p_region text, p_day date) returns numeric
language sql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
    select c.emission_factor_kg_co2_per_kwh
    from carbon_factors c
    where c.region = p_region and c.is_active
      and c.valid_from <= p_day and (c.valid_to is null or c.valid_to >= p_day)
    order by c.valid_from desc
    limit 1;
$$;
comment on function enms.carbon_factor_on(text, date) is 'Emission factor of a region on a local day, kg CO2 per kWh; NULL where none is valid.';

-- The quarter-hour in which a slice has its peak demand.
create or replace function enms.peak_time(p_machine_id uuid, p_slice timestamptz, p_peak_kw numeric) returns timestamptz
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_end timestamptz := p_slice + interval '1 hour';
begin
    return (
        select min(r.bucket)
        from energy_readings_15min r
        where r.machine_id = p_machine_id and r.bucket >= p_slice and r.bucket < v_end and r.peak_demand_kw = p_peak_kw);
end
$$;
comment on function enms.peak_time(uuid, timestamptz, numeric) is 'Start of the first quarter-hour of an hour (or of the quarter-hour itself) whose demand is the peak.';

-- Every figure of one machine in a range, unrounded: what the KPI functions and the views publish.
create or replace function enms.machine_figures(
    p_machine_id uuid, p_start_time timestamptz, p_end_time timestamptz,
    p_factory_id uuid default null, p_region text default null)
returns table (
    readings bigint, energy_kwh numeric, avg_power_kw numeric,
    peak_kw numeric, peak_time timestamptz, mean_demand_kw numeric, load_factor numeric, units bigint,
    cost numeric, priced_kwh numeric, first_currency text, last_currency text,
    co2_kg numeric, factored_kwh numeric, coverage_percent numeric)
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_machine machines := enms.require_machine(p_machine_id);
    v_factory factories;
    v_tariffs uuid;
    v_region  text;
    v_by_hour boolean;
    v_zone    text;
    v_changes timestamp[];
begin
    select * into v_factory from factories f where f.id = v_machine.factory_id;
    v_tariffs := coalesce(p_factory_id, v_factory.id);
    v_region := coalesce(p_region, v_factory.grid_region, 'default');
    v_by_hour := enms.hours_are_whole(v_factory.id, v_tariffs, p_start_time, p_end_time);
    -- The zone of the tariffs if they share one, and the local days on which their validity begins or has ended.
    select case when min(t.zone) = max(t.zone) then min(t.zone) end,
           coalesce(array_agg(distinct t.change order by t.change) filter (where t.change is not null), '{}')
    into v_zone, v_changes
    from (select coalesce(t.timezone, f.timezone) as zone, unnest(array[t.valid_from, t.valid_to + 1])::timestamp as change
          from energy_tariffs t join factories f on f.id = t.factory_id
          where t.factory_id = v_tariffs and t.is_active) t;
    return query
    with s as materialized (
        select * from enms.energy_slices(p_machine_id, p_start_time, p_end_time, v_by_hour)),
    peak as (
        select d.peak_kw as kw, d.slice from s d where d.demands > 0 order by d.peak_kw desc, d.slice limit 1),
    zones as (
        select t as tariff, t.is_time_of_use, coalesce(t.timezone, f.timezone) as zone
        from energy_tariffs t join factories f on f.id = t.factory_id
        where t.factory_id = v_tariffs and t.is_active),
    -- A rate depends on the hour of the local week and on which tariffs are valid, so a year of slices has few
    -- rates to look up; where tariffs keep different zones, each slice is looked up.
    rate_hours as (
        select min(h.slice) as slice, sum(h.energy_kwh) as energy_kwh
        from (select s.slice, s.energy_kwh, s.slice at time zone v_zone as local from s) h
        group by coalesce(extract(epoch from h.local)::bigint / 3600 % 168, extract(epoch from h.slice)::bigint),
                 width_bucket(h.local, v_changes)),
    priced as (
        select sum(h.energy_kwh * r.rate) as cost, sum(h.energy_kwh) as kwh,
               min(r.currency) as first_currency, max(r.currency) as last_currency
        from rate_hours h
        cross join lateral (
            select (z.tariff).rate_per_kwh as rate, (z.tariff).currency as currency
            -- The fence keeps the local time from being worked out again at each place that uses it.
            from (select z.*, h.slice at time zone z.zone as local from zones z offset 0) z
            where enms.tariff_applies(z.tariff, z.local)
            order by z.is_time_of_use desc
            limit 1) r),
    by_day as (
        select (s.slice at time zone v_factory.timezone)::date as day, sum(s.energy_kwh) as kwh from s group by 1),
    factored as (
        select sum(d.kwh * d.factor) as co2_kg, sum(d.kwh) filter (where d.factor is not null) as kwh
        from (select d.kwh, enms.carbon_factor_on(v_region, d.day) as factor from by_day d) d),
    total as (
        select coalesce(sum(s.readings), 0)::bigint as readings, coalesce(sum(s.energy_kwh), 0) as kwh,
               sum(s.sum_power_kw) as power_kw, sum(s.sum_demand_kw) / nullif(sum(s.demands), 0) as mean_kw
        from s)
    select t.readings, t.kwh, t.power_kw / nullif(t.readings, 0),
           peak.kw, enms.peak_time(p_machine_id, peak.slice, peak.kw), round(t.mean_kw, 12),
           -- Quotients end after some twenty digits; rounding here keeps exact halves exact for the last rounding.
           case when peak.kw > 0 then round(least(greatest(t.mean_kw / peak.kw, 0), 1), 12) end,
           (select coalesce(sum(p.units), 0)::bigint
            from enms.production_slices(p_machine_id, p_start_time, p_end_time, true) p),
           coalesce(priced.cost, 0), coalesce(priced.kwh, 0), priced.first_currency::text, priced.last_currency::text,
           coalesce(factored.co2_kg, 0), coalesce(factored.kwh, 0),
           least(t.readings * v_machine.data_interval_seconds
                 / extract(epoch from p_end_time - p_start_time) * 100, 100)
    from total t
    cross join priced
    cross join factored
    left join peak on true;
end
$$;
comment on function enms.machine_figures(uuid, timestamptz, timestamptz, uuid, text) is 'Every figure of one machine in [start, end), unrounded; the KPI functions and views publish them.';

-- Specific energy consumption: energy per unit produced.
create or replace function public.calculate_sec(p_machine_id uuid, p_start_time timestamptz, p_end_time timestamptz)
returns table (
    machine_id uuid, sec_kwh_per_unit numeric(10,4), total_energy_kwh numeric(15,3),
    total_production_units bigint, time_period_hours numeric(10,2))
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
begin
    perform enms.require_machine(p_machine_id);
    perform enms.require_range(p_start_time, p_end_time);
    return query
    select p_machine_id, round(k.energy_kwh / nullif(k.units, 0), 4), round(k.energy_kwh, 3), k.units,
           round(extract(epoch from p_end_time - p_start_time) / 3600, 2)
    from enms.machine_figures(p_machine_id, p_start_time, p_end_time) k
    where k.readings > 0;
end
$$;
comment on function public.calculate_sec(uuid, timestamptz, timestamptz) is 'Specific energy consumption (SEC), kWh per unit, in [start, end); NULL at 0 units; no row without a reading.';

-- Peak demand: the highest mean power of a clock-aligned quarter-hour.
create or replace function public.calculate_peak_demand(p_machine_id uuid, p_start_time timestamptz, p_end_time timestamptz)
returns table (machine_id uuid, peak_demand_kw numeric(10,3), peak_time timestamptz, avg_power_kw numeric(10,3))
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
begin
    perform enms.require_machine(p_machine_id);
    perform enms.require_range(p_start_time, p_end_time);
    return query
    select p_machine_id, round(k.peak_kw, 3), k.peak_time, round(k.avg_power_kw, 3)
    from enms.machine_figures(p_machine_id, p_start_time, p_end_time) k
    where k.readings > 0;
end
$$;
comment on function public.calculate_peak_demand(uuid, timestamptz, timestamptz) is 'Peak demand, kW: highest mean power of a clock-aligned 15 minutes wholly in [start, end), and its start; NULL if there is none; no row without a reading.';

-- Load factor: mean demand / peak demand.
create or replace function public.calculate_load_factor(p_machine_id uuid, p_start_time timestamptz, p_end_time timestamptz)
returns table (
    machine_id uuid, load_factor numeric(5,4), load_factor_percent numeric(5,2),
    avg_power_kw numeric(10,3), max_power_kw numeric(10,3))
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
begin
    perform enms.require_machine(p_machine_id);
    perform enms.require_range(p_start_time, p_end_time);
    return query
    select p_machine_id, round(k.load_factor, 4), round(k.load_factor * 100, 2),
           round(k.mean_demand_kw, 3), round(k.peak_kw, 3)
    from enms.machine_figures(p_machine_id, p_start_time, p_end_time) k
    where k.readings > 0;
end
$$;
comment on function public.calculate_load_factor(uuid, timestamptz, timestamptz) is 'Load factor 0 to 1 in [start, end): mean of the 15-minute demands (avg_power_kw) / the highest (max_power_kw); no row without a reading.';

-- Energy cost at the rates in force, quarter-hour by quarter-hour.
create or replace function public.calculate_energy_cost(
    p_machine_id uuid, p_start_time timestamptz, p_end_time timestamptz, p_factory_id uuid default null)
returns table (
    machine_id uuid, total_cost numeric(15,2), total_energy_kwh numeric(15,3), avg_rate_per_kwh numeric(10,6),
    currency varchar(3), unpriced_energy_kwh numeric(15,3))
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
begin
    perform enms.require_machine(p_machine_id);
    perform enms.require_range(p_start_time, p_end_time);
    if p_factory_id is not null then
        perform enms.require_factory(p_factory_id);
    end if;
    return query
    select p_machine_id, round(k.cost, 2), round(k.energy_kwh, 3), round(k.cost / nullif(k.priced_kwh, 0), 6),
           enms.require_one_currency(k.first_currency, k.last_currency), round(k.energy_kwh - k.priced_kwh, 3)
    from enms.machine_figures(p_machine_id, p_start_time, p_end_time, p_factory_id) k;
end
$$;
comment on function public.calculate_energy_cost(uuid, timestamptz, timestamptz, uuid) is 'Energy cost in [start, end) at the tariffs of the machine''s factory, or of p_factory_id; energy that no tariff prices is reported, not priced. Always one row.';

-- CO2 from electricity at the factors valid on each day.
create or replace function public.calculate_carbon_intensity(
    p_machine_id uuid, p_start_time timestamptz, p_end_time timestamptz, p_region varchar(255) default null)
returns table (
    machine_id uuid, total_co2_kg numeric(15,3), total_energy_kwh numeric(15,3), emission_factor numeric(10,6),
    co2_per_unit_kg numeric(10,6), unfactored_energy_kwh numeric(15,3))
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
begin
    perform enms.require_machine(p_machine_id);
    perform enms.require_range(p_start_time, p_end_time);
    if p_region is not null and not exists (select from carbon_factors c where c.region = p_region) then
        raise exception 'unknown region "%" (p_region)', p_region
            using errcode = 'no_data_found', hint = 'List them: select distinct region from carbon_factors.';
    end if;
    return query
    select p_machine_id, round(k.co2_kg, 3), round(k.energy_kwh, 3), round(k.co2_kg / nullif(k.factored_kwh, 0), 6),
           round(k.co2_kg / nullif(k.units, 0), 6), round(k.energy_kwh - k.factored_kwh, 3)
    from enms.machine_figures(p_machine_id, p_start_time, p_end_time, null, p_region) k
    where k.readings > 0;
end
$$;
comment on function public.calculate_carbon_intensity(uuid, timestamptz, timestamptz, varchar) is 'CO2, kg, in [start, end) by region: p_region, else the factory''s grid_region, else default; energy without a factor is reported; no row without a reading.';

-- All KPIs of one machine in one row.
create or replace function public.calculate_all_kpis(p_machine_id uuid, p_start_time timestamptz, p_end_time timestamptz)
returns table (
    machine_id uuid, machine_name varchar(255), time_period_hours numeric(10,2), total_energy_kwh numeric(15,3),
    avg_power_kw numeric(10,3), peak_demand_kw numeric(10,3), total_production_units bigint,
    sec_kwh_per_unit numeric(10,4), load_factor numeric(5,4), load_factor_percent numeric(5,2),
    total_cost numeric(15,2), cost_per_unit numeric(10,4), total_co2_kg numeric(15,3), co2_per_unit_kg numeric(10,6),
    currency varchar(3), unpriced_energy_kwh numeric(15,3), unfactored_energy_kwh numeric(15,3),
    data_coverage_percent numeric(5,2))
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_machine machines := enms.require_machine(p_machine_id);
begin
    perform enms.require_range(p_start_time, p_end_time);
    return query
    select v_machine.id, v_machine.name,
           case when k.readings > 0 then round(extract(epoch from p_end_time - p_start_time) / 3600, 2) else 0.00 end,
           round(k.energy_kwh, 3), round(coalesce(k.avg_power_kw, 0), 3), round(k.peak_kw, 3), k.units,
           round(k.energy_kwh / nullif(k.units, 0), 4), round(k.load_factor, 4), round(k.load_factor * 100, 2),
           round(k.cost, 2), round(k.cost / nullif(k.units, 0), 4),
           round(k.co2_kg, 3), round(k.co2_kg / nullif(k.units, 0), 6),
           enms.require_one_currency(k.first_currency, k.last_currency),
           round(k.energy_kwh - k.priced_kwh, 3), round(k.energy_kwh - k.factored_kwh, 3),
           round(k.coverage_percent, 2)
    from enms.machine_figures(p_machine_id, p_start_time, p_end_time) k;
end
$$;
comment on function public.calculate_all_kpis(uuid, timestamptz, timestamptz) is 'All KPIs of a machine in [start, end); each defined as in the function of its own. Always one row; data_coverage_percent is readings present / expected.';

-- Operating hours by mode.
create or replace function public.get_machine_operating_hours(p_machine_id uuid, p_start_time timestamptz, p_end_time timestamptz)
returns table (
    machine_id uuid, total_hours numeric(10,2), running_hours numeric(10,2), idle_hours numeric(10,2),
    downtime_hours numeric(10,2), utilization_percent numeric(5,2), offline_hours numeric(10,2), unknown_hours numeric(10,2))
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_total numeric;
begin
    perform enms.require_machine(p_machine_id);
    perform enms.require_range(p_start_time, p_end_time);
    v_total := extract(epoch from p_end_time - p_start_time) / 3600;
    -- Each published figure is the step of a rounded running total, so that the parts add up to the whole. Shares
    -- such as thirds end after some twenty digits; rounding them first keeps exact halves exact.
    return query
    select p_machine_id, round(v_total, 2), round(h.running, 2),
           round(h.and_idle, 2) - round(h.running, 2),
           round(h.and_downtime, 2) - round(h.and_idle, 2),
           round(h.running / v_total * 100, 2),
           round(h.and_offline, 2) - round(h.and_downtime, 2),
           round(v_total, 2) - round(h.and_offline, 2)
    from (
        select round(coalesce(sum(p.hours * p.running / p.readings), 0), 12) as running,
               round(coalesce(sum(p.hours * (p.running + p.idle) / p.readings), 0), 12) as and_idle,
               round(coalesce(sum(p.hours * (p.running + p.idle + p.downtime) / p.readings), 0), 12) as and_downtime,
               round(coalesce(sum(p.hours * (p.running + p.idle + p.downtime + p.offline) / p.readings), 0), 12) as and_offline
        from enms.production_slices(p_machine_id, p_start_time, p_end_time, false) p) h;
end
$$;
comment on function public.get_machine_operating_hours(uuid, timestamptz, timestamptz) is 'Hours by operating mode in [start, end): each quarter-hour is shared among the modes of its readings, unknown without one; the parts add up to total_hours. Always one row.';

-- Sum of a factory's machines.
create or replace function public.get_factory_summary(p_factory_id uuid, p_start_time timestamptz, p_end_time timestamptz)
returns table (
    factory_id uuid, factory_name varchar(255), machine_count bigint, active_machines bigint,
    total_energy_kwh numeric(15,3), total_cost numeric(15,2), total_co2_kg numeric(15,3), avg_load_factor numeric(5,4),
    currency varchar(3), unpriced_energy_kwh numeric(15,3), unfactored_energy_kwh numeric(15,3))
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_factory factories := enms.require_factory(p_factory_id);
begin
    perform enms.require_range(p_start_time, p_end_time);
    return query
    select v_factory.id, v_factory.name, count(*), count(*) filter (where m.is_active),
           round(coalesce(sum(k.energy_kwh), 0), 3), round(coalesce(sum(k.cost), 0), 2),
           round(coalesce(sum(k.co2_kg), 0), 3),
           round(sum(k.load_factor * k.energy_kwh)
                 / nullif(sum(k.energy_kwh) filter (where k.load_factor is not null), 0), 4),
           enms.require_one_currency(min(k.first_currency), max(k.last_currency)),
           round(coalesce(sum(k.energy_kwh - k.priced_kwh), 0), 3),
           round(coalesce(sum(k.energy_kwh - k.factored_kwh), 0), 3)
    from machines m
    cross join lateral enms.machine_figures(m.id, p_start_time, p_end_time) k
    where m.factory_id = p_factory_id;
end
$$;
comment on function public.get_factory_summary(uuid, timestamptz, timestamptz) is 'Sum of a factory''s machines in [start, end); avg_load_factor is weighted by energy. Always one row.';

revoke all on all functions in schema enms from public;
revoke all
    on function public.calculate_sec(uuid, timestamptz, timestamptz),
                public.calculate_peak_demand(uuid, timestamptz, timestamptz),
                public.calculate_load_factor(uuid, timestamptz, timestamptz),
                public.calculate_energy_cost(uuid, timestamptz, timestamptz, uuid),
                public.calculate_carbon_intensity(uuid, timestamptz, timestamptz, varchar),
                public.calculate_all_kpis(uuid, timestamptz, timestamptz),
                public.get_machine_operating_hours(uuid, timestamptz, timestamptz),
                public.get_factory_summary(uuid, timestamptz, timestamptz)
    from public;
grant execute
    on function public.calculate_sec(uuid, timestamptz, timestamptz),
                public.calculate_peak_demand(uuid, timestamptz, timestamptz),
                public.calculate_load_factor(uuid, timestamptz, timestamptz),
                public.calculate_energy_cost(uuid, timestamptz, timestamptz, uuid),
                public.calculate_carbon_intensity(uuid, timestamptz, timestamptz, varchar),
                public.calculate_all_kpis(uuid, timestamptz, timestamptz),
                public.get_machine_operating_hours(uuid, timestamptz, timestamptz),
                public.get_factory_summary(uuid, timestamptz, timestamptz),
                enms.require_range(timestamptz, timestamptz),
                enms.require_machine(uuid),
                enms.require_factory(uuid),
                enms.require_one_currency(text, text),
                enms.range_parts(timestamptz, timestamptz, boolean),
                enms.hours_are_whole(uuid, uuid, timestamptz, timestamptz),
                enms.energy_slices(uuid, timestamptz, timestamptz, boolean),
                enms.production_slices(uuid, timestamptz, timestamptz, boolean),
                enms.peak_time(uuid, timestamptz, numeric),
                enms.tariff_applies(public.energy_tariffs, timestamp),
                enms.demand_charge_at(uuid, timestamptz),
                enms.carbon_factor_on(text, date),
                enms.machine_figures(uuid, timestamptz, timestamptz, uuid, text)
    to enms_reader;
