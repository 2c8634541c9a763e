"""The sessions that share the work of an import, each with a staging table for the readings of its own days."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

import polars as pl
import psycopg

from scripts.history.prepare import copy_text

# Blocks that wait for a session while the others are sent theirs.
WAITING = 3
# Seconds. Python hears of an interrupt between two of its own steps, and what waits without end is not ended by polars' handler.
TICK = 0.1
Result = TypeVar("Result")


@dataclass(frozen=True)
class Sessions:
    """One session, or two that take the UTC days in turn: what belongs together, as the readings of one key, is of one day."""

    every: list[psycopg.Connection]

    @property
    def first(self) -> psycopg.Connection:
        """The one for what is done once."""
        return self.every[0]

    def each(self, work: Callable[[psycopg.Connection], Result]) -> list[Result]:
        """Do the work in all sessions at once. What ends one ends all, and is raised when all have ended."""
        if len(self.every) == 1:
            return [work(self.first)]
        with ThreadPoolExecutor(len(self.every)) as pool:
            running = [pool.submit(work, session) for session in self.every]
            try:
                done, left = wait(running, timeout=TICK, return_when=FIRST_EXCEPTION)
                while left and not any(future.exception() for future in done):
                    done, left = wait(running, timeout=TICK, return_when=FIRST_EXCEPTION)
                broken = [future for future in done if future.exception()]
                return [future.result() for future in broken or running]
            except BaseException:
                self._end(running)
                raise

    def _end(self, running: list[Future]) -> None:
        """Cancel what runs, again and again, since one between two statements would begin the next."""
        while left := wait(running, timeout=TICK).not_done:
            for future, session in zip(running, self.every, strict=True):
                if future in left and not session.closed:
                    session.cancel_safe()

    @contextmanager
    def copying(self, statement: str) -> Iterator[Callable[[pl.DataFrame], None]]:
        """Run a COPY in each session; what is yielded takes rows with their `time`, and sends each to the session of its day."""
        with ExitStack() as stack:
            lanes = []
            for session in self.every:
                copy = stack.enter_context(session.cursor().copy(statement))
                lanes.append((copy, stack.enter_context(ThreadPoolExecutor(1)), deque()))

            def send(rows: pl.DataFrame) -> None:
                for (copy, sender, sent), part in zip(lanes, self._parts(rows), strict=True):
                    while len(sent) >= WAITING:
                        sent.popleft().result()
                    if part.height:
                        sent.append(sender.submit(lambda copy=copy, part=part: copy.write(copy_text(part))))

            yield send
            for *_, sent in lanes:
                for future in sent:
                    future.result()

    def _parts(self, rows: pl.DataFrame) -> list[pl.DataFrame]:
        count = len(self.every)
        if count == 1:
            return [rows]
        turn = rows["time"].dt.epoch("d") % count
        return [rows.filter(turn == number) for number in range(count)]
