"""The example that the energy manager's page works by hand: its figures are those of the functions, and of the oracle."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg

import oracle
from conftest import CHECKOUT
from readings import call, refresh, store

PAGE = (CHECKOUT / "scripts" / "guide" / "energy-manager.md").read_text().partition("## One example, by hand")[2].partition("\n## ")[0]
FACTORY, MACHINE = UUID("e0000000-0000-0000-0000-000000000001"), UUID("e0000000-0000-0000-0000-000000000002")
ZONE = ZoneInfo("Europe/Berlin")
WEEK = tuple(range(7))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|\n ").split(" | ")]


READINGS = [cells(line) for line in re.findall(r"^\| 2030-.*$", PAGE, re.MULTILINE)]
# Name, how it is worked, what comes of it, and the column that has it.
FIGURES = [
    (name, *work.rsplit(" = ", 1), (column or [""])[0].strip("` |"))
    for name, work, *column in map(cells, re.findall(r"^\|.* = .*$", PAGE, re.MULTILINE))
]  # fmt: skip


def moment(local: str) -> datetime:
    return datetime.fromisoformat(local).replace(tzinfo=ZONE).astimezone(UTC)


def said(pattern: str) -> list[Decimal]:
    """The numbers that the page names in a sentence."""
    return list(map(Decimal, re.search(pattern, PAGE).groups()))


def plant() -> oracle.Plant:
    """What the page describes in words and in its table."""
    flat, night = said(r"flat rate is ([\d.]+) EUR")[0], said(r"night rate is ([\d.]+) EUR")[0]
    (first, last), (charge,) = said(r"from (\d+) to (\d+) o'clock"), said(r"ask (\d+) EUR a month")
    before, after = said(r"emits ([\d.]+) kg CO2 per kWh, and from the 15th on ([\d.]+)\.")
    energy, production = [], []
    for local, power, kwh, units, mode in READINGS:
        energy.append(oracle.EnergyReading(moment(local), MACHINE, "electrical", Decimal(power), Decimal(kwh)))
        production.append(oracle.ProductionReading(moment(local), MACHINE, int(units), operating_mode=mode))
    shared = {"factory_id": FACTORY, "currency": "EUR", "demand_charge_per_kw": charge, "valid_from": date(2030, 1, 1)}
    night_hours = {"is_time_of_use": True, "start_hour": int(first), "end_hour": int(last), "applicable_days": list(WEEK)}
    return oracle.Plant(
        [oracle.Factory(FACTORY, "Example works", "Europe/Berlin", "EXAMPLE")],
        [oracle.Machine(MACHINE, FACTORY, "Example press", int(said(r"interval is (\d+) s")[0]))],
        [oracle.Tariff(name="Flat", rate_per_kwh=flat, **shared), oracle.Tariff(name="Night", rate_per_kwh=night, **night_hours, **shared)],
        [oracle.CarbonFactor("EXAMPLE", before, date(2030, 1, 1)), oracle.CarbonFactor("EXAMPLE", after, date(2030, 1, 15))],
        energy,
        production,
    )


def span() -> tuple[datetime, datetime]:
    begin, end = re.search(r"range is from (\d+:\d+) to (\d+:\d+)", PAGE).groups()
    return moment(f"2030-01-14 {begin}"), moment(f"2030-01-15 {end}")


def compare(found: dict[str, dict[str, Any]]) -> None:
    for name, _, result, column in FIGURES:
        if column:
            function, _, field = column.partition(".")
            assert found[function][field] == Decimal(result), f"{name}: {found[function][field]}, by hand {result}"


def test_the_arithmetic() -> None:
    assert len(READINGS) == 8 and len(FIGURES) > 15
    for name, work, result, _ in FIGURES:
        assert re.fullmatch(r"[\d\s.+*/()]+", work), work
        # With whole numbers in place of floats, so that it is exact.
        value = eval(re.sub(r"[\d.]+", r"Decimal('\g<0>')", work), {"Decimal": Decimal})
        assert value == Decimal(result), f"{name}: {work} is {value}, not {result}"


def test_the_oracle_agrees() -> None:
    functions = {column.partition(".")[0] for *_, column in FIGURES if column} - {"v_monthly_cost_breakdown"}
    assert len(functions) == 7
    month = oracle.monthly_costs(plant(), MACHINE)
    assert len(month) == 1
    compare({name: getattr(oracle, name)(plant(), MACHINE, *span()) for name in functions} | {"v_monthly_cost_breakdown": month[0]})


def test_the_functions_agree(connection: psycopg.Connection) -> None:
    functions = {column.partition(".")[0] for *_, column in FIGURES if column} - {"v_monthly_cost_breakdown"}
    with connection.transaction(force_rollback=True), connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        store(connection, plant())
        month = cursor.execute("select * from v_monthly_cost_breakdown where machine_id = %s", [MACHINE]).fetchall()
        assert len(month) == 1
        compare({name: call(connection, name, MACHINE, *span()) for name in functions} | {"v_monthly_cost_breakdown": month[0]})


def test_the_statements_give_the_same(connection: psycopg.Connection) -> None:
    """What the page has the reader type, without its last line."""
    statements = re.search(r"^```sql\n(.*?)rollback;\n```$", PAGE, re.DOTALL | re.MULTILINE)[1]
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        # In a database that is in use, whose rollups are filled.
        cursor.execute("insert into energy_readings (time, machine_id, power_kw) select now() - interval '2 days', id, 1 from machines")
        refresh(connection)
        cursor.execute(statements)
        found = cursor.fetchall() if cursor.description else []
        while cursor.nextset():
            found = cursor.fetchall() if cursor.description else found
        cursor.execute("rollback")
    row = "calculate_all_kpis."
    compared = [(name, column.removeprefix(row), result) for name, _, result, column in FIGURES if column.startswith(row)]
    assert len(found) == 1 and len(compared) > 3
    for name, field, result in compared:
        assert found[0][field] == Decimal(result), name
