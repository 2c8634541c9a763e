"""Command line of `python -m verify`."""

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing

from verify import configuration, registry, report, spec, static
from verify.catalog import Catalog, Unreadable, gone
from verify.connection import connect, find_target
from verify.registry import Context, Runner
from verify.result import ExitCode, Fatal, Outcome, Result
from verify.sources import Sources
from verify.waiting import wait

DESCRIPTION = """\
Compares a database with the schema that verify/spec.toml and init/ declare, calls its functions on a small
plant that is rolled back, and looks at the health of its jobs and data. It changes nothing and may run at any
time. What it finds is listed with what to do about it."""
EPILOG = """\
exit codes:
  0  every check passed
  1  drift: a check failed, or could not be evaluated
  2  the command line is wrong, or the report cannot be written
  3  no connection: it was refused, got lost, did not get ready in time, or Ctrl-C ended the run
  4  spec.toml, postgresql.conf or init/ cannot be used

what a role sees:
  A superuser sees everything. A member of enms_reader sees the schema and the data, and of pg_monitor also the
  settings and whether jobs are scheduled; only who owns the tables can have the functions called. What a role
  does not see is told once, under "this session sees everything", and the run does not pass.

examples:
  python -m verify                                      the engine that make up started
  python -m verify --wait 60                            the same, as soon as it is up and init/ is through
  python -m verify --dsn "host=db1 dbname=enms user=me"  any server; the password by PGPASSWORD or ~/.pgpass
  python -m verify --only jobs --only health            two families of checks
  python -m verify --format junit > report.xml          for a CI server"""


def main(arguments: list[str] | None = None) -> int:
    """Verify and report; the exit code."""
    # A closed stderr would turn what is meant for people into a part of the report.
    sys.stderr = sys.stderr or open(os.devnull, "w")
    # The driver's own warnings, such as of a rollback that a lost connection made needless.
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    try:
        return _main(arguments)
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return ExitCode.CONNECT


def _main(arguments: list[str] | None) -> int:
    families = registry.load()
    parser = _parser(families)
    options = parser.parse_args(arguments)
    if options.static and (options.dsn or options.wait is not None or options.only):
        parser.error("--static needs no database: it goes with --format only")
    if sys.stdout is None:
        parser.error("the report cannot be written: stdout is closed")
    began = time.monotonic()
    try:
        results, subject = _results(options)
        made = report.Report(subject, results, exit_code(results), time.monotonic() - began)
    except Fatal as error:
        made = report.ended(error, time.monotonic() - began)
    except KeyboardInterrupt:
        made = report.ended(Fatal("interrupted", ExitCode.CONNECT), time.monotonic() - began)
    return _write(report.FORMATS[options.format], made)


def _results(options: argparse.Namespace) -> tuple[list[Result], report.Server | str]:
    declared, sources = spec.load(), Sources()
    # Better told now than as a failure of every check that reads them.
    sources.texts, configuration.declared()  # noqa: B018
    if options.static:
        return static.run(declared, sources), "init/"
    return _verify(declared, sources, options)


def _write(write: Callable[[report.Report], None], made: report.Report) -> int:
    """Print the report; the exit code, also where the report's reader, such as head, has enough."""
    # What a terminal or a pipe in another encoding than UTF-8 cannot show.
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        write(made)
        sys.stdout.flush()
    except OSError as error:
        # Python would complain once more as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"error: the report cannot be written: {error.strerror}", file=sys.stderr)
            return ExitCode.USAGE
    return made.code


def exit_code(results: list[Result]) -> ExitCode:
    """PASSED only if nothing failed and nothing was left unevaluated."""
    bad = {Outcome.FAILED, Outcome.NOT_EVALUATED}
    return ExitCode.DRIFT if any(result.outcome in bad for result in results) else ExitCode.PASSED


def _verify(declared: spec.Spec, sources: Sources, options: argparse.Namespace) -> tuple[list[Result], report.Server]:
    if options.wait is None:
        target = find_target(options.dsn)
        connection = connect(target)
    else:
        target, connection = wait(options.dsn, options.wait, declared.version, sources)
    # Not as its own context manager, which would commit what an interrupt left half-way.
    with closing(connection):
        runner = Runner(Context(declared, Catalog(connection), sources, target.ours))
        results, subject = runner.run(options.only), _subject(runner.context)
        if connection.closed:
            raise gone("the run ended", "its last command got no answer")
        return results, subject


def _subject(context: Context) -> report.Server:
    """What was verified; what could not be read is None, as it is told of among the results."""
    info, postgresql, timescaledb, edition = context.catalog.connection.info, None, None, None
    try:
        postgresql = context.catalog.one("server")["version"].split()[0]
        timescaledb = context.catalog.by_name("extensions")["timescaledb"]["installed"]
        edition = context.edition if timescaledb else None
    except (Unreadable, KeyError):
        pass
    return report.Server(info.dbname, info.host or "the local socket", info.port, info.user, postgresql, timescaledb, edition)


def _parser(families: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m verify", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dsn", help="connection string; default: ENMS_DSN, else PGHOST, PGSERVICE or PGDATABASE, else the engine that is up")
    parser.add_argument("--wait", type=_seconds, metavar="SECONDS", help="wait up to so long for the server to answer and init/ to end, and say what for")
    parser.add_argument(
        "--only", action="append", choices=families, metavar="FAMILY", default=[],
        help=f"this family of checks only, may be repeated: {', '.join(families)}",
    )  # fmt: skip
    parser.add_argument("--static", action="store_true", help="compare the files of init/ with the spec, without a database")
    parser.add_argument("--format", choices=sorted(report.FORMATS), default="table", help="default: table; json is described by verify/report.schema.json")
    return parser


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds from 0 up")
    return value
