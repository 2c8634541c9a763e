"""A PostgreSQL server with TimescaleDB from Debian 13's signed packages, for machines that have none.

mmdebstrap fetches, checks and unpacks the packages into a folder; nothing in them is installed or run
as part of that. Their programs are then run through their own dynamic loader, which gives them Debian
13's C library on any host. That takes no chroot and no namespace, so it works for every user, in
containers, and where unprivileged user namespaces are switched off.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from scripts import client, server
from scripts.console import Failure, say, step

SUITE = "trixie"
MAJOR = 17
# libc-bin has the C.UTF-8 locale.
PACKAGES = f"postgresql-{MAJOR}", f"postgresql-{MAJOR}-timescaledb", "libc-bin"
SPACE = 800 << 20
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ZONES = Path("/usr/share/zoneinfo/UTC")

# argv0 is the wrapper's own path: PostgreSQL finds its share and library folders relative to it.
WRAPPER = """\
#!/bin/sh
root=${{0%/run/*}}
LOCPATH="$root/usr/lib/locale" exec "$root/{loader}" --library-path "$root/{libraries}" \\
    --argv0 "$0" "$root/usr/lib/postgresql/{major}/bin/${{0##*/}}" "$@"
"""


def debian_root(build: bool = True) -> server.Installation | None:
    """The server of the cached Debian root.

    Without `build`, None if there is no root yet; with it, the root is made first. Raises Failure if
    it cannot be made; a failed or interrupted build leaves nothing behind that could be taken for one.
    """
    root = cache_folder() / f"debian-{SUITE}"
    bindir = root / "run" / "lib" / "postgresql" / str(MAJOR) / "bin"
    if not bindir.is_dir():
        if not build:
            return None
        _build(root)
    try:
        return server.inspect(bindir, "debian")
    except server.Unfit as reason:
        raise Failure(f"the cached server does not fit: {reason}; delete {root} and try again") from None


def cache_folder() -> Path:
    """Where the root is kept: XDG_CACHE_HOME or ~/.cache, for root /var/cache.

    The user postgres, as whom root runs servers, cannot enter root's home folder.
    """
    base = os.environ.get("XDG_CACHE_HOME") or ("/var/cache" if os.geteuid() == 0 else Path.home() / ".cache")
    return Path(base) / "enms"


def _build(root: Path) -> None:
    """Make the root in a temporary folder and rename it into place; waits for a build under way."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with open(root.with_suffix(".lock"), "w") as lock:
        _lock(lock)
        if root.exists():
            return
        for leftover in root.parent.glob(f"{root.name}.part-*"):
            shutil.rmtree(leftover)
        _require_tools()
        free = shutil.disk_usage(root.parent).free
        if free < SPACE:
            raise Failure(f"{root.parent} has {free >> 20} MB free, the Debian packages need {SPACE >> 20} MB")
        part = Path(tempfile.mkdtemp(prefix=f"{root.name}.part-", dir=root.parent))
        try:
            with step(f"Fetching PostgreSQL {MAJOR} and TimescaleDB from Debian's packages, once"):
                _fetch(part, root.with_suffix(".log"))
            _wrap(part)
            server.inspect(part / "run" / "lib" / "postgresql" / str(MAJOR) / "bin")
            part.chmod(0o755)
            part.rename(root)
        except server.Unfit as reason:
            raise Failure(f"the Debian packages do not run on this machine: {reason}") from None
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _lock(lock) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Waiting for another build of the Debian root.")
        fcntl.flock(lock, fcntl.LOCK_EX)


def _require_tools() -> None:
    """Install what the build needs where that can be done, else say what is missing."""
    needed = {
        "mmdebstrap": shutil.which("mmdebstrap"),
        "debian-archive-keyring": KEYRING.exists(),
        # PostgreSQL reads the time zones of the machine.
        "tzdata": ZONES.exists(),
    }
    missing = [package for package, there in needed.items() if not there]
    if not missing:
        return
    names = " and ".join(missing)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Failure(
            f"this machine has no PostgreSQL {server.OLDEST_POSTGRESQL} or newer with TimescaleDB, and fetching one "
            f"from Debian's packages needs {names}: install what is missing, or use ENGINE=docker"
        )
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with step(f"Installing {names} with apt-get"):
        subprocess.run(["apt-get", "update"], env=environment, capture_output=True)
        install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
        run = subprocess.run(install, env=environment, capture_output=True, text=True)
        if run.returncode:
            raise Failure(f"apt-get could not install {names}: {first_error(run.stderr)}")


def _fetch(part: Path, log: Path) -> None:
    # With the variant `extract` no package script runs, so that mode needs no privilege.
    command = ["mmdebstrap", "--mode=chrootless", "--variant=extract", f"--include={','.join(PACKAGES)}", SUITE, part]
    with open(log, "w") as output:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    if run.returncode:
        reason = first_error(log.read_text(errors="replace"))
        raise Failure(
            f"the Debian packages could not be fetched: {reason} (log: {log}); check the network and try again"
        )


def _wrap(part: Path) -> None:
    """Lay out run/ as PostgreSQL expects its folders, with a wrapper for each program."""
    lib = Path("usr", "lib", "postgresql", str(MAJOR))
    libraries = next((part / "usr" / "lib").glob("*/libc.so.6")).parent
    loader = next(libraries.glob("ld-linux*.so.*"))
    wrapper = WRAPPER.format(loader=loader.relative_to(part), libraries=libraries.relative_to(part), major=MAJOR)
    bindir = part / "run" / lib.relative_to("usr") / "bin"
    bindir.mkdir(parents=True)
    for program in (part / lib / "bin").iterdir():
        (bindir / program.name).write_text(wrapper)
        (bindir / program.name).chmod(0o755)
    (bindir.parent / "lib").symlink_to(Path("../../../..") / lib / "lib")
    (part / "run" / "share").symlink_to("../usr/share")


def first_error(output: str) -> str:
    """The line of apt's or mmdebstrap's output that says why it failed: the first error is the cause."""
    if "No space left on device" in output:
        return client.DISK_FULL
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["it gave no reason"]
    return next((line for line in lines if line.startswith("E:")), lines[-1])
