"""Rollups as the clients know them: columns in order, with types."""

ROLLUPS = {
    "energy_readings_1min": """
        bucket timestamptz, machine_id uuid, avg_power_kw numeric, min_power_kw numeric, max_power_kw numeric, stddev_power_kw numeric,
        total_energy_kwh numeric, avg_voltage_v numeric, avg_current_a numeric, avg_power_factor numeric, avg_frequency_hz numeric,
        reading_count bigint, estimated_count bigint
    """,
    "energy_readings_15min": """
        bucket timestamptz, machine_id uuid, avg_power_kw numeric, min_power_kw numeric, max_power_kw numeric, peak_demand_kw numeric,
        total_energy_kwh numeric, avg_voltage_v numeric, avg_current_a numeric, avg_power_factor numeric, avg_frequency_hz numeric,
        load_factor numeric, total_readings bigint
    """,
    "energy_readings_1hour": """
        bucket timestamptz, machine_id uuid, avg_power_kw numeric, min_power_kw numeric, max_power_kw numeric, peak_demand_kw numeric,
        total_energy_kwh numeric, avg_voltage_v numeric, avg_current_a numeric, avg_power_factor numeric, avg_load_factor numeric,
        total_readings bigint
    """,
    "energy_readings_1day": """
        bucket timestamptz, machine_id uuid, avg_power_kw numeric, min_power_kw numeric, max_power_kw numeric, peak_demand_kw numeric,
        total_energy_kwh numeric, avg_voltage_v numeric, avg_power_factor numeric, avg_load_factor numeric, total_readings bigint
    """,
    "production_data_1min": """
        bucket timestamptz, machine_id uuid, total_production_count bigint, total_production_good bigint, total_production_bad bigint,
        avg_throughput numeric, dominant_mode operating_mode, avg_speed_percent numeric, total_downtime_seconds bigint,
        reading_count bigint
    """,
    "production_data_15min": """
        bucket timestamptz, machine_id uuid, total_production_count bigint, total_production_good bigint, total_production_bad bigint,
        avg_throughput numeric, avg_speed_percent numeric, total_downtime_seconds bigint, total_readings bigint
    """,
    "production_data_1hour": """
        bucket timestamptz, machine_id uuid, total_production_count bigint, total_production_good bigint, total_production_bad bigint,
        quality_percent numeric, avg_throughput numeric, avg_speed_percent numeric, total_downtime_seconds bigint,
        availability_percent numeric, total_readings bigint
    """,
    "production_data_1day": """
        bucket timestamptz, machine_id uuid, total_production_count bigint, total_production_good bigint, total_production_bad bigint,
        quality_percent numeric, avg_throughput numeric, total_downtime_seconds bigint, availability_percent numeric,
        total_readings bigint
    """,
    "environmental_data_1min": """
        bucket timestamptz, machine_id uuid, avg_outdoor_temp_c numeric, avg_indoor_temp_c numeric, avg_machine_temp_c numeric,
        avg_outdoor_humidity numeric, avg_indoor_humidity numeric, avg_pressure_bar numeric, min_pressure_bar numeric,
        max_pressure_bar numeric, avg_flow_rate_m3h numeric, avg_supply_air_temp_c numeric, avg_return_air_temp_c numeric,
        avg_cop numeric, avg_vibration_mm_s numeric, max_vibration_mm_s numeric, reading_count bigint
    """,
    "environmental_data_15min": """
        bucket timestamptz, machine_id uuid, avg_outdoor_temp_c numeric, avg_indoor_temp_c numeric, avg_machine_temp_c numeric,
        avg_outdoor_humidity numeric, avg_indoor_humidity numeric, avg_pressure_bar numeric, min_pressure_bar numeric,
        max_pressure_bar numeric, avg_flow_rate_m3h numeric, avg_vibration_mm_s numeric, total_readings bigint
    """,
    "environmental_data_1hour": """
        bucket timestamptz, machine_id uuid, avg_outdoor_temp_c numeric, avg_indoor_temp_c numeric, avg_machine_temp_c numeric,
        avg_outdoor_humidity numeric, avg_indoor_humidity numeric, avg_pressure_bar numeric, avg_flow_rate_m3h numeric,
        avg_vibration_mm_s numeric, total_readings bigint
    """,
    "environmental_degree_days_daily": """
        day timestamptz, machine_id uuid, avg_outdoor_temp_c numeric, heating_degree_days_18c numeric, cooling_degree_days_18c numeric,
        heating_degree_days_15c numeric, cooling_degree_days_15c numeric, readings_count bigint, min_outdoor_temp_c numeric,
        max_outdoor_temp_c numeric
    """,
}
