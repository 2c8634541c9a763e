"""The disk: what is free, and until when."""

import shutil
from types import ModuleType

from scripts import container, docker, embedded

# Ten years; what lies beyond, nobody plans for.
LONGEST = 3650


def free(engine: ModuleType | None) -> int | None:
    """Bytes free where the engine keeps the data; None where that is not to be seen from here."""
    try:
        if engine is embedded:
            return shutil.disk_usage(embedded.DATA).free
        if engine is docker and (ours := container.find(running=True)):
            # As POSIX has it, which every df prints: the fourth column is what is available, in KiB.
            told = container.ask("exec", ours, "sh", "-c", 'df -Pk "${PGDATA:-/var/lib/postgresql/data}"')
            return int(told.splitlines()[-1].split()[3]) * 1024 if told else None
    except (OSError, ValueError, IndexError):
        pass
    return None


def forecast(rows: list[dict] | None, available: int | None) -> dict:
    """Sums of v_ops_disk_forecast in bytes, and the days until `available` is used up: None if not known, or after ten years."""
    found = {"free_bytes": available, "days_until_full": None}
    if rows is None:
        return found
    known = all(row["bytes_per_day"] is not None for row in rows)
    found |= {"bytes_now": sum(row["bytes_now"] for row in rows), "bytes_per_day": None, "bytes_in_a_year": None}
    if not known:
        return found
    found["bytes_per_day"] = sum(row["bytes_per_day"] for row in rows)
    found["bytes_in_a_year"] = sum(row["bytes_in_a_year"] for row in rows)
    found["kept_days"] = max((row["kept_days"] for row in rows if row["kept_days"] is not None), default=None)
    found["bytes_at_retention"] = sum(row["bytes_at_retention"] or 0 for row in rows)
    if available is not None and found["bytes_per_day"]:
        found["days_until_full"] = next((day for day in range(1, LONGEST) if grown(rows, day) > available), None)
    return found


def grown(rows: list[dict], days: int) -> float:
    """Bytes that come to the disk in so many days; in a year what v_ops_disk_forecast says."""
    return sum(_grown(row, days) for row in rows)


def _grown(row: dict, days: int) -> float:
    held = float(row["held_days"] or 0)
    reckoned = _after(row, held)
    more = _after(row, held + days) - reckoned
    if row["kept_days"] is None:
        return more
    # What is held now may be more or less than days as the present ones would have made; it goes as it is dropped.
    return more + (reckoned - row["bytes_now"]) * min(1, days / min(365, float(row["kept_days"])))


def _after(row: dict, days: float) -> float:
    """Bytes of a relation that has been filled for so many days at the present rate."""
    held = min(days, float(row["kept_days"]) if row["kept_days"] is not None else days)
    plain = min(held, float(row["plain_days"]) if row["plain_days"] is not None else held)
    return row["bytes_per_day"] * (plain + (held - plain) * float(row["shrinks_to"]))
