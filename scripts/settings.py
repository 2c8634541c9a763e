"""The checkout's folders and the settings in .env, which Compose reads in the same way."""

import fcntl
import os
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path

from scripts.console import Failure

CHECKOUT = Path(__file__).resolve().parent.parent
ENV, EXAMPLE = CHECKOUT / ".env", CHECKOUT / ".env.example"
CONF, INIT, STATE = CHECKOUT / "postgresql.conf", CHECKOUT / "init", CHECKOUT / ".enms"


@dataclass(frozen=True)
class Settings:
    """What .env says: the database, its superuser, and the address and port it is reached at."""

    user: str
    database: str
    password: str
    address: str
    port: int
    image: str
    tls: bool = False


def value(name: str, default: str) -> str:
    """A variable of the shell, else of .env, else the default; an empty one is none."""
    return os.environ.get(name, _read_file().get(name, "")) or default


def backups_folder() -> Path:
    """Where backups are kept: ENMS_BACKUPS, else backups/ of the checkout."""
    # No shell has expanded a ~ that stands in .env.
    return CHECKOUT / os.path.expanduser(value("ENMS_BACKUPS", "backups"))


def keep_backups() -> int:
    """How many backups are kept: ENMS_KEEP_BACKUPS, else 7; raises Failure if that is no number."""
    text = value("ENMS_KEEP_BACKUPS", "7")
    if not (text.isascii() and text.isdigit() and int(text)):
        raise Failure(f"ENMS_KEEP_BACKUPS is {text!r}: set it to the number of backups to keep, 1 or more", code=2)
    return int(text)


def schema_version() -> str:
    """Version of this checkout's schema."""
    return tomllib.loads((CHECKOUT / "verify" / "spec.toml").read_text())["version"]


def read_settings() -> Settings:
    """Settings from .env, which variables of the shell override; raises Failure on one that cannot be."""
    password = value("POSTGRES_PASSWORD", "")
    if not password:
        advice = "set it there" if ENV.exists() else "run make up, which writes it"
        raise Failure(f"{ENV} has no POSTGRES_PASSWORD: {advice}")
    port = value("ENMS_PORT", "5432")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise Failure(f"ENMS_PORT is {port!r}: set it to a port number, 1 to 65535")
    tls = value("ENMS_TLS", "off")
    if tls not in ("on", "off"):
        raise Failure(f"ENMS_TLS is {tls!r}: set it to on or off")
    return Settings(
        user=value("POSTGRES_USER", "enms_user"),
        database=value("POSTGRES_DB", "enms"),
        password=password,
        address=value("ENMS_BIND", "127.0.0.1"),
        port=int(port),
        image=value("ENMS_IMAGE", "timescale/timescaledb:2.29.2-pg17"),
        tls=tls == "on",
    )


def project() -> str:
    """Compose's name for the checkout: COMPOSE_PROJECT_NAME, else its folder's name."""
    name = os.environ.get("COMPOSE_PROJECT_NAME") or _read_file().get("COMPOSE_PROJECT_NAME") or CHECKOUT.name
    return "".join(letter for letter in name.lower() if letter in "abcdefghijklmnopqrstuvwxyz0123456789_-").lstrip("_-")


def write_env() -> bool:
    """Make .env from .env.example with a random password, readable by its owner alone; False if it is there by now."""
    with open(EXAMPLE) as example:
        # Of two commands at once the second would leave a password that the first one's database does not know.
        fcntl.flock(example, fcntl.LOCK_EX)
        if ENV.exists():
            return False
        _write_env("".join(
            f"POSTGRES_PASSWORD={secrets.token_urlsafe(24)}\n" if line.strip() == "POSTGRES_PASSWORD=" else line for line in example
        ))  # fmt: skip
        return True


def _write_env(text: str) -> None:
    part = ENV.with_name(".env.part")
    part.unlink(missing_ok=True)
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        part.rename(ENV)
    finally:
        part.unlink(missing_ok=True)


def _read_file() -> dict[str, str]:
    """Names and values in .env; quotes round a value are no part of it."""
    if not ENV.exists():
        return {}
    pairs = {}
    for line in ENV.read_text().splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or name.startswith("#"):
            continue
        value = value.strip()
        if "$" in value and not value.startswith("'"):
            raise Failure(f"{ENV}: put the value of {name.strip()} in single quotes, or Compose would expand its $")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        else:
            value = value.split(" #", 1)[0].rstrip()
        pairs[name.strip()] = value
    return pairs
