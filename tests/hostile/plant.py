"""A small plant for hostile input to leave as it is, and a good row of each table for it to come in."""

from datetime import UTC, datetime, timedelta

from hostile.case import FACTORY, MACHINE

DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
SPARE = "33333333-3333-3333-3333-333333333333"

# Where the good rows of a statement get values of their own, so that they are in nobody's way.
KEYS = {
    "factories": ("id",), "machines": ("id",), "machine_status": ("machine_id",), "energy_readings": ("time", "machine_id", "energy_type"),
    "production_data": ("time", "machine_id"), "environmental_data": ("time", "machine_id"),
    "energy_baselines": ("id",), "anomalies": ("id",), "energy_tariffs": ("id",), "carbon_factors": ("id",), "audit_log": ("id",),
}  # fmt: skip


def minute(number: int) -> str:
    """A time of yesterday."""
    return (DAY + timedelta(minutes=number)).isoformat()


def key(number: int) -> str:
    """An id."""
    return f"d0000000-0000-0000-0000-{number:012}"


def row(table: str, number: int) -> dict[str, str | None]:
    """A good row; 1 and 2 are there, any other is new."""
    return {
        "energy_readings": {"time": minute(number), "machine_id": MACHINE, "energy_type": "electrical", "power_kw": "12.5", "energy_kwh": "0.1"},
        "production_data": {"time": minute(number), "machine_id": MACHINE, "production_count": "4"},
        "environmental_data": {"time": minute(number), "machine_id": MACHINE, "outdoor_temp_c": "11.2"},
        "factories": {"id": key(number), "name": f"Factory {number}", "timezone": "Europe/Berlin"},
        "machines": {"id": key(number), "factory_id": SPARE, "name": f"Machine {number}", "type": "pump", "rated_power_kw": "7.5"},
        "machine_status": {"machine_id": key(100 + number), "is_running": "true", "current_mode": "running", "current_power_kw": "3"},
        "energy_baselines": {
            "id": key(number), "machine_id": MACHINE, "model_name": "linear", "model_version": str(number), "training_start_date": "2026-01-01",
            "training_end_date": "2026-02-01", "training_samples": "100", "coefficients": '{"a": 1}', "feature_names": "{a}",
        },
        "anomalies": {"id": key(number), "machine_id": MACHINE, "detected_at": "2026-01-01", "anomaly_type": "spike", "severity": "warning"},
        # Not active: the constraints hold for it all the same, and it overlaps with nothing.
        "energy_tariffs": {
            "id": key(number), "factory_id": FACTORY, "name": f"Tariff {number}", "rate_per_kwh": "0.2", "currency": "USD", "is_time_of_use": "true",
            "start_hour": "6", "end_hour": "9", "applicable_days": "{1,2}", "valid_from": "2026-01-01", "is_active": "false",
        },
        "carbon_factors": {"id": key(number), "region": f"Region {number}", "emission_factor_kg_co2_per_kwh": "0.4", "valid_from": "2026-01-01"},
        "audit_log": {"id": str(1000 + number), "event_type": "test", "action": "INSERT"},
    }[table]  # fmt: skip


# Machines for a status of their own, 111 to 113 without one yet.
PREPARE = [
    f"insert into factories (id, name) values ('{SPARE}', 'Spare')",
    *(f"insert into machines (id, factory_id, name, type, rated_power_kw) values ('{key(n)}', '{SPARE}', 'Status {n}', 'pump', 1)"
      for n in (101, 102, 111, 112, 113)),
    f"insert into energy_readings (time, machine_id, power_kw) select now() - interval '10 days' + n * interval '1 minute', '{MACHINE}', n from generate_series(1, 5) n",
]  # fmt: skip
# Readings that only the rollups have yet, and a compressed chunk.
COMMUNITY = [
    f"insert into energy_readings (time, machine_id, power_kw, energy_kwh) values ('{(DAY - timedelta(days=120)).isoformat()}', '{MACHINE}', 5, 1)",
    "select drop_chunks('energy_readings', now() - interval '90 days')",
    "select compress_chunk(c) from show_chunks('energy_readings', older_than => now() - interval '7 days') c",
]
PAST_RETENTION = (DAY - timedelta(days=120)).isoformat()
