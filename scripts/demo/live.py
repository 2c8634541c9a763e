"""Going on live: each machine's readings when they are due, one statement each, until stopped."""

import math
import threading
import time
from collections.abc import Callable

import psycopg
from rich.console import Console
from rich.live import Live
from rich.table import Table

from scripts.connection import Database
from scripts.console import say
from scripts.demo import findings, history, statements
from scripts.demo.model import ENERGY, MINUTE, Minute, readings_of
from scripts.demo.events import GAP, within
from scripts.demo.plant import Machine

# What is further behind than that, s, is written as history is.
BEHIND = 900
NO_SIGNAL = "no readings"


class Plant:
    """The running demo: `rows` by machine that it has written, and what each machine does now."""

    def __init__(self, database: Database, seed: int, machines: list[Machine], since: int, first: int) -> None:
        """To go on at `since`, s of the epoch; from `first` on there are readings."""
        self.database, self.seed, self.machines, self.done, self.first = database, seed, machines, since, first
        self.rows = {machine.id: 0 for machine in machines}
        self.now: dict[str, tuple[str, float]] = {}
        self.judged = since
        stopped = threading.Event()
        self.ingest = statements.Lasting(lambda: statements.ingest(database), stopped)
        self.owner = statements.Lasting(lambda: database.connect(autocommit=True), stopped)
        self.minutes: dict[str, tuple[int, Minute]] = {}

    def advance(self, until: int) -> None:
        """Write what is due in [done, until), s of the epoch."""
        if until - self.done > BEHIND:
            work = history.stretches(self.machines, self.seed, self.done, until)
            history.fill(self.database, self.seed, work)
            for stretch in work:
                self.rows[stretch.machine.id] += stretch.rows
            self.done = until
        for minute in range(self.done // MINUTE * MINUTE, until, MINUTE):
            for machine in self.machines:
                self.ingest.do(lambda session: self._send(session, machine, minute, until))
        self.done = max(self.done, until)
        if until - self.judged >= MINUTE:
            rows = findings.anomalies(self.seed, self.machines, self.judged - findings.LOOK_BACK, until)
            self.owner.do(lambda session: findings.store(session, rows, until, self.first))
            self.judged = until

    def status(self, epoch: int) -> None:
        """Upsert every machine's status, which tells of its newest reading before `epoch`."""
        for machine in self.machines:
            self.ingest.do(lambda session: self._tell(session, machine, epoch))

    def close(self) -> None:
        """Close the sessions."""
        self.ingest.close()
        self.owner.close()

    def _minute(self, machine: Machine, minute: int) -> Minute:
        known = self.minutes.get(machine.id)
        if known is None or known[0] != minute:
            self.minutes[machine.id] = minute, readings_of(self.seed, machine, minute)
        return self.minutes[machine.id][1]

    def _send(self, session: psycopg.Connection, machine: Machine, minute: int, until: int) -> None:
        made, sent = self._minute(machine, minute), 0
        for table, rows in made.rows.items():
            for epoch, row in rows:
                if self.done <= epoch < until:
                    session.execute(statements.upsert(table), row)
                    sent += 1
                    if table == ENERGY:
                        self._status(session, machine, made, row)
        self.rows[machine.id] += sent
        if not made.rows[ENERGY] and any(event.kind == GAP for event in within(self.seed, machine, minute, minute + MINUTE)):
            self.now[machine.id] = NO_SIGNAL, math.nan

    def _tell(self, session: psycopg.Connection, machine: Machine, epoch: int) -> None:
        # Past a gap of hours there is always a reading.
        for minute in range((epoch - 1) // MINUTE * MINUTE, epoch - 4 * 3600, -MINUTE):
            made = readings_of(self.seed, machine, minute)
            before = [row for when, row in made.rows[ENERGY] if when < epoch]
            if before:
                return self._status(session, machine, made, before[-1])

    def _status(self, session: psycopg.Connection, machine: Machine, made: Minute, row: tuple) -> None:
        mode, power = made.state.mode, row[3]
        session.execute(statements.STATUS, (machine.id, "true" if mode == "running" else "false", mode, power))
        self.now[machine.id] = mode, float(power)


def run(plant: Plant, clock: Callable[[], float] = time.time) -> None:
    """Write until interrupted, and show it: a table on a terminal, else a line a minute."""
    console = Console()
    if console.is_terminal:
        with Live(_table(plant), console=console, auto_refresh=False) as live:
            _follow(plant, clock, lambda: live.update(_table(plant), refresh=True))
        return
    said = [int(clock()) // MINUTE, sum(plant.rows.values())]

    def line() -> None:
        minute, rows = int(clock()) // MINUTE, sum(plant.rows.values())
        if minute != said[0]:
            power = math.fsum(kw for _, kw in plant.now.values() if kw == kw)
            running = sum(mode == "running" for mode, _ in plant.now.values())
            stamp = time.strftime("%H:%M", time.gmtime(minute * MINUTE))
            say(f"{stamp} UTC: {power:.1f} kW, {running} of {len(plant.machines)} machines running, {rows - said[1]} rows in the last minute")
            said[:] = minute, rows

    _follow(plant, clock, line)


def _follow(plant: Plant, clock: Callable[[], float], show: Callable[[], None]) -> None:
    while True:
        plant.advance(int(clock()) + 1)
        show()
        # The next reading is due on a full second.
        time.sleep(max(0.05, math.floor(clock()) + 1 - clock()))


def _table(plant: Plant) -> Table:
    table = Table(title=f"Live until Ctrl-C, {time.strftime('%H:%M:%S', time.gmtime(plant.done))} UTC", title_justify="left")
    for name, side in ("Machine", "left"), ("Every", "right"), ("kW now", "right"), ("Mode", "left"), ("Rows written", "right"):
        table.add_column(name, justify=side)
    styles = {"running": "green", "fault": "bold red", "maintenance": "yellow", NO_SIGNAL: "yellow"}
    for machine in plant.machines:
        mode, power = plant.now.get(machine.id, ("", math.nan))
        shown = "-" if power != power else f"{power:.1f}"
        table.add_row(machine.name, f"{machine.interval} s", shown, f"[{styles.get(mode, 'dim')}]{mode}[/]", f"{plant.rows[machine.id]:,}")
    total = math.fsum(kw for _, kw in plant.now.values() if kw == kw)
    table.add_section()
    table.add_row("Total", "", f"{total:.1f}", "", f"{sum(plant.rows.values()):,}")
    return table
