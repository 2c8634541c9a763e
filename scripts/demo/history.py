"""The days up to now: which hours lack readings, and writing them, the newest first."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import psycopg

from scripts.connection import Database
from scripts.console import Failure
from scripts.demo import statements
from scripts.demo.model import ENERGY, ENVIRONMENT, MINUTE, PRODUCTION, count, readings_of, times
from scripts.demo.plant import Machine
from scripts.demo.statements import BATCH, Lasting

HOUR = 3600
SESSIONS = 2
# The seed of the demo that wrote a row, NULL if a plant did; environment has no room to tell.
SEEDS = {ENERGY: "metadata ->> 'demo'", PRODUCTION: "substring(batch_id from '^demo-(\\d+)-\\d+$')", ENVIRONMENT: "%(seed)s::text"}
# The oldest and the newest row of each machine from a time on, which an index finds however many there are.
ENDS = """
select m.id::text, r.seed
from machines m
cross join lateral (
    (select {seed} as seed from {table} where machine_id = m.id and time >= to_timestamp(%(begin)s) order by time limit 1)
    union all
    (select {seed} from {table} where machine_id = m.id and time >= to_timestamp(%(begin)s) order by time desc limit 1)) r
where m.id = any (%(machines)s::uuid[])
"""
# Rows by machine and hour.
FOUND = """
select machine_id::text, {seed}, extract(epoch from time_bucket('1 hour', time))::bigint, count(*)
from {table}
where machine_id = any (%(machines)s::uuid[]) and time >= to_timestamp(%(begin)s) and time < to_timestamp(%(end)s)
group by 1, 2, time_bucket('1 hour', time)
"""


@dataclass(frozen=True)
class Stretch:
    """A machine's readings in [begin, end) of one hour: rows of energy, and of production and of environment each."""

    machine: Machine
    begin: int
    end: int
    energy: int
    others: int
    # Rows of all three tables that are there before it is written.
    there: int = 0

    @property
    def rows(self) -> int:
        """Rows of all three tables."""
        return self.energy + 2 * self.others


def missing(session: psycopg.Connection, machines: list[Machine], seed: int, begin: int, end: int, force: bool = False) -> list[Stretch]:
    """Stretches of [begin, end), s of the epoch and a full hour to begin with, in which a machine lacks readings; the newest first.

    Raises Failure if the machines have readings in it that are not this demo's, unless `force`d.
    """
    asked = {"machines": [machine.id for machine in machines], "seed": seed, "begin": begin, "end": end}
    found: dict[str, dict[tuple[str, int], int]] = {}
    for table, wrote in SEEDS.items():
        with session.transaction():
            # The planner can't know how few hours there are, and would sort millions of rows on disk.
            session.execute("set local enable_sort = off")
            rows = session.execute(FOUND.format(table=table, seed=wrote), asked).fetchall()
        if not force:
            _refuse(machines, seed, {(machine, other) for machine, other, _, _ in rows})
        found[table] = {(machine, hour): number for machine, other, hour, number in rows if other == str(seed)}

    lacking = []
    for stretch in stretches(machines, seed, begin, end):
        there = [found[table].get((stretch.machine.id, stretch.begin // HOUR * HOUR), 0) for table in SEEDS]
        if there != [stretch.energy, stretch.others, stretch.others]:
            lacking.append(replace(stretch, there=sum(there)))
    return lacking


def refuse_others(session: psycopg.Connection, machines: list[Machine], seed: int, begin: int) -> None:
    """Failure if the oldest or newest readings of a machine from `begin` on, s of the epoch, are not this demo's."""
    asked = {"machines": [machine.id for machine in machines], "seed": seed, "begin": begin}
    found = {row for table, wrote in SEEDS.items() for row in session.execute(ENDS.format(table=table, seed=wrote), asked).fetchall()}
    _refuse(machines, seed, found)


def _refuse(machines: list[Machine], seed: int, found: set[tuple[str, str | None]]) -> None:
    """Failure if one of the machines has readings that another seed's demo wrote, or none."""
    names = sorted(machine.name for machine in machines if (machine.id, None) in found)
    if names:
        raise Failure(
            f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} readings that are not the demo's in the days that it would fill, and a chart"
            " would not tell one from the other: take fewer --days or another database, or --force to write the demo's beside and over them"
        )
    if others := sorted({other for _, other in found} - {str(seed)}):
        raise Failure(f"the machines have readings of the demo with seed {others[0]}: go on with --seed {others[0]}, or --force to write over them")


def stretches(machines: list[Machine], seed: int, begin: int, end: int) -> list[Stretch]:
    """The machines' hours in [begin, end), the newest first."""
    cut = []
    for hour in range((end - 1) // HOUR * HOUR, begin // HOUR * HOUR - 1, -HOUR):
        first, last = max(hour, begin), min(hour + HOUR, end)
        for machine in machines:
            energy, others = (count(seed, machine, first, last, interval) for interval in (machine.interval, machine.other_interval))
            cut.append(Stretch(machine, first, last, energy, others))
    return cut


def write_stretch(session: psycopg.Connection, seed: int, stretch: Stretch, batch: int = BATCH) -> int:
    """Upsert a stretch in one transaction; the number of rows."""
    rows: dict[str, list] = {ENERGY: [], PRODUCTION: [], ENVIRONMENT: []}
    # In most minutes a machine that sends less often has nothing to say.
    minutes = range(stretch.begin // MINUTE * MINUTE, stretch.end, MINUTE)
    for minute in (minute for minute in minutes if times(minute, stretch.machine.interval)):
        for table, made in readings_of(seed, stretch.machine, minute).rows.items():
            rows[table] += [row for epoch, row in made if stretch.begin <= epoch < stretch.end]
    with session.transaction(), session.pipeline():
        return sum(statements.write(session, table, made, batch) for table, made in rows.items())


def fill(
    database: Database, seed: int, work: list[Stretch], advance: Callable[[int], None] = lambda rows: None, before: int = 0
) -> int:
    """Write stretches by two sessions of the ingest role; `advance` is told of the rows of each. Returns how many rows are new.

    Interrupted, the stretches under way are written to their end, and Interrupted tells of all new rows and those `before`.
    """  # fmt: skip
    stopped = threading.Event()
    waiting: queue.SimpleQueue[Stretch] = queue.SimpleQueue()
    newest = max((stretch.end for stretch in work), default=0)
    for stretch in work:
        waiting.put(stretch)
    errors: list[BaseException] = []
    done: list[int] = []

    def worker() -> None:
        lasting = Lasting(lambda: statements.ingest(database), stopped)
        try:
            while not stopped.is_set():
                stretch = waiting.get_nowait()
                # The newest go reading by reading, as the flow sends them.
                batch = 1 if stretch.end == newest else BATCH
                rows = lasting.do(lambda session: write_stretch(session, seed, stretch, batch))
                # More are there than belong to it if the machine's interval was shorter before.
                done.append(max(0, rows - stretch.there))
                advance(rows)
        except queue.Empty:
            pass
        except BaseException as error:
            errors.append(error)
            stopped.set()
        finally:
            lasting.close()

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(SESSIONS)]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.05)
    except KeyboardInterrupt:
        stopped.set()
        for thread in threads:
            thread.join()
        raise Interrupted(before + sum(done)) from None
    if errors:
        raise errors[0]
    return sum(done)


class Interrupted(KeyboardInterrupt):
    """History that was broken off, after so many new rows."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows
