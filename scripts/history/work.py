"""An import from its beginning to its end."""

import argparse
import time
from concurrent.futures import Future, ThreadPoolExecutor

import polars as pl
import psycopg

from scripts.connection import Database
from scripts.console import Failure, say
from scripts.history import plan, refresh, register, rejects, staging, summary, writing
from scripts.history.plan import Plan
from scripts.history.prepare import Preparation, copy_text
from scripts.history.progress import stage
from scripts.history.source import Source, open_source, standard_input


def run(options: argparse.Namespace, database: Database) -> int:
    """Import; 0 if every line is in, 1 if lines were rejected. Raises Failure."""
    began = time.monotonic()
    if not rejects.is_free(options.rejects):
        raise Failure(f"{options.rejects} is there and holds no rejects of an earlier run: name another file by --rejects", code=2)
    with database.connect(autocommit=True, prepare_threshold=None, application_name="enms import") as session:
        try:
            return _import(options, session, began)
        except psycopg.OperationalError as error:
            raise Failure(f"the connection broke ({_line(error)}): run the same command again, it goes on") from None
        except psycopg.Error as error:
            raise Failure(f"the database refused: {_line(error)}") from None


def _line(error: psycopg.Error) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _import(options: argparse.Namespace, session: psycopg.Connection, began: float) -> int:
    staging.settings(session)
    source = open_source(options.file, options.encoding, options.delimiter, options.skip, standard_input() if options.file == "-" else None)
    chosen = plan.make(session, source, options)
    refused, prepared = _stage(session, source, chosen)
    equal = 0
    with stage("Checking", None):
        if not prepared.sorted:
            equal = staging.same_again(session, chosen.staged, bool(options.register))
        increments = None
        if options.register:
            width = options.rollover and options.rollover.scaleb(chosen.columns["register"].exponent)
            increments = register.turn(session, chosen.staged, width, chosen.intervals, "power_kw" in chosen.columns)
        staging.check(session, chosen.staged)
        # An update of every row, as a register's, leaves them in another order.
        in_order = prepared.in_order and not options.register
        staging.index(session, in_order)
        found = staging.figures(session, chosen.staged.table)
    if increments:
        summary.register(increments)
    count = rejects.collect(session, refused)
    if options.dry_run:
        summary.first_rows(session, chosen)
        written = writing.dry(session, chosen.staged)
    elif count and options.strict:
        rejects.write(session, source, options.rejects, refused)
        raise Failure(f"{count:,} line{'s' * (count > 1)} would be rejected, so nothing is written (--strict): see {options.rejects}")
    else:
        written = writing.Written()
        _write(session, chosen, options.replace_past_retention, in_order, found["rows"], written)
        if found["rows"] and options.refresh:
            _refresh(session, chosen)
    count = rejects.collect(session, refused)
    place = rejects.write(session, source, options.rejects, refused)
    reasons = rejects.most(session, refused)
    summary.show(chosen, options, found, written, count, equal, prepared.empty, place, reasons, time.monotonic() - began)
    return int(count > 0)


def _stage(session: psycopg.Connection, source: Source, chosen: Plan) -> tuple[list[pl.DataFrame], Preparation]:
    """Fill staging; the lines that the file itself refuses, and what was seen on the way."""
    staging.create(session, chosen.staged, "register" in chosen.columns)
    prepared, refused, rows = chosen.preparation, [], 0
    statement = staging.copy_statement(prepared.names)
    # One block is read ahead while the one before is sent.
    with stage("Reading", source.size) as told, session.cursor().copy(statement) as copy, ThreadPoolExecutor(1) as sender:
        sent: Future | None = None
        for frame, done in source.frames(lambda _: chosen.positions):
            good, bad = prepared.rows(frame)
            if sent:
                sent.result()
            sent = sender.submit(lambda rows=good: copy.write(copy_text(rows)))
            if bad.height:
                refused.append(bad)
            rows += good.height
            told(done, rows)
        if sent:
            sent.result()
    return refused, prepared


def _write(session: psycopg.Connection, chosen: Plan, replaced: bool, in_order: bool, rows: int, written: writing.Written) -> None:
    try:
        with stage("Writing", rows) as told:
            writing.write(session, chosen.staged, replaced, in_order, told, written)
    except (KeyboardInterrupt, Failure, psycopg.Error):
        say(f"{written.done:,} of {rows:,} rows are in; the same command goes on from there")
        raise


def _refresh(session: psycopg.Connection, chosen: Plan) -> None:
    names = refresh.concerned(chosen.staged.table.kind, *chosen.carriers(session))
    jobs, allowed = refresh.jobs(session, names)
    if not jobs:
        return
    if not allowed:
        say("This role may not refresh the rollups: their policies do, within an hour; the KPI functions are right at once")
        return
    with stage("Refreshing the rollups", len(jobs)) as told:
        busy = refresh.refresh(session, jobs, told)
    if busy:
        say(f"Just being refreshed: {', '.join(busy)}; the next run of the policy takes these readings along")
