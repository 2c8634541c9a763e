"""What the analytics service sends by asyncpg: named statements, uuid objects, JSON as text, arrays."""

import json
import uuid
from datetime import UTC, datetime, timedelta

MACHINE, SOURCE = uuid.UUID("c0000000-0000-0000-0000-000000000005"), uuid.uuid4()
THEN = (datetime.now(UTC) - timedelta(days=3)).replace(microsecond=123456)


def insert(table: str, columns: str) -> str:
    names = columns.split()
    return f"insert into {table} ({', '.join(names)}) values ({', '.join(f'${n + 1}' for n in range(len(names)))}) returning id"


ANOMALY = insert(
    "anomalies",
    "machine_id detected_at anomaly_type severity metric_name metric_value expected_value deviation_percent deviation_std_dev"
    " detection_method confidence_score",
)
# Floats for numeric columns, as the models give them.
ANOMALIES = [
    [MACHINE, THEN + timedelta(minutes=n), "spike", severity, "power_kw", 93.1234567, 61.5, 51.42, 3.1, "isolation_forest", 0.93127]
    for n, severity in enumerate(["warning", "normal", "critical", "warning"])
]
RESOLVE = (
    "update anomalies set is_resolved = $2, resolved_at = now(), resolution_notes = $3 where id = $1"
    " returning id, machine_id, anomaly_type, severity, detected_at, resolved_at"
)
WORST_FIRST = "select severity from anomalies a where machine_id = $1 order by a.severity desc, a.detected_at desc"

BASELINE = insert(
    "energy_baselines",
    "machine_id energy_source_id model_name model_type model_version training_start_date training_end_date training_samples coefficients"
    " intercept feature_names r_squared rmse mae is_active trained_by",
)


def baseline(version: int) -> list:
    return [MACHINE, SOURCE, "baseline", "linear_regression", version, THEN - timedelta(days=30), THEN, 720,
            json.dumps({"production_count": 0.0213, "outdoor_temp_c": -0.5}), 12.3456789, ["production_count", "outdoor_temp_c"],
            0.91236, 1.25, 0.98, True, "analytics-service"]  # fmt: skip


NEXT_VERSION = "select coalesce(max(model_version), 0) + 1 from energy_baselines where machine_id = $1 and energy_source_id = $2"
RETIRE = "update energy_baselines set is_active = false where machine_id = $1 and energy_source_id = $2 and is_active"
RETIRE_ALL = "update energy_baselines set is_active = false where machine_id = $1 and is_active"
ACTIVE = "select model_version, coefficients, feature_names from energy_baselines where machine_id = $1 and is_active = $2"
BY_MACHINES = "select machine_id, sum(total_energy_kwh) from energy_readings_1hour where machine_id = any($1) and bucket >= $2 group by 1"
# What a pool sends when a connection is given back.
RELEASE = ["select pg_advisory_unlock_all()", "close all", "unlisten *", "reset all"]
