-- By factory: the hours of a local week that no tariff in force today prices, and the currencies. Written
-- out here, so that a fault in the schema's own functions does not hide one in the tariffs. A flat rate of the day
-- covers the week; else it is looked at by quarter-hours, as tariffs may have a zone of their own.
with tariffs as materialized (
    select e.*
    from public.energy_tariffs e
    join public.factories f on f.id = e.factory_id
    where e.is_active and e.valid_from <= (now() at time zone f.timezone)::date
      and (e.valid_to is null or e.valid_to >= (now() at time zone f.timezone)::date)),
unpriced as materialized (
    select f.id, w.slice
    from public.factories f
    cross join lateral (
        select date_trunc('week', now() at time zone f.timezone) + n * interval '15 minutes' as slice
        from generate_series(0, 671) n) w
    where not exists (select from tariffs e where e.factory_id = f.id and not e.is_time_of_use)
      and not exists (
          select from tariffs e
          cross join lateral (
              select (w.slice at time zone f.timezone) at time zone coalesce(e.timezone, f.timezone) as local) z
          where e.factory_id = f.id
            and extract(dow from z.local)::integer = any (e.applicable_days)
            and case when e.start_hour < e.end_hour
                     then extract(hour from z.local) >= e.start_hour and extract(hour from z.local) < e.end_hour
                     else extract(hour from z.local) >= e.start_hour or extract(hour from z.local) < e.end_hour end))
select f.id::text as factory, f.name,
       (select count(*) from unpriced u where u.id = f.id) as gaps,
       (select to_char(min(u.slice), 'FMDay HH24:MI') from unpriced u where u.id = f.id) as gap,
       (select array_agg(distinct t.currency::text) from tariffs t where t.factory_id = f.id) as currencies
from public.factories f
