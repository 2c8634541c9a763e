"""The embedded engine, by its commands, in a copy of the checkout with a server of its own."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import free_port
from engine_cli import CHECKOUT, Checkout, only_error

from scripts import account, server, settings
from scripts.cluster import Cluster
from scripts.debian import cache_folder
from scripts.server import GIB, Installation

pytestmark = pytest.mark.one_edition

NO_SERVER = "none"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def _checkout(path: Path, installation: Installation | None, empty: Path) -> Checkout:
    """A copy of the checkout whose engine finds that installation, or for None no server of the machine."""
    empty.mkdir(exist_ok=True)
    bindir = installation.bindir if installation and installation.origin == "host" else empty
    return Checkout(path, ENGINE="embedded", ENMS_PORT=free_port(), ENMS_PG_BIN=bindir)


@pytest.fixture(scope="module")
def booted(
    edition: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Checkout]:
    """A checkout after its first `up`, on the edition's server; tests leave it up. `.output` is what `up` said."""
    installation = request.config.installations.get(edition)
    if installation is None:
        pytest.skip(f"no {edition} edition on this machine")
    folder = tmp_path_factory.mktemp(edition)
    checkout = _checkout(folder / "enms", installation, folder / NO_SERVER)
    checkout.output = checkout.up()
    yield checkout
    checkout.run("clean", "--force")


@pytest.fixture
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Checkout]:
    """A checkout that has never been up, on the best server of the machine."""
    installation = next(iter(request.config.installations.values()), None)
    if installation is None:
        pytest.skip("no server on this machine")
    checkout = _checkout(tmp_path / "enms", installation, tmp_path / NO_SERVER)
    yield checkout
    checkout.run("clean", "--force")


@pytest.fixture
def serverless(tmp_path: Path) -> Checkout:
    """A checkout on a machine without PostgreSQL, whose cache is empty."""
    checkout = _checkout(tmp_path / "enms", None, tmp_path / NO_SERVER)
    checkout.environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    return checkout


def test_up_says_what_it_took_and_how_to_connect(booted: Checkout, edition: str) -> None:
    assert "Engine: embedded, as ENGINE says" in booted.output
    assert re.search(rf"^Server: PostgreSQL \S+ with TimescaleDB \S+ \({edition} edition\)$", booted.output, re.M)
    connect = re.search(r'^Connect: psql "(.*)" \(password: POSTGRES_PASSWORD in \.env\)', booted.output, re.M)
    shown = subprocess.run(
        ["psql", connect[1], "-XAtc", "select count(*) from enms.schema_version"],
        env=os.environ | {"PGPASSWORD": booted.password()}, capture_output=True, text=True,
    )  # fmt: skip
    assert shown.stdout.strip() == "1", shown.stderr


def test_env_is_private_and_its_password_random_and_unseen(booted: Checkout, tmp_path: Path) -> None:
    file = booted.path / ".env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(booted.password()) >= 24
    assert booted.password() not in booted.output
    command_lines = b"".join(path.read_bytes() for path in _readable(Path("/proc").glob("[0-9]*/cmdline")))
    assert booted.password().encode() not in command_lines
    example = (booted.path / ".env.example").read_text()
    assert file.read_text().replace(booted.password(), "") == example


def _readable(paths) -> Iterator[Path]:
    for path in paths:
        with contextlib.suppress(OSError):
            path.read_bytes()
            yield path


def test_a_wrong_password_is_refused(booted: Checkout) -> None:
    run = booted.run("psql", "-c", "select 1", POSTGRES_PASSWORD="wrong")
    assert run.returncode != 0 and "password authentication failed" in run.stderr


def test_postgresql_conf_is_the_configuration_in_force(booted: Checkout) -> None:
    declared = re.findall(r"^([a-z_.]+) = ('[^']*'|\S+)", (booted.path / "postgresql.conf").read_text(), re.M)
    assert len(declared) > 30
    assert booted.query("show config_file").endswith("/postgresql.conf")
    rows = booted.query("select name, setting, applied, coalesce(error, '') from pg_file_settings order by seqno")
    file = [tuple(row.split("|")) for row in rows.splitlines()]
    expected = [(name, value.strip("'")) for name, value in declared]
    assert [(name, setting) for name, setting, *_ in file] == expected
    # The address is the command's own; memory may be scaled to the machine.
    elsewhere = {"listen_addresses", *server.memory_flags()}
    assert [name for name, _, applied, error in file if applied != "t" or error] == [
        name for name, _ in expected if name in elsewhere
    ]


def test_cluster_is_made_as_the_image_makes_it(booted: Checkout) -> None:
    settings = (
        "select current_setting('data_checksums'), current_setting('server_encoding'), datcollate from pg_database"
    )
    assert booted.query(f"{settings} where datname = 'enms'") == "on|UTF8|C.UTF-8"
    assert booted.query("select distinct auth_method from pg_hba_file_rules") == "scram-sha-256"
    assert booted.query("select rolpassword like 'SCRAM-SHA-256$%' from pg_authid where rolname = 'enms_user'") == "t"


def test_second_up_changes_nothing(booted: Checkout) -> None:
    before = booted.pid(), booted.query("select completed_at from enms.schema_version")
    again = booted.up()
    assert "which is up already" in again and "Connect: " in again
    assert (booted.pid(), booted.query("select completed_at from enms.schema_version")) == before


def test_every_command_takes_from_libpq_what_enms_dsn_leaves_open(booted: Checkout) -> None:
    dsn = "host=127.0.0.1 user=enms_user dbname=enms"
    given = {"ENMS_DSN": dsn, "PGPORT": booted.environment["ENMS_PORT"], "PGPASSWORD": booted.password(), "PGAPPNAME": "plant"}
    # Each of these would lead some of them elsewhere, or make another session.
    read_only = "-c default_transaction_read_only=on"
    astray = {"PGHOSTADDR": "203.0.113.7", "PGSERVICE": "other", "PGOPTIONS": read_only, "PGCLIENTENCODING": "LATIN1"}
    for command in ("status",), ("verify", "--only", "roles"), ("apply",):
        run = booted.run(*command, **given | astray)
        assert run.returncode == 0, (command, run.stdout, run.stderr)
    run = booted.run("psql", "-XAtc", "select current_setting('application_name') || current_setting('client_encoding')", **given | astray)
    assert run.stdout.strip() == "plantUTF8"
    # On an engine of ours, too.
    assert "embedded" in booted.run("status", **astray).stdout


def test_who_is_in_neither_group_enters_no_database(booted: Checkout) -> None:
    open_ = "select datname from pg_database where datallowconn and has_database_privilege('public', oid, 'connect, temporary')"
    assert booted.query(open_) == ""


def test_server_outlives_the_terminal(booted: Checkout) -> None:
    assert os.getsid(booted.pid()) == booted.pid()


def test_psql_passes_arguments_and_exit_code(booted: Checkout) -> None:
    assert booted.run("psql", "-XAt", "-c", "select 1", "-c", "select 2").stdout.split() == ["1", "2"]
    assert booted.run("psql", "-X", "-v", "ON_ERROR_STOP=1", "-c", "select 1/0").returncode == 1


def test_status_describes_the_database(booted: Checkout, edition: str) -> None:
    run = booted.run("status")
    port = booted.environment["ENMS_PORT"]
    assert run.returncode == 0, run.stderr
    for fact in "embedded", f"port={port}", f"({edition} edition)", str(booted.data), "complete since":
        assert fact in run.stdout
    assert booted.password() not in run.stdout


def test_dsn_leads_to_the_database_and_can_be_overridden(booted: Checkout) -> None:
    dsn = booted.run("dsn").stdout.strip()
    assert "password" not in dsn
    elsewhere = booted.run("psql", "-XAtc", "show application_name", ENMS_DSN=f"{dsn} application_name=other")
    assert "password" in elsewhere.stderr
    given = f"{dsn} application_name=other password={booted.password()}"
    assert booted.run("psql", "-XAtc", "show application_name", ENMS_DSN=given).stdout.strip() == "other"
    assert "ENMS_DSN" in only_error(booted.run("psql", ENMS_DSN="host"), code=2)


def test_logs_show_the_end_and_follow(booted: Checkout) -> None:
    booted.query("do $$ begin raise log 'first mark'; end $$")
    assert "first mark" in booted.run("logs", "-n", "5").stdout
    follower = subprocess.Popen(
        booted.command("logs", "-f", "-n", "0"),
        cwd=booted.path,
        env=booted.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        # It may not follow yet when the first line is written.
        booted.query("do $$ begin for i in 1..5 loop raise log 'second mark'; perform pg_sleep(0.5); end loop; end $$")
        assert any("second mark" in line for line in iter(follower.stdout.readline, ""))
    finally:
        follower.terminate()
        follower.communicate()


def test_apply_runs_init_again(booted: Checkout) -> None:
    extra = booted.path / "init" / "99-probe.sql"
    extra.write_text("create view probe as select 1 as one;\n")
    try:
        assert booted.run("apply").returncode == 0
        assert booted.query("select one from probe") == "1"
        assert re.search(r"init/99-probe\.sql:1: ERROR: .*probe", only_error(booted.run("apply")))
    finally:
        extra.unlink()
        booted.query("drop view if exists probe")
    verified = booted.run("verify")
    assert verified.returncode == 0, verified.stdout


def test_a_configuration_that_was_not_loaded_is_drift(fresh: Checkout) -> None:
    fresh.up()
    conf = fresh.path / "postgresql.conf"
    conf.write_text(conf.read_text().replace("work_mem = 64MB", "work_mem = 63MB"))
    run = fresh.run("verify", "--only", "settings")
    assert run.returncode == 1 and "setting work_mem" in run.stdout, run.stdout


def test_verify_passes_arguments_on(booted: Checkout) -> None:
    run = booted.run("verify", "--format", "json")
    assert run.returncode == 0, run.stderr
    assert run.stdout.lstrip().startswith("{")
    assert booted.run("verify", "--no-such-option").returncode == 2


def test_down_and_up_keep_the_data(booted: Checkout) -> None:
    booted.query("drop schema if exists own cascade; create schema own; create table own.kept as select 42 as answer")
    assert booted.run("down").returncode == 0
    assert "No database is up; data is kept: embedded" in booted.run("status").stdout
    assert "make up" in only_error(booted.run("psql"))
    assert "Running init/" not in booted.up()
    assert booted.query("select answer from own.kept") == "42"
    booted.query("drop schema own cascade")


def test_committed_data_survives_a_kill_and_a_foreign_process_with_the_stale_id(booted: Checkout) -> None:
    booted.query("drop schema if exists own cascade; create schema own; create table own.kept as select 42 as answer")
    _kill(booted)
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        lock = booted.data / "postmaster.pid"
        lock.write_text("\n".join([str(bystander.pid), *lock.read_text().splitlines()[1:]]) + "\n")
        assert "No database is up" in booted.run("status").stdout
        booted.up()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert booted.query("select answer from own.kept") == "42"
    booted.query("drop schema own cascade")


def _kill(checkout: Checkout) -> None:
    pid = checkout.pid()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for victim in [pid, *map(int, children)]:
        os.kill(victim, signal.SIGKILL)
    while Path(f"/proc/{pid}/stat").exists():
        time.sleep(0.02)


def test_clean_asks_first(booted: Checkout) -> None:
    assert "FORCE=1" in only_error(booted.run("clean"))
    assert "nothing was deleted" in only_error(booted.answer("no", "clean"))
    assert booted.query("select 1") == "1"
    run = booted.answer("yes", "clean")
    assert run.returncode == 0 and not booted.data.exists(), run.stderr
    assert "There is no data to delete" in booted.run("clean", "--force").stdout
    # The password in .env serves the next database.
    password = booted.password()
    booted.up()
    assert booted.password() == password


def test_edited_configuration_is_in_force_after_a_restart(fresh: Checkout) -> None:
    fresh.up()
    with open(fresh.path / "postgresql.conf", "a") as conf:
        conf.write("work_mem = 65MB\n")
    fresh.run("down")
    # The verifier holds the same file against the server.
    fresh.up()
    assert fresh.query("show work_mem") == "65MB"


def test_port_in_use_is_named_and_leaves_nothing(fresh: Checkout) -> None:
    port = int(fresh.environment["ENMS_PORT"])
    with socket.create_server(("127.0.0.1", port)):
        assert f"port {port} is in use" in only_error(fresh.run("up"))
        assert not fresh.data.exists()
    fresh.up()
    fresh.run("down")
    with socket.create_server(("127.0.0.1", port)):
        assert f"port {port} is in use" in only_error(fresh.run("up"))


def test_failing_init_stops_the_server_and_is_not_taken_for_a_database(fresh: Checkout) -> None:
    broken = fresh.path / "init" / "02-broken.sql"
    broken.write_text("select 1;\nselect 1/0;\n")
    error = only_error(fresh.run("up"))
    assert re.search(r"init/02-broken\.sql:2: ERROR: +division by zero", error) and "make clean" in error
    assert "No database is up" in fresh.run("status").stdout
    broken.unlink()
    assert "make clean" in only_error(fresh.run("up"))
    assert fresh.run("clean", "--force").returncode == 0
    fresh.up()


def test_interrupted_first_boot_is_not_taken_for_a_database(fresh: Checkout) -> None:
    (fresh.path / "init" / "02-slow.sql").write_text("select pg_sleep(600);\n")
    boot = subprocess.Popen(
        fresh.command("up"), cwd=fresh.path, env=fresh.environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    said = ""
    while "Running init/" not in said:
        letter = boot.stdout.read(1)
        assert letter, boot.stderr.read()
        said += letter
    os.killpg(boot.pid, signal.SIGINT)
    _, errors = boot.communicate(timeout=60)
    assert boot.returncode == 130 and errors.strip() == "error: interrupted"
    assert "No database is up" in fresh.run("status").stdout
    assert "make clean" in only_error(fresh.run("up"))


def test_changed_password_is_told_from_a_broken_server(fresh: Checkout) -> None:
    fresh.up()
    fresh.run("down")
    assert "password" in only_error(fresh.run("up", POSTGRES_PASSWORD="another"))
    assert "No database is up" in fresh.run("status").stdout
    (fresh.path / ".env").unlink()
    assert ".env is missing" in only_error(fresh.run("up"))
    assert not (fresh.path / ".env").exists()


def test_broken_download_leaves_nothing_behind(serverless: Checkout) -> None:
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    nobody_listens = f"http://127.0.0.1:{free_port()}"
    error = only_error(serverless.run("up", http_proxy=nobody_listens, https_proxy=nobody_listens))
    assert "could not be fetched: E: " in error and ".log" in error
    cache = Path(serverless.environment["XDG_CACHE_HOME"]) / "enms"
    assert {path.suffix for path in cache.iterdir()} == {".lock", ".log"}
    assert not serverless.data.exists()


def test_missing_tool_is_named(serverless: Checkout, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    error = only_error(serverless.run("up", PATH=tools))
    assert "needs mmdebstrap" in error and "ENGINE=docker" in error


def test_old_and_incomplete_servers_are_passed_over_with_the_reason(tmp_path: Path) -> None:
    for name, script in ("postgres", "echo 'postgres (PostgreSQL) 14.9'"), ("initdb", "true"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(server.Unfit, match="14.9 .* is not one of 15 to 18"):
        server.inspect(tmp_path)
    (tmp_path / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 17.5'\n")
    with pytest.raises(server.Unfit, match="has no timescaledb"):
        server.inspect(tmp_path)
    (tmp_path / "initdb").unlink()
    with pytest.raises(server.Unfit, match="has no initdb"):
        server.inspect(tmp_path)


@root_only
def test_full_disk_is_named_at_first_boot_and_later(fresh: Checkout) -> None:
    state = fresh.path / ".enms"
    with _small_disk(state, "100m"):
        assert re.search(r"has \d+ MB free, a new database needs", only_error(fresh.run("up")))
    with _small_disk(state, "350m"):
        fresh.up()
        fresh.run("down")
        filler = state / "filler"
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        assert "the disk is full" in only_error(fresh.run("up"))
        filler.unlink()
        fresh.up()
        assert fresh.run("clean", "--force").returncode == 0


@contextlib.contextmanager
def _small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@root_only
def test_root_can_use_a_folder_that_others_cannot_enter(booted: Checkout, tmp_path: Path) -> None:
    private = tmp_path / "home"
    private.mkdir(mode=0o700)
    checkout = Checkout(private / "enms", **_engine_variables(booted))
    try:
        checkout.up()
        assert checkout.query("show config_file").endswith("/postgresql.conf")
        declared = "select count(*) > 30 from pg_file_settings where error is null"
        assert checkout.query(declared) == "t"
        _kill(checkout)
        checkout.up()
    finally:
        checkout.run("clean", "--force")


@root_only
def test_ordinary_user_needs_no_privilege(booted: Checkout) -> None:
    user = pwd.getpwnam("nobody").pw_uid
    # pytest closes its own temporary folders to other users.
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o755)
        # Debian's packages, where they are the server, have been fetched by root.
        variables = _engine_variables(booted) | {"HOME": home, "XDG_CACHE_HOME": cache_folder().parent}
        checkout = Checkout(Path(home) / "enms", **variables)
        checkout.python = _python_for(user, checkout)
        for path in [checkout.path, *checkout.path.rglob("*")]:
            os.chown(path, user, user)
        try:
            run = checkout.run("up", user=user)
            assert run.returncode == 0, run.stdout + run.stderr
            assert checkout.data.stat().st_uid == user
            assert checkout.run("status", user=user).returncode == 0
            assert checkout.run("down", user=user).returncode == 0
            assert checkout.run("up", user=user).returncode == 0
        finally:
            checkout.run("clean", "--force", user=user)


def _python_for(user: int, checkout: Checkout) -> str:
    """A Python with the packages that the user may run: this one, or the system's with this one's packages."""
    checkout.environment["PYTHONPATH"] = sysconfig.get_path("purelib")
    for python in sys.executable, "/usr/bin/python3":
        with contextlib.suppress(OSError):
            command = [python, "-c", "import psycopg, rich"]
            run = subprocess.run(
                command, env=checkout.environment, user=user, group=user, extra_groups=[], capture_output=True
            )
            if run.returncode == 0:
                return python
    pytest.skip("an ordinary user cannot run a Python with the packages here")


def _engine_variables(booted: Checkout) -> dict[str, object]:
    return {"ENGINE": "embedded", "ENMS_PORT": free_port(), "ENMS_PG_BIN": booted.environment["ENMS_PG_BIN"]}


@pytest.mark.parametrize(
    ("variables", "named", "code"),
    [
        ({"ENMS_PORT": "post"}, "ENMS_PORT", 1),
        ({"ENMS_PORT": "70000"}, "ENMS_PORT", 1),
        ({"ENMS_BIND": "203.0.113.7"}, "203.0.113.7", 1),
        ({"POSTGRES_PASSWORD": ""}, "POSTGRES_PASSWORD", 1),
    ],
)
def test_wrong_settings_are_named(fresh: Checkout, variables: dict[str, str], named: str, code: int) -> None:
    (fresh.path / ".env").write_text(
        "POSTGRES_PASSWORD=\n" if "POSTGRES_PASSWORD" in variables else "POSTGRES_PASSWORD=x\n"
    )
    assert named in only_error(fresh.run("up", **variables), code)
    assert not fresh.data.exists()


def test_env_is_read_as_compose_reads_it(fresh: Checkout) -> None:
    port = fresh.environment.pop("ENMS_PORT")
    (fresh.path / ".env").write_text(
        f"# a comment\nPOSTGRES_PASSWORD='a $b #c'\nPOSTGRES_DB=\"plant\"\n\nexport ENMS_PORT={port}  # as the others\n"
    )
    fresh.up()
    assert fresh.query("select current_database() || inet_server_port()") == f"plant{port}"
    (fresh.path / ".env").write_text("POSTGRES_PASSWORD=a$b\n")
    assert "single quotes" in only_error(fresh.run("psql"))


def test_unknown_engine_is_wrong_usage(fresh: Checkout) -> None:
    run = fresh.run("up", ENGINE="podman")
    assert run.returncode == 2 and "podman" in run.stderr


def test_memory_settings_are_scaled_and_in_force(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    assert server.memory_flags(16 * GIB) == server.memory_flags(8 * GIB) == {}
    flags = server.memory_flags(2 * GIB)
    assert flags == {
        "shared_buffers": "512MB",
        "effective_cache_size": "1536MB",
        "maintenance_work_mem": "128MB",
        "work_mem": "16MB",
    }
    installation = next(iter(request.config.installations.values()), None)
    if installation is None:
        pytest.skip("no server on this machine")
    cluster = Cluster(installation, tmp_path, free_port(), "secret")
    cluster.create()
    cluster.start(flags)
    try:
        show = [*cluster.psql(), "-XAtc", "show shared_buffers"]
        shown = subprocess.run(show, env=cluster.environment("postgres"), capture_output=True, text=True)
        assert shown.stdout.strip() == "512MB"
    finally:
        cluster.stop("immediate")


@root_only
def test_root_writes_through_no_link_of_the_servers_user(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    installation = next(iter(request.config.installations.values()), None)
    if installation is None:
        pytest.skip("no server on this machine")
    victim = tmp_path / "victim"
    victim.write_text("root's own")
    (tmp_path / "home").mkdir(mode=0o700)
    cluster = Cluster(installation, tmp_path / "home" / "state", free_port(), "secret", conf=tmp_path / "home" / "postgresql.conf")
    shutil.copy(CHECKOUT / "postgresql.conf", cluster.conf)
    cluster.create()
    owner = cluster.data.stat().st_uid
    names = "postgresql.conf", "off.conf", "server.pem"
    for name in names:
        (cluster.data / name).unlink(missing_ok=True)
        (cluster.data / name).symlink_to(victim)
    before = os.umask(0o077)
    try:
        account.put(account.server_account(), cluster.data / "server.pem", b"a key")
        cluster.start(server.memory_flags(), hba=CHECKOUT / "scripts" / "hba" / "off.conf")
    finally:
        os.umask(before)
        cluster.stop("immediate")
    assert victim.read_text() == "root's own"
    for name in names:
        status = (cluster.data / name).lstat()
        assert (stat.S_ISREG(status.st_mode), stat.S_IMODE(status.st_mode), status.st_uid) == (True, 0o600, owner), name


def test_backups_may_be_kept_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for given, folder in {"~/backups": tmp_path / "backups", "here": CHECKOUT / "here", "/there": Path("/there")}.items():
        monkeypatch.setenv("ENMS_BACKUPS", given)
        assert settings.backups_folder() == folder


def test_full_memory_is_what_postgresql_conf_declares() -> None:
    conf = (CHECKOUT / "postgresql.conf").read_text()
    units = {"GB": GIB, "MB": GIB >> 10}
    for name, full in server.MEMORY_SETTINGS.items():
        number, unit = re.search(rf"^{name} = (\d+)(GB|MB)", conf, re.M).groups()
        assert int(number) * units[unit] == full, name


def test_workers_suffice_for_the_settings_that_share_them() -> None:
    conf = dict(re.findall(r"^([a-z_.]+) = '?([^'\s]+)", (CHECKOUT / "postgresql.conf").read_text(), re.M))
    workers = int(conf["timescaledb.max_background_workers"])
    assert workers >= 26
    assert int(conf["max_worker_processes"]) >= workers + int(conf["max_parallel_workers"]) + 3


def test_make_lists_every_task_and_runs_them(booted: Checkout) -> None:
    makefile = (booted.path / "Makefile").read_text()
    tasks = re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split()
    _lend_venv(booted.path)

    def make(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["make", *arguments], cwd=booted.path, env=booted.environment, capture_output=True, text=True
        )

    listed = make().stdout
    assert [line.split()[1] for line in listed.splitlines()] == tasks
    assert "embedded" in make("status").stdout
    assert make("psql", "ARGS=-XAtc 'select 6 * 7'").stdout.strip() == "42"
    assert make("logs", "ARGS=-n 1").stdout.count("\n") == 1
    refused = make("clean")
    assert refused.returncode and "FORCE=1" in refused.stderr
    assert make("status", "ENGINE=podman").returncode


def _lend_venv(checkout: Path) -> None:
    """Stand this Python in for the checkout's .venv, which is made from the network."""
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (checkout / ".venv" / "ready").touch()


def test_missing_venv_module_is_named(fresh: Checkout, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in "sh", "make", "mktemp", "rm":
        (tools / name).symlink_to(shutil.which(name))
    python = tools / "python3"
    # Debian's python3 without its package python3-venv.
    python.write_text(f"""#!/bin/sh\ncase "$*" in *venv*) exit 1;; esac\nexec {sys.executable} "$@"\n""")
    python.chmod(0o755)
    command = ["make", "status"]
    run = subprocess.run(
        command, cwd=fresh.path, env=fresh.environment | {"PATH": str(tools)}, capture_output=True, text=True
    )
    assert "error: python3 cannot make .venv: install its venv module" in run.stderr
    assert not (fresh.path / ".venv" / "ready").exists()
