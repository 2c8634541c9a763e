-- Views for dashboards. Figures come from the KPI functions' own source; today, this week and a month begin at the
-- factory's local midnight.
-- Running this file again changes nothing.

\set ON_ERROR_STOP on
set client_min_messages = warning;

-- The present local periods of each factory.
create or replace view enms.factory_periods as
select
    f.id as factory_id,
    f.timezone,
    (now() at time zone f.timezone)::date as today,
    date_trunc('day', now() at time zone f.timezone) at time zone f.timezone as day_start,
    date_trunc('week', now() at time zone f.timezone) at time zone f.timezone as week_start,
    -- A range may not be empty, not even at the very stroke of midnight.
    greatest(now(), (date_trunc('day', now() at time zone f.timezone) at time zone f.timezone) + interval '1 microsecond')
        as until
from public.factories f;
comment on view enms.factory_periods is 'Where today and this week begin at each factory, and the end of both: now.';
comment on column enms.factory_periods.factory_id is 'factories.id.';
comment on column enms.factory_periods.timezone is 'Zone name.';
comment on column enms.factory_periods.today is 'Local day.';
comment on column enms.factory_periods.day_start is 'Local midnight.';
comment on column enms.factory_periods.week_start is 'Monday''s local midnight.';
comment on column enms.factory_periods.until is 'End of both periods: now.';

create or replace view public.v_machines_current_status as
select
    m.id as machine_id, m.name as machine_name, m.type as machine_type,
    m.factory_id, f.name as factory_name, m.rated_power_kw,
    s.is_running, s.current_mode, s.current_power_kw, s.operating_hours_total, s.energy_total_kwh,
    s.production_total_units, s.alert_level, s.alert_message, s.health_score,
    s.last_reading_time, s.last_updated, m.is_active, m.is_critical
from public.machines m
join public.factories f on f.id = m.factory_id
left join public.machine_status s on s.machine_id = m.id;
comment on view public.v_machines_current_status is 'Machines with their present state; powers in kW, energy in kWh, hours in h.';
comment on column public.v_machines_current_status.machine_id is 'machines.id.';
comment on column public.v_machines_current_status.machine_name is 'Name of the machine.';
comment on column public.v_machines_current_status.machine_type is 'Kind of machine.';
comment on column public.v_machines_current_status.factory_id is 'factories.id.';
comment on column public.v_machines_current_status.factory_name is 'Name of the factory.';
comment on column public.v_machines_current_status.rated_power_kw is 'Rated power, kW.';
comment on column public.v_machines_current_status.is_running is 'True while running.';
comment on column public.v_machines_current_status.current_mode is 'Operating mode now.';
comment on column public.v_machines_current_status.current_power_kw is 'Power that the machines'' last status messages tell, kW; 0 without one.';
comment on column public.v_machines_current_status.operating_hours_total is 'Operating hours since commissioning, h.';
comment on column public.v_machines_current_status.energy_total_kwh is 'Energy since commissioning, kWh.';
comment on column public.v_machines_current_status.production_total_units is 'Units since commissioning.';
comment on column public.v_machines_current_status.alert_level is 'Severity of the alert.';
comment on column public.v_machines_current_status.alert_message is 'Text of the alert.';
comment on column public.v_machines_current_status.health_score is 'Health, 0 to 100 %.';
comment on column public.v_machines_current_status.last_reading_time is 'Newest energy reading.';
comment on column public.v_machines_current_status.last_updated is 'When the status last arrived.';
comment on column public.v_machines_current_status.is_active is 'False where retired.';
comment on column public.v_machines_current_status.is_critical is 'True for a machine that production can''t do without.';

create or replace view public.v_machines_detail as
select
    m.id as machine_id, m.name as machine_name, m.description, m.type as machine_type, m.manufacturer, m.model,
    m.serial_number, m.installation_date, m.rated_power_kw, m.rated_voltage_v, m.rated_current_a,
    m.rated_frequency_hz, m.location_in_factory, m.data_interval_seconds,
    m.factory_id, f.name as factory_name, f.location as factory_location,
    m.is_active, m.is_critical, m.created_at, m.metadata
from public.machines m
join public.factories f on f.id = m.factory_id;
comment on view public.v_machines_detail is 'Machines with their nameplate: rated power kW, voltage V, current A, frequency Hz, data interval s.';
comment on column public.v_machines_detail.machine_id is 'machines.id.';
comment on column public.v_machines_detail.machine_name is 'Name of the machine.';
comment on column public.v_machines_detail.description is 'Free text.';
comment on column public.v_machines_detail.machine_type is 'Kind of machine.';
comment on column public.v_machines_detail.manufacturer is 'Maker.';
comment on column public.v_machines_detail.model is 'Maker''s model.';
comment on column public.v_machines_detail.serial_number is 'Serial number.';
comment on column public.v_machines_detail.installation_date is 'Day of installation.';
comment on column public.v_machines_detail.rated_power_kw is 'Rated power, kW.';
comment on column public.v_machines_detail.rated_voltage_v is 'Rated voltage, V.';
comment on column public.v_machines_detail.rated_current_a is 'Rated current, A.';
comment on column public.v_machines_detail.rated_frequency_hz is 'Rated frequency, Hz.';
comment on column public.v_machines_detail.location_in_factory is 'Where in the factory.';
comment on column public.v_machines_detail.data_interval_seconds is 'Expected time between readings, s.';
comment on column public.v_machines_detail.factory_id is 'factories.id.';
comment on column public.v_machines_detail.factory_name is 'Name of the factory.';
comment on column public.v_machines_detail.factory_location is 'Town and country of the factory.';
comment on column public.v_machines_detail.is_active is 'False where retired.';
comment on column public.v_machines_detail.is_critical is 'True for a machine that production can''t do without.';
comment on column public.v_machines_detail.created_at is 'When the row was made.';
comment on column public.v_machines_detail.metadata is 'Free facts.';

create or replace view public.v_latest_energy_readings as
select e.machine_id, e.time, e.power_kw, e.energy_kwh, e.voltage_v, e.current_a, e.power_factor, e.frequency_hz
from enms.latest_readings() e;
comment on view public.v_latest_energy_readings is 'The newest electricity reading of each machine; kW, kWh, V, A, Hz.';
comment on column public.v_latest_energy_readings.machine_id is 'machines.id.';
comment on column public.v_latest_energy_readings.time is 'Instant of the reading.';
comment on column public.v_latest_energy_readings.power_kw is 'Power, kW.';
comment on column public.v_latest_energy_readings.energy_kwh is 'Energy, kWh.';
comment on column public.v_latest_energy_readings.voltage_v is 'Voltage, V.';
comment on column public.v_latest_energy_readings.current_a is 'Current, A.';
comment on column public.v_latest_energy_readings.power_factor is 'Power factor.';
comment on column public.v_latest_energy_readings.frequency_hz is 'Frequency, Hz.';

-- From the readings: an hour of them costs little, and a correction shows at once.
create or replace view public.v_current_hour_metrics as
select
    r.machine_id,
    time_bucket('1 hour', r.time) as hour_bucket,
    avg(r.power_kw) as avg_power_kw,
    max(r.power_kw) as max_power_kw,
    min(r.power_kw) as min_power_kw,
    sum(r.energy_kwh) as total_energy_kwh,
    avg(r.power_factor) as avg_power_factor,
    avg(r.voltage_v) as avg_voltage_v,
    count(*) as reading_count
from public.energy_readings r
where r.time >= time_bucket('1 hour', now()) and r.time <= now()
  and r.energy_type in ('electrical', 'electricity', 'energy')
group by 1, 2;
comment on view public.v_current_hour_metrics is 'Electricity of the present clock hour by machine; kW, kWh, V.';
comment on column public.v_current_hour_metrics.machine_id is 'machines.id.';
comment on column public.v_current_hour_metrics.hour_bucket is 'Start of the clock hour.';
comment on column public.v_current_hour_metrics.avg_power_kw is 'Mean power, kW.';
comment on column public.v_current_hour_metrics.max_power_kw is 'Highest reading, kW.';
comment on column public.v_current_hour_metrics.min_power_kw is 'Lowest reading, kW.';
comment on column public.v_current_hour_metrics.total_energy_kwh is 'Energy, kWh.';
comment on column public.v_current_hour_metrics.avg_power_factor is 'Mean power factor.';
comment on column public.v_current_hour_metrics.avg_voltage_v is 'Mean voltage, V.';
comment on column public.v_current_hour_metrics.reading_count is 'Readings.';

create or replace view public.v_today_summary as
select
    m.id as machine_id, m.name as machine_name, m.type as machine_type, f.name as factory_name,
    round(k.energy_kwh, 3) as energy_today_kwh,
    round(coalesce(k.avg_power_kw, 0), 3) as avg_power_today_kw,
    round(k.peak_kw, 3) as peak_demand_today_kw,
    k.units as production_today_units,
    round(k.energy_kwh / nullif(k.units, 0), 4) as sec_today,
    case when k.first_currency is not distinct from k.last_currency then round(k.cost, 2) end as cost_today,
    round(k.co2_kg, 3) as co2_today_kg,
    case when k.first_currency = k.last_currency then k.first_currency::varchar(3) end as currency
from public.factories f
join enms.factory_periods p on p.factory_id = f.id
cross join lateral enms.machine_figures(
    array(select a.id from public.machines a where a.factory_id = f.id and a.is_active), p.day_start, p.until) k
join public.machines m on m.id = k.machine_id;
comment on view public.v_today_summary is 'KPIs of each active machine since local midnight, as calculate_all_kpis gives them; cost is NULL where two currencies apply.';
comment on column public.v_today_summary.machine_id is 'machines.id.';
comment on column public.v_today_summary.machine_name is 'Name of the machine.';
comment on column public.v_today_summary.machine_type is 'Kind of machine.';
comment on column public.v_today_summary.factory_name is 'Name of the factory.';
comment on column public.v_today_summary.energy_today_kwh is 'Energy since local midnight, kWh.';
comment on column public.v_today_summary.avg_power_today_kw is 'Mean power since local midnight, kW.';
comment on column public.v_today_summary.peak_demand_today_kw is 'Peak demand since local midnight, kW.';
comment on column public.v_today_summary.production_today_units is 'Units since local midnight.';
comment on column public.v_today_summary.sec_today is 'SEC since local midnight, kWh per unit.';
comment on column public.v_today_summary.cost_today is 'Energy cost since local midnight, in currency.';
comment on column public.v_today_summary.co2_today_kg is 'CO2 since local midnight, kg.';
comment on column public.v_today_summary.currency is 'Three-letter code (ISO 4217); NULL where none or two apply.';

create or replace view public.v_week_summary as
select
    m.id as machine_id, m.name as machine_name, m.type as machine_type, f.name as factory_name,
    round(k.energy_kwh, 3) as energy_week_kwh,
    round(coalesce(k.avg_power_kw, 0), 3) as avg_power_week_kw,
    round(k.peak_kw, 3) as peak_demand_week_kw,
    k.units as production_week_units,
    round(k.energy_kwh / nullif(k.units, 0), 4) as sec_week,
    case when k.first_currency is not distinct from k.last_currency then round(k.cost, 2) end as cost_week,
    round(k.co2_kg, 3) as co2_week_kg,
    case when k.first_currency = k.last_currency then k.first_currency::varchar(3) end as currency
from public.factories f
join enms.factory_periods p on p.factory_id = f.id
cross join lateral enms.machine_figures(
    array(select a.id from public.machines a where a.factory_id = f.id and a.is_active), p.week_start, p.until) k
join public.machines m on m.id = k.machine_id;
comment on view public.v_week_summary is 'KPIs of each active machine since Monday''s local midnight, as calculate_all_kpis gives them; cost is NULL where two currencies apply.';
comment on column public.v_week_summary.machine_id is 'machines.id.';
comment on column public.v_week_summary.machine_name is 'Name of the machine.';
comment on column public.v_week_summary.machine_type is 'Kind of machine.';
comment on column public.v_week_summary.factory_name is 'Name of the factory.';
comment on column public.v_week_summary.energy_week_kwh is 'Energy since Monday''s local midnight, kWh.';
comment on column public.v_week_summary.avg_power_week_kw is 'Mean power since Monday''s local midnight, kW.';
comment on column public.v_week_summary.peak_demand_week_kw is 'Peak demand since Monday''s local midnight, kW.';
comment on column public.v_week_summary.production_week_units is 'Units since Monday''s local midnight.';
comment on column public.v_week_summary.sec_week is 'SEC since Monday''s local midnight, kWh per unit.';
comment on column public.v_week_summary.cost_week is 'Energy cost since Monday''s local midnight, in currency.';
comment on column public.v_week_summary.co2_week_kg is 'CO2 since Monday''s local midnight, kg.';
comment on column public.v_week_summary.currency is 'Three-letter code (ISO 4217); NULL where none or two apply.';

create or replace view public.v_factory_dashboard as
select
    f.id as factory_id, f.name as factory_name, f.location,
    c.total_machines, c.active_machines, c.running_machines, c.current_total_power_kw,
    k.energy_today_kwh, k.production_today_units, a.active_alerts, k.cost_today, k.co2_today_kg, k.currency
from public.factories f
join enms.factory_periods p on p.factory_id = f.id
cross join lateral (
    select count(*) as total_machines,
           count(*) filter (where m.is_active) as active_machines,
           count(*) filter (where s.is_running) as running_machines,
           coalesce(sum(s.current_power_kw), 0) as current_total_power_kw
    from public.machines m
    left join public.machine_status s on s.machine_id = m.id
    where m.factory_id = f.id) c
cross join lateral (
    select count(*) as active_alerts
    from public.anomalies n
    join public.machines m on m.id = n.machine_id
    where m.factory_id = f.id and not n.is_resolved) a
cross join lateral (
    select round(coalesce(sum(g.energy_kwh), 0), 3) as energy_today_kwh,
           coalesce(sum(g.units), 0)::bigint as production_today_units,
           case when min(g.first_currency) is not distinct from max(g.last_currency)
                then round(coalesce(sum(g.cost), 0), 2) end as cost_today,
           round(coalesce(sum(g.co2_kg), 0), 3) as co2_today_kg,
           case when min(g.first_currency) = max(g.last_currency) then min(g.first_currency)::varchar(3) end as currency
    from enms.machine_figures(
        array(select m.id from public.machines m where m.factory_id = f.id), p.day_start, p.until) g) k;
comment on view public.v_factory_dashboard is 'Each factory now and since local midnight, as get_factory_summary gives it; kW, kWh, kg.';
comment on column public.v_factory_dashboard.factory_id is 'factories.id.';
comment on column public.v_factory_dashboard.factory_name is 'Name of the factory.';
comment on column public.v_factory_dashboard.location is 'Town and country.';
comment on column public.v_factory_dashboard.total_machines is 'Machines.';
comment on column public.v_factory_dashboard.active_machines is 'Machines not retired.';
comment on column public.v_factory_dashboard.running_machines is 'Machines running now.';
comment on column public.v_factory_dashboard.current_total_power_kw is 'Power now, kW.';
comment on column public.v_factory_dashboard.energy_today_kwh is 'Energy since local midnight, kWh.';
comment on column public.v_factory_dashboard.production_today_units is 'Units since local midnight.';
comment on column public.v_factory_dashboard.active_alerts is 'Anomalies not yet resolved.';
comment on column public.v_factory_dashboard.cost_today is 'Energy cost since local midnight, in currency.';
comment on column public.v_factory_dashboard.co2_today_kg is 'CO2 since local midnight, kg.';
comment on column public.v_factory_dashboard.currency is 'Three-letter code (ISO 4217); NULL where none or two apply.';

create or replace view public.v_energy_comparison_daily as
select
    h.machine_id, h.machine_name, h.hour_of_day,
    coalesce(h.energy_today_kwh, 0) as energy_today_kwh,
    coalesce(h.energy_yesterday_kwh, 0) as energy_yesterday_kwh,
    round((coalesce(h.energy_today_kwh, 0) - h.energy_yesterday_kwh) / nullif(h.energy_yesterday_kwh, 0) * 100, 2)
        as change_percent
from (
    select m.id as machine_id, m.name as machine_name,
           extract(hour from s.slice at time zone p.timezone)::integer as hour_of_day,
           sum(s.energy_kwh) filter (where s.slice >= p.day_start) as energy_today_kwh,
           sum(s.energy_kwh) filter (where s.slice < p.day_start) as energy_yesterday_kwh
    from enms.factory_periods p
    cross join lateral (select (p.today - 1)::timestamp at time zone p.timezone as start_time) y
    cross join lateral enms.energy_slices(
        array(select a.id from public.machines a where a.factory_id = p.factory_id), y.start_time, p.until,
        enms.hours_are_whole(p.factory_id, p.factory_id, y.start_time, p.until)) s
    join public.machines m on m.id = s.machine_id
    group by 1, 2, 3) h;
comment on view public.v_energy_comparison_daily is 'Electricity by machine and local hour of day, today against yesterday, kWh.';
comment on column public.v_energy_comparison_daily.machine_id is 'machines.id.';
comment on column public.v_energy_comparison_daily.machine_name is 'Name of the machine.';
comment on column public.v_energy_comparison_daily.hour_of_day is 'Local hour, 0 to 23.';
comment on column public.v_energy_comparison_daily.energy_today_kwh is 'Energy since local midnight, kWh.';
comment on column public.v_energy_comparison_daily.energy_yesterday_kwh is 'Energy in the same hour yesterday, kWh.';
comment on column public.v_energy_comparison_daily.change_percent is 'Change against yesterday, %.';

create or replace view public.v_active_anomalies as
select
    a.id as anomaly_id, a.machine_id, m.name as machine_name, m.type as machine_type, f.name as factory_name,
    a.detected_at, a.anomaly_type, a.severity, a.metric_name, a.metric_value, a.expected_value,
    a.deviation_percent, a.detection_method, a.confidence_score, s.current_power_kw, s.current_mode
from public.anomalies a
join public.machines m on m.id = a.machine_id
join public.factories f on f.id = m.factory_id
left join public.machine_status s on s.machine_id = a.machine_id
where not a.is_resolved;
comment on view public.v_active_anomalies is 'Anomalies not yet resolved, with the machine''s present state.';
comment on column public.v_active_anomalies.anomaly_id is 'anomalies.id.';
comment on column public.v_active_anomalies.machine_id is 'machines.id.';
comment on column public.v_active_anomalies.machine_name is 'Name of the machine.';
comment on column public.v_active_anomalies.machine_type is 'Kind of machine.';
comment on column public.v_active_anomalies.factory_name is 'Name of the factory.';
comment on column public.v_active_anomalies.detected_at is 'When it was found.';
comment on column public.v_active_anomalies.anomaly_type is 'Kind of anomaly.';
comment on column public.v_active_anomalies.severity is 'Severity.';
comment on column public.v_active_anomalies.metric_name is 'Column that is out of line.';
comment on column public.v_active_anomalies.metric_value is 'Value found, in the unit of metric_name.';
comment on column public.v_active_anomalies.expected_value is 'Value expected, in the unit of metric_name.';
comment on column public.v_active_anomalies.deviation_percent is 'Deviation from the expected value, %.';
comment on column public.v_active_anomalies.detection_method is 'How it was found.';
comment on column public.v_active_anomalies.confidence_score is 'Confidence, 0 to 1.';
comment on column public.v_active_anomalies.current_power_kw is 'Power now, kW.';
comment on column public.v_active_anomalies.current_mode is 'Operating mode now.';

create or replace view public.v_baseline_compliance as
select
    m.id as machine_id, m.name as machine_name, m.type as machine_type,
    b.model_name, b.model_version, b.r_squared, b.is_active, b.training_end_date as last_trained,
    case
        when b.id is null then 'missing'
        when b.r_squared is null or b.r_squared < 0.75 then 'weak'
        when b.training_end_date < now() - interval '1 year' then 'stale'
        else 'valid'
    end as baseline_status
from public.machines m
left join public.energy_baselines b on b.machine_id = m.id and b.is_active
where m.is_active;
comment on view public.v_baseline_compliance is 'Active energy baselines of each active machine: missing, weak (r2 under 0.75), stale (trained on data over a year old) or valid.';
comment on column public.v_baseline_compliance.machine_id is 'machines.id.';
comment on column public.v_baseline_compliance.machine_name is 'Name of the machine.';
comment on column public.v_baseline_compliance.machine_type is 'Kind of machine.';
comment on column public.v_baseline_compliance.model_name is 'Name of the model.';
comment on column public.v_baseline_compliance.model_version is 'Version of the model.';
comment on column public.v_baseline_compliance.r_squared is 'Coefficient of determination.';
comment on column public.v_baseline_compliance.is_active is 'False where retired.';
comment on column public.v_baseline_compliance.last_trained is 'End of the training data.';
comment on column public.v_baseline_compliance.baseline_status is 'missing, weak, stale or valid.';

create or replace view public.v_power_trend_24h as
select r.bucket as time, r.machine_id, r.avg_power_kw as power_kw
from public.energy_readings_1min r
where r.bucket >= now() - interval '24 hours' and r.bucket <= now();
comment on view public.v_power_trend_24h is 'Mean power by minute over the last 24 hours, kW.';
comment on column public.v_power_trend_24h.time is 'Start of the minute.';
comment on column public.v_power_trend_24h.machine_id is 'machines.id.';
comment on column public.v_power_trend_24h.power_kw is 'Mean power of the minute, kW.';

create or replace view public.v_energy_trend_30d as
select
    d.date, d.machine_id,
    round(d.energy_kwh, 3) as energy_kwh,
    round(d.peak_kw, 3) as peak_demand_kw,
    case when d.peak_kw > 0 then round(round(least(greatest(d.mean_kw / d.peak_kw, 0), 1), 12), 4) end as load_factor
from (
    select (s.slice at time zone p.timezone)::date as date, s.machine_id, sum(s.energy_kwh) as energy_kwh,
           max(s.peak_kw) as peak_kw, sum(s.sum_demand_kw) / nullif(sum(s.demands), 0) as mean_kw
    from enms.factory_periods p
    cross join lateral (
        select (p.today - 29)::timestamp at time zone p.timezone as start_time,
               (p.today + 1)::timestamp at time zone p.timezone as end_time) r
    cross join lateral enms.energy_slices(
        array(select m.id from public.machines m where m.factory_id = p.factory_id), r.start_time, r.end_time,
        enms.hours_are_whole(p.factory_id, p.factory_id, r.start_time, r.end_time)) s
    group by 1, 2) d;
comment on view public.v_energy_trend_30d is 'Electricity by machine and local day over 30 days: energy kWh, peak demand kW, load factor.';
comment on column public.v_energy_trend_30d.date is 'Local day.';
comment on column public.v_energy_trend_30d.machine_id is 'machines.id.';
comment on column public.v_energy_trend_30d.energy_kwh is 'Energy, kWh.';
comment on column public.v_energy_trend_30d.peak_demand_kw is 'Peak demand, kW.';
comment on column public.v_energy_trend_30d.load_factor is 'Load factor, 0 to 1.';

create or replace view public.v_monthly_cost_breakdown as
select
    l.month, m.id as machine_id, m.name as machine_name, m.type as machine_type, f.name as factory_name,
    round(k.energy_kwh, 3) as total_energy_kwh,
    round(k.peak_kw, 3) as peak_demand_kw,
    round(k.cost, 2) as energy_cost,
    round(round(k.demand_charge, 9), 2) as demand_charge,
    round(k.cost, 2) + round(round(k.demand_charge, 9), 2) as total_cost,
    k.currency,
    round(k.unpriced_kwh, 3) as unpriced_energy_kwh
from public.factories f
join enms.electricity_spans() d on d.factory_id = f.id
cross join lateral (
    select generate_series(date_trunc('month', d.first at time zone f.timezone), d.last at time zone f.timezone, interval '1 month')::date
        as month) l
cross join lateral (
    select g.machine_id, g.energy_kwh, g.peak_kw, g.energy_kwh - g.priced_kwh as unpriced_kwh, g.readings,
           case when g.first_currency is not distinct from g.last_currency then g.cost end as cost,
           case when g.first_currency = g.last_currency then g.first_currency::varchar(3) end as currency,
           coalesce(greatest(g.peak_kw, 0) * enms.demand_charge_at(f.id, g.peak_slice), 0) as demand_charge
    from enms.machine_figures(
        array(select a.id from public.machines a where a.factory_id = f.id),
        l.month::timestamp at time zone f.timezone, (l.month + interval '1 month') at time zone f.timezone,
        p_with_units => false) g) k
join public.machines m on m.id = k.machine_id
where k.readings > 0;
comment on view public.v_monthly_cost_breakdown is 'Energy cost and demand charge by machine and local month, in the tariffs'' currency; NULL where two apply.';
comment on column public.v_monthly_cost_breakdown.month is 'First day of the local month.';
comment on column public.v_monthly_cost_breakdown.machine_id is 'machines.id.';
comment on column public.v_monthly_cost_breakdown.machine_name is 'Name of the machine.';
comment on column public.v_monthly_cost_breakdown.machine_type is 'Kind of machine.';
comment on column public.v_monthly_cost_breakdown.factory_name is 'Name of the factory.';
comment on column public.v_monthly_cost_breakdown.total_energy_kwh is 'Energy, kWh.';
comment on column public.v_monthly_cost_breakdown.peak_demand_kw is 'Peak demand, kW.';
comment on column public.v_monthly_cost_breakdown.energy_cost is 'Energy cost, in currency.';
comment on column public.v_monthly_cost_breakdown.demand_charge is 'Demand charge of the month''s peak, in currency.';
comment on column public.v_monthly_cost_breakdown.total_cost is 'Energy cost and demand charge, in currency.';
comment on column public.v_monthly_cost_breakdown.currency is 'Three-letter code (ISO 4217); NULL where none or two apply.';
comment on column public.v_monthly_cost_breakdown.unpriced_energy_kwh is 'Energy that no tariff prices, kWh.';

create or replace view public.v_carbon_emissions_tracking as
with days as materialized (
    select (s.slice at time zone f.timezone)::date as date, s.machine_id, f.name as factory_name,
           coalesce(f.grid_region, 'default') as region, sum(s.energy_kwh) as energy_kwh
    from public.factories f
    join enms.electricity_spans() d on d.factory_id = f.id
    cross join lateral enms.energy_slices(
        array(select a.id from public.machines a where a.factory_id = f.id), d.first, d.last,
        enms.hours_are_whole(f.id, f.id, d.first, d.last)) s
    group by 1, 2, 3, 4),
factors as (
    select d.region, d.date, enms.carbon_factor_on(d.region, d.date) as factor
    from (select distinct d.region, d.date from days d) d)
select
    d.date, d.machine_id, m.name as machine_name, d.factory_name,
    round(d.energy_kwh, 3) as total_energy_kwh,
    round(d.energy_kwh * c.factor, 3) as total_co2_kg,
    round(d.energy_kwh * c.factor / 1000, 6) as total_co2_tonnes
from days d
join factors c on c.region = d.region and c.date = d.date
join public.machines m on m.id = d.machine_id;
comment on view public.v_carbon_emissions_tracking is 'Electricity and its CO2 by machine and local day; kWh, kg, t; CO2 is NULL on a day without a factor.';
comment on column public.v_carbon_emissions_tracking.date is 'Local day.';
comment on column public.v_carbon_emissions_tracking.machine_id is 'machines.id.';
comment on column public.v_carbon_emissions_tracking.machine_name is 'Name of the machine.';
comment on column public.v_carbon_emissions_tracking.factory_name is 'Name of the factory.';
comment on column public.v_carbon_emissions_tracking.total_energy_kwh is 'Energy, kWh.';
comment on column public.v_carbon_emissions_tracking.total_co2_kg is 'CO2, kg.';
comment on column public.v_carbon_emissions_tracking.total_co2_tonnes is 'CO2, t.';

-- For operations: figures for make status, Prometheus and Grafana. Sizes are in bytes, ages in seconds, as those take them.
create or replace view public.v_ops_server as
select
    current_database()::text collate "default" as database_name,
    current_setting('server_version') as server_version,
    (select e.extversion from pg_extension e where e.extname = 'timescaledb') collate "default" as timescaledb_version,
    case current_setting('timescaledb.license') when 'timescale' then 'community' when 'apache' then 'apache-2' end as edition,
    date_trunc('second', pg_postmaster_start_time()) as started_at,
    extract(epoch from now() - pg_postmaster_start_time())::bigint as uptime_seconds,
    (select v.version::text from enms.schema_version v order by v.completed_at desc limit 1) as schema_version,
    (select max(v.completed_at) from enms.schema_version v) as schema_completed_at,
    pg_database_size(current_database()) as database_bytes,
    (select d.numbackends from pg_stat_database d where d.datname = current_database()) as connections,
    current_setting('max_connections')::integer as max_connections;
comment on view public.v_ops_server is 'The server and this database; one row.';
comment on column public.v_ops_server.database_name is 'Name of the database.';
comment on column public.v_ops_server.server_version is 'Version of PostgreSQL.';
comment on column public.v_ops_server.timescaledb_version is 'Version of TimescaleDB in this database.';
comment on column public.v_ops_server.edition is 'Edition of TimescaleDB: community or apache-2.';
comment on column public.v_ops_server.started_at is 'When the server was started.';
comment on column public.v_ops_server.uptime_seconds is 'Time since then, s.';
comment on column public.v_ops_server.schema_version is 'Version of this schema, which was the last to be completed.';
comment on column public.v_ops_server.schema_completed_at is 'When it was.';
comment on column public.v_ops_server.database_bytes is 'Size of this database, bytes.';
comment on column public.v_ops_server.connections is 'Sessions of this database, background workers included.';
comment on column public.v_ops_server.max_connections is 'Sessions that the whole server takes.';

create or replace view public.v_ops_sizes as
select
    s.relation, s.kind,
    sum(s.table_bytes + s.index_bytes + s.toast_bytes)::bigint as total_bytes,
    sum(s.table_bytes)::bigint as table_bytes,
    sum(s.index_bytes)::bigint as index_bytes,
    sum(s.toast_bytes)::bigint as toast_bytes,
    count(s.range_start) as chunks,
    count(*) filter (where s.compressed) as compressed_chunks,
    sum(s.before_bytes)::bigint as before_compression_bytes,
    sum(s.after_bytes)::bigint as after_compression_bytes,
    round(100 - 100 * sum(s.after_bytes) / nullif(sum(s.before_bytes), 0), 1) as saved_percent
from enms.ops_storage() s
group by s.relation, s.kind;
comment on view public.v_ops_sizes is 'Bytes on disk by table and rollup. On the Apache-2 edition rollups are views, which take none and are not listed.';
comment on column public.v_ops_sizes.relation is 'Table or rollup, with its schema where that is not public.';
comment on column public.v_ops_sizes.kind is 'readings (a hypertable), rollup or table.';
comment on column public.v_ops_sizes.total_bytes is 'Size on disk with indexes, bytes.';
comment on column public.v_ops_sizes.table_bytes is 'Of that rows, bytes.';
comment on column public.v_ops_sizes.index_bytes is 'Of that indexes, bytes.';
comment on column public.v_ops_sizes.toast_bytes is 'Of that what is stored out of line (TOAST), where most of compressed rows is, bytes.';
comment on column public.v_ops_sizes.chunks is 'Chunks.';
comment on column public.v_ops_sizes.compressed_chunks is 'Of those compressed.';
comment on column public.v_ops_sizes.before_compression_bytes is 'Size of the compressed chunks as they were before, bytes; NULL where there is none.';
comment on column public.v_ops_sizes.after_compression_bytes is 'Size of the compressed chunks when they had been compressed, bytes; NULL where there is none.';
comment on column public.v_ops_sizes.saved_percent is 'What compression saved of them, %.';

-- From the rollups of a day or an hour, which cost little. On Apache-2 those would read all of raw, which is asked for the days alone.
create or replace view public.v_ops_ingest as
with counted as materialized (
    select c.bucket, c.machine_id, sum(c.energy) as energy, sum(c.production) as production, sum(c.environmental) as environmental
    from (
        select e.bucket, e.machine_id, e.total_readings as energy, 0 as production, 0 as environmental
        from public.energy_readings_1day e
        where current_setting('timescaledb.license') = 'timescale' and e.bucket >= time_bucket('1 day', now()) - interval '7 days'
        union all
        select o.day, o.machine_id, o.readings, 0, 0 from enms.ops_carrier_days() o
        union all
        select p.bucket, p.machine_id, 0, p.total_readings, 0
        from public.production_data_1day p
        where current_setting('timescaledb.license') = 'timescale' and p.bucket >= time_bucket('1 day', now()) - interval '7 days'
        union all
        select time_bucket('1 day', n.bucket), n.machine_id, 0, 0, n.total_readings
        from public.environmental_data_1hour n
        where current_setting('timescaledb.license') = 'timescale' and n.bucket >= time_bucket('1 day', now()) - interval '7 days'
        union all
        select time_bucket('1 day', e.time), e.machine_id, count(*), 0, 0
        from public.energy_readings e
        where current_setting('timescaledb.license') <> 'timescale' and e.time >= time_bucket('1 day', now()) - interval '7 days'
        group by 1, 2
        union all
        select time_bucket('1 day', p.time), p.machine_id, 0, count(*), 0
        from public.production_data p
        where current_setting('timescaledb.license') <> 'timescale' and p.time >= time_bucket('1 day', now()) - interval '7 days'
        group by 1, 2
        union all
        select time_bucket('1 day', n.time), n.machine_id, 0, 0, count(*)
        from public.environmental_data n
        where current_setting('timescaledb.license') <> 'timescale' and n.time >= time_bucket('1 day', now()) - interval '7 days'
        group by 1, 2) c
    group by 1, 2)
select
    d.day::date as day, m.id as machine_id, m.name as machine_name, f.name as factory_name,
    coalesce(r.energy, 0)::bigint as energy_readings,
    coalesce(r.production, 0)::bigint as production_readings,
    coalesce(r.environmental, 0)::bigint as environmental_readings,
    greatest(0, ceil(extract(epoch from least(now(), d.day_end) - greatest(d.day_start, s.since)) / m.data_interval_seconds))::bigint
        as expected_energy_readings
from public.machines m
join public.factories f on f.id = m.factory_id
cross join lateral (
    select g.day, g.day at time zone 'UTC' as day_start, (g.day + interval '1 day') at time zone 'UTC' as day_end
    from generate_series((now() at time zone 'UTC')::date - interval '7 days', (now() at time zone 'UTC')::date, interval '1 day') g (day)) d
left join counted r on r.machine_id = m.id and r.bucket = d.day_start
-- Readings are due from when the machine was entered, or from the first day of those that were brought in from before.
left join (select c.machine_id, min(c.bucket) as first_day from counted c where c.energy > 0 group by 1) b on b.machine_id = m.id
cross join lateral (
    select case when b.first_day < time_bucket('1 day', m.created_at) then b.first_day else m.created_at end as since) s
where m.is_active or r.machine_id is not null;
comment on view public.v_ops_ingest is 'Readings by machine and day (UTC), today and the seven days before, 0 where there is none; those of other carriers than electricity show within a minute.';
comment on column public.v_ops_ingest.day is 'Day in UTC; the last one is today, up to now.';
comment on column public.v_ops_ingest.machine_id is 'machines.id.';
comment on column public.v_ops_ingest.machine_name is 'Name of the machine.';
comment on column public.v_ops_ingest.factory_name is 'Name of the factory.';
comment on column public.v_ops_ingest.energy_readings is 'Energy readings of every carrier.';
comment on column public.v_ops_ingest.production_readings is 'Production readings.';
comment on column public.v_ops_ingest.environmental_readings is 'Environmental readings.';
comment on column public.v_ops_ingest.expected_energy_readings is 'Energy readings that the machine''s data_interval_seconds makes of the day, for one carrier, from when it was entered if it has none from before.';

create or replace view public.v_ops_freshness as
select
    m.id as machine_id, m.name as machine_name, f.name as factory_name, m.data_interval_seconds,
    n.last_reading,
    extract(epoch from now() - n.last_reading)::bigint as age_seconds,
    a.allowed as late_after_seconds,
    coalesce(n.last_reading, m.created_at) < now() - a.allowed * interval '1 second' as late
from enms.ops_newest_readings() n
join public.machines m on m.id = n.machine_id
join public.factories f on f.id = m.factory_id
cross join lateral (select greatest(900, 10 * m.data_interval_seconds::bigint) as allowed) a;
comment on view public.v_ops_freshness is 'The newest energy reading of each active machine, against its interval.';
comment on column public.v_ops_freshness.machine_id is 'machines.id.';
comment on column public.v_ops_freshness.machine_name is 'Name of the machine.';
comment on column public.v_ops_freshness.factory_name is 'Name of the factory.';
comment on column public.v_ops_freshness.data_interval_seconds is 'Expected time between readings, s.';
comment on column public.v_ops_freshness.last_reading is 'Instant of the newest reading; NULL where there is none.';
comment on column public.v_ops_freshness.age_seconds is 'Time since then, s; negative where the machine''s clock is ahead.';
comment on column public.v_ops_freshness.late_after_seconds is 'Age at which the machine is late: ten intervals, a quarter of an hour at least, s.';
comment on column public.v_ops_freshness.late is 'True where the reading is older; without any reading, where the machine was entered longer ago.';

create or replace view public.v_ops_jobs as
select
    j.job_id, j.kind, j.target, j.state, j.last_success, j.next_start, j.last_status, j.failures, j.runs,
    extract(epoch from j.schedule_interval)::bigint as schedule_seconds,
    extract(epoch from j.acts_after)::bigint as acts_after_seconds,
    extract(epoch from now() - j.last_success)::bigint as since_success_seconds,
    extract(epoch from j.last_duration)::double precision as last_duration_seconds,
    j.state in ('ok', 'running', 'not run yet') or j.state = 'off' and j.kind not in ('refresh', 'compression', 'retention') as healthy
from enms.ops_jobs((select max(v.completed_at) from enms.schema_version v)) j;
comment on view public.v_ops_jobs is 'Policies and other jobs of this database. The Apache-2 edition has none.';
comment on column public.v_ops_jobs.job_id is 'Number of the job.';
comment on column public.v_ops_jobs.kind is 'refresh, compression, retention, or the procedure of a job of your own.';
comment on column public.v_ops_jobs.target is 'Table or rollup that it works on.';
comment on column public.v_ops_jobs.state is 'ok, running or not run yet; failed (the last run, unless it met a refresh by hand and succeeded lately), overdue (no success for three intervals and 10 minutes, nor a run begun since), put off, or off.';
comment on column public.v_ops_jobs.last_success is 'End of the last run that succeeded.';
comment on column public.v_ops_jobs.next_start is 'When it is to run next.';
comment on column public.v_ops_jobs.last_status is 'Success or Failed, of the last run.';
comment on column public.v_ops_jobs.failures is 'Runs that failed, ever.';
comment on column public.v_ops_jobs.runs is 'Runs, ever.';
comment on column public.v_ops_jobs.schedule_seconds is 'Interval of the runs, s.';
comment on column public.v_ops_jobs.acts_after_seconds is 'Age at which chunks are compressed or dropped, s.';
comment on column public.v_ops_jobs.since_success_seconds is 'Time since the last success, s.';
comment on column public.v_ops_jobs.last_duration_seconds is 'Duration of the last run, s.';
comment on column public.v_ops_jobs.healthy is 'True where state is ok, running or not run yet, and of a job of your own also where it is off.';

create or replace view public.v_ops_statements as
select
    s.query_id, s.role_name, s.statement, s.calls,
    round(s.total_ms::numeric, 3) as total_ms,
    round(s.mean_ms::numeric, 3) as mean_ms,
    round(s.max_ms::numeric, 3) as max_ms,
    s.row_count
from enms.ops_statements() s;
comment on view public.v_ops_statements is 'The hundred statements of this database that took the most time since its statistics were reset, whoever ran them.';
comment on column public.v_ops_statements.query_id is 'Number that pg_stat_statements gave it.';
comment on column public.v_ops_statements.role_name is 'Who ran it.';
comment on column public.v_ops_statements.statement is 'Its text up to the first literal in quotes, without comments and without numbers of four digits or more; of what neither reads nor writes rows the first word alone.';
comment on column public.v_ops_statements.calls is 'How often it ran.';
comment on column public.v_ops_statements.total_ms is 'Time in all, ms.';
comment on column public.v_ops_statements.mean_ms is 'Time of one run, ms.';
comment on column public.v_ops_statements.max_ms is 'Time of the longest run, ms.';
comment on column public.v_ops_statements.row_count is 'Rows that it returned or changed.';

-- What a day brings is taken from the chunks of the last seven days as they were before compression; those that are not over
-- count up to now. What a rollup keeps of a day began when its readings did.
create or replace view public.v_ops_disk_forecast as
with storage as materialized (
    select s.*, s.table_bytes + s.index_bytes + s.toast_bytes as bytes, split_part(s.relation, '_', 1) as fact
    from enms.ops_storage() s),
policies as materialized (
    select j.target, j.kind, extract(epoch from min(j.acts_after)) / 86400 as days
    from enms.ops_jobs((select max(v.completed_at) from enms.schema_version v)) j
    where j.kind in ('compression', 'retention') and j.state <> 'off'
    group by 1, 2),
begun as materialized (
    select s.fact, min(case when s.range_end > now() then greatest(s.made, s.range_start) else s.range_start end) as since
    from storage s
    where s.kind = 'readings' and s.range_start is not null
    group by 1),
chunked as (
    select
        s.relation, s.kind, sum(s.bytes) as bytes,
        coalesce(extract(epoch from now() - greatest(min(s.range_start), case when min(s.range_end) > min(b.since) then min(b.since) end)) / 86400, 0) as held,
        extract(epoch from max(s.range_end - s.range_start)) / 86400 as chunk,
        sum(coalesce(s.before_bytes, s.bytes)) filter (where r.days > 0) as recent_bytes,
        sum(r.days) filter (where r.days > 0) as recent_days
    from storage s
    left join begun b on b.fact = s.fact
    cross join lateral (
        select case when s.range_end > now() - interval '7 days'
                    then extract(epoch from least(s.range_end, now()) - greatest(s.range_start, b.since)) / 86400 end as days) r
    where s.kind in ('readings', 'rollup')
    group by 1, 2),
planned as (
    select c.*, p.days as compress_after, p.days + c.chunk as plain, k.days as kept, t.daily, m.ratio,
           -- Until a chunk has been compressed: what was measured of readings and of rollups.
           case when p.days is null then 1 else coalesce(m.ratio, case c.kind when 'readings' then 0.1 else 0.2 end) end as shrinks_to
    from chunked c
    cross join lateral (
        select case when c.recent_days is null then 0 when c.recent_days >= 1.0 / 24 then c.recent_bytes / c.recent_days end as daily) t
    -- Chunks of a few rows, as quarter-hours of an old year, hardly shrink, and tell nothing of a plant that sends more today.
    cross join lateral (
        select sum(s.after_bytes) / nullif(sum(s.before_bytes), 0) as ratio
        from storage s
        where s.relation = c.relation and s.before_bytes >= coalesce(t.daily * c.chunk / 4, 0)) m
    left join policies p on p.target = c.relation and p.kind = 'compression'
    left join policies k on k.target = c.relation and k.kind = 'retention'),
expected as (
    select p.*, d.place, least(d.days, p.plain) * p.daily + greatest(d.days - p.plain, 0) * p.daily * p.shrinks_to as bytes_then
    from planned p
    cross join lateral (values ('retention', p.kept), ('now', p.held), ('year', least(p.kept, p.held + 365))) d (place, days))
select
    e.relation, e.kind, e.bytes::bigint as bytes_now,
    round(e.daily)::bigint as bytes_per_day,
    round(e.compress_after, 2) as compress_after_days,
    round(e.shrinks_to, 4) as shrinks_to,
    e.ratio is not null as shrinking_measured,
    round(e.kept, 2) as kept_days,
    round(e.held, 2) as held_days,
    round(max(e.bytes_then) filter (where e.place = 'retention' and e.kept is not null))::bigint as bytes_at_retention,
    round(case when e.kept is null
               then e.bytes + max(e.bytes_then) filter (where e.place = 'year') - max(e.bytes_then) filter (where e.place = 'now')
               else max(e.bytes_then) filter (where e.place = 'year') end)::bigint as bytes_in_a_year,
    round(e.plain, 2) as plain_days
from expected e
group by e.relation, e.kind, e.bytes, e.daily, e.compress_after, e.plain, e.shrinks_to, e.ratio, e.kept, e.held
union all
select 'everything else', 'other', o.bytes::bigint, 0, null, 1, false, null, null, null, o.bytes::bigint, null
from (select pg_database_size(current_database()) - coalesce(sum(c.bytes), 0) as bytes from chunked c) o;
comment on view public.v_ops_disk_forecast is 'What tables and rollups take now, and what they will if each day goes on as the last seven.';
comment on column public.v_ops_disk_forecast.relation is 'Hypertable or rollup; everything else of the database has one row.';
comment on column public.v_ops_disk_forecast.kind is 'readings, rollup or other.';
comment on column public.v_ops_disk_forecast.bytes_now is 'Size on disk, bytes.';
comment on column public.v_ops_disk_forecast.bytes_per_day is 'What a day brings before it is compressed, bytes; NULL while there is less than an hour to tell by.';
comment on column public.v_ops_disk_forecast.compress_after_days is 'Age at which chunks are compressed, days; NULL where they are not.';
comment on column public.v_ops_disk_forecast.shrinks_to is 'What compression leaves, as a part of 1.';
comment on column public.v_ops_disk_forecast.shrinking_measured is 'True where shrinks_to is that of the chunks compressed so far, of a quarter of what they would hold today at least; false where it is assumed.';
comment on column public.v_ops_disk_forecast.kept_days is 'Age at which chunks are dropped, days; NULL where they are kept for good.';
comment on column public.v_ops_disk_forecast.held_days is 'Days from the oldest chunk to now.';
comment on column public.v_ops_disk_forecast.bytes_at_retention is 'Size when as many days are held as are kept, bytes; NULL where they are kept for good.';
comment on column public.v_ops_disk_forecast.bytes_in_a_year is 'Size in a year, bytes.';
comment on column public.v_ops_disk_forecast.plain_days is 'Age up to which rows are not compressed, days: a chunk is compressed when the last of it is compress_after_days old; NULL where it never is.';

grant select
    on enms.factory_periods,
       public.v_machines_current_status, public.v_machines_detail, public.v_latest_energy_readings,
       public.v_current_hour_metrics, public.v_today_summary, public.v_week_summary, public.v_factory_dashboard,
       public.v_energy_comparison_daily, public.v_active_anomalies, public.v_baseline_compliance,
       public.v_power_trend_24h, public.v_energy_trend_30d, public.v_monthly_cost_breakdown,
       public.v_carbon_emissions_tracking
    to enms_reader;
grant select
    on public.v_ops_server, public.v_ops_sizes, public.v_ops_ingest, public.v_ops_freshness, public.v_ops_jobs,
       public.v_ops_disk_forecast
    to enms_reader, enms_monitor;
-- Other sessions' statements are for monitors alone.
grant select on public.v_ops_statements to enms_monitor;

-- What was set aside under another name because its shape is another one now. A view of the user's that still reads it
-- stops this file, and names itself.
do $$
declare
    v_old text;
begin
    for v_old in
        select 'view ' || c.oid::regclass from pg_class c
        where c.relnamespace = 'enms'::regnamespace and c.relname like 'superseded\_%' and c.relkind = 'v'
        union all
        select 'function ' || p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'enms'::regnamespace and p.proname like 'superseded\_%'
    loop
        execute 'drop ' || v_old;
    end loop;
end
$$;
