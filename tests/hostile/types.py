"""Hostile values that follow from a column's type."""

from collections.abc import Iterator

from hostile.case import Value

MEGABYTES = "x" * 10_000_000

TIMES = {
    "energy_readings": "time", "production_data": "time", "environmental_data": "time", "factories": "created_at updated_at",
    "machines": "installation_date created_at updated_at", "machine_status": "last_reading_time last_production_time alert_timestamp last_updated",
    "energy_baselines": "training_start_date training_end_date created_at", "anomalies": "detected_at resolved_at created_at",
    "energy_tariffs": "valid_from valid_to created_at", "carbon_factors": "valid_from valid_to created_at", "audit_log": "timestamp",
}  # fmt: skip
DATES = {"installation_date", "valid_from", "valid_to"}

# Limits of varchar columns.
TEXTS = {
    "energy_readings": {50: "energy_type source"}, "production_data": {100: "recipe_id batch_id product_id operator_id", 255: "downtime_reason", 50: "shift"},
    "factories": {255: "name location contact_email grid_region", 50: "timezone contact_phone"},
    "machines": {255: "name manufacturer model serial_number location_in_factory mqtt_topic"},
    "energy_baselines": {100: "model_name trained_by", 50: "model_type"}, "anomalies": {100: "anomaly_type metric_name detection_method"},
    "energy_tariffs": {255: "name", 3: "currency", 50: "timezone"}, "carbon_factors": {255: "region grid_name source"},
    "audit_log": {100: "event_type entity_type user_id system_component", 50: "action"},
}  # fmt: skip

# Columns by type, and what is no value of it.
OTHERS = {
    "uuid": {
        "energy_readings": "machine_id", "production_data": "machine_id", "environmental_data": "machine_id", "factories": "id", "machines": "id factory_id",
        "machine_status": "machine_id", "energy_baselines": "id machine_id energy_source_id", "anomalies": "id machine_id", "energy_tariffs": "id factory_id",
        "carbon_factors": "id", "audit_log": "entity_id",
    },
    "json": {
        "energy_readings": "metadata", "production_data": "metadata", "environmental_data": "metadata", "factories": "metadata", "machines": "metadata",
        "machine_status": "metadata", "energy_baselines": "coefficients metadata", "anomalies": "metadata", "energy_tariffs": "metadata",
        "carbon_factors": "metadata", "audit_log": "old_values new_values metadata",
    },
    "boolean": {
        "energy_readings": "is_estimated", "factories": "is_active", "machines": "is_active is_critical", "machine_status": "is_running",
        "energy_baselines": "is_active", "anomalies": "is_resolved", "energy_tariffs": "is_time_of_use is_active", "carbon_factors": "is_active",
    },
    "integer": {
        "production_data": "production_count production_count_good production_count_bad downtime_seconds", "machines": "data_interval_seconds",
        "energy_baselines": "model_version training_samples", "energy_tariffs": "start_hour end_hour",
    },
    "bigint": {"machine_status": "production_total_units", "audit_log": "id"},
    "operating_mode": {"production_data": "operating_mode", "machine_status": "current_mode"},
    "machine_type": {"machines": "type"},
    "alert_level": {"machine_status": "alert_level", "anomalies": "severity"},
    "inet": {"audit_log": "ip_address"},
    "integer[]": {"energy_tariffs": "applicable_days"},
    "text[]": {"energy_baselines": "feature_names"},
}  # fmt: skip
NOT_OF_TYPE = {
    "uuid": [("c0000000", "22P02", "type uuid"), ("", "22P02", "type uuid")],
    "json": [("{broken", "22P02", "type json"), ('{"a": NaN}', "22P02", "type json"), ('"\\u0000"', "22P05", "\\u0000"),
    ("[" * 100_000, "54001", "max_stack_depth")],
    "boolean": [("maybe", "22P02", "type boolean")],
    "integer": [("2147483648", "22003", "type integer"), ("1.5", "22P02", "type integer"), ("", "22P02", "type integer")],
    "bigint": [("9223372036854775808", "22003", "type bigint"), ("1e3", "22P02", "type bigint")],
    "operating_mode": [("Running", "22P02", "enum operating_mode"), ("", "22P02", "enum operating_mode")],
    "machine_type": [("Pump", "22P02", "enum machine_type"), ("robot", "22P02", "enum machine_type")],
    "alert_level": [("fatal", "22P02", "enum alert_level")],
    "inet": [("256.0.0.1", "22P02", "type inet")],
    "integer[]": [("1,2", "22P02", "malformed array literal"), ("{1,x}", "22P02", "type integer"), ("{2147483648}", "22003", "type integer")],
    "text[]": [("a", "22P02", "malformed array literal"), ("{a", "22P02", "malformed array literal")],
}  # fmt: skip


def times() -> Iterator[Value]:
    for table, columns in TIMES.items():
        for column in columns.split():
            constraint = f"{table}_{column.removesuffix('_date') if table == 'energy_baselines' else column}_range"
            # TimescaleDB makes a chunk before it looks at the constraints, and can't for a time as early as that.
            for value in ("infinity", *(["-infinity"] if column != "time" else []), "0001-12-31 BC", "4713-01-01 BC", "10000-01-01", "200000-01-01"):
                early = value[0] == "-" or value.endswith("BC")
                # Of two constraints that a value violates PostgreSQL names the first by name.
                order = {("valid_to", True): f"{table}_valid_order", ("training_start_date", False): f"{table}_training_order"}
                yield Value(table, column, value, "23514", order.get((column, early), constraint))
            kind = "date" if column in DATES else "timestamp with time zone"
            yield Value(table, column, "0000-01-01", "22008", "0000-01-01")
            yield Value(table, column, "2026-02-30", "22008", "2026-02-30")
            yield Value(table, column, "NaN", "22007", f"type {kind}")
            if column not in DATES:
                yield Value(table, column, "294277-01-01", "22008", "294277-01-01")
                yield Value(table, column, "2026-01-01 00:00 Europe/Nowhere", "22023", 'time zone "europe/nowhere" not recognized')
            else:
                yield Value(table, column, "5874898-01-01", "22008", "5874898-01-01")
                yield Value(table, column, "5874897-12-31", "23514", constraint)


def texts() -> Iterator[Value]:
    for table, limits in TEXTS.items():
        for limit, columns in limits.items():
            for column in columns.split():
                yield Value(table, column, "x" * (limit + 1), "22001", f"character varying({limit})")
    for table, column, limit in ("energy_readings", "source", 50), ("machines", "name", 255), ("factories", "timezone", 50):
        yield Value(table, column, MEGABYTES, "22001", f"character varying({limit})")


def others() -> Iterator[Value]:
    for kind, tables in OTHERS.items():
        for table, columns in tables.items():
            for column in columns.split():
                for value, state, names in NOT_OF_TYPE[kind]:
                    yield Value(table, column, value, state, names)
