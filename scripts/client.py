"""Running psql: what it needs to connect, and init/ through it."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from psycopg import pq

from scripts.console import Failure

# libpq's variables that would lead a session elsewhere than its parameters do, or make it another one.
ASTRAY = "PGSERVICE", "PGHOSTADDR", "PGOPTIONS", "PGCLIENTENCODING"
DISK_FULL = "the disk is full: free some space and try again"


def environment(parameters: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, with connection parameters as the PG* variables of libpq's programs.

    A password stays out of command lines that way, where every user of the machine could read it. What the
    parameters leave open is taken from variables that are set already, as psycopg does.
    """
    names = {option.keyword.decode(): option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar}
    others = {name: value for name, value in os.environ.items() if name not in ASTRAY}
    return others | {names[key]: str(value) for key, value in parameters.items() if key in names}


def psql_program(own: str | None = None) -> str:
    """The machine's psql, else the server's `own`; raises Failure if there is neither."""
    program = shutil.which("psql") or own
    if program is None:
        raise Failure("psql is missing: install a PostgreSQL client (the package postgresql-client on Debian)")
    return program


def run_sql_files(psql: list[str], environment: Mapping[str, str], folder: Path) -> int:
    """Run folder/*.sql in order as the image's entrypoint does, and return how many there were.

    Stops at the first error: Failure names the file, the line and the error.
    """
    files = sorted(folder.glob("*.sql"))
    if not files:
        raise Failure(f"{folder} has no .sql files")
    for file in files:
        command = [*psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        # By standard input, which a psql inside a container reads as well.
        with open(file) as text:
            run = subprocess.run(command, env=environment, stdin=text, capture_output=True, text=True)
        if run.returncode:
            raise Failure(reason(run.stderr).replace("psql:<stdin>", f"{folder.name}/{file.name}"))
    return len(files)


def wrong_password(place: str) -> str:
    """What to say when the server at `place` refuses the password."""
    return f"the password in .env is not the one that {place} was made with: put that one back, or make clean"


def reason(output: str) -> str:
    """The line of a server's or a client's output that says why it failed."""
    if "No space left on device" in output:
        return DISK_FULL
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for mark in "FATAL:", "PANIC:", "ERROR:", "error:":
        for line in lines:
            if mark in line:
                # A server's line begins with time and process, a client's with file and line number.
                return line[line.index(mark):] if mark in ("FATAL:", "PANIC:") else line  # fmt: skip
    return lines[-1] if lines else "it gave no reason"
