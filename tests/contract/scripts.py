"""What the stack's scripts send, as the owner of the schema: backfills, deletions, refreshes, changes of jobs."""

M = "c0000000-0000-0000-0000-000000000003"
BOTH = "on conflict (machine_id, time) do nothing"

ENERGY = f"insert into energy_readings (time, machine_id, power_kw, energy_kwh) values ('2025-02-%s 08:00', '{M}', 12.5, 12.5)"
# No key of this database or of the stack's own is (machine_id, time) alone: electricity, gas and steam of a boiler share a time.
REFUSED = (
    "insert into energy_readings (machine_id, time, power_kw, energy_kwh, voltage_v, current_a, power_factor, frequency_hz)"
    f" values ('{M}', '2025-02-03 08:00', 12.5, 12.5, 400, 20, 0.9, 50) {BOTH}"
)
MENDED = REFUSED.replace("(machine_id, time) do", "(machine_id, time, energy_type) do")

PRODUCTION = [
    f"insert into production_data (time, machine_id, {columns}) values ('2025-02-%s 08:00', '{M}', {values}) %s"
    for columns, values in (
        ("production_count", "100"),
        ("production_count, production_count_good", "100, 98"),
        ("production_count, production_count_good, production_count_bad", "100, 98, 2"),
        ("production_count, production_count_good, production_count_bad, throughput_units_per_hour", "100, 98, 2, 100"),
        ("production_count, throughput_units_per_hour", "100, 100.5"),
    )
]
ENVIRONMENT = (
    "insert into environmental_data (time, machine_id, outdoor_temp_c, machine_temp_c, indoor_temp_c, indoor_humidity_percent, pressure_bar,"
    f" flow_rate_m3h, supply_air_temp_c) values ('2025-02-%s 08:00', '{M}', 8.5, 61, 21.5, 45, 7.1, 80, 14) %s"
)
UPSERT = ("on conflict (time, machine_id) do update set outdoor_temp_c = excluded.outdoor_temp_c, machine_temp_c = excluded.machine_temp_c,"
          " pressure_bar = excluded.pressure_bar")  # fmt: skip

TABLES = ["energy_readings", "production_data", "environmental_data"]
DELETE = "delete from {} where time >= '2025-02-01' and time < '2025-03-01'"
REFRESHED = ["energy_readings_1hour", "production_data_1hour", "environmental_data_1hour"]
# The jobs 1000 to 1008, which a script alters by number, in the order of their making.
JOBS = [f"{table}_{level}" for table in TABLES for level in ("1min", "15min", "1hour")]
