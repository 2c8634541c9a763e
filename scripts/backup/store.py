"""The folder of backups: names, and files that are there whole or not at all."""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scripts import client
from scripts.console import Failure, say
from scripts.settings import CHECKOUT, backups_folder

STAMP = "%Y%m%dT%H%M%SZ"
BLOCK = 1 << 20
EPOCH = datetime.fromtimestamp(0, UTC)
PART = ".part-"
MANIFEST, CHECKSUM, DUMP, ROLES, TRIAL = "manifest.json", "manifest.sha256", "database.dump", "roles.json", "trial.json"


class Damaged(Failure):
    """A backup that cannot be relied on, wherever it is restored."""


def stamped(database: str, moment: datetime) -> str:
    """A backup's name, in UTC."""
    return f"{database.replace('/', '_')}-{moment.astimezone(UTC).strftime(STAMP)}"


def shown(path: Path) -> str:
    """The path as a person would type it in the checkout."""
    return str(path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path)


def find(file: str) -> Path:
    """The folder of the backup that a person names by path or by name; raises Failure if it is not one."""
    path = Path(file).expanduser()
    named = [place for place in (path, CHECKOUT / path, backups_folder() / path.name) if place.exists()]
    if not named:
        raise Failure(f"there is no backup {file}: make backups lists them")
    place = named[0].resolve()
    if place.is_file() and (place.parent / MANIFEST).exists():
        place = place.parent
    if place.is_file():
        raise Failure(
            f"{file} is a dump without a manifest, so nothing says which TimescaleDB wrote it, or whether it is whole: "
            "scripts/guide/operator.md says how to load a plain pg_dump into a database beside this one and take its readings over"
        )
    return place


def when(name: str) -> datetime | None:
    """The moment in a name that stamped() made, or None for any other name."""
    match = re.fullmatch(r".+-(\d{8}T\d{6}Z)", name)
    with contextlib.suppress(ValueError):
        return match and datetime.strptime(match[1], STAMP).replace(tzinfo=UTC)
    return None


def backups(database: str | None = None) -> list[Path]:
    """The backups of the folder, of one database or of all, the newest first; what is not named like one is not among them."""
    there = backups_folder().iterdir() if backups_folder().is_dir() else ()
    named = [path for path in there if when(path.name) and path.is_dir()]
    own = [path for path in named if database is None or path.name == stamped(database, when(path.name))]
    # One of the future is of a clock that ran ahead, and older than those of the clock that was put right.
    late = datetime.now(UTC) + timedelta(minutes=5)
    return sorted(own, key=lambda path: (when(path.name) < late, when(path.name)), reverse=True)


@contextmanager
def alone() -> Iterator[None]:
    """Keep other backups out; raises Failure if one is under way. What a killed one left is deleted."""
    place = backups_folder()
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(place / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(f"another backup into {place} is under way: wait for its end") from None
        for leftover in place.glob(f"{PART}*"):
            shutil.rmtree(leftover)
        yield


@contextmanager
def new(name: str) -> Iterator[Path]:
    """A folder to write a backup into; it gets its name when everything in it is on disk, else it is deleted."""
    final, part = backups_folder() / name, backups_folder() / f"{PART}{name}"
    if final.exists():
        raise Failure(f"there is a backup {final} already: wait a second and try again")
    part.mkdir(mode=0o700)
    try:
        yield part
        for path in (*part.iterdir(), part):
            _sync(path)
        part.rename(final)
        _sync(backups_folder())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Failure(f"no backup was made, in {backups_folder()} {client.DISK_FULL}, or name another place with ENMS_BACKUPS") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write(path: Path, text: str) -> None:
    """Write a small file that is there whole or not at all, for its owner only."""
    part = path.with_name(f"{PART}{path.name}")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def summary(file: Path) -> dict:
    """Bytes and SHA-256 of a file."""
    return {"bytes": file.stat().st_size, "sha256": sha256(file)}


def sha256(file: Path, advance: Callable[[int], None] = lambda more: None) -> str:
    """SHA-256 of a file's content; `advance` is told how many more bytes were read."""
    digest = hashlib.sha256()
    with open(file, "rb") as source:
        while block := source.read(BLOCK):
            digest.update(block)
            advance(len(block))
    return digest.hexdigest()


def rotate(keep: int, database: str, made: str, passed: Callable[[Path], bool]) -> None:
    """Delete the backups of the database that are older than the newest `keep`, but neither the one just `made` nor the newest that `passed`.

    A folder that was not made by make backup stays, whatever its name; so does a link, which somebody set.
    """
    own = [path for path in backups(database) if not path.is_symlink() and (path / MANIFEST).exists() and (path / CHECKSUM).exists()]
    relied_on = next(filter(passed, own), None)
    for path in own[keep:]:
        if path != relied_on and path.name != made:
            # Out of its name first, so that a half-deleted backup is not taken for one.
            gone = path.rename(backups_folder() / f"{PART}{path.name}")
            shutil.rmtree(gone)
            say(f"Deleted {path.name}, as the newest {keep} are kept")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
