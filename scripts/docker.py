"""The docker engine: the service `postgres` of docker-compose.yml."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts import boot, client, container, network, server, tls
from scripts.console import Failure, say, step
from scripts.settings import CHECKOUT, CONF, INIT, Settings, project

NAME = "docker"


def why_not(image: str) -> str | None:
    """Why Docker cannot be used here, or None if it can; pulls the image if it is not there."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    if container.ask("version", "--format", "{{.Server.Version}}") is None:
        return "no Docker daemon answers to this user"
    if container.compose() is None:
        return "Docker Compose is not installed"
    if container.ask("image", "inspect", image) is None:
        say(f"Pulling {image}")
        pull = subprocess.run(["docker", "pull", image], stderr=subprocess.PIPE, text=True)
        if pull.returncode:
            return f"{image} is not here and could not be pulled: {client.reason(pull.stderr)}"
    return None


# As the embedded engine has them.
address, where = container.address, container.where


def is_up() -> bool:
    """True if the container of this checkout runs."""
    return bool(container.find(running=True))


def has_data() -> bool:
    """True if the volume of this checkout exists."""
    return container.volume("data") is not None


def up(settings: Settings) -> None:
    """Start the container and wait until its health check is green."""
    if reason := why_not(settings.image):
        raise Failure(f"Docker cannot be used: {reason} (make up ENGINE=embedded needs none)")
    _require_ours()
    ours = container.find(running=True)
    restarts = 0
    if ours is None:
        network.require_free_port(settings.address, settings.port)
        _require_major(settings.image)
    elif container.health(ours) == "healthy":
        return
    else:
        restarts = container.restarts(ours)
    _open_to_server()
    say(f"Image: {settings.image}")
    command, environment = [*container.compose(), "up"], _environment(settings)
    if settings.tls:
        pem = tls.pem()
        # Makes the volumes; where that fails, the start below says why.
        subprocess.run([*command, "--no-start"], cwd=CHECKOUT, env=environment, capture_output=True)
        tls.put(pem, container.volume("tls"), settings.image)
    run = subprocess.run([*command, "-d"], cwd=CHECKOUT, env=environment)
    if run.returncode:
        raise Failure("docker compose could not start the database; its output above says why")
    try:
        with step("Waiting for the health check"):
            boot.wait(settings, restarts)
    except Failure:
        # An entrypoint that runs initdb hears no signal, and the whole grace period would be waited for.
        _run_compose("stop", "--timeout=20")
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
    ours = container.find(running=True)
    if ours is None:
        return None
    terminal = ["-t"] if name == "psql" and sys.stdin.isatty() else []
    inside = ["-e", "PGHOST=127.0.0.1", "-e", "PGPORT=5432", "-e", "PSQL_HISTORY=/dev/null"]
    # Without a value docker takes them from its environment, not from the command line.
    passed = ["-e", "PGUSER", "-e", "PGDATABASE", "-e", "PGPASSWORD", "-e", "PGOPTIONS"]
    return ["docker", "exec", "-i", *terminal, *inside, *passed, ours, name]


def show_log(lines: int, follow: bool) -> None:
    """Become `docker compose logs`."""
    command = [*container.compose(), "logs", f"--tail={lines}", *(["-f"] if follow else []), container.SERVICE]
    os.chdir(CHECKOUT)
    os.execvpe(command[0], command, _environment())


def _require_major(image: str) -> None:
    """Raise Failure if the volume was made by another major version of PostgreSQL than the image's, before anything is started."""
    volume = container.volume("data")
    if not volume:
        return
    mounted = ["run", "--rm", "--network=none", "--entrypoint=sh", f"--volume={volume}:/data:ro", image]
    told = re.match(r"(\d+)\s.*PostgreSQL\) (\d+)", container.ask(*mounted, "-c", "cat /data/PG_VERSION && postgres --version") or "")
    if told and told[1] != told[2]:
        before, after = f"ENMS_IMAGE of PostgreSQL {told[1]}", f"ENMS_IMAGE={image}"
        raise Failure(server.other_major(container.where(), int(told[1]), f"{image} is {told[2]}", before, after))


def _require_ours() -> None:
    """Raise Failure if the project's name is taken by another checkout, whose database would be hit."""
    ours = container.find(running=False)
    label = '{{index .Config.Labels "com.docker.compose.project.working_dir"}}'
    folder = ours and container.ask("inspect", "--format", label, ours)
    if folder and Path(folder).resolve() != CHECKOUT:
        owner = f"the Compose project {project()!r} belongs to {folder}"
        raise Failure(f"{owner}: set another COMPOSE_PROJECT_NAME in .env")


def _run_compose(*arguments: str) -> None:
    if subprocess.run([*container.compose(), *arguments], cwd=CHECKOUT, env=_environment()).returncode:
        raise Failure(f"docker compose {arguments[0]} failed; its output above says why")


def _environment(settings: Settings | None = None) -> dict[str, str]:
    """Environment for Compose, with flags that fit the memory settings to the daemon's machine."""
    environment = {"COMPOSE_PROJECT_NAME": project(), **os.environ}
    # stop, down and logs need no password, but Compose reads the whole file.
    environment.setdefault("POSTGRES_PASSWORD", settings.password if settings else "unused")
    memory = container.ask("info", "--format", "{{.MemTotal}}")
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


