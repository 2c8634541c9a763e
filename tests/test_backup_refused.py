"""What make restore and make backup refuse: in one line that names the thing, and with nothing touched."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from backed_up import Change, Server, error, fill, flipped, gone, resized, said, server
from scripts.server import APACHE, COMMUNITY


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of any edition, with readings."""
    edition = next(iter(sorted(request.config.installations, reverse=True)), COMMUNITY)
    with server(edition, request.config) as made:
        with made.connect() as session:
            fill(session, edition)
        yield made


@pytest.fixture(scope="module")
def backup(place: Server) -> Path:
    return place.backup()


@pytest.fixture
def copy(backup: Path, tmp_path: Path) -> Path:
    """A copy of the backup that may be damaged."""
    return shutil.copytree(backup, tmp_path / backup.name)


@pytest.fixture
def untouched(place: Server) -> Iterator[None]:
    """Fails the test if it changed the databases or the roles of the server."""
    before = place.databases(), place.roles()
    yield
    assert (place.databases(), place.roles()) == before and not place.left()


@pytest.fixture(scope="module", autouse=True)
def same(place: Server) -> Iterator[None]:
    """Fails the module if anything in the database is another after all of it."""
    before = place.state()
    yield
    assert place.state() == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (flipped("database.dump"), "/database.dump is not as it was written"),
        (flipped("roles.json"), "/roles.json is not as it was written"),
        (flipped("manifest.json"), "/manifest.json is not as it was written"),
        (flipped("manifest.sha256"), "/manifest.json is not as it was written"),
        (resized("database.dump", -1), "/database.dump has "),
        (resized("database.dump", 1), "/database.dump has "),
        (resized("database.dump", -(1 << 40)), "/database.dump has 0 bytes"),
        (resized("roles.json", -1), "/roles.json has "),
        (resized("manifest.json", -9), "/manifest.json is not as it was written"),
        (resized("manifest.json", 1), "/manifest.json is not as it was written"),
        (gone("database.dump"), "has no database.dump"),
        (gone("roles.json"), "has no roles.json"),
        (gone("manifest.json"), "has no manifest.json"),
        (gone("manifest.sha256"), "has no manifest.sha256"),
    ],
)  # fmt: skip
def test_damaged(place: Server, copy: Path, untouched: None, change: Change, says: str) -> None:
    change(copy)
    line = error(place.run("restore", str(copy)))
    assert f"{copy}" in line and says in line and "this backup is damaged: take another one" in line


@pytest.mark.parametrize(
    ("change", "says", "advice"),
    [
        (said(timescaledb="2.11.0"), "by TimescaleDB 2.11.0, this server has", "ENMS_IMAGE"),
        (said(schema="0.9"), "schema version 0.9, this checkout has", "check that version out"),
        (said(major=99), "by PostgreSQL 99, this server is", "restore into 99 or newer"),
        (said(edition="other"), "TimescaleDB's other edition, this server runs", "restore into a server of the other edition"),
        (said(superuser="somebody"), "superuser is somebody, here it is enms_user", "POSTGRES_USER=somebody"),
        (said(format="enms-backup/2"), "'enms-backup/2', this version reads 'enms-backup/1'", "the version that made it"),
    ],
)  # fmt: skip
def test_made_elsewhere(place: Server, copy: Path, untouched: None, change: Change, says: str, advice: str) -> None:
    change(copy)
    line = error(place.run("restore", str(copy)))
    assert copy.name in line and says in line and advice in line


def test_not_a_backup(place: Server, untouched: None, tmp_path: Path) -> None:
    dump = [place.cluster.installation.program("pg_dump") or "pg_dump", "--file"]
    subprocess.run([*dump, tmp_path / "other.dump", "--format=custom"], env=place.cluster.environment("postgres"), check=True)
    subprocess.run([*dump, tmp_path / "backup.sql", "--schema-only"], env=place.cluster.environment(), check=True, capture_output=True)
    subprocess.run([*dump, tmp_path / "other tool", "--format=directory"], env=place.cluster.environment("postgres"), check=True)
    (tmp_path / "empty").touch()
    for name in "other.dump", "backup.sql", "empty":
        line = error(place.run("restore", str(tmp_path / name)))
        assert str(tmp_path / name) in line and "without a manifest" in line and "operator.md" in line
    line = error(place.run("restore", str(tmp_path / "other tool")))
    assert f"{tmp_path}/other tool has no manifest.json: it was not made by make backup" in line
    line = error(place.run("restore", str(tmp_path / "nowhere")))
    assert f"there is no backup {tmp_path}/nowhere: make backups lists them" in line
    assert "has no manifest.json" in error(place.run("restore", ""))
    assert "the server has no database enms_before_20200101t000000z" in error(place.run("restore", "enms_before_20200101t000000z"))
    run = place.run("restore")
    assert run.returncode == 2 and "BACKUP" in run.stderr


def test_manifest_of_other_content(place: Server, copy: Path, untouched: None) -> None:
    relations = json.loads((copy / "manifest.json").read_text())["relations"]
    relations["public.energy_readings"]["rows"] += 1
    relations["public.machines"]["digest"] = "1"
    del relations["public.energy_tariffs"]
    said(relations=relations)(copy)
    line = error(place.run("restore", str(copy)))
    assert "what was restored is not what was backed up: " in line
    assert "public.energy_readings: rows " in line and "public.machines: digest" in line and "public.energy_tariffs is not in the backup" in line


def test_faults_that_the_backup_has_are_restored_and_no_others(place: Server, request: pytest.FixtureRequest) -> None:
    with server(place.cluster.installation.edition, request.config, backups=place.backups) as drifted:
        with drifted.connect() as session:
            session.execute("alter table machines drop constraint machines_name_not_empty; comment on table machines is 'Ours'")
            session.execute("drop function public.calculate_sec")
        output = drifted.run("backup").stdout
        assert "Warning: " in output and "a restore accepts these faults and no others" in output
        made = max(drifted.folders())
        assert "Restored and verified" in drifted.done("restore-test")
        drifted.done("restore", made.name)
        before = drifted.databases()
        said(failing=[])(made)
        line = error(drifted.run("restore", made.name))
        assert "the verifier did not pass what was restored" in line and "more" in line
        assert drifted.databases() == before


def test_a_database_of_the_restores_own_name_is_left_alone(place: Server, backup: Path) -> None:
    place.cluster.create_database("enms_restoring")
    try:
        before = place.databases()
        assert "a database enms_restoring, which no restore has made: rename it or drop it" in error(place.run("restore", str(backup)))
        assert place.databases() == before
    finally:
        with place.connect() as session:
            session.execute("drop database enms_restoring")


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"dbname": "postgres"}, 1, "postgres is not an EnMS database"),
        ({"user": "plain", "password": "p"}, 1, "plain cannot read everything: connect as a superuser"),
        ({"password": "wrong"}, 1, "password authentication failed"),
        ({"port": "1"}, 1, "cannot connect: "),
        ({"dbname": ""}, 2, "ENMS_DSN names no database: add dbname="),
    ],
)
def test_backup_of_what_it_cannot_read(place: Server, changes: dict[str, str], code: int, says: str) -> None:
    there = place.folders()
    dsn = make_conninfo(**(_conninfo(place) | changes))
    with place.connect() as session:
        session.execute("create role plain login password 'p' in role enms_reader")
        try:
            assert says in error(place.run("backup", ENMS_DSN=dsn), code)
        finally:
            session.execute("drop role plain")
    assert place.folders() == there and not place.left()


def _conninfo(place: Server) -> dict[str, str]:
    return {"host": "127.0.0.1", "port": str(place.cluster.port), "user": "enms_user", "password": place.cluster.password, "dbname": "enms"}


def test_backup_in_restoring_mode(place: Server) -> None:
    with place.connect() as session:
        session.execute("alter database enms set timescaledb.restoring to on")
        try:
            assert "restoring mode: select timescaledb_post_restore() in it" in error(place.run("backup"))
        finally:
            session.execute("alter database enms reset timescaledb.restoring")


def test_backup_of_the_other_edition(request: pytest.FixtureRequest) -> None:
    """Really made by the other edition; its versions are said to be this server's, which would be refused before."""
    with server(COMMUNITY, request.config) as community, server(APACHE, request.config) as apache:
        for source, target in (community, apache), (apache, community):
            made, before = source.backup(), (target.databases(), target.roles())
            here = target.cluster.installation
            assert "by TimescaleDB " in error(target.run("restore", str(made)))
            said(timescaledb=here.timescaledb)(made)
            line = error(target.run("restore", str(made)))
            if source.cluster.installation.major > here.major:
                assert f"by PostgreSQL {source.cluster.installation.major}, this server is {here.major}: restore into" in line
            else:
                assert f"{source.cluster.installation.edition} edition, this server runs {here.edition}" in line
            assert (target.databases(), target.roles()) == before
