"""The verifier where something is in its way: one clear message and the right exit code, never a traceback."""

import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from conftest import CHECKOUT, free_port
from scripts.cluster import Cluster
from verified import SOURCES, SPEC, dsn, names, own_cluster, run  # noqa: F401
from verify import cli, configuration, waiting
from verify.catalog import Catalog
from verify.checks import server as gates
from verify.connection import SESSION, Target, connect, prepare
from verify.registry import Context, Runner
from verify.result import ExitCode, Outcome, Result
from verify.sources import Sources
from verify.written import written

pytestmark = pytest.mark.one_edition

Main = Callable[..., tuple[int, str, str]]


@pytest.fixture
def main(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Main:
    """The command line in this process: exit code, stdout and stderr of a run. init/ is read once for all."""
    for name in [name for name in os.environ if name.startswith(("PG", "ENMS_DSN"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(cli, "Sources", lambda: SOURCES)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(list(arguments))
        return code, *capsys.readouterr()

    return call


def one_error(ran: tuple[int, str, str], code: ExitCode) -> str:
    """The one line of a run that ended early."""
    assert ran[0] == code and not ran[1], ran
    assert ran[2].startswith("error: ") and ran[2].count("\n") == 1, ran[2]
    return ran[2]


@pytest.mark.parametrize(
    ("changes", "code", "says", "advice"),
    [
        ({"password": "wrong"}, 3, "password authentication failed", "PGPASSWORD"),
        ({"dbname": "nowhere"}, 3, 'database "nowhere" does not exist', "dbname="),
        ({"port": "1"}, 3, "Connection refused", "make up"),
        ({"sslmode": "require"}, 3, "does not support SSL", "sslmode=prefer"),
        ({"user": "enms_reader", "password": "m"}, 3, "not permitted to log in", "member"),
        ({"user": "m_limited", "password": "m"}, 3, "too many connections", "max_connections"),
        ({"user": "m_outside", "password": "m", "dbname": "closed"}, 3, "permission denied for database", "grant connect"),
        ({"dbname": "template0"}, 3, "not currently accepting connections", "allow_connections"),
        ({"port": "99999"}, 2, "invalid port number", "Correct the DSN"),
        ({"options": "-c nothing=1"}, 3, "unrecognized configuration parameter", "PGOPTIONS"),
    ],
)
def test_no_connection_is_one_line(dsn: str, main: Main, roles: None, changes: dict[str, str], code: int, says: str, advice: str) -> None:
    error = one_error(main("--dsn", make_conninfo(dsn, **changes)), ExitCode(code))
    assert error.startswith("error: cannot connect: ") and says in error and advice in error


@pytest.fixture(scope="module")
def roles(dsn: str) -> None:
    """Roles that can't get in, and a database to keep one out of."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create role m_limited login password 'm' connection limit 0; create role m_outside login password 'm'")
        connection.execute("alter role enms_reader password 'm'")
        connection.execute("grant connect on database enms to m_outside")
        connection.execute("create database closed")
        connection.execute("revoke connect on database closed from public")


@pytest.fixture
def rules(own_cluster: Cluster, dsn: str) -> Iterator[Callable[[str], None]]:
    """Sets pg_hba.conf, and puts it back."""
    path = own_cluster.data / "pg_hba.conf"
    before = path.read_text()
    with psycopg.connect(dsn, autocommit=True) as connection:

        def put(text: str) -> None:
            path.write_text(text)
            connection.execute("select pg_reload_conf()")
            time.sleep(0.5)

        yield put
        put(before)


def test_server_that_lets_nobody_in(dsn: str, main: Main, rules: Callable[[str], None]) -> None:
    rules("host all somebody all scram-sha-256\n")
    assert "let this host, user and database in" in one_error(main("--dsn", dsn), ExitCode.CONNECT)
    rules("host all all all reject\n")
    assert "pg_hba.conf rejects" in one_error(main("--dsn", dsn), ExitCode.CONNECT)


def test_tls(dsn: str, own_cluster: Cluster, main: Main, rules: Callable[[str], None]) -> None:
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    key, certificate = own_cluster.data / "server.key", own_cluster.data / "server.crt"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other"]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    owner = own_cluster.data.stat()
    for path in key, certificate:
        os.chown(path, owner.st_uid, owner.st_gid)
    key.chmod(0o600)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("alter system set ssl = on")
        try:
            rules("hostssl all all all scram-sha-256\n")
            assert main("--dsn", dsn, "--only", "marker")[0] == 0
            assert "sslmode=require" in one_error(main("--dsn", make_conninfo(dsn, sslmode="disable")), ExitCode.CONNECT)
            strict = make_conninfo(dsn, sslmode="verify-full", sslrootcert=str(certificate))
            assert "does not match host name" in one_error(main("--dsn", strict), ExitCode.CONNECT)
        finally:
            connection.execute("alter system reset ssl")


@pytest.mark.parametrize(
    ("dsn", "says"),
    [("nonsense", 'missing "="'), ("user='x", "unterminated"), ("postgresql:///x?bogus=1", "invalid URI query parameter"), ("host=x connect_timeout=soon", "soon")],
)
def test_dsn_that_cannot_be_read(main: Main, dsn: str, says: str) -> None:
    assert says in one_error(main("--dsn", dsn), ExitCode.USAGE)


@pytest.fixture
def at_query(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[psycopg.Connection], None]], list[int]]:
    """Have something done at the n-th exchange of a run with the server, before or after; the list counts them."""
    original = psycopg.Connection.wait

    def set_up(number: int, action: Callable[[psycopg.Connection], None], after: bool = False) -> list[int]:
        count = [0]

        def wait(self: psycopg.Connection, *arguments: object, **options: object) -> object:
            if self.info.get_parameters().get("application_name") != "enms verify":
                return original(self, *arguments, **options)
            count[0] += 1
            if count[0] == number and not after:
                action(self)
            result = original(self, *arguments, **options)
            if count[0] == number and after:
                action(self)
            return result

        monkeypatch.setattr(psycopg.Connection, "wait", wait)
        return count

    return set_up


@pytest.mark.community
def test_server_that_goes_away_at_any_query(dsn: str, main: Main, at_query: Callable, edition: str) -> None:
    """For the first ones, and every fourth after that, as each takes a connection."""
    count = at_query(0, lambda connection: None)
    main("--dsn", dsn)
    with psycopg.connect(dsn, autocommit=True) as other:
        end = lambda connection: other.execute("select pg_terminate_backend(%s, 10000)", [connection.info.backend_pid])  # noqa: E731
        for number in [1, 2, 3, *range(4, count[0] + 1, 4)]:
            at_query(number, end)
            error = one_error(main("--dsn", dsn), ExitCode.CONNECT)
            assert "went away" in error or number <= 3, (number, error)


def test_interrupt_at_any_query(dsn: str, main: Main, at_query: Callable) -> None:
    def interrupt(connection: psycopg.Connection) -> None:
        raise KeyboardInterrupt

    count = at_query(0, lambda connection: None)
    main("--dsn", dsn)
    for number in range(1, count[0] + 1, 7):
        at_query(number, interrupt, after=number % 2 == 0)
        assert one_error(main("--dsn", dsn), ExitCode.CONNECT) == "error: interrupted\n"


def test_query_that_is_canceled(dsn: str, main: Main, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on to its end, does not pass, and gives the server's text; for every ninth, as each is a full run."""
    original, number, count = psycopg.Cursor.execute, 0, 0

    def execute(self: psycopg.Cursor, query: object, *arguments: object, **options: object) -> psycopg.Cursor:
        nonlocal count
        count += 1
        if count == number:
            query, arguments = "do $$ begin raise query_canceled using message = 'canceling statement due to m'; end $$", ()
        return original(self, query, *arguments, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", execute)
    main("--dsn", dsn)
    for number in range(4, count + 1, 9):
        count = 0
        code, out, err = main("--dsn", dsn)
        assert code == 1 and "canceling statement due to m" in out and not err, (number, out, err)
        assert "broke" not in out, (number, out)


def test_views_that_cannot_be_made_are_never_equal(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        made = written(connection, {"init": "select m_nothing", "here": "select m_nothing"}, rounds=2)
    assert "m_nothing" in made["init"]["error"] and made["init"] != made["here"]


def test_lock_that_somebody_holds_is_a_failure_with_its_text(dsn: str, main: Main, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SESSION, "statement_timeout", "300")
    with psycopg.connect(dsn) as other:
        other.execute("lock table enms.schema_version in access exclusive mode")
        code, out, _ = main("--dsn", dsn, "--only", "marker")
    assert code == 1 and "statement timeout" in out and "pg_stat_activity" in out


NASTY = {
    "statement_timeout": "'250ms'", "lock_timeout": "'1ms'", "idle_in_transaction_session_timeout": "'1ms'", "search_path": "m_none",
    "default_transaction_read_only": "on", "default_transaction_isolation": "serializable", "default_transaction_deferrable": "on",
    "datestyle": "'German, DMY'", "intervalstyle": "iso_8601", "quote_all_identifiers": "on", "standard_conforming_strings": "off",
    "extra_float_digits": "-5", "client_encoding": "LATIN1", "transform_null_equals": "on", "client_min_messages": "debug1",
}  # fmt: skip


def test_session_is_its_own_whatever_the_database_sets(dsn: str, main: Main, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGTZ": "Asia/Tokyo", "PGDATESTYLE": "SQL", "PGCLIENTENCODING": "SQL_ASCII"}.items():
        monkeypatch.setenv(name, value)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name, value in NASTY.items():
            connection.execute(f"alter database enms set {name} = {value}")
        try:
            report = json.loads(main("--dsn", dsn, "--format", "json")[1])
            opened = connect(Target(dsn, False))
            with opened:
                begun = Catalog(opened).by_name("settings")
                again = dict(opened.execute("select name, setting from pg_settings where name in ('datestyle', 'lock_timeout', 'search_path')"))
        finally:
            connection.execute("alter database enms reset all")
    wrong = {result["family"] for result in report["results"] if result["outcome"] in ("failed", "not evaluated")}
    assert wrong <= {"settings"}, wrong
    # What the session would have begun with is what is compared.
    assert begun["statement_timeout"]["value"] == "250" and begun["default_transaction_read_only"]["value"] == "on"
    assert begun["search_path"]["value"] == "m_none" and begun["idle_in_transaction_session_timeout"]["source"] == "database"
    assert again["lock_timeout"] == "0" and again["search_path"].replace('"', '') == SESSION["search_path"]


def gated(target: str) -> tuple[dict[str, Result], Catalog]:
    """Results of a run by name, and what it read."""
    with psycopg.connect(target, autocommit=True) as connection:
        prepare(connection)
        catalog = Catalog(connection)
        results = Runner(Context(SPEC, catalog, SOURCES)).run()
    return {result.name: result for result in results}, catalog


def only_failure(results: dict[str, Result], name: str) -> str:
    """The one failure's text; all else waits for it, but for the gates before."""
    assert names(results.values()) == {name}
    assert {result.family for result in results.values() if result.outcome is Outcome.PASSED} <= {"server"}
    waiting = {result.verdict.detail for result in results.values() if result.outcome is Outcome.NOT_EVALUATED}
    assert waiting == {f"waits for: {name}"}
    verdict = results[name].verdict
    assert verdict.fix
    return verdict.detail


def test_older_postgresql_is_one_failure_and_nothing_is_read(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "OLDEST", 99)
    results, catalog = gated(dsn)
    assert "too old" in only_failure(results, gates.RELEASE) and not catalog._facts and not catalog.errors


def test_another_database_is_one_failure(dsn: str, own_cluster: Cluster, main: Main) -> None:
    results, catalog = gated(make_conninfo(dsn, dbname="postgres"))
    assert "postgres holds neither" in only_failure(results, gates.DATABASE) and not catalog.errors
    assert catalog._facts.keys() == {"server", "access", "schemas", "relations"}
    code, out, _ = main("--dsn", make_conninfo(dsn, dbname="postgres"), "--only", "marker")
    assert code == 1 and "database is EnMS" in out, "a gate is told of whatever was asked for"


def test_absent_and_old_timescaledb_are_one_failure(dsn: str, own_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    own_cluster.create_database("bare")
    with psycopg.connect(own_cluster.dsn("bare"), autocommit=True) as connection:
        connection.execute("create schema enms")
    assert "not created" in only_failure(gated(own_cluster.dsn("bare"))[0], gates.TIMESCALEDB)
    monkeypatch.setattr(gates, "OLDEST_TIMESCALEDB", (99, 0))
    assert "too old" in only_failure(gated(dsn)[0], gates.TIMESCALEDB)


def test_library_that_the_server_lacks(own_cluster: Cluster, main: Main) -> None:
    own_cluster.create_database("upgraded")
    with psycopg.connect(own_cluster.dsn("upgraded"), autocommit=True) as connection:
        connection.execute("create extension timescaledb")
        connection.execute("update pg_extension set extversion = '2.0.0' where extname = 'timescaledb'")
    error = one_error(main("--dsn", own_cluster.dsn("upgraded")), ExitCode.CONNECT)
    assert "refuses every command" in error and "alter extension timescaledb update" in error


@pytest.mark.parametrize(
    ("member_of", "unseen", "families"),
    [
        ("enms_reader, pg_monitor", ["ALTER SYSTEM", "definitions of views", "KPI functions"], {"server", "settings", "tables", "rollups", "views", "behaviour"}),
        ("enms_reader", ["some settings", "job scheduler", "ALTER SYSTEM", "KPI functions"], {"server", "settings", "tables", "rollups", "views", "behaviour", "jobs"}),
        ("enms_ingest", ["rows of carbon_factors, energy_tariffs, enms.schema_version"], None),
    ],
)
def test_what_a_role_does_not_see_is_told_in_one_place(dsn: str, member_of: str, unseen: list[str], families: set[str] | None) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"create role m_reads login password 'm' in role {member_of}")
        try:
            results, _ = gated(make_conninfo(dsn, user="m_reads", password="m"))
        finally:
            connection.execute("drop role m_reads")
    assert not names(results.values())
    told = results["this session sees everything"]
    assert told.outcome is Outcome.NOT_EVALUATED and all(text in told.verdict.detail for text in unseen), told
    if families:
        assert {result.family for result in results.values() if result.outcome is Outcome.NOT_EVALUATED} <= families


def test_role_with_nothing_granted_fails_nothing(dsn: str, roles: None) -> None:
    results, _ = gated(make_conninfo(dsn, user="m_outside", password="m"))
    assert not names(results.values()) and "no usage" in results["usage of schema public"].verdict.detail


@pytest.mark.community
def test_standby(dsn: str, own_cluster: Cluster, edition: str) -> None:
    program = own_cluster.installation.program("pg_basebackup")
    if not program:
        pytest.skip("this server comes without pg_basebackup")
    state = Path(tempfile.mkdtemp(prefix="enms-standby-"))
    standby = Cluster(own_cluster.installation, state, free_port(), own_cluster.password)
    try:
        environment = own_cluster.environment("enms") | {"PGOPTIONS": ""}
        with open(own_cluster.data / "pg_hba.conf", "a") as rules:
            rules.write("\nhost replication all all scram-sha-256\n")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("select pg_reload_conf()")
        time.sleep(0.5)
        subprocess.run([program, "-D", standby.data, "-R", "-c", "fast", "-X", "stream"], env=environment, check=True, capture_output=True)
        owner = own_cluster.data.stat()
        for path in [standby.data, *standby.data.rglob("*")]:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        standby.log.parent.mkdir()
        standby.start({"shared_buffers": "128MB"})
        results, _ = gated(standby.dsn("enms"))
    finally:
        standby.stop("immediate")
        shutil.rmtree(state, ignore_errors=True)
    assert names(results.values()) <= {"setting shared_buffers", "setting effective_cache_size", "setting work_mem", "setting maintenance_work_mem"}
    assert "this is a standby" in results["this session sees everything"].verdict.detail
    unseen = {result.family for result in results.values() if result.outcome is Outcome.NOT_EVALUATED}
    assert unseen <= {"server", "rollups", "views", "behaviour", "settings"}


@pytest.mark.community
def test_wait_says_what_it_waits_for_and_goes_on(dsn: str, own_cluster: Cluster, edition: str) -> None:
    done: list[subprocess.CompletedProcess] = []
    thread = threading.Thread(target=lambda: done.append(run("--dsn", own_cluster.dsn("late"), "--wait", "60", "--only", "marker")))
    thread.start()
    time.sleep(1.5)
    own_cluster.create_database("late")
    time.sleep(1.5)
    own_cluster.run_init("late")
    thread.join()
    assert done[0].returncode == 0, done[0].stdout + done[0].stderr
    told = done[0].stderr
    assert all(text in told for text in (" s left: ", 'database "late" does not exist', "init/ has not begun in late")), told


@pytest.mark.community
def test_wait_names_the_file_that_init_has_come_to(own_cluster: Cluster, dsn: str, tmp_path: Path, main: Main, edition: str) -> None:
    own_cluster.create_database("stopped")
    for path in sorted((CHECKOUT / "init").glob("0[1-4]*.sql")):
        shutil.copy(path, tmp_path)
        own_cluster.run_init("stopped", tmp_path)
        with psycopg.connect(own_cluster.dsn("stopped"), autocommit=True) as connection:
            reason = waiting._unfinished(connection, SPEC.version, SOURCES)
        assert (path.name in reason) == (path.name[:2] != "01"), reason
    code, out, err = main("--dsn", own_cluster.dsn("stopped"), "--wait", "0.5")
    assert (code, out) == (3, "") and "not ready after 0.5 s: init/ has come to 04-functions.sql, 4 of 6, in stopped" in err and "make apply" in err


def test_wait_does_not_wait_for_what_waiting_does_not_mend(dsn: str, main: Main) -> None:
    one_error(main("--dsn", make_conninfo(dsn, password="wrong"), "--wait", "600"), ExitCode.CONNECT)
    one_error(main("--dsn", "nonsense", "--wait", "600"), ExitCode.USAGE)


def test_wait_on_a_terminal_is_one_line_that_goes_away() -> None:
    outer, inner = pty.openpty()
    command = [sys.executable, "-m", "verify", "--dsn", "host=127.0.0.1 port=1", "--wait", "1.5"]
    ran = subprocess.run(command, cwd=CHECKOUT, env=os.environ | {"TERM": "xterm", "COLUMNS": "200"}, stdout=subprocess.PIPE, stderr=inner)
    os.close(inner)
    shown = os.read(outer, 1 << 16).decode()
    os.close(outer)
    assert ran.returncode == 3 and "s left: connection to server" in shown and "\x1b[?25h" in shown, "the cursor is back"
    assert "error: not ready after 1.5 s" in shown.splitlines()[-1]


@pytest.mark.parametrize("arguments", [("--static",), ("--static", "--format", "json")])
def test_report_that_cannot_be_written(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        ran = subprocess.run([sys.executable, "-m", "verify", *arguments], cwd=CHECKOUT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ran.returncode == 2 and ran.stderr.splitlines()[-1] == "error: the report cannot be written: No space left on device"


def test_closed_output() -> None:
    ran = subprocess.run(["sh", "-c", f"{sys.executable} -m verify --static >&-"], cwd=CHECKOUT, capture_output=True, text=True)
    assert ran.returncode == 2 and "stdout is closed" in ran.stderr and "Traceback" not in ran.stderr


@pytest.mark.parametrize("name", ["postgresql.conf", "07-own.sql"])
@pytest.mark.parametrize("bad", ["not UTF-8", "Is a directory"])
def test_file_that_cannot_be_read(main: Main, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, bad: str) -> None:
    path = tmp_path / name
    path.mkdir() if bad == "Is a directory" else path.write_bytes(b"-- \xfc")
    if name == "postgresql.conf":
        monkeypatch.setattr(configuration, "CONF", path)
    else:
        monkeypatch.setattr(cli, "Sources", lambda: Sources(tmp_path))
    error = one_error(main("--dsn", "host=127.0.0.1 port=1"), ExitCode.SPEC)
    assert name in error and bad in error


def test_init_that_is_missing(main: Main, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli, "Sources", lambda: Sources(tmp_path))
    assert "has no .sql files" in one_error(main("--dsn", "host=127.0.0.1 port=1"), ExitCode.SPEC)
