"""What a cycle of the refresh policies costs, in proportion to what has changed."""

from datetime import datetime, timedelta
from statistics import median

from scripts.bench import policies, readings
from scripts.bench.plant import Plant
from scripts.bench.registry import Bench, Goal, Measured, measure

ROUNDS = 3
LATE_SHARE = 0.01
FLOOR = "filling everything once"


@measure("policies_idle", "all refresh policies, nothing late", FLOOR, Goal("<= 2 %", at_most=0.02), community=True)
def policies_idle(bench: Bench) -> Measured:
    """Time of a cycle that finds nothing new."""
    cycles = [policies.cycle(bench.session) for _ in range(ROUNDS)]
    taken = median(sum(cycle.values()) for cycle in cycles)
    full = sum(bench.fills.values())
    return Measured(
        taken / full,
        _text(taken, full),
        {"seconds": taken, "floor_seconds": full, "seconds_by_rollup": cycles[-1]},
    )


@measure("policies_late", "all refresh policies, 1 % corrected, days late", FLOOR, Goal("<= 10 %", at_most=0.1), community=True)
def policies_late(bench: Bench) -> Measured:
    """Time of a cycle after 1 % of each table's readings were corrected, in blocks of time on several days."""
    blocks = late_blocks(bench.plant)
    late = 0
    for begin, end in blocks:
        for machine in bench.plant.machines:
            for table in readings.TABLES:
                # Corrected: another seed, the same times.
                query = readings.rows(table, [machine], begin, end, seed=readings.SEED + 1_000_000)
                statement = f"insert into {table} ({readings.COLUMNS[table]}) {query} {readings.on_conflict(table)}"
                late += bench.session.execute(statement).rowcount
    by_rollup = policies.cycle(bench.session)
    taken, full = sum(by_rollup.values()), sum(bench.fills.values())
    loaded = sum(bench.loaded.values())
    minutes = round(sum((end - begin) / timedelta(minutes=1) for begin, end in blocks))
    return Measured(
        taken / full,
        _text(taken, full),
        {
            "seconds": taken,
            "floor_seconds": full,
            "late_readings": late,
            "late_share": late / loaded,
            "late_minutes_per_machine": minutes,
            "us_per_late_reading": taken / late * 1e6,
            "us_per_reading_of_the_full_fill": full / loaded * 1e6,
            "seconds_by_rollup": by_rollup,
        },
    )


def late_blocks(plant: Plant) -> list[tuple[datetime, datetime]]:
    """Blocks of whole minutes that make up 1 % of the plant's time, spread over its days; of 30 days, about an hour each.

    The newest day is left out where there are others: late means late by days.
    """
    latest = plant.end - timedelta(days=1) if plant.days >= 2 else plant.end
    count = max(1, min(int(plant.days), 3), round(plant.days * 24 * LATE_SHARE))
    length = timedelta(minutes=max(1, round(plant.days * 1440 * LATE_SHARE / count)))
    apart = (latest - plant.begin) / count
    begins = [(plant.begin + apart * (number + 0.5)).replace(second=0, microsecond=0) for number in range(count)]
    return [(begin, begin + length) for begin in begins]


def _text(taken: float, full: float) -> str:
    return f"{100 * taken / full:.2g} % ({taken:.2g} of {full:.3g} s)"
