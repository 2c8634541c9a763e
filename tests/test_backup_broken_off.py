"""Backup and restore that are interrupted, or lose their program, their server or the room on the disk: one line, nothing left."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from backed_up import Server, backup, error, is_as_it_was, place, server  # noqa: F401
from conftest import SETTINGS
from scripts import process

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")


def interrupted(process: subprocess.Popen, number: int) -> str:
    """The one line of a command that was told to end."""
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and errors == "error: interrupted\n", (process.returncode, output, errors)
    return output


def test_interrupted(place: Server, backup: Path) -> None:
    before, there = place.state(), place.folders()
    steps = {signal.SIGTERM: "archive:__enter__", signal.SIGINT: "digests:digests", signal.SIGHUP: "pathlib:rename#8"}
    for number, step in steps.items():
        with place.stopped(step, "backup") as running:
            interrupted(running, number)
        assert place.folders() == there and not place.left(), step
    steps = {signal.SIGHUP: "archive:__enter__", signal.SIGINT: "side:_compare", signal.SIGTERM: "swap:swap"}
    for number, step in steps.items():
        with place.stopped(step, "restore", str(backup)) as running:
            interrupted(running, number)
        assert not place.left(), step
    is_as_it_was(place, before)


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_program_of_postgresql_killed(place: Server, backup: Path, command: str) -> None:
    before, there = place.state(), place.folders()
    with place.stopped("archive:__enter__", *([command] if command == "backup" else [command, str(backup)])) as running:
        process.end(process.children(running.pid), signal.SIGKILL, timeout=1)
        running.send_signal(signal.SIGCONT)
        _, errors = running.communicate(timeout=60)
    name = {"backup": "pg_dump", "restore": "pg_restore"}[command]
    assert running.returncode == 1 and errors.startswith(f"error: {name} failed: ") and errors.count("\n") == 1, errors
    assert place.folders() == there and not place.left()
    is_as_it_was(place, before)


@pytest.mark.parametrize(("command", "step"), [("backup", "archive:__enter__"), ("restore", "digests:digests")])
def test_server_killed(place: Server, backup: Path, command: str, step: str) -> None:
    shutil.copytree(backup, place.backups / backup.name, dirs_exist_ok=True)
    before, there = place.state(), place.folders()
    with place.stopped(step, *([command] if command == "backup" else [command, str(backup)])) as running:
        place.cluster.kill()
        running.send_signal(signal.SIGCONT)
        _, errors = running.communicate(timeout=60)
    assert running.returncode == 1 and errors.startswith("error: ") and errors.count("\n") == 1, errors
    place.cluster.start(SETTINGS)
    # A restore finds its copy again, which the dead server could not drop.
    assert place.folders() == there and place.left() == ({"enms_restoring"} if command == "restore" else set())
    with place.connect() as session:
        session.execute("select _timescaledb_functions.start_background_workers()")
    place.done("restore-test")
    is_as_it_was(place, before)
    assert not place.left()


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A file system of its own."""
    folder = Path(tempfile.mkdtemp(prefix="enms-small-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


@root_only
def test_backup_on_a_full_disk(place: Server) -> None:
    before = place.state()
    with small_disk("64m") as disk:
        place.backups, usual = disk, place.backups
        try:
            there = {place.backup()}
            fill_up(disk, 100 << 10)
            assert f"in {disk} the disk is full: free some space" in error(place.run("backup"))
            assert place.folders() == there and not place.left()
            (disk / ".ballast").unlink()
            assert place.backup() not in there
        finally:
            place.backups = usual
    is_as_it_was(place, before)


@root_only
def test_restore_on_a_full_disk(place: Server, backup: Path, request: pytest.FixtureRequest) -> None:
    with small_disk("700m") as disk, server(place.cluster.installation.edition, request.config, state=disk / "server") as small:
        before = small.state()
        fill_up(disk, 20 << 20)
        line = error(small.run("restore", str(backup)))
        assert "a restore needs about " in line and "MB are free: free some space" in line and not small.left()
        (disk / ".ballast").unlink()

        # It fills up meanwhile, which may end the server: there is no room for its log.
        with small.stopped("archive:load", "restore", str(backup)) as running:
            fill_up(disk, 1 << 20)
            running.send_signal(signal.SIGCONT)
            _, errors = running.communicate(timeout=120)
        assert running.returncode == 1 and errors.startswith("error: ") and errors.count("\n") == 1, errors
        (disk / ".ballast").unlink()
        if not small.cluster.pid():
            small.cluster.start(SETTINGS)
        until_answered(small)
        oid, setting, jobs, _, rows = small.state()
        assert (oid, setting, jobs, rows) == (*before[:3], before[4])
        small.done("restore", str(backup))
        assert all(name.startswith("enms_before_") for name in small.left())


def until_answered(place: Server) -> None:
    """Wait for the end of crash recovery."""
    deadline = time.monotonic() + 60
    while True:
        try:
            place.connect().close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def fill_up(disk: Path, but: int) -> None:
    """Leave only so many bytes free."""
    with open(disk / ".ballast", "wb") as ballast:
        left = shutil.disk_usage(disk).free - but
        while left > 0:
            left -= ballast.write(bytes(min(left, 1 << 20)))
