"""Backup and restore killed at every step: what is there is whole, the database is as it was, the next attempt clears up."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from backed_up import Server, backup, error, is_as_it_was, place, tidied, whole  # noqa: F401

# Steps of scripts/backup by the call that they begin with.
BACKUP = [
    "jobs:postpone", "snapshot:taken", "pathlib:mkdir", "archive:__enter__", "archive:_end", "digests:digests", "pathlib:rename#2",
    "pathlib:rename#4", "pathlib:rename#6", "pathlib:rename#8", "store:_sync#6", "jobs:put_off#2", "pathlib:rename#10", "shutil:rmtree#2",
]  # fmt: skip
RESTORE = [
    "manifest:require_whole", "shell:create", "shell:extend", "manifest:require_edition", "roles:create_missing", "archive:load",
    "archive:__enter__", "archive:_end", "shell:complete", "side:_compare", "side:_verify", "roles:settle", "swap:swap",
]  # fmt: skip
# What comes once the databases have changed places.
SWAPPED = ["swap:start_jobs", "trials:record", "swap:all_kept#2"]


def killed(process: subprocess.Popen, number: int = signal.SIGKILL) -> None:
    """The whole process group ends by a signal, as with a terminal or a service that is closed."""
    os.killpg(process.pid, number)
    os.killpg(process.pid, signal.SIGCONT)
    process.wait()


def test_backup_killed_at_every_step(place: Server, backup: Path) -> None:
    with place.connect() as session:
        session.execute("select _timescaledb_functions.start_background_workers()")
    place.backup()
    before = place.state()
    for step in BACKUP:
        there = whole(place)
        # Each attempt passes what the one before has left.
        with place.stopped(step, "backup", ENMS_KEEP_BACKUPS=1) as running:
            killed(running)
        assert whole(place) >= there or step == "shutil:rmtree#2", step
    is_as_it_was(place, before)
    assert place.left()
    last = place.backup(ENMS_KEEP_BACKUPS=1)
    assert place.folders() == {last} and not place.left()
    is_as_it_was(place, before)


def test_restore_killed_at_every_step(place: Server, backup: Path) -> None:
    before = place.state()
    for step in RESTORE:
        with place.stopped(step, "restore", str(backup)) as running:
            killed(running)
        assert place.databases()["enms"] == before[0], step
    # The last one left all there is to leave, and what tries the backup out clears up.
    assert place.left() == {"enms_restoring"} and "clerk" in dict(place.roles())
    is_as_it_was(place, (*before[:3], place.roles(), before[4]))
    place.done("restore-test")
    assert not place.left()
    is_as_it_was(place, before)


def test_nobody_can_log_in_as_a_role_before_the_database_is_there(place: Server, backup: Path) -> None:
    with place.stopped("archive:load", "restore", str(backup)) as running:
        with place.connect("postgres") as session:
            found = session.execute("select rolcanlogin, rolpassword from pg_authid where rolname = 'clerk'").fetchall()
        killed(running)
    assert found == [(False, None)]
    place.done("restore-test", ENMS_BACKUPS=backup.parent)
    assert "clerk" not in dict(place.roles())


def test_what_cannot_be_the_database_is_not_gone_back_to(place: Server, tidied: None) -> None:
    before = place.databases()["enms"]
    with place.connect("postgres") as session:
        session.execute("create database enms_before_20260101t000000z allow_connections false")
    assert "can't be gone back to: enms_before_20260101t000000z is not an EnMS database" in error(place.run("restore", "enms_before_20260101t000000z"))
    assert place.databases()["enms"] == before
    with place.connect("postgres") as session:
        assert session.execute("select datallowconn from pg_database where datname ~ 'before'").fetchone() == (False,)


@pytest.mark.parametrize("step", SWAPPED)
def test_killed_once_the_databases_have_changed_places(place: Server, backup: Path, tidied: None, step: str) -> None:
    """What is restored is the database, and the next restore clears up what is kept."""
    old = place.databases()["enms"]
    with place.stopped(step, "restore", str(backup)) as running:
        killed(running)
    now = place.databases()
    (kept,) = [name for name in now if name.startswith("enms_before_")]
    assert now[kept] == old != now["enms"] and "clerk" in dict(place.roles())
    place.done("restore", kept)
    assert place.databases()["enms"] == old
