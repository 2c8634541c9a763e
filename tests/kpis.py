"""The KPI functions beside the oracle: many calls of a function in one statement, compared column by column."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

import oracle
from oracle import CarbonFactor, EnergyReading, Plant, Row

MACHINE_KPIS = [
    "calculate_sec", "calculate_peak_demand", "calculate_load_factor", "calculate_energy_cost",
    "calculate_carbon_intensity", "calculate_all_kpis", "get_machine_operating_hours",
]  # fmt: skip
# The fourth argument of the two functions that have one.
FOURTH = {"calculate_energy_cost": "uuid", "calculate_carbon_intensity": "varchar"}
Range = tuple[datetime, datetime]


def ask(connection: psycopg.Connection, function: str, questions: Sequence[Sequence[Any]]) -> list[Row | None]:
    """The function's row for each tuple of arguments, None where it gives none."""
    types = ["uuid", "timestamptz", "timestamptz", FOURTH.get(function)][: len(questions[0])]
    arrays = ", ".join(f"%s::{name}[]" for name in types)
    names = ", ".join(f"a{number}" for number in range(len(types)))
    statement = (
        f"select n, f.* from unnest({arrays}) with ordinality as q ({names}, n) left join lateral {function}({names}) f on true order by n"
    )
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        rows = cursor.execute(statement, [list(column) for column in zip(*questions)]).fetchall()
    assert [row.pop("n") for row in rows] == list(range(1, len(questions) + 1)), f"{function} gave more than one row"
    # The first column is the machine or the factory, which no row lacks.
    return [row if next(iter(row.values())) is not None else None for row in rows]


def differences(actual: Row | None, expected: Row | None) -> list[str]:
    """Columns that differ, each with both values; the names and their order count too."""
    if actual is None or expected is None:
        return [] if actual is expected else [f"row: {actual} instead of {expected}"]
    found = [] if list(actual) == list(expected) else [f"columns: {list(actual)} instead of {list(expected)}"]
    return found + [f"{k}: {actual[k]} instead of {v}" for k, v in expected.items() if k in actual and actual[k] != v]


def situation(plant: Plant, machine_id: UUID, start: datetime, end: datetime, *_: Any) -> str:
    """The readings in a range, at most forty, to look at beside a figure that is wrong."""
    readings = [r for r in plant.energy + plant.production if r.machine_id == machine_id and start <= r.time < end]
    shown = [
        f"{r.time} {r.energy_type} {r.power_kw} kW {r.energy_kwh} kWh" if isinstance(r, EnergyReading)
        else f"{r.time} {r.operating_mode} {r.production_count} units"
        for r in sorted(readings, key=lambda r: r.time)[:40]
    ]  # fmt: skip
    return "".join(f"\n  {line}" for line in [*plant.tariffs, *plant.carbon_factors, *shown])


def assert_equal(connection: psycopg.Connection, plant: Plant, function: str, questions: Sequence[Sequence[Any]]) -> None:
    for question, actual in zip(questions, ask(connection, function, questions)):
        found = differences(actual, getattr(oracle, function)(plant, *question))
        assert not found, f"{function}({', '.join(map(str, question))}): {'; '.join(found)}{situation(plant, *question)}"


def assert_agreement(connection: psycopg.Connection, plant: Plant, ranges: Sequence[Range]) -> None:
    """All eight functions, for every machine and factory of the plant and every range, give what the oracle gives."""
    by_machine = [(machine.id, *span) for machine in plant.machines for span in ranges]
    for function in MACHINE_KPIS:
        assert_equal(connection, plant, function, by_machine)
    assert_equal(connection, plant, "get_factory_summary", [(factory.id, *span) for factory in plant.factories for span in ranges])


def refereed(connection: psycopg.Connection, plant: Plant) -> Plant:
    """The plant with the emission factors of the region default, which every factory without a region shares."""
    default = connection.execute(
        "select region, emission_factor_kg_co2_per_kwh, valid_from, valid_to, is_active from carbon_factors where region = 'default'"
    ).fetchall()
    return replace(plant, carbon_factors=plant.carbon_factors + [CarbonFactor(*row) for row in default])
