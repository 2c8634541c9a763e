"""Times as text: their shape, the order of day and month, and the two days a year that are not 24 hours long."""

import re
from dataclasses import dataclass, field

import polars as pl

SHAPE = re.compile(
    r"(?:(?P<iso>\d{4})(?P<s1>[-/.])\d{1,2}(?P=s1)\d{1,2}|\d{1,2}(?P<s2>[-/.])\d{1,2}(?P=s2)(?P<year>\d{4}|\d{2}))"
    r"(?:(?P<t>[ T])(?P<hour>\d{1,2}):\d{2}(?P<seconds>:\d{2}(?P<part>\.\d+)?)?(?P<half> ?[AaPp][Mm])?"
    r"(?P<gap> ?)(?P<offset>Z|[+-]\d{2}(?::?\d{2})?)?)?"
)
TWO_NUMBERS = r"^\s*(\d{1,2})[-/.](\d{1,2})[-/.]\d"
MOST_SHAPES = 12
US = pl.Datetime("us")


def shape(text: str, day_first: bool) -> tuple[str, bool, bool] | None:
    """The format of a time, whether it has an offset, and whether its hour is 24; None if it is no time."""
    match = SHAPE.fullmatch(text)
    if not match:
        return None
    if match["iso"]:
        date = f"%Y{match['s1']}%m{match['s1']}%d"
    else:
        year = "%Y" if len(match["year"]) == 4 else "%y"
        date = match["s2"].join(["%d", "%m", year] if day_first else ["%m", "%d", year])
    if not match["t"]:
        return date, False, False
    clock = ("%I" if match["half"] else "%H") + ":%M" + (":%S" if match["seconds"] else "") + ("%.f" if match["part"] else "")
    half = (" %p" if match["half"].startswith(" ") else "%p") if match["half"] else ""
    zone = match["gap"] + ({"": "", "Z": "Z"}.get(match["offset"] or "", "%#z"))
    return f"{date}{match['t']}{clock}{half}{zone}", bool(match["offset"]), match["hour"] == "24"


def read(text: pl.Series, day_first: bool) -> pl.DataFrame:
    """Columns `local` (no offset in the text) and `utc`; a row that is no time has neither. Text is stripped already."""
    local = pl.Series([None], dtype=US).new_from_index(0, len(text))
    utc = local
    left = text
    for _ in range(MOST_SHAPES):
        at = left.is_not_null().arg_max() if left.null_count() < len(left) else None
        if at is None:
            break
        sample = left[at]
        if re.fullmatch(r"\d{9,10}|\d{12,13}", sample):
            digits = (9, 10) if len(sample) < 11 else (12, 13)
            number = pl.when(left.str.contains(rf"^\d{{{digits[0]},{digits[1]}}}$")).then(left).cast(pl.Int64, strict=False)
            got = pl.select(pl.from_epoch(number * (1_000_000 if digits[0] == 9 else 1000), time_unit="us").cast(US)).to_series()
            utc = utc.fill_null(got)
        elif (found := shape(sample, day_first)) is None:
            # Kept from being looked at again, it stays without a time.
            left = pl.select(pl.when(left == sample).then(None).otherwise(left)).to_series()
            continue
        else:
            form, has_offset, at_24 = found
            source = left
            if at_24:
                source = pl.select(pl.when(left.str.contains(" 24:00")).then(left.str.replace(" 24:00", " 00:00"))).to_series()
            if "%#z" in form:
                got = source.str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC").dt.replace_time_zone(None)
            else:
                got = source.str.to_datetime(form, strict=False, time_unit="us")
            if "%Y" in form:
                # A year of two digits passes for one of four.
                got = pl.select(pl.when(got.dt.year() > 99).then(got)).to_series()
            if at_24:
                got = got.dt.offset_by("1d")
            if has_offset:
                utc = utc.fill_null(got)
            else:
                local = local.fill_null(got)
        if got[at] is None:
            left = pl.select(pl.when(left == sample).then(None).otherwise(left)).to_series()
        left = pl.select(pl.when(got.is_null()).then(left)).to_series()
    return pl.DataFrame({"local": local, "utc": utc})


@dataclass
class Order:
    """What the dates of a file say about the order of day and month: lines in which a number above 12 stands first or second."""

    seen: bool = False
    day_first: tuple[int, str] | None = None
    month_first: tuple[int, str] | None = None

    def look(self, lines: pl.Series, text: pl.Series) -> None:
        """Take a block of dates in."""
        both = pl.DataFrame({"line": lines, "text": text}).with_columns(
            first=text.str.extract(TWO_NUMBERS, 1).cast(pl.Int64), second=text.str.extract(TWO_NUMBERS, 2).cast(pl.Int64)
        )
        dates = both.filter(pl.col("first").is_not_null())
        if not dates.height:
            return
        self.seen = True
        for name, column, other in ("day_first", "first", "second"), ("month_first", "second", "first"):
            if getattr(self, name) is None:
                above = dates.filter((pl.col(column) > 12) & (pl.col(other) <= 12)).head(1)
                if above.height:
                    setattr(self, name, (above["line"][0], above["text"][0]))


def ambiguous(local: pl.Series, zone: str) -> pl.Series:
    """Where a local time comes twice, as clocks go back."""
    early = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    late = local.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
    return (early != late).fill_null(False)


def to_utc(local: pl.Series, zone: str, second: pl.Series) -> pl.Series:
    """UTC of local times; null where the clock skips a time. `second`: it is the later of the two."""
    frame = pl.DataFrame({"local": local, "which": pl.Series("which", second).replace_strict({True: "latest", False: "earliest"})})
    which = pl.col("which") if second.any() else "earliest"
    zoned = frame.select(pl.col("local").dt.replace_time_zone(zone, ambiguous=which, non_existent="null")).to_series()
    return zoned.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


@dataclass
class Folds:
    """Readings at local times that come twice, in the order of their lines, and what was made of them."""

    parts: list[pl.DataFrame] = field(default_factory=list)
    second: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={"line": pl.Int64, "second": pl.Boolean}))
    told: int = 0
    untold: int = 0

    def resolve(self, descending: bool) -> None:
        """The first pass of the clock is summer time, the second winter time; a file may run backwards."""
        if not self.parts:
            return
        rows = pl.concat(self.parts).sort("line", descending=descending)
        rows = rows.with_columns(day=pl.col("local").dt.date())
        rows = rows.with_columns(
            times=pl.len().over("key", "local"),
            nth=pl.int_range(pl.len()).over("key", "local"),
            # Once a time has come again, the clock has gone back.
            back=(pl.col("local").diff().over("key", "day") <= pl.duration()).fill_null(False).cum_sum().over("key", "day"),
        )
        rows = rows.with_columns(second=pl.when(pl.col("times") > 1).then(pl.col("nth") > 0).otherwise(pl.col("back") > 0))
        clear = ((pl.col("times").max() > 1) | (pl.col("back").max() > 0)).over("key", "day")
        rows = rows.with_columns(clear=clear)
        self.told = int(rows["clear"].sum())
        self.untold = rows.height - self.told
        self.second = rows.select("line", "second")
