"""Filling the rollups."""

from scripts.bench.registry import Bench, Goal, Measured, measure

MINUTE = "energy_readings_1min"


@measure(
    "fill", "filling the four energy rollups", "the 1-minute rollup alone", Goal("<= 1.2x", at_most=1.2), community=True
)
def fill(bench: Bench) -> Measured:
    """Time of all levels to that of the lowest: the others are fed from it, not from raw."""
    energy = {rollup: taken for rollup, taken in bench.fills.items() if rollup.startswith("energy_readings_")}
    times = sum(energy.values()) / energy[MINUTE]
    return Measured(
        times,
        f"{times:.3f}x ({sum(energy.values()):.1f} of {energy[MINUTE]:.1f} s)",
        {"seconds": sum(energy.values()), "floor_seconds": energy[MINUTE], "fill_seconds": bench.fills},
    )
