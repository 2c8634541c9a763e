-- Hypertables, rollups and policies.
-- Running this file again changes nothing.
--
-- One source for both editions of TimescaleDB. Community makes each rollup a continuous aggregate,
-- refreshed by a policy and real-time; Apache-2 has neither, so the same SELECT becomes a plain view:
-- always right, only slower.

\set ON_ERROR_STOP on
-- create_hypertable advises against varchar, which the clients' contract fixes: not worth a line in any log.
set client_min_messages = error;
select set_config('lock_timeout', '10s', false) where current_setting('lock_timeout') = '0' \g /dev/null
select set_config('log_min_messages', 'error', false) from pg_roles where rolname = current_user and rolsuper \g /dev/null
-- Set-up calls return rows that a boot log has no use for.
\o /dev/null

select current_setting('timescaledb.license') = 'timescale' as community \gset
-- The triggers below keep TimescaleDB's own bookkeeping, which only a superuser may write.
do $$
begin
    if current_setting('timescaledb.license') = 'timescale' and not (select rolsuper from pg_roles where rolname = current_user) then
        raise exception 'the role % is not a superuser', current_user
            using hint = 'On the community edition of TimescaleDB the owner of this schema has to be one.';
    end if;
end
$$;
\if :community
    \set create_rollup 'create materialized view if not exists'
    \set as_rollup 'with (timescaledb.continuous, timescaledb.materialized_only = false) as'
    \set unfilled 'with no data'
\else
    \set create_rollup 'create or replace view'
    \set as_rollup as
    \set unfilled ''
\endif

-- Raw readings in chunks of one day. The unique keys serve every look-up, so no further index is made.
select create_hypertable('public.energy_readings', by_range('time', interval '1 day'),
                         create_default_indexes => false, if_not_exists => true);
select create_hypertable('public.production_data', by_range('time', interval '1 day'),
                         create_default_indexes => false, if_not_exists => true);
select create_hypertable('public.environmental_data', by_range('time', interval '1 day'),
                         create_default_indexes => false, if_not_exists => true);

-- Electricity at 1 minute, from raw. Other carriers have a rollup of their own further down.
:create_rollup public.energy_readings_1min :as_rollup
select
    time_bucket('1 minute', time) as bucket,
    machine_id,
    avg(power_kw) as avg_power_kw,
    min(power_kw) as min_power_kw,
    max(power_kw) as max_power_kw,
    stddev(power_kw) as stddev_power_kw,
    sum(energy_kwh) as total_energy_kwh,
    avg(voltage_v) as avg_voltage_v,
    avg(current_a) as avg_current_a,
    avg(power_factor) as avg_power_factor,
    avg(frequency_hz) as avg_frequency_hz,
    count(*) as reading_count,
    count(*) filter (where is_estimated) as estimated_count,
    sum(power_kw) as sum_power_kw,
    sum(voltage_v) as sum_voltage_v,
    count(voltage_v) as count_voltage_v,
    sum(current_a) as sum_current_a,
    count(current_a) as count_current_a,
    sum(power_factor) as sum_power_factor,
    count(power_factor) as count_power_factor,
    sum(frequency_hz) as sum_frequency_hz,
    count(frequency_hz) as count_frequency_hz
from public.energy_readings
where energy_type in ('electrical', 'electricity', 'energy')
group by 1, 2
:unfilled;
comment on view public.energy_readings_1min is 'Electricity per machine and minute.';
comment on column public.energy_readings_1min.bucket is 'Start of the interval.';
comment on column public.energy_readings_1min.avg_power_kw is 'Mean power over the readings, kW.';
comment on column public.energy_readings_1min.min_power_kw is 'Lowest reading, kW.';
comment on column public.energy_readings_1min.max_power_kw is 'Highest reading, kW.';
comment on column public.energy_readings_1min.total_energy_kwh is 'Energy, kWh.';
comment on column public.energy_readings_1min.avg_voltage_v is 'Mean voltage, V.';
comment on column public.energy_readings_1min.avg_current_a is 'Mean current, A.';
comment on column public.energy_readings_1min.avg_power_factor is 'Mean power factor.';
comment on column public.energy_readings_1min.avg_frequency_hz is 'Mean frequency, Hz.';
comment on column public.energy_readings_1min.stddev_power_kw is 'Sample standard deviation of the power, kW.';
comment on column public.energy_readings_1min.reading_count is 'Readings.';
comment on column public.energy_readings_1min.estimated_count is 'Readings that were not measured.';
comment on column public.energy_readings_1min.sum_power_kw is 'Sum of the power readings, kW; carried for the averages of the next level.';
comment on column public.energy_readings_1min.machine_id is 'machines.id.';
comment on column public.energy_readings_1min.sum_voltage_v is 'Sum of the voltage readings, V; carried for averages.';
comment on column public.energy_readings_1min.count_voltage_v is 'Voltage readings that are not NULL; carried for averages.';
comment on column public.energy_readings_1min.sum_current_a is 'Sum of the current readings, A; carried for averages.';
comment on column public.energy_readings_1min.count_current_a is 'Current readings that are not NULL; carried for averages.';
comment on column public.energy_readings_1min.sum_power_factor is 'Sum of the power factor readings; carried for averages.';
comment on column public.energy_readings_1min.count_power_factor is 'Power factor readings that are not NULL; carried for averages.';
comment on column public.energy_readings_1min.sum_frequency_hz is 'Sum of the frequency readings, Hz; carried for averages.';
comment on column public.energy_readings_1min.count_frequency_hz is 'Frequency readings that are not NULL; carried for averages.';

-- Electricity at 15 minutes, from the 1 minute level.
:create_rollup public.energy_readings_15min :as_rollup
select
    time_bucket('15 minutes', bucket) as bucket,
    machine_id,
    sum(sum_power_kw) / sum(reading_count) as avg_power_kw,
    min(min_power_kw) as min_power_kw,
    max(max_power_kw) as max_power_kw,
    sum(sum_power_kw) / sum(reading_count) as peak_demand_kw,
    sum(total_energy_kwh) as total_energy_kwh,
    sum(sum_voltage_v) / nullif(sum(count_voltage_v), 0) as avg_voltage_v,
    sum(sum_current_a) / nullif(sum(count_current_a), 0) as avg_current_a,
    sum(sum_power_factor) / nullif(sum(count_power_factor), 0) as avg_power_factor,
    sum(sum_frequency_hz) / nullif(sum(count_frequency_hz), 0) as avg_frequency_hz,
    coalesce(sum(sum_power_kw) / sum(reading_count) / nullif(greatest(max(max_power_kw), 0), 0), 0) as load_factor,
    sum(reading_count)::bigint as total_readings,
    sum(estimated_count)::bigint as estimated_count,
    sum(sum_power_kw) as sum_power_kw,
    sum(sum_voltage_v) as sum_voltage_v,
    sum(count_voltage_v)::bigint as count_voltage_v,
    sum(sum_current_a) as sum_current_a,
    sum(count_current_a)::bigint as count_current_a,
    sum(sum_power_factor) as sum_power_factor,
    sum(count_power_factor)::bigint as count_power_factor,
    sum(sum_frequency_hz) as sum_frequency_hz,
    sum(count_frequency_hz)::bigint as count_frequency_hz
from public.energy_readings_1min
group by 1, 2
:unfilled;
comment on view public.energy_readings_15min is 'Electricity per machine and 15 minutes.';
comment on column public.energy_readings_15min.bucket is 'Start of the interval.';
comment on column public.energy_readings_15min.avg_power_kw is 'Mean power over the readings, kW.';
comment on column public.energy_readings_15min.min_power_kw is 'Lowest reading, kW.';
comment on column public.energy_readings_15min.max_power_kw is 'Highest reading, kW.';
comment on column public.energy_readings_15min.total_energy_kwh is 'Energy, kWh.';
comment on column public.energy_readings_15min.avg_voltage_v is 'Mean voltage, V.';
comment on column public.energy_readings_15min.avg_current_a is 'Mean current, A.';
comment on column public.energy_readings_15min.avg_power_factor is 'Mean power factor.';
comment on column public.energy_readings_15min.avg_frequency_hz is 'Mean frequency, Hz.';
comment on column public.energy_readings_15min.peak_demand_kw is 'Demand: mean power of the interval, kW.';
comment on column public.energy_readings_15min.load_factor is 'avg_power_kw / max_power_kw; 0 where the highest reading is not above 0.';
comment on column public.energy_readings_15min.total_readings is 'Readings.';
comment on column public.energy_readings_15min.estimated_count is 'Readings that were not measured.';
comment on column public.energy_readings_15min.sum_power_kw is 'Sum of the power readings, kW; carried for averages.';
comment on column public.energy_readings_15min.machine_id is 'machines.id.';
comment on column public.energy_readings_15min.sum_voltage_v is 'Sum of the voltage readings, V; carried for averages.';
comment on column public.energy_readings_15min.count_voltage_v is 'Voltage readings that are not NULL; carried for averages.';
comment on column public.energy_readings_15min.sum_current_a is 'Sum of the current readings, A; carried for averages.';
comment on column public.energy_readings_15min.count_current_a is 'Current readings that are not NULL; carried for averages.';
comment on column public.energy_readings_15min.sum_power_factor is 'Sum of the power factor readings; carried for averages.';
comment on column public.energy_readings_15min.count_power_factor is 'Power factor readings that are not NULL; carried for averages.';
comment on column public.energy_readings_15min.sum_frequency_hz is 'Sum of the frequency readings, Hz; carried for averages.';
comment on column public.energy_readings_15min.count_frequency_hz is 'Frequency readings that are not NULL; carried for averages.';

-- Electricity at 1 hour, from the 15 minutes level.
:create_rollup public.energy_readings_1hour :as_rollup
select
    time_bucket('1 hour', bucket) as bucket,
    machine_id,
    sum(sum_power_kw) / sum(total_readings) as avg_power_kw,
    min(min_power_kw) as min_power_kw,
    max(max_power_kw) as max_power_kw,
    max(peak_demand_kw) as peak_demand_kw,
    sum(total_energy_kwh) as total_energy_kwh,
    sum(sum_voltage_v) / nullif(sum(count_voltage_v), 0) as avg_voltage_v,
    sum(sum_current_a) / nullif(sum(count_current_a), 0) as avg_current_a,
    sum(sum_power_factor) / nullif(sum(count_power_factor), 0) as avg_power_factor,
    coalesce(sum(sum_power_kw) / sum(total_readings) / nullif(greatest(max(peak_demand_kw), 0), 0), 0) as avg_load_factor,
    sum(total_readings)::bigint as total_readings,
    sum(estimated_count)::bigint as estimated_count,
    sum(sum_power_kw) as sum_power_kw,
    sum(sum_voltage_v) as sum_voltage_v,
    sum(count_voltage_v)::bigint as count_voltage_v,
    sum(sum_current_a) as sum_current_a,
    sum(count_current_a)::bigint as count_current_a,
    sum(sum_power_factor) as sum_power_factor,
    sum(count_power_factor)::bigint as count_power_factor,
    sum(sum_power_kw / total_readings) as sum_demand_kw,
    count(*) as demand_intervals
from public.energy_readings_15min
group by 1, 2
:unfilled;
comment on view public.energy_readings_1hour is 'Electricity per machine and hour.';
comment on column public.energy_readings_1hour.bucket is 'Start of the interval.';
comment on column public.energy_readings_1hour.avg_power_kw is 'Mean power over the readings, kW.';
comment on column public.energy_readings_1hour.min_power_kw is 'Lowest reading, kW.';
comment on column public.energy_readings_1hour.max_power_kw is 'Highest reading, kW.';
comment on column public.energy_readings_1hour.total_energy_kwh is 'Energy, kWh.';
comment on column public.energy_readings_1hour.avg_voltage_v is 'Mean voltage, V.';
comment on column public.energy_readings_1hour.avg_current_a is 'Mean current, A.';
comment on column public.energy_readings_1hour.avg_power_factor is 'Mean power factor.';
comment on column public.energy_readings_1hour.peak_demand_kw is 'Highest 15-minute demand in the interval, kW.';
comment on column public.energy_readings_1hour.avg_load_factor is 'avg_power_kw / peak_demand_kw; 0 where the peak is not above 0.';
comment on column public.energy_readings_1hour.sum_demand_kw is 'Sum of the 15-minute demands, kW.';
comment on column public.energy_readings_1hour.demand_intervals is '15-minute intervals that hold a reading.';
comment on column public.energy_readings_1hour.total_readings is 'Readings.';
comment on column public.energy_readings_1hour.estimated_count is 'Readings that were not measured.';
comment on column public.energy_readings_1hour.sum_power_kw is 'Sum of the power readings, kW; carried for averages.';
comment on column public.energy_readings_1hour.machine_id is 'machines.id.';
comment on column public.energy_readings_1hour.sum_voltage_v is 'Sum of the voltage readings, V; carried for averages.';
comment on column public.energy_readings_1hour.count_voltage_v is 'Voltage readings that are not NULL; carried for averages.';
comment on column public.energy_readings_1hour.sum_current_a is 'Sum of the current readings, A; carried for averages.';
comment on column public.energy_readings_1hour.count_current_a is 'Current readings that are not NULL; carried for averages.';
comment on column public.energy_readings_1hour.sum_power_factor is 'Sum of the power factor readings; carried for averages.';
comment on column public.energy_readings_1hour.count_power_factor is 'Power factor readings that are not NULL; carried for averages.';

-- Electricity at 1 day, from the 1 hour level.
:create_rollup public.energy_readings_1day :as_rollup
select
    time_bucket('1 day', bucket) as bucket,
    machine_id,
    sum(sum_power_kw) / sum(total_readings) as avg_power_kw,
    min(min_power_kw) as min_power_kw,
    max(max_power_kw) as max_power_kw,
    max(peak_demand_kw) as peak_demand_kw,
    sum(total_energy_kwh) as total_energy_kwh,
    sum(sum_voltage_v) / nullif(sum(count_voltage_v), 0) as avg_voltage_v,
    sum(sum_power_factor) / nullif(sum(count_power_factor), 0) as avg_power_factor,
    coalesce(sum(sum_power_kw) / sum(total_readings) / nullif(greatest(max(peak_demand_kw), 0), 0), 0) as avg_load_factor,
    sum(total_readings)::bigint as total_readings,
    sum(estimated_count)::bigint as estimated_count,
    sum(sum_power_kw) as sum_power_kw,
    sum(sum_demand_kw) as sum_demand_kw,
    sum(demand_intervals)::bigint as demand_intervals
from public.energy_readings_1hour
group by 1, 2
:unfilled;
comment on view public.energy_readings_1day is 'Electricity per machine and day.';
comment on column public.energy_readings_1day.bucket is 'Start of the interval.';
comment on column public.energy_readings_1day.avg_power_kw is 'Mean power over the readings, kW.';
comment on column public.energy_readings_1day.min_power_kw is 'Lowest reading, kW.';
comment on column public.energy_readings_1day.max_power_kw is 'Highest reading, kW.';
comment on column public.energy_readings_1day.total_energy_kwh is 'Energy, kWh.';
comment on column public.energy_readings_1day.avg_voltage_v is 'Mean voltage, V.';
comment on column public.energy_readings_1day.avg_power_factor is 'Mean power factor.';
comment on column public.energy_readings_1day.peak_demand_kw is 'Highest 15-minute demand in the interval, kW.';
comment on column public.energy_readings_1day.avg_load_factor is 'avg_power_kw / peak_demand_kw; 0 where the peak is not above 0.';
comment on column public.energy_readings_1day.sum_demand_kw is 'Sum of the 15-minute demands, kW.';
comment on column public.energy_readings_1day.demand_intervals is '15-minute intervals that hold a reading.';
comment on column public.energy_readings_1day.total_readings is 'Readings.';
comment on column public.energy_readings_1day.estimated_count is 'Readings that were not measured.';
comment on column public.energy_readings_1day.sum_power_kw is 'Sum of the power readings, kW; carried for averages.';
comment on column public.energy_readings_1day.machine_id is 'machines.id.';

-- Gas, steam and every other carrier at 1 minute, from raw.
:create_rollup public.energy_by_carrier_1min :as_rollup
select
    time_bucket('1 minute', time) as bucket,
    machine_id,
    energy_type,
    avg(power_kw) as avg_power_kw,
    min(power_kw) as min_power_kw,
    max(power_kw) as max_power_kw,
    sum(energy_kwh) as total_energy_kwh,
    count(*) as reading_count,
    sum(power_kw) as sum_power_kw
from public.energy_readings
where energy_type not in ('electrical', 'electricity', 'energy')
group by 1, 2, 3
:unfilled;
comment on view public.energy_by_carrier_1min is 'Energy other than electricity per machine, carrier and minute.';
comment on column public.energy_by_carrier_1min.bucket is 'Start of the interval.';
comment on column public.energy_by_carrier_1min.energy_type is 'Carrier, for example natural_gas.';
comment on column public.energy_by_carrier_1min.total_energy_kwh is 'Energy, kWh.';
comment on column public.energy_by_carrier_1min.avg_power_kw is 'Mean power over the readings, kW.';
comment on column public.energy_by_carrier_1min.min_power_kw is 'Lowest reading, kW.';
comment on column public.energy_by_carrier_1min.max_power_kw is 'Highest reading, kW.';
comment on column public.energy_by_carrier_1min.sum_power_kw is 'Sum of the power readings, kW.';
comment on column public.energy_by_carrier_1min.reading_count is 'Readings.';
comment on column public.energy_by_carrier_1min.machine_id is 'machines.id.';

-- Other carriers at 1 hour, from the 1 minute level.
:create_rollup public.energy_by_carrier_1hour :as_rollup
select
    time_bucket('1 hour', bucket) as bucket,
    machine_id,
    energy_type,
    sum(sum_power_kw) / sum(reading_count) as avg_power_kw,
    min(min_power_kw) as min_power_kw,
    max(max_power_kw) as max_power_kw,
    sum(total_energy_kwh) as total_energy_kwh,
    sum(reading_count)::bigint as total_readings
from public.energy_by_carrier_1min
group by 1, 2, 3
:unfilled;
comment on view public.energy_by_carrier_1hour is 'Energy other than electricity per machine, carrier and hour.';
comment on column public.energy_by_carrier_1hour.bucket is 'Start of the interval.';
comment on column public.energy_by_carrier_1hour.energy_type is 'Carrier, for example natural_gas.';
comment on column public.energy_by_carrier_1hour.total_energy_kwh is 'Energy, kWh.';
comment on column public.energy_by_carrier_1hour.avg_power_kw is 'Mean power over the readings, kW.';
comment on column public.energy_by_carrier_1hour.min_power_kw is 'Lowest reading, kW.';
comment on column public.energy_by_carrier_1hour.max_power_kw is 'Highest reading, kW.';
comment on column public.energy_by_carrier_1hour.total_readings is 'Readings.';
comment on column public.energy_by_carrier_1hour.machine_id is 'machines.id.';

-- Production at 1 minute, from raw.
:create_rollup public.production_data_1min :as_rollup
select
    time_bucket('1 minute', time) as bucket,
    machine_id,
    sum(production_count) as total_production_count,
    sum(production_count_good) as total_production_good,
    sum(production_count_bad) as total_production_bad,
    avg(throughput_units_per_hour) as avg_throughput,
    mode() within group (order by operating_mode) as dominant_mode,
    avg(speed_percent) as avg_speed_percent,
    sum(downtime_seconds) as total_downtime_seconds,
    count(*) as reading_count,
    count(*) filter (where operating_mode = 'running') as running_count,
    count(*) filter (where operating_mode = 'idle') as idle_count,
    count(*) filter (where operating_mode = 'maintenance') as maintenance_count,
    count(*) filter (where operating_mode = 'fault') as fault_count,
    count(*) filter (where operating_mode = 'offline') as offline_count,
    sum(throughput_units_per_hour) as sum_throughput,
    count(throughput_units_per_hour) as count_throughput,
    sum(speed_percent) as sum_speed_percent,
    count(speed_percent) as count_speed_percent
from public.production_data
group by 1, 2
:unfilled;
comment on view public.production_data_1min is 'Production per machine and minute.';
comment on column public.production_data_1min.bucket is 'Start of the interval.';
comment on column public.production_data_1min.total_production_count is 'Units.';
comment on column public.production_data_1min.total_production_good is 'Good units.';
comment on column public.production_data_1min.total_production_bad is 'Rejected units.';
comment on column public.production_data_1min.avg_throughput is 'Mean throughput over the readings, units per hour.';
comment on column public.production_data_1min.avg_speed_percent is 'Mean speed over the readings, %.';
comment on column public.production_data_1min.total_downtime_seconds is 'Downtime, s.';
comment on column public.production_data_1min.dominant_mode is 'Most frequent operating mode.';
comment on column public.production_data_1min.running_count is 'Readings in mode running.';
comment on column public.production_data_1min.idle_count is 'Readings in mode idle.';
comment on column public.production_data_1min.maintenance_count is 'Readings in mode maintenance.';
comment on column public.production_data_1min.fault_count is 'Readings in mode fault.';
comment on column public.production_data_1min.offline_count is 'Readings in mode offline.';
comment on column public.production_data_1min.reading_count is 'Readings.';
comment on column public.production_data_1min.machine_id is 'machines.id.';
comment on column public.production_data_1min.sum_throughput is 'Sum of the throughput readings, units per hour; carried for averages.';
comment on column public.production_data_1min.count_throughput is 'Throughput readings that are not NULL; carried for averages.';
comment on column public.production_data_1min.sum_speed_percent is 'Sum of the speed readings, %; carried for averages.';
comment on column public.production_data_1min.count_speed_percent is 'Speed readings that are not NULL; carried for averages.';

-- Production at 15 minutes, from the 1 minute level.
:create_rollup public.production_data_15min :as_rollup
select
    time_bucket('15 minutes', bucket) as bucket,
    machine_id,
    sum(total_production_count)::bigint as total_production_count,
    sum(total_production_good)::bigint as total_production_good,
    sum(total_production_bad)::bigint as total_production_bad,
    sum(sum_throughput) / nullif(sum(count_throughput), 0) as avg_throughput,
    sum(sum_speed_percent) / nullif(sum(count_speed_percent), 0) as avg_speed_percent,
    sum(total_downtime_seconds)::bigint as total_downtime_seconds,
    sum(reading_count)::bigint as total_readings,
    sum(running_count)::bigint as running_count,
    sum(idle_count)::bigint as idle_count,
    sum(maintenance_count)::bigint as maintenance_count,
    sum(fault_count)::bigint as fault_count,
    sum(offline_count)::bigint as offline_count,
    sum(sum_throughput) as sum_throughput,
    sum(count_throughput)::bigint as count_throughput,
    sum(sum_speed_percent) as sum_speed_percent,
    sum(count_speed_percent)::bigint as count_speed_percent
from public.production_data_1min
group by 1, 2
:unfilled;
comment on view public.production_data_15min is 'Production per machine and 15 minutes.';
comment on column public.production_data_15min.bucket is 'Start of the interval.';
comment on column public.production_data_15min.total_production_count is 'Units.';
comment on column public.production_data_15min.total_production_good is 'Good units.';
comment on column public.production_data_15min.total_production_bad is 'Rejected units.';
comment on column public.production_data_15min.avg_throughput is 'Mean throughput over the readings, units per hour.';
comment on column public.production_data_15min.avg_speed_percent is 'Mean speed over the readings, %.';
comment on column public.production_data_15min.total_downtime_seconds is 'Downtime, s.';
comment on column public.production_data_15min.running_count is 'Readings in mode running.';
comment on column public.production_data_15min.idle_count is 'Readings in mode idle.';
comment on column public.production_data_15min.maintenance_count is 'Readings in mode maintenance.';
comment on column public.production_data_15min.fault_count is 'Readings in mode fault.';
comment on column public.production_data_15min.offline_count is 'Readings in mode offline.';
comment on column public.production_data_15min.total_readings is 'Readings.';
comment on column public.production_data_15min.machine_id is 'machines.id.';
comment on column public.production_data_15min.sum_throughput is 'Sum of the throughput readings, units per hour; carried for averages.';
comment on column public.production_data_15min.count_throughput is 'Throughput readings that are not NULL; carried for averages.';
comment on column public.production_data_15min.sum_speed_percent is 'Sum of the speed readings, %; carried for averages.';
comment on column public.production_data_15min.count_speed_percent is 'Speed readings that are not NULL; carried for averages.';

-- Production at 1 hour, from the 15 minutes level.
:create_rollup public.production_data_1hour :as_rollup
select
    time_bucket('1 hour', bucket) as bucket,
    machine_id,
    sum(total_production_count)::bigint as total_production_count,
    sum(total_production_good)::bigint as total_production_good,
    sum(total_production_bad)::bigint as total_production_bad,
    case when sum(total_production_count) > 0
         then sum(total_production_good) / sum(total_production_count) * 100 else 0 end as quality_percent,
    sum(sum_throughput) / nullif(sum(count_throughput), 0) as avg_throughput,
    sum(sum_speed_percent) / nullif(sum(count_speed_percent), 0) as avg_speed_percent,
    sum(total_downtime_seconds)::bigint as total_downtime_seconds,
    case when 3600 - sum(total_downtime_seconds) > 0
         then (3600 - sum(total_downtime_seconds)) / 3600 * 100 else 0 end as availability_percent,
    sum(total_readings)::bigint as total_readings,
    sum(running_count)::bigint as running_count,
    sum(idle_count)::bigint as idle_count,
    sum(maintenance_count)::bigint as maintenance_count,
    sum(fault_count)::bigint as fault_count,
    sum(offline_count)::bigint as offline_count,
    sum(sum_throughput) as sum_throughput,
    sum(count_throughput)::bigint as count_throughput,
    sum(sum_speed_percent) as sum_speed_percent,
    sum(count_speed_percent)::bigint as count_speed_percent
from public.production_data_15min
group by 1, 2
:unfilled;
comment on view public.production_data_1hour is 'Production per machine and hour.';
comment on column public.production_data_1hour.bucket is 'Start of the interval.';
comment on column public.production_data_1hour.total_production_count is 'Units.';
comment on column public.production_data_1hour.total_production_good is 'Good units.';
comment on column public.production_data_1hour.total_production_bad is 'Rejected units.';
comment on column public.production_data_1hour.avg_throughput is 'Mean throughput over the readings, units per hour.';
comment on column public.production_data_1hour.avg_speed_percent is 'Mean speed over the readings, %.';
comment on column public.production_data_1hour.total_downtime_seconds is 'Downtime, s.';
comment on column public.production_data_1hour.quality_percent is 'Good units of all units, %; 0 without units.';
comment on column public.production_data_1hour.availability_percent is 'Share of the interval without downtime, %.';
comment on column public.production_data_1hour.running_count is 'Readings in mode running.';
comment on column public.production_data_1hour.idle_count is 'Readings in mode idle.';
comment on column public.production_data_1hour.maintenance_count is 'Readings in mode maintenance.';
comment on column public.production_data_1hour.fault_count is 'Readings in mode fault.';
comment on column public.production_data_1hour.offline_count is 'Readings in mode offline.';
comment on column public.production_data_1hour.total_readings is 'Readings.';
comment on column public.production_data_1hour.machine_id is 'machines.id.';
comment on column public.production_data_1hour.sum_throughput is 'Sum of the throughput readings, units per hour; carried for averages.';
comment on column public.production_data_1hour.count_throughput is 'Throughput readings that are not NULL; carried for averages.';
comment on column public.production_data_1hour.sum_speed_percent is 'Sum of the speed readings, %; carried for averages.';
comment on column public.production_data_1hour.count_speed_percent is 'Speed readings that are not NULL; carried for averages.';

-- Production at 1 day, from the 1 hour level.
:create_rollup public.production_data_1day :as_rollup
select
    time_bucket('1 day', bucket) as bucket,
    machine_id,
    sum(total_production_count)::bigint as total_production_count,
    sum(total_production_good)::bigint as total_production_good,
    sum(total_production_bad)::bigint as total_production_bad,
    case when sum(total_production_count) > 0
         then sum(total_production_good) / sum(total_production_count) * 100 else 0 end as quality_percent,
    sum(sum_throughput) / nullif(sum(count_throughput), 0) as avg_throughput,
    sum(total_downtime_seconds)::bigint as total_downtime_seconds,
    case when 86400 - sum(total_downtime_seconds) > 0
         then (86400 - sum(total_downtime_seconds)) / 86400 * 100 else 0 end as availability_percent,
    sum(total_readings)::bigint as total_readings,
    sum(running_count)::bigint as running_count,
    sum(idle_count)::bigint as idle_count,
    sum(maintenance_count)::bigint as maintenance_count,
    sum(fault_count)::bigint as fault_count,
    sum(offline_count)::bigint as offline_count
from public.production_data_1hour
group by 1, 2
:unfilled;
comment on view public.production_data_1day is 'Production per machine and day.';
comment on column public.production_data_1day.bucket is 'Start of the interval.';
comment on column public.production_data_1day.total_production_count is 'Units.';
comment on column public.production_data_1day.total_production_good is 'Good units.';
comment on column public.production_data_1day.total_production_bad is 'Rejected units.';
comment on column public.production_data_1day.avg_throughput is 'Mean throughput over the readings, units per hour.';
comment on column public.production_data_1day.total_downtime_seconds is 'Downtime, s.';
comment on column public.production_data_1day.quality_percent is 'Good units of all units, %; 0 without units.';
comment on column public.production_data_1day.availability_percent is 'Share of the interval without downtime, %.';
comment on column public.production_data_1day.running_count is 'Readings in mode running.';
comment on column public.production_data_1day.idle_count is 'Readings in mode idle.';
comment on column public.production_data_1day.maintenance_count is 'Readings in mode maintenance.';
comment on column public.production_data_1day.fault_count is 'Readings in mode fault.';
comment on column public.production_data_1day.offline_count is 'Readings in mode offline.';
comment on column public.production_data_1day.total_readings is 'Readings.';
comment on column public.production_data_1day.machine_id is 'machines.id.';

-- Environment at 1 minute, from raw.
:create_rollup public.environmental_data_1min :as_rollup
select
    time_bucket('1 minute', time) as bucket,
    machine_id,
    avg(outdoor_temp_c) as avg_outdoor_temp_c,
    avg(indoor_temp_c) as avg_indoor_temp_c,
    avg(machine_temp_c) as avg_machine_temp_c,
    avg(outdoor_humidity_percent) as avg_outdoor_humidity,
    avg(indoor_humidity_percent) as avg_indoor_humidity,
    avg(pressure_bar) as avg_pressure_bar,
    min(pressure_bar) as min_pressure_bar,
    max(pressure_bar) as max_pressure_bar,
    avg(flow_rate_m3h) as avg_flow_rate_m3h,
    avg(supply_air_temp_c) as avg_supply_air_temp_c,
    avg(return_air_temp_c) as avg_return_air_temp_c,
    avg(cop) as avg_cop,
    avg(vibration_mm_s) as avg_vibration_mm_s,
    max(vibration_mm_s) as max_vibration_mm_s,
    count(*) as reading_count,
    min(outdoor_temp_c) as min_outdoor_temp_c,
    max(outdoor_temp_c) as max_outdoor_temp_c,
    sum(outdoor_temp_c) as sum_outdoor_temp_c,
    count(outdoor_temp_c) as count_outdoor_temp_c,
    sum(indoor_temp_c) as sum_indoor_temp_c,
    count(indoor_temp_c) as count_indoor_temp_c,
    sum(machine_temp_c) as sum_machine_temp_c,
    count(machine_temp_c) as count_machine_temp_c,
    sum(outdoor_humidity_percent) as sum_outdoor_humidity,
    count(outdoor_humidity_percent) as count_outdoor_humidity,
    sum(indoor_humidity_percent) as sum_indoor_humidity,
    count(indoor_humidity_percent) as count_indoor_humidity,
    sum(pressure_bar) as sum_pressure_bar,
    count(pressure_bar) as count_pressure_bar,
    sum(flow_rate_m3h) as sum_flow_rate_m3h,
    count(flow_rate_m3h) as count_flow_rate_m3h,
    sum(vibration_mm_s) as sum_vibration_mm_s,
    count(vibration_mm_s) as count_vibration_mm_s
from public.environmental_data
group by 1, 2
:unfilled;
comment on view public.environmental_data_1min is 'Environment per machine and minute.';
comment on column public.environmental_data_1min.bucket is 'Start of the interval.';
comment on column public.environmental_data_1min.avg_outdoor_temp_c is 'Mean outdoor temperature, degrees Celsius.';
comment on column public.environmental_data_1min.avg_indoor_temp_c is 'Mean indoor temperature, degrees Celsius.';
comment on column public.environmental_data_1min.avg_machine_temp_c is 'Mean machine temperature, degrees Celsius.';
comment on column public.environmental_data_1min.avg_outdoor_humidity is 'Mean outdoor relative humidity, %.';
comment on column public.environmental_data_1min.avg_indoor_humidity is 'Mean indoor relative humidity, %.';
comment on column public.environmental_data_1min.avg_pressure_bar is 'Mean pressure, bar.';
comment on column public.environmental_data_1min.min_pressure_bar is 'Lowest pressure, bar.';
comment on column public.environmental_data_1min.max_pressure_bar is 'Highest pressure, bar.';
comment on column public.environmental_data_1min.avg_flow_rate_m3h is 'Mean flow rate, m3/h.';
comment on column public.environmental_data_1min.avg_supply_air_temp_c is 'Mean supply air temperature, degrees Celsius.';
comment on column public.environmental_data_1min.avg_return_air_temp_c is 'Mean return air temperature, degrees Celsius.';
comment on column public.environmental_data_1min.avg_cop is 'Mean coefficient of performance.';
comment on column public.environmental_data_1min.avg_vibration_mm_s is 'Mean vibration velocity, mm/s.';
comment on column public.environmental_data_1min.max_vibration_mm_s is 'Highest vibration velocity, mm/s.';
comment on column public.environmental_data_1min.reading_count is 'Readings.';
comment on column public.environmental_data_1min.min_outdoor_temp_c is 'Lowest outdoor temperature, degrees Celsius.';
comment on column public.environmental_data_1min.max_outdoor_temp_c is 'Highest outdoor temperature, degrees Celsius.';
comment on column public.environmental_data_1min.machine_id is 'machines.id.';
comment on column public.environmental_data_1min.sum_outdoor_temp_c is 'Sum of the outdoor temperature readings, degrees Celsius; carried for averages.';
comment on column public.environmental_data_1min.count_outdoor_temp_c is 'Outdoor temperature readings that are not NULL; carried for averages.';
comment on column public.environmental_data_1min.sum_indoor_temp_c is 'Sum of the indoor temperature readings, degrees Celsius; carried for averages.';
comment on column public.environmental_data_1min.count_indoor_temp_c is 'Indoor temperature readings that are not NULL; carried for averages.';
comment on column public.environmental_data_1min.sum_machine_temp_c is 'Sum of the machine temperature readings, degrees Celsius; carried for averages.';
comment on column public.environmental_data_1min.count_machine_temp_c is 'Machine temperature readings that are not NULL; carried for averages.';
comment on column public.environmental_data_1min.sum_outdoor_humidity is 'Sum of the outdoor humidity readings, %; carried for averages.';
comment on column public.environmental_data_1min.count_outdoor_humidity is 'Outdoor humidity readings that are not NULL; carried for averages.';
comment on column public.environmental_data_1min.sum_indoor_humidity is 'Sum of the indoor humidity readings, %; carried for averages.';
comment on column public.environmental_data_1min.count_indoor_humidity is 'Indoor humidity readings that are not NULL; carried for averages.';
comment on column public.environmental_data_1min.sum_pressure_bar is 'Sum of the pressure readings, bar; carried for averages.';
comment on column public.environmental_data_1min.count_pressure_bar is 'Pressure readings that are not NULL; carried for averages.';
comment on column public.environmental_data_1min.sum_flow_rate_m3h is 'Sum of the flow rate readings, m3/h; carried for averages.';
comment on column public.environmental_data_1min.count_flow_rate_m3h is 'Flow rate readings that are not NULL; carried for averages.';
comment on column public.environmental_data_1min.sum_vibration_mm_s is 'Sum of the vibration readings, mm/s; carried for averages.';
comment on column public.environmental_data_1min.count_vibration_mm_s is 'Vibration readings that are not NULL; carried for averages.';

-- Environment at 15 minutes, from the 1 minute level.
:create_rollup public.environmental_data_15min :as_rollup
select
    time_bucket('15 minutes', bucket) as bucket,
    machine_id,
    sum(sum_outdoor_temp_c) / nullif(sum(count_outdoor_temp_c), 0) as avg_outdoor_temp_c,
    sum(sum_indoor_temp_c) / nullif(sum(count_indoor_temp_c), 0) as avg_indoor_temp_c,
    sum(sum_machine_temp_c) / nullif(sum(count_machine_temp_c), 0) as avg_machine_temp_c,
    sum(sum_outdoor_humidity) / nullif(sum(count_outdoor_humidity), 0) as avg_outdoor_humidity,
    sum(sum_indoor_humidity) / nullif(sum(count_indoor_humidity), 0) as avg_indoor_humidity,
    sum(sum_pressure_bar) / nullif(sum(count_pressure_bar), 0) as avg_pressure_bar,
    min(min_pressure_bar) as min_pressure_bar,
    max(max_pressure_bar) as max_pressure_bar,
    sum(sum_flow_rate_m3h) / nullif(sum(count_flow_rate_m3h), 0) as avg_flow_rate_m3h,
    sum(sum_vibration_mm_s) / nullif(sum(count_vibration_mm_s), 0) as avg_vibration_mm_s,
    sum(reading_count)::bigint as total_readings,
    min(min_outdoor_temp_c) as min_outdoor_temp_c,
    max(max_outdoor_temp_c) as max_outdoor_temp_c,
    sum(sum_outdoor_temp_c) as sum_outdoor_temp_c,
    sum(count_outdoor_temp_c)::bigint as count_outdoor_temp_c,
    sum(sum_indoor_temp_c) as sum_indoor_temp_c,
    sum(count_indoor_temp_c)::bigint as count_indoor_temp_c,
    sum(sum_machine_temp_c) as sum_machine_temp_c,
    sum(count_machine_temp_c)::bigint as count_machine_temp_c,
    sum(sum_outdoor_humidity) as sum_outdoor_humidity,
    sum(count_outdoor_humidity)::bigint as count_outdoor_humidity,
    sum(sum_indoor_humidity) as sum_indoor_humidity,
    sum(count_indoor_humidity)::bigint as count_indoor_humidity,
    sum(sum_pressure_bar) as sum_pressure_bar,
    sum(count_pressure_bar)::bigint as count_pressure_bar,
    sum(sum_flow_rate_m3h) as sum_flow_rate_m3h,
    sum(count_flow_rate_m3h)::bigint as count_flow_rate_m3h,
    sum(sum_vibration_mm_s) as sum_vibration_mm_s,
    sum(count_vibration_mm_s)::bigint as count_vibration_mm_s
from public.environmental_data_1min
group by 1, 2
:unfilled;
comment on view public.environmental_data_15min is 'Environment per machine and 15 minutes.';
comment on column public.environmental_data_15min.bucket is 'Start of the interval.';
comment on column public.environmental_data_15min.avg_outdoor_temp_c is 'Mean outdoor temperature, degrees Celsius.';
comment on column public.environmental_data_15min.avg_indoor_temp_c is 'Mean indoor temperature, degrees Celsius.';
comment on column public.environmental_data_15min.avg_machine_temp_c is 'Mean machine temperature, degrees Celsius.';
comment on column public.environmental_data_15min.avg_outdoor_humidity is 'Mean outdoor relative humidity, %.';
comment on column public.environmental_data_15min.avg_indoor_humidity is 'Mean indoor relative humidity, %.';
comment on column public.environmental_data_15min.avg_pressure_bar is 'Mean pressure, bar.';
comment on column public.environmental_data_15min.min_pressure_bar is 'Lowest pressure, bar.';
comment on column public.environmental_data_15min.max_pressure_bar is 'Highest pressure, bar.';
comment on column public.environmental_data_15min.avg_flow_rate_m3h is 'Mean flow rate, m3/h.';
comment on column public.environmental_data_15min.avg_vibration_mm_s is 'Mean vibration velocity, mm/s.';
comment on column public.environmental_data_15min.total_readings is 'Readings.';
comment on column public.environmental_data_15min.min_outdoor_temp_c is 'Lowest outdoor temperature, degrees Celsius.';
comment on column public.environmental_data_15min.max_outdoor_temp_c is 'Highest outdoor temperature, degrees Celsius.';
comment on column public.environmental_data_15min.machine_id is 'machines.id.';
comment on column public.environmental_data_15min.sum_outdoor_temp_c is 'Sum of the outdoor temperature readings, degrees Celsius; carried for averages.';
comment on column public.environmental_data_15min.count_outdoor_temp_c is 'Outdoor temperature readings that are not NULL; carried for averages.';
comment on column public.environmental_data_15min.sum_indoor_temp_c is 'Sum of the indoor temperature readings, degrees Celsius; carried for averages.';
comment on column public.environmental_data_15min.count_indoor_temp_c is 'Indoor temperature readings that are not NULL; carried for averages.';
comment on column public.environmental_data_15min.sum_machine_temp_c is 'Sum of the machine temperature readings, degrees Celsius; carried for averages.';
comment on column public.environmental_data_15min.count_machine_temp_c is 'Machine temperature readings that are not NULL; carried for averages.';
comment on column public.environmental_data_15min.sum_outdoor_humidity is 'Sum of the outdoor humidity readings, %; carried for averages.';
comment on column public.environmental_data_15min.count_outdoor_humidity is 'Outdoor humidity readings that are not NULL; carried for averages.';
comment on column public.environmental_data_15min.sum_indoor_humidity is 'Sum of the indoor humidity readings, %; carried for averages.';
comment on column public.environmental_data_15min.count_indoor_humidity is 'Indoor humidity readings that are not NULL; carried for averages.';
comment on column public.environmental_data_15min.sum_pressure_bar is 'Sum of the pressure readings, bar; carried for averages.';
comment on column public.environmental_data_15min.count_pressure_bar is 'Pressure readings that are not NULL; carried for averages.';
comment on column public.environmental_data_15min.sum_flow_rate_m3h is 'Sum of the flow rate readings, m3/h; carried for averages.';
comment on column public.environmental_data_15min.count_flow_rate_m3h is 'Flow rate readings that are not NULL; carried for averages.';
comment on column public.environmental_data_15min.sum_vibration_mm_s is 'Sum of the vibration readings, mm/s; carried for averages.';
comment on column public.environmental_data_15min.count_vibration_mm_s is 'Vibration readings that are not NULL; carried for averages.';

-- Environment at 1 hour, from the 15 minutes level.
:create_rollup public.environmental_data_1hour :as_rollup
select
    time_bucket('1 hour', bucket) as bucket,
    machine_id,
    sum(sum_outdoor_temp_c) / nullif(sum(count_outdoor_temp_c), 0) as avg_outdoor_temp_c,
    sum(sum_indoor_temp_c) / nullif(sum(count_indoor_temp_c), 0) as avg_indoor_temp_c,
    sum(sum_machine_temp_c) / nullif(sum(count_machine_temp_c), 0) as avg_machine_temp_c,
    sum(sum_outdoor_humidity) / nullif(sum(count_outdoor_humidity), 0) as avg_outdoor_humidity,
    sum(sum_indoor_humidity) / nullif(sum(count_indoor_humidity), 0) as avg_indoor_humidity,
    sum(sum_pressure_bar) / nullif(sum(count_pressure_bar), 0) as avg_pressure_bar,
    sum(sum_flow_rate_m3h) / nullif(sum(count_flow_rate_m3h), 0) as avg_flow_rate_m3h,
    sum(sum_vibration_mm_s) / nullif(sum(count_vibration_mm_s), 0) as avg_vibration_mm_s,
    sum(total_readings)::bigint as total_readings,
    min(min_outdoor_temp_c) as min_outdoor_temp_c,
    max(max_outdoor_temp_c) as max_outdoor_temp_c,
    sum(sum_outdoor_temp_c) as sum_outdoor_temp_c,
    sum(count_outdoor_temp_c)::bigint as count_outdoor_temp_c
from public.environmental_data_15min
group by 1, 2
:unfilled;
comment on view public.environmental_data_1hour is 'Environment per machine and hour.';
comment on column public.environmental_data_1hour.bucket is 'Start of the interval.';
comment on column public.environmental_data_1hour.avg_outdoor_temp_c is 'Mean outdoor temperature, degrees Celsius.';
comment on column public.environmental_data_1hour.avg_indoor_temp_c is 'Mean indoor temperature, degrees Celsius.';
comment on column public.environmental_data_1hour.avg_machine_temp_c is 'Mean machine temperature, degrees Celsius.';
comment on column public.environmental_data_1hour.avg_outdoor_humidity is 'Mean outdoor relative humidity, %.';
comment on column public.environmental_data_1hour.avg_indoor_humidity is 'Mean indoor relative humidity, %.';
comment on column public.environmental_data_1hour.avg_pressure_bar is 'Mean pressure, bar.';
comment on column public.environmental_data_1hour.avg_flow_rate_m3h is 'Mean flow rate, m3/h.';
comment on column public.environmental_data_1hour.avg_vibration_mm_s is 'Mean vibration velocity, mm/s.';
comment on column public.environmental_data_1hour.total_readings is 'Readings.';
comment on column public.environmental_data_1hour.min_outdoor_temp_c is 'Lowest outdoor temperature, degrees Celsius.';
comment on column public.environmental_data_1hour.max_outdoor_temp_c is 'Highest outdoor temperature, degrees Celsius.';
comment on column public.environmental_data_1hour.machine_id is 'machines.id.';
comment on column public.environmental_data_1hour.sum_outdoor_temp_c is 'Sum of the outdoor temperature readings, degrees Celsius; carried for averages.';
comment on column public.environmental_data_1hour.count_outdoor_temp_c is 'Outdoor temperature readings that are not NULL; carried for averages.';

-- Degree days, from the day's mean outdoor temperature; NULL on a day without one.
:create_rollup public.environmental_degree_days_daily :as_rollup
select
    time_bucket('1 day', bucket) as day,
    machine_id,
    sum(sum_outdoor_temp_c) / nullif(sum(count_outdoor_temp_c), 0) as avg_outdoor_temp_c,
    case when sum(count_outdoor_temp_c) > 0 then greatest(18.0 - sum(sum_outdoor_temp_c) / sum(count_outdoor_temp_c), 0) end as heating_degree_days_18c,
    case when sum(count_outdoor_temp_c) > 0 then greatest(sum(sum_outdoor_temp_c) / sum(count_outdoor_temp_c) - 18.0, 0) end as cooling_degree_days_18c,
    case when sum(count_outdoor_temp_c) > 0 then greatest(15.5 - sum(sum_outdoor_temp_c) / sum(count_outdoor_temp_c), 0) end as heating_degree_days_15c,
    case when sum(count_outdoor_temp_c) > 0 then greatest(sum(sum_outdoor_temp_c) / sum(count_outdoor_temp_c) - 15.5, 0) end as cooling_degree_days_15c,
    sum(total_readings)::bigint as readings_count,
    min(min_outdoor_temp_c) as min_outdoor_temp_c,
    max(max_outdoor_temp_c) as max_outdoor_temp_c
from public.environmental_data_1hour
group by 1, 2
:unfilled;
comment on view public.environmental_degree_days_daily is 'Heating and cooling degree days per machine and UTC day, from the day''s mean outdoor temperature.';
comment on column public.environmental_degree_days_daily.day is 'Start of the day, UTC.';
comment on column public.environmental_degree_days_daily.avg_outdoor_temp_c is 'Mean outdoor temperature, degrees Celsius.';
comment on column public.environmental_degree_days_daily.heating_degree_days_18c is 'max(0, 18 - mean), K d.';
comment on column public.environmental_degree_days_daily.cooling_degree_days_18c is 'max(0, mean - 18), K d.';
comment on column public.environmental_degree_days_daily.heating_degree_days_15c is 'max(0, 15.5 - mean), K d.';
comment on column public.environmental_degree_days_daily.cooling_degree_days_15c is 'max(0, mean - 15.5), K d.';
comment on column public.environmental_degree_days_daily.readings_count is 'Readings.';
comment on column public.environmental_degree_days_daily.min_outdoor_temp_c is 'Lowest outdoor temperature, degrees Celsius.';
comment on column public.environmental_degree_days_daily.max_outdoor_temp_c is 'Highest outdoor temperature, degrees Celsius.';
comment on column public.environmental_degree_days_daily.machine_id is 'machines.id.';

-- What TimescaleDB's own bookkeeping leaves out.
--
-- History: readings that the refresh policies soon no longer look at; they look back 60 days, so that even after ten
-- days in which no job ran nothing falls between the two. Retention may drop them from raw the next night,
-- and a refresh over a range it has dropped would delete what other machines have in the rollups there.
-- So the transaction that writes (or deletes) history carries it into the rollups that are fed from raw,
-- minute by minute of the machines it touches; the levels above them are never short of their source and
-- follow by their policies, at any age.
create or replace function enms.history_horizon() returns timestamptz
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select date_trunc('hour', now() - interval '50 days');
$$;
comment on function enms.history_horizon() is 'Readings older than this reach the rollups by trigger; the refresh policies of the rollups fed from raw look back one day further.';

-- Minutes of history that the running transaction has touched. A row outlives its transaction only where a chunk was
-- written to by its own name, which calls no statement trigger; the next writer of history then rolls it up too.
create unlogged table if not exists enms.touched_history (
    source     text        not null,
    bucket     timestamptz not null,
    machine_id uuid        not null,
    carrier    text        not null,
    written    bigint      not null,
    gone       bigint      not null
);
comment on table enms.touched_history is 'Minutes of history that the running transaction touches; empty outside of one.';
comment on column enms.touched_history.source is 'Table of the readings.';
comment on column enms.touched_history.bucket is 'Start of the minute.';
comment on column enms.touched_history.machine_id is 'machines.id.';
comment on column enms.touched_history.carrier is 'energy_type of a carrier other than electricity, else empty.';
comment on column enms.touched_history.written is 'Readings written.';
comment on column enms.touched_history.gone is 'Readings that were there before and are deleted or rewritten.';

-- The minutes are rolled up when the transaction commits: until a statement has ended, a query can't see what it
-- has written to a compressed chunk. A row here is what makes the commit do so.
create unlogged table if not exists enms.pending_history (
    source text not null
);
comment on table enms.pending_history is 'Statements of the running transaction that touched history; empty outside of one.';
comment on column enms.pending_history.source is 'Table of the readings.';

create or replace function enms.roll_up_history() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, public, pg_temp
-- The days below are UTC days; a client's own zone would make one of them 23 hours long.
set timezone = 'UTC'
as $$
declare
    v_rollup  record;
    v_day     record;
    v_thinned record;
    v_stored  boolean;
    v_end     timestamptz;
    v_newest  bigint;
begin
    -- The first of the transaction's pending rows has it all done.
    if not exists (select from enms.touched_history) then
        delete from enms.pending_history;
        return null;
    end if;
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        raise exception 'readings older than % can''t be written under %', enms.history_horizon(), current_setting('transaction_isolation')
            using errcode = 'feature_not_supported',
                  hint = 'Use read committed: on an older snapshot two sessions would roll up one minute twice.';
    end if;
    -- Writers of history take turns while they commit, in one order whatever they wrote first.
    -- By a lock on a table, as everybody may take an advisory one and would hold them all up.
    lock table enms.schema_version in share row exclusive mode;
    for v_rollup in
        select c.hypertable_name as source, c.view_name, rtrim(c.view_definition, '; ') as definition, h.id,
               format('%I.%I', h.schema_name, h.table_name) as stored,
               c.view_name = 'energy_by_carrier_1min' as other_carriers,
               case when c.view_name = 'energy_by_carrier_1min' then 'energy_type' else quote_literal('') end as carrier
        from timescaledb_information.continuous_aggregates c
        join _timescaledb_catalog.hypertable h
          on h.schema_name = c.materialization_hypertable_schema
         and h.table_name = c.materialization_hypertable_name
        where c.hypertable_schema = 'public'
          and c.hypertable_name in ('energy_readings', 'production_data', 'environmental_data')
        order by c.view_name
    loop
        continue when not exists (
            select from enms.touched_history t
            where t.source = v_rollup.source and (t.carrier <> '') = v_rollup.other_carriers);
        -- A refresh of the same minute at the same time would leave it there twice.
        execute format('lock table %s in share row exclusive mode', v_rollup.stored);
        -- By day, so that each query is planned with the one chunk that it needs.
        for v_day in
            select time_bucket('1 day', t.bucket) as start, array_agg(distinct t.machine_id) as machines
            from enms.touched_history t
            where t.source = v_rollup.source and (t.carrier <> '') = v_rollup.other_carriers
            group by 1 order by 1
        loop
            -- Both ends as values: the planner leaves out the other chunks only for those.
            v_end := v_day.start + interval '1 day';
            execute format('select exists (select from %s m where m.bucket >= $1 and m.bucket < $2 and m.machine_id = any ($3))',
                           v_rollup.stored)
            into v_stored using v_day.start, v_end, v_day.machines;
            -- Apart, as a statement does not see what it has itself done to a compressed chunk.
            if v_stored then
                execute format(
                    'with touched as (
                         select t.machine_id, t.bucket, t.carrier, sum(t.written) as written, sum(t.gone) as gone
                         from enms.touched_history t
                         where t.source = $1 and (t.carrier <> '''') = $2 and t.bucket >= $3 and t.bucket < $4
                         group by 1, 2, 3),
                     stored as materialized (
                         select m.* from %1$s m
                         where m.bucket >= $3 and m.bucket < $4 and m.machine_id = any ($5)
                           and (m.machine_id, m.bucket, %3$s) in (select t.machine_id, t.bucket, t.carrier from touched t)),
                     fresh as materialized (
                         select d.* from (%2$s) d
                         where d.bucket >= $3 and d.bucket < $4 and d.machine_id = any ($5)
                           and (d.machine_id, d.bucket, %3$s) in (select t.machine_id, t.bucket, t.carrier from touched t))
                     select t.machine_id, t.bucket, s.reading_count as had, coalesce(f.reading_count, 0) as has
                     from touched t
                     join (select %3$s as carrier, stored as row, stored.* from stored) s
                       on s.machine_id = t.machine_id and s.bucket = t.bucket and s.carrier = t.carrier
                     left join (select %3$s as carrier, fresh as row, fresh.* from fresh) f
                       on f.machine_id = t.machine_id and f.bucket = t.bucket and f.carrier = t.carrier
                     where s.reading_count > coalesce(f.reading_count, 0) - t.written + t.gone
                       and s.row is distinct from f.row
                     order by t.bucket limit 1', v_rollup.stored, v_rollup.definition, v_rollup.carrier)
                into v_thinned
                using v_rollup.source, v_rollup.other_carriers, v_day.start, v_end, v_day.machines;
                if v_thinned.had is not null and current_setting('enms.past_retention', true) is distinct from 'replace' then
                    raise exception 'readings of machine % in the minute % are past retention: % rolls up % of them, and these % are not the same',
                        v_thinned.machine_id, v_thinned.bucket, v_rollup.view_name, v_thinned.had, v_thinned.has
                        using errcode = 'object_not_in_prerequisite_state', table = v_rollup.source,
                              hint = 'Send all readings of the minute in one transaction, after: set enms.past_retention = ''replace''.';
                end if;
                execute format(
                    'with touched as materialized (
                         select t.machine_id, t.bucket, t.carrier from enms.touched_history t
                         where t.source = $1 and (t.carrier <> '''') = $2 and t.bucket >= $3 and t.bucket < $4)
                     delete from %1$s m
                     where m.bucket >= $3 and m.bucket < $4 and m.machine_id = any ($5)
                       and (m.machine_id, m.bucket, %2$s) in (select t.machine_id, t.bucket, t.carrier from touched t)',
                    v_rollup.stored, v_rollup.carrier)
                using v_rollup.source, v_rollup.other_carriers, v_day.start, v_end, v_day.machines;
            end if;
            execute format(
                'with touched as materialized (
                     select distinct t.machine_id, t.bucket, t.carrier from enms.touched_history t
                     where t.source = $1 and (t.carrier <> '''') = $2 and t.bucket >= $3 and t.bucket < $4),
                 fresh as materialized (
                     select d.* from (%2$s) d
                     where d.bucket >= $3 and d.bucket < $4 and d.machine_id = any ($5)
                       and (d.machine_id, d.bucket, %3$s) in (select t.machine_id, t.bucket, t.carrier from touched t))
                 insert into %1$s select f.* from fresh f', v_rollup.stored, v_rollup.definition, v_rollup.carrier)
            using v_rollup.source, v_rollup.other_carriers, v_day.start, v_end, v_day.machines;
        end loop;
        -- A rollup is read from raw above its watermark, and a refresh moves that only when it finds live
        -- readings. In a database that holds nothing but history the rows above would wait unseen.
        v_newest := extract(epoch from least(v_end, enms.history_horizon()))::bigint * 1000000;
        update _timescaledb_catalog.continuous_aggs_watermark w
        set watermark = v_newest
        where w.mat_hypertable_id = v_rollup.id and w.watermark < v_newest;
    end loop;
    delete from enms.touched_history;
    delete from enms.pending_history;
    return null;
end
$$;
comment on function enms.roll_up_history() is 'Trigger: carries the minutes of history that the transaction touched into the rollups fed from raw, as it commits.';

do $$
begin
    if not exists (select from pg_trigger where tgname = 'pending_history_roll_up') then
        create constraint trigger pending_history_roll_up
            after insert on enms.pending_history
            deferrable initially deferred
            for each row execute function enms.roll_up_history();
    end if;
end
$$;

-- A hypertable gives a DELETE no transition table, so deleted history is noted row by row.
create or replace function enms.note_deleted_history() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_type text := to_jsonb(old) ->> 'energy_type';
begin
    insert into enms.touched_history
    values (tg_argv[0], time_bucket('1 minute', old.time), old.machine_id,
            case when v_type not in ('electrical', 'electricity', 'energy') then v_type else '' end, 0, 1);
    return null;
end
$$;
comment on function enms.note_deleted_history() is 'Trigger: notes a deleted reading that the refresh policies no longer look at.';

create or replace function enms.feed_rollups() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, public, pg_temp
as $$
declare
    v_horizon timestamptz := enms.history_horizon();
    v_carrier text := case when tg_table_name = 'energy_readings'
        then 'case when energy_type in (''electrical'', ''electricity'', ''energy'') then '''' else energy_type end'
        else quote_literal('') end;
    v_oldest  timestamptz;
begin
    -- Without continuous aggregates, on Apache-2, the rollups are views of raw and lack nothing.
    if not exists (
        select from _timescaledb_catalog.continuous_agg c
        join _timescaledb_catalog.hypertable h on h.id = c.raw_hypertable_id
        where h.schema_name = tg_table_schema and h.table_name = tg_table_name)
    then
        if tg_op = 'DELETE' then
            delete from enms.touched_history;
        end if;
        return null;
    end if;
    if tg_op = 'DELETE' then
        if exists (select from enms.touched_history t where t.source = tg_table_name) then
            insert into enms.pending_history values (tg_table_name);
        end if;
        return null;
    end if;
    if tg_op = 'UPDATE' then
        select least(min(n.time), (select min(o.time) from old_rows o)) into v_oldest from new_rows n;
    else
        -- From 2.23 on TimescaleDB does not tell its continuous aggregates of what a COPY writes to a table with
        -- a trigger like this one, and late readings would never be rolled up. So they are told here; a trigger
        -- can't tell COPY from INSERT, and being told twice does no harm.
        with days as (
            select min(n.time) as first, max(n.time) as last
            from new_rows n group by time_bucket('1 day', n.time)),
        told as (
            insert into _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log
            select h.id, (extract(epoch from d.first) * 1000000)::bigint, (extract(epoch from d.last) * 1000000)::bigint
            from days d
            join _timescaledb_catalog.hypertable h on h.schema_name = tg_table_schema and h.table_name = tg_table_name
            where d.last >= v_horizon - interval '1 day')
        select min(d.first) into v_oldest from days d;
    end if;
    if v_oldest < v_horizon then
        execute format(
            'insert into enms.touched_history
             select %L, time_bucket(''1 minute'', time), machine_id, %s, count(*), 0
             from new_rows where time < $1 group by 2, 3, 4', tg_table_name, v_carrier) using v_horizon;
        if tg_op = 'UPDATE' then
            execute format(
                'insert into enms.touched_history
                 select %L, time_bucket(''1 minute'', time), machine_id, %s, 0, count(*)
                 from old_rows where time < $1 group by 2, 3, 4', tg_table_name, v_carrier) using v_horizon;
        end if;
        insert into enms.pending_history values (tg_table_name);
    end if;
    return null;
end
$$;
comment on function enms.feed_rollups() is 'Trigger: tells the continuous aggregates what was written, and notes history for the commit to roll up.';
revoke all
    on function enms.history_horizon(), enms.roll_up_history(), enms.note_deleted_history(), enms.feed_rollups()
    from public;

-- Triggers of an earlier version, which rolled history up at once and not at commit.
do $$
declare
    v_old record;
begin
    for v_old in
        select t.tgname as name, t.tgrelid::regclass as readings
        from pg_trigger t
        where t.tgrelid in ('public.energy_readings'::regclass, 'public.production_data'::regclass, 'public.environmental_data'::regclass)
          and t.tgname ~ '_history_on_(insert|update|delete)$' and t.tgfoid = 'enms.roll_up_history()'::regprocedure
    loop
        execute format('drop trigger %I on %s', v_old.name, v_old.readings);
    end loop;
end
$$;

create or replace trigger energy_readings_feed_rollups_on_insert
    after insert on public.energy_readings
    referencing new table as new_rows
    for each statement execute function enms.feed_rollups();
create or replace trigger energy_readings_feed_rollups_on_update
    after update on public.energy_readings
    referencing old table as old_rows new table as new_rows
    for each statement execute function enms.feed_rollups();
create or replace trigger energy_readings_feed_rollups_on_delete
    after delete on public.energy_readings
    for each statement execute function enms.feed_rollups();
create or replace trigger energy_readings_history_noted_on_delete
    after delete on public.energy_readings
    for each row when (old.time < enms.history_horizon())
    execute function enms.note_deleted_history('energy_readings');
create or replace trigger production_data_feed_rollups_on_insert
    after insert on public.production_data
    referencing new table as new_rows
    for each statement execute function enms.feed_rollups();
create or replace trigger production_data_feed_rollups_on_update
    after update on public.production_data
    referencing old table as old_rows new table as new_rows
    for each statement execute function enms.feed_rollups();
create or replace trigger production_data_feed_rollups_on_delete
    after delete on public.production_data
    for each statement execute function enms.feed_rollups();
create or replace trigger production_data_history_noted_on_delete
    after delete on public.production_data
    for each row when (old.time < enms.history_horizon())
    execute function enms.note_deleted_history('production_data');
create or replace trigger environmental_data_feed_rollups_on_insert
    after insert on public.environmental_data
    referencing new table as new_rows
    for each statement execute function enms.feed_rollups();
create or replace trigger environmental_data_feed_rollups_on_update
    after update on public.environmental_data
    referencing old table as old_rows new table as new_rows
    for each statement execute function enms.feed_rollups();
create or replace trigger environmental_data_feed_rollups_on_delete
    after delete on public.environmental_data
    for each statement execute function enms.feed_rollups();
create or replace trigger environmental_data_history_noted_on_delete
    after delete on public.environmental_data
    for each row when (old.time < enms.history_horizon())
    execute function enms.note_deleted_history('environmental_data');

\if :community
    -- Refresh. A run costs what was written since the last one, however far back it looks. Rollups fed from
    -- raw look back 60 days: twice what late readings are promised, and a month short of what retention
    -- drops. The levels above them are fed from rollups, which are kept, and look back without end. Years of
    -- history in one run are cut into batches of a day, a month, a year and ten years.
    -- The first nine come in the order in which clients know them by their job ids.
    select add_continuous_aggregate_policy('public.energy_readings_1min',
        start_offset => interval '60 days', end_offset => interval '1 minute', schedule_interval => interval '1 minute',
        buckets_per_batch => 1440, if_not_exists => true);
    select add_continuous_aggregate_policy('public.energy_readings_15min',
        start_offset => null, end_offset => interval '15 minutes', schedule_interval => interval '5 minutes',
        buckets_per_batch => 2880, if_not_exists => true);
    select add_continuous_aggregate_policy('public.energy_readings_1hour',
        start_offset => null, end_offset => interval '1 hour', schedule_interval => interval '15 minutes',
        buckets_per_batch => 8760, if_not_exists => true);
    select add_continuous_aggregate_policy('public.production_data_1min',
        start_offset => interval '60 days', end_offset => interval '1 minute', schedule_interval => interval '1 minute',
        buckets_per_batch => 1440, if_not_exists => true);
    select add_continuous_aggregate_policy('public.production_data_15min',
        start_offset => null, end_offset => interval '15 minutes', schedule_interval => interval '5 minutes',
        buckets_per_batch => 2880, if_not_exists => true);
    select add_continuous_aggregate_policy('public.production_data_1hour',
        start_offset => null, end_offset => interval '1 hour', schedule_interval => interval '15 minutes',
        buckets_per_batch => 8760, if_not_exists => true);
    select add_continuous_aggregate_policy('public.environmental_data_1min',
        start_offset => interval '60 days', end_offset => interval '1 minute', schedule_interval => interval '1 minute',
        buckets_per_batch => 1440, if_not_exists => true);
    select add_continuous_aggregate_policy('public.environmental_data_15min',
        start_offset => null, end_offset => interval '15 minutes', schedule_interval => interval '5 minutes',
        buckets_per_batch => 2880, if_not_exists => true);
    select add_continuous_aggregate_policy('public.environmental_data_1hour',
        start_offset => null, end_offset => interval '1 hour', schedule_interval => interval '15 minutes',
        buckets_per_batch => 8760, if_not_exists => true);
    select add_continuous_aggregate_policy('public.energy_readings_1day',
        start_offset => null, end_offset => interval '1 day', schedule_interval => interval '1 hour',
        buckets_per_batch => 3650, if_not_exists => true);
    select add_continuous_aggregate_policy('public.production_data_1day',
        start_offset => null, end_offset => interval '1 day', schedule_interval => interval '1 hour',
        buckets_per_batch => 3650, if_not_exists => true);
    select add_continuous_aggregate_policy('public.environmental_degree_days_daily',
        start_offset => null, end_offset => interval '1 day', schedule_interval => interval '1 hour',
        buckets_per_batch => 3650, if_not_exists => true);
    select add_continuous_aggregate_policy('public.energy_by_carrier_1min',
        start_offset => interval '60 days', end_offset => interval '1 minute', schedule_interval => interval '1 minute',
        buckets_per_batch => 1440, if_not_exists => true);
    select add_continuous_aggregate_policy('public.energy_by_carrier_1hour',
        start_offset => null, end_offset => interval '1 hour', schedule_interval => interval '15 minutes',
        buckets_per_batch => 8760, if_not_exists => true);

    -- The oldest batch first. Below its watermark a rollup shows what is refreshed and nothing else, and the watermark
    -- follows the newest bucket there is: with the newest batch first, TimescaleDB's own choice, all other days of a
    -- backlog would be missing from panels, and from the levels above, until the last batch is done. By alter_job, as
    -- releases before 2.20 don't know the option. Policies of an earlier version had neither it nor batches; their
    -- hours, and whether they run, stay as they are.
    do $$
    begin
        perform alter_job(j.job_id, config =>
            jsonb_build_object('buckets_per_batch', b.buckets, 'refresh_newest_first', false) || j.config)
        from timescaledb_information.jobs j
        join _timescaledb_catalog.continuous_agg c on c.mat_hypertable_id = (j.config ->> 'mat_hypertable_id')::integer
        join (values ('_1min$', 1440), ('_15min$', 2880), ('_1hour$', 8760), ('_(1day|daily)$', 3650)) b (suffix, buckets)
          on c.user_view_name ~ ('^(energy_readings|energy_by_carrier|production_data|environmental_data|environmental_degree_days)' || b.suffix)
         and c.user_view_schema = 'public'
        where j.proc_name = 'policy_refresh_continuous_aggregate'
          and not j.config ?& array['buckets_per_batch', 'refresh_newest_first'];
    end
    $$;

    -- Raw is compressed after 7 days and dropped after 90. The rollups are kept for good, those of a minute, by far
    -- the largest, compressed once their refresh no longer reaches them.
    select not exists (select from timescaledb_information.continuous_aggregates
                       where view_schema = 'public' and view_name = 'environmental_data_1min'
                         and compression_enabled) as compression_missing \gset
    \if :compression_missing
        alter table public.energy_readings set (
            timescaledb.compress, timescaledb.compress_segmentby = 'machine_id', timescaledb.compress_orderby = 'time desc');
        alter table public.production_data set (
            timescaledb.compress, timescaledb.compress_segmentby = 'machine_id', timescaledb.compress_orderby = 'time desc');
        alter table public.environmental_data set (
            timescaledb.compress, timescaledb.compress_segmentby = 'machine_id', timescaledb.compress_orderby = 'time desc');
        alter materialized view public.energy_readings_1min set (
            timescaledb.compress, timescaledb.compress_segmentby = 'machine_id', timescaledb.compress_orderby = 'bucket desc');
        alter materialized view public.energy_by_carrier_1min set (
            timescaledb.compress, timescaledb.compress_segmentby = 'machine_id, energy_type', timescaledb.compress_orderby = 'bucket desc');
        alter materialized view public.production_data_1min set (
            timescaledb.compress, timescaledb.compress_segmentby = 'machine_id', timescaledb.compress_orderby = 'bucket desc');
        alter materialized view public.environmental_data_1min set (
            timescaledb.compress, timescaledb.compress_segmentby = 'machine_id', timescaledb.compress_orderby = 'bucket desc');
    \endif
    -- Retention two hours after compression: run together, they deadlock over a chunk and one gives up. Each begins within
    -- one of its intervals, at whatever hour this is run: a job with a later start counts as put off.
    select date_bin('12 hours', now(), timestamptz '2000-01-01 01:00+00') + interval '12 hours' as readings_compressed,
           date_bin('1 day', now(), timestamptz '2000-01-01 02:00+00') + interval '1 day' as minutes_compressed,
           date_bin('1 day', now(), timestamptz '2000-01-01 03:00+00') + interval '1 day' as readings_dropped \gset
    select add_compression_policy('public.energy_readings', compress_after => interval '7 days',
        schedule_interval => interval '12 hours', initial_start => :'readings_compressed', if_not_exists => true);
    select add_compression_policy('public.production_data', compress_after => interval '7 days',
        schedule_interval => interval '12 hours', initial_start => :'readings_compressed', if_not_exists => true);
    select add_compression_policy('public.environmental_data', compress_after => interval '7 days',
        schedule_interval => interval '12 hours', initial_start => :'readings_compressed', if_not_exists => true);
    select add_compression_policy('public.energy_readings_1min', compress_after => interval '62 days',
        schedule_interval => interval '1 day', initial_start => :'minutes_compressed', if_not_exists => true);
    select add_compression_policy('public.energy_by_carrier_1min', compress_after => interval '62 days',
        schedule_interval => interval '1 day', initial_start => :'minutes_compressed', if_not_exists => true);
    select add_compression_policy('public.production_data_1min', compress_after => interval '62 days',
        schedule_interval => interval '1 day', initial_start => :'minutes_compressed', if_not_exists => true);
    select add_compression_policy('public.environmental_data_1min', compress_after => interval '62 days',
        schedule_interval => interval '1 day', initial_start => :'minutes_compressed', if_not_exists => true);
    select add_retention_policy('public.energy_readings', drop_after => interval '90 days',
        schedule_interval => interval '1 day', initial_start => :'readings_dropped', if_not_exists => true);
    select add_retention_policy('public.production_data', drop_after => interval '90 days',
        schedule_interval => interval '1 day', initial_start => :'readings_dropped', if_not_exists => true);
    select add_retention_policy('public.environmental_data', drop_after => interval '90 days',
        schedule_interval => interval '1 day', initial_start => :'readings_dropped', if_not_exists => true);

    -- Policies of an earlier version were to begin as much as a day later than that, and count as put off until then.
    do $$
    begin
        perform alter_job(j.job_id, initial_start => n.start, next_start => n.start)
        from timescaledb_information.jobs j
        cross join lateral (select date_bin(j.schedule_interval, now(), j.initial_start) + j.schedule_interval as start) n
        where j.proc_name in ('policy_compression', 'policy_retention')
          and date_part('hour', j.initial_start at time zone 'UTC') in (1, 2, 3)
          and j.initial_start > now() + j.schedule_interval and j.next_start = j.initial_start
          and not exists (
              select from timescaledb_information.job_stats s where s.job_id = j.job_id and s.last_run_started_at > '-infinity');
    end
    $$;
\endif

\o
grant select
    on public.energy_readings_1min, public.energy_readings_15min, public.energy_readings_1hour, public.energy_readings_1day,
       public.energy_by_carrier_1min, public.energy_by_carrier_1hour,
       public.production_data_1min, public.production_data_15min, public.production_data_1hour, public.production_data_1day,
       public.environmental_data_1min, public.environmental_data_15min, public.environmental_data_1hour,
       public.environmental_degree_days_daily
    to enms_reader;
