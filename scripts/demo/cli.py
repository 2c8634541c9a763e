"""Command line of `python -m scripts.demo`, which `make demo` calls."""

import argparse
import sys
import time

import psycopg

from scripts import connection
from scripts.connection import Database
from scripts.console import Failure, exit_code, say, step
from scripts.demo import baselines, findings, history, live, rollups, statements
from scripts.demo.plant import Machine, machines
from scripts.demo.progress import rows_bar

SEED, DAYS, MOST_DAYS = 50001, 14, 49
DAY, HOUR = 86400, 3600
# Seconds that the live readings catch up with by themselves.
BEHIND = 10
DESCRIPTION = f"""\
Give the seed's seven machines plausible readings up to now, then go on live at each machine's own interval
until Ctrl-C. The database is the one that is up, or that of ENMS_DSN.

The readings have shifts and breaks by the factory's clock, weekends, weather, faults, gaps, anomalies (with
rows in anomalies) and energy baselines (rows in energy_baselines, fitted to the days that were written). They
depend on the seed, the machine and the time alone, whenever and wherever it is run: a second run finds what
is there and writes what is missing, such as the time since the demo was stopped.

They are written by the role enms_ingest with the statements of the MQTT flow: live, and in the newest hour,
one reading a statement; the history before it {statements.BATCH} readings a statement. Energy comes at each machine's interval,
production and environment once a minute, or at the interval where that is longer; the finest rollup is of a
minute, so nothing in it is missing. 14 days are 3.1 million rows, which
take 2 to 3 minutes on two cores, and some 800 MB until the policy has compressed what is older than 7 days.

Energy readings say {{"demo": SEED}} in metadata, production says demo-SEED-DATE in batch_id. Machines that have
readings in the days to be filled which are not the demo's are refused."""
EXAMPLES = """\
examples:
  python -m scripts.demo
  python -m scripts.demo --days 2 --history-only
  ENMS_DSN="host=db.example dbname=enms user=enms_user" python -m scripts.demo --seed 7"""


def main(arguments: list[str] | None = None) -> int:
    """Write the demo; 0 when done or stopped while live, 1 for a failure, 2 for wrong usage, 130 if history was broken off."""
    options = _parse(arguments)
    return exit_code(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    try:
        return _demo(connection.find(), options)
    except psycopg.Error as error:
        raise Failure(f"the demo stopped: {error}; what it wrote stays, and another run goes on from there") from None


def _demo(database: Database, options: argparse.Namespace) -> int:
    now = int(time.time())
    begin = int(now - options.days * DAY) // HOUR * HOUR
    with statements.ingest(database) as session:
        plant = machines(session)
        with step("Looking at the machines' readings"):
            if not options.force:
                # Live alone fills nothing before now, but a plant that writes now has readings of the last hour.
                history.refuse_others(session, plant, options.seed, now - HOUR if options.live_only else begin)
            work = [] if options.live_only else history.missing(session, plant, options.seed, begin, now, options.force)
    written = 0
    if not options.live_only:
        try:
            written, now = _history(database, options, plant, work, begin, now)
        except history.Interrupted as broken:
            say(f"stopped: {broken.rows:,} rows of history written; run it again to fill in the rest")
            return 130
    return _live(live.Plant(database, options.seed, plant, now, now if options.live_only else begin), options.history_only, written)


def _history(
    database: Database, options: argparse.Namespace, plant: list[Machine], work: list[history.Stretch], begin: int, end: int
) -> tuple[int, int]:
    """Write what [begin, end) lacks, what has come due by then, and what belongs to it; how many readings, and up to when."""
    doing, written = f"Writing {options.days:g} days of {len(plant)} machines", 0
    while work:
        with rows_bar(doing, sum(stretch.rows for stretch in work)) as advance:
            written += history.fill(database, options.seed, work, advance, written)
        since, end, doing = end, int(time.time()), "Catching up"
        work = history.stretches(plant, options.seed, since, end) if end - since > BEHIND else []
        if not work:
            end = since
    if not written:
        say(f"{options.days:g} days of {len(plant)} machines are there already")
    with database.connect(autocommit=True) as owner:
        if written:
            rollups.refresh(owner)
        with step("Writing anomalies and baselines"):
            anomalies = findings.store(owner, findings.anomalies(options.seed, plant, begin, end), end, begin)
            models = baselines.store(owner, options.seed, plant, begin, end)
    short = f"; baselines need {baselines.LEAST_DAYS} whole days" if options.days < baselines.LEAST_DAYS + 1 and not models else ""
    say(f"{written:,} readings, {anomalies} anomalies and {models} baselines are new{short}")
    return written, end


def _live(running: live.Plant, status_only: bool, before: int) -> int:
    """Tell of every machine's status, and unless that is all, go on live until interrupted."""
    began = time.monotonic()
    try:
        running.status(running.done)
        if status_only:
            return 0
        live.run(running)
    except KeyboardInterrupt:
        pass
    finally:
        running.close()
    rows, history_rows = sum(running.rows.values()), f" after {before:,} of history" if before else ""
    say(
        f"stopped: {rows:,} readings written live in {_duration(time.monotonic() - began)}{history_rows};"
        " run it again to go on, it fills in what is missing by then"
    )
    return 0


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.demo", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=float, default=DAYS, help=f"days of history, up to {MOST_DAYS} (default: {DAYS})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"number that all readings depend on (default: {SEED})")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--history-only", action="store_true", help="end when the history is written")
    only.add_argument("--live-only", action="store_true", help="write no history, go on from now")
    parser.add_argument("--force", action="store_true", help="write although the machines have readings there that are not the demo's")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    if not 1 / 24 <= options.days <= MOST_DAYS:
        parser.error(f"--days: from an hour (0.042) to {MOST_DAYS}; older readings would be rolled up one by one")
    if options.seed < 0:
        parser.error("--seed: 0 or more")
    return options
