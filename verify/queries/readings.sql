-- The newest reading of each active machine within two days, which is as many chunks as this may open.
select m.name, m.data_interval_seconds as every_seconds, e.time as newest
from public.machines m
left join lateral (
    select r.time from public.energy_readings r
    where r.machine_id = m.id and r.time > now() - interval '2 days' and r.time <= now() + interval '5 minutes'
    order by r.time desc limit 1) e on true
where m.is_active
