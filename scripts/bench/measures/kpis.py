"""The KPI functions against bare sums over the same range."""

from datetime import datetime, timedelta

from scripts.bench.registry import YEAR, Bench, Goal, Measured, measure
from scripts.bench.timing import brief, seconds, side_by_side

ROUNDS = 21
FLOOR = "sum over the 15-minute rollup"
GOAL = Goal("<= 4x", at_most=4)


@measure("kpis_24h", "calculate_all_kpis, 24 h", FLOOR, GOAL)
def kpis_24h(bench: Bench) -> Measured:
    """All KPIs of a day."""
    return _kpis(bench, 1)


@measure("kpis_30d", "calculate_all_kpis, 30 d", FLOOR, GOAL)
def kpis_30d(bench: Bench) -> Measured:
    """All KPIs of 30 days."""
    return _kpis(bench, 30)


@measure("kpis_1y", "calculate_all_kpis, 1 y", FLOOR, GOAL, stage=YEAR)
def kpis_1y(bench: Bench) -> Measured:
    """All KPIs of a year, of which raw is there for the last months only."""
    return _kpis(bench, 365)


@measure(
    "factory_summary", "get_factory_summary, 30 d, {factory_machines} machines", "sum over raw readings",
    Goal(">= 200x", at_least=200),
)  # fmt: skip
def factory_summary(bench: Bench) -> Measured:
    """A factory's month from the rollups against the sum of its readings."""
    begin, end = _range(bench, 30)
    machines = [machine.id for machine in bench.plant.factory_machines]
    parameters = {"factory": bench.plant.machines[0].factory_id, "machines": machines, "begin": begin, "end": end}
    floor = """
        select sum(energy_kwh) from energy_readings
        where machine_id = any (%(machines)s::uuid[]) and time >= %(begin)s and time < %(end)s"""
    subject = "select * from get_factory_summary(%(factory)s, %(begin)s, %(end)s)"
    pair = side_by_side(
        lambda: seconds(bench.session, floor, parameters), lambda: seconds(bench.session, subject, parameters), rounds=5, budget=30
    )
    faster = pair.floor / pair.subject
    return Measured(
        faster,
        f"{brief(faster)}x faster ({brief(pair.subject * 1000)} for {brief(pair.floor * 1000)} ms)",
        {"ms": pair.subject * 1000, "floor_ms": pair.floor * 1000},
    )


def _kpis(bench: Bench, days: int) -> Measured:
    begin, end = _range(bench, days)
    parameters = {"machine": bench.plant.machines[0].id, "begin": begin, "end": end}
    floor = """
        select sum(total_energy_kwh) from energy_readings_15min
        where machine_id = %(machine)s and bucket >= %(begin)s and bucket < %(end)s"""
    subject = "select * from calculate_all_kpis(%(machine)s, %(begin)s, %(end)s)"
    pair = side_by_side(
        lambda: seconds(bench.session, floor, parameters), lambda: seconds(bench.session, subject, parameters), ROUNDS
    )
    # As a dashboard asks, up to a minute that begins no quarter-hour.
    uneven = parameters | {"begin": begin + timedelta(minutes=7), "end": end - timedelta(minutes=7)}
    uneven_pair = side_by_side(
        lambda: seconds(bench.session, floor, uneven), lambda: seconds(bench.session, subject, uneven), ROUNDS, warm=False
    )
    return Measured(
        pair.times,
        f"{pair.times:.1f}x ({brief(pair.subject * 1000)} to {brief(pair.floor * 1000)} ms)",
        {
            "ms": pair.subject * 1000,
            "floor_ms": pair.floor * 1000,
            "uneven_range_ms": uneven_pair.subject * 1000,
            "uneven_range_floor_ms": uneven_pair.floor * 1000,
        },
    )


def _range(bench: Bench, days: int) -> tuple[datetime, datetime]:
    """The newest `days` that end on a quarter-hour, so that a sum of quarter-hours covers them."""
    end = bench.plant.end.replace(minute=bench.plant.end.minute // 15 * 15)
    return end - timedelta(days=days), end
