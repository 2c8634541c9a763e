"""Whether the database in the container has come up, or never will, and why."""

import re
import subprocess
import time

import psycopg

from scripts import client, container, network
from scripts.console import Failure
from scripts.settings import Settings

MARKED = "select to_regclass('enms.schema_version')"
MARKER = "select from enms.schema_version limit 1"
OTHERS = "select from pg_database where not datistemplate and datname <> 'postgres' limit 1"
# What initdb says first, and the image's entrypoint when init/ is over.
FIRST_BOOT, COMPLETE = "The files belonging to this database system will be owned by", "init process complete"


def wait(settings: Settings, restarts: int) -> None:
    """Wait for a green health check; raises Failure as soon as it cannot come any more.

    `restarts` is how often Docker had restarted the container before: one more means that init/ failed.
    """
    ours = container.find(running=False)
    while (health := container.health(ours)) != "healthy":
        state = container.ask("inspect", "--format", "{{.State.Status}}", ours)
        ended = state in ("exited", "dead", None) or container.restarts(ours) > restarts
        try:
            half_built = not ended and _half_built(settings)
        except psycopg.errors.UndefinedFile:
            # The database wants another TimescaleDB than the image has, and will never be healthy; it is kept up to be updated.
            return
        if ended or half_built or health == "unhealthy":
            logs = ["docker", "logs", ours]
            log = subprocess.run(logs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            # Only what init/ left half-way may be deleted; a database that was whole has data in it.
            first = half_built or (FIRST_BOOT in log.stdout and COMPLETE not in log.stdout)
            advice = "put that right, then make clean and make up" if first else "put that right, then make up; the data is kept"
            raise Failure(f"{_cause(log.stdout, first)} ({advice})")
        time.sleep(0.3)


def _cause(log: str, first: bool) -> str:
    """Why the database did not become healthy, from the container's log; `first` says that init/ has not run to its end."""
    # psql's error in a file of init/ comes before whatever the restarted server says about half a database.
    if error := re.search(r"psql:/docker-entrypoint-initdb\.d/(.*(?:ERROR|FATAL|error):.*)", log):
        return f"init/{error[1]}"
    reason = client.reason(log)
    if first:
        told = reason == client.DISK_FULL or any(mark in reason for mark in ("FATAL:", "PANIC:", "error:"))
        return f"the database's first boot did not reach its end{f': {reason}' if told else ''}"
    return f"the container did not become healthy: {reason}"


def _half_built(settings: Settings) -> bool:
    """True if the server answers but has no completion marker: it opens its port only when init/ is over."""
    try:
        with _session(settings, settings.database) as session:
            return session.execute(MARKED).fetchone() == (None,) or session.execute(MARKER).fetchone() is None
    except psycopg.errors.UndefinedFile:
        raise
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):
            raise Failure(client.wrong_password(container.where())) from None
        if f'database "{settings.database}" does not exist' not in str(error):
            return False
    try:
        with _session(settings, "postgres") as session:
            if session.execute(OTHERS).fetchone() is None:
                return True
    except psycopg.OperationalError:
        return False
    raise Failure(f"{container.where()} has no database {settings.database}: set POSTGRES_DB in .env to the name that it was made with")


def _session(settings: Settings, database: str) -> psycopg.Connection:
    host, port = container.address() or (settings.address, settings.port)
    place = {"host": network.client_host(host), "port": port, "dbname": database}
    return psycopg.connect(**place, user=settings.user, password=settings.password, connect_timeout=3)
