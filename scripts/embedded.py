"""The embedded engine: one private cluster in .enms/ of the checkout."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from scripts import account, debian, network, process, server, tls
from scripts.cluster import Cluster
from scripts.console import Failure, say, step
from scripts.server import Installation
from scripts.settings import STATE, Settings

NAME = "embedded"
DATA, RECORD, LOCK = STATE / "data", STATE / "engine.json", STATE / "lock"
LOG = STATE / "log" / "postgresql.log"


def is_up() -> bool:
    """True if the server of this checkout runs."""
    return process.server_pid(DATA) is not None


def has_data() -> bool:
    """True if there is a database, or what is left of one whose first boot failed."""
    return DATA.is_dir() and any(DATA.iterdir())


def address() -> tuple[str, int] | None:
    """Address and port the running server listens on, which .env may not name any more; None if it is down."""
    return process.listening_on(DATA)


def up(settings: Settings) -> None:
    """Start the server; at the first boot choose one, make the database and run init/."""
    with _alone():
        if has_data() and _read_record().get("complete") is False:
            # A command that was killed leaves its server behind, and it must not be taken for a database.
            _stop()
            raise Failure("the database's first boot did not reach its end: make clean, then make up")
        if is_up():
            return
        if not has_data():
            _first_boot(settings)
            return
        installation = _recorded()
        say(f"Server: {installation}")
        flags = _memory_flags()
        with step("Starting the database"):
            _start(_cluster(installation, settings), settings, flags)


def down() -> None:
    """Stop the server and wait for its end."""
    with _alone(), step("Stopping the database"):
        _stop()


def clean() -> None:
    """Stop the server and delete its data and its log; the folder itself may be a link or a mount."""
    with _alone():
        _stop()
        for folder in DATA, LOG.parent:
            if folder.exists():
                shutil.rmtree(folder)
        RECORD.unlink(missing_ok=True)


def program(name: str) -> list[str] | None:
    """The server's own psql, pg_dump or pg_restore, or None if it was installed without."""
    path = _recorded().program(name)
    return [path] if path else None


def show_log(lines: int, follow: bool) -> None:
    """Become `tail` on the server's log."""
    if not LOG.exists():
        raise Failure(f"there is no log yet ({LOG}): run make up")
    os.execvp("tail", ["tail", f"--lines={lines}", *(["--follow=name"] if follow else []), str(LOG)])


def where() -> str:
    """Where the data is, for people."""
    return str(DATA)


def _first_boot(settings: Settings) -> None:
    network.require_free_port(settings.address, settings.port)
    if settings.tls:
        tls.pem()
    installation = _choose()
    say(f"Server: {installation}")
    flags = _memory_flags()
    cluster = _cluster(installation, settings)
    _write_record(installation, complete=False)
    try:
        with step("Creating the database"):
            cluster.create()
            _start(cluster, settings, flags)
            cluster.create_database(settings.database)
    except BaseException:
        # There is nothing in it yet, so that the next make up can simply try again.
        cluster.kill()
        shutil.rmtree(DATA, ignore_errors=True)
        raise
    try:
        with step("Running init/"):
            cluster.run_init(settings.database)
    except BaseException as error:
        # What init/ has made so far is kept for whoever wants to see why it failed.
        cluster.stop()
        if isinstance(error, Failure):
            raise Failure(f"{error} (put that right, then make clean and make up)") from None
        raise
    _write_record(installation, complete=True)


def _choose() -> Installation:
    """The machine's own server if one fits, else the one from Debian's packages."""
    fit, unfit = server.survey()
    for reason in unfit:
        say(f"Passed over: {reason}")
    if fit:
        return fit[0]
    oldest = server.OLDEST_POSTGRESQL
    say(f"This machine has no PostgreSQL {oldest} or newer with TimescaleDB, so Debian's packages are used")
    return debian.debian_root()


def _recorded() -> Installation:
    """The installation that the data was made with; raises Failure if the machine has it no more."""
    record = _read_record().get("installation")
    if record is None:
        raise Failure(f"{RECORD} is missing, so the server that made {DATA} is unknown: make clean, then make up")
    if record["origin"] == "debian":
        found = [debian.debian_root()]
    else:
        found = sorted(server.find_installations(), key=lambda fit: str(fit.bindir) != record["bindir"])
    for installation in found:
        if (installation.major, installation.edition) == (record["major"], record["edition"]):
            return installation
    made_by = f"PostgreSQL {record['major']} with the {record['edition']} edition of TimescaleDB"
    if other := next((other.major for other in found if other.edition == record["edition"]), None):
        before, after = f"PostgreSQL {record['major']} installed again", f"{other} alone"
        raise Failure(server.other_major(str(DATA), record["major"], f"this machine has {other} only", before, after))
    raise Failure(f"{DATA} was made by {made_by}, which this machine has no more: install it again")


def _cluster(installation: Installation, settings: Settings) -> Cluster:
    return Cluster(installation, STATE, settings.port, settings.password, user=settings.user, address=settings.address)


def _start(cluster: Cluster, settings: Settings, flags: dict[str, str]) -> None:
    """Start the server, with TLS if .env says so."""
    if not settings.tls:
        cluster.start(flags)
        return
    account.put(account.server_account(), DATA / tls.PEM, tls.pem())
    cluster.start(flags | {"ssl": "on", "ssl_cert_file": tls.PEM, "ssl_key_file": tls.PEM}, hba=tls.HBA)


def _stop() -> None:
    process.stop_server(process.server_pid(DATA))


def _memory_flags() -> dict[str, str]:
    flags = server.memory_flags()
    if flags:
        say(f"Memory settings scaled to this machine: {', '.join(f'{name} {value}' for name, value in flags.items())}")
    return flags


def _read_record() -> dict:
    try:
        return json.loads(RECORD.read_text())
    except (OSError, ValueError):
        return {}


def _write_record(installation: Installation, complete: bool) -> None:
    record = {"installation": asdict(installation) | {"bindir": str(installation.bindir)}, "complete": complete}
    part = RECORD.with_suffix(".part")
    part.write_text(json.dumps(record, indent=2) + "\n")
    part.rename(RECORD)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other command works on the state folder."""
    STATE.mkdir(exist_ok=True)
    with open(LOCK, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another command that works on this database.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
