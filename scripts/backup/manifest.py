"""manifest.json of a backup: what is in it, what made it, and what it needs."""

import hashlib
import json
from pathlib import Path

from scripts.backup.store import CHECKSUM, DUMP, MANIFEST, ROLES, Damaged, sha256, write
from scripts.console import Failure, bytes_step

FORMAT = "enms-backup/1"
NEEDED = {
    "created", "database", "schema", "postgresql", "major", "timescaledb", "edition", "superuser", "owner", "comment", "locale", "encoding",
    "connections", "acl", "settings", "size", "filled", "files", "failing", "relations",
}  # fmt: skip
DAMAGED = "this backup is damaged: take another one (make backups lists them)"


def save(folder: Path, content: dict) -> None:
    """Write the manifest and its own checksum, in the form that sha256sum -c reads."""
    text = json.dumps({"format": FORMAT, **content}, indent=2) + "\n"
    write(folder / MANIFEST, text)
    write(folder / CHECKSUM, f"{hashlib.sha256(text.encode()).hexdigest()}  {MANIFEST}\n")


def load(folder: Path) -> dict:
    """The manifest of a backup whose files have the sizes it names; raises Failure on anything else."""
    try:
        text = (folder / MANIFEST).read_bytes()
        said = (folder / CHECKSUM).read_text(errors="replace").split()
    except FileNotFoundError as missing:
        raise Damaged(f"{folder} has no {Path(missing.filename).name}: it was not made by make backup, or {DAMAGED}") from None
    if said[:1] != [hashlib.sha256(text).hexdigest()]:
        raise Damaged(f"{folder / MANIFEST} is not as it was written: {DAMAGED}")
    content = json.loads(text)
    if content.get("format") != FORMAT:
        raise Failure(f"{folder} is of the format {content.get('format')!r}, this version reads {FORMAT!r}: restore it with the version that made it")
    if not (NEEDED <= content.keys() and {DUMP, ROLES} <= content["files"].keys()):
        raise Damaged(f"{folder / MANIFEST} does not say all that a restore needs: {DAMAGED}")
    for name, file in content["files"].items():
        try:
            size = (folder / name).stat().st_size
        except FileNotFoundError:
            raise Damaged(f"{folder} has no {name}: {DAMAGED}") from None
        if size != file["bytes"]:
            raise Damaged(f"{folder / name} has {size:,} bytes instead of {file['bytes']:,}: {DAMAGED}")
    return content


def require_whole(folder: Path, content: dict) -> None:
    """Read every file back; raises Failure if one is not as it was written."""
    with bytes_step("Checking the files", sum(file["bytes"] for file in content["files"].values())) as advance:
        for name, file in content["files"].items():
            if sha256(folder / name, advance) != file["sha256"]:
                raise Damaged(f"{folder / name} is not as it was written, its SHA-256 differs: {DAMAGED}")


def require_fit(folder: Path, content: dict, server: dict, schema: str) -> None:
    """Raise Failure if this server or this checkout is not what the backup needs; says what is.

    `server` has major, superuser and versions, those of TimescaleDB that can be created there; `schema` is
    the checkout's schema version.
    """
    made, wants = f"{folder.name} was made", content["timescaledb"]
    if content["schema"] != schema:
        raise Failure(
            f"{made} with schema version {content['schema']}, this checkout has {schema}: check that version out, make restore, "
            "then come back to this one and make apply"
        )
    if wants not in server["versions"]:
        here = ", ".join(server["versions"]) or "none"
        raise Failure(
            f"{made} by TimescaleDB {wants}, this server has {here}: start one that has {wants} (ENMS_IMAGE names the docker "
            "engine's image), restore there, and upgrade TimescaleDB afterwards"
        )
    if content["major"] > server["major"]:
        raise Failure(f"{made} by PostgreSQL {content['major']}, this server is {server['major']}: restore into {content['major']} or newer")
    if content["superuser"] != server["superuser"]:
        raise Failure(
            f"{made} on a server whose superuser is {content['superuser']}, here it is {server['superuser']}: restore into a server that was "
            f"made with POSTGRES_USER={content['superuser']} in .env"
        )


def require_edition(folder: Path, content: dict, edition: str) -> None:
    """Raise Failure if the server runs the other edition of TimescaleDB."""
    if content["edition"] != edition:
        raise Failure(
            f"{folder.name} was made by TimescaleDB's {content['edition']} edition, this server runs {edition}: restore into a server "
            f"of the {content['edition']} edition (make status names the edition)"
        )


def differences(content: dict, found: dict[str, dict]) -> list[str]:
    """Where tables and rollups are not as they were when the backup was made."""
    was = content["relations"]
    lines = [f"{name} is missing" for name in was.keys() - found.keys()] + [f"{name} is not in the backup" for name in found.keys() - was.keys()]
    for name in was.keys() & found.keys():
        for what, value in was[name].items():
            if found[name][what] != value:
                lines.append(f"{name}: {what} {found[name][what]} instead of {value}")
                break
    return sorted(lines)
