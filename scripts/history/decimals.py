"""Numbers as text: which sign parts the decimals, and what is no number."""

from dataclasses import dataclass, field
from decimal import Decimal

import polars as pl

from scripts.console import Failure

NUMBER = r"^[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,2})?$"
# What decides for a decimal comma: no thousands separator stands like this.
COMMA = r"^[+-]?(0,\d+|\d{4,},\d+|\d*,(\d{0,2}|\d{4,}))$"
EITHER = r"^[+-]?\d{1,3},\d{3}$"
POINT = r"^[+-]?\d*\.\d*([eE][+-]?\d+)?$"
# A decimal point, or one between thousands; what such a column holds without one, and what shows that thousands have none.
GROUPED = r"^[+-]?[1-9]\d{0,2}\.\d{3}$"
WHOLE = r"^[+-]?[1-9]\d{0,2}$"
LONG = r"^[+-]?\d{4,}$"
GROUPS = r"^[+-]?\d{1,3}([,.' ]\d{3})*([,.]\d+)?$"


def plain(text: pl.Series) -> bool:
    """True where every number has a point for its decimals at most, the common case, which is quick to see."""
    numbers = text.cast(pl.Float64, strict=False)
    return (
        numbers.null_count() == text.null_count()
        and bool(numbers.is_finite().all())
        and (text.str.len_bytes().max() or 0) <= 30
        and not text.str.contains_any(["e", "E", "_"]).any()
    )


@dataclass
class Decimals:
    """Lines and values that show a decimal comma, a point, either or thousands, by the first of each.

    `grouped` are those of a column that has a point before three digits, `whole` the columns with numbers below 1,000
    without a point; `long` is true once a larger number has none.
    """

    comma: tuple[int, str] | None = None
    either: tuple[int, str] | None = None
    point: tuple[int, str] | None = None
    groups: tuple[int, str] | None = None
    grouped: dict[str, tuple[int, str]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    long: bool = False

    def look(self, name: str, lines: pl.Series, text: pl.Series) -> None:
        """Take a block of a column in."""
        if self.point is None:
            self._points(name, lines, text)
        if plain(text):
            return
        commas = text.str.contains(",", literal=True)
        if commas.any():
            self._first("comma", lines, text, commas & text.str.contains(COMMA))
            self._first("either", lines, text, commas & text.str.contains(EITHER))
        if self.groups is None:
            signs = text.str.count_matches(r"[,.' \u00a0]") > 1
            if signs.any():
                self._first("groups", lines, text, signs & text.str.contains(GROUPS))

    def _points(self, name: str, lines: pl.Series, text: pl.Series) -> None:
        grouped = text.str.contains(GROUPED).fill_null(False)
        if grouped.any() and name not in self.grouped:
            at = grouped.arg_max()
            self.grouped[name] = (lines[at], text[at])
        if text.str.contains(WHOLE).any():
            self.whole.add(name)
        self.long = self.long or bool(text.str.contains(LONG).any())
        self._first("point", lines, text, text.str.contains(POINT) & ~grouped)

    def _first(self, name: str, lines: pl.Series, text: pl.Series, where: pl.Series) -> None:
        where = where.fill_null(False)
        if getattr(self, name) is None and where.any():
            at = where.arg_max()
            setattr(self, name, (lines[at], text[at]))

    def decide(self, given: str | None) -> bool:
        """True for a decimal comma; raises Failure where the file doesn't tell, or has thousands separators."""
        if given:
            return given == "comma"
        if self.groups:
            raise Failure(f"line {self.groups[0]} has {self.groups[1]!r}: export the numbers without thousands separators", code=2)
        comma, point = self.comma or self.either, self.point or next(iter(self.grouped.values()), None)
        if comma and point:
            raise Failure(
                f"line {comma[0]} has {comma[1]!r} and line {point[0]} has {point[1]!r}: say which sign parts the decimals, "
                "as --decimal comma; lines with the other are rejected", code=2,
            )  # fmt: skip
        if self.either and not self.comma:
            raise Failure(
                f"line {self.either[0]} has {self.either[1]!r}, which may be {self.either[1].replace(',', '.')} or "
                f"{self.either[1].replace(',', '')}: say --decimal comma, or export it without thousands separators", code=2,
            )  # fmt: skip
        unclear = self.grouped.keys() & self.whole
        if unclear and not (self.point or self.long):
            line, number = min(self.grouped[name] for name in unclear)
            raise Failure(
                f"line {line} has {number!r}, which may be {number} or {number.replace('.', '')}: "
                "say --decimal point, or export it without thousands separators", code=2,
            )  # fmt: skip
        return bool(self.comma)


def clean(text: pl.Series, comma: bool, exponent: int) -> pl.Series:
    """A column's numbers as PostgreSQL reads them, times a power of ten, exactly; null where it is no number."""
    if not comma and plain(text):
        return text + f"e{exponent}" if exponent else text
    if comma:
        # A point would be a thousands separator.
        text = pl.select(pl.when(~text.str.contains(".", literal=True)).then(text.str.replace(",", ".", literal=True))).to_series()
    number = pl.select(pl.when(text.str.contains(NUMBER)).then(text)).to_series()
    scientific = number.str.contains("[eE]").fill_null(False)
    if scientific.any():
        own = number.filter(scientific).unique()
        number = number.replace(dict(zip(own, (format(Decimal(value), "f") for value in own), strict=True)))
    return number + f"e{exponent}" if exponent else number
