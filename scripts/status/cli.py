"""The command: what it is asked, and what it says where there is no database."""

import argparse
import json
import sys

from scripts import connection
from scripts.connection import ENGINES
from scripts.console import Failure, exit_code, put
from scripts.status import facts, screen

DESCRIPTION = """\
Show the database in one screen: server and schema, bytes by table and rollup with what compression saved, the newest
reading and the readings of a day by machine, jobs, the statements that took the most time, when the disk will be full,
and the backups. What needs attention stands out, and in the first line.

It reads the views v_ops_* of the database that is up, or that ENMS_DSN names; a role in enms_monitor sees all of it.
"""
EXAMPLES = """\
The exit code is 0, also where no database is up; 1 where the schema is not complete, or there is an error; 2 for wrong
usage.

examples:
  make status
  make status ARGS=--all                          every machine, job and statement
  python -m scripts.status --format json | jq '.freshness[] | select(.late) | .machine_name'
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code is that of its help."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.status", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", action="store_true", help="list every machine, job and statement, also where nothing is wrong")
    parser.add_argument("--format", choices=("screen", "json"), default="screen", help="json is everything that the views have (default: screen)")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    return exit_code(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    try:
        database = connection.find()
    except Failure as failure:
        if failure.code == 2:
            raise
        kept = [f"{engine.NAME} ({engine.where()})" for engine in ENGINES if engine.has_data()]
        message = f"No database is up; {'data is kept: ' + ', '.join(kept) if kept else 'there is no data yet'}"
        put((json.dumps({"up": False, "notes": [message]}) if options.format == "json" else message) + "\n")
        return 0
    found = facts.gather(database)
    if options.format == "json":
        put(json.dumps(found, default=_plain, indent=1) + "\n")
    else:
        screen.show(found, everything=options.all)
    return 0 if found["server"]["complete"] is not False else 1


def _plain(value: object) -> object:
    """Times as ISO 8601, numbers as numbers, and identifiers as text."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return float(value) if type(value).__name__ == "Decimal" else str(value)
