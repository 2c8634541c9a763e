"""Command line of `python -m verify`."""

import argparse
import os
import sys
import time

import psycopg

from verify import registry, report, spec, static
from verify.catalog import Catalog
from verify.connection import connect, find_target, wait
from verify.registry import Context, Runner
from verify.result import ExitCode, Fatal, Outcome, Result
from verify.sources import Sources


def main(arguments: list[str] | None = None) -> int:
    """Verify and report; the exit code."""
    families = registry.load()
    options = _parser(families).parse_args(arguments)
    if options.static and (options.dsn or options.wait is not None or options.only):
        _parser(families).error("--static needs no database: it goes with --format only")
    began = time.monotonic()
    try:
        declared = spec.load()
        if options.static:
            results, subject = static.run(declared, Sources()), "init/"
        else:
            results, subject = _verify(declared, options)
    except Fatal as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return ExitCode.CONNECT
    code = exit_code(results)
    try:
        report.FORMATS[options.format](report.Report(subject, results, code, time.monotonic() - began))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads the report, such as head, has enough; Python would complain once more as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def exit_code(results: list[Result]) -> ExitCode:
    """PASSED only if nothing failed and nothing was left unevaluated."""
    bad = {Outcome.FAILED, Outcome.NOT_EVALUATED}
    return ExitCode.DRIFT if any(result.outcome in bad for result in results) else ExitCode.PASSED


def _verify(declared: spec.Spec, options: argparse.Namespace) -> tuple[list[Result], str]:
    if options.wait is None:
        target = find_target(options.dsn)
        connection = connect(target)
    else:
        target, connection = wait(options.dsn, options.wait, declared.version, lambda text: print(text, file=sys.stderr, flush=True))
    with connection:
        try:
            runner = Runner(Context(declared, Catalog(connection), Sources(), target.ours))
            return runner.run(options.only), _subject(runner.context)
        except psycopg.OperationalError as error:
            raise Fatal(f"the server went away: {error}", ExitCode.CONNECT) from None


def _subject(context: Context) -> str:
    """What was verified, in words."""
    info = context.catalog.connection.info
    try:
        server = context.catalog.one("server")
        what = f", PostgreSQL {server['version'].split()[0]}, {context.edition} edition"
    except Exception:  # noqa: BLE001 - it is told of among the results
        what = ""
    return f"{info.dbname} at {info.host or 'the local socket'}:{info.port} as {info.user}{what}"


def _parser(families: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m verify",
        description="Compares a database with the schema that verify/spec.toml and init/ declare.",
        epilog="exit codes: 0 passed, 1 drift, or a check that could not be evaluated, 2 usage, 3 cannot connect or not ready "
        "in time, 4 bad spec",
    )
    parser.add_argument("--dsn", help="connection string; default: ENMS_DSN, else PG* variables, else the engine that is up")
    parser.add_argument("--wait", type=_seconds, metavar="SECONDS", help="wait that long for the server and for init/ to be complete")
    parser.add_argument(
        "--only", action="append", choices=families, metavar="FAMILY", default=[],
        help=f"this family of checks only, may be repeated: {', '.join(families)}",
    )  # fmt: skip
    parser.add_argument("--static", action="store_true", help="compare the files of init/ with the spec, without a database")
    parser.add_argument("--format", choices=sorted(report.FORMATS), default="table", help="default: table")
    return parser


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds from 0 up")
    return value
