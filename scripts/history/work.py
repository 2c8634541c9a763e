"""An import from its beginning to its end."""

import argparse
import time
from collections.abc import Callable
from contextlib import ExitStack

import polars as pl
import psycopg

from scripts.connection import Database, Unreachable
from scripts.console import Failure, say
from scripts.history import plan, refresh, register, rejects, staging, summary, writing
from scripts.history.plan import Plan
from scripts.history.prepare import Preparation
from scripts.history.progress import stage
from scripts.history.sessions import Sessions
from scripts.history.source import BLOCK, Source, open_source, standard_input

# Bytes of a file from which on a second session is worth while.
SHARED = 2 * BLOCK


def run(options: argparse.Namespace, database: Database) -> int:
    """Import; 0 if every line is in, 1 if lines were rejected. Raises Failure."""
    began = time.monotonic()
    if not rejects.is_free(options.rejects):
        raise Failure(f"{options.rejects} is there and holds no rejects of an earlier run: name another file by --rejects", code=2)
    with ExitStack() as stack:

        def connect() -> psycopg.Connection:
            session = stack.enter_context(database.connect(autocommit=True, prepare_threshold=None, application_name="enms import"))
            staging.settings(session)
            return session

        first = connect()
        try:
            return _import(options, first, connect, began)
        except psycopg.OperationalError as error:
            raise Failure(f"the connection broke ({_line(error)}): run the same command again, it goes on") from None
        except psycopg.Error as error:
            raise Failure(f"the database refused: {_line(error)}") from None


def _line(error: psycopg.Error) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _import(options: argparse.Namespace, session: psycopg.Connection, connect: Callable[[], psycopg.Connection], began: float) -> int:
    source = open_source(options.file, options.encoding, options.delimiter, options.skip, standard_input() if options.file == "-" else None)
    chosen = plan.make(session, source, options)
    sessions = _sessions(session, connect, source, options)
    refused, prepared = _stage(sessions, source, chosen)
    increments, equal = None, 0
    with stage("Checking", None):
        if not prepared.sorted:
            equal = sum(sessions.each(lambda session: staging.same_again(session, chosen.staged, bool(options.register))))
        if options.register:
            width = options.rollover and options.rollover.scaleb(chosen.columns["register"].exponent)
            increments = register.turn(session, chosen.staged, width, chosen.intervals, "power_kw" in chosen.columns)
        # An update of every row, as a register's, leaves them in another order.
        in_order = prepared.in_order and not options.register
        found = staging.together(sessions.each(lambda session: _check(session, chosen)))
        sessions.each(lambda session: staging.index(session, in_order))
    if increments:
        summary.register(increments)
    count = rejects.collect(sessions, refused)
    if options.dry_run:
        summary.first_rows(sessions, chosen)
        written = writing.total(sessions.each(lambda session: writing.dry(session, chosen.staged)))
    elif count and options.strict:
        rejects.write(sessions, source, options.rejects, refused)
        raise Failure(f"{count:,} line{'s' * (count > 1)} would be rejected, so nothing is written (--strict): see {options.rejects}")
    else:
        written = _write(sessions, chosen, options.replace_past_retention, in_order, found["rows"])
        if written.closed:
            # They have left staging, and are not to be told among what is in.
            found = staging.together(sessions.each(lambda session: _check(session, chosen)))
        if found["rows"] and options.refresh:
            _refresh(sessions, chosen)
    count = rejects.collect(sessions, refused)
    place = rejects.write(sessions, source, options.rejects, refused)
    reasons = rejects.most(sessions, refused)
    electricity, _ = chosen.carriers(sessions.every)
    summary.show(chosen, options, found, electricity, written, count, equal, prepared.empty, place, reasons, time.monotonic() - began)
    return int(count > 0)


def _sessions(session: psycopg.Connection, connect: Callable[[], psycopg.Connection], source: Source, options: argparse.Namespace) -> Sessions:
    """Two for a large file, if the server has room for another; a register's increments go from one day into the next, so it takes one."""
    if source.size < SHARED or options.register:
        return Sessions([session])
    try:
        return Sessions([session, connect()])
    except Unreachable:
        return Sessions([session])


def _stage(sessions: Sessions, source: Source, chosen: Plan) -> tuple[list[pl.DataFrame], Preparation]:
    """Fill staging; the lines that the file itself refuses, and what was seen on the way."""
    for session in sessions.every:
        staging.create(session, chosen.staged, "register" in chosen.columns)
    prepared, refused, rows = chosen.preparation, [], 0
    with stage("Reading", source.size) as told, sessions.copying(staging.copy_statement(prepared.names)) as send:
        for frame, done in source.frames(lambda _: chosen.positions):
            good, bad = prepared.rows(frame)
            send(good)
            if bad.height:
                refused.append(bad)
            rows += good.height
            told(done, rows)
    return refused, prepared


def _check(session: psycopg.Connection, chosen: Plan) -> dict:
    staging.check(session, chosen.staged)
    return staging.figures(session, chosen.staged.table)


def _write(sessions: Sessions, chosen: Plan, replaced: bool, in_order: bool, rows: int) -> writing.Written:
    counts = {session: writing.Written() for session in sessions.every}
    try:
        with stage("Writing", rows) as told:

            def advance() -> None:
                done = writing.total(counts.values()).done
                told(done, done)

            if len(sessions.every) > 1:
                writing.create_chunks(sessions.first, chosen.staged.table, sessions.each(writing.days))
            sessions.each(lambda session: writing.write(session, chosen.staged, replaced, in_order, advance, counts[session]))
    except (KeyboardInterrupt, Failure, psycopg.Error):
        say(f"{writing.total(counts.values()).done:,} of {rows:,} rows are in; the same command goes on from there")
        raise
    return writing.total(counts.values())


def _refresh(sessions: Sessions, chosen: Plan) -> None:
    session = sessions.first
    names = refresh.concerned(chosen.staged.table.kind, *chosen.carriers(sessions.every))
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
