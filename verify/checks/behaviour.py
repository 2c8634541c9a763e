"""Behaviour: each KPI function gives the figures of a known plant."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg

from verify.behaviour import FACTORY, MACHINE, figures
from verify.registry import Check, Context, family
from verify.result import PASSED, ExitCode, Fatal, Verdict, failed, not_evaluated, waits
from verify.spec import Spec

# By hand from plant.sql: 5, 10, 7.5 and 2.5 kWh, three times each, are 75 kWh; the first two quarter-hours, 45 kWh,
# at the night rate of 0.10 and the others, 30 kWh, at 0.20 cost 10.50; 60 units; demands of 60, 120, 90 and 30 kW.
EXPECTED: dict[str, dict[str, Any]] = {
    "calculate_sec": {
        "machine_id": MACHINE, "sec_kwh_per_unit": "1.25", "total_energy_kwh": "75", "total_production_units": "60",
        "time_period_hours": "2",
    },
    "calculate_peak_demand": {
        "machine_id": MACHINE, "peak_demand_kw": "120", "peak_time": "2100-01-04T00:15:00+00:00", "avg_power_kw": "75",
    },
    "calculate_load_factor": {
        "machine_id": MACHINE, "load_factor": "0.625", "load_factor_percent": "62.5", "avg_power_kw": "75", "max_power_kw": "120",
    },
    "calculate_energy_cost": {
        "machine_id": MACHINE, "total_cost": "10.5", "total_energy_kwh": "75", "avg_rate_per_kwh": "0.14", "currency": "EUR",
        "unpriced_energy_kwh": "0",
    },
    "calculate_carbon_intensity": {
        "machine_id": MACHINE, "total_co2_kg": "30", "total_energy_kwh": "75", "emission_factor": "0.4",
        "co2_per_unit_kg": "0.5", "unfactored_energy_kwh": "0",
    },
    "calculate_all_kpis": {
        "machine_id": MACHINE, "machine_name": "enms verify", "time_period_hours": "2", "total_energy_kwh": "75",
        "avg_power_kw": "75", "peak_demand_kw": "120", "total_production_units": "60", "sec_kwh_per_unit": "1.25",
        "load_factor": "0.625", "load_factor_percent": "62.5", "total_cost": "10.5", "cost_per_unit": "0.175",
        "total_co2_kg": "30", "co2_per_unit_kg": "0.5", "currency": "EUR", "unpriced_energy_kwh": "0",
        "unfactored_energy_kwh": "0", "data_coverage_percent": "50",
    },
    "get_machine_operating_hours": {
        "machine_id": MACHINE, "total_hours": "2", "running_hours": "0.5", "idle_hours": "0.25", "downtime_hours": "0.25",
        "utilization_percent": "25", "offline_hours": "0", "unknown_hours": "1",
    },
    "get_factory_summary": {
        "factory_id": FACTORY, "factory_name": "enms verify", "machine_count": "1", "active_machines": "1",
        "total_energy_kwh": "75", "total_cost": "10.5", "total_co2_kg": "30", "avg_load_factor": "0.625", "currency": "EUR",
        "unpriced_energy_kwh": "0", "unfactored_energy_kwh": "0",
    },
}  # fmt: skip
PLANT = "a known plant can be inserted"
FIX = "Its body, or a helper's or a rollup's definition, differs from init/: see those families, and make apply."


@family("behaviour", 170)
def plan(spec: Spec) -> Iterator[Check]:
    yield Check(PLANT, _plant, ("server",), ("restoring mode",))
    for name in EXPECTED:
        yield Check(f"{name} on the known plant", lambda context, name=name: _figures(context, name), (), (f"function {name}", PLANT))


def _figures(context: Context, name: str) -> Verdict:
    rows = context.figures[name]
    if isinstance(rows, str):
        return waits(context.culprit) if context.culprit else failed(f"raised: {rows}", FIX)
    if len(rows) != 1:
        return failed(f"expected 1 row, found {len(rows)}", FIX)
    row = rows[0]
    wrong = [
        f"{key}: expected {_figure(EXPECTED[name].get(key))}, found {_figure(row.get(key))}"
        for key in EXPECTED[name].keys() | row.keys()
        if _figure(EXPECTED[name].get(key)) != _figure(row.get(key))
    ]
    return failed("; ".join(sorted(wrong)), FIX) if wrong else PASSED


def _plant(context: Context) -> Verdict:
    """Insert the plant, take every function's figures, and roll all of it back."""
    try:
        context.figures = figures(context.catalog.connection, list(EXPECTED))
        return PASSED
    except psycopg.Error as error:
        text = " ".join(str(error).split())
        if context.catalog.connection.broken:
            raise Fatal(f"the server went away while the KPI functions were called: {text}", ExitCode.CONNECT) from None
        if context.catalog.one("server")["standby"]:
            return not_evaluated("this server is read-only", "Verify the primary server.")
        return _refusal(context, error, text)


def _refusal(context: Context, error: psycopg.Error, text: str) -> Verdict:
    """Why the plant could not be set up: this role or this moment does not allow it, or the schema is at fault."""
    if isinstance(error, (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)):
        return not_evaluated("another session holds a lock, for example a backfill that makes chunks", "Verify again when it is over.")
    if context.culprit:
        return waits(context.culprit)
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return not_evaluated(f"this role may not insert the plant: {text}", "Verify as the owner of the database.")
    return failed(f"the plant could not be inserted: {text}", "See the families of the tables and triggers.")


def _figure(value: Any) -> Any:
    """A figure without trailing zeros; texts and NULL as they are."""
    try:
        return Decimal(str(value)).normalize() + 0
    except ArithmeticError:
        return value
