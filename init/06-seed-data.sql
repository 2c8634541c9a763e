-- Two factories with their tariffs, seven machines, carbon factors, and the completion marker.
-- On a database that is complete already, running this file again changes nothing: what the plant has made of
-- its seed stays as it is.

\set ON_ERROR_STOP on
set client_min_messages = warning;

select not exists (select from enms.schema_version) as first_boot \gset
\if :first_boot
    insert into public.factories (id, name, location, timezone, grid_region) values
        ('11111111-1111-1111-1111-111111111111', 'Demo Manufacturing Plant', 'Silicon Valley, CA', 'America/Los_Angeles', 'US-CAMX'),
        ('22222222-2222-2222-2222-222222222222', 'European Production Facility', 'Munich, Germany', 'Europe/Berlin', 'DE')
    on conflict do nothing;

    insert into public.machines
        (id, factory_id, name, description, type, rated_power_kw, rated_voltage_v, rated_frequency_hz,
         data_interval_seconds, mqtt_topic, is_critical) values
        ('c0000000-0000-0000-0000-000000000001', '11111111-1111-1111-1111-111111111111', 'Compressor-1',
         'Compressed air supply', 'compressor', 55, 480, 60, 1, 'factory/demo/compressor-1', true),
        ('c0000000-0000-0000-0000-000000000002', '11111111-1111-1111-1111-111111111111', 'HVAC-Main',
         'Air handling of the main hall', 'hvac', 75, 480, 60, 10, 'factory/demo/hvac-main', false),
        ('c0000000-0000-0000-0000-000000000003', '11111111-1111-1111-1111-111111111111', 'Conveyor-A',
         'Assembly line conveyor', 'motor', 15, 480, 60, 10, 'factory/demo/conveyor-a', false),
        ('c0000000-0000-0000-0000-000000000004', '11111111-1111-1111-1111-111111111111', 'Hydraulic-Pump-1',
         'Hydraulic power unit', 'pump', 30, 480, 60, 30, 'factory/demo/hydraulic-pump-1', false),
        ('c0000000-0000-0000-0000-000000000005', '11111111-1111-1111-1111-111111111111', 'Injection-Molding-1',
         'Injection moulding cell', 'injection_molding', 90, 480, 60, 30, 'factory/demo/injection-molding-1', true),
        ('c0000000-0000-0000-0000-000000000006', '22222222-2222-2222-2222-222222222222', 'Compressor-EU-1',
         'Compressed air supply', 'compressor', 55, 400, 50, 1, 'factory/europe/compressor-1', true),
        ('c0000000-0000-0000-0000-000000000007', '22222222-2222-2222-2222-222222222222', 'HVAC-EU-North',
         'Air handling of the north hall', 'hvac', 60, 400, 50, 10, 'factory/europe/hvac-north', false)
    on conflict do nothing;

    insert into public.machine_status (machine_id)
    select m.id from public.machines m
    on conflict do nothing;

    -- Example rates; replace them by your own contract's. The flat rate prices every hour that no band covers.
    insert into public.energy_tariffs
        (id, factory_id, name, rate_per_kwh, currency, is_time_of_use, start_hour, end_hour, applicable_days,
         demand_charge_per_kw, valid_from) values
        ('a0000000-0000-0000-0000-000000000001', '11111111-1111-1111-1111-111111111111',
         'Base', 0.165, 'USD', false, null, null, null, 18.50, '2015-01-01'),
        ('a0000000-0000-0000-0000-000000000002', '11111111-1111-1111-1111-111111111111',
         'Peak', 0.245, 'USD', true, 16, 21, array[0, 1, 2, 3, 4, 5, 6], 18.50, '2015-01-01'),
        ('a0000000-0000-0000-0000-000000000003', '11111111-1111-1111-1111-111111111111',
         'Off-peak', 0.125, 'USD', true, 21, 9, array[0, 1, 2, 3, 4, 5, 6], 18.50, '2015-01-01'),
        ('a0000000-0000-0000-0000-000000000004', '22222222-2222-2222-2222-222222222222',
         'Grundtarif', 0.224, 'EUR', false, null, null, null, 12.40, '2015-01-01'),
        ('a0000000-0000-0000-0000-000000000005', '22222222-2222-2222-2222-222222222222',
         'Hochtarif', 0.268, 'EUR', true, 6, 22, array[1, 2, 3, 4, 5], 12.40, '2015-01-01'),
        ('a0000000-0000-0000-0000-000000000006', '22222222-2222-2222-2222-222222222222',
         'Niedertarif', 0.182, 'EUR', true, 22, 6, array[0, 1, 2, 3, 4, 5, 6], 12.40, '2015-01-01')
    on conflict do nothing;

    -- Example factors of about the right size; replace them by your supplier's or your authority's.
    insert into public.carbon_factors
        (id, region, grid_name, emission_factor_kg_co2_per_kwh, source, valid_from) values
        ('f0000000-0000-0000-0000-000000000001', 'default', 'World average', 0.475, 'Example value', '2015-01-01'),
        ('f0000000-0000-0000-0000-000000000002', 'US-CAMX', 'WECC California', 0.226, 'Example value', '2015-01-01'),
        ('f0000000-0000-0000-0000-000000000003', 'DE', 'Germany', 0.380, 'Example value', '2015-01-01')
    on conflict do nothing;
\endif

-- The completion marker stays last: it tells health check and verifier that every file ran to its end.
insert into enms.schema_version (version, spec_digest) values
    ('1.2.0', '45118add80a0321f28763b2fa7eeead3ed1ff0a9a7cb6e59a70025d795ef7289')
on conflict do nothing;
