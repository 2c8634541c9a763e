"""Expressions of the dashboards and the analytics service that hold for some types only, as queries of a reader."""

# $machine_id is what the dashboards put in.
QUERIES = {
    "round takes two arguments of numeric": "select round(metric_value, 2), round(expected_value, 2), round(deviation_percent, 1),"
    " round(confidence_score, 2) from anomalies",
    "round of a status": "select round(current_power_kw, 2), round(health_score, 1) from machine_status",
    "round of a sum times a rate": "select round(sum(total_energy_kwh) * 0.18, 2) from energy_readings_1day",
    "round of an extracted number": "select round(extract(epoch from (now() - detected_at)) / 3600, 1) from anomalies",
    "a text as uuid": "select bucket as time, avg_power_kw from energy_readings_1hour where machine_id = '$machine_id'::uuid"
    " and bucket > now() - interval '1 day' order by bucket",
    "json by key": "select coalesce(metadata->>'energy_type', 'electricity'), sum(energy_kwh) from energy_readings group by 1",
    "json by key with a number": "select sum((metadata->>'consumption_m3')::numeric) from energy_readings where energy_type = 'natural_gas'",
    "bucket as date": "select bucket::date, date(bucket), sum(total_energy_kwh) from energy_readings_1hour group by 1, 2",
    "readings beside hours": "select er.bucket, sum(pd.production_count) from energy_readings_1hour er join production_data pd"
    " on pd.machine_id = er.machine_id and date_trunc('hour', pd.time) = er.bucket group by 1",
    "readings beside minutes": "select er.bucket, sum(pd.production_count) from energy_readings_1min er join production_data pd"
    " on pd.machine_id = er.machine_id and date_trunc('minute', pd.time) = er.bucket group by 1",
    "rows at one time": "select count(*) from energy_readings e join production_data p using (machine_id, time)"
    " join environmental_data v using (machine_id, time) join machines m on m.id = e.machine_id where e.power_kw / m.rated_power_kw > 0.1",
    "approximate count": "select approximate_row_count('energy_readings')",
    "jobs": "select job_id, proc_name, schedule_interval from timescaledb_information.jobs order by job_id",
    "all factories": "select * from factories",
    "machines of the simulator": "select id, name, type, rated_power_kw, data_interval_seconds, mqtt_topic from machines where is_active = true"
    " order by name",
    "text of a type": "select count(*) from machines where type::text = 'compressor' and type in ('compressor', 'boiler')",
    "the tariff in force": "select rate_per_kwh from energy_tariffs where is_active order by valid_from desc limit 1",
    "the factor of a region": "select emission_factor_kg_co2_per_kwh from carbon_factors where region = 'default' and is_active",
    **{f"bucket of {width}": f"select time_bucket('{width}', time) as t, avg(power_kw), first(power_kw, time), last(power_kw, time)"
       " from energy_readings where time > now() - interval '7 days' group by t order by t"
       for width in ("1 minute", "5 minutes", "15 minutes", "1 hour", "1 day", "1 week")},
}  # fmt: skip
