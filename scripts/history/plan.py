"""What is to be done with a file: its columns, machines, times and numbers, said to the person before it is done."""

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl
import psycopg

from scripts.console import Failure, say
from scripts.history import target
from scripts.history.columns import Column, exponent, map_columns, split_unit
from scripts.history.prepare import Preparation
from scripts.history.progress import stage
from scripts.history.source import NAMES, Source
from scripts.history.staging import Staged
from scripts.history.survey import Survey, survey
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

    def carriers(self, session: psycopg.Connection) -> tuple[bool, bool]:
        """Whether there is electricity in staging, and whether anything else."""
        if self.staged.table.kind != "energy":
            return False, False
        types = [name for (name,) in session.execute("select distinct energy_type from pg_temp.staging").fetchall()]
        return any(name in ELECTRICITY for name in types), any(name not in ELECTRICITY for name in types)


def make(session: psycopg.Connection, source: Source, options: argparse.Namespace) -> Plan:
    """Look at the header, then through the file, and decide. Raises Failure for what only the user can decide."""
    machines = target.read_machines(session)
    machine = target.find_machine(machines, options.machine, options.factory) if options.machine else None
    tables = {kind: target.read_table(session, kind) for kind in ([options.kind] if options.kind else target.KINDS)}
    table, columns = _columns(source, options, tables)
    if machine is None and "machine_id" not in columns:
        raise Failure("whose readings are they? Name the machine (MACHINE=..., --machine), or have a column machine in the file", code=2)
    if machine:
        columns.pop("machine_id", None)
    _say_columns(source, columns, options.register)
    numbers = [name for name in columns if name == "register" or table.fields[name].number]
    known = _labels(machines, options.factory)
    zone = _zone(options.zone, machine, known)
    with stage("Looking through", source.size) as told:
        seen = survey(source, columns, numbers, options.day_first, zone, told)
        comma = seen.decimals.decide(options.decimal)
    here = zone(seen.labels)
    ids = None if machine else {label: known[label.lower()].id for label in seen.labels if label.lower() in known}
    if ids is not None and not ids:
        raise Failure(f"no machine of the file is known: it names {', '.join(sorted(seen.labels)[:10]) or 'none'}", code=2)
    _say_reading(seen, comma, here, machine, options)
    shared = {"machine_id": machine.id} if machine else {}
    if table.kind == "energy":
        shared |= {} if "energy_type" in columns else {"energy_type": options.energy_type or "electrical"}
        shared |= {} if "source" in columns else {"source": "import"}
    elif options.energy_type:
        raise Failure("--energy-type is of energy readings only", code=2)
    intervals = _intervals(seen.distances, options.interval, ids, machine)
    derived = _derived(table.kind, columns, intervals)
    sent = [name for name in columns if name != "register"]
    preparation = Preparation(table, columns, numbers, comma, seen.day_first, here, options.shift, seen.folds, ids)
    return Plan(columns, Staged(table, sent, shared, derived), preparation, machine, here, intervals)


def _columns(source: Source, options: argparse.Namespace, tables: dict[str, target.Table]) -> tuple[target.Table, dict[str, Column]]:
    """The kind, and the columns of the file that it takes."""
    header, own = list(source.header), None
    units = dict(options.unit)
    if options.register:
        if options.register not in header:
            raise Failure(f"the file has no column {options.register!r}; it has {', '.join(map(repr, header))}", code=2)
        at = header.index(options.register)
        unit = units.pop("register", None) or next((unit for _, unit in split_unit(options.register) if unit and exponent("energy_kwh", unit) is not None), None)
        if unit is None or exponent("energy_kwh", unit) is None:
            raise Failure(f"the column {options.register!r} names no unit of energy: say which, as --unit register=kWh (Wh, kWh or MWh)", code=2)
        own = Column("register", (at,), exponent("energy_kwh", unit))
        # It is not to be taken for an increment too.
        header[at] = ""
    wanted = {kind: set(options.map) & set(table.fields) for kind, table in tables.items()}
    unknown = set(options.map) - set().union(*(table.fields for table in tables.values()))
    if unknown:
        map_columns(header, set().union(*(table.fields for table in tables.values())), options.map, {})
    if len(tables) > 1:
        from scripts.history.columns import recognise

        for kind, table in tables.items():
            wanted[kind] |= {found[0] for heading in header if (found := recognise(heading, set(table.fields)))}
        if own:
            wanted["energy"].add("energy_kwh")
        tables = {(kind := target.kind_of(wanted)): tables[kind]}
    (table,) = tables.values()
    if own and table.kind != "energy":
        raise Failure(f"--register is of energy, and the columns are of {table.kind}", code=2)
    columns = map_columns(header, set(table.fields), options.map, units)
    if own:
        if "energy_kwh" in columns:
            raise Failure("--register and a column of energy: choose one", code=2)
        columns["register"] = own
    if not set(columns) - target.SHARED - {"energy_type"}:
        target.kind_of({})
    return table, columns


def _say_columns(source: Source, columns: dict[str, Column], register: str | None) -> None:
    used = {position for column in columns.values() for position in column.positions}
    scale = {-3: " / 1,000", 3: " x 1,000", 6: " x 1,000,000", -2: " / 100"}
    read = [f"{' + '.join(source.header[position] for position in column.positions)} -> {name}{scale.get(column.exponent, '')}"
            for name, column in columns.items()]  # fmt: skip
    say(f"File: {source.name}, delimiter {NAMES.get(source.delimiter, source.delimiter)}, {source.encoding.replace('utf-8-sig', 'utf-8')}")
    say(f"Columns: {'; '.join(read)}")
    left = [heading or f"(column {position + 1})" for position, heading in enumerate(source.header) if position not in used]
    if left:
        say(f"Left out: {', '.join(left)}")


def _labels(machines: list[Machine], factory: str | None) -> dict[str, Machine]:
    """Machines by id and by name in lower case; a name that stands in two factories is none."""
    inside = [machine for machine in machines if factory is None or machine.factory.lower() == factory.lower()]
    names = Counter(machine.name.lower() for machine in inside)
    return {machine.id: machine for machine in inside} | {machine.name.lower(): machine for machine in inside if names[machine.name.lower()] == 1}


def _zone(given: str | None, machine: Machine | None, known: dict[str, Machine]) -> Callable[[set[str]], str]:
    """What tells the zone of times without offset from the machines' labels."""

    def zone(labels: set[str]) -> str:
        zones = {given} if given else {machine.zone} if machine else {known[label.lower()].zone for label in labels if label.lower() in known}
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


def _say_reading(seen: Survey, comma: bool, zone: str, machine: Machine | None, options: argparse.Namespace) -> None:
    whose = f"{machine.name} of {machine.factory}" if machine else f"{len(seen.labels)} machine{'s' * (len(seen.labels) != 1)} of the file"
    said = ["local times in " + zone + ("" if options.zone else ", the factory's zone") if seen.local else "times with their offset"]
    if seen.order.seen or options.day_first is not None:
        said.append("day first" if seen.day_first else "month first")
    said += ["decimal comma"] if comma else []
    said += [f"times shifted by {options.shift:g} s"] if options.shift else []
    say(f"Machine: {whose}; {', '.join(said)}")
    if seen.folds.told:
        say(f"Clocks go back: {seen.folds.told} readings at times that come twice; the first pass is read as summer time, the second as winter time")
    if seen.folds.untold:
        say(f"Clocks go back: {seen.folds.untold} readings at times that could be either are read as summer time, as each is there only once")


def _intervals(distances: dict[str, Counter], given: float | None, ids: dict[str, str] | None, machine: Machine | None) -> dict[str, float]:
    """Seconds between readings by machine id: as given, else the most frequent distance."""
    if ids is None:
        most = sum(distances.values(), Counter()).most_common(1)
        return {machine.id: given or most[0][0]} if given or most else {}
    joined: dict[str, Counter] = {}
    for label, id in ids.items():
        joined.setdefault(id, Counter()).update(distances.get(label, {}))
    return {id: given or counted.most_common(1)[0][0] for id, counted in joined.items() if given or counted}


def _derived(kind: str, columns: dict[str, Column], intervals: dict[str, float]) -> dict[str, str]:
    """SQL of the energy or the power that the file has not, from the other and the interval."""
    if kind != "energy" or {"power_kw", "energy_kwh"} <= set(columns):
        return {}
    if "register" in columns:
        say("Energy: increments of the register, each at the reading that ends it; power_kw = increment / time since the reading before")
        return {name: "" for name in ("energy_kwh", "power_kw") if name not in columns}
    if not intervals:
        raise Failure("the interval can't be told from fewer than two readings: say it, as --interval 900", code=2)
    lengths = sorted(set(intervals.values()))
    seconds = f"{lengths[0]:g}" if len(lengths) == 1 else "case machine_id " + " ".join(f"when '{id}' then {length:g}" for id, length in intervals.items()) + " end"
    missing, formula = ("power_kw", "energy_kwh / interval") if "energy_kwh" in columns else ("energy_kwh", "power_kw x interval")
    say(f"Interval: {' s, '.join(f'{length:g}' for length in lengths)} s between readings; {missing} = {formula}")
    if missing == "energy_kwh":
        return {missing: f"power_kw * {seconds} / 3600"}
    if len(lengths) == 1 and 3600 % lengths[0] == 0:
        return {missing: f"energy_kwh * {3600 // lengths[0]:g}"}
    return {missing: f"energy_kwh * 3600 / {seconds}"}
