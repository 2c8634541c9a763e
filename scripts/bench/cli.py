"""Command line of `python -m scripts.bench`, which `make bench` calls."""

import argparse
import os
import sys
import time
from pathlib import Path

import psycopg

from scripts import connection
from scripts.bench import database, registry, report
from scripts.bench.copying import copy_rounds
from scripts.bench.loading import load_history, load_plant
from scripts.bench.plant import Plant
from scripts.bench.progress import bar
from scripts.bench.registry import INGEST, PLANT, YEAR, Bench, Measured
from scripts.console import Failure, exit_code
from scripts.settings import STATE

DAYS, ROWS, HISTORY = 30, 1_000_000, 365
# Readings older than 50 days would reach the rollups as they are written, and nothing would be left to fill.
MOST_DAYS = 49
MOST_MACHINES = 100_000
COPY_DAYS = 30
STAGES = {INGEST: copy_rounds, PLANT: load_plant, YEAR: load_history}
DESCRIPTION = f"""\
Measure the speed of the schema against plain PostgreSQL, side by side, on the engine that is up (or
ENMS_DSN), in a database of its own that is dropped at the end. Prints a table and writes a JSON file
of ratios. BENCH_DAYS sets the days of readings (default: {DAYS}), BENCH_MACHINES a number of machines
that send every 10 s, in place of the seed's seven."""


def main(arguments: list[str] | None = None) -> int:
    """Measure and report; 0 if measured, 1 for a failure or, with --check, a missed goal, 2 for wrong usage."""
    options = _parse(arguments)
    return exit_code(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    try:
        days, machines = _days(), _machines()
        if options.json:
            # A run of minutes should not end in an error that could be told at once.
            if options.json.is_dir():
                raise Failure(f"--json: {options.json} is a folder, name a file", code=2)
            options.json.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        bench, results = _measure(days, machines, options.rows, options.history)
        content = report.content(bench, results, time.monotonic() - began)
        path = options.json or STATE / f"bench-{bench.edition}.json"
        report.write(content, path)
        report.show(content, path)
        return int(options.check and report.missed(content))
    except psycopg.Error as error:
        raise Failure(f"the benchmark stopped: {error}") from None


def _measure(days: float, machines: int | None, rows: int, history: int) -> tuple[Bench, dict[str, Measured]]:
    """Results by the measure's key, in the order of the table."""
    registry.load()
    server = connection.find()
    with database.throwaway(server) as own, own.connect(autocommit=True, prepare_threshold=None) as session:
        plant = Plant.build(session, days, machines)
        # Older readings would be history, which is written in another way than live ones.
        rows = min(rows, int(plant.rate * COPY_DAYS * 86400))
        bench = Bench(session, database.edition(session), plant, rows, history)
        results: dict[str, Measured] = {}
        for stage, prepare in STAGES.items():
            prepare(bench)
            chosen = [measure for measure in registry.MEASURES if measure.stage == stage]
            with bar(f"Measuring on {stage}", len(chosen)) as advance:
                for measure in chosen:
                    results[measure.key] = measure.take(bench)
                    advance()
        bench.facts = database.facts(session, server)
        return bench, {measure.key: results[measure.key] for measure in registry.MEASURES}


def _days() -> float:
    text = os.environ.get("BENCH_DAYS") or str(DAYS)
    try:
        days = float(text)
    except ValueError:
        days = 0
    # A minute is the least that holds a reading of every machine.
    if not 1 / 1440 <= days <= MOST_DAYS:
        raise Failure(f"BENCH_DAYS is {text!r}: set it to a number of days above 0, up to {MOST_DAYS}", code=2)
    return days


def _machines() -> int | None:
    text = os.environ.get("BENCH_MACHINES") or None
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MOST_MACHINES):
        raise Failure(f"BENCH_MACHINES is {text!r}: set it to a number of machines, up to {MOST_MACHINES:,}", code=2)
    return int(text)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the ratios (default: .enms/bench-EDITION.json)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a goal is missed")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"readings of the COPY (default: {ROWS:,})")
    parser.add_argument(
        "--history", type=int, default=HISTORY, help=f"days of one machine's history before the plant's (default: {HISTORY})"
    )
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    if options.rows < 1000:
        parser.error("--rows: at least 1000, one batch of the upserts")
    if options.history < 1:
        parser.error("--history: at least 1 day")
    return options
