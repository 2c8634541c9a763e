"""What is said at the end."""

import argparse
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.console import plain, say
from scripts.history.plan import Plan
from scripts.history.progress import rate
from scripts.history.register import Increments
from scripts.history.sessions import Sessions
from scripts.history.writing import Written

FORM = "%Y-%m-%d %H:%M:%S"
SHOWN = 5
# More digits than any measure is kept with.
PLACES = 9
# No machine draws this many times its rated power over a quarter-hour.
FAR_ABOVE = 3


def register(found: Increments) -> None:
    """What a register held beside its increments."""
    for what, lines in ("reset", found.resets), ("rollover", found.rollovers):
        if lines:
            more = f" and {len(lines) - 10} more" if len(lines) > 10 else ""
            say(f"Register: {len(lines)} {what}{'s' * (len(lines) > 1)}, in line{'s' * (len(lines) > 1)} {', '.join(map(str, lines[:10]))}{more}")
    if found.gaps:
        say(f"Register: {found.gaps:,} gap{'s' * (found.gaps > 1)}; the energy of each is in the reading that ends it")
    if found.first:
        say(f"Register: the first reading of each machine has no increment, so {found.first} is not written")


def first_rows(sessions: Sessions, chosen: Plan) -> None:
    """How the first rows of the file were read."""
    names = [name for name in chosen.staged.names if name not in ("machine_id", "source")]
    query = f"select line, {', '.join(names)} from pg_temp.staging order by line limit {SHOWN}"
    rows = sorted((row for session in sessions.every for row in session.execute(query)), key=lambda row: row[0])[:SHOWN]
    console = Console()
    table = Table(title="The first rows as they were read", title_justify="left")
    for name in ["line", *names]:
        table.add_column("time, UTC" if name == "time" else name, overflow="fold")
    for row in rows:
        table.add_row(*map(_text, row))
    console.print(table)


def _text(value: object) -> Text:
    if isinstance(value, datetime):
        return Text(value.strftime(FORM))
    if isinstance(value, Decimal):
        return Text(f"{round(value, PLACES).normalize():f}")
    return Text("" if value is None else plain(f"{value}"))


def show(
    chosen: Plan, options: argparse.Namespace, found: dict, electricity: bool, written: Written, rejected: int, equal: int, empty: int,
    place: Path | None, reasons: list[tuple[str, int, int]], seconds: float,
) -> None:
    """Rows by what became of them, their range and energy, and what to do next."""
    rows = (found["rows"] or 0) + rejected + equal
    told = [f"{written.inserted:,} inserted", f"{written.changed:,} changed", f"{written.same + equal:,} the same", f"{rejected:,} rejected"]
    say(f"{'Dry run, nothing is written: ' if options.dry_run else ''}{rows:,} row{'s' * (rows != 1)}: {', '.join(told)}")
    if equal:
        say(f"Repeated: {equal:,} line{'s' * (equal > 1)} of the file say the same as another")
    if empty:
        say(f"Empty: {empty:,} line{'s' * (empty > 1)} without a value left out")
    if found["rows"]:
        zone = ZoneInfo(chosen.zone)
        first, last = found["first"], found["last"]
        say(f"Range: {_at(first, zone)} to {_at(last, zone)} {chosen.zone}")
        if chosen.zone != "UTC":
            say(f"       {_at(first, UTC)} to {_at(last, UTC)} UTC")
        if found.get("energy") is not None:
            say(f"Energy: {found['energy'].normalize():,f} kWh")
            say(f"Highest quarter-hour: {found['peak'].normalize():,.3f} kW, at {_at(found['peak_time'], zone)} {chosen.zone}")
            rated = chosen.machine.rated_power_kw if chosen.machine and electricity else 0
            if rated and found["peak"] > FAR_ABOVE * rated:
                say(f"Note: that is {found['peak'] / rated:,.0f} times the machine's rated power of {rated.normalize():f} kW: is the unit, or the machine, another one?")
    if place:
        say(f"Rejected lines: {place}")
        for reason, lines, line in reasons:
            say(f"  {lines:,} x {reason} (line {line})")
        if others := rejected - sum(lines for _, lines, _ in reasons):
            say(f"  {others:,} for other reasons, which stand in the file")
        if any(" does not exist in " in reason for reason, _, _ in reasons):
            say("  If the file's clock knows no summer time, name its zone by --zone, as Etc/GMT-1 for UTC+1")
    say(f"Time: {seconds:.1f} s, {rate(rows, seconds)}")
    if found["rows"] and electricity and not options.dry_run:
        say(f"Next: {_next(chosen, found)}")


def _at(moment: datetime, zone) -> str:
    return moment.astimezone(zone).strftime(FORM)


def _next(chosen: Plan, found: dict) -> str:
    begin, end = (found[name].astimezone(ZoneInfo(chosen.zone)).date() for name in ("first", "last"))
    machine = f" --machine {chosen.machine.id}" if chosen.machine else ""
    return f"make kpis ARGS='--from {begin} --to {end + timedelta(days=1)}{machine}'"
