"""Plants for the tests: the same rows in the database and in the oracle."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import psycopg

import oracle

COLUMNS = {
    oracle.EnergyReading: ("energy_readings", {}),
    oracle.ProductionReading: (
        "production_data",
        {"good": "production_count_good", "bad": "production_count_bad", "throughput": "throughput_units_per_hour"},
    ),
    oracle.EnvironmentalReading: ("environmental_data", {}),
    oracle.CarbonFactor: ("carbon_factors", {"factor": "emission_factor_kg_co2_per_kwh"}),
    oracle.Tariff: ("energy_tariffs", {}),
    oracle.Factory: ("factories", {}),
    oracle.Machine: ("machines", {}),
}
# What the stack's Node-RED flow sets when a reading comes again.
MEASURES = {
    oracle.EnergyReading: ["power_kw", "energy_kwh"],
    oracle.ProductionReading: ["production_count", "good", "bad", "throughput", "operating_mode", "speed_percent"],
    oracle.EnvironmentalReading: ["outdoor_temp_c", "indoor_temp_c", "machine_temp_c", "pressure_bar", "flow_rate_m3h", "vibration_mm_s"],
}  # fmt: skip


def copy(connection: psycopg.Connection, rows: Sequence[Any], **more: Any) -> None:
    """COPY dataclass rows of one kind into their table; `more` are columns that all rows share."""
    if not rows:
        return
    table, renamed = COLUMNS[type(rows[0])]
    names = [field.name for field in fields(rows[0]) if not (field.name == "id" and rows[0].id is None)]
    columns = ", ".join([*(renamed.get(name, name) for name in names), *more])
    with connection.cursor() as cursor, cursor.copy(f"copy {table} ({columns}) from stdin") as target:
        for row in rows:
            target.write_row([*(getattr(row, name) for name in names), *more.values()])


def insert(connection: psycopg.Connection, readings: Sequence[Any], upsert: bool = False) -> None:
    """INSERT dataclass rows of one kind, one statement each; with `upsert` as the stack's Node-RED flow does."""
    if not readings:
        return
    table, renamed = COLUMNS[type(readings[0])]
    names = [field.name for field in fields(readings[0])]
    columns = [renamed.get(name, name) for name in names]
    statement = f"insert into {table} ({', '.join(columns)}) values ({', '.join(['%s'] * len(names))})"
    if upsert:
        key = "time, machine_id, energy_type" if table == "energy_readings" else "time, machine_id"
        measures = [renamed.get(name, name) for name in MEASURES[type(readings[0])]]
        statement += f" on conflict ({key}) do update set " + ", ".join(f"{name} = excluded.{name}" for name in measures)
    with connection.cursor() as cursor:
        cursor.executemany(statement, [[getattr(reading, name) for name in names] for reading in readings])


def store(connection: psycopg.Connection, plant: oracle.Plant) -> None:
    """Write the whole plant, each table in one COPY."""
    copy(connection, plant.factories)
    copy(connection, plant.machines, type="other", rated_power_kw=1)
    copy(connection, plant.tariffs)
    copy(connection, plant.carbon_factors)
    for readings in plant.energy, plant.production, plant.environment:
        copy(connection, readings)


def refresh(connection: psycopg.Connection) -> None:
    """Run every refresh policy once, lowest level first, as the scheduler would; nothing to do on Apache-2."""
    jobs = connection.execute(
        "select job_id from timescaledb_information.jobs where proc_name = 'policy_refresh_continuous_aggregate' order by job_id"
    ).fetchall()
    for (job,) in jobs:
        connection.execute(f"call run_job({job})")


def run_policy(connection: psycopg.Connection, procedure: str, table: str) -> None:
    """Run one policy of a table now, for example policy_retention of energy_readings."""
    job = connection.execute(
        "select job_id from timescaledb_information.jobs where proc_name = %s and hypertable_name = %s", [procedure, table]
    ).fetchone()[0]
    connection.execute(f"call run_job({job})")


def call(connection: psycopg.Connection, function: str, *arguments: Any) -> oracle.Row | None:
    """The one row of a set-returning function as a dict, or None."""
    marks = ", ".join(["%s"] * len(arguments))
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        rows = cursor.execute(f"select * from {function}({marks})", arguments).fetchall()
    assert len(rows) <= 1, f"{function} gave {len(rows)} rows"
    return rows[0] if rows else None
