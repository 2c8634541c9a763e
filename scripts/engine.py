"""Start, stop and reach the database: `python -m scripts.engine COMMAND`, which make calls."""

import argparse
import os
import subprocess
import sys
from contextlib import suppress
from types import ModuleType

import psycopg

from scripts import client, connection, docker, embedded, network, upgrade
from scripts.backup import listing, restore as restoring, save, swap
from scripts.connection import ENGINES
from scripts.console import Failure, exit_code, say
from scripts.settings import CHECKOUT, ENV, keep_backups, read_settings, write_env
from scripts.status import cli as screen

VERIFY_WAIT = 60
# libpq's variables that would lead the verifier elsewhere.
PLACE = "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", *client.ASTRAY


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 for a failure, 2 for wrong usage, or that of psql or the verifier."""
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    return exit_code(lambda: options.run(options))


def up(options: argparse.Namespace) -> int:
    """Start the database and verify it."""
    engine, why = _choose(options.engine)
    if not ENV.exists():
        _require_no_data()
        if write_env():
            say("Wrote .env with a random password")
    settings = read_settings()
    if engine is None:
        refused = docker.why_not(settings.image)
        engine, why = (embedded, f"because {refused}") if refused else (docker, "because Docker can be used")
    say(f"Engine: {engine.NAME}, {why}")
    if not settings.tls and not network.is_local(settings.address):
        say(f"Note: {settings.address} is open to other machines, and what they send and read goes in clear text: see ENMS_TLS in .env")
    engine.up(settings)
    database = connection.on(engine)
    if database is None:
        raise Failure("the database went down right after it was started: make logs says why")
    if advice := upgrade.advice(database):
        raise Failure(f"the database is up, but {advice}")
    # A restore that was killed as the databases changed places has left none.
    with suppress(Failure, psycopg.Error):
        swap.start_jobs(database)
    if _verify(["--wait", str(VERIFY_WAIT)], left_out=(*PLACE, "ENMS_DSN")):
        raise Failure("the database is up, but the verifier did not pass it; its report above says why")
    say(f'Connect: psql "{database.dsn}" (password: POSTGRES_PASSWORD in .env), or make psql')
    return 0


def down(options: argparse.Namespace) -> None:
    """Stop the database; the data stays."""
    running = [engine for engine in _named(options.engine) if engine.is_up()]
    for engine in running:
        engine.down()
    if not running:
        say("No database is up" if options.engine == "auto" else f"The {options.engine} engine is not up")


def psql(options: argparse.Namespace) -> int:
    """Open psql on the database, or pass it the arguments."""
    database = connection.find()
    command = [*database.psql(), *options.arguments]
    os.execvpe(command[0], command, database.environment)


def verify(options: argparse.Namespace) -> int:
    """Run the verifier on the database, with the arguments passed on."""
    # What ENMS_DSN leaves open is taken from libpq's variables by every command.
    return _verify(options.arguments, left_out=client.ASTRAY if os.environ.get("ENMS_DSN") else PLACE)


def apply(options: argparse.Namespace) -> None:
    """Bring the database's schema, and its TimescaleDB, up to this checkout's and the server's."""
    upgrade.apply(connection.find())


def backup(options: argparse.Namespace) -> None:
    """Back the database up into backups/, while it runs."""
    save.save(connection.find(), keep_backups())


def backups(options: argparse.Namespace) -> None:
    """List the backups: age, size, and whether each was restored and verified."""
    listing.show()


def restore(options: argparse.Namespace) -> None:
    """Put a backup in the place of the running database, once it is restored beside it and verified."""
    restoring.restore(connection.find(), options.backup)


def restore_test(options: argparse.Namespace) -> None:
    """Restore the newest backup into a database that is thrown away, verify it and report; for cron."""
    restoring.trial(connection.find())


def dsn(options: argparse.Namespace) -> None:
    """Print the connection string, without the password."""
    say(connection.find().dsn)


def logs(options: argparse.Namespace) -> None:
    """Show the end of the server's log; -f follows it."""
    for engine in _named(options.engine):
        if engine.is_up() or (engine is embedded and embedded.LOG.exists()):
            engine.show_log(options.lines, options.follow)
    raise Failure("no database is up, and there is no log: run make up")


def status(options: argparse.Namespace) -> int:
    """Show the database in one screen: server, sizes, machines, jobs, statements, disk and backups."""
    return screen.main(options.arguments)


def clean(options: argparse.Namespace) -> None:
    """Delete the database and all its data, after asking."""
    doomed = [engine for engine in _named(options.engine) if engine.has_data()]
    if not doomed:
        say("There is no data to delete")
        return
    places = " and ".join(engine.where() for engine in doomed)
    if not options.force:
        if not sys.stdin.isatty():
            raise Failure(f"this would delete {places}: say so with FORCE=1")
        if input(f"Delete {places} with all readings in it? Type yes: ").strip() != "yes":
            raise Failure("nothing was deleted")
    for engine in doomed:
        engine.clean()
    say(f"Deleted {places}")


def _choose(wanted: str) -> tuple[ModuleType | None, str]:
    """The engine to start and why; None if only Docker's state can decide."""
    running = [engine for engine in ENGINES if engine.is_up()]
    if wanted != "auto":
        engine = _named(wanted)[0]
        if other := [up for up in running if up is not engine]:
            raise Failure(f"the {other[0].NAME} engine is up: run make down first, or leave ENGINE unset")
        return engine, "which is up already" if running else "as ENGINE says"
    if running:
        return running[0], "which is up already"
    kept = [engine for engine in ENGINES if engine.has_data()]
    if len(kept) > 1:
        names = " and ".join(f"{engine.NAME} ({engine.where()})" for engine in kept)
        raise Failure(f"there are two databases, {names}: choose with ENGINE=embedded or ENGINE=docker")
    if kept:
        return kept[0], "which has the data"
    return None, ""


def _require_no_data() -> None:
    """A database was made with a password that a new .env would not know."""
    for engine in ENGINES:
        if engine.has_data() and not ENV.exists():
            raise Failure(f".env is missing, and with it the password of {engine.where()}: put it back, or make clean")


def _verify(arguments: list[str], left_out: tuple[str, ...]) -> int:
    """Run the verifier on the database that it finds: only then does it hold postgresql.conf against the server."""
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    return subprocess.run([sys.executable, "-m", "verify", *arguments], cwd=CHECKOUT, env=environment).returncode


def _named(engine: str) -> list[ModuleType]:
    return [known for known in ENGINES if engine in ("auto", known.NAME)]


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.engine", description=__doc__)
    parser.add_argument(
        "--engine",
        default=os.environ.get("ENGINE") or "auto",
        help="auto, docker or embedded; ENGINE in the environment sets it too (default: auto)",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for run in up, down, psql, verify, apply, status, logs, backup, backups, restore, restore_test, dsn, clean:
        command = commands.add_parser(run.__name__.replace("_", "-"), help=run.__doc__, description=run.__doc__)
        command.set_defaults(run=run)
        if run is logs:
            command.add_argument("-f", "--follow", action="store_true", help="go on as the log grows, until Ctrl-C")
            command.add_argument("-n", "--lines", type=int, default=100, help="how many lines (default: 100)")
        if run is restore:
            command.add_argument("backup", metavar="BACKUP", help="its folder, or its name in backups/")
        if run is clean:
            command.add_argument("--force", action="store_true", help="do not ask")
    # What follows psql, verify or status is theirs, options included.
    own = next((i + 1 for i, word in enumerate(arguments) if word in ("psql", "verify", "status")), len(arguments))
    options = parser.parse_args(arguments[:own])
    options.arguments = arguments[own:]
    if options.engine not in ("auto", "docker", "embedded"):
        parser.error(f"ENGINE is {options.engine!r}: it can be auto, docker or embedded")
    return options


if __name__ == "__main__":
    sys.exit(main())
