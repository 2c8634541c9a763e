-- By factory: the hours of a local week that no tariff in force today prices, and the currencies. Written
-- out here, so that a fault in the schema's own functions does not hide one in the tariffs.
select f.id::text as factory, f.name,
       count(*) filter (where t.priced is null) as gaps,
       to_char(min(w.slice) filter (where t.priced is null), 'FMDay HH24:MI') as gap,
       (select array_agg(distinct c.currency::text) from public.energy_tariffs c
        where c.factory_id = f.id and c.is_active and c.valid_from <= current_date
          and (c.valid_to is null or c.valid_to >= current_date)) as currencies
from public.factories f
cross join lateral (
    select date_trunc('week', now() at time zone f.timezone) + n * interval '15 minutes' as slice
    from generate_series(0, 671) n) w
left join lateral (
    select true as priced
    from public.energy_tariffs e
    cross join lateral (
        select (w.slice at time zone f.timezone) at time zone coalesce(e.timezone, f.timezone) as local) z
    where e.factory_id = f.id and e.is_active
      and e.valid_from <= (now() at time zone f.timezone)::date
      and (e.valid_to is null or e.valid_to >= (now() at time zone f.timezone)::date)
      and (not e.is_time_of_use
           or (extract(dow from z.local)::integer = any (e.applicable_days)
               and case when e.start_hour < e.end_hour
                        then extract(hour from z.local) >= e.start_hour and extract(hour from z.local) < e.end_hour
                        else extract(hour from z.local) >= e.start_hour or extract(hour from z.local) < e.end_hour end))
    limit 1) t on true
group by f.id, f.name
