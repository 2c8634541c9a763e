"""Plants for the tests: the same rows in the database and in the oracle."""

from collections.abc import Iterable, Sequence
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
# Parents before what refers to them; energy rollups before those that read them.
ROLLUPS = (
    "energy_readings_1min", "energy_readings_15min", "energy_readings_1hour", "energy_readings_1day",
    "energy_by_carrier_1min", "energy_by_carrier_1hour",
    "production_data_1min", "production_data_15min", "production_data_1hour", "production_data_1day",
    "environmental_data_1min", "environmental_data_15min", "environmental_data_1hour", "environmental_degree_days_daily",
)  # fmt: skip
FED_FROM_RAW = [name for name in ROLLUPS if name.endswith("_1min")]


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


def refresh(connection: psycopg.Connection, rollups: Iterable[str] = ROLLUPS) -> None:
    """Refresh as far back as the policies do; nothing to do on the Apache-2 edition."""
    present = {
        name for (name,) in connection.execute("select view_name from timescaledb_information.continuous_aggregates")
    }
    for name in rollups:
        if name in present:
            start = "now() - interval '60 days'" if name in FED_FROM_RAW else "null"
            connection.execute(f"call refresh_continuous_aggregate('{name}', {start}, null)")


def call(connection: psycopg.Connection, function: str, *arguments: Any) -> oracle.Row | None:
    """The one row of a set-returning function as a dict, or None."""
    marks = ", ".join(["%s"] * len(arguments))
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        rows = cursor.execute(f"select * from {function}({marks})", arguments).fetchall()
    assert len(rows) <= 1, f"{function} gave {len(rows)} rows"
    return rows[0] if rows else None
