"""Bytes, times and names as the screen has them: short, in the largest unit."""

from datetime import UTC, datetime

from rich.markup import escape

from scripts.console import plain

BYTES = ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)
TIMES = ("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)


def name(text: str) -> str:
    """A name or text of the database's, of which no mark is Rich's or the terminal's to obey."""
    return escape(plain(text))


def size(count: float | None) -> str:
    """Bytes in two or three digits; a dash for what is not known or not there."""
    if count is None:
        return "-"
    unit, each = next(((unit, each) for unit, each in BYTES if abs(count) >= each), ("B", 1))
    value = count / each
    return f"{value:,.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.3g} {unit}"


def span(seconds: float | None) -> str:
    """A length of time in its largest unit."""
    if seconds is None:
        return "-"
    unit, each = next(((unit, each) for unit, each in TIMES if abs(seconds) >= each), TIMES[-1])
    return f"{int(seconds) // each} {unit}"


def ago(moment: datetime | None) -> str:
    """How long ago a moment was."""
    return "never" if moment is None else f"{span((datetime.now(UTC) - moment).total_seconds())} ago"


def ahead(moment: datetime | None) -> str:
    """In how long a moment comes."""
    if moment is None:
        return "-"
    seconds = (moment - datetime.now(UTC)).total_seconds()
    return f"in {span(seconds)}" if seconds >= 1 else "now"


def duration(milliseconds: float) -> str:
    """A statement's time."""
    return f"{milliseconds:.3g} ms" if milliseconds < 999.5 else span(milliseconds / 1000) if milliseconds >= 100_000 else f"{milliseconds / 1000:.3g} s"


def count(number: int | None) -> str:
    """A number with its thousands apart."""
    return "-" if number is None else f"{number:,}"
