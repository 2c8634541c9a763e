"""The first look through a file: what only the whole of it tells."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from scripts.console import Failure
from scripts.history import times
from scripts.history.columns import Column
from scripts.history.decimals import Decimals
from scripts.history.source import Source


@dataclass
class Survey:
    """What was seen: rows, machines by their label, distances between times (s) by machine, folds and the order of the lines."""

    measured: bool = True
    rows: int = 0
    local: bool = False
    day_first: bool = False
    order: times.Order = field(default_factory=times.Order)
    decimals: Decimals = field(default_factory=Decimals)
    labels: set[str] = field(default_factory=set)
    distances: dict[str, Counter] = field(default_factory=dict)
    ups: int = 0
    downs: int = 0
    folds: times.Folds = field(default_factory=times.Folds)
    waiting: list[pl.DataFrame] = field(default_factory=list)


def text_of(frame: pl.DataFrame, column: Column) -> pl.Series:
    """A column's text without blanks round it, null where it is empty; a time in two columns is joined."""
    parts = [pl.col(f"c{position}").str.strip_chars() for position in column.positions]
    joined = parts[0] if len(parts) == 1 else pl.concat_str(parts, separator=" ")
    return frame.select(pl.when(joined != "").then(joined).alias("text")).to_series()


def keys(frame: pl.DataFrame, columns: dict[str, Column]) -> pl.Series:
    """What tells one row of readings from another: the machine's label and the energy type."""
    named = [text_of(frame, columns[name]).fill_null("") for name in ("machine_id", "energy_type") if name in columns]
    if not named:
        return pl.Series([""]).new_from_index(0, frame.height)
    return named[0] if len(named) == 1 else named[0] + "\t" + named[1]


def survey(
    source: Source, columns: dict[str, Column], numbers: list[str], day_first: bool | None, zone: Callable[[set[str]], str],
    distances: bool, told: Callable[[int, int], None],
) -> Survey:
    """Look through the file; `zone` gives the zone for the machines' labels; times with their offset are measured only for `distances`.

    Raises Failure where the order of day and month is not told.
    """
    seen = Survey(day_first=bool(day_first), measured=distances)

    def wanted(block: bytes) -> list[int]:
        # Where commas part the columns and nothing is quoted, no number has a comma for its decimals.
        open_to = [] if source.delimiter == "," and b'"' not in block else numbers
        names = {"time", "machine_id", "energy_type", *open_to} & set(columns)
        return sorted({position for name in names for position in columns[name].positions})

    for frame, done in source.frames(wanted):
        seen.rows += frame.height
        for name in numbers:
            if f"c{columns[name].positions[0]}" in frame.columns:
                seen.decimals.look(name, frame["line"], text_of(frame, columns[name]))
        if "machine_id" in columns:
            seen.labels.update(text_of(frame, columns["machine_id"]).drop_nulls().unique())
        part = frame.with_columns(text_of(frame, columns["time"]))
        if day_first is None:
            seen.order.look(part["line"], part["text"])
        seen.waiting.append(part.drop_nulls("text"))
        if day_first is not None or not seen.order.seen or seen.order.day_first or seen.order.month_first:
            _decide(seen, day_first)
            _times(seen, columns, zone)
        told(done, seen.rows)
    if seen.order.seen and not (seen.order.day_first or seen.order.month_first):
        sample = next(part["text"][0] for part in seen.waiting if part.height)
        raise Failure(f"nothing tells whether {sample!r} has the day or the month first: say --day-first or --month-first", code=2)
    _times(seen, columns, zone)
    seen.folds.resolve(seen.downs > seen.ups)
    return seen


def _decide(seen: Survey, day_first: bool | None) -> None:
    day, month = seen.order.day_first, seen.order.month_first
    if day and month:
        raise Failure(
            f"line {day[0]} has {day[1]!r} and line {month[0]} has {month[1]!r}: one has the day first, the other the month; "
            "say --day-first or --month-first, and the others are rejected", code=2,
        )  # fmt: skip
    seen.day_first = bool(day) if day_first is None else day_first


def _times(seen: Survey, columns: dict[str, Column], zone: Callable[[set[str]], str]) -> None:
    """Distances, direction and local times that come twice, of the blocks that waited for the order of day and month."""
    for part in seen.waiting:
        read = times.read(part["text"], seen.day_first)
        if read["local"].null_count() < part.height:
            seen.local = True
            if (twice := times.ambiguous(read["local"], zone(seen.labels))).any():
                seen.folds.parts.append(pl.DataFrame({"line": part["line"], "key": keys(part, columns), "local": read["local"]}).filter(twice))
        elif not seen.measured:
            continue
        at = pl.select(read["utc"].fill_null(read["local"])).to_series()
        frame = pl.DataFrame({"key": keys(part, columns), "at": at}).drop_nulls()
        if frame["key"].n_unique() > 1:
            frame = frame.sort("key", maintain_order=True)
        gaps = frame.with_columns(gap=pl.col("at").diff().dt.total_milliseconds(), same=pl.col("key") == pl.col("key").shift())
        gaps = gaps.filter(pl.col("same") & (pl.col("gap") != 0))
        seen.ups += int((gaps["gap"] > 0).sum())
        seen.downs += int((gaps["gap"] < 0).sum())
        for key, gap, count in gaps.group_by("key", pl.col("gap").abs()).len().iter_rows():
            seen.distances.setdefault(key.partition("\t")[0], Counter())[gap / 1000] += count
    seen.waiting.clear()

