-- Active machines without a reading for as long as their interval allows, a quarter of an hour at least, and what their
-- status last told. One pass over the newest hour, however many machines are silent; a machine that sends so seldom that
-- it may be silent for longer is looked for by itself.
with due as (
    select m.id, m.name, greatest(interval '15 minutes', m.data_interval_seconds * interval '10 seconds') as allowed
    from public.machines m where m.is_active),
newest as (
    select r.machine_id as id, max(r.time) as time
    from public.energy_readings r
    where r.time > now() - interval '1 hour' and r.time <= now() + interval '5 minutes'
    group by 1)
select d.name, extract(epoch from d.allowed)::float8 as allowed_seconds, s.last_reading_time as told
from due d
left join newest n using (id)
left join public.machine_status s on s.machine_id = d.id and isfinite(s.last_reading_time)
where (n.time is null or n.time < now() - d.allowed)
  and (d.allowed <= interval '1 hour'
       or not exists (select from public.energy_readings_1hour r where r.machine_id = d.id and r.bucket > now() - d.allowed - interval '1 hour'))
