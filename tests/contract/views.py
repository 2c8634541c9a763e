"""Views and KPI functions as the clients know them: columns in order, of the functions with types and scales."""

VIEWS = {
    "v_machines_current_status": """
        machine_id, machine_name, machine_type, factory_id, factory_name, rated_power_kw, is_running, current_mode, current_power_kw,
        operating_hours_total, energy_total_kwh, production_total_units, alert_level, alert_message, health_score, last_reading_time,
        last_updated, is_active, is_critical
    """,
    "v_machines_detail": """
        machine_id, machine_name, description, machine_type, manufacturer, model, serial_number, installation_date, rated_power_kw,
        rated_voltage_v, rated_current_a, rated_frequency_hz, location_in_factory, data_interval_seconds, factory_id, factory_name,
        factory_location, is_active, is_critical, created_at, metadata
    """,
    "v_latest_energy_readings": """
        machine_id, time, power_kw, energy_kwh, voltage_v, current_a, power_factor, frequency_hz
    """,
    "v_current_hour_metrics": """
        machine_id, hour_bucket, avg_power_kw, max_power_kw, min_power_kw, total_energy_kwh, avg_power_factor, avg_voltage_v,
        reading_count
    """,
    "v_today_summary": """
        machine_id, machine_name, machine_type, factory_name, energy_today_kwh, avg_power_today_kw, peak_demand_today_kw,
        production_today_units, sec_today, cost_today, co2_today_kg
    """,
    "v_week_summary": """
        machine_id, machine_name, machine_type, factory_name, energy_week_kwh, avg_power_week_kw, peak_demand_week_kw,
        production_week_units, sec_week, cost_week, co2_week_kg
    """,
    "v_factory_dashboard": """
        factory_id, factory_name, location, total_machines, active_machines, running_machines, current_total_power_kw,
        energy_today_kwh, production_today_units, active_alerts, cost_today, co2_today_kg
    """,
    "v_energy_comparison_daily": """
        machine_id, machine_name, hour_of_day, energy_today_kwh, energy_yesterday_kwh, change_percent
    """,
    "v_active_anomalies": """
        anomaly_id, machine_id, machine_name, machine_type, factory_name, detected_at, anomaly_type, severity, metric_name,
        metric_value, expected_value, deviation_percent, detection_method, confidence_score, current_power_kw, current_mode
    """,
    "v_baseline_compliance": """
        machine_id, machine_name, machine_type, model_name, model_version, r_squared, is_active, last_trained, baseline_status
    """,
    "v_power_trend_24h": """
        time, machine_id, power_kw
    """,
    "v_energy_trend_30d": """
        date, machine_id, energy_kwh, peak_demand_kw, load_factor
    """,
    "v_monthly_cost_breakdown": """
        month, machine_id, machine_name, machine_type, factory_name, total_energy_kwh, peak_demand_kw, energy_cost, demand_charge,
        total_cost
    """,
    "v_carbon_emissions_tracking": """
        date, machine_id, machine_name, factory_name, total_energy_kwh, total_co2_kg, total_co2_tonnes
    """,
}

MACHINE = "p_machine_id uuid, p_start_time timestamptz, p_end_time timestamptz"
# Arguments, and the columns of the result. A numeric's scale is that of the figures; PostgreSQL keeps none for a function's result.
FUNCTIONS = {
    "calculate_sec": (MACHINE, """
        machine_id uuid, sec_kwh_per_unit numeric(10,4), total_energy_kwh numeric(15,3), total_production_units bigint,
        time_period_hours numeric(10,2)
    """),
    "calculate_peak_demand": (MACHINE, """
        machine_id uuid, peak_demand_kw numeric(10,3), peak_time timestamptz, avg_power_kw numeric(10,3)
    """),
    "calculate_load_factor": (MACHINE, """
        machine_id uuid, load_factor numeric(5,4), load_factor_percent numeric(5,2), avg_power_kw numeric(10,3), max_power_kw numeric(10,3)
    """),
    "calculate_energy_cost": (f"{MACHINE}, p_factory_id uuid", """
        machine_id uuid, total_cost numeric(15,2), total_energy_kwh numeric(15,3), avg_rate_per_kwh numeric(10,6), currency varchar
    """),
    "calculate_carbon_intensity": (f"{MACHINE}, p_region varchar", """
        machine_id uuid, total_co2_kg numeric(15,3), total_energy_kwh numeric(15,3), emission_factor numeric(10,6),
        co2_per_unit_kg numeric(10,6)
    """),
    "calculate_all_kpis": (MACHINE, """
        machine_id uuid, machine_name varchar, time_period_hours numeric(10,2), total_energy_kwh numeric(15,3), avg_power_kw numeric(10,3),
        peak_demand_kw numeric(10,3), total_production_units bigint, sec_kwh_per_unit numeric(10,4), load_factor numeric(5,4),
        load_factor_percent numeric(5,2), total_cost numeric(15,2), cost_per_unit numeric(10,4), total_co2_kg numeric(15,3),
        co2_per_unit_kg numeric(10,6)
    """),
    "get_machine_operating_hours": (MACHINE, """
        machine_id uuid, total_hours numeric(10,2), running_hours numeric(10,2), idle_hours numeric(10,2), downtime_hours numeric(10,2),
        utilization_percent numeric(5,2)
    """),
    "get_factory_summary": ("p_factory_id uuid, p_start_time timestamptz, p_end_time timestamptz", """
        factory_id uuid, factory_name varchar, machine_count bigint, active_machines bigint, total_energy_kwh numeric(15,3),
        total_cost numeric(15,2), total_co2_kg numeric(15,3), avg_load_factor numeric(5,4)
    """),
}
