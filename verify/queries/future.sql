-- Readings from clocks that run ahead.
select 'energy_readings' as name, count(*) as readings, max(time) as newest from public.energy_readings where time > now() + interval '5 minutes'
union all
select 'production_data', count(*), max(time) from public.production_data where time > now() + interval '5 minutes'
union all
select 'environmental_data', count(*), max(time) from public.environmental_data where time > now() + interval '5 minutes'
