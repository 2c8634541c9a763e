"""A server with a database worth backing up, and the engine's commands on it, which can be stopped at any step."""

import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from conftest import ABSENT, CHECKOUT, SETTINGS, free_port
from scripts.cluster import Cluster
from scripts.server import COMMUNITY, Installation
from verified import until

Change = Callable[[Path], None]

# Runs the engine, which stops itself at the n-th call of a function, and may be continued. A function written in C goes by the
# module that calls it, and so do the steps of moving and deleting files.
STOPPED = """
import os, pathlib, runpy, signal, sys
left = {count}
def call(frame, event, function):
    global left
    file = pathlib.PurePath(frame.f_code.co_filename)
    # A package since Python 3.13.
    file = file.parent if file.parent.name == "pathlib" else file
    if event not in ("call", "c_call") or file.parent.name != "backup" and file.stem not in ("pathlib", "shutil"):
        return
    name = frame.f_code.co_name if event == "call" else function.__name__
    if (file.stem, name) == {at!r} and (left := left - 1) == 0:
        sys.setprofile(None)
        os.kill(os.getpid(), signal.SIGSTOP)
if not {verified}:
    from scripts.backup import verdict
    verdict.failing = lambda database: {{}}
sys.setprofile(call)
runpy.run_module("scripts.engine", run_name="__main__")
"""
# Everything that holds rows of the schema's or a user's, as a client reads it; the rollups are views on either edition.
READ = """
select format('%s.%I', c.relnamespace::regnamespace, c.relname) from pg_class c
where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace::regnamespace::text !~ '^(pg_|_?timescaledb_|information_)'
   or c.relkind = 'v' and c.relname ~ '^(energy_readings|energy_by_carrier|production_data|environmental).*_(1min|15min|1hour|1day|daily)$'
order by 1
"""
PLACE = """
select datdba::regrole::text, datconnlimit, datallowconn, pg_encoding_to_char(encoding), datcollate,
       shobj_description(oid, 'pg_database'),
       array(select format('%s %s %s', coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), a.privilege_type, a.is_grantable)
             from aclexplode(coalesce(datacl, acldefault('d', datdba))) a order by 1),
       array(select format('%s %s', nullif(s.setrole, 0)::regrole, s.setconfig) from pg_db_role_setting s where s.setdatabase = d.oid order by 1)
from pg_database d where datname = current_database()
"""


class Server:
    """A running server with a folder of backups, and the engine's commands on one of its databases."""

    def __init__(self, installation: Installation, state: Path, backups: Path | None = None, settings: dict[str, str] | None = None) -> None:
        self.cluster = Cluster(installation, state, free_port(), secrets.token_urlsafe(16))
        self.backups = backups or state / "backups"
        self.cluster.create()
        self.cluster.start(SETTINGS if settings is None else {"shared_buffers": "256MB", **settings})
        self.cluster.create_database("enms")
        self.cluster.run_init("enms")

    def environment(self, **more: object) -> dict[str, str]:
        ours = ("PG", "ENMS", "POSTGRES", "ENGINE")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        # The server's own pg_dump, where the machine has none of its major version.
        clean["PATH"] = f"{self.cluster.installation.bindir}:{clean['PATH']}"
        given = {"ENMS_DSN": self.cluster.dsn("enms"), "ENMS_BACKUPS": self.backups, "ENMS_KEEP_BACKUPS": 7} | more
        return clean | {name: str(value) for name, value in given.items()}

    def run(self, *arguments: str, **environment: object) -> subprocess.CompletedProcess:
        """Run `python -m scripts.engine` with the arguments to its end."""
        command = [sys.executable, "-m", "scripts.engine", *arguments]
        return subprocess.run(command, cwd=CHECKOUT, env=self.environment(**environment), capture_output=True, text=True)

    def done(self, *arguments: str, **environment: object) -> str:
        """The same for a command that has to succeed; its output."""
        run = self.run(*arguments, **environment)
        assert run.returncode == 0 and not run.stderr, run.stdout + run.stderr
        return run.stdout

    @contextmanager
    def stopped(self, step: str, *arguments: str, verified: bool = False, **environment: object) -> Iterator[subprocess.Popen]:
        """A command that stands still at a step, as in archive:dump#2, the second call; in a process group of its own.

        The verifier only reads, and is left out unless `verified`.
        """
        at, _, count = step.partition("#")
        script = STOPPED.format(count=count or 1, at=tuple(at.split(":")), verified=verified)
        command = [sys.executable, "-c", script, *arguments]
        process = subprocess.Popen(
            command, cwd=CHECKOUT, env=self.environment(**environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                process.returncode = os.waitstatus_to_exitcode(status)
                pytest.fail(f"{arguments} did not come to {step}: {process.communicate()}")
            yield process
        finally:
            if process.returncode is None and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def backup(self, **environment: object) -> Path:
        """A new backup."""
        there = self.folders()
        self.done("backup", **environment)
        (made,) = self.folders() - there
        return made

    def folders(self) -> set[Path]:
        """What is in the folder of backups under a backup's name."""
        return {path for path in self.backups.glob("*") if not path.name.startswith(".")} if self.backups.exists() else set()

    def left(self) -> set[str]:
        """What a command that ended should not have left: parts of backups, databases beside ours."""
        parts = {path.name for path in self.backups.rglob(".part-*")}
        return parts | {name for name in self.databases() if name not in ("enms", "postgres", "template0", "template1")}

    def databases(self) -> dict[str, int]:
        """Number of every database by name."""
        with self.connect("postgres") as session:
            return dict(session.execute("select datname, oid::bigint from pg_database").fetchall())

    def connect(self, dbname: str = "enms", **options: object) -> psycopg.Connection:
        return psycopg.connect(self.cluster.dsn(dbname), autocommit=True, **options)

    def digests(self, dbname: str = "enms") -> dict[str, str]:
        """MD5 of every table's and rollup's rows, sorted, as COPY writes them."""
        with self.connect(dbname, options="-c timezone=UTC") as session:
            return {name: rows_digest(session, name) for (name,) in session.execute(READ).fetchall()}

    def state(self) -> tuple:
        """What may not change when a backup or a restore does not reach its end."""
        with self.connect() as session:
            jobs = session.execute("select job_id, proc_name, scheduled, schedule_interval, config from timescaledb_information.jobs order by 1").fetchall()
            (oid,) = session.execute("select oid::bigint from pg_database where datname = current_database()").fetchone()
            place = session.execute(PLACE).fetchone()
        return oid, place, jobs, self.roles(), self.digests()

    def roles(self) -> list[tuple[str, str | None]]:
        """The roles and their hashed passwords."""
        with self.connect("postgres") as session:
            return session.execute("select rolname, rolpassword from pg_authid order by 1").fetchall()

    def schema(self) -> set[str]:
        """The lines of the database's definition, as pg_dump writes it."""
        dump = [self.cluster.installation.program("pg_dump") or "pg_dump", "--schema-only"]
        text = subprocess.run(dump, env=self.cluster.environment(), capture_output=True, text=True, check=True).stdout
        # Read back, an expression is printed with its casts and brackets in other places.
        text = re.sub(r"::(character varying|text)(\[\])?|[()]", "", text)
        return {line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))}


@contextmanager
def server(edition: str, config: pytest.Config, state: Path | None = None, **options: object) -> Iterator[Server]:
    """A throw-away server of the edition with a freshly initialised database `enms`, in the folder `state`."""
    installation = config.installations.get(edition)
    if installation is None:
        pytest.skip(ABSENT[edition])
    state = state or Path(tempfile.mkdtemp(prefix="enms-backup-"))
    made = None
    try:
        made = Server(installation, state, **options)
        yield made
    finally:
        if made:
            made.cluster.stop("immediate")
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of any edition, with readings and a role and settings that the backup brings along."""
    edition = next(iter(sorted(request.config.installations, reverse=True)), COMMUNITY)
    with server(edition, request.config) as made:
        with made.connect() as session:
            fill(session, edition, days=(20,))
            session.execute("create role clerk login password 'c' in role enms_reader; alter role clerk set search_path = ''; alter database enms set own.motto to 'x'")
            # Policies that run change what a client reads while they do.
            session.execute("select alter_job(job_id, scheduled => false) from timescaledb_information.jobs where hypertable_name is not null")
        yield made


@pytest.fixture(scope="module")
def backup(place: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup with a role that the server does not have any more; out of reach of the rotation."""
    made = Path(shutil.move(place.backup(), tmp_path_factory.mktemp("moved")))
    with place.connect() as session:
        session.execute("drop role clerk")
    return made


@pytest.fixture
def tidied(place: Server) -> Iterator[None]:
    """What restores that succeed leave on purpose is dropped after the test."""
    yield
    with place.connect("postgres") as session:
        for name in place.left():
            session.execute(f"drop database if exists {name} with (force)")
        session.execute("drop role if exists clerk")


def rows_digest(session: psycopg.Connection, relation: str) -> str:
    """MD5 of the sorted rows; the relation's name is quoted already where it has to be."""
    question = sql.SQL('copy (select r::text from {} r order by r::text collate "C") to stdout').format(sql.SQL(relation))
    digest = hashlib.md5()
    with session.cursor() as cursor, cursor.copy(question) as rows:
        for block in rows:
            digest.update(block)
    return digest.hexdigest()


def fill(session: psycopg.Connection, edition: str, days: tuple[int, ...] = (100, 75, 20, 3)) -> None:
    """Readings in compressed, uncompressed and fresh chunks, and rollups of readings that retention has dropped."""
    session.execute("select _timescaledb_functions.stop_background_workers()")
    for ago in days:
        readings(session, ago)
    if edition == COMMUNITY:
        rollups = session.execute(
            "select format('%I.%I', view_schema, view_name) from timescaledb_information.continuous_aggregates order by length(materialization_hypertable_name), materialization_hypertable_name"
        )
        for (name,) in rollups.fetchall():
            session.execute(f"call refresh_continuous_aggregate('{name}', null, null)")
        jobs = "select job_id from timescaledb_information.jobs where proc_name = %s"
        for procedure in "policy_compression", "policy_retention":
            for (job,) in session.execute(jobs, [procedure]).fetchall():
                session.execute(f"call run_job({job})")
    readings(session, 0)


def readings(session: psycopg.Connection, days: int) -> None:
    """Two hours of readings of every machine and kind, that many days ago; at 0 they end now."""
    series = "from machines m, generate_series(now() - interval '2 hours', now(), interval '1 minute') s (at)"
    ago = f"s.at - interval '{days} days', m.id"
    session.execute(
        f"insert into energy_readings (time, machine_id, energy_type, power_kw, energy_kwh, voltage_v)"
        f"select {ago}, k, 10 + random() * 9, random(), nullif(round(random() * 400), 0) {series}, unnest(array['electricity', 'steam']) k"
    )
    session.execute(f"insert into production_data (time, machine_id, production_count, operating_mode) select {ago}, 3, 'running' {series}")
    session.execute(f"insert into environmental_data (time, machine_id, outdoor_temp_c) select {ago}, random() * 9 {series}")


def rows(session: psycopg.Connection, table: str) -> int:
    """Rows of a table or a view."""
    return session.execute(f"select count(*) from {table}").fetchone()[0]


def error(run: subprocess.CompletedProcess, code: int = 1) -> str:
    """The one line on stderr of a command that ended with `code`."""
    lines = run.stderr.strip().splitlines()
    assert run.returncode == code and len(lines) == 1 and lines[0].startswith("error: "), (run.returncode, run.stdout, run.stderr)
    return lines[0]


def flipped(name: str) -> Change:
    def change(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return change


def resized(name: str, by: int) -> Change:
    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:by] if by < 0 else content + b"\n" * by)

    return change


def gone(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def said(**changes: object) -> Change:
    """Another manifest, with its checksum right."""

    def change(folder: Path) -> None:
        text = json.dumps(json.loads((folder / "manifest.json").read_text()) | changes)
        (folder / "manifest.json").write_text(text)
        (folder / "manifest.sha256").write_text(f"{hashlib.sha256(text.encode()).hexdigest()}  manifest.json\n")

    return change


def whole(place: Server) -> set[Path]:
    """The backups; fails the test on a folder under a backup's name that is not one, by other tools than those that wrote it."""
    for folder in place.folders():
        assert subprocess.run(["sha256sum", "--check", "--status", "--strict", "manifest.sha256"], cwd=folder).returncode == 0, folder
        for name, file in json.loads((folder / "manifest.json").read_text())["files"].items():
            said = subprocess.run(["sha256sum", folder / name], capture_output=True, text=True).stdout.split()[0]
            assert said == file["sha256"], folder / name
    return place.folders()


def is_as_it_was(place: Server, before: tuple) -> None:
    """The database is the same one, open, with its jobs."""
    assert place.state() == before
    if place.cluster.installation.edition == COMMUNITY:
        with place.connect() as session:
            until(session, "select count(*) > 0 from pg_stat_activity where datname = 'enms' and backend_type like 'TimescaleDB Background Worker Sch%'", 20)
