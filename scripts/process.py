"""Which process is the server of a data folder, read from /proc and the folder's lock file."""

import os
import signal
import time
from pathlib import Path

from scripts.console import Failure

# A shutdown writes a checkpoint: up to 2 GB of buffers.
STOP_TIMEOUT = 120


def cluster_name(data: Path) -> str:
    """The name that a server of the folder `data` is started with, so that it can be told from others."""
    return f"enms-{data.stat().st_ino}"


def server_pid(data: Path) -> int | None:
    """Process id of the server of the folder `data`, or None if it is down.

    The lock file alone proves nothing: after a crash its number may belong to any program. The
    server is the process of that number that has the folder's cluster name among its arguments or,
    when it was started by hand, the folder as its working directory.
    """
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        ours = f"cluster_name={cluster_name(data)}".encode() in arguments or _works_in(pid, data)
    except (OSError, ValueError):
        return None
    return pid if ours and alive(pid) else None


def listening_on(data: Path) -> tuple[str, int] | None:
    """Address and port that the running server of `data` listens on, or None if it is down."""
    if server_pid(data) is None:
        return None
    lines = (data / "postmaster.pid").read_text().splitlines()
    # Number, folder, start time, port, socket folder, address: the server adds them as it starts.
    return (lines[5], int(lines[3])) if len(lines) > 5 else None


def alive(pid: int) -> bool:
    """True if the process exists and has not ended; one that only waits to be reaped has ended."""
    state = _stat(pid)
    return bool(state) and state[0] != "Z"


def children(pid: int) -> list[int]:
    """Process ids of the direct children."""
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [number for number in numbers if (state := _stat(number)) and int(state[1]) == pid]


def end(pids: list[int], number: signal.Signals, timeout: float) -> bool:
    """Signal processes and wait up to `timeout` seconds for their end; True if all have ended."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + timeout
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def stop_server(pid: int | None, mode: str = "fast") -> None:
    """Stop the server with this process id, if there is one, and wait for its end."""
    number = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
    if pid is not None and not end([pid], number, STOP_TIMEOUT):
        raise Failure(f"the server (process {pid}) did not stop in {STOP_TIMEOUT} s; its log may say why: make logs")


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", folder)
    except PermissionError:
        # Another user's process; only a root that may trace processes is told.
        return False


def _stat(pid: int) -> list[str]:
    """State, parent id and so on of a process; empty if it does not exist."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
