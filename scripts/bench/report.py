"""The table for people, and the JSON file of ratios."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scripts.bench import readings, registry
from scripts.bench.registry import Bench, Measured
from scripts.console import say

VERDICTS = {True: "[green]met[/]", False: "[bold red]missed[/]", None: "-"}


def content(bench: Bench, results: dict[str, Measured], taken: float) -> dict[str, Any]:
    """Everything that was found, as it goes into the JSON file; `taken` is the whole run's seconds."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(taken, 1),
        "server": bench.facts,
        "plant": {
            "days": bench.plant.days,
            "machines": len(bench.plant.machines),
            "history_days_of_one_machine": bench.history,
            "interval_seconds": [machine.interval for machine in bench.plant.machines],
            "other_interval_seconds": readings.OTHER_INTERVAL,
            "energy_readings_per_day": round(bench.plant.rate * 86400),
            "rows_loaded": bench.loaded,
        },
        "mb_per_million_rows": _sizes(bench, results),
        "rollups": {name: {"rows": rows, "bytes": size} for name, (rows, size) in bench.found.get("rollups", {}).items()},
        "rows": {measure.key: _row(bench, measure, results[measure.key]) for measure in registry.MEASURES},
    }


def _sizes(bench: Bench, results: dict[str, Measured]) -> dict[str, float | None]:
    """Bytes per row, which is MB per million rows, indexes included; of a rollup per row of its own."""
    compressed = results["compression"].details.get("bytes_per_reading")
    rollups = bench.found.get("rollups", {}).items()
    sizes = {"raw": bench.found["bytes"][0] / bench.rows, "compressed": compressed}
    return sizes | {name: size / rows for name, (rows, size) in rollups if rows}


def _row(bench: Bench, measure: registry.Measure, result: Measured) -> dict[str, Any]:
    work, floor = measure.in_words(bench)
    goal = measure.goal
    return {
        "work": work,
        "floor": floor,
        "ratio": result.ratio,
        "goal": goal and {name: bound for name in ("at_least", "at_most") if (bound := getattr(goal, name)) is not None},
        "met": goal.met(result.ratio) if goal and result.ratio is not None else None,
        "reason": result.reason,
        "text": {"measured": result.text, "goal": goal.text if goal else None},
        "details": result.details,
    }


def write(content: dict[str, Any], path: Path) -> None:
    """Write the JSON file in one piece."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(content, indent=2) + "\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def show(content: dict[str, Any], path: Path) -> None:
    """Print the table, what was measured on, and where the JSON file is."""
    console = Console(highlight=False)
    if not console.is_terminal:
        # A file or a pipe has no width to fit; long lines are left whole for grep.
        console = Console(highlight=False, width=10_000, no_color=True)
    grid = Table(box=None, pad_edge=False, header_style="bold")
    # At 80 columns the names of the functions stay whole.
    grid.add_column("work", min_width=20)
    for name in "floor", "measured":
        grid.add_column(name, overflow="fold")
    grid.add_column("goal", no_wrap=True)
    grid.add_column("")
    for row in content["rows"].values():
        measured = row["reason"] or row["text"]["measured"]
        goal = row["text"]["goal"] or "-"
        grid.add_row(escape(row["work"]), escape(row["floor"]), escape(measured), escape(goal), VERDICTS[row["met"]])
    console.print(grid)
    say(in_a_line(content))
    say(f"Ratios: {path}")


def in_a_line(content: dict[str, Any]) -> str:
    """What was measured on, in one line."""
    server, plant = content["server"], content["plant"]
    processors = f", {server['cpus']} CPUs" if server["cpus"] else ""
    rows = ", ".join(f"{count:,} in {table}" for table, count in plant["rows_loaded"].items())
    sizes = ", ".join(
        f"{name.removeprefix('energy_readings_')} {size:.1f}"
        for name, size in content["mb_per_million_rows"].items()
        if size is not None and name.startswith(("raw", "compressed", "energy_readings_"))
    )
    return (
        f"PostgreSQL {server['postgresql']}, TimescaleDB {server['timescaledb']} ({server['edition']} edition){processors}; "
        f"{plant['days']:g} days of {plant['machines']} machines: {rows}; MB per million energy rows: {sizes}; "
        f"COPY {content['rows']['copy']['details']['rows_per_second']:,} rows/s; {content['seconds']:.0f} s"
    )


def missed(content: dict[str, Any]) -> bool:
    """True if a goal was missed."""
    return any(row["met"] is False for row in content["rows"].values())
