-- Enums, tables, keys, checks, triggers and group roles.
-- Running this file again changes nothing.

\set ON_ERROR_STOP on
set client_min_messages = warning;
-- On a busy database a trigger is replaced when its table is free for a moment, or this file stops and is run again.
select set_config('lock_timeout', '10s', false) where current_setting('lock_timeout') = '0' \g /dev/null

-- Helpers and bookkeeping live apart from the objects that clients name.
create schema if not exists enms;
comment on schema enms is 'Internals of the EnMS schema: helper functions and the completion marker. Clients use schema public.';

-- Group roles without login; a service's own login role is granted one of them.
do $$
begin
    if not exists (select from pg_roles where rolname = 'enms_ingest') then
        create role enms_ingest nologin;
    end if;
    if not exists (select from pg_roles where rolname = 'enms_reader') then
        create role enms_reader nologin;
    end if;
    if not exists (select from pg_roles where rolname = 'enms_monitor') then
        create role enms_monitor nologin;
    end if;
exception
    -- Roles belong to the whole server: another database's boot may have just made them.
    when duplicate_object or unique_violation then null;
end
$$;
comment on role enms_ingest is 'Writes readings and machine status, reads machines and factories.';
comment on role enms_reader is 'Reads every table, rollup and view and calls the KPI functions.';
comment on role enms_monitor is 'Reads the views v_ops_*: names of machines, factories, tables, jobs and roles, texts of statements, counts, sizes and ages; no readings, prices or users.';

-- Enums. Their order is used: alerts sort by severity, machine types by the list below.
do $$
begin
    if to_regtype('public.machine_type') is null then
        create type public.machine_type as enum
            ('compressor', 'hvac', 'motor', 'pump', 'injection_molding', 'conveyor', 'boiler', 'other');
    end if;
    if to_regtype('public.alert_level') is null then
        create type public.alert_level as enum ('normal', 'warning', 'critical');
    end if;
    if to_regtype('public.operating_mode') is null then
        create type public.operating_mode as enum ('idle', 'running', 'maintenance', 'fault', 'offline');
    end if;
end
$$;
comment on type public.machine_type is 'Kind of machine, a significant energy user (SEU).';
comment on type public.alert_level is 'Severity, in ascending order.';
comment on type public.operating_mode is 'State of a machine at a reading; maintenance and fault count as downtime.';

-- True for a zone name of the server's time zone data; PostgreSQL alone would also take POSIX strings such as FOO5.
-- Some names in that data are no place's time: the machine's own setting, and zones that count leap seconds.
create or replace function enms.is_timezone(p_name text) returns boolean
language sql stable parallel safe strict
set search_path = pg_catalog, pg_temp
as $$
    select exists (select from pg_timezone_names where name = p_name)
       and p_name !~ '^(posix|right)/'
       and p_name not in ('localtime', 'posixrules', 'Factory');
$$;
comment on function enms.is_timezone(text) is 'True for a known time zone name such as Europe/Berlin.';

-- Times and days lie in the years 1 to 9999 throughout: what Python's clients can read, and what sums of days and
-- hours can't overflow on.

-- Sites whose energy is managed.
create table if not exists public.factories (
    id            uuid         not null default uuid_generate_v4(),
    name          varchar(255) not null,
    location      varchar(255),
    address       text,
    timezone      varchar(50)  not null default 'UTC',
    contact_email varchar(255),
    contact_phone varchar(50),
    created_at    timestamptz  not null default now(),
    updated_at    timestamptz  not null default now(),
    is_active     boolean      not null default true,
    metadata      jsonb        default '{}'::jsonb,
    grid_region   varchar(255),
    constraint factories_pkey primary key (id),
    constraint factories_name_unique unique (name),
    constraint factories_name_not_empty check (name ~ '[^[:space:]]'),
    constraint factories_timezone_known check (enms.is_timezone(timezone)),
    constraint factories_grid_region_not_empty check (grid_region ~ '[^[:space:]]'),
    constraint factories_created_at_range check (created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00'),
    constraint factories_updated_at_range check (updated_at >= '0001-01-01 00:00:00+00' and updated_at < '10000-01-01 00:00:00+00')
);
comment on table public.factories is 'Sites whose energy is managed.';
comment on column public.factories.timezone is 'Zone name; today, this week, this month and carbon factor days begin at its local midnight.';
comment on column public.factories.grid_region is 'Region of carbon_factors for the electricity bought here; NULL takes the region default.';
comment on column public.factories.is_active is 'False retires the factory and keeps its records.';
comment on column public.factories.metadata is 'Free facts about the site.';
comment on column public.factories.id is 'Primary key.';
comment on column public.factories.name is 'Name.';
comment on column public.factories.location is 'Town and country.';
comment on column public.factories.address is 'Postal address.';
comment on column public.factories.contact_email is 'E-mail address.';
comment on column public.factories.contact_phone is 'Telephone.';
comment on column public.factories.created_at is 'When the row was made.';
comment on column public.factories.updated_at is 'When the row last changed.';

-- Machines: the significant energy users (SEU) that readings belong to.
create table if not exists public.machines (
    id                    uuid          not null default uuid_generate_v4(),
    factory_id            uuid          not null,
    name                  varchar(255)  not null,
    description           text,
    type                  machine_type  not null,
    manufacturer          varchar(255),
    model                 varchar(255),
    serial_number         varchar(255),
    installation_date     date,
    rated_power_kw        numeric(10,2) not null,
    rated_voltage_v       numeric(10,2),
    rated_current_a       numeric(10,2),
    rated_frequency_hz    numeric(5,2)  default 50.0,
    location_in_factory   varchar(255),
    data_interval_seconds integer       not null default 10,
    mqtt_topic            varchar(255),
    is_active             boolean       not null default true,
    is_critical           boolean       not null default false,
    created_at            timestamptz   not null default now(),
    updated_at            timestamptz   not null default now(),
    metadata              jsonb         default '{}'::jsonb,
    constraint machines_pkey primary key (id),
    constraint machines_factory_name_unique unique (factory_id, name),
    constraint machines_factory_fkey foreign key (factory_id) references public.factories (id) on delete cascade,
    constraint machines_name_not_empty check (name ~ '[^[:space:]]'),
    constraint machines_rated_power_not_negative check (rated_power_kw >= 0 and rated_power_kw < 'NaN'),
    constraint machines_rated_voltage_not_negative check (rated_voltage_v >= 0 and rated_voltage_v < 'NaN'),
    constraint machines_rated_current_not_negative check (rated_current_a >= 0 and rated_current_a < 'NaN'),
    constraint machines_rated_frequency_not_negative check (rated_frequency_hz >= 0 and rated_frequency_hz < 'NaN'),
    constraint machines_data_interval_positive check (data_interval_seconds > 0),
    constraint machines_installation_date_range check (installation_date >= '0001-01-01' and installation_date <= '9999-12-31'),
    constraint machines_created_at_range check (created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00'),
    constraint machines_updated_at_range check (updated_at >= '0001-01-01 00:00:00+00' and updated_at < '10000-01-01 00:00:00+00')
);
comment on table public.machines is 'Machines, the significant energy users (SEU) that readings belong to.';
comment on column public.machines.rated_power_kw is 'Rated power, kW.';
comment on column public.machines.rated_voltage_v is 'Rated voltage, V.';
comment on column public.machines.rated_current_a is 'Rated current, A.';
comment on column public.machines.rated_frequency_hz is 'Rated frequency, Hz.';
comment on column public.machines.data_interval_seconds is 'Expected time between readings, s; data coverage is counted against it.';
comment on column public.machines.mqtt_topic is 'Topic prefix that the machine publishes under.';
comment on column public.machines.is_active is 'False retires the machine and keeps its readings.';
comment on column public.machines.id is 'Primary key.';
comment on column public.machines.factory_id is 'factories.id.';
comment on column public.machines.name is 'Name.';
comment on column public.machines.description is 'Free text.';
comment on column public.machines.type is 'Kind of machine.';
comment on column public.machines.manufacturer is 'Maker.';
comment on column public.machines.model is 'Maker''s model.';
comment on column public.machines.serial_number is 'Serial number.';
comment on column public.machines.installation_date is 'Day of installation.';
comment on column public.machines.location_in_factory is 'Where in the factory.';
comment on column public.machines.is_critical is 'True for a machine that production can''t do without.';
comment on column public.machines.created_at is 'When the row was made.';
comment on column public.machines.updated_at is 'When the row last changed.';
comment on column public.machines.metadata is 'Free facts.';

-- Energy readings, one per machine, instant and energy type.
-- Machines are guarded by a statement trigger, not a foreign key, which would halve the ingest rate. The key has
-- the time first: readings come in the order of time, so its index grows at one end, full and half the size that
-- it would have machine by machine, and a refresh finds its minutes in it.
create table if not exists public.energy_readings (
    time                timestamptz    not null,
    machine_id          uuid           not null,
    energy_type         varchar(50)    not null default 'electrical',
    power_kw            numeric(10,3)  not null,
    energy_kwh          numeric(12,6)  not null default 0,
    voltage_v           numeric(10,2),
    current_a           numeric(10,2),
    power_factor        numeric(5,4),
    frequency_hz        numeric(6,3),
    thd_voltage_percent numeric(6,3),
    thd_current_percent numeric(6,3),
    voltage_l1_v        numeric(10,2),
    voltage_l2_v        numeric(10,2),
    voltage_l3_v        numeric(10,2),
    current_l1_a        numeric(10,2),
    current_l2_a        numeric(10,2),
    current_l3_a        numeric(10,2),
    is_estimated        boolean        default false,
    quality_score       numeric(3,2)   default 1.0,
    source              varchar(50)    default 'sensor',
    metadata            jsonb          default '{}'::jsonb,
    constraint energy_readings_machine_time_type_unique unique (time, machine_id, energy_type),
    constraint energy_readings_time_range check (time >= '0001-01-01 00:00:00+00' and time < '10000-01-01 00:00:00+00'),
    constraint energy_readings_energy_type_not_empty check (btrim(energy_type) <> ''),
    constraint energy_readings_power_is_number check (power_kw < 'NaN'),
    constraint energy_readings_energy_not_negative check (energy_kwh >= 0 and energy_kwh < 'NaN'),
    constraint energy_readings_voltage_not_negative check (voltage_v >= 0 and voltage_v < 'NaN'),
    constraint energy_readings_current_is_number check (current_a < 'NaN'),
    constraint energy_readings_power_factor_range check (power_factor between -1 and 1),
    constraint energy_readings_frequency_not_negative check (frequency_hz >= 0 and frequency_hz < 'NaN'),
    constraint energy_readings_thd_voltage_is_number check (thd_voltage_percent < 'NaN'),
    constraint energy_readings_thd_current_is_number check (thd_current_percent < 'NaN'),
    constraint energy_readings_voltage_l1_not_negative check (voltage_l1_v >= 0 and voltage_l1_v < 'NaN'),
    constraint energy_readings_voltage_l2_not_negative check (voltage_l2_v >= 0 and voltage_l2_v < 'NaN'),
    constraint energy_readings_voltage_l3_not_negative check (voltage_l3_v >= 0 and voltage_l3_v < 'NaN'),
    constraint energy_readings_current_l1_is_number check (current_l1_a < 'NaN'),
    constraint energy_readings_current_l2_is_number check (current_l2_a < 'NaN'),
    constraint energy_readings_current_l3_is_number check (current_l3_a < 'NaN'),
    constraint energy_readings_quality_score_range check (quality_score between 0 and 1)
);
comment on table public.energy_readings is 'Raw energy readings; kept 90 days, then in the rollups only.';
comment on column public.energy_readings.time is 'Instant of the reading; a text without offset is taken as UTC.';
comment on column public.energy_readings.machine_id is 'machines.id; an unknown machine is refused by a trigger.';
comment on column public.energy_readings.energy_type is 'electrical, electricity and energy are electricity; anything else (natural_gas, steam, ...) is another carrier.';
comment on column public.energy_readings.power_kw is 'Power at the reading, kW; negative is feed-in.';
comment on column public.energy_readings.energy_kwh is 'Energy since the reading before, kWh: an increment, not a meter register.';
comment on column public.energy_readings.voltage_v is 'Voltage, V.';
comment on column public.energy_readings.current_a is 'Current, A.';
comment on column public.energy_readings.power_factor is 'Power factor, -1 to 1.';
comment on column public.energy_readings.frequency_hz is 'Frequency, Hz.';
comment on column public.energy_readings.thd_voltage_percent is 'Total harmonic distortion of the voltage, %.';
comment on column public.energy_readings.thd_current_percent is 'Total harmonic distortion of the current, %.';
comment on column public.energy_readings.voltage_l1_v is 'Voltage of phase 1, V.';
comment on column public.energy_readings.voltage_l2_v is 'Voltage of phase 2, V.';
comment on column public.energy_readings.voltage_l3_v is 'Voltage of phase 3, V.';
comment on column public.energy_readings.current_l1_a is 'Current of phase 1, A.';
comment on column public.energy_readings.current_l2_a is 'Current of phase 2, A.';
comment on column public.energy_readings.current_l3_a is 'Current of phase 3, A.';
comment on column public.energy_readings.is_estimated is 'True for a value that was not measured.';
comment on column public.energy_readings.quality_score is 'Trust in the reading, 0 to 1.';
comment on column public.energy_readings.source is 'What delivered the reading, for example sensor or mqtt.';
comment on column public.energy_readings.metadata is 'Native quantities of other carriers, for example consumption_m3.';

-- Production readings, one per machine and instant.
create table if not exists public.production_data (
    time                      timestamptz    not null,
    machine_id                uuid           not null,
    production_count          integer        default 0,
    production_count_good     integer        default 0,
    production_count_bad      integer        default 0,
    throughput_units_per_hour numeric(10,2),
    operating_mode            operating_mode default 'idle',
    recipe_id                 varchar(100),
    batch_id                  varchar(100),
    product_id                varchar(100),
    speed_percent             numeric(5,2),
    target_speed_percent      numeric(5,2),
    quality_score             numeric(5,2),
    downtime_seconds          integer        default 0,
    downtime_reason           varchar(255),
    operator_id               varchar(100),
    shift                     varchar(50),
    metadata                  jsonb          default '{}'::jsonb,
    constraint production_data_machine_time_unique unique (time, machine_id),
    constraint production_data_time_range check (time >= '0001-01-01 00:00:00+00' and time < '10000-01-01 00:00:00+00'),
    constraint production_data_count_not_negative check (production_count >= 0),
    constraint production_data_good_not_negative check (production_count_good >= 0),
    constraint production_data_bad_not_negative check (production_count_bad >= 0),
    constraint production_data_good_and_bad_within_count
        check (production_count_good::bigint + production_count_bad <= production_count),
    constraint production_data_throughput_is_number check (throughput_units_per_hour < 'NaN'),
    constraint production_data_speed_is_number check (speed_percent < 'NaN'),
    constraint production_data_target_speed_is_number check (target_speed_percent < 'NaN'),
    constraint production_data_quality_score_range check (quality_score between 0 and 100),
    constraint production_data_downtime_not_negative check (downtime_seconds >= 0)
);
comment on table public.production_data is 'Raw production readings; kept 90 days, then in the rollups only.';
comment on column public.production_data.time is 'Instant of the reading; a text without offset is taken as UTC.';
comment on column public.production_data.machine_id is 'machines.id; an unknown machine is refused by a trigger.';
comment on column public.production_data.production_count is 'Units since the reading before.';
comment on column public.production_data.production_count_good is 'Good units since the reading before.';
comment on column public.production_data.production_count_bad is 'Rejected units since the reading before.';
comment on column public.production_data.throughput_units_per_hour is 'Throughput, units per hour.';
comment on column public.production_data.operating_mode is 'State of the machine; operating hours are counted from it.';
comment on column public.production_data.speed_percent is 'Speed, % of nominal.';
comment on column public.production_data.target_speed_percent is 'Set speed, % of nominal.';
comment on column public.production_data.quality_score is 'Quality, 0 to 100 %.';
comment on column public.production_data.downtime_seconds is 'Downtime since the reading before, s.';
comment on column public.production_data.recipe_id is 'Recipe.';
comment on column public.production_data.batch_id is 'Batch.';
comment on column public.production_data.product_id is 'Product.';
comment on column public.production_data.downtime_reason is 'Reason of the downtime.';
comment on column public.production_data.operator_id is 'Operator.';
comment on column public.production_data.shift is 'Shift.';
comment on column public.production_data.metadata is 'Free facts.';

-- Environmental readings, one per machine and instant.
create table if not exists public.environmental_data (
    time                        timestamptz not null,
    machine_id                  uuid        not null,
    outdoor_temp_c              numeric(5,2),
    indoor_temp_c               numeric(5,2),
    machine_temp_c              numeric(5,2),
    outdoor_humidity_percent    numeric(5,2),
    indoor_humidity_percent     numeric(5,2),
    pressure_bar                numeric(10,3),
    pressure_setpoint_bar       numeric(10,3),
    flow_rate_m3h               numeric(10,3),
    supply_air_temp_c           numeric(5,2),
    return_air_temp_c           numeric(5,2),
    chilled_water_supply_temp_c numeric(5,2),
    chilled_water_return_temp_c numeric(5,2),
    cop                         numeric(5,2),
    vibration_mm_s              numeric(8,4),
    metadata                    jsonb       default '{}'::jsonb,
    constraint environmental_data_machine_time_unique unique (time, machine_id),
    constraint environmental_data_time_range check (time >= '0001-01-01 00:00:00+00' and time < '10000-01-01 00:00:00+00'),
    constraint environmental_data_outdoor_temp_is_number check (outdoor_temp_c < 'NaN'),
    constraint environmental_data_indoor_temp_is_number check (indoor_temp_c < 'NaN'),
    constraint environmental_data_machine_temp_is_number check (machine_temp_c < 'NaN'),
    constraint environmental_data_outdoor_humidity_range check (outdoor_humidity_percent between 0 and 100),
    constraint environmental_data_indoor_humidity_range check (indoor_humidity_percent between 0 and 100),
    constraint environmental_data_pressure_is_number check (pressure_bar < 'NaN'),
    constraint environmental_data_pressure_setpoint_is_number check (pressure_setpoint_bar < 'NaN'),
    constraint environmental_data_flow_rate_is_number check (flow_rate_m3h < 'NaN'),
    constraint environmental_data_supply_air_temp_is_number check (supply_air_temp_c < 'NaN'),
    constraint environmental_data_return_air_temp_is_number check (return_air_temp_c < 'NaN'),
    constraint environmental_data_chilled_water_supply_is_number check (chilled_water_supply_temp_c < 'NaN'),
    constraint environmental_data_chilled_water_return_is_number check (chilled_water_return_temp_c < 'NaN'),
    constraint environmental_data_cop_is_number check (cop < 'NaN'),
    constraint environmental_data_vibration_is_number check (vibration_mm_s < 'NaN')
);
comment on table public.environmental_data is 'Raw environmental readings; kept 90 days, then in the rollups only.';
comment on column public.environmental_data.time is 'Instant of the reading; a text without offset is taken as UTC.';
comment on column public.environmental_data.machine_id is 'machines.id; an unknown machine is refused by a trigger.';
comment on column public.environmental_data.outdoor_temp_c is 'Outdoor temperature, degrees Celsius; degree days are taken from it.';
comment on column public.environmental_data.indoor_temp_c is 'Indoor temperature, degrees Celsius.';
comment on column public.environmental_data.machine_temp_c is 'Machine temperature, degrees Celsius.';
comment on column public.environmental_data.outdoor_humidity_percent is 'Outdoor relative humidity, %.';
comment on column public.environmental_data.indoor_humidity_percent is 'Indoor relative humidity, %.';
comment on column public.environmental_data.pressure_bar is 'Pressure, bar.';
comment on column public.environmental_data.pressure_setpoint_bar is 'Set pressure, bar.';
comment on column public.environmental_data.flow_rate_m3h is 'Flow rate, m3/h.';
comment on column public.environmental_data.supply_air_temp_c is 'Supply air temperature, degrees Celsius.';
comment on column public.environmental_data.return_air_temp_c is 'Return air temperature, degrees Celsius.';
comment on column public.environmental_data.chilled_water_supply_temp_c is 'Chilled water supply temperature, degrees Celsius.';
comment on column public.environmental_data.chilled_water_return_temp_c is 'Chilled water return temperature, degrees Celsius.';
comment on column public.environmental_data.cop is 'Coefficient of performance.';
comment on column public.environmental_data.vibration_mm_s is 'Vibration velocity, mm/s.';
comment on column public.environmental_data.metadata is 'Free facts.';

-- Databases made before these keys began with the time get them here, compressed chunks included. Only what is not
-- compressed is indexed anew, meanwhile the table takes no readings.
do $$
declare
    v_key record;
begin
    for v_key in
        select c.conrelid::regclass as readings, c.conname as name, k.columns
        from (values ('energy_readings_machine_time_type_unique', 'time, machine_id, energy_type'),
                     ('production_data_machine_time_unique', 'time, machine_id'),
                     ('environmental_data_machine_time_unique', 'time, machine_id')) k (name, columns)
        join pg_constraint c on c.conname = k.name and c.connamespace = 'public'::regnamespace
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
        where a.attname <> 'time'
    loop
        execute format('alter table %s drop constraint %I', v_key.readings, v_key.name);
        execute format('alter table %s add constraint %I unique (%s)', v_key.readings, v_key.name, v_key.columns);
    end loop;
end
$$;

-- The present state of each machine, one row per machine, overwritten as status arrives.
create table if not exists public.machine_status (
    machine_id               uuid           not null,
    is_running               boolean        default false,
    current_mode             operating_mode default 'offline',
    current_power_kw         numeric(10,3)  default 0,
    operating_hours_total    numeric(12,2)  default 0,
    energy_total_kwh         numeric(15,3)  default 0,
    production_total_units   bigint         default 0,
    last_reading_time        timestamptz,
    last_production_time     timestamptz,
    alert_level              alert_level    default 'normal',
    alert_message            text,
    alert_timestamp          timestamptz,
    health_score             numeric(5,2)   default 100.0,
    uptime_percent_24h       numeric(5,2),
    availability_percent_24h numeric(5,2),
    last_updated             timestamptz    default now(),
    metadata                 jsonb          default '{}'::jsonb,
    constraint machine_status_pkey primary key (machine_id),
    constraint machine_status_machine_fkey foreign key (machine_id) references public.machines (id) on delete cascade,
    constraint machine_status_power_is_number check (current_power_kw < 'NaN'),
    constraint machine_status_operating_hours_not_negative check (operating_hours_total >= 0 and operating_hours_total < 'NaN'),
    constraint machine_status_energy_total_not_negative check (energy_total_kwh >= 0 and energy_total_kwh < 'NaN'),
    constraint machine_status_production_total_not_negative check (production_total_units >= 0),
    constraint machine_status_health_score_range check (health_score between 0 and 100),
    constraint machine_status_uptime_range check (uptime_percent_24h between 0 and 100),
    constraint machine_status_availability_range check (availability_percent_24h between 0 and 100),
    constraint machine_status_last_reading_time_range check (last_reading_time >= '0001-01-01 00:00:00+00' and last_reading_time < '10000-01-01 00:00:00+00'),
    constraint machine_status_last_production_time_range check (last_production_time >= '0001-01-01 00:00:00+00' and last_production_time < '10000-01-01 00:00:00+00'),
    constraint machine_status_last_updated_range check (last_updated >= '0001-01-01 00:00:00+00' and last_updated < '10000-01-01 00:00:00+00'),
    constraint machine_status_alert_timestamp_range check (alert_timestamp >= '0001-01-01 00:00:00+00' and alert_timestamp < '10000-01-01 00:00:00+00')
);
comment on table public.machine_status is 'Present state of each machine, as the status messages last told it.';
comment on column public.machine_status.current_power_kw is 'Power, kW.';
comment on column public.machine_status.operating_hours_total is 'Operating hours since commissioning, h.';
comment on column public.machine_status.energy_total_kwh is 'Energy since commissioning, kWh.';
comment on column public.machine_status.production_total_units is 'Units since commissioning.';
comment on column public.machine_status.health_score is 'Health, 0 to 100 %.';
comment on column public.machine_status.uptime_percent_24h is 'Uptime over the last 24 h, %.';
comment on column public.machine_status.availability_percent_24h is 'Availability over the last 24 h, %.';
comment on column public.machine_status.machine_id is 'machines.id.';
comment on column public.machine_status.is_running is 'True while running.';
comment on column public.machine_status.current_mode is 'Operating mode now.';
comment on column public.machine_status.last_reading_time is 'Newest energy reading.';
comment on column public.machine_status.last_production_time is 'Newest production reading.';
comment on column public.machine_status.alert_level is 'Severity of the alert.';
comment on column public.machine_status.alert_message is 'Text of the alert.';
comment on column public.machine_status.alert_timestamp is 'When the alert came.';
comment on column public.machine_status.last_updated is 'When the status last arrived.';
comment on column public.machine_status.metadata is 'Free facts.';

-- Energy baselines (EnB): regression models that expected consumption is computed from.
create table if not exists public.energy_baselines (
    id                  uuid         not null default uuid_generate_v4(),
    machine_id          uuid         not null,
    model_name          varchar(100) not null,
    model_type          varchar(50)  default 'linear_regression',
    model_version       integer      default 1,
    training_start_date timestamptz  not null,
    training_end_date   timestamptz  not null,
    training_samples    integer      not null,
    coefficients        jsonb        not null,
    intercept           numeric(15,6),
    feature_names       text[]       not null,
    r_squared           numeric(5,4),
    rmse                numeric(12,6),
    mae                 numeric(12,6),
    is_active           boolean      default true,
    created_at          timestamptz  default now(),
    trained_by          varchar(100),
    metadata            jsonb        default '{}'::jsonb,
    energy_source_id    uuid,
    constraint energy_baselines_pkey primary key (id),
    constraint energy_baselines_machine_version_unique
        unique nulls not distinct (machine_id, energy_source_id, model_version),
    constraint energy_baselines_machine_fkey foreign key (machine_id) references public.machines (id) on delete cascade,
    constraint energy_baselines_model_name_not_empty check (model_name ~ '[^[:space:]]'),
    constraint energy_baselines_training_order check (training_end_date >= training_start_date),
    constraint energy_baselines_training_start_range check (training_start_date >= '0001-01-01 00:00:00+00' and training_start_date < '10000-01-01 00:00:00+00'),
    constraint energy_baselines_training_end_range check (training_end_date >= '0001-01-01 00:00:00+00' and training_end_date < '10000-01-01 00:00:00+00'),
    constraint energy_baselines_training_samples_not_negative check (training_samples >= 0),
    constraint energy_baselines_intercept_is_number check (intercept < 'NaN'),
    constraint energy_baselines_r_squared_is_number check (r_squared <= 1),
    constraint energy_baselines_rmse_not_negative check (rmse >= 0 and rmse < 'NaN'),
    constraint energy_baselines_mae_not_negative check (mae >= 0 and mae < 'NaN'),
    constraint energy_baselines_model_version_positive check (model_version > 0),
    constraint energy_baselines_coefficients_not_null check (coefficients <> 'null'),
    constraint energy_baselines_feature_names_not_null check (array_position(feature_names, null) is null),
    constraint energy_baselines_created_at_range check (created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00')
);
comment on table public.energy_baselines is 'Energy baselines (EnB): trained models of expected consumption.';
comment on column public.energy_baselines.intercept is 'Model intercept, kWh.';
comment on column public.energy_baselines.coefficients is 'Coefficient by feature name.';
comment on column public.energy_baselines.r_squared is 'Coefficient of determination, at most 1.';
comment on column public.energy_baselines.rmse is 'Root mean square error, kWh.';
comment on column public.energy_baselines.mae is 'Mean absolute error, kWh.';
comment on column public.energy_baselines.energy_source_id is 'Energy source that the analytics service trained for; its table belongs to that service.';
comment on column public.energy_baselines.id is 'Primary key.';
comment on column public.energy_baselines.machine_id is 'machines.id.';
comment on column public.energy_baselines.model_name is 'Name of the model.';
comment on column public.energy_baselines.model_type is 'Kind of model.';
comment on column public.energy_baselines.model_version is 'Version of the model.';
comment on column public.energy_baselines.training_start_date is 'Begin of the training data.';
comment on column public.energy_baselines.training_end_date is 'End of the training data.';
comment on column public.energy_baselines.training_samples is 'Rows of training data.';
comment on column public.energy_baselines.feature_names is 'Features, in the order of the model.';
comment on column public.energy_baselines.is_active is 'False where retired.';
comment on column public.energy_baselines.created_at is 'When the row was made.';
comment on column public.energy_baselines.trained_by is 'Who trained it.';
comment on column public.energy_baselines.metadata is 'Free facts.';

-- Anomalies that the analytics service found.
create table if not exists public.anomalies (
    id                uuid         not null default uuid_generate_v4(),
    machine_id        uuid         not null,
    detected_at       timestamptz  not null,
    anomaly_type      varchar(100) not null,
    severity          alert_level  not null,
    metric_name       varchar(100),
    metric_value      numeric(15,6),
    expected_value    numeric(15,6),
    deviation_percent numeric(8,2),
    deviation_std_dev numeric(8,2),
    detection_method  varchar(100),
    confidence_score  numeric(5,4),
    is_resolved       boolean      default false,
    resolved_at       timestamptz,
    resolution_notes  text,
    created_at        timestamptz  default now(),
    metadata          jsonb        default '{}'::jsonb,
    constraint anomalies_pkey primary key (id),
    constraint anomalies_machine_fkey foreign key (machine_id) references public.machines (id) on delete cascade,
    constraint anomalies_detected_at_range check (detected_at >= '0001-01-01 00:00:00+00' and detected_at < '10000-01-01 00:00:00+00'),
    constraint anomalies_resolved_at_range check (resolved_at >= '0001-01-01 00:00:00+00' and resolved_at < '10000-01-01 00:00:00+00'),
    constraint anomalies_resolved_order check (resolved_at >= detected_at),
    constraint anomalies_created_at_range check (created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00'),
    constraint anomalies_anomaly_type_not_empty check (anomaly_type ~ '[^[:space:]]'),
    constraint anomalies_metric_value_is_number check (metric_value < 'NaN'),
    constraint anomalies_expected_value_is_number check (expected_value < 'NaN'),
    constraint anomalies_deviation_percent_is_number check (deviation_percent < 'NaN'),
    constraint anomalies_deviation_std_dev_is_number check (deviation_std_dev < 'NaN'),
    constraint anomalies_confidence_score_is_number check (confidence_score < 'NaN')
);
comment on table public.anomalies is 'Anomalies that the analytics service found, open and resolved.';
comment on column public.anomalies.metric_value is 'Value found, in the unit of metric_name.';
comment on column public.anomalies.expected_value is 'Value expected, in the unit of metric_name.';
comment on column public.anomalies.deviation_percent is 'Deviation from the expected value, %.';
comment on column public.anomalies.deviation_std_dev is 'Deviation, in standard deviations.';
comment on column public.anomalies.id is 'Primary key.';
comment on column public.anomalies.machine_id is 'machines.id.';
comment on column public.anomalies.detected_at is 'When it was found.';
comment on column public.anomalies.anomaly_type is 'Kind of anomaly.';
comment on column public.anomalies.severity is 'Severity.';
comment on column public.anomalies.metric_name is 'Column that is out of line.';
comment on column public.anomalies.detection_method is 'How it was found.';
comment on column public.anomalies.confidence_score is 'Confidence, 0 to 1.';
comment on column public.anomalies.is_resolved is 'True once resolved.';
comment on column public.anomalies.resolved_at is 'When it was resolved.';
comment on column public.anomalies.resolution_notes is 'How it was resolved.';
comment on column public.anomalies.created_at is 'When the row was made.';
comment on column public.anomalies.metadata is 'Free facts.';

-- Electricity tariffs: flat rates and time-of-use bands, with an optional demand charge.
create table if not exists public.energy_tariffs (
    id                   uuid          not null default uuid_generate_v4(),
    factory_id           uuid          not null,
    name                 varchar(255)  not null,
    description          text,
    rate_per_kwh         numeric(10,6) not null,
    currency             varchar(3)    not null default 'USD',
    is_time_of_use       boolean       not null default false,
    start_hour           integer,
    end_hour             integer,
    applicable_days      integer[],
    demand_charge_per_kw numeric(10,6),
    valid_from           date          not null,
    valid_to             date,
    is_active            boolean       not null default true,
    created_at           timestamptz   default now(),
    metadata             jsonb         default '{}'::jsonb,
    timezone             varchar(50),
    constraint energy_tariffs_pkey primary key (id),
    constraint energy_tariffs_factory_fkey foreign key (factory_id) references public.factories (id) on delete cascade,
    constraint energy_tariffs_name_not_empty check (name ~ '[^[:space:]]'),
    constraint energy_tariffs_rate_not_negative check (rate_per_kwh >= 0 and rate_per_kwh < 'NaN'),
    constraint energy_tariffs_currency_code check (currency ~ '^[A-Z]{3}$'),
    constraint energy_tariffs_demand_charge_not_negative check (demand_charge_per_kw >= 0 and demand_charge_per_kw < 'NaN'),
    constraint energy_tariffs_hours_range check (start_hour between 0 and 24 and end_hour between 0 and 24),
    constraint energy_tariffs_days_range check (applicable_days <@ array[0, 1, 2, 3, 4, 5, 6]),
    constraint energy_tariffs_time_of_use_complete check (
        not is_time_of_use
        or (start_hour is not null and end_hour is not null and start_hour <> end_hour
            and not (start_hour = 24 and end_hour = 0)
            and applicable_days is not null and cardinality(applicable_days) > 0)),
    constraint energy_tariffs_valid_from_range check (valid_from >= '0001-01-01' and valid_from <= '9999-12-31'),
    constraint energy_tariffs_valid_to_range check (valid_to >= '0001-01-01' and valid_to <= '9999-12-31'),
    constraint energy_tariffs_created_at_range check (created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00'),
    constraint energy_tariffs_valid_order check (valid_to >= valid_from),
    constraint energy_tariffs_timezone_known check (enms.is_timezone(timezone))
);
comment on table public.energy_tariffs is 'Electricity tariffs. A time-of-use rate beats a flat one; two rates of the same kind that could both apply are refused.';
comment on column public.energy_tariffs.rate_per_kwh is 'Rate, currency per kWh.';
comment on column public.energy_tariffs.currency is 'Three-letter code (ISO 4217).';
comment on column public.energy_tariffs.start_hour is 'First local hour of the band, 0 to 24.';
comment on column public.energy_tariffs.end_hour is 'Local hour at which the band ends, 0 to 24; at or below start_hour the band crosses midnight.';
comment on column public.energy_tariffs.applicable_days is 'Local calendar days of the band, 0 (Sunday) to 6.';
comment on column public.energy_tariffs.demand_charge_per_kw is 'Demand charge, currency per kW of the month''s peak demand.';
comment on column public.energy_tariffs.valid_from is 'First local day.';
comment on column public.energy_tariffs.valid_to is 'Last local day, inclusive; NULL is open-ended.';
comment on column public.energy_tariffs.timezone is 'Zone name of the hours and days; NULL takes the factory''s.';
comment on column public.energy_tariffs.id is 'Primary key.';
comment on column public.energy_tariffs.factory_id is 'factories.id.';
comment on column public.energy_tariffs.name is 'Name.';
comment on column public.energy_tariffs.description is 'Free text.';
comment on column public.energy_tariffs.is_time_of_use is 'True for a band of hours and days, false for a flat rate.';
comment on column public.energy_tariffs.is_active is 'False where retired.';
comment on column public.energy_tariffs.created_at is 'When the row was made.';
comment on column public.energy_tariffs.metadata is 'Free facts.';

-- An earlier text of this check said the same by subtraction.
do $$
begin
    if exists (select from pg_constraint
               where conrelid = 'public.energy_tariffs'::regclass and conname = 'energy_tariffs_time_of_use_complete'
                 and pg_get_constraintdef(oid) like '%end_hour - start_hour%') then
        alter table public.energy_tariffs drop constraint energy_tariffs_time_of_use_complete;
        alter table public.energy_tariffs add constraint energy_tariffs_time_of_use_complete check (
            not is_time_of_use
            or (start_hour is not null and end_hour is not null and start_hour <> end_hour
                and not (start_hour = 24 and end_hour = 0)
                and applicable_days is not null and cardinality(applicable_days) > 0));
    end if;
end
$$;

-- Emission factors of electricity by region and first day.
create table if not exists public.carbon_factors (
    id                             uuid          not null default uuid_generate_v4(),
    region                         varchar(255)  not null,
    grid_name                      varchar(255),
    emission_factor_kg_co2_per_kwh numeric(10,6) not null,
    source                         varchar(255),
    valid_from                     date          not null,
    valid_to                       date,
    is_active                      boolean       not null default true,
    created_at                     timestamptz   default now(),
    metadata                       jsonb         default '{}'::jsonb,
    constraint carbon_factors_pkey primary key (id),
    constraint carbon_factors_region_not_empty check (region ~ '[^[:space:]]'),
    constraint carbon_factors_factor_not_negative
        check (emission_factor_kg_co2_per_kwh >= 0 and emission_factor_kg_co2_per_kwh < 'NaN'),
    constraint carbon_factors_valid_from_range check (valid_from >= '0001-01-01' and valid_from <= '9999-12-31'),
    constraint carbon_factors_valid_to_range check (valid_to >= '0001-01-01' and valid_to <= '9999-12-31'),
    constraint carbon_factors_created_at_range check (created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00'),
    constraint carbon_factors_valid_order check (valid_to >= valid_from)
);
-- Of two factors valid on a day the later valid_from wins, so two must not begin on the same day.
create unique index if not exists carbon_factors_region_start_unique
    on public.carbon_factors (region, valid_from) where is_active;
comment on table public.carbon_factors is 'Emission factors of electricity. On a day that two of a region cover, the later valid_from wins.';
comment on column public.carbon_factors.region is 'Region name; factories.grid_region refers to it, default is for factories without one.';
comment on column public.carbon_factors.emission_factor_kg_co2_per_kwh is 'Emission factor, kg CO2 per kWh.';
comment on column public.carbon_factors.valid_from is 'First local day.';
comment on column public.carbon_factors.valid_to is 'Last local day, inclusive; NULL is open-ended.';
comment on column public.carbon_factors.id is 'Primary key.';
comment on column public.carbon_factors.grid_name is 'Name of the grid.';
comment on column public.carbon_factors.source is 'Where it comes from.';
comment on column public.carbon_factors.is_active is 'False where retired.';
comment on column public.carbon_factors.created_at is 'When the row was made.';
comment on column public.carbon_factors.metadata is 'Free facts.';

-- Every change to the configuration tables, with old and new values and who.
create table if not exists public.audit_log (
    id               bigserial    not null,
    timestamp        timestamptz  not null default now(),
    event_type       varchar(100) not null,
    entity_type      varchar(100),
    entity_id        uuid,
    user_id          varchar(100),
    system_component varchar(100),
    action           varchar(50)  not null,
    old_values       jsonb,
    new_values       jsonb,
    ip_address       inet,
    user_agent       text,
    metadata         jsonb        default '{}'::jsonb,
    constraint audit_log_pkey primary key (id),
    constraint audit_log_timestamp_range check (timestamp >= '0001-01-01 00:00:00+00' and timestamp < '10000-01-01 00:00:00+00'),
    constraint audit_log_event_type_not_empty check (event_type ~ '[^[:space:]]'),
    constraint audit_log_action_not_empty check (action ~ '[^[:space:]]')
);
comment on table public.audit_log is 'Changes to configuration; append-only, its owner may delete old rows.';
comment on column public.audit_log.entity_type is 'Table that changed.';
comment on column public.audit_log.entity_id is 'Id of the row that changed.';
comment on column public.audit_log.user_id is 'Role that logged in.';
comment on column public.audit_log.action is 'INSERT, UPDATE or DELETE.';
comment on column public.audit_log.user_agent is 'application_name of the session.';
comment on column public.audit_log.id is 'Primary key.';
comment on column public.audit_log.timestamp is 'When the change was made.';
comment on column public.audit_log.event_type is 'Kind of event.';
comment on column public.audit_log.system_component is 'What recorded it.';
comment on column public.audit_log.old_values is 'Row before the change.';
comment on column public.audit_log.new_values is 'Row after the change.';
comment on column public.audit_log.ip_address is 'Address of the client.';
comment on column public.audit_log.metadata is 'Free facts.';

-- The completion marker: a row only when every init file ran to its end.
create table if not exists enms.schema_version (
    version      text        not null,
    spec_digest  text        not null,
    completed_at timestamptz not null default now(),
    constraint schema_version_pkey primary key (version, spec_digest)
);
comment on table enms.schema_version is 'Completion marker: the last statement of init writes it; health check and verifier require it.';
comment on column enms.schema_version.spec_digest is 'SHA-256 of the verifier''s spec that this schema was written for.';
comment on column enms.schema_version.version is 'Version of the schema.';
comment on column enms.schema_version.completed_at is 'When the boot or upgrade was complete.';

-- What tables of an older database lack: a constraint that came later, or one that was made stricter.
do $$
declare
    v record;
begin
    for v in
        select c.conrelid::regclass as relation, c.conname as name
        from pg_constraint c
        where c.connamespace = 'public'::regnamespace and c.contype = 'c'
          and (c.conname in (
                   'energy_readings_time_finite', 'production_data_time_finite', 'environmental_data_time_finite',
                   'machine_status_last_reading_time_finite', 'machine_status_last_production_time_finite',
                   'machine_status_last_updated_finite', 'energy_baselines_training_start_finite',
                   'energy_baselines_training_end_finite', 'anomalies_detected_at_finite', 'energy_tariffs_valid_from_finite',
                   'energy_tariffs_valid_to_finite', 'carbon_factors_valid_from_finite', 'carbon_factors_valid_to_finite')
               or c.conname = 'energy_readings_energy_type_not_empty' and pg_get_constraintdef(c.oid) not like '%btrim%'
               or c.conname in (
                      'factories_name_not_empty', 'factories_grid_region_not_empty', 'machines_name_not_empty',
                      'energy_baselines_model_name_not_empty', 'anomalies_anomaly_type_not_empty',
                      'energy_tariffs_name_not_empty', 'carbon_factors_region_not_empty')
                  and pg_get_constraintdef(c.oid) like '%btrim%')
    loop
        execute format('alter table %s drop constraint %I', v.relation, v.name);
    end loop;
    for v in
        select l.relation, l.name, l.condition
        from (
            select t.relation, t.relation || '_' || t.name as name, t.condition
            from (values
                ('factories', 'name_not_empty', $c$name ~ '[^[:space:]]'$c$),
                ('factories', 'grid_region_not_empty', $c$grid_region ~ '[^[:space:]]'$c$),
                ('machines', 'name_not_empty', $c$name ~ '[^[:space:]]'$c$),
                ('energy_readings', 'energy_type_not_empty', $c$btrim(energy_type) <> ''$c$),
                ('energy_baselines', 'model_name_not_empty', $c$model_name ~ '[^[:space:]]'$c$),
                ('energy_baselines', 'model_version_positive', $c$model_version > 0$c$),
                ('energy_baselines', 'coefficients_not_null', $c$coefficients <> 'null'$c$),
                ('energy_baselines', 'feature_names_not_null', $c$array_position(feature_names, null) is null$c$),
                ('anomalies', 'anomaly_type_not_empty', $c$anomaly_type ~ '[^[:space:]]'$c$),
                ('anomalies', 'resolved_order', $c$resolved_at >= detected_at$c$),
                ('energy_tariffs', 'name_not_empty', $c$name ~ '[^[:space:]]'$c$),
                ('carbon_factors', 'region_not_empty', $c$region ~ '[^[:space:]]'$c$),
                ('audit_log', 'event_type_not_empty', $c$event_type ~ '[^[:space:]]'$c$),
                ('audit_log', 'action_not_empty', $c$action ~ '[^[:space:]]'$c$)) t (relation, name, condition)
            union all
            select c.relation, format('%s_%s_range', c.relation, regexp_replace(c.name, '^(training_\w+)_date$', '\1')),
                   format(case when c.name in ('installation_date', 'valid_from', 'valid_to')
                               then '%1$I >= ''0001-01-01'' and %1$I <= ''9999-12-31'''
                               else '%1$I >= ''0001-01-01 00:00:00+00'' and %1$I < ''10000-01-01 00:00:00+00''' end, c.name)
            from (values
                ('energy_readings', 'time'), ('production_data', 'time'), ('environmental_data', 'time'),
                ('factories', 'created_at'), ('factories', 'updated_at'),
                ('machines', 'installation_date'), ('machines', 'created_at'), ('machines', 'updated_at'),
                ('machine_status', 'last_reading_time'), ('machine_status', 'last_production_time'),
                ('machine_status', 'alert_timestamp'), ('machine_status', 'last_updated'),
                ('energy_baselines', 'training_start_date'), ('energy_baselines', 'training_end_date'),
                ('energy_baselines', 'created_at'),
                ('anomalies', 'detected_at'), ('anomalies', 'resolved_at'), ('anomalies', 'created_at'),
                ('energy_tariffs', 'valid_from'), ('energy_tariffs', 'valid_to'), ('energy_tariffs', 'created_at'),
                ('carbon_factors', 'valid_from'), ('carbon_factors', 'valid_to'), ('carbon_factors', 'created_at'),
                ('audit_log', 'timestamp')) c (relation, name)) l
        where not exists (
            select from pg_constraint c
            where c.conname = l.name and c.conrelid = format('public.%I', l.relation)::regclass)
    loop
        execute format('alter table public.%I add constraint %I check (%s)', v.relation, v.name, v.condition);
    end loop;
end
$$;

-- Each of these serves a query that a view, a function or a client sends; the unique keys serve the rest.
create index if not exists idx_machines_mqtt_topic on public.machines (mqtt_topic);
create index if not exists idx_energy_baselines_active on public.energy_baselines (machine_id) where is_active;
create index if not exists idx_anomalies_machine_time on public.anomalies (machine_id, detected_at desc);
create index if not exists idx_anomalies_unresolved on public.anomalies (detected_at desc) where not is_resolved;
create index if not exists idx_energy_tariffs_factory on public.energy_tariffs (factory_id);
create index if not exists idx_audit_log_timestamp on public.audit_log (timestamp desc);
create index if not exists idx_audit_log_entity on public.audit_log (entity_type, entity_id);

-- updated_at follows every real change.
create or replace function public.update_updated_at_column() returns trigger
language plpgsql
set search_path = pg_catalog, public, pg_temp
as $$
begin
    new.updated_at := now();
    return new;
end
$$;
comment on function public.update_updated_at_column() is 'Trigger: sets updated_at to now.';

create or replace trigger factories_set_updated_at
    before update on public.factories
    for each row when (old.* is distinct from new.*)
    execute function public.update_updated_at_column();

create or replace trigger machines_set_updated_at
    before update on public.machines
    for each row when (old.* is distinct from new.*)
    execute function public.update_updated_at_column();

-- Refuses readings of unknown machines, once per statement. The share lock keeps a machine from being
-- deleted between this check and the commit, as a foreign key would; only the owner may take it.
create or replace function enms.refuse_unknown_machine() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_ids     uuid[] := array(select distinct n.machine_id from new_rows n);
    v_known   uuid[];
    v_unknown uuid;
begin
    v_known := array(
        select l.id
        from (select m.id from machines m where m.id = any (v_ids) order by m.id for key share) l);
    if cardinality(v_known) < cardinality(v_ids) then
        select u.id into v_unknown from unnest(v_ids) u (id) where u.id <> all (v_known) limit 1;
        raise exception 'unknown machine % in %', v_unknown, tg_table_name
            using errcode = 'foreign_key_violation',
                  constraint = tg_name, table = tg_table_name, column = 'machine_id',
                  hint = 'Insert the machine into machines first, or correct machine_id.';
    end if;
    return null;
end
$$;
comment on function enms.refuse_unknown_machine() is 'Trigger: a statement that writes a reading of an unknown machine fails and names it.';

create or replace trigger energy_readings_machine_known_on_insert
    after insert on public.energy_readings
    referencing new table as new_rows
    for each statement execute function enms.refuse_unknown_machine();
create or replace trigger energy_readings_machine_known_on_update
    after update on public.energy_readings
    referencing new table as new_rows
    for each statement execute function enms.refuse_unknown_machine();
create or replace trigger production_data_machine_known_on_insert
    after insert on public.production_data
    referencing new table as new_rows
    for each statement execute function enms.refuse_unknown_machine();
create or replace trigger production_data_machine_known_on_update
    after update on public.production_data
    referencing new table as new_rows
    for each statement execute function enms.refuse_unknown_machine();
create or replace trigger environmental_data_machine_known_on_insert
    after insert on public.environmental_data
    referencing new table as new_rows
    for each statement execute function enms.refuse_unknown_machine();
create or replace trigger environmental_data_machine_known_on_update
    after update on public.environmental_data
    referencing new table as new_rows
    for each statement execute function enms.refuse_unknown_machine();

-- Keeps a machine that has readings, whichever way it would go: delete, cascade, new id, truncate.
-- The rollups are read by name at run time because they outlive the readings and are created later.
create or replace function enms.keep_machine_with_readings() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_source text;
    v_found  boolean;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'machines can''t be deleted under % isolation', current_setting('transaction_isolation')
            using errcode = 'feature_not_supported',
                  hint = 'Use read committed: an older snapshot would not show readings that came in meanwhile.';
    end if;
    foreach v_source in array array['energy_readings', 'production_data', 'environmental_data',
                                    'energy_readings_1day', 'energy_by_carrier_1hour', 'production_data_1day',
                                    'environmental_data_1hour'] loop
        if tg_op = 'TRUNCATE' then
            execute format('select exists (select from public.%I)', v_source) into v_found;
        else
            execute format('select exists (select from public.%I where machine_id = $1)', v_source)
                into v_found using old.id;
        end if;
        if v_found and tg_op = 'TRUNCATE' then
            raise exception 'machines can''t be truncated: % holds readings', v_source
                using errcode = 'foreign_key_violation';
        elsif v_found then
            raise exception 'machine % (%) has readings in % and can''t be deleted or given a new id',
                old.name, old.id, v_source
                using errcode = 'foreign_key_violation', constraint = tg_name, table = 'machines',
                      hint = 'Retire it: update machines set is_active = false where id = ''' || old.id || '''.';
        end if;
    end loop;
    if tg_op = 'DELETE' then
        return old;
    end if;
    return new;
end
$$;
comment on function enms.keep_machine_with_readings() is 'Trigger: a machine with readings or rollups stays; retire it with is_active = false.';

create or replace trigger machines_keep_with_readings
    before delete on public.machines
    for each row execute function enms.keep_machine_with_readings();
create or replace trigger machines_keep_id_with_readings
    before update of id on public.machines
    for each row when (old.id <> new.id)
    execute function enms.keep_machine_with_readings();
create or replace trigger machines_keep_on_truncate
    before truncate on public.machines
    for each statement execute function enms.keep_machine_with_readings();

-- Local hours of a tariff band as a set; a band that ends at or before its start crosses midnight.
create or replace function enms.band_hours(p_start_hour integer, p_end_hour integer) returns integer[]
language sql immutable parallel safe strict
set search_path = pg_catalog, pg_temp
as $$
    select array(
        select h
        from generate_series(0, 23) h
        where case when p_start_hour < p_end_hour
                   then h >= p_start_hour and h < p_end_hour
                   else h >= p_start_hour or h < p_end_hour end);
$$;
comment on function enms.band_hours(integer, integer) is 'Local hours 0 to 23 that a band from start_hour to end_hour covers.';

-- Refuses two active tariffs of one kind that could price the same quarter-hour. The factory's row is rewritten
-- as it is: that makes a second session wait, and fail where its snapshot is too old to see the first one's
-- tariff, so that two sessions can't write one each. Bands kept in different zones shift against each
-- other over the year, so their hours are not compared and a day of slack is added to their dates.
create or replace function enms.refuse_tariff_overlap() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_factory uuid;
    v_pair    record;
begin
    v_factory := case when tg_table_name = 'factories' then (to_jsonb(new) ->> 'id')
                      else (to_jsonb(new) ->> 'factory_id') end::uuid;
    update factories f set is_active = f.is_active where f.id = v_factory;
    select a.name as name_a, b.name as name_b, a.id as id_a, b.id as id_b, a.is_time_of_use
    into v_pair
    from energy_tariffs a
    join energy_tariffs b
      on b.factory_id = a.factory_id and b.id > a.id and b.is_active and b.is_time_of_use = a.is_time_of_use
    join factories f on f.id = a.factory_id
    cross join lateral (
        select coalesce(a.timezone, f.timezone) = coalesce(b.timezone, f.timezone) as same_zone) z
    where a.factory_id = v_factory
      and a.is_active
      and a.valid_from - case when z.same_zone then 0 else 1 end <= coalesce(b.valid_to, date '9999-12-31')
      and b.valid_from - case when z.same_zone then 0 else 1 end <= coalesce(a.valid_to, date '9999-12-31')
      and (not a.is_time_of_use
           or not z.same_zone
           or (a.applicable_days && b.applicable_days
               and enms.band_hours(a.start_hour, a.end_hour) && enms.band_hours(b.start_hour, b.end_hour)))
    limit 1;
    if found then
        raise exception 'tariffs "%" (%) and "%" (%) are both % and could price the same time',
            v_pair.name_a, v_pair.id_a, v_pair.name_b, v_pair.id_b,
            case when v_pair.is_time_of_use then 'time-of-use' else 'flat' end
            using errcode = 'exclusion_violation', constraint = 'energy_tariffs_no_overlap', table = 'energy_tariffs',
                  hint = 'End one with valid_to or is_active = false, or change its days or hours.';
    end if;
    return null;
end
$$;
comment on function enms.refuse_tariff_overlap() is 'Trigger: two tariffs of one kind that could price the same quarter-hour are refused by name.';

create or replace trigger energy_tariffs_no_overlap
    after insert or update on public.energy_tariffs
    for each row when (new.is_active)
    execute function enms.refuse_tariff_overlap();
create or replace trigger factories_tariffs_no_overlap
    after update of timezone on public.factories
    for each row execute function enms.refuse_tariff_overlap();

-- Writes each change of a configuration row to audit_log, whoever makes it.
create or replace function enms.write_audit_log() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, public, pg_temp
as $$
begin
    insert into audit_log (event_type, entity_type, entity_id, user_id, system_component, action,
                           old_values, new_values, ip_address, user_agent)
    values ('configuration_change', tg_table_name, case when tg_op = 'DELETE' then old.id else new.id end,
            session_user, 'database', tg_op,
            case when tg_op <> 'INSERT' then to_jsonb(old) end,
            case when tg_op <> 'DELETE' then to_jsonb(new) end,
            inet_client_addr(), current_setting('application_name'));
    return null;
end
$$;
comment on function enms.write_audit_log() is 'Trigger: records a change of configuration with old and new values and who made it.';

create or replace trigger factories_audit
    after insert or delete on public.factories
    for each row execute function enms.write_audit_log();
create or replace trigger factories_audit_update
    after update on public.factories
    for each row when (old.* is distinct from new.*)
    execute function enms.write_audit_log();
create or replace trigger machines_audit
    after insert or delete on public.machines
    for each row execute function enms.write_audit_log();
create or replace trigger machines_audit_update
    after update on public.machines
    for each row when (old.* is distinct from new.*)
    execute function enms.write_audit_log();
create or replace trigger energy_tariffs_audit
    after insert or delete on public.energy_tariffs
    for each row execute function enms.write_audit_log();
create or replace trigger energy_tariffs_audit_update
    after update on public.energy_tariffs
    for each row when (old.* is distinct from new.*)
    execute function enms.write_audit_log();
create or replace trigger carbon_factors_audit
    after insert or delete on public.carbon_factors
    for each row execute function enms.write_audit_log();
create or replace trigger carbon_factors_audit_update
    after update on public.carbon_factors
    for each row when (old.* is distinct from new.*)
    execute function enms.write_audit_log();
create or replace trigger energy_baselines_audit
    after insert or delete on public.energy_baselines
    for each row execute function enms.write_audit_log();
create or replace trigger energy_baselines_audit_update
    after update on public.energy_baselines
    for each row when (old.* is distinct from new.*)
    execute function enms.write_audit_log();

-- audit_log only grows; its owner may delete old rows, nobody may change one.
create or replace function enms.keep_audit_log() returns trigger
language plpgsql
set search_path = pg_catalog, public, pg_temp
as $$
begin
    if tg_op = 'DELETE'
       and current_user = (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid) then
        return null;
    end if;
    raise exception 'audit_log is append-only: % refused', tg_op
        using errcode = 'insufficient_privilege',
              hint = 'Only the owner of audit_log may delete old rows.';
end
$$;
comment on function enms.keep_audit_log() is 'Trigger: audit_log is append-only; its owner may delete old rows.';

create or replace trigger audit_log_append_only
    before update or delete or truncate on public.audit_log
    for each statement execute function enms.keep_audit_log();

-- Nothing for PUBLIC; the group roles get what they need here and in the files that follow.
-- Who is in neither group does not get in. Temporary tables are for loading; a reader would fill the disk with them.
-- A role of the operator's that has grants here came in as one of everybody, before this schema had it otherwise.
do $$
declare
    v_role text;
begin
    for v_role in
        select distinct r.rolname
        from pg_class c
        cross join lateral aclexplode(c.relacl) a
        join pg_roles r on r.oid = a.grantee
        where c.relnamespace in ('public'::regnamespace, 'enms'::regnamespace) and not r.rolsuper
          and has_database_privilege('public', current_database(), 'connect')
          and r.rolname not in ('enms_ingest', 'enms_reader', 'enms_monitor')
    loop
        execute format('grant connect on database %I to %I', current_database(), v_role);
    end loop;
end
$$;
revoke all on database :"DBNAME" from public;
grant connect on database :"DBNAME" to enms_ingest, enms_reader, enms_monitor;
grant temporary on database :"DBNAME" to enms_ingest;
-- Nor into the server's own databases, where the same disk could be filled; where others share the server, that is theirs to say.
do $$
declare
    v_name name;
begin
    for v_name in
        select d.datname
        from pg_database d
        where d.datname in ('postgres', 'template1') and pg_has_role(d.datdba, 'usage')
          and has_database_privilege('public', d.oid, 'connect, temporary')
          and not exists (select from pg_database o
                          where not o.datistemplate and o.datname <> 'postgres' and o.datname <> current_database())
    loop
        execute format('revoke all on database %I from public', v_name);
    end loop;
end
$$;
revoke all on schema public from public;
revoke all on schema enms from public, enms_ingest;
revoke all on all functions in schema enms from public;
revoke all on function public.update_updated_at_column() from public;
grant usage on schema public to enms_ingest, enms_reader, enms_monitor;
grant usage on schema enms to enms_reader;
grant select on enms.schema_version to enms_reader;
grant select on public.factories, public.machines to enms_ingest;
grant select, insert, update
    on public.energy_readings, public.production_data, public.environmental_data, public.machine_status
    to enms_ingest;
grant select
    on public.factories, public.machines, public.energy_readings, public.production_data,
       public.environmental_data, public.machine_status, public.energy_baselines, public.anomalies,
       public.energy_tariffs, public.carbon_factors, public.audit_log
    to enms_reader;

-- TimescaleDB lets everybody call what works on its chunks and workers, and much of that does not ask whose they are:
-- drop_chunk would delete a day of readings for anyone who can log in. What only reads stays as it is, and so do the
-- policies, which do ask. PostgreSQL lets everybody store large objects. verify/queries/callable.sql has the same condition.
do $$
declare
    v_routine regprocedure;
begin
    for v_routine in
        select p.oid
        from pg_proc p
        left join pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
        left join pg_extension e on e.oid = d.refobjid
        where has_function_privilege('public', p.oid, 'execute')
          and (p.oid::regproc::text in ('lo_creat', 'lo_create', 'lo_from_bytea')
               or e.extname = 'timescaledb' and p.provolatile = 'v'
                  and (p.proname = 'add_job'
                       or p.pronamespace::regnamespace::text in ('_timescaledb_functions', '_timescaledb_internal')
                          and p.proname !~ '_(size|stats|count|status|info|loaded|state|uuid|internal|command|columns|defaults|query)$'
                          and p.proname !~ '^(policy|get|show|to|estimate|interval|range|subtract|chunk_id|jsonb)_'))
    loop
        execute format('revoke execute on routine %s from public', v_routine);
    end loop;
end
$$;
