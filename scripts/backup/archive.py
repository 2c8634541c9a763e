"""pg_dump and pg_restore, of the server's own version, with the archive in a file of this machine."""

import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

from psycopg.conninfo import make_conninfo

from scripts import client
from scripts.backup.store import Damaged
from scripts.connection import Database
from scripts.console import Failure, bytes_step

BLOCK = 1 << 20
# pg_restore commits thousands of times; what it wrote is on disk when the databases change places at the latest.
OPTIONS = "-c synchronous_commit=off"
# What pg_dump says of every TimescaleDB database, which a restore of the whole does not need.
KNOWN = (
    "warning: there are circular foreign-key constraints on this table:", "warning: there are circular foreign-key constraints among these tables:",
    "detail: continuous_agg", "detail: hypertable", "detail: chunk",
    "hint: You might not be able to restore the dump without using --disable-triggers or temporarily dropping the constraints.",
    "hint: Consider using a full dump instead of a --data-only dump to avoid this problem.",
)  # fmt: skip


def dump(database: Database, major: int, snapshot: str, unfilled: list[list[str]], file: Path) -> dict:
    """Write an archive of the snapshot to `file`; returns its bytes and SHA-256. Raises Failure.

    `unfilled` are materialized views that pg_restore is not to fill: it would in restoring mode, where compressed chunks
    read as empty.
    """
    command = [*_program(database, "pg_dump", major), "--format=custom", f"--snapshot={snapshot}", "--no-password"]
    for names in unfilled:
        command.append("--exclude-table-data=" + ".".join('"{}"'.format(name.replace('"', '""')) for name in names))
    digest = hashlib.sha256()
    written = 0
    with (
        open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target,
        tempfile.TemporaryFile() as errors,
        bytes_step("Dumping the database") as advance,
        _running(command, database, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        while block := process.stdout.read(BLOCK):
            target.write(block)
            digest.update(block)
            written += len(block)
            advance(len(block))
        _end("pg_dump", process, errors)
    return {"bytes": written, "sha256": digest.hexdigest()}


def load(database: Database, major: int, dbname: str, file: Path) -> None:
    """Restore the archive into an empty database that is in TimescaleDB's restoring mode; raises Failure at the first error."""
    command = [*_program(database, "pg_restore", major), "--exit-on-error", "--no-password", f"--dbname={make_conninfo(dbname=dbname)}"]
    with (
        open(file, "rb") as source,
        tempfile.TemporaryFile() as errors,
        bytes_step(f"Restoring into {dbname}", file.stat().st_size) as advance,
        _running(command, database, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors) as process,
    ):
        try:
            while block := source.read(BLOCK):
                process.stdin.write(block)
                advance(len(block))
            process.stdin.close()
        except BrokenPipeError:
            # pg_restore has ended, and its exit code and stderr say why.
            process.stdin = None
        _end("pg_restore", process, errors)


def require_readable(database: Database, major: int, file: Path) -> None:
    """Have pg_restore read the archive's list of contents; raises Failure if it cannot."""
    with open(file, "rb") as source:
        command = [*_program(database, "pg_restore", major), "--list"]
        run = subprocess.run(command, env=database.environment, stdin=source, capture_output=True, text=True)
    if run.returncode:
        raise Damaged(f"{file} is no archive that pg_restore reads: {client.reason(run.stderr)}")


class _running:
    """A process that does not outlive the block."""

    def __init__(self, command: list[str], database: Database, **pipes) -> None:
        environment = database.environment
        # What is said on stderr is compared with what is known, in English.
        spoken = {"LC_ALL": "C", "PGOPTIONS": f"{environment.get('PGOPTIONS', '')} {OPTIONS}".strip()}
        self.process = subprocess.Popen(command, env=environment | spoken, **pipes)

    def __enter__(self) -> subprocess.Popen:
        return self.process

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def _end(name: str, process: subprocess.Popen, errors) -> None:
    """Wait for the end; Failure if it was not a good one, or if anything but the known warnings was said."""
    code = process.wait()
    errors.seek(0)
    said = errors.read().decode(errors="replace")
    lines = [re.sub(rf"^{name}: ", "", line.strip()) for line in said.splitlines()]
    strange = [line for line in lines if line and line not in KNOWN]
    if code or strange:
        why = client.reason(said if code else strange[0])
        # What the server refuses of an archive is wrong with the archive; a lost connection or a full disk is not.
        raise (Damaged if name == "pg_restore" and "ERROR:" in why else Failure)(f"{name} failed: {why}")


def _program(database: Database, name: str, major: int) -> list[str]:
    """The program, of the server's major version: another one may write what this server cannot read."""
    command = database.program(name, major)
    run = subprocess.run([*command, "--version"], env=database.environment, capture_output=True, text=True)
    version = re.search(r"\) (\d+)", run.stdout)
    if version is None or int(version[1]) != major:
        found = version[1] if version else client.reason(run.stderr)
        raise Failure(f"the server is PostgreSQL {major}, {name} here is {found}: install postgresql-client-{major}")
    return command
