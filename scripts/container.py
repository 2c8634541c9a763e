"""What Docker knows of this checkout: its container, its volumes, and which Compose there is."""

import shutil
import subprocess

from scripts.settings import project

SERVICE = "postgres"


def ask(*arguments: str) -> str | None:
    """Output of a docker command, or None if it failed, is not installed or does not answer."""
    try:
        run = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=20)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return run.stdout.strip() if run.returncode == 0 else None


def compose() -> list[str] | None:
    """Compose 2, else docker-compose 1.29, else None."""
    if ask("compose", "version") is not None:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def find(running: bool) -> str | None:
    """Id of this checkout's container, if there is one."""
    which = [] if running else ["--all"]
    ids = ask("ps", "-q", "--no-trunc", *which, *labelled("service", SERVICE))
    return ids.splitlines()[0] if ids else None


def address() -> tuple[str, int] | None:
    """Address and port that the running container is published at; None if it is down."""
    ours = find(running=True)
    published = ours and ask("port", ours, "5432/tcp")
    if not published:
        return None
    host, _, port = published.splitlines()[0].rpartition(":")
    return host, int(port)


def volume(name: str) -> str | None:
    """Full name of the checkout's volume `data` or `tls`; None if there is none yet."""
    return ask("volume", "ls", "-q", *labelled("volume", name)) or None


def where() -> str:
    """Where the data is, for people."""
    return f"the Docker volume {volume('data')}"


def health(container: str) -> str | None:
    """State of the container's health check."""
    return ask("inspect", "--format", "{{.State.Health.Status}}", container)


def restarts(container: str) -> int:
    """How often Docker has restarted the container."""
    return int(ask("inspect", "--format", "{{.RestartCount}}", container) or 0)


def labelled(kind: str, name: str) -> list[str]:
    """Filters for what Compose has made for this checkout: a `service` or a `volume` of that name."""
    ours = {"project": project(), kind: name}
    return [part for key, value in ours.items() for part in ("--filter", f"label=com.docker.compose.{key}={value}")]
