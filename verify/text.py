"""How facts are written in the spec and in reports."""

import re

SHORT_TYPES = {
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "character varying": "varchar",
}
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


def short(text: str) -> str:
    """The text with PostgreSQL's long type names as people write them."""
    for long, name in SHORT_TYPES.items():
        text = text.replace(long, name)
    return text


def seconds(interval: str) -> int:
    """Seconds of an interval such as '15 minutes'; ValueError for anything else."""
    match = re.fullmatch(r"(\d+) (second|minute|hour|day)s?", interval)
    if match is None:
        raise ValueError(f"{interval!r} is no interval such as '15 minutes'")
    return int(match[1]) * UNITS[match[2]]


def duration(value: float | None) -> str:
    """A number of seconds in its largest whole unit, the inverse of `seconds`; 'none' for None."""
    if value is None:
        return "none"
    for unit in ("day", "hour", "minute"):
        if value and value % UNITS[unit] == 0:
            count = int(value // UNITS[unit])
            return f"{count} {unit}" + "s" * (count != 1)
    return f"{value:g} seconds"


def roughly(value: float) -> str:
    """A number of seconds, for reading: '3 days', '5 hours', '40 minutes'."""
    for unit in ("day", "hour", "minute"):
        if value >= 2 * UNITS[unit]:
            return f"{value / UNITS[unit]:.0f} {unit}s"
    return f"{value:.0f} seconds"


def column(row: dict) -> str:
    """A column as it is declared: name, type, collation if it is not the type's own, not null, default."""
    parts = [row["name"], short(row["type"])]
    if row["collation"]:
        parts.append(f"collate {row['collation']}")
    if row["not_null"]:
        parts.append("not null")
    if row["generated"]:
        parts.append(f"generated {row['default_value']}")
    elif row["default_value"] is not None:
        parts.append(f"default {short(row['default_value'])}")
    if row["identity"]:
        parts.append("identity")
    return " ".join(parts)


def trigger(row: dict) -> str:
    """A trigger's definition without its name and table."""
    return re.sub(r"^CREATE (?:CONSTRAINT )?TRIGGER \S+ (.*?) ON \S+ ", r"\1 ", row["definition"])


def index(row: dict) -> str:
    """An index's definition without its name and table."""
    return re.sub(r"^CREATE (UNIQUE )?INDEX \S+ ON \S+ ", r"\1", row["definition"])


VOLATILITY = {"i": "immutable", "s": "stable", "v": "volatile"}
PARALLEL = {"s": "parallel safe", "r": "parallel restricted", "u": "parallel unsafe"}


def function_options(row: dict) -> str:
    """A function's attributes on one line."""
    options = [row["language"], VOLATILITY[row["volatility"]], PARALLEL[row["parallel"]]]
    options += ["strict"] * row["strict"] + ["leakproof"] * row["leakproof"] + ["security definer" if row["definer"] else "security invoker"]
    return "; ".join([*options, *sorted(row["config"])])
