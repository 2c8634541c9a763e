"""Who reaches the port, what travels in clear text, and where the password shows: the engines as make runs them."""

import re
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from compose import docker, own_address
from conftest import free_port
from engine_cli import Checkout, only_error

import compose

PLAIN, VERIFIED = {"sslmode": "disable"}, {"sslmode": "verify-full"}


def openssl(*arguments: str, folder: Path) -> None:
    run = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def certify(folder: Path, days: int = 30) -> Path:
    """A CA, and a server's certificate and key by it, in `folder`; the path of the CA's certificate."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder.mkdir(exist_ok=True)
    key = "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "30", "-subj", "/CN=Plant CA", folder=folder)
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=enms", folder=folder)
    (folder / "names").write_text(f"subjectAltName=DNS:localhost,IP:127.0.0.1,IP:{own_address()}\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days),
            "-extfile", "names", "-out", "server.crt", folder=folder)  # fmt: skip
    (folder / "server.key").chmod(0o600)
    return folder / "ca.crt"


def connect(checkout: Checkout, host: str, **more: object) -> psycopg.Connection:
    place = {"host": host, "port": checkout.environment["ENMS_PORT"], "user": "enms_user", "dbname": "enms", "connect_timeout": 10}
    return psycopg.connect(**place | {"password": checkout.password()} | more)


def encryption(checkout: Checkout, host: str, **more: object) -> tuple[bool, str | None]:
    """Whether a connection is encrypted, and by which protocol, as the server has it."""
    with connect(checkout, host, **more) as session:
        return session.execute("select ssl, version from pg_stat_ssl where pid = pg_backend_pid()").fetchone()


@contextmanager
def watched_processes(secret: str) -> Iterator[list[str]]:
    """Command lines with the secret in them that any process of the machine has meanwhile."""
    found: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = entry.read_bytes()
                except OSError:
                    continue
                if secret.encode() in line:
                    found.append(line.replace(b"\0", b" ").decode(errors="replace"))
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        # What a watcher that sees nothing would pass, too.
        subprocess.run(["sh", "-c", "sleep 0.3", secret])
        assert found
        found.clear()
        yield found
    finally:
        over.set()
        thread.join()


def check_exposure(checkout: Checkout, away: str) -> None:
    """What holds for both engines: with TLS, and in clear text, in turn on the same data."""
    ca = certify(checkout.path / "tls")
    password = secrets.token_urlsafe(16)
    lines = (checkout.path / ".env.example").read_text().replace("POSTGRES_PASSWORD=\n", f"POSTGRES_PASSWORD={password}\n")
    (checkout.path / ".env").write_text(lines)
    with watched_processes(password) as shown:
        said = checkout.up(ENMS_TLS="on", ENMS_BIND="0.0.0.0")
        assert "clear text" not in said and "verified: " in said
        for host in "127.0.0.1", away:
            assert encryption(checkout, host, **VERIFIED, sslrootcert=ca) == (True, "TLSv1.3")
        assert encryption(checkout, away, sslmode="require", ssl_max_protocol_version="TLSv1.2") == (True, "TLSv1.2")
        with pytest.raises(psycopg.OperationalError, match="no encryption"):
            connect(checkout, away, **PLAIN)
        with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
            connect(checkout, away, **VERIFIED, sslrootcert=certify(checkout.path / "other"))
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(checkout, away, password="wrong")
        for command in ("verify",), ("status",), ("apply",), ("psql", "-c", "select 1"):
            run = checkout.run(*command, ENMS_TLS="on", ENMS_BIND="0.0.0.0")
            assert run.returncode == 0, run.stdout + run.stderr
        checkout.run("down", ENMS_TLS="on")
        said = checkout.up(ENMS_BIND="0.0.0.0")
        assert len([line for line in said.splitlines() if "clear text" in line and "0.0.0.0" in line]) == 1
        assert encryption(checkout, away, **PLAIN) == (False, None)
        for wrong in {"password": "wrong"}, {"password": "", "passfile": "/nowhere"}:
            with pytest.raises(psycopg.OperationalError, match="password"):
                connect(checkout, away, **wrong)
        with connect(checkout, away, autocommit=True) as session:
            rules = session.execute("select type, auth_method from pg_hba_file_rules").fetchall()
            assert {method for _, method in rules} == {"scram-sha-256"}
            check_log(checkout, session, password)
    assert shown == []
    assert password not in said + everything_logged(checkout)


def check_log(checkout: Checkout, session: psycopg.Connection, password: str) -> None:
    """Every statement in the log, also one that fails, and a role's password set as psql's \\password does."""
    session.execute("set log_statement = 'all'")
    session.execute("set log_min_duration_statement = 0")
    hashed = session.pgconn.encrypt_password(password.encode(), b"grafana", b"scram-sha-256").decode()
    session.execute("create role grafana login in role enms_reader")
    session.execute(f"alter role grafana password '{hashed}'")
    with pytest.raises(psycopg.errors.DuplicateObject):
        session.execute("create role grafana login")
    assert encryption(checkout, "127.0.0.1", user="grafana")[0] in (True, False)
    session.execute("drop role grafana")
    assert "create role grafana login" in everything_logged(checkout)


def everything_logged(checkout: Checkout) -> str:
    run = checkout.run("logs", "-n", "100000")
    return run.stdout + run.stderr


def test_embedded_engine(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if not request.config.installations:
        pytest.skip("no server on this machine")
    checkout = Checkout(tmp_path / "enms", ENGINE="embedded", ENMS_PORT=free_port())
    try:
        check_exposure(checkout, own_address())
        checkout.run("down")
        assert "clear text" not in checkout.up()
        with pytest.raises(psycopg.OperationalError, match="refused"):
            connect(checkout, own_address())
    finally:
        checkout.run("clean", "--force")


@pytest.mark.docker
def test_docker_engine(tmp_path: Path) -> None:
    project = f"enms-test-{secrets.token_hex(4)}"
    checkout = Checkout(tmp_path / "enms", ENGINE="docker", ENMS_IMAGE=compose.image(), ENMS_PORT=free_port(), COMPOSE_PROJECT_NAME=project)
    try:
        check_exposure(checkout, own_address())
        image = checkout.environment["ENMS_IMAGE"]
        layers = docker("history", "--no-trunc", image) + docker("image", "inspect", image)
        assert checkout.password() not in layers
    finally:
        checkout.run("clean", "--force")


def lock(tls: Path) -> None:
    openssl("pkey", "-in", "server.key", "-aes128", "-passout", "pass:abcd", "-out", "locked.key", folder=tls)
    (tls / "locked.key").replace(tls / "server.key")


WRONG = {
    "missing": (lambda tls: (tls / "server.key").unlink(), r"server\.key is missing"),
    "mismatched": (lambda tls: shutil.copy(tls / "ca.key", tls / "server.key"), r"server\.key is not the key of \S+server\.crt"),
    "no certificate": (lambda tls: (tls / "server.crt").write_text("x"), "is no PEM file"),
    "expired": (lambda tls: certify(tls, days=-1), "certificate has expired"),
    "encrypted": (lambda tls: lock(tls), "is encrypted"),
}


def test_certificates_that_can_not_be_used_are_named(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "enms", ENGINE="embedded", ENMS_PORT=free_port(), ENMS_TLS="on")
    for change, message in WRONG.values():
        certify(checkout.path / "tls")
        change(checkout.path / "tls")
        assert re.search(message, only_error(checkout.run("up")))
        assert not checkout.data.exists()
    assert "ENMS_TLS is 'yes'" in only_error(checkout.run("up", ENMS_TLS="yes"))


SECRET = "Sesam-4711"
DSNS = [
    f"host=127.0.0.1 port=1 user=u password={SECRET}", f"postgresql://u:{SECRET}@127.0.0.1:1/x", f"host=nowhere.invalid password={SECRET}",
    f"postgresql://u:a@{SECRET}@127.0.0.1:1/x", f"postgresql://u:a/{SECRET}@127.0.0.1:1/x", f"postgresql://u:{SECRET}%@127.0.0.1:1/x",
    f"host=127.0.0.1 password=a {SECRET}", f"host=127.0.0.1 password='{SECRET}", f"host=127.0.0.1 password=a port={SECRET}",
]  # fmt: skip


@pytest.mark.parametrize("dsn", DSNS)
def test_no_error_repeats_the_password(dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts import engine
    from verify import cli

    for shape in "table", "json", "junit":
        assert cli.main(["--dsn", dsn, "--format", shape]) != 0
    monkeypatch.setenv("ENMS_DSN", dsn)
    for command in "status", "apply", "dsn":
        engine.main([command])
    said = capsys.readouterr()
    assert "error: " in said.err and SECRET not in said.out + said.err
