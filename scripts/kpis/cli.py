"""Command line of `python -m scripts.kpis`, which `make kpis` and `make report` call."""

import argparse
import sys
from datetime import datetime
from pathlib import Path

from scripts import connection
from scripts.console import Failure, exit_code, put
from scripts.kpis import data, gather, output, table, words
from scripts.kpis.figures import Site
from scripts.kpis.ranges import PERIODS, YEARS, Choice, moment

DESCRIPTION = """\
Show what each machine and factory used: energy, peak demand, load factor, energy per unit (SEC),
cost, CO2 and how much of the readings is there, on the database that is up (or ENMS_DSN). Any role
that may read can ask (enms_reader); nothing is written.

A day, week (from Monday) or month is that of each factory's own time zone; today, week and month
end now. A local time that comes twice, as clocks go back, is the first of the two: give the second
with its offset. A range is half-open as everywhere in this project, its end is no part of it:
October is --from 2026-10-01 --to 2026-11-01."""
EXAMPLES = """\
examples:
  python -m scripts.kpis --range week
  python -m scripts.kpis --from 2026-10-01 --to 2026-11-01 --format csv --factory "Demo Manufacturing Plant"
  python -m scripts.kpis --range last-month --format html --output report.html

columns of csv and json; energy in kWh, power in kW, CO2 in kg, money in `currency`, times with offset:
  {columns}
row is `machine` or `factory`. A factory's peak is that of all its machines together, its load_factor
their mean weighted by energy. json nests machines and totals by factory, and adds notes. Names stand
as the database has them: a spreadsheet takes one that begins with = + - or @ for a formula, so import
these columns as text."""


def main(arguments: list[str] | None = None) -> int:
    """Show or write the figures; 0 if done, 1 for a failure, 2 for wrong usage."""
    return exit_code(lambda: _run(_parse(arguments)))


def _run(options: argparse.Namespace) -> None:
    if options.output:
        output.check(options.output)
    choice = Choice(options.range, options.start, options.end)
    render = _report() if options.format == "html" else {"csv": data.as_csv, "json": data.as_json}.get(options.format)
    with gather.snapshot(connection.find()) as session:
        sites = gather.sites(session, choice, options.factory, options.machine)
        text = render(session, sites) if options.format == "html" else render(sites) if render else None
    _tell_if_empty(options, sites)
    if options.output:
        output.write(options.output, table.as_text(sites) if text is None else text)
        print(f"Wrote {options.output}", file=sys.stderr)
    elif text is None:
        table.show(sites)
    else:
        sys.stdout.reconfigure(encoding="utf-8")
        put(text)


def _tell_if_empty(options: argparse.Namespace, sites: list[Site]) -> None:
    """Say on stderr that the range holds no reading, which who makes a file would only see in it."""
    every = [figures for site in sites for figures in site.figures.values()]
    if any(figures.has_readings or figures.error for figures in every) or (options.format == "table" and not options.output):
        return
    now = None if options.start else {"yesterday": "today", "last-week": "week", "last-month": "month"}.get(options.range)
    shows = f"--range {now} shows {'today' if now == 'today' else f'this {now}'}" if now else "make status tells when the newest came"
    print(f"Note: there are no readings for {words.period(sites[0].asked.span)}; {shows}", file=sys.stderr)


def _report():
    try:
        from scripts.kpis import report
    except ModuleNotFoundError as error:
        raise Failure(f"the report needs {error.name}: run make report, which installs it, or pip install '.[tools]'") from None
    return report.render


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.kpis", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EXAMPLES.format(columns=_lines(data.COLUMNS)),
    )  # fmt: skip
    parser.add_argument("--range", choices=PERIODS, default="today", help="the period (default: today); --from takes its place")
    for name, to in ("from", "start"), ("to", "end"):
        default = "" if name == "from" else " (default: now)"
        what = "first instant" if name == "from" else "end, which is no part of it"
        parser.add_argument(
            f"--{name}", dest=to, type=_moment, metavar="T",
            help=f"{what}{default}: a local day as 2026-10-01, its midnight; a local time as 2026-10-01T06:00; or with an offset, 2026-10-01T06:00Z",
        )  # fmt: skip
    parser.add_argument("--factory", metavar="NAME|ID", help="only this factory")
    parser.add_argument("--machine", metavar="NAME|ID", help="only this machine, without the factory's totals; not for html")
    parser.add_argument("--format", choices=["table", "csv", "json", "html"], default="table", help="default: table")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write into this file, as a whole or not at all (default: stdout)")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    if options.end and not options.start:
        parser.error("--to needs --from")
    if options.machine is not None and options.format == "html":
        parser.error("--machine: a report is of whole factories; take --factory, or another --format")
    return options


def _moment(text: str) -> datetime:
    try:
        given = moment(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day or time: write it as 2026-10-01, 2026-10-01T06:00 or 2026-10-01T06:00+02:00") from None
    if given.year not in YEARS:
        raise argparse.ArgumentTypeError(f"{text!r} is out of reach: the year can be {YEARS[0]} to {YEARS[-1]}")
    return given


def _lines(names: tuple[str, ...]) -> str:
    lines, line = [], ""
    for name in names:
        if line and len(line) + len(name) > 95:
            lines.append(line)
            line = ""
        line += ("" if not line else ", ") + name
    return ",\n  ".join([*lines, line])
