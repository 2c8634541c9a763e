"""What the ingest flow sends: a statement per kind of message, and its parameters as node-postgres writes them, all text."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

COMPRESSOR, HVAC, PUMP = (f"c0000000-0000-0000-0000-00000000000{number}" for number in (1, 2, 4))

# Columns, the key of the upsert, what the second message changes.
ENERGY = (
    "energy_readings",
    "time machine_id energy_type power_kw energy_kwh voltage_v current_a power_factor frequency_hz source metadata",
    "time machine_id energy_type", "power_kw energy_kwh metadata",
)  # fmt: skip
PRODUCTION = (
    "production_data",
    "time machine_id production_count production_count_good production_count_bad throughput_units_per_hour operating_mode"
    " speed_percent recipe_id batch_id",
    "time machine_id",
    "production_count production_count_good production_count_bad throughput_units_per_hour operating_mode speed_percent",
)
ENVIRONMENT = (
    "environmental_data",
    "time machine_id outdoor_temp_c indoor_temp_c machine_temp_c outdoor_humidity_percent indoor_humidity_percent pressure_bar"
    " flow_rate_m3h supply_air_temp_c return_air_temp_c cop vibration_mm_s",
    "time machine_id", "outdoor_temp_c indoor_temp_c machine_temp_c pressure_bar flow_rate_m3h vibration_mm_s",
)  # fmt: skip
STATUS = (
    "machine_status", "machine_id is_running current_mode current_power_kw last_updated", "machine_id",
    "is_running current_mode current_power_kw last_updated",
)  # fmt: skip
# Written into the statement, not sent.
LITERALS = {"source": "'mqtt'", "last_updated": "now()"}
KWH_PER_M3, KWH_PER_KG = 10.55, 2.26
GAS = "flow_rate_m3h consumption_m3 pressure_bar temperature_c calorific_value_kwh_m3"
STEAM = "flow_rate_kg_h consumption_kg pressure_bar temperature_c enthalpy_kj_kg"


def statement(target: tuple[str, str, str, str]) -> str:
    """The upsert for a target, with $1, $2 ... for what is sent."""
    table, columns, key, changed = target
    sent = [column for column in columns.split() if column not in LITERALS]
    values = [LITERALS.get(column) or f"${sent.index(column) + 1}" for column in columns.split()]
    sets = [f"{column} = now()" if column == "last_updated" else f"{column} = excluded.{column}" for column in changed.split()]
    return (f"insert into {table} ({', '.join(columns.split())}) values ({', '.join(values)})"
            f" on conflict ({', '.join(key.split())}) do update set {', '.join(sets)}")  # fmt: skip


def text(value: Any) -> str | None:
    """A parameter as node-postgres sends it, without a type."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if value == int(value) else repr(value)


def process(kind: str, message: dict[str, Any]) -> tuple[tuple[str, str, str, str], dict[str, str | None]]:
    """The target of a message of a topic, and the values sent by column. What is 0 or missing is NULL where the flow says `x || null`."""
    row = {"machine_id": message["machine_id"]}
    target = {"production": PRODUCTION, "environmental": ENVIRONMENT, "status": STATUS}.get(kind, ENERGY)
    if target is not STATUS:
        row["time"] = message.get("time") or message["timestamp"]
    if target is ENERGY:
        power, energy, native = message.get("power_kw"), message.get("energy_kwh"), {}
        if kind == "natural_gas":
            power, energy = message["flow_rate_m3h"] * KWH_PER_M3, message["consumption_m3"] * KWH_PER_M3
            native = {name: message[name] for name in GAS.split()}
        elif kind == "steam":
            power, energy = message["flow_rate_kg_h"] * KWH_PER_KG, message["consumption_kg"] * KWH_PER_KG
            native = {name: message[name] for name in STEAM.split()}
        row |= {"energy_type": kind, "power_kw": power, "energy_kwh": energy, "metadata": json.dumps(native)}
    elif target is PRODUCTION:
        row |= {name: message.get(name) or 0 for name in ("production_count_good", "production_count_bad")}
        row |= {"production_count": message.get("production_count"), "operating_mode": message.get("operating_mode") or "idle"}
    elif target is STATUS:
        row |= {"is_running": message.get("is_running") or False, "current_mode": message.get("operating_mode") or "offline",
                "current_power_kw": message.get("current_power_kw") or 0}  # fmt: skip
    for column in target[1].split():
        if column not in LITERALS:
            row.setdefault(column, message.get(column) or None)
    return target, {column: text(row[column]) for column in target[1].split() if column not in LITERALS}


# Fresh, and before the other readings of the tests.
DAY = f"{datetime.now(UTC) - timedelta(days=3):%Y-%m-%d}"
# Topic, a message, and a second one of the same time; the numbers are such as arithmetic on floats gives.
MESSAGES = [
    ("energy", {"time": f"{DAY}T10:00:00.123456", "machine_id": COMPRESSOR, "power_kw": 41.25, "energy_kwh": 0.011458333333333334,
                "voltage_v": 398.4, "current_a": 0, "power_factor": 0.875, "frequency_hz": 50.012},
     {"power_kw": 0, "energy_kwh": 1e-07, "voltage_v": 1}),
    ("electricity", {"timestamp": f"{DAY}T10:00:30", "machine_id": PUMP, "power_kw": 3.1, "energy_kwh": 0.0258, "voltage_v": 400,
                     "current_a": 4.7, "power_factor": 0.95}, {"power_kw": 3.2}),
    ("natural_gas", {"timestamp": f"{DAY}T10:00:30", "machine_id": PUMP, "flow_rate_m3h": 12.3, "consumption_m3": 0.1025,
                     "pressure_bar": 0.3, "temperature_c": 15.0, "calorific_value_kwh_m3": 10.55}, {"flow_rate_m3h": 0.1}),
    ("steam", {"timestamp": f"{DAY}T10:00:30", "machine_id": PUMP, "flow_rate_kg_h": 800.7, "consumption_kg": 6.6725,
               "pressure_bar": 8, "temperature_c": 175.5, "enthalpy_kj_kg": 2772.1}, {"consumption_kg": 0}),
    ("production", {"time": f"{DAY}T10:00:00.123456", "machine_id": COMPRESSOR, "production_count": 117, "production_count_good": 117,
                    "production_count_bad": 0, "throughput_units_per_hour": 421200.5, "operating_mode": "running", "speed_percent": 97.5},
     {"production_count": 0, "production_count_good": 0, "throughput_units_per_hour": 0, "operating_mode": "", "speed_percent": 0}),
    ("production", {"time": f"{DAY}T10:00:30", "machine_id": PUMP, "production_count": 5, "production_count_good": 4,
                    "production_count_bad": 1, "throughput_units_per_hour": 600, "operating_mode": "running", "recipe_id": "R-7"},
     {"operating_mode": "fault", "recipe_id": "R-8"}),
    # Of a boiler.
    ("production", {"time": f"{DAY}T10:01:00", "machine_id": PUMP, "production_count": 6, "production_rate": 800.7,
                    "quality_rating": 99.1, "defect_count": 0, "efficiency": 88.2}, {"production_count": None}),
    ("environmental", {"time": f"{DAY}T10:00:00.123456", "machine_id": COMPRESSOR, "outdoor_temp_c": -3.25, "machine_temp_c": 71.4,
                       "pressure_bar": 7.003, "flow_rate_m3h": 117.9, "vibration_mm_s": 2.1}, {"outdoor_temp_c": 0, "cop": 3}),
    ("environmental", {"time": f"{DAY}T10:00:10", "machine_id": HVAC, "outdoor_temp_c": 8.5, "indoor_temp_c": 21.5,
                       "outdoor_humidity_percent": 80.1, "indoor_humidity_percent": 45, "supply_air_temp_c": 14.2, "return_air_temp_c": 22,
                       "chilled_water_supply_temp_c": 7, "chilled_water_return_temp_c": 12, "cop": 3.41}, {"indoor_temp_c": 21.6}),
    # Of a boiler: none of it has a column.
    ("environmental", {"time": f"{DAY}T10:01:00", "machine_id": PUMP, "temperature_c": 24.5, "humidity_percent": 40,
                       "co2_ppm": 600, "pressure_mbar": 1013}, {}),
    ("status", {"timestamp": f"{DAY}T10:00:00", "machine_id": COMPRESSOR, "is_running": True, "operating_mode": "running",
                "current_power_kw": 41.25}, {"is_running": False, "operating_mode": "maintenance", "current_power_kw": 0}),
    ("status", {"timestamp": f"{DAY}T10:00:00", "machine_id": PUMP}, {"is_running": True, "operating_mode": "running"}),
]  # fmt: skip
