"""Command line of `python -m scripts.history`, which `make import` calls."""

import argparse
import os
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path

from scripts import connection
from scripts.console import Failure, exit_code
from scripts.history.columns import pairs, read_settings

DESCRIPTION = """\
Bring history in: energy, production or environment of one machine or several,
from a CSV file with a header. Columns are recognised by their names, and what
is not recognised is named. Readings that are there already are corrected,
lines that can't go in are written to FILE.rejects.csv with the reason, and the
rollups are refreshed. The same command again brings nothing twice. Ends with 0
if every line is in, 1 if some were rejected, 2 for wrong usage."""
EXAMPLES = """\
examples:
  make import CSV=meter.csv MACHINE=Compressor-1 ARGS=--dry-run
  make import CSV=meter.csv MACHINE=Compressor-1 \\
      ARGS="--map time=Zeitstempel --map 'energy_kwh=Wirkarbeit [Wh]'"
  make import CSV=register.csv MACHINE=HVAC-Main \\
      ARGS="--register Zaehlerstand --unit register=kWh --zone Europe/Berlin"
  zcat plant.csv.gz | python -m scripts.history - --columns plant.toml

a file for --columns, with any of these lines:
  zone = "Europe/Berlin"
  kind = "energy"
  decimal = "comma"
  day_first = true
  energy_type = "natural_gas"
  interval = 900
  register = "Zaehlerstand"
  [columns]
  time = "Zeitstempel"
  energy_kwh = "Wirkarbeit"
  [units]
  energy_kwh = "Wh" """


def main(arguments: list[str] | None = None) -> int:
    """Import a file; 0 if every line is in, 1 if lines were rejected or it failed, 2 for wrong usage."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    return exit_code(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    try:
        from scripts.history import work
    except ModuleNotFoundError as error:
        raise Failure(f"{error.name} is not installed: make import installs it, or pip install '.[tools]'") from None
    settle(options)
    return work.run(options, connection.find())


def settle(options: argparse.Namespace) -> None:
    """Make the options of one mind: flags beat the file of --columns. Raises Failure for wrong usage."""
    if not options.file:
        raise Failure("name a file: make import CSV=readings.csv MACHINE=Compressor-1, or CSV=- for standard input", code=2)
    found = read_settings(options.columns) if options.columns else {}
    options.map = found.get("columns", {}) | pairs("--map", options.map)
    options.unit = found.get("units", {}) | pairs("--unit", options.unit)
    for name in "kind", "zone", "decimal", "energy_type", "register", "interval", "day_first":
        if getattr(options, name) is None:
            setattr(options, name, found.get(name))
    for name, choices in ("kind", ("energy", "production", "environment")), ("decimal", ("comma", "point")):
        if getattr(options, name) not in (None, *choices):
            raise Failure(f"{options.columns}: {name} is one of {', '.join(choices)}", code=2)
    if options.energy_type == "":
        raise Failure("--energy-type: name the carrier, as natural_gas", code=2)
    if options.interval is not None and not options.interval > 0:
        raise Failure("--interval: a number of seconds above 0", code=2)
    if options.delimiter:
        options.delimiter = {"tab": "\t", "\\t": "\t"}.get(options.delimiter, options.delimiter)
        if len(options.delimiter) != 1:
            raise Failure("--delimiter: one character, or tab", code=2)
    if options.rollover is not None:
        try:
            options.rollover = Decimal(options.rollover)
        except InvalidOperation:
            options.rollover = Decimal(0)
        if not options.rollover > 0:
            raise Failure("--rollover: the number at which the register begins anew, as 100000", code=2)
        if not options.register:
            raise Failure("--rollover says where a register begins anew: name its column by --register", code=2)
    if options.rejects is None:
        beside = Path("import.rejects.csv" if options.file == "-" else f"{options.file}.rejects.csv")
        # Of a file in a folder that is not ours, here.
        options.rejects = beside if os.access(beside.parent, os.W_OK) else Path(beside.name)
    if options.file != "-" and options.rejects.resolve() == Path(options.file).resolve():
        raise Failure("--rejects is the file that is imported: name another", code=2)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options as they are given."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.history", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("file", metavar="FILE", help="CSV file with a header; - is standard input")
    add("--machine", metavar="NAME|ID", help="whose readings they are; without it the file has a column machine or machine_id")
    add("--factory", metavar="NAME", help="the machine's factory, where two have a machine of that name")
    add("--kind", choices=["energy", "production", "environment"], help="default: by the columns")
    add("--columns", type=Path, metavar="FILE", help="TOML file with the settings below for one kind of export")
    add("--map", action="append", default=[], metavar="NAME=COLUMN", help="the file's column for one of the table's; a time in two: time=Date+Clock")
    add("--unit", action="append", default=[], metavar="NAME=UNIT", help="unit of a column: W, kW, MW, Wh, kWh, MWh, mV, V, kV, mA, A, kA, mbar, bar, %%")
    add("--zone", metavar="ZONE", help="time zone of times without offset (default: the factory's)")
    order = parser.add_mutually_exclusive_group()
    order.add_argument("--day-first", dest="day_first", action="store_true", default=None, help="dates are day/month/year")
    order.add_argument("--month-first", dest="day_first", action="store_false", help="dates are month/day/year")
    add("--shift", type=float, default=0, metavar="SECONDS", help="added to every time, as -900 where times are the ends of quarter-hours")
    add("--decimal", choices=["comma", "point"], help="what parts the decimals (default: by the numbers)")
    add("--interval", type=float, metavar="SECONDS", help="time between readings, for energy from power or power from energy (default: by the times)")
    add("--energy-type", metavar="TYPE", help="of all readings, as natural_gas (default: electrical)")
    add("--register", metavar="COLUMN", help="the column is a meter's register: its increments are the energy")
    add("--rollover", metavar="NUMBER", help="where the register begins anew, in the file's unit (default: by its digits)")
    add("--rejects", type=Path, metavar="FILE", help="where rejected lines go (default: FILE.rejects.csv, in the current folder if its own may not be written)")
    add("--strict", action="store_true", help="bring nothing in if a line is rejected")
    add("--replace-past-retention", action="store_true", help="in minutes of which only the rollups are left, put the file's readings in their place")
    add("--no-refresh", dest="refresh", action="store_false", help="leave the rollups to their policies, which refresh them within an hour")
    add("--dry-run", action="store_true", help="read and check everything, show the first rows, bring nothing in")
    add("--encoding", help="utf-8, utf-16, latin-1, cp1252 ... (default: UTF-8, or by its mark)")
    add("--delimiter", metavar="CHARACTER", help="comma, semicolon, tab and bar are recognised")
    add("--skip", type=int, default=0, metavar="LINES", help="lines before the header")
    return parser.parse_args(arguments)
