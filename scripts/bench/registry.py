"""What is measured: a measure is one function that registers here, and becomes one row of the table."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from scripts.bench.plant import Plant
from scripts.bench.timing import Pair
from scripts.server import COMMUNITY

# When a measure is taken: the tables hold the copied readings only, the plant's days, or a machine's year as well.
INGEST, PLANT, YEAR = "the copied readings", "the whole plant", "a year"
# In the order of the table.
TOPICS = "ingest", "history", "rollups", "kpis", "views", "storage", "policies"
NOT_IN_EDITION = "not in this edition"


@dataclass
class Bench:
    """What the measures work on.

    `session` is an autocommit connection to the throw-away database; `rows` are the readings of the COPY,
    `history` the days of one machine's history.
    The steps put down here what they found: `found` by name, seconds by rollup in `fills`.
    """

    session: psycopg.Connection
    edition: str
    plant: Plant
    rows: int
    history: int
    found: dict[str, Any] = field(default_factory=dict)
    fills: dict[str, float] = field(default_factory=dict)
    loaded: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def community(self) -> bool:
        """True where there are continuous aggregates, compression and policies."""
        return self.edition == COMMUNITY


@dataclass(frozen=True)
class Goal:
    """A bound of the ratio, and how a person reads it."""

    text: str
    at_least: float | None = None
    at_most: float | None = None

    def met(self, ratio: float) -> bool:
        """True if the ratio is within the bound."""
        return (self.at_least is None or ratio >= self.at_least) and (self.at_most is None or ratio <= self.at_most)


@dataclass(frozen=True)
class Measured:
    """A result: the ratio, how a person reads it, and what it was computed from; or the reason why there is none."""

    ratio: float | None
    text: str
    details: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True)
class Measure:
    """One row of the table. `work` and `floor` may name figures of the run, as in '{rows}'."""

    key: str
    work: str
    floor: str
    goal: Goal | None
    stage: str
    community: bool
    function: Callable[[Bench], Measured]

    def take(self, bench: Bench) -> Measured:
        """The result, on an edition that has what it needs."""
        if self.community and not bench.community:
            return Measured(None, "", reason=NOT_IN_EDITION)
        return self.function(bench)

    def in_words(self, bench: Bench) -> tuple[str, str]:
        """The work and its floor, with the run's figures in their places."""
        figures = {
            "rows": f"{bench.rows:,}",
            "days": f"{bench.plant.days:g}",
            "factory_machines": len(bench.plant.factory_machines),
        }
        return self.work.format_map(figures), self.floor.format_map(figures)


MEASURES: list[Measure] = []


def measure(
    key: str, work: str, floor: str, goal: Goal | None = None, stage: str = PLANT, community: bool = False
) -> Callable[[Callable[[Bench], Measured]], Callable[[Bench], Measured]]:
    """Register a measure; a measure without a goal informs. `community`: the Apache-2 edition has no such thing."""

    def register(function: Callable[[Bench], Measured]) -> Callable[[Bench], Measured]:
        MEASURES.append(Measure(key, work, floor, goal, stage, community, function))
        return function

    return register


def load() -> None:
    """Import every topic."""
    for topic in TOPICS:
        importlib.import_module(f"scripts.bench.measures.{topic}")


def rates(pair: Pair, count: int) -> Measured:
    """The subject's rate of `count` readings to the floor's."""
    floor, subject = count / pair.floor, count / pair.subject
    return Measured(
        subject / floor,
        f"{subject / floor:.2f} ({_thousands(subject)} of {_thousands(floor)} rows/s)",
        {
            "rows": count,
            "rows_per_second": round(subject),
            "floor_rows_per_second": round(floor),
            "seconds": pair.subjects,
            "floor_seconds": pair.floors,
        },
    )


def _thousands(rate: float) -> str:
    return f"{rate / 1000:.0f}k" if rate >= 10_000 else f"{rate / 1000:.1f}k" if rate >= 1000 else f"{rate:.0f}"
