"""What is to be done with a file, decided before a row is read for good."""

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl
import psycopg

from scripts.console import Failure
from scripts.history import headings, intervals, target, telling
from scripts.history.columns import Column
from scripts.history.prepare import Preparation
from scripts.history.progress import stage
from scripts.history.source import Source
from scripts.history.staging import Staged
from scripts.history.survey import survey
from scripts.history.target import ELECTRICITY, Machine


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before a row is read for good."""

    columns: dict[str, Column]
    staged: Staged
    preparation: Preparation
    machine: Machine | None
    zone: str
    intervals: dict[str, float]

    @property
    def positions(self) -> list[int]:
        """Columns of the file that are read."""
        return sorted({position for column in self.columns.values() for position in column.positions})

    def carriers(self, sessions: list[psycopg.Connection]) -> tuple[bool, bool]:
        """Whether there is electricity in staging, and whether anything else."""
        if self.staged.table.kind != "energy":
            return False, False
        types = [name for session in sessions for (name,) in session.execute("select distinct energy_type from pg_temp.quarters").fetchall()]
        return any(name in ELECTRICITY for name in types), any(name not in ELECTRICITY for name in types)


def make(session: psycopg.Connection, source: Source, options: argparse.Namespace) -> Plan:
    """Look at the header, then through the file, and decide. Raises Failure for what only the user can decide."""
    machines = target.read_machines(session)
    machine = target.find_machine(machines, options.machine, options.factory) if options.machine else None
    tables = {kind: target.read_table(session, kind) for kind in ([options.kind] if options.kind else target.KINDS)}
    table, columns = headings.choose(source, options, tables)
    if machine is None and "machine_id" not in columns:
        raise Failure("whose readings are they? Name the machine (MACHINE=..., --machine), or have a column machine in the file", code=2)
    telling.columns(source, {name: column for name, column in columns.items() if not (machine and name == "machine_id")})
    numbers = [name for name in columns if name == "register" or table.fields[name].number]
    known = _labels(machines, options.factory)
    zone = _zone(options.zone, machine, known)
    with stage("Looking through", source.size) as told:
        seen = survey(source, columns, numbers, options.day_first, zone, intervals.needed(table.kind, columns), told)
        comma = seen.decimals.decide(options.decimal)
    if machine and (named := columns.pop("machine_id", None)) and len(seen.labels) > 1:
        heading = source.header[named.positions[0]]
        raise Failure(f"the column {heading} names {len(seen.labels)} machines: leave MACHINE out, or have the readings of each in a file of its own", code=2)
    # Times with their offset need none, and are told in UTC where the machines stand in several.
    here = zone(seen.labels) if seen.local or options.zone or len(_zones(seen.labels, machine, known)) < 2 else "UTC"
    ids = None if machine else {label: known[label.lower()].id for label in seen.labels if label.lower() in known}
    if ids is not None and not ids:
        raise Failure(f"no machine of the file is known: it names {', '.join(sorted(seen.labels)[:10]) or 'none'}", code=2)
    telling.reading(seen, comma, here, machine, options)
    shared = {"machine_id": machine.id} if machine else {}
    if table.kind == "energy":
        shared |= {} if "energy_type" in columns else {"energy_type": options.energy_type or "electrical"}
        shared |= {} if "source" in columns else {"source": "import"}
    elif options.energy_type:
        raise Failure("--energy-type is of energy readings only", code=2)
    lengths = intervals.between(seen.distances, options.interval, ids, machine)
    derived = intervals.derived(table.kind, columns, lengths)
    sent = [name for name in columns if name != "register"]
    preparation = Preparation(table, columns, numbers, comma, seen.day_first, here, options.shift, seen.folds, ids)
    return Plan(columns, Staged(table, sent, shared, derived), preparation, machine, here, lengths)


def _labels(machines: list[Machine], factory: str | None) -> dict[str, Machine]:
    """Machines by id and by name in lower case; a name that stands in two factories is none."""
    inside = [machine for machine in machines if factory is None or machine.factory.lower() == factory.lower()]
    names = Counter(machine.name.lower() for machine in inside)
    return {machine.id: machine for machine in inside} | {machine.name.lower(): machine for machine in inside if names[machine.name.lower()] == 1}


def _zones(labels: set[str], machine: Machine | None, known: dict[str, Machine]) -> set[str]:
    """The zones in which the machines stand."""
    return {machine.zone} if machine else {known[label.lower()].zone for label in labels if label.lower() in known}


def _zone(given: str | None, machine: Machine | None, known: dict[str, Machine]) -> Callable[[set[str]], str]:
    """What tells the zone of times without offset from the machines' labels."""

    def zone(labels: set[str]) -> str:
        zones = {given} if given else _zones(labels, machine, known)
        if len(zones) > 1:
            raise Failure(f"the machines of the file stand in the zones {' and '.join(sorted(zones))}: say by --zone in which its times are", code=2)
        name = next(iter(zones), "UTC")
        try:
            ZoneInfo(name)
            pl.Series([None], dtype=pl.Datetime("us")).dt.replace_time_zone(name)
        except (ZoneInfoNotFoundError, ValueError, OSError, pl.exceptions.PolarsError):
            raise Failure(f"--zone {name}: there is no such time zone; name one as Europe/Berlin", code=2) from None
        return name

    return zone
