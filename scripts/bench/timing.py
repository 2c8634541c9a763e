"""Taking times: of one statement, and of two kinds of work side by side."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import psycopg


@dataclass(frozen=True)
class Pair:
    """Seconds of the floor's rounds and of the subject's."""

    floors: list[float]
    subjects: list[float]

    @property
    def floor(self) -> float:
        """Median of the floor, s."""
        return median(self.floors)

    @property
    def subject(self) -> float:
        """Median of the subject, s."""
        return median(self.subjects)

    @property
    def times(self) -> float:
        """How many times the floor's time the subject takes."""
        return self.subject / self.floor


def brief(number: float) -> str:
    """A figure for people: three digits, and no exponent."""
    return f"{number:.3g}" if number < 999.5 else f"{number:,.0f}"


def seconds(session: psycopg.Connection, query: str, parameters: dict[str, Any] | None = None) -> float:
    """Time of a statement until its last row is here, s; the rows are not made into Python's values."""
    began = time.perf_counter()
    session.execute(query, parameters)
    return time.perf_counter() - began


def repeated(work: Callable[[], float], rounds: int, budget: float = 5.0) -> list[float]:
    """Seconds of `rounds` runs after one that warms the caches; fewer once `budget` seconds are spent.

    If the first run spends them all, it is what counts.
    """
    first = work()
    taken: list[float] = []
    while len(taken) < rounds and first + sum(taken) < budget:
        taken.append(work())
    return taken or [first]


def side_by_side(
    floor: Callable[[], float],
    subject: Callable[[], float],
    rounds: int,
    budget: float = 10.0,
    warm: bool = True,
    before: Callable[[], None] = lambda: None,
) -> Pair:
    """Seconds of both, in turns, so that what else the machine does falls on both alike.

    Each round begins with the other of the two, after a call of `before`. With `warm`, a round before
    warms the caches and is not counted, unless it alone spends the `budget` of seconds, after which no
    further round begins.
    """
    pair, warming = Pair([], []), Pair([], [])
    deadline = time.monotonic() + budget
    for turn in range(-1 if warm else 0, rounds):
        if (warming.floors or pair.floors) and time.monotonic() > deadline:
            break
        before()
        taken = warming if turn < 0 else pair
        both = [(taken.floors, floor), (taken.subjects, subject)]
        for times, work in both if turn % 2 else reversed(both):
            times.append(work())
    return pair if pair.floors else warming
