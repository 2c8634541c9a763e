"""The days up to now: which hours lack readings, and writing them, the newest first."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from scripts.connection import Database
from scripts.console import Failure
from scripts.demo import statements
from scripts.demo.model import ENERGY, ENVIRONMENT, MINUTE, PRODUCTION, count, readings_of
from scripts.demo.plant import Machine
from scripts.demo.statements import BATCH, Lasting

HOUR = 3600
SESSIONS = 2
# Demo readings say so in metadata (energy) and in the batch (production); what doesn't is a plant's.
FOREIGN = """
select m.name from machines m
where m.id = any (%(machines)s::uuid[]) and (
    exists (select from energy_readings e where e.machine_id = m.id and not coalesce(e.metadata ? 'demo', false))
    or exists (select from production_data p where p.machine_id = m.id and coalesce(p.batch_id !~ '^demo-\\d+-\\d+$', true)))
order by m.name
"""
SEEDS = """
select e.metadata ->> 'demo' from energy_readings e
where e.machine_id = any (%(machines)s::uuid[]) and e.metadata ->> 'demo' <> %(seed)s::text
limit 1
"""
# Rows by machine and hour, and how many of them are this demo's; environment has no room to tell.
FOUND = """
select machine_id::text, extract(epoch from time_bucket('1 hour', time))::bigint, count(*), count(*) filter (where {ours})
from {table}
where machine_id = any (%(machines)s::uuid[])
group by 1, time_bucket('1 hour', time)
"""
OURS = {
    ENERGY: "metadata = jsonb_build_object('demo', %(seed)s::bigint)",
    PRODUCTION: "batch_id like 'demo-' || %(seed)s::text || '-%%'",
    ENVIRONMENT: "true",
}


@dataclass(frozen=True)
class Stretch:
    """A machine's readings in [begin, end) of one hour: rows of energy, and of production and of environment each."""

    machine: Machine
    begin: int
    end: int
    energy: int
    others: int

    @property
    def rows(self) -> int:
        """Rows of all three tables."""
        return self.energy + 2 * self.others


def missing(session: psycopg.Connection, machines: list[Machine], seed: int, begin: int, end: int, force: bool = False) -> list[Stretch]:
    """Stretches of [begin, end), s of the epoch and a full hour to begin with, in which a machine lacks readings; the newest first.

    Raises Failure if the machines have readings, of any time, that are not this demo's, unless `force`d.
    """
    asked = {"machines": [machine.id for machine in machines], "seed": seed}
    found: dict[str, dict[tuple[str, int], int]] = {}
    for table, ours in OURS.items():
        with session.transaction():
            # The planner can't know how few hours there are, and would sort millions of rows on disk.
            session.execute("set local enable_sort = off")
            rows = session.execute(FOUND.format(table=table, ours=ours), asked).fetchall()
        if not force and any(total != own for _, _, total, own in rows):
            _refuse(session, asked)
        found[table] = {(machine, hour): own for machine, hour, _, own in rows}

    def lacks(stretch: Stretch) -> bool:
        key = stretch.machine.id, stretch.begin // HOUR * HOUR
        return [found[table].get(key, 0) for table in OURS] != [stretch.energy, stretch.others, stretch.others]

    return [stretch for stretch in stretches(machines, seed, begin, end) if lacks(stretch)]


def _refuse(session: psycopg.Connection, asked: dict) -> None:
    """Failure that tells whose readings are there."""
    names = [name for (name,) in session.execute(FOREIGN, asked).fetchall()]
    if names:
        raise Failure(
            f"{', '.join(names)} has readings that are not the demo's, and a chart would not tell one from the other: use another database,"
            " or --force to write the demo's beside and over them"
        )
    if other := session.execute(SEEDS, asked).fetchone():
        raise Failure(f"the machines have readings of the demo with seed {other[0]}: go on with --seed {other[0]}, or --force to write over them")


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
    for minute in range(stretch.begin // MINUTE * MINUTE, stretch.end, MINUTE):
        for table, made in readings_of(seed, stretch.machine, minute).rows.items():
            rows[table] += [row for epoch, row in made if stretch.begin <= epoch < stretch.end]
    with session.transaction(), session.pipeline():
        return sum(statements.write(session, table, made, batch) for table, made in rows.items())


def fill(
    database: Database, seed: int, work: list[Stretch], advance: Callable[[int], None] = lambda rows: None, before: int = 0
) -> int:
    """Write stretches by two sessions of the ingest role; `advance` is told of the rows of each. Returns rows written.

    Interrupted, the stretches under way are written to their end, and Interrupted tells of all rows and those `before`.
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
                done.append(rows)
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
    """History that was broken off, after so many rows."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows
