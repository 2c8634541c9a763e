"""How a file is read, said to the person before anything is done."""

import argparse

from scripts.console import say
from scripts.history.columns import Column
from scripts.history.source import NAMES, Source
from scripts.history.survey import Survey
from scripts.history.target import Machine


def columns(source: Source, columns: dict[str, Column]) -> None:
    """The columns that are read and those that are not."""
    used = {position for column in columns.values() for position in column.positions}
    scale = {-3: " / 1,000", 3: " x 1,000", 6: " x 1,000,000", -2: " / 100"}
    read = [f"{' + '.join(source.header[position] for position in column.positions)} -> {name}{scale.get(column.exponent, '')}"
            for name, column in columns.items()]  # fmt: skip
    say(f"File: {source.name}, delimiter {NAMES.get(source.delimiter, source.delimiter)}, {source.encoding.replace('utf-8-sig', 'utf-8')}")
    say(f"Columns: {'; '.join(read)}")
    left = [heading or f"(column {position + 1})" for position, heading in enumerate(source.header) if position not in used]
    if left:
        say(f"Left out: {', '.join(left)}")


def reading(seen: Survey, comma: bool, zone: str, machine: Machine | None, options: argparse.Namespace) -> None:
    """How machines, times and numbers are read."""
    whose = f"{machine.name} of {machine.factory}" if machine else f"{len(seen.labels)} machine{'s' * (len(seen.labels) != 1)} of the file"
    said = ["local times in " + zone + ("" if options.zone else ", the factory's zone") if seen.local else "times with their offset"]
    if seen.order.seen or options.day_first is not None:
        said.append("day first" if seen.day_first else "month first")
    said += ["decimal comma"] if comma else []
    said += [f"times shifted by {options.shift:g} s"] if options.shift else []
    say(f"Machine: {whose}; {', '.join(said)}")
    if seen.folds.told:
        say(f"Clocks go back: {seen.folds.told:,} readings at times that come twice; the first pass is read as summer time, the second as winter time")
    if seen.folds.untold:
        count = seen.folds.untold
        said = "readings at times that could be either are" if count > 1 else "reading at a time that could be either is"
        say(f"Clocks go back: {count} {said} read as summer time, as {'each is' if count > 1 else 'it is'} there only once")
