"""Tables of what the benchmark measured, from the files that `make bench` wrote into scripts/bench/measured/."""

import json
from functools import cache
from typing import Any

from scripts.bench import registry
from scripts.guide.tables import table
from scripts.settings import CHECKOUT

MEASURED = CHECKOUT / "scripts" / "bench" / "measured"
VERDICTS = {True: "met", False: "missed", None: "-"}


@cache
def runs() -> list[dict[str, Any]]:
    """The stored runs, the smallest plant first."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in MEASURED.glob("*.json")]
    return sorted(found, key=lambda run: run["plant"]["machines"])


def goals() -> str:
    """The run on the seed's machines, row by row."""
    run = runs()[0]
    server, plant = run["server"], run["plant"]
    found = run["rows"].values()
    rows = ([row["work"], row["floor"], row["text"]["measured"], row["text"]["goal"] or "-", VERDICTS[row["met"]]] for row in found)
    told = (
        f"Measured on {run['measured_at'][:10]}, PostgreSQL {server['postgresql']} with TimescaleDB {server['timescaledb']} "
        f"({server['edition']}), {server['cpus']} CPUs, {plant['days']:g} days of {plant['machines']} machines:\n\n"
    )
    return told + table(["work", "against", "measured", "goal", ""], rows)


def sizes() -> str:
    """What each stored plant needs of the disk and of the policies in a day."""
    registry.load()
    amounts = "MB a day", "MB a day, compressed", "MB a day of all energy rollups", "s a day for the refreshes"
    return table(["machines", "interval", "readings a day", *amounts], map(_needs, runs()))


def _needs(run: dict[str, Any]) -> list[str]:
    plant, sizes = run["plant"], run["mb_per_million_rows"]
    intervals = sorted(set(plant["interval_seconds"]))
    millions = plant["energy_readings_per_day"] / 1e6
    rollups = sum(rollup["bytes"] for name, rollup in run["rollups"].items() if name.startswith("energy_")) / plant["days"] / 1e6
    compressed = f"{sizes['compressed'] * millions:,.1f}" if sizes["compressed"] else "-"
    refreshes = run["rows"]["policies_idle"]["details"]["floor_seconds"] / plant["days"]
    return [
        f"{plant['machines']:,}", " to ".join(f"{seconds} s" for seconds in dict.fromkeys((intervals[0], intervals[-1]))),
        f"{plant['energy_readings_per_day']:,}", f"{sizes['raw'] * millions:,.1f}", compressed, f"{rollups:,.1f}", f"{refreshes:,.1f}",
    ]  # fmt: skip
