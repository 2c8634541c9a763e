"""Values outside of what a constraint allows."""

# By table and constraint, which has the table's name before its own: columns and values. Most are just outside.
OUTSIDE = {
    "energy_readings": {
        "energy_not_negative": ["energy_kwh=-0.000001"], "voltage_not_negative": ["voltage_v=-0.01"],
        "power_factor_range": ["power_factor=1.0001", "power_factor=-1.0001"],
        "frequency_not_negative": ["frequency_hz=-0.001"], "voltage_l1_not_negative": ["voltage_l1_v=-1"],
        "voltage_l2_not_negative": ["voltage_l2_v=-1"],
        "voltage_l3_not_negative": ["voltage_l3_v=-1"], "quality_score_range": ["quality_score=1.01", "quality_score=-0.01"],
        "energy_type_not_empty": ["energy_type=", "energy_type=   "],
    },
    "production_data": {
        "count_not_negative": ["production_count=-1"], "good_not_negative": ["production_count_good=-1"],
        "bad_not_negative": ["production_count_bad=-2147483648"],
        "good_and_bad_within_count": ["production_count_good=5", "production_count_bad=2147483647"],
        "downtime_not_negative": ["downtime_seconds=-1"],
        "quality_score_range": ["quality_score=100.01", "quality_score=-0.01"],
    },
    "environmental_data": {
        "outdoor_humidity_range": ["outdoor_humidity_percent=100.01", "outdoor_humidity_percent=-1"],
        "indoor_humidity_range": ["indoor_humidity_percent=100.01", "indoor_humidity_percent=-1"],
    },
    "factories": {
        "name_not_empty": ["name=", "name=  ", "name=\t", "name=\r\n"], "grid_region_not_empty": ["grid_region=", "grid_region=\n"],
        "timezone_known": ["timezone=Europe/Nowhere", "timezone=", "timezone=FOO5", "timezone=+02:00", "timezone=utc", "timezone=localtime", "timezone=posix/Europe/Berlin",
                           "timezone='; drop table machines; --"],
    },
    "machines": {
        "name_not_empty": ["name=", "name=\t "], "rated_power_not_negative": ["rated_power_kw=-0.01"],
        "rated_voltage_not_negative": ["rated_voltage_v=-1"],
        "rated_current_not_negative": ["rated_current_a=-1"], "rated_frequency_not_negative": ["rated_frequency_hz=-1"],
        "data_interval_positive": ["data_interval_seconds=0", "data_interval_seconds=-1"],
    },
    "machine_status": {
        "operating_hours_not_negative": ["operating_hours_total=-1"], "energy_total_not_negative": ["energy_total_kwh=-1"],
        "production_total_not_negative": ["production_total_units=-1"], "health_score_range": ["health_score=100.01", "health_score=-1"],
        "uptime_range": ["uptime_percent_24h=101", "uptime_percent_24h=-1"],
        "availability_range": ["availability_percent_24h=101", "availability_percent_24h=-1"],
    },
    "energy_baselines": {
        "model_name_not_empty": ["model_name=", "model_name=\t"], "model_version_positive": ["model_version=0", "model_version=-3"],
        "training_order": ["training_end_date=2025-12-31"], "training_samples_not_negative": ["training_samples=-1"],
        "r_squared_is_number": ["r_squared=1.0001"], "rmse_not_negative": ["rmse=-1"], "mae_not_negative": ["mae=-1"],
        "coefficients_not_null": ["coefficients=null"], "feature_names_not_null": ["feature_names={a,NULL}"],
    },
    "anomalies": {"anomaly_type_not_empty": ["anomaly_type=", "anomaly_type=\n"], "resolved_order": ["resolved_at=2025-12-31"]},
    "energy_tariffs": {
        "name_not_empty": ["name=", "name= \t"], "rate_not_negative": ["rate_per_kwh=-0.000001"],
        "demand_charge_not_negative": ["demand_charge_per_kw=-1"],
        "currency_code": ["currency=eur", "currency=E", "currency=", "currency=12$", "currency=EU\n"],
        "hours_range": ["start_hour=-1", "end_hour=25", "start_hour=2147483647"],
        "days_range": ["applicable_days={7}", "applicable_days={-1}", "applicable_days={1,NULL}"],
        "time_of_use_complete": ["start_hour=9", "applicable_days={}"], "valid_order": ["valid_to=2025-12-31"],
        "timezone_known": ["timezone=Europe/Nowhere", "timezone=right/UTC", "timezone=<+03>-3"],
    },
    "carbon_factors": {"region_not_empty": ["region=", "region=\t"], "factor_not_negative": ["emission_factor_kg_co2_per_kwh=-0.000001"],
    "valid_order": ["valid_to=2025-12-31"]},
    "audit_log": {"event_type_not_empty": ["event_type=", "event_type= "], "action_not_empty": ["action=", "action=\t"]},
}  # fmt: skip
