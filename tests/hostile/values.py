"""Hostile values, column by column."""

from collections.abc import Iterator

from hostile import types
from hostile.bounds import OUTSIDE
from hostile.case import READINGS, UNKNOWN, Value
from hostile.plant import KEYS, key, minute

# The constraint that keeps NaN out of each numeric column; infinity and overflow its type refuses.
NUMBERS = {
    "energy_readings": {
        "power_kw": "power_is_number", "energy_kwh": "energy_not_negative", "voltage_v": "voltage_not_negative",
        "current_a": "current_is_number",
        "power_factor": "power_factor_range", "frequency_hz": "frequency_not_negative", "thd_voltage_percent": "thd_voltage_is_number",
        "thd_current_percent": "thd_current_is_number", "voltage_l1_v": "voltage_l1_not_negative", "voltage_l2_v": "voltage_l2_not_negative",
        "voltage_l3_v": "voltage_l3_not_negative", "current_l1_a": "current_l1_is_number", "current_l2_a": "current_l2_is_number",
        "current_l3_a": "current_l3_is_number", "quality_score": "quality_score_range",
    },
    "production_data": {
        "throughput_units_per_hour": "throughput_is_number", "speed_percent": "speed_is_number",
        "target_speed_percent": "target_speed_is_number",
        "quality_score": "quality_score_range",
    },
    "environmental_data": {
        "outdoor_temp_c": "outdoor_temp_is_number", "indoor_temp_c": "indoor_temp_is_number", "machine_temp_c": "machine_temp_is_number",
        "outdoor_humidity_percent": "outdoor_humidity_range", "indoor_humidity_percent": "indoor_humidity_range",
        "pressure_bar": "pressure_is_number",
        "pressure_setpoint_bar": "pressure_setpoint_is_number", "flow_rate_m3h": "flow_rate_is_number",
        "supply_air_temp_c": "supply_air_temp_is_number",
        "return_air_temp_c": "return_air_temp_is_number", "chilled_water_supply_temp_c": "chilled_water_supply_is_number",
        "chilled_water_return_temp_c": "chilled_water_return_is_number", "cop": "cop_is_number", "vibration_mm_s": "vibration_is_number",
    },
    "machines": {
        "rated_power_kw": "rated_power_not_negative", "rated_voltage_v": "rated_voltage_not_negative",
        "rated_current_a": "rated_current_not_negative",
        "rated_frequency_hz": "rated_frequency_not_negative",
    },
    "machine_status": {
        "current_power_kw": "power_is_number", "operating_hours_total": "operating_hours_not_negative",
        "energy_total_kwh": "energy_total_not_negative",
        "health_score": "health_score_range", "uptime_percent_24h": "uptime_range", "availability_percent_24h": "availability_range",
    },
    "energy_baselines": {"intercept": "intercept_is_number", "r_squared": "r_squared_is_number", "rmse": "rmse_not_negative",
    "mae": "mae_not_negative"},
    "anomalies": {
        "metric_value": "metric_value_is_number", "expected_value": "expected_value_is_number",
        "deviation_percent": "deviation_percent_is_number",
        "deviation_std_dev": "deviation_std_dev_is_number", "confidence_score": "confidence_score_is_number",
    },
    "energy_tariffs": {"rate_per_kwh": "rate_not_negative", "demand_charge_per_kw": "demand_charge_not_negative"},
    "carbon_factors": {"emission_factor_kg_co2_per_kwh": "factor_not_negative"},
}  # fmt: skip

# Every column that takes no NULL.
NULLS = {
    "energy_readings": "time machine_id energy_type power_kw energy_kwh", "production_data": "time machine_id",
    "environmental_data": "time machine_id",
    "factories": "id name timezone created_at updated_at is_active",
    "machines": "id factory_id name type rated_power_kw data_interval_seconds is_active is_critical created_at updated_at",
    "machine_status": "machine_id",
    "energy_baselines": "id machine_id model_name training_start_date training_end_date training_samples coefficients feature_names",
    "anomalies": "id machine_id detected_at anomaly_type severity",
    "energy_tariffs": "id factory_id name rate_per_kwh currency is_time_of_use valid_from is_active",
    "carbon_factors": "id region emission_factor_kg_co2_per_kwh valid_from is_active", "audit_log": "id timestamp event_type action",
}  # fmt: skip


def numbers() -> Iterator[Value]:
    for table, columns in NUMBERS.items():
        for column, constraint in columns.items():
            yield Value(table, column, "NaN", "23514", f"{table}_{constraint}")
            for value in "Infinity", "1e30":
                yield Value(table, column, value, "22003", "A field with precision")


def outside() -> Iterator[Value]:
    for table, constraints in OUTSIDE.items():
        for constraint, pairs in constraints.items():
            for pair in pairs:
                column, _, value = pair.partition("=")
                yield Value(
                    table,
                    column,
                    value,
                    "23514",
                    f"{table}_{constraint}",
                    label="JSON null" if column == "coefficients" else repr(value) if value.strip() != value else "",
                )


def nulls() -> Iterator[Value]:
    for table, columns in NULLS.items():
        for column in columns.split():
            yield Value(table, column, None, "23502", column)


def keys() -> Iterator[Value]:
    """Keys that are taken, and references to nothing."""
    for table in READINGS:
        name = "machine_time_type_unique" if table == "energy_readings" else "machine_time_unique"
        yield Value(table, "time", minute(2), "23505", f"{table}_{name}", label="taken")
        yield Value(table, "machine_id", UNKNOWN, "23503", f"unknown machine {UNKNOWN} in {table}")
    for table, columns in KEYS.items():
        if columns == ("id",):
            yield Value(table, "id", "1002" if table == "audit_log" else key(2), "23505", f"{table}_pkey", label="taken")
    yield Value("machine_status", "machine_id", key(102), "23505", "machine_status_pkey", label="taken")
    yield Value("machine_status", "machine_id", UNKNOWN, "23503", "machine_status_machine_fkey")
    yield Value("factories", "name", "Spare", "23505", "factories_name_unique")
    yield Value("machines", "name", "Machine 2", "23505", "machines_factory_name_unique")
    yield Value("machines", "factory_id", UNKNOWN, "23503", "machines_factory_fkey")
    yield Value("energy_baselines", "machine_id", UNKNOWN, "23503", "energy_baselines_machine_fkey")
    yield Value("energy_baselines", "model_version", "2", "23505", "energy_baselines_machine_version_unique")
    yield Value("anomalies", "machine_id", UNKNOWN, "23503", "anomalies_machine_fkey")
    yield Value("energy_tariffs", "factory_id", UNKNOWN, "23503", "energy_tariffs_factory_fkey")
    yield Value("carbon_factors", "region", "Region 2", "23505", "carbon_factors_region_start_unique")
    yield Value("energy_tariffs", "is_active", "true", "23P01", "energy_tariffs_no_overlap", {"start_hour": "16", "end_hour": "17"})
    yield Value("energy_tariffs", "is_active", "true", "23P01", "energy_tariffs_no_overlap", {"is_time_of_use": "false"}, label="flat")


def values() -> Iterator[Value]:
    """Every case of a hostile value."""
    for make in numbers, outside, nulls, keys, types.times, types.texts, types.others:
        yield from make()
