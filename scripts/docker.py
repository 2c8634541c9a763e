"""The docker engine: the service `postgres` of docker-compose.yml."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from scripts import client, network, server, tls
from scripts.console import Failure, say, step
from scripts.settings import CHECKOUT, CONF, INIT, Settings, project

NAME = "docker"
SERVICE = "postgres"
MARKED = "select to_regclass('enms.schema_version')"
MARKER = "select from enms.schema_version limit 1"
OTHERS = "select from pg_database where not datistemplate and datname <> 'postgres' limit 1"
# What initdb says first, and the image's entrypoint when init/ is over.
FIRST_BOOT, COMPLETE = "The files belonging to this database system will be owned by", "init process complete"


def why_not(image: str) -> str | None:
    """Why Docker cannot be used here, or None if it can; pulls the image if it is not there."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    if _docker("version", "--format", "{{.Server.Version}}") is None:
        return "no Docker daemon answers to this user"
    if _compose() is None:
        return "Docker Compose is not installed"
    if _docker("image", "inspect", image) is None:
        say(f"Pulling {image}")
        pull = subprocess.run(["docker", "pull", image], stderr=subprocess.PIPE, text=True)
        if pull.returncode:
            return f"{image} is not here and could not be pulled: {client.reason(pull.stderr)}"
    return None


def is_up() -> bool:
    """True if the container of this checkout runs."""
    return bool(_container(running=True))


def has_data() -> bool:
    """True if the volume of this checkout exists."""
    return bool(_docker("volume", "ls", "-q", *_labelled("volume", "data")))


def address() -> tuple[str, int] | None:
    """Address and port that the running container is published at; None if it is down."""
    container = _container(running=True)
    published = container and _docker("port", container, "5432/tcp")
    if not published:
        return None
    host, _, port = published.splitlines()[0].rpartition(":")
    return host, int(port)


def up(settings: Settings) -> None:
    """Start the container and wait until its health check is green."""
    if reason := why_not(settings.image):
        raise Failure(f"Docker cannot be used: {reason} (make up ENGINE=embedded needs none)")
    _require_ours()
    container = _container(running=True)
    restarts = 0
    if container is None:
        network.require_free_port(settings.address, settings.port)
        _require_major(settings.image)
    elif _health(container) == "healthy":
        return
    else:
        restarts = _restarts(container)
    _open_to_server()
    say(f"Image: {settings.image}")
    command, environment = [*_compose(), "up"], _environment(settings)
    if settings.tls:
        pem = tls.pem()
        # Makes the volumes; where that fails, the start below says why.
        subprocess.run([*command, "--no-start"], cwd=CHECKOUT, env=environment, capture_output=True)
        tls.put(pem, _docker("volume", "ls", "-q", *_labelled("volume", "tls")), settings.image)
    run = subprocess.run([*command, "-d"], cwd=CHECKOUT, env=environment)
    if run.returncode:
        raise Failure("docker compose could not start the database; its output above says why")
    try:
        with step("Waiting for the health check"):
            _wait(settings, restarts)
    except Failure:
        _run_compose("stop")
        raise


def down() -> None:
    """Stop and remove the container; the volume stays."""
    _require_ours()
    _run_compose("down")


def clean() -> None:
    """Remove the container and the volume with the data."""
    _require_ours()
    _run_compose("down", "--volumes")


def program(name: str) -> list[str] | None:
    """The container's own psql, pg_dump or pg_restore, which connects from inside; None if the container is down."""
    container = _container(running=True)
    if container is None:
        return None
    terminal = ["-t"] if name == "psql" and sys.stdin.isatty() else []
    inside = ["-e", "PGHOST=127.0.0.1", "-e", "PGPORT=5432", "-e", "PSQL_HISTORY=/dev/null"]
    # Without a value docker takes them from its environment, not from the command line.
    passed = ["-e", "PGUSER", "-e", "PGDATABASE", "-e", "PGPASSWORD", "-e", "PGOPTIONS"]
    return ["docker", "exec", "-i", *terminal, *inside, *passed, container, name]


def show_log(lines: int, follow: bool) -> None:
    """Become `docker compose logs`."""
    command = [*_compose(), "logs", f"--tail={lines}", *(["-f"] if follow else []), SERVICE]
    os.chdir(CHECKOUT)
    os.execvpe(command[0], command, _environment())


def where() -> str:
    """Where the data is, for people."""
    return f"the Docker volume {_docker('volume', 'ls', '-q', *_labelled('volume', 'data'))}"


def _wait(settings: Settings, restarts: int) -> None:
    """Wait for a green health check; raises Failure as soon as it cannot come any more.

    `restarts` is how often Docker had restarted the container before: one more means that init/ failed.
    """
    container = _container(running=False)
    while (health := _health(container)) != "healthy":
        state = _docker("inspect", "--format", "{{.State.Status}}", container)
        ended = state in ("exited", "dead", None) or _restarts(container) > restarts
        try:
            half_built = not ended and _half_built(settings)
        except psycopg.errors.UndefinedFile:
            # The database wants another TimescaleDB than the image has, and will never be healthy; it is kept up to be updated.
            return
        if ended or half_built or health == "unhealthy":
            logs = ["docker", "logs", container]
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
            raise Failure(client.wrong_password(where())) from None
        if f'database "{settings.database}" does not exist' not in str(error):
            return False
    try:
        with _session(settings, "postgres") as session:
            if session.execute(OTHERS).fetchone() is None:
                return True
    except psycopg.OperationalError:
        return False
    raise Failure(f"{where()} has no database {settings.database}: set POSTGRES_DB in .env to the name that it was made with")


def _session(settings: Settings, database: str) -> psycopg.Connection:
    host, port = address() or (settings.address, settings.port)
    place = {"host": network.client_host(host), "port": port, "dbname": database}
    return psycopg.connect(**place, user=settings.user, password=settings.password, connect_timeout=3)


def _require_major(image: str) -> None:
    """Raise Failure if the volume was made by another major version of PostgreSQL than the image's, before anything is started."""
    volume = _docker("volume", "ls", "-q", *_labelled("volume", "data"))
    if not volume:
        return
    mounted = ["run", "--rm", "--network=none", "--entrypoint=sh", f"--volume={volume}:/data:ro", image]
    told = re.match(r"(\d+)\s.*PostgreSQL\) (\d+)", _docker(*mounted, "-c", "cat /data/PG_VERSION && postgres --version") or "")
    if told and told[1] != told[2]:
        before, after = f"ENMS_IMAGE of PostgreSQL {told[1]}", f"ENMS_IMAGE={image}"
        raise Failure(server.other_major(where(), int(told[1]), f"{image} is {told[2]}", before, after))


def _health(container: str) -> str | None:
    return _docker("inspect", "--format", "{{.State.Health.Status}}", container)


def _restarts(container: str) -> int:
    return int(_docker("inspect", "--format", "{{.RestartCount}}", container) or 0)


def _container(running: bool) -> str | None:
    """Id of this checkout's container, if there is one."""
    which = [] if running else ["--all"]
    ids = _docker("ps", "-q", "--no-trunc", *which, *_labelled("service", SERVICE))
    return ids.splitlines()[0] if ids else None


def _require_ours() -> None:
    """Raise Failure if the project's name is taken by another checkout, whose database would be hit."""
    container = _container(running=False)
    label = '{{index .Config.Labels "com.docker.compose.project.working_dir"}}'
    folder = container and _docker("inspect", "--format", label, container)
    if folder and Path(folder).resolve() != CHECKOUT:
        owner = f"the Compose project {project()!r} belongs to {folder}"
        raise Failure(f"{owner}: set another COMPOSE_PROJECT_NAME in .env")


def _labelled(kind: str, name: str) -> list[str]:
    ours = {"project": project(), kind: name}
    return [part for key, value in ours.items() for part in ("--filter", f"label=com.docker.compose.{key}={value}")]


def _compose() -> list[str] | None:
    """Compose 2, else docker-compose 1.29, else None."""
    if _docker("compose", "version") is not None:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def _run_compose(*arguments: str) -> None:
    if subprocess.run([*_compose(), *arguments], cwd=CHECKOUT, env=_environment()).returncode:
        raise Failure(f"docker compose {arguments[0]} failed; its output above says why")


def _environment(settings: Settings | None = None) -> dict[str, str]:
    """Environment for Compose, with flags that fit the memory settings to the daemon's machine."""
    environment = {"COMPOSE_PROJECT_NAME": project(), **os.environ}
    # stop, down and logs need no password, but Compose reads the whole file.
    environment.setdefault("POSTGRES_PASSWORD", settings.password if settings else "unused")
    memory = _docker("info", "--format", "{{.MemTotal}}")
    flags = server.memory_flags(int(memory)) if settings and memory else {}
    if flags:
        say(f"Memory settings scaled to this machine: {', '.join(f'{name} {value}' for name, value in flags.items())}")
        environment["ENMS_SERVER_FLAGS"] = " ".join(f"-c {name}={value}" for name, value in flags.items())
    return environment


def _open_to_server() -> None:
    """Let the container's user read the mounted files, which a clone under umask 077 does not."""
    closed = [path for path in (CONF, INIT, tls.HBA.parent, *INIT.glob("*.sql"), *tls.HBA.parent.glob("*.conf")) if not path.stat().st_mode & 0o004]
    for path in closed:
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    if closed:
        say(f"Made readable for the container: {', '.join(path.name for path in closed)}")


def _docker(*arguments: str) -> str | None:
    """Output of a docker command, or None if it failed, is not installed or does not answer."""
    try:
        run = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=20)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return run.stdout.strip() if run.returncode == 0 else None
