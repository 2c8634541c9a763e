-- A plant whose figures are known. It lies in the year 2100, newer than anything a rollup has stored, so that the
-- rollups answer from its readings; 05:30 local time is 00:00 UTC there. Always rolled back.
insert into public.factories (id, name, timezone, grid_region) values
    ('00000000-0000-4000-8000-00000000fac1', 'enms verify', 'Asia/Kolkata', 'enms verify');
insert into public.machines (id, factory_id, name, type, rated_power_kw, data_interval_seconds) values
    ('00000000-0000-4000-8000-00000000ac01', '00000000-0000-4000-8000-00000000fac1', 'enms verify', 'pump', 150, 300);
-- A night rate until 06:00 local time, across midnight, over a flat one.
insert into public.energy_tariffs
    (factory_id, name, rate_per_kwh, currency, is_time_of_use, start_hour, end_hour, applicable_days, valid_from) values
    ('00000000-0000-4000-8000-00000000fac1', 'flat', 0.20, 'EUR', false, null, null, null, '2000-01-01'),
    ('00000000-0000-4000-8000-00000000fac1', 'night', 0.10, 'EUR', true, 22, 6, array[0, 1, 2, 3, 4, 5, 6], '2000-01-01');
insert into public.carbon_factors (region, emission_factor_kg_co2_per_kwh, valid_from) values
    ('enms verify', 0.4, '2000-01-01');
-- Every 5 minutes of an hour 60, 120, 90 and 30 kW by quarter-hour; and gas, which no figure may count.
insert into public.energy_readings (time, machine_id, energy_type, power_kw, energy_kwh)
select timestamptz '2100-01-04 00:00+00' + n * interval '5 minutes', uuid '00000000-0000-4000-8000-00000000ac01', 'electrical', p.kw, p.kw / 12
from generate_series(0, 11) n
cross join lateral (select (array[60, 120, 90, 30])[n / 3 + 1]::numeric as kw) p
union all
select '2100-01-04 00:02+00', '00000000-0000-4000-8000-00000000ac01', 'natural_gas', 1000, 1000;
-- Half an hour of production, a quarter idle, a quarter at fault, and nothing known of the second hour.
insert into public.production_data (time, machine_id, production_count, operating_mode)
select timestamptz '2100-01-04 00:00+00' + n * interval '5 minutes', uuid '00000000-0000-4000-8000-00000000ac01',
       case when n < 6 then 10 else 0 end, (array['running', 'running', 'idle', 'fault'])[n / 3 + 1]::operating_mode
from generate_series(0, 11) n;
