"""make backups: what there is, how old, how large, and whether it was ever restored."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from scripts.backup import manifest, store, trials
from scripts.console import Failure, say, screen
from scripts.settings import backups_folder

UNITS = ("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)


def show() -> None:
    """Print the backups, the newest first."""
    found = store.backups()
    if not found:
        say(f"There is no backup in {store.shown(backups_folder())}: make backup")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in "backup", "age", "size", "schema", "TimescaleDB", "verified":
        table.add_column(column, justify="right" if column in ("age", "size") else "left", no_wrap=column != "verified")
    for path in found:
        table.add_row(*map(escape, (path.name, age(path), *_told(path))))
    with screen(1000) as console:
        if not console.is_terminal:
            # Whatever COLUMNS says, every backup is one whole line.
            console.width = 1000
        console.print(table)


def age(path: Path) -> str:
    """Time since the backup was made, in its largest unit."""
    since = datetime.now(UTC) - store.when(path.name)
    unit, seconds = next(((unit, seconds) for unit, seconds in UNITS if since >= timedelta(seconds=seconds)), UNITS[-1])
    return f"{max(0, int(since.total_seconds())) // seconds} {unit}"


def _told(path: Path) -> tuple[str, str, str, str]:
    try:
        content = manifest.load(path)
    except (Failure, OSError, ValueError) as failure:
        return "", "", "", str(failure)
    size = sum(file["bytes"] for file in content["files"].values())
    made_by = f"{content['timescaledb']} ({content['edition']}, PostgreSQL {content['major']})"
    trial = trials.last(path)
    if trial is None:
        verified = "not yet: make restore-test"
    elif trial["failure"]:
        verified = f"FAILED {trial['at'][:10]}: {trial['failure']}"
    else:
        verified = f"restored and verified {trial['at'][:10]}"
    return f"{size / 1e6:,.1f} MB", content["schema"], made_by, verified
