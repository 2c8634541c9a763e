-- KPI functions and the helpers they share.
-- Running this file again changes nothing; that is also how a newer text of it is applied.
--
-- Ranges are half-open, [start, end). Each part of one is read from the coarsest rollup that has it stored whole
-- and up to date, and what none has from the raw readings, so that any range gives at any time what the raw
-- readings give: once a late reading, a correction or a deletion is committed, too. On Apache-2, where nothing is stored,
-- that is raw throughout.

\set ON_ERROR_STOP on
set client_min_messages = warning;

-- Helpers of earlier versions that take other arguments now. Views of such a version may still read them, so they get
-- another name here, and are dropped when 05 has replaced the views.
do $$
declare
    v_old text;
begin
    foreach v_old in array array[
        'enms.machine_figures(uuid, timestamptz, timestamptz, uuid, text)',
        'enms.machine_figures(uuid[], timestamptz, timestamptz, uuid, text)',
        'enms.energy_slices(uuid, timestamptz, timestamptz)',
        'enms.energy_slices(uuid, timestamptz, timestamptz, boolean)',
        'enms.production_slices(uuid, timestamptz, timestamptz)',
        'enms.production_slices(uuid, timestamptz, timestamptz, boolean)',
        'enms.range_parts(timestamptz, timestamptz)',
        'enms.range_parts(timestamptz, timestamptz, boolean)'] loop
        if to_regprocedure(v_old) is not null then
            execute format('alter function %s rename to %I', v_old, 'superseded_' || split_part(split_part(v_old, '(', 1), '.', 2));
        end if;
    end loop;
end
$$;

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
    elsif p_start_time < '0001-01-01 00:00:00+00' or p_end_time > '10000-01-01 00:00:00+00' then
        raise exception '% % is not in the years 1 to 9999',
            case when p_start_time < '0001-01-01 00:00:00+00' then 'p_start_time' else 'p_end_time' end,
            case when p_start_time < '0001-01-01 00:00:00+00' then p_start_time else p_end_time end
            using errcode = 'invalid_parameter_value', hint = 'Readings lie in those years.';
    elsif p_end_time <= p_start_time then
        raise exception 'p_end_time % is not after p_start_time %', p_end_time, p_start_time
            using errcode = 'invalid_parameter_value', hint = 'The range is half-open: [start, end), start before end.';
    end if;
end
$$;
comment on function enms.require_range(timestamptz, timestamptz) is 'Raises 22023 for a NULL, infinite, reversed or empty range, and for years before 1 or after 9999.';

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

-- What is known to be missing from the rollups' storage: changes that no refresh has begun with, and, since
-- TimescaleDB 2.22, those of a refresh that has not ended.
create or replace function enms.unfinished_refreshes()
returns table (materialization_id integer, lowest_modified_value bigint, greatest_modified_value bigint)
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select l.materialization_id, l.lowest_modified_value, l.greatest_modified_value
    from _timescaledb_catalog.continuous_aggs_materialization_invalidation_log l;
    if to_regclass('_timescaledb_catalog.continuous_aggs_materialization_ranges') is not null then
        return query
        select r.materialization_id, r.lowest_modified_value, r.greatest_modified_value
        from _timescaledb_catalog.continuous_aggs_materialization_ranges r;
    end if;
end
$$;
comment on function enms.unfinished_refreshes() is 'Ranges of rollups that a refresh has yet to fill, by the hypertable that stores the rollup; TimescaleDB''s internal times, microseconds since 1970, both ends included.';

-- What the stored rollups of a fact table hold. A rollup is fed from the one below it, so what is missing or out
-- of date there counts for it too; a change is widened to its quarter-hours.
create or replace function enms.rollup_levels(p_source text, p_start_time timestamptz, p_end_time timestamptz)
returns table (level text, width interval, stored text, watermark timestamptz, stale tstzmultirange)
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    -- Microseconds of the very first and last times don't fit.
    v_first  bigint := extract(epoch from greatest(p_start_time, '0001-01-01')) * 1000000;
    v_last   bigint := extract(epoch from least(p_end_time, '9999-12-31')) * 1000000;
    -- Older than what the refresh policies look at, raw went into the 1-minute rollups as it was written.
    v_oldest timestamptz := now() - interval '60 days';
begin
    return query
    with levels as materialized (
        select v.level, v.width, c.mat_hypertable_id as id, c.raw_hypertable_id as source_id,
               format('%I.%I', h.schema_name, h.table_name) as stored,
               _timescaledb_functions.to_timestamp(w.watermark) as watermark,
               case when v.level = 'minute' then v_oldest else '-infinity' end as oldest
        from (values ('minute', '_1min', interval '1 minute'),
                     ('quarter', '_15min', interval '15 minutes'),
                     ('hour', '_1hour', interval '1 hour'),
                     ('day', '_1day', interval '1 day')) v (level, suffix, width)
        join _timescaledb_catalog.continuous_agg c on c.user_view_schema = 'public' and c.user_view_name = p_source || v.suffix
        join _timescaledb_catalog.hypertable h on h.id = c.mat_hypertable_id
        join _timescaledb_catalog.continuous_aggs_watermark w on w.mat_hypertable_id = c.mat_hypertable_id),
    changes as (
        select l.level, l.oldest, i.lowest_modified_value as low, i.greatest_modified_value as high
        from levels l join _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log i on i.hypertable_id = l.source_id
        where i.lowest_modified_value < v_last and i.greatest_modified_value >= v_first
        union all
        select l.level, l.oldest, i.lowest_modified_value, i.greatest_modified_value
        from levels l join enms.unfinished_refreshes() i on i.materialization_id = l.id
        where i.lowest_modified_value < v_last and i.greatest_modified_value >= v_first),
    changed as (
        select c.level, range_agg(tstzrange(
                   time_bucket('15 minutes', c.low_time), time_bucket('15 minutes', c.high_time) + interval '15 minutes')) as stale
        from (select c.level,
                     greatest(_timescaledb_functions.to_timestamp(greatest(c.low, v_first)), c.oldest) as low_time,
                     _timescaledb_functions.to_timestamp(least(c.high, v_last)) as high_time
              from changes c) c
        where c.low_time <= c.high_time
        group by 1)
    select l.level, l.width, l.stored, min(l.watermark) over below,
           range_agg(coalesce(c.stale, '{}')) over below
    from levels l left join changed c on c.level = l.level
    window below as (order by l.width);
end
$$;
comment on function enms.rollup_levels(text, timestamptz, timestamptz) is 'The stored rollups of a fact table: up to where each is filled, and what of [start, end) has changed since.';

-- How a range divides: whole days, hours (to the coarsest asked for), quarter-hours and minutes that the rollups
-- have stored, raw for the rest, and the minute cut by the end of the range, which only the rollup has where raw is past retention.
create or replace function enms.range_parts(p_source text, p_start_time timestamptz, p_end_time timestamptz, p_coarsest interval)
returns table (level text, stored text, part_start timestamptz, part_end timestamptz)
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_left  tstzmultirange := tstzmultirange(tstzrange(p_start_time, p_end_time));
    v_level record;
    v_fresh tstzmultirange;
    v_part  tstzmultirange;
    v_cut   timestamptz := time_bucket('1 minute', p_end_time);
begin
    for v_level in
        select * from enms.rollup_levels(p_source, p_start_time, p_end_time) l
        where l.width <= p_coarsest
        order by l.width desc
    loop
        v_fresh := tstzmultirange(tstzrange('-infinity', v_level.watermark)) - v_level.stale;
        -- Many scattered changes would make a query of as many parts; then all between them is read as if it had changed.
        if not isempty(v_level.stale) and (select count(*) from unnest(v_level.stale)) > 8 then
            v_fresh := v_fresh - tstzmultirange(range_merge(v_level.stale));
        end if;
        v_fresh := v_left * v_fresh;
        if not isempty(v_fresh) then
            select coalesce(range_agg(tstzrange(b.first, b.last)), '{}') into v_part
            from (select time_bucket(v_level.width, lower(u) + v_level.width - interval '1 microsecond') as first,
                         time_bucket(v_level.width, upper(u)) as last
                  from unnest(v_fresh) u) b
            where b.first < b.last
              -- A few rows more of the level below cost less than planning for one more rollup.
              and (v_level.level = 'minute' or b.first + 4 * v_level.width <= b.last);
            v_left := v_left - v_part;
            return query select v_level.level, v_level.stored, lower(u), upper(u) from unnest(v_part) u;
        end if;
        exit when isempty(v_left);
        if v_level.level = 'minute' and v_cut < p_end_time and v_cut >= p_start_time and v_cut < now() - interval '60 days' then
            return query select 'cut', v_level.stored, v_cut, v_cut + v_level.width;
        end if;
    end loop;
    if not isempty(v_left) then
        return query select 'raw', null::text, lower(u), upper(u) from unnest(v_left) u;
    end if;
end
$$;
comment on function enms.range_parts(text, timestamptz, timestamptz, interval) is 'Which part of a range is read from which stored rollup, and which from raw.';

-- Electricity of machines in a range, one row per machine and hour, quarter-hour or part of one that holds a reading.
create or replace function enms.energy_slices(
    p_machine_ids uuid[], p_start_time timestamptz, p_end_time timestamptz, p_by_hour boolean)
returns table (
    machine_id uuid, slice timestamptz, energy_kwh numeric, sum_power_kw numeric, readings bigint,
    peak_kw numeric, sum_demand_kw numeric, demands bigint)
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
-- The ends of the parts are written into the query: only so are the chunks outside them left out.
set datestyle = 'ISO'
set timezone = 'UTC'
as $$
declare
    v_slices text;
    v_pieces text;
begin
    select string_agg(format(case p.level
               when 'hour' then
                   'select r.machine_id, r.bucket, r.total_energy_kwh, r.sum_power_kw, r.total_readings,
                           r.peak_demand_kw, r.sum_demand_kw, r.demand_intervals
                    from %1$s r where r.machine_id = any ($1) and r.bucket >= %2$L and r.bucket < %3$L'
               when 'quarter' then
                   'select r.machine_id, r.bucket, r.total_energy_kwh, r.sum_power_kw, r.total_readings,
                           r.peak_demand_kw, r.peak_demand_kw, 1::bigint
                    from %1$s r where r.machine_id = any ($1) and r.bucket >= %2$L and r.bucket < %3$L'
               end, p.stored, p.part_start, p.part_end), ' union all '),
           string_agg(format(case p.level
               when 'minute' then
                   'select r.machine_id, r.bucket, r.total_energy_kwh, r.sum_power_kw, r.reading_count
                    from %1$s r where r.machine_id = any ($1) and r.bucket >= %2$L and r.bucket < %3$L'
               when 'raw' then
                   'select r.machine_id, r.time, r.energy_kwh, r.power_kw, 1::bigint
                    from energy_readings r where r.machine_id = any ($1) and r.time >= %2$L and r.time < %3$L
                      and r.energy_type in (''electrical'', ''electricity'', ''energy'')'
               -- Past retention a minute can''t be divided: it counts where it begins.
               when 'cut' then
                   'select r.machine_id, r.bucket, r.total_energy_kwh, r.sum_power_kw, r.reading_count
                    from %1$s r where r.machine_id = any ($1) and r.bucket = %2$L
                      and not exists (
                          select from energy_readings e
                          where e.machine_id = r.machine_id and e.time >= %2$L and e.time < %3$L
                            and e.energy_type in (''electrical'', ''electricity'', ''energy''))'
               end, p.stored, p.part_start, p.part_end), ' union all ')
    into v_slices, v_pieces
    from enms.range_parts('energy_readings', p_start_time, p_end_time,
                          case when p_by_hour then interval '1 hour' else interval '15 minutes' end) p;
    return query execute concat_ws(' union all ', v_slices,
        'select q.machine_id, q.quarter, q.energy_kwh, q.power_kw, q.readings,
                case when q.whole then q.power_kw / q.readings end, case when q.whole then q.power_kw / q.readings end,
                q.whole::integer::bigint
         from (select p.machine_id, time_bucket(''15 minutes'', p.time) as quarter,
                      time_bucket(''15 minutes'', p.time) >= $2
                      and time_bucket(''15 minutes'', p.time) + interval ''15 minutes'' <= $3 as whole,
                      sum(p.energy_kwh) as energy_kwh, sum(p.power_kw) as power_kw, sum(p.readings)::bigint as readings
               from (' || v_pieces || ') p (machine_id, time, energy_kwh, power_kw, readings)
               group by 1, 2, 3) q')
    using p_machine_ids, p_start_time, p_end_time;
end
$$;
comment on function enms.energy_slices(uuid[], timestamptz, timestamptz, boolean) is 'Electricity per machine and hour, quarter-hour or part of one: energy kWh, sum of the power readings kW, readings; of whole quarter-hours the peak, sum and number of demands, kW.';

-- Production of machines in a range, one row per machine and day, hour, quarter-hour or part of one that holds a
-- reading. The modes of a longer row can't be shared out: each quarter-hour of it has a share of its own.
create or replace function enms.production_slices(
    p_machine_ids uuid[], p_start_time timestamptz, p_end_time timestamptz, p_coarsest interval)
returns table (
    machine_id uuid, hours numeric, units bigint, running bigint, idle bigint, downtime bigint, offline bigint, readings bigint)
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
-- As for energy_slices.
set datestyle = 'ISO'
set timezone = 'UTC'
as $$
declare
    v_slices text;
    v_pieces text;
begin
    select string_agg(format(
               'select r.machine_id, %4$s, coalesce(r.total_production_count, 0), r.running_count, r.idle_count,
                       r.maintenance_count + r.fault_count, r.offline_count, r.total_readings
                from %1$s r where r.machine_id = any ($1) and r.bucket >= %2$L and r.bucket < %3$L',
               p.stored, p.part_start, p.part_end, case p.level when 'day' then '24.0' when 'hour' then '1.0' else '0.25' end), ' union all ')
               filter (where p.level in ('day', 'hour', 'quarter')),
           string_agg(format(case p.level
               when 'minute' then
                   'select r.machine_id, r.bucket, r.total_production_count, r.running_count, r.idle_count,
                           r.maintenance_count + r.fault_count, r.offline_count, r.reading_count
                    from %1$s r where r.machine_id = any ($1) and r.bucket >= %2$L and r.bucket < %3$L'
               when 'raw' then
                   'select r.machine_id, r.time, r.production_count::bigint, (r.operating_mode = ''running'')::integer::bigint,
                           (r.operating_mode = ''idle'')::integer::bigint,
                           (r.operating_mode in (''maintenance'', ''fault''))::integer::bigint,
                           (r.operating_mode = ''offline'')::integer::bigint, 1::bigint
                    from production_data r where r.machine_id = any ($1) and r.time >= %2$L and r.time < %3$L'
               -- Past retention a minute can''t be divided: it counts where it begins.
               when 'cut' then
                   'select r.machine_id, r.bucket, r.total_production_count, r.running_count, r.idle_count,
                           r.maintenance_count + r.fault_count, r.offline_count, r.reading_count
                    from %1$s r where r.machine_id = any ($1) and r.bucket = %2$L
                      and not exists (
                          select from production_data d
                          where d.machine_id = r.machine_id and d.time >= %2$L and d.time < %3$L)'
               end, p.stored, p.part_start, p.part_end), ' union all ')
    into v_slices, v_pieces
    from enms.range_parts('production_data', p_start_time, p_end_time, p_coarsest) p;
    return query execute concat_ws(' union all ', v_slices,
        'select q.machine_id,
                extract(epoch from least(q.quarter + interval ''15 minutes'', $3) - greatest(q.quarter, $2)) / 3600,
                q.units, q.running, q.idle, q.downtime, q.offline, q.readings
         from (select p.machine_id, time_bucket(''15 minutes'', p.time) as quarter,
                      coalesce(sum(p.units), 0)::bigint as units, sum(p.running)::bigint as running, sum(p.idle)::bigint as idle,
                      sum(p.downtime)::bigint as downtime, sum(p.offline)::bigint as offline, sum(p.readings)::bigint as readings
               from (' || v_pieces || ') p (machine_id, time, units, running, idle, downtime, offline, readings)
               group by 1, 2) q')
    using p_machine_ids, p_start_time, p_end_time;
end
$$;
comment on function enms.production_slices(uuid[], timestamptz, timestamptz, interval) is 'Production per machine and day, hour (to the coarsest asked for), quarter-hour or part of one: its length h, units, readings by operating mode.';

-- Whether local hours of a factory and of its tariffs are UTC hours too: not where a zone is off by half an hour
-- or a quarter. Such offsets last for months, so a look at each week finds them.
create or replace function enms.hours_are_whole(p_factory_id uuid, p_tariff_factory_id uuid, p_start_time timestamptz, p_end_time timestamptz)
returns boolean
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    return not exists (
        select
        from (select f.timezone as zone from factories f where f.id in (p_factory_id, p_tariff_factory_id)
              union
              select t.timezone from energy_tariffs t
              where t.factory_id = p_tariff_factory_id and t.is_active and t.timezone is not null) z
        cross join (select generate_series(p_start_time, p_end_time, interval '7 days') as time
                    union all select p_end_time) w
        where extract(minute from w.time at time zone z.zone) <> extract(minute from w.time at time zone 'UTC'));
end
$$;
comment on function enms.hours_are_whole(uuid, uuid, timestamptz, timestamptz) is 'True where no zone of the factory and its tariffs is off UTC by a part of an hour in the range.';

-- From when to when there may be electricity readings of each factory, by the day; a late reading that no refresh has
-- come to yet counts.
create or replace function enms.electricity_spans() returns table (factory_id uuid, first timestamptz, last timestamptz)
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_changed timestamptz;
begin
    select lower(range_merge(l.stale)) into v_changed
    from enms.rollup_levels('energy_readings', 'epoch', now()) l
    where l.level = 'day';
    return query
    select f.id, least(d.first, v_changed), greatest(d.last, now())
    from factories f
    left join (
        select m.factory_id as id, min(r.bucket) as first, max(r.bucket) + interval '1 day' as last
        from energy_readings_1day r
        join machines m on m.id = r.machine_id
        group by 1) d on d.id = f.id
    where d.first is not null or v_changed is not null;
end
$$;
comment on function enms.electricity_spans() is 'From when to when there may be electricity readings of each factory.';

-- The newest electricity reading of each machine. Of one that fell silent it is looked for in the newest hour that the
-- hourly rollup has stored of it: raw, which is found by time, would be searched back to there.
create or replace function enms.latest_readings() returns setof public.energy_readings
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_hours   record;
    v_from    timestamptz := '-infinity';
    v_machine uuid;
    v_hour    timestamptz;
    v_latest  energy_readings;
    -- Run as text, so that each is planned for its own time, which leaves out the other chunks.
    v_newest  text := 'select * from energy_readings r
                       where r.machine_id = $1 and r.energy_type in (''electrical'', ''electricity'', ''energy'')
                         and r.time >= $2 and r.time < $3
                       order by r.time desc limit 1';
begin
    select l.stored, l.watermark, time_bucket('1 hour', least(l.watermark, lower(range_merge(l.stale)))) as fresh_until into v_hours
    from enms.rollup_levels('energy_readings', 'epoch', now()) l
    where l.level = 'hour';
    if found then
        v_from := v_hours.watermark;
    end if;
    for v_machine in select m.id from machines m loop
        execute v_newest into v_latest using v_machine, v_from, 'infinity'::timestamptz;
        if v_latest.machine_id is null and v_hours.fresh_until < v_from then
            execute v_newest into v_latest using v_machine, v_hours.fresh_until, v_from;
        end if;
        if v_latest.machine_id is null and v_hours.stored is not null then
            execute format('select r.bucket from %s r where r.machine_id = $1 and r.bucket < $2 order by r.bucket desc limit 1', v_hours.stored)
            into v_hour using v_machine, v_hours.fresh_until;
            execute v_newest into v_latest using v_machine, v_hour, v_hour + interval '1 hour';
        end if;
        if v_latest.machine_id is not null then
            return next v_latest;
        end if;
    end loop;
end
$$;
comment on function enms.latest_readings() is 'The newest electricity reading of each machine that has one within retention.';

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
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
as $$
begin
    return (
        select c.emission_factor_kg_co2_per_kwh
        from carbon_factors c
        where c.region = p_region and c.is_active
          and c.valid_from <= p_day and (c.valid_to is null or c.valid_to >= p_day)
        order by c.valid_from desc
        limit 1);
end
$$;
comment on function enms.carbon_factor_on(text, date) is 'Emission factor of a region on a local day, kg CO2 per kWh; NULL where none is valid.';

-- The quarter-hour in which a slice has its peak demand.
create or replace function enms.peak_time(p_machine_id uuid, p_slice timestamptz, p_peak_kw numeric) returns timestamptz
language plpgsql stable parallel safe strict
set search_path = pg_catalog, public, pg_temp
as $$
begin
    return (
        select min(s.slice)
        from enms.energy_slices(array[p_machine_id], p_slice, p_slice + interval '1 hour', false) s
        where round(s.peak_kw, 12) = round(p_peak_kw, 12));
end
$$;
comment on function enms.peak_time(uuid, timestamptz, numeric) is 'Start of the first quarter-hour of an hour (or of the quarter-hour itself) whose demand is the peak.';

-- Every figure of machines of one factory in a range, unrounded: what the KPI functions and the views publish.
create or replace function enms.machine_figures(
    p_machine_ids uuid[], p_start_time timestamptz, p_end_time timestamptz,
    p_factory_id uuid default null, p_region text default null, p_with_units boolean default true)
returns table (
    machine_id uuid, readings bigint, energy_kwh numeric, avg_power_kw numeric,
    peak_kw numeric, peak_slice timestamptz, mean_demand_kw numeric, load_factor numeric, units bigint,
    cost numeric, priced_kwh numeric, first_currency text, last_currency text,
    co2_kg numeric, factored_kwh numeric, coverage_percent numeric)
language plpgsql stable parallel safe
set search_path = pg_catalog, public, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_factory factories;
    v_tariffs uuid;
    v_region  text;
    v_by_hour boolean;
    v_zone    text;
    v_changes timestamp[];
begin
    select f.* into v_factory
    from machines m join factories f on f.id = m.factory_id
    where m.id = any (p_machine_ids)
    limit 1;
    if not found then
        return;
    end if;
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
        select * from enms.energy_slices(p_machine_ids, p_start_time, p_end_time, v_by_hour)),
    -- A rate depends on the hour of the local week and on which tariffs are valid, so a year of slices has few
    -- rates to look up; where tariffs keep different zones, each slice is looked up.
    slices as materialized (
        select d.slice, d.local,
               (case when v_zone = v_factory.timezone then d.local else d.slice at time zone v_factory.timezone end)::date as day,
               coalesce(date_part('epoch', d.local)::bigint / 3600 % 168, date_part('epoch', d.slice)::bigint) as hour,
               width_bucket(d.local, v_changes) as validity
        -- The fence keeps the local time from being worked out again at each place that uses it.
        from (select u.slice, u.slice at time zone v_zone as local from (select distinct s.slice from s) u offset 0) d),
    offers as materialized (
        select t as tariff, t.rate_per_kwh, t.currency, t.is_time_of_use, coalesce(t.timezone, f.timezone) as zone
        from energy_tariffs t join factories f on f.id = t.factory_id
        where t.factory_id = v_tariffs and t.is_active),
    rates as materialized (
        select r.hour, r.validity, r.rate, r.currency, dense_rank() over (order by r.rate, r.currency) as band
        from (select distinct on (h.hour, h.validity) h.hour, h.validity, o.rate_per_kwh as rate, o.currency
              from (select d.hour, d.validity, min(d.slice) as slice, min(d.local) as local from slices d group by 1, 2) h
              join offers o on enms.tariff_applies(o.tariff, coalesce(h.local, h.slice at time zone o.zone))
              order by h.hour, h.validity, o.is_time_of_use desc) r),
    factors as materialized (
        select h.day, c.factor, dense_rank() over (order by c.factor) as grade
        from (select distinct d.day from slices d) h
        cross join lateral (
            select c.emission_factor_kg_co2_per_kwh as factor
            from carbon_factors c
            where c.region = v_region and c.is_active and c.valid_from <= h.day and (c.valid_to is null or c.valid_to >= h.day)
            order by c.valid_from desc
            limit 1) c),
    -- Few rates and few factors: adding up before multiplying spares most of the arithmetic.
    parts as (
        select s.machine_id, p.band, p.grade, sum(s.readings) as readings, sum(s.energy_kwh) as kwh, sum(s.sum_power_kw) as power_kw,
               sum(s.sum_demand_kw) as demand_kw, sum(s.demands) as demands, max(s.peak_kw) as peak_kw
        from s
        join (select d.slice, r.band, f.grade
              from slices d
              left join rates r on r.hour = d.hour and r.validity is not distinct from d.validity
              left join factors f on f.day = d.day) p on p.slice = s.slice
        group by 1, 2, 3),
    totals as materialized (
        select p.machine_id, sum(p.readings)::bigint as readings, sum(p.kwh) as kwh, sum(p.power_kw) as power_kw,
               sum(p.demand_kw) / nullif(sum(p.demands), 0) as mean_kw, max(p.peak_kw) as peak_kw,
               sum(p.kwh * b.rate) as cost, sum(p.kwh) filter (where b.rate is not null) as priced_kwh,
               min(b.currency) as first_currency, max(b.currency) as last_currency,
               sum(p.kwh * g.factor) as co2_kg, sum(p.kwh) filter (where g.factor is not null) as factored_kwh
        from parts p
        left join (select distinct r.band, r.rate, r.currency from rates r) b on b.band = p.band
        left join (select distinct f.grade, f.factor from factors f) g on g.grade = p.grade
        group by 1),
    peaks as (
        select s.machine_id, min(s.slice) as slice
        -- Equal means of unequal counts are carried to unequal digits.
        from s join totals t on t.machine_id = s.machine_id and round(t.peak_kw, 12) = round(s.peak_kw, 12)
        group by 1),
    produced as (
        select p.machine_id, sum(p.units)::bigint as units
        from enms.production_slices(p_machine_ids, p_start_time, p_end_time, interval '1 day') p
        where p_with_units
        group by 1)
    select m.id, coalesce(t.readings, 0), coalesce(t.kwh, 0), t.power_kw / t.readings,
           t.peak_kw, k.slice, round(t.mean_kw, 12),
           -- Quotients end after some twenty digits; rounding here keeps exact halves exact for the last rounding.
           case when t.peak_kw > 0 then round(least(greatest(t.mean_kw / t.peak_kw, 0), 1), 12) end,
           coalesce(u.units, 0),
           coalesce(t.cost, 0), coalesce(t.priced_kwh, 0), t.first_currency::text, t.last_currency::text,
           coalesce(t.co2_kg, 0), coalesce(t.factored_kwh, 0),
           least(coalesce(t.readings, 0) * m.data_interval_seconds
                 / extract(epoch from p_end_time - p_start_time) * 100, 100)
    from machines m
    left join totals t on t.machine_id = m.id
    left join peaks k on k.machine_id = m.id
    left join produced u on u.machine_id = m.id
    where m.id = any (p_machine_ids);
end
$$;
comment on function enms.machine_figures(uuid[], timestamptz, timestamptz, uuid, text, boolean) is 'Every figure of machines of one factory in [start, end), unrounded; the KPI functions and views publish them. Units are counted where p_with_units asks for them, else 0.';

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
    from enms.machine_figures(array[p_machine_id], p_start_time, p_end_time) k
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
    select p_machine_id, round(k.peak_kw, 3), enms.peak_time(p_machine_id, k.peak_slice, k.peak_kw), round(k.avg_power_kw, 3)
    from enms.machine_figures(array[p_machine_id], p_start_time, p_end_time) k
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
    from enms.machine_figures(array[p_machine_id], p_start_time, p_end_time) k
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
    from enms.machine_figures(array[p_machine_id], p_start_time, p_end_time, p_factory_id) k;
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
        raise exception 'unknown region "%" (p_region)', left(p_region, 255)
            using errcode = 'no_data_found', hint = 'List them: select distinct region from carbon_factors.';
    end if;
    return query
    select p_machine_id, round(k.co2_kg, 3), round(k.energy_kwh, 3), round(k.co2_kg / nullif(k.factored_kwh, 0), 6),
           round(k.co2_kg / nullif(k.units, 0), 6), round(k.energy_kwh - k.factored_kwh, 3)
    from enms.machine_figures(array[p_machine_id], p_start_time, p_end_time, null, p_region) k
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
    from enms.machine_figures(array[p_machine_id], p_start_time, p_end_time) k;
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
           round(round(h.exact_running / v_total * 100, 12), 2),
           round(h.and_offline, 2) - round(h.and_downtime, 2),
           round(v_total, 2) - round(h.and_offline, 2)
    from (
        select coalesce(sum(p.hours * p.running / p.readings), 0) as exact_running,
               round(coalesce(sum(p.hours * p.running / p.readings), 0), 12) as running,
               round(coalesce(sum(p.hours * (p.running + p.idle) / p.readings), 0), 12) as and_idle,
               round(coalesce(sum(p.hours * (p.running + p.idle + p.downtime) / p.readings), 0), 12) as and_downtime,
               round(coalesce(sum(p.hours * (p.running + p.idle + p.downtime + p.offline) / p.readings), 0), 12) as and_offline
        from enms.production_slices(array[p_machine_id], p_start_time, p_end_time, interval '15 minutes') p) h;
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
           round(round(sum(k.load_factor * k.energy_kwh)
                       / nullif(sum(k.energy_kwh) filter (where k.load_factor is not null), 0), 9), 4),
           enms.require_one_currency(min(k.first_currency), max(k.last_currency)),
           round(coalesce(sum(k.energy_kwh - k.priced_kwh), 0), 3),
           round(coalesce(sum(k.energy_kwh - k.factored_kwh), 0), 3)
    from enms.machine_figures(array(select m.id from machines m where m.factory_id = p_factory_id), p_start_time, p_end_time,
                              p_with_units => false) k
    join machines m on m.id = k.machine_id;
end
$$;
comment on function public.get_factory_summary(uuid, timestamptz, timestamptz) is 'Sum of a factory''s machines in [start, end); avg_load_factor is weighted by energy. Always one row.';

-- For the v_ops views. What they ask of TimescaleDB's own views and of pg_stat_statements is asked in functions: an update
-- of the extension makes those anew, and would be stopped by a view that stands on them.

-- Tables and chunks with their sizes; a compressed chunk's are those of what it is compressed to as well.
create or replace function enms.ops_storage()
returns table (
    relation text, kind text, range_start timestamptz, range_end timestamptz, made timestamptz,
    table_bytes bigint, index_bytes bigint, toast_bytes bigint, compressed boolean, before_bytes bigint, after_bytes bigint)
language plpgsql stable
set search_path = pg_catalog, public, pg_temp
as $$
begin
    return query
    with kept as materialized (
        select format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass as stored,
               h.hypertable_name::text as relation, 'readings' as kind
        from timescaledb_information.hypertables h
        where h.hypertable_schema = 'public'
        union all
        select format('%I.%I', a.materialization_hypertable_schema, a.materialization_hypertable_name)::regclass,
               a.view_name::text, 'rollup'
        from timescaledb_information.continuous_aggregates a
        where a.view_schema = 'public'),
    chunks as materialized (
        select k.relation, k.kind, s.*
        from kept k
        cross join lateral chunks_detailed_size(k.stored) s),
    savings as materialized (
        select z.*
        from kept k
        cross join lateral chunk_compression_stats(k.stored) z)
    select c.relation, c.kind, r.range_start, r.range_end, r.chunk_creation_time,
           c.table_bytes, c.index_bytes, coalesce(c.toast_bytes, 0), r.is_compressed,
           z.before_compression_total_bytes, z.after_compression_total_bytes
    from chunks c
    join timescaledb_information.chunks r on r.chunk_schema = c.chunk_schema and r.chunk_name = c.chunk_name
    left join savings z on z.chunk_schema = c.chunk_schema and z.chunk_name = c.chunk_name and r.is_compressed
    union all
    -- Those that are not cut into chunks, and of those that are what stands above the chunks.
    select coalesce(k.relation, replace(c.relnamespace::regnamespace || '.', 'public.', '') || c.relname), coalesce(k.kind, 'table'),
           null, null, null, pg_table_size(c.oid) - t.toast, pg_indexes_size(c.oid), t.toast, false, null, null
    from pg_class c
    left join kept k on k.stored = c.oid
    cross join lateral (select coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) as toast) t
    where k.stored is not null
       or c.relkind in ('r', 'm') and c.relnamespace in ('public'::regnamespace, 'enms'::regnamespace);
end
$$;
comment on function enms.ops_storage() is 'Bytes of every table of the schemas public and enms and of the rollups, one row per chunk and one for the rest.';

-- Jobs and how they fare, by the rules of the verifier: a job may be late from when the server or, at p_begun, the database
-- was there. TimescaleDB's own, below 1000, are left out. With the owner's rights, since why a job failed and whether it runs
-- is for its owner to see.
create or replace function enms.ops_jobs(p_begun timestamptz)
returns table (
    job_id integer, kind text, target text, schedule_interval interval, acts_after interval, state text, last_status text,
    last_success timestamptz, last_run timestamptz, last_duration interval, next_start timestamptz, runs bigint, failures bigint)
language plpgsql stable
security definer
set search_path = pg_catalog, public, pg_temp
as $$
begin
    return query
    select j.job_id,
           case j.proc_name when 'policy_refresh_continuous_aggregate' then 'refresh' when 'policy_compression' then 'compression'
                            when 'policy_retention' then 'retention' else j.proc_name::text end,
           coalesce(a.view_name, j.hypertable_name)::text, j.schedule_interval,
           case when j.proc_schema::text like '\_timescaledb\_%'
                then coalesce(j.config ->> 'compress_after', j.config ->> 'drop_after')::interval end,
           case when not j.scheduled then 'off'
                -- What met a refresh by hand (lock_not_available) tries again.
                when r.status = 'Failed' and (e.sqlerrcode = '55P03' and r.success >= o.since) is not true then 'failed'
                when j.next_start > now() + j.schedule_interval + interval '10 minutes' then 'put off'
                when greatest(r.success, case when r.running then r.started end, pg_postmaster_start_time(), p_begun) < o.since then 'overdue'
                when r.running then 'running'
                when r.success is null then 'not run yet'
                else 'ok' end,
           r.status, r.success, r.started, r.duration,
           case when j.scheduled and isfinite(j.next_start) then j.next_start end, r.runs, r.failures
    from timescaledb_information.jobs j
    left join timescaledb_information.continuous_aggregates a
      on a.materialization_hypertable_schema = j.hypertable_schema and a.materialization_hypertable_name = j.hypertable_name
    -- Releases before 2.22 leave out jobs that never ran, and list one twice while it has a parallel worker.
    left join lateral (
        select max(s.last_run_status) as status, bool_or(s.job_status = 'Running') as running,
               max(nullif(s.last_successful_finish, '-infinity')) as success, max(nullif(s.last_run_started_at, '-infinity')) as started,
               max(s.last_run_duration) as duration, max(s.total_runs) as runs, max(s.total_failures) as failures
        from timescaledb_information.job_stats s
        where s.job_id = j.job_id) r on true
    left join lateral (
        select x.sqlerrcode from timescaledb_information.job_errors x
        where x.job_id = j.job_id and r.status = 'Failed' order by x.start_time desc limit 1) e on true
    cross join lateral (select now() - 3 * j.schedule_interval - interval '10 minutes' as since) o
    where j.job_id >= 1000;
end
$$;
comment on function enms.ops_jobs(timestamptz) is 'Jobs with their last success and next start; state is ok, running, not run yet, off, failed, put off or overdue.';

-- Up to when each stored rollup has what is to be in it, whether there were readings or not; a watermark tells of those with
-- readings alone. There begins what no refresh has looked at yet, which has no end, or the first of what has changed since;
-- of that, what is older than the policies look at went into the rollups as it was written.
create or replace function enms.ops_filled()
returns table (rollup text, stored text, filled timestamptz)
language plpgsql stable
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_oldest bigint := extract(epoch from now() - interval '60 days') * 1000000;
begin
    return query
    select c.user_view_name::text, format('%I.%I', h.schema_name, h.table_name),
           -- Before the years that can be reckoned with, where it never was.
           greatest(_timescaledb_functions.to_timestamp(least(coalesce(u.since, w.watermark), u.changed, i.changed)), '0001-01-02')
    from _timescaledb_catalog.continuous_agg c
    join _timescaledb_catalog.hypertable h on h.id = c.mat_hypertable_id
    left join _timescaledb_catalog.continuous_aggs_watermark w on w.mat_hypertable_id = c.mat_hypertable_id
    left join lateral (
        select min(r.lowest_modified_value) filter (where r.greatest_modified_value = 9223372036854775807) as since,
               min(greatest(r.lowest_modified_value, v_oldest)) filter (where r.greatest_modified_value >= v_oldest
                                                                        and r.greatest_modified_value < 9223372036854775807) as changed
        from enms.unfinished_refreshes() r
        where r.materialization_id = c.mat_hypertable_id) u on true
    left join lateral (
        select min(greatest(l.lowest_modified_value, v_oldest)) as changed
        from _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log l
        where l.hypertable_id = c.raw_hypertable_id and l.greatest_modified_value >= v_oldest) i on true
    where c.user_view_schema = 'public';
end
$$;
comment on function enms.ops_filled() is 'Up to when each rollup has all readings, and the hypertable that stores it; none on Apache-2.';

-- The newest reading of each active machine, of any carrier. Raw is asked from where a one-minute rollup has yet to be
-- refreshed; it is read once for all machines, in parts that grow into the past while one is missing. Those that are silent
-- for longer are asked of what the rollups have stored, by index.
create or replace function enms.ops_newest_readings()
returns table (machine_id uuid, last_reading timestamptz)
language plpgsql stable
security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_stored  text[];
    v_from    timestamptz;
    v_last    timestamptz := now() + interval '5 minutes';
    v_begin   timestamptz;
    v_end     timestamptz := v_last;
    v_span    interval := interval '15 minutes';
    v_minute  timestamptz;
    v_missing uuid[] := array(select m.id from machines m where m.is_active);
    v_ids     uuid[];
    v_times   timestamptz[];
    v_one     text;
begin
    select array_agg(l.stored), least(min(l.filled), now()) into v_stored, v_from
    from enms.ops_filled() l
    where l.rollup in ('energy_readings_1min', 'energy_by_carrier_1min');
    -- Without stored rollups a silent machine is looked for in a week of readings, and then in what its status says.
    if v_stored is null then
        v_from := now() - interval '7 days';
    end if;
    while v_end > v_from and v_missing <> '{}' loop
        v_begin := greatest(v_from, now() - v_span);
        -- Run as text, so that it is planned for its own time, which leaves out the other chunks.
        execute 'select array_agg(n.machine_id), array_agg(n.time)
                 from (select r.machine_id, max(r.time) as time from energy_readings r
                       where r.time >= $1 and r.time < $2 and r.machine_id = any ($3) group by 1) n'
        into v_ids, v_times using v_begin, v_end, v_missing;
        return query select * from unnest(v_ids, v_times);
        v_missing := array(select unnest(v_missing) except select unnest(v_ids));
        v_end := v_begin;
        v_span := 8 * v_span;
    end loop;
    foreach machine_id in array v_missing loop
        last_reading := null;
        v_minute := null;
        foreach v_one in array coalesce(v_stored, '{}') loop
            execute format('select greatest($1, (select r.bucket from %s r where r.machine_id = $2 and r.bucket <= $3
                                                 order by r.bucket desc limit 1))', v_one)
            into v_minute using v_minute, machine_id, v_last;
        end loop;
        execute 'select max(r.time) from energy_readings r where r.machine_id = $1 and r.time >= $2 and r.time < $3'
        into last_reading using machine_id, v_minute, v_minute + interval '1 minute';
        -- Past retention there is only the minute.
        last_reading := coalesce(last_reading, v_minute);
        if last_reading is null and v_stored is null then
            select s.last_reading_time into last_reading
            from machine_status s where s.machine_id = ops_newest_readings.machine_id and s.last_reading_time < v_from;
        end if;
        return next;
    end loop;
end
$$;
comment on function enms.ops_newest_readings() is 'The newest energy reading of each active machine, none of more than 5 minutes from now; NULL where there is none.';

-- Readings of other carriers than electricity by day, for eight days. Where a plant has none, their rollup stays empty, and
-- to ask it would read all of raw; so its levels are asked as they are stored, each as far as it has been refreshed, and raw
-- for what is newer.
create or replace function enms.ops_carrier_days()
returns table (day timestamptz, machine_id uuid, readings numeric)
language plpgsql stable
security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_since timestamptz := time_bucket('1 day', now()) - interval '7 days';
    v_level record;
begin
    select max(l.stored) filter (where l.rollup = 'energy_by_carrier_1hour') as hours,
           max(l.stored) filter (where l.rollup = 'energy_by_carrier_1min') as minutes,
           -- Hours are made of minutes, so that what the one lacks the other does.
           greatest(v_since, time_bucket('1 hour', min(l.filled))) as hours_end,
           greatest(v_since, min(l.filled) filter (where l.rollup = 'energy_by_carrier_1min')) as minutes_end
    into v_level
    from enms.ops_filled() l
    where l.rollup in ('energy_by_carrier_1hour', 'energy_by_carrier_1min');
    if v_level.hours is null then
        return;
    end if;
    return query execute format(
        'select time_bucket(''1 day'', r.bucket), r.machine_id, sum(r.total_readings) from %s r where r.bucket >= $1 and r.bucket < $2 group by 1, 2
         union all
         select time_bucket(''1 day'', r.bucket), r.machine_id, sum(r.reading_count) from %s r where r.bucket >= $2 and r.bucket < $3 group by 1, 2
         union all
         select time_bucket(''1 day'', r.time), r.machine_id, count(*) from energy_readings r
         where r.time >= $3 and r.energy_type not in (''electrical'', ''electricity'', ''energy'') group by 1, 2',
        v_level.hours, v_level.minutes) using v_since, v_level.hours_end, v_level.minutes_end;
end
$$;
comment on function enms.ops_carrier_days() is 'Readings of other carriers by machine and day (UTC), today and the seven days before; none on Apache-2.';

-- Statements of this database, whoever ran them. PostgreSQL takes the constants out of what reads and writes rows, mostly,
-- but not out of other statements, such as the password of an ALTER ROLE: of those only the first word is told, or what
-- a CALL or COPY is of. What is left of comments, literals and long numbers in the others goes, too: from the first quote on
-- nothing is told, and where there is a quoted name, which may look like a comment, nothing from the first comment on.
create or replace function enms.ops_statements()
returns table (
    query_id bigint, role_name text, statement text, calls bigint, total_ms double precision, mean_ms double precision,
    max_ms double precision, row_count bigint)
language plpgsql stable
security definer
set search_path = pg_catalog, public, pg_temp
as $$
begin
    return query
    select s.queryid, coalesce(r.rolname::text, 'dropped'),
           -- A comment within a comment leaves a part of it.
           case when t.text ~ '/\*|\*/' then '…'
                when t.text ~* '^[( ]*(select|insert|update|delete|merge|with|values)\M'
                then left(t.text, 1000)
                when t.text ~* '^(call|copy)\M' then regexp_replace(t.text, '[($].*$', '…')
                else concat_ws(' ', lower(substring(t.text from '^[[:alpha:]]+')), '…') end,
           s.calls, s.total_exec_time, s.mean_exec_time, s.max_exec_time, s.rows
    from pg_stat_statements s
    cross join lateral (
        select regexp_replace(s.query, case when s.query ~ '"' then '(''|\$(?!\d)|--|/\*).*$' else '(''|\$(?!\d)).*$' end, '…') as text) c
    cross join lateral (
        select regexp_replace(regexp_replace(c.text, '/\*.*?\*/', ' ', 'g'), '--[^\n]*', ' ', 'g') as text) b
    cross join lateral (
        select btrim(regexp_replace(regexp_replace(b.text, '(?<![[:alnum:]_$])\d[[:alnum:]._]{3,}', '…', 'g'), '\s+', ' ', 'g')) as text) t
    left join pg_roles r on r.oid = s.userid
    where s.dbid = (select d.oid from pg_database d where d.datname = current_database())
    order by s.total_exec_time desc
    limit 100;
end
$$;
comment on function enms.ops_statements() is 'The hundred statements of this database that took the most time, without comments, literals in quotes and numbers of four digits or more.';

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
                enms.unfinished_refreshes(),
                enms.rollup_levels(text, timestamptz, timestamptz),
                enms.range_parts(text, timestamptz, timestamptz, interval),
                enms.hours_are_whole(uuid, uuid, timestamptz, timestamptz),
                enms.electricity_spans(),
                enms.latest_readings(),
                enms.energy_slices(uuid[], timestamptz, timestamptz, boolean),
                enms.production_slices(uuid[], timestamptz, timestamptz, interval),
                enms.peak_time(uuid, timestamptz, numeric),
                enms.tariff_applies(public.energy_tariffs, timestamp),
                enms.demand_charge_at(uuid, timestamptz),
                enms.carbon_factor_on(text, date),
                enms.machine_figures(uuid[], timestamptz, timestamptz, uuid, text, boolean)
    to enms_reader;
-- A view's functions run with the caller's rights.
grant execute
    on function enms.ops_storage(), enms.ops_jobs(timestamptz), enms.ops_newest_readings(), enms.ops_carrier_days()
    to enms_reader, enms_monitor;
grant execute on function enms.ops_statements() to enms_monitor;
