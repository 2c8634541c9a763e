"""The folder of backups: how many are kept, what is told of them, and trying the newest out."""

import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backed_up import Server, error, flipped, gone, resized, said, server
from scripts.backup import store, trials
from scripts.server import COMMUNITY

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a folder read-only")


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest) -> Iterator[Server]:
    edition = next(iter(sorted(request.config.installations, reverse=True)), COMMUNITY)
    with server(edition, request.config) as made:
        yield made


@pytest.fixture(scope="module")
def backup(place: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup, from which each test's folder is made."""
    return shutil.move(place.backup(), tmp_path_factory.mktemp("made"))


@pytest.fixture
def folder(place: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of backups of the test's own."""
    monkeypatch.setattr(place, "backups", tmp_path / "kept here")
    place.backups.mkdir()
    monkeypatch.setenv("ENMS_BACKUPS", str(place.backups))
    return place.backups


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def made(folder: Path, backup: Path, *days: int, database: str = "enms") -> list[Path]:
    """Copies of the backup under the names of those days."""
    return [shutil.copytree(backup, folder / f"{database}-202601{day:02}T010203Z") for day in days]


def test_the_newest_are_kept(folder: Path, backup: Path) -> None:
    made(folder, backup, 1, 2, 3, 4, 5)
    store.rotate(3, "enms", "", trials.passed)
    assert names(folder) == ["enms-20260103T010203Z", "enms-20260104T010203Z", "enms-20260105T010203Z"]
    store.rotate(3, "enms", "", trials.passed)
    assert len(names(folder)) == 3
    store.rotate(1, "enms", "", trials.passed)
    assert names(folder) == ["enms-20260105T010203Z"]


def test_the_newest_that_was_tried_out_is_kept(folder: Path, backup: Path) -> None:
    for path in (copies := made(folder, backup, 1, 2, 3, 4, 5))[:2]:
        trials.record(path, None)
    trials.record(copies[3], "the disk ate it")
    # Another database's does not stand in for it.
    trials.record(made(folder, backup, 9, database="other")[0], None)
    store.rotate(1, "enms", "", trials.passed)
    assert names(folder) == ["enms-20260102T010203Z", "enms-20260105T010203Z", "other-20260109T010203Z"]
    # It was tried out again, and failed.
    trials.record(copies[1], "the disk ate it")
    store.rotate(1, "enms", "", trials.passed)
    assert names(folder) == ["enms-20260105T010203Z", "other-20260109T010203Z"]


def test_what_is_not_ours_stays(folder: Path, backup: Path, tmp_path: Path) -> None:
    (own,) = made(folder, backup, 9)
    made(folder, backup, 1, database="other")
    made(folder, backup, 2, database="enms-copy")
    for name in "enms-20260101T010203Z", "enms-latest", "enms-20261399T999999Z", "enms-20260101T010203Z.bak", "lost+found":
        (folder / name).mkdir()
        (folder / name / "mine").touch()
    (folder / "enms-20260102T010203Z").touch()
    (folder / "enms-20260103T010203Z").symlink_to(shutil.copytree(backup, tmp_path / "elsewhere"))
    before = names(folder)
    store.rotate(1, "enms", "", trials.passed)
    assert names(folder) == before and (tmp_path / "elsewhere" / "manifest.json").exists()


def test_backups_of_a_clock_that_ran_ahead_are_the_oldest(place: Server, folder: Path, backup: Path) -> None:
    made(folder, backup, 1)
    for day in "01", "02":
        shutil.copytree(backup, folder / f"enms-209901{day}T010203Z")
    new = place.backup(ENMS_KEEP_BACKUPS=2)
    assert set(names(folder)) == {new.name, "enms-20260101T010203Z"}
    assert new.name in place.done("restore-test")


def test_rotation_follows_a_success_only(place: Server, folder: Path, backup: Path) -> None:
    made(folder, backup, 1, 2, 3)
    before = names(folder)
    assert "ENMS_KEEP_BACKUPS" in error(place.run("backup", ENMS_KEEP_BACKUPS="0"), 2)
    for wrong in "-1", "two", "1.5", "²":
        assert f"ENMS_KEEP_BACKUPS is {wrong!r}: set it to the number" in error(place.run("backup", ENMS_KEEP_BACKUPS=wrong), 2)
    error(place.run("backup", ENMS_KEEP_BACKUPS=1, ENMS_DSN=place.cluster.dsn("postgres")))
    assert names(folder) == before
    output = place.done("backup", ENMS_KEEP_BACKUPS=2)
    assert "Deleted enms-20260101T010203Z" in output and "Deleted enms-20260102T010203Z" in output
    assert names(folder)[0] == "enms-20260103T010203Z" and len(names(folder)) == 2


def test_a_backup_is_its_owners_alone(place: Server, folder: Path) -> None:
    before = os.umask(0)
    try:
        backup = place.backup()
    finally:
        os.umask(before)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in backup.iterdir()} == {0o600}
    assert place.cluster.password.encode() not in b"".join(path.read_bytes() for path in backup.iterdir())


def test_two_at_once(place: Server, folder: Path) -> None:
    with place.stopped("archive:dump", "backup") as first:
        assert f"another backup into {folder} is under way" in error(place.run("backup"))
        first.send_signal(signal.SIGCONT)
        assert first.wait() == 0
    assert len(names(folder)) == 1


def test_list(place: Server, folder: Path, backup: Path) -> None:
    assert "There is no backup in" in place.done("backups") and "make backup" in place.done("backups")
    whole, cut, bare, changed = made(folder, backup, 4, 3, 2, 1)
    resized("database.dump", -1)(cut)
    gone("manifest.json")(bare)
    flipped("manifest.json")(changed)
    trials.record(whole, None)
    (new,) = {place.backup()}
    header, *lines = place.done("backups").splitlines()
    assert header.split() == ["backup", "age", "size", "schema", "TimescaleDB", "verified"]
    assert [line.split()[0] for line in lines] == [path.name for path in (new, whole, cut, bare, changed)]
    size = sum(path.stat().st_size for path in new.glob("[dr]*")) / 1e6
    assert f"{size:,.1f} MB" in lines[0] and "not yet: make restore-test" in lines[0] and " s " in lines[0]
    assert " d " in lines[1] and "restored and verified 20" in lines[1]
    assert "database.dump has " in lines[2] and "has no manifest.json" in lines[3] and "manifest.json is not as it was written" in lines[4]


def test_trying_out(place: Server, folder: Path, backup: Path) -> None:
    assert "there is no backup of enms in" in error(place.run("restore-test"))
    (old,) = made(folder, backup, 1)
    before = place.state()
    assert "Restored and verified: " in place.done("restore-test")
    assert "restored and verified" in place.done("backups")
    # Another database's is none of its business.
    made(folder, backup, 3, database="other")
    assert old.name in place.done("restore-test")
    (newest,) = made(folder, backup, 2)

    # What is no fault of the backup is no mark against it.
    error(place.run("restore-test", ENMS_DSN=place.cluster.dsn("enms").replace("enms_user", "nobody")))
    with place.connect("postgres") as session:
        session.execute(f"select pg_advisory_lock({0x656E6D73})")
        assert "another restore is under way" in error(place.run("restore-test"))
    assert not (newest / "trial.json").exists()

    flipped("database.dump")(newest)
    line = error(place.run("restore-test"))
    assert f"{newest}/database.dump is not as it was written" in line
    assert "FAILED 20" in place.done("backups") and line.removeprefix("error: ") in place.done("backups")
    assert not trials.passed(newest) and trials.passed(old)
    relations = json.loads((old / "manifest.json").read_text())["relations"]
    relations["public.machines"]["rows"] = 1
    shutil.rmtree(newest)
    (newest,) = made(folder, backup, 2)
    said(relations=relations)(newest)
    assert "public.machines: rows 7 instead of 1" in error(place.run("restore-test"))
    assert place.state() == before and not place.left()


@root_only
def test_folder_that_cannot_be_written(place: Server, folder: Path, backup: Path) -> None:
    (there,) = made(folder, backup, 1)
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        assert "Read-only file system" in error(place.run("backup"))
        output = place.done("restore", str(there))
        assert "Restored: enms is as of" in output and "Not noted in" in output
    finally:
        subprocess.run(["umount", folder], check=True)
    shutil.rmtree(folder)
    folder.touch()
    assert str(folder) in error(place.run("backup"))
