"""From staging into the table, in slices of whole days, each a transaction that can be done again."""

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from psycopg import errors

from scripts.console import Failure
from scripts.history import past
from scripts.history.staging import Staged
from scripts.history.target import Table

# Rows of a slice. History is rolled up day by day as a slice is committed, so of days it holds a month's.
SLICE, DAYS = 250_000, 31
TRIES = 5
DAY = timedelta(days=1)
# Another session stood in the way: the slice is done again.
AGAIN = errors.DeadlockDetected, errors.LockNotAvailable, errors.SerializationFailure, errors.UniqueViolation

# Of a day without one; chunks begin at multiples of their width since 1970.
CREATE_CHUNK = """
select _timescaledb_functions.create_chunk(%(table)s::regclass, jsonb_build_object(d.column_name, jsonb_build_array(c.start, c.start + d.width)))
from (select column_name, (extract(epoch from time_interval) * 1000000)::bigint as width from timescaledb_information.dimensions
      where format('%%I.%%I', hypertable_schema, hypertable_name)::regclass = %(table)s::regclass) d
cross join lateral (select floor(extract(epoch from %(day)s) * 1000000 / d.width)::bigint * d.width as start) c
where not exists (
    select from timescaledb_information.chunks h
    where format('%%I.%%I', h.hypertable_schema, h.hypertable_name)::regclass = %(table)s::regclass
      and h.range_start <= %(day)s and h.range_end > %(day)s)
"""


@dataclass
class Written:
    """Rows that were inserted, that changed one that was there, that were there already, and that are past retention."""

    inserted: int = 0
    changed: int = 0
    same: int = 0
    closed: int = 0

    @property
    def done(self) -> int:
        """Rows that are dealt with."""
        return self.inserted + self.changed + self.same + self.closed


def total(parts: Iterable[Written]) -> Written:
    """The counts of all sessions in one."""
    whole = Written()
    for part in parts:
        whole = Written(whole.inserted + part.inserted, whole.changed + part.changed, whole.same + part.same, whole.closed + part.closed)
    return whole


def days(session: psycopg.Connection) -> list[tuple[datetime, int]]:
    """UTC days in staging and their rows, in the order of time."""
    return session.execute("select date_trunc('day', quarter), sum(rows)::bigint from pg_temp.quarters group by 1 order by 1").fetchall()


def create_chunks(session: psycopg.Connection, table: Table, counted: Iterable[list[tuple[datetime, int]]]) -> None:
    """Make the chunks of these days. A session that makes one as it writes keeps all others from it until its slice is committed."""
    for day, _ in sorted(day for some in counted for day in some):
        # Whoever may not is no worse off than without: the sessions write one after the other where chunks are new.
        with contextlib.suppress(psycopg.Error):
            session.execute(CREATE_CHUNK, {"table": f"public.{table.name}", "day": day})


def slices(counted: list[tuple[datetime, int]]) -> list[tuple[datetime, datetime, int]]:
    """Whole days together until there are enough rows: begin, end, rows."""
    found: list[tuple[datetime, datetime, int]] = []
    for day, rows in counted:
        if found and found[-1][2] + rows <= SLICE and day - found[-1][0] < DAYS * DAY:
            found[-1] = found[-1][0], day + DAY, found[-1][2] + rows
        else:
            found.append((day, day + DAY, rows))
    return found


def write(
    session: psycopg.Connection, staged: Staged, replace: bool, in_order: bool, told: Callable[[], None], written: Written
) -> None:
    """Upsert all of staging, slice by slice; `written` counts along, so that it holds when this is broken off.

    `in_order`: staging holds the rows in the order of time already.
    """
    if replace:
        session.execute("set enms.past_retention = 'replace'")
    for begin, end, rows in slices(days(session)):
        closed = 0
        for left in reversed(range(TRIES)):
            try:
                with session.transaction():
                    new, changed = upsert(session, staged, begin, end, in_order)
                break
            except errors.ObjectNotInPrerequisiteState as error:
                found = past.refuse(session, staged, begin, end, error, lambda: upsert(session, staged, begin, end, in_order))
                if not found:
                    raise Failure(f"{str(error).splitlines()[0]}; --replace-past-retention puts the file's in their place") from None
                closed += found
            except AGAIN as error:
                if not left:
                    raise Failure(f"{staged.table.name} is busy ({str(error).splitlines()[0]}): run the same command again, it goes on") from None
                time.sleep(0.5)
        written.inserted += new
        written.changed += changed
        written.closed += closed
        written.same += rows - new - changed - closed
        told()


def dry(session: psycopg.Connection, staged: Staged) -> Written:
    """What `write` would do, past retention left out."""
    key = " and ".join(f"t.{name} = s.{name}" for name in staged.table.key)
    total, there, same = session.execute(
        f"select count(*), count(t.time), count(*) filter (where {_row('t', staged, False)} is not distinct from {_row('s', staged, True)})"
        f" from pg_temp.staging s left join public.{staged.table.name} t on {key}"
    ).fetchone()
    return Written(total - there, there - same, same)


def _row(alias: str, staged: Staged, cast: bool) -> str:
    fields = staged.table.fields
    return f"row({', '.join(f'{alias}.{name}' + (f'::{fields[name].type}' if cast else '') for name in staged.measures)})"


def upsert(session: psycopg.Connection, staged: Staged, begin: datetime, end: datetime, in_order: bool) -> tuple[int, int]:
    """Rows inserted and changed."""
    table, names, key = staged.table.name, staged.names, ", ".join(staged.table.key)
    values = ", ".join(f"{name}::{staged.table.fields[name].type}" for name in names)
    within = "time >= %(begin)s and time < %(end)s"
    range = {"begin": begin, "end": end}
    insert = f"insert into public.{table} ({', '.join(names)}) select {values} from pg_temp.staging where {within}{'' if in_order else ' order by time'}"
    there = f"select exists (select from (select {key} from pg_temp.staging where {within}) s join (select {key} from public.{table} where {within}) t using ({key}))"
    if not session.execute(there, range).fetchone()[0]:
        # Nothing to correct, and a third quicker; what another session writes meanwhile raises an error, and the slice is done again.
        return session.execute(insert, range).rowcount, 0
    old = f"row({', '.join(f'{table}.{name}' for name in staged.measures)})"
    new = f"row({', '.join(f'excluded.{name}' for name in staged.measures)})"
    changed = ", ".join(f"{name} = excluded.{name}" for name in names if name not in staged.table.key)
    return session.execute(
        f"with written as ({insert} on conflict ({key}) do update set {changed} where {old} is distinct from {new}"
        f" returning xmax = 0 as new) select count(*) filter (where new), count(*) filter (where not new) from written",
        range,
    ).fetchone()
