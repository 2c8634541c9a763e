"""Numbers as text: which sign parts the decimals, and what is no number."""

from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from scripts.console import Failure

NUMBER = r"^[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,2})?$"
# What decides for a decimal comma: no thousands separator stands like this.
COMMA = r"^[+-]?(0,\d+|\d{4,},\d+|\d*,(\d{0,2}|\d{4,}))$"
EITHER = r"^[+-]?\d{1,3},\d{3}$"
POINT = r"^[+-]?\d*\.\d*([eE][+-]?\d+)?$"
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
    """Lines and values that show a decimal comma, a point, either or thousands, by the first of each."""

    comma: tuple[int, str] | None = None
    either: tuple[int, str] | None = None
    point: tuple[int, str] | None = None
    groups: tuple[int, str] | None = None

    def look(self, lines: pl.Series, text: pl.Series) -> None:
        """Take a block of a column in."""
        if plain(text):
            if self.point is None:
                self._first("point", lines, text, text.str.contains(".", literal=True))
            return
        if self.point is None:
            self._first("point", lines, text, text.str.contains(".", literal=True) & text.str.contains(POINT))
        commas = text.str.contains(",", literal=True)
        if commas.any():
            self._first("comma", lines, text, commas & text.str.contains(COMMA))
            self._first("either", lines, text, commas & text.str.contains(EITHER))
        if self.groups is None:
            signs = text.str.count_matches(r"[,.' \u00a0]") > 1
            if signs.any():
                self._first("groups", lines, text, signs & text.str.contains(GROUPS))

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
        comma = self.comma or self.either
        if comma and self.point:
            raise Failure(
                f"line {comma[0]} has {comma[1]!r} and line {self.point[0]} has {self.point[1]!r}: say which sign parts the decimals, "
                "as --decimal comma; lines with the other are rejected", code=2,
            )  # fmt: skip
        if self.either and not self.comma:
            raise Failure(
                f"line {self.either[0]} has {self.either[1]!r}, which may be {self.either[1].replace(',', '.')} or "
                f"{self.either[1].replace(',', '')}: say --decimal comma, or export it without thousands separators", code=2,
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
