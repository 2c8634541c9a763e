"""What became of the last restore of a backup, kept beside its files."""

import json
from datetime import UTC, datetime
from pathlib import Path

from scripts.backup.store import TRIAL, write
from scripts.console import say


def record(folder: Path, failure: str | None) -> None:
    """Note that the backup was restored and verified just now, or why it was not."""
    try:
        write(folder / TRIAL, json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds"), "failure": failure}) + "\n")
    except OSError as error:
        # A copy on a read-only medium can be restored all the same.
        say(f"Not noted in {folder}: {error.strerror}")


def last(folder: Path) -> dict | None:
    """`at` and `failure` of the last restore; None if there was none."""
    try:
        return json.loads((folder / TRIAL).read_text())
    except (OSError, ValueError):
        return None


def passed(folder: Path) -> bool:
    """True if the last restore of the backup was compared and verified."""
    trial = last(folder)
    return bool(trial) and trial["failure"] is None
