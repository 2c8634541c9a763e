"""PostgreSQL servers on this machine that have what the schema needs, and the memory they may use."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

OLDEST_POSTGRESQL = 15
NEWEST_POSTGRESQL = 18
OLDEST_TIMESCALEDB = (2, 19)
EXTENSIONS = "timescaledb", "uuid-ossp", "pg_stat_statements", "tablefunc"
PROGRAMS = "postgres", "initdb"

COMMUNITY, APACHE = "community", "apache-2"

# The server that postgresql.conf is written for, and its memory settings there, in bytes.
GIB = 1 << 30
FULL_MEMORY = 8 * GIB
MEMORY_SETTINGS = {
    "shared_buffers": 2 * GIB,
    "effective_cache_size": 6 * GIB,
    "maintenance_work_mem": GIB // 2,
    "work_mem": GIB // 16,
}


@dataclass(frozen=True)
class Installation:
    """A PostgreSQL server with TimescaleDB that can be run.

    `bindir` holds postgres, initdb and, where installed, psql, pg_dump and pg_restore; `edition` is
    'community' or 'apache-2'; `origin` is 'host' or 'debian' (the cached Debian root).
    """

    bindir: Path
    major: int
    version: str
    timescaledb: str
    edition: str
    origin: str = "host"

    def program(self, name: str) -> str | None:
        """Path of one of the server's programs, or None if it is not installed with it."""
        path = self.bindir / name
        return str(path) if os.access(path, os.X_OK) else None

    def __str__(self) -> str:
        return f"PostgreSQL {self.version} with TimescaleDB {self.timescaledb} ({self.edition} edition)"


class Unfit(Exception):
    """A server that cannot be used; the text says why."""


def find_installations() -> list[Installation]:
    """The machine's own servers that fit: community edition first, then the newest first.

    Nothing is built or changed. ENMS_PG_BIN, when set, is the only folder looked at.
    """
    return survey()[0]


def survey() -> tuple[list[Installation], list[str]]:
    """The servers that fit, best first, and for each one that does not fit a line that says why."""
    fit, unfit = [], []
    for bindir in _bin_folders():
        try:
            fit.append(inspect(bindir))
        except Unfit as reason:
            unfit.append(str(reason))
    fit.sort(key=lambda found: (found.edition == COMMUNITY, _numbers(found.version)), reverse=True)
    return fit, unfit


def inspect(bindir: Path, origin: str = "host") -> Installation:
    """The installation whose programs are in `bindir`; raises Unfit if the schema cannot run on it."""
    for name in PROGRAMS:
        if not os.access(bindir / name, os.X_OK):
            raise Unfit(f"{bindir} has no {name}")
    output = subprocess.run([bindir / "postgres", "--version"], capture_output=True, text=True).stdout
    match = re.search(r"\) (\d+)\S*", output)
    if match is None:
        raise Unfit(f"{bindir}/postgres does not run")
    version, major = match[0].removeprefix(") "), int(match[1])
    if not OLDEST_POSTGRESQL <= major <= NEWEST_POSTGRESQL:
        raise Unfit(f"PostgreSQL {version} in {bindir} is not one of {OLDEST_POSTGRESQL} to {NEWEST_POSTGRESQL}")
    sharedir, pkglibdir = _folders(bindir, major)
    for extension in EXTENSIONS:
        if not (sharedir / "extension" / f"{extension}.control").is_file():
            raise Unfit(f"PostgreSQL {version} in {bindir} has no {extension}")
    control = (sharedir / "extension" / "timescaledb.control").read_text()
    timescaledb = re.search(r"^default_version\s*=\s*'([^']+)'", control, re.MULTILINE)[1]
    if _numbers(timescaledb) < OLDEST_TIMESCALEDB:
        oldest = ".".join(map(str, OLDEST_TIMESCALEDB))
        raise Unfit(f"TimescaleDB {timescaledb} of PostgreSQL {version} in {bindir} is older than {oldest}")
    # Only the community edition is shipped with the library under the Timescale licence.
    community = (pkglibdir / f"timescaledb-tsl-{timescaledb}.so").is_file()
    return Installation(bindir, major, version, timescaledb, COMMUNITY if community else APACHE, origin)


def other_major(place: str, made_by: int, found: str, before: str, after: str) -> str:
    """What to say where the server's major version is not the data's; `before` and `after` say how to start each of them."""
    why = f"{place} was made by PostgreSQL {made_by}, and {found}: a new major version takes the data by a backup and a restore only"
    return f"{why}. With {before}: make up, make backup, make clean; then with {after}: make up, make restore FILE=backups/NAME"


def memory_flags(available: int | None = None) -> dict[str, str]:
    """Settings that fit postgresql.conf to `available` bytes, by default this machine's; empty from 8 GB up."""
    share = (available or memory_bytes()) / FULL_MEMORY
    # A machine sold with 8 GB reports a little less.
    if share > 0.9:
        return {}
    return {name: f"{max(4, int(full * share) >> 20)}MB" for name, full in MEMORY_SETTINGS.items()}


def memory_bytes() -> int:
    """Bytes of memory this process may use: the machine's, or the limit of its control group."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes":
        try:
            total = min(total, int(Path(limit).read_text()))
        except (OSError, ValueError):
            continue
    return total


def _bin_folders() -> list[Path]:
    """Folders that may hold a server's programs, each once."""
    if only := os.environ.get("ENMS_PG_BIN"):
        return [Path(only)]
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    if pg_config := shutil.which("pg_config"):
        folders.append(Path(_pg_config(pg_config, "--bindir")))
    if postgres := shutil.which("postgres"):
        folders.append(Path(postgres).resolve().parent)
    return [
        folder for folder in dict.fromkeys(folder.resolve() for folder in folders) if (folder / "postgres").exists()
    ]


def _folders(bindir: Path, major: int) -> tuple[Path, Path]:
    """The server's share and library folders: from its pg_config, else where packages put them."""
    pg_config = bindir / "pg_config"
    if os.access(pg_config, os.X_OK):
        return Path(_pg_config(pg_config, "--sharedir")), Path(_pg_config(pg_config, "--pkglibdir"))
    # Debian keeps /usr/share/postgresql/17 apart from /usr/lib/postgresql/17; others keep both in one folder.
    debian = bindir.parent.parent.parent.parent / "share" / "postgresql" / str(major)
    return (debian if debian.is_dir() else bindir.parent / "share"), bindir.parent / "lib"


def _pg_config(program: str | Path, option: str) -> str:
    return subprocess.run([program, option], capture_output=True, text=True).stdout.strip()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
