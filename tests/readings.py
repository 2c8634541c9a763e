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
