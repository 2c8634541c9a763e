-- Readings from clocks that run ahead.
select 'energy_readings' as name, count(*) as readings, least(max(time), '9999-01-01') as newest from public.energy_readings where time > now() + interval '5 minutes'
union all
select 'production_data', count(*), least(max(time), '9999-01-01') from public.production_data where time > now() + interval '5 minutes'
union all
select 'environmental_data', count(*), least(max(time), '9999-01-01') from public.environmental_data where time > now() + interval '5 minutes'
