"""A copy of the checkout in which the engine's commands are run as a user runs them."""

import os
import pty
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
LEFT_OUT = ".git", ".venv", ".env", ".enms", "backups", "__pycache__", "*.egg-info", ".pytest_cache", ".hypothesis"


class Checkout:
    """A private copy of the checkout at `path`, with variables for its commands in `environment`.

    Settings of the developer's own shell do not reach the commands.
    """

    def __init__(self, path: Path, **environment: object) -> None:
        shutil.copytree(CHECKOUT, path, ignore=shutil.ignore_patterns(*LEFT_OUT))
        self.path = path
        self.python = sys.executable
        ours = ("ENMS_", "ENGINE", "ARGS", "BENCH_", "POSTGRES_", "PG", "COMPOSE_", "MAKE", "MFLAGS")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        # The folder's name, which Compose would take, is shared with other tests.
        project = {"COMPOSE_PROJECT_NAME": f"enms-test-{secrets.token_hex(4)}"}
        self.environment = inherited | project | {name: str(value) for name, value in environment.items()}

    def run(self, *arguments: str, user: int | None = None, stdin=subprocess.DEVNULL, **environment: object):
        """Run `python -m scripts.engine` with the arguments to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.path,
            env=self.environment | {name: str(value) for name, value in environment.items()},
            stdin=stdin,
            capture_output=True,
            text=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )

    def command(self, *arguments: str) -> list[str]:
        return [self.python, "-m", "scripts.engine", *arguments]

    def up(self, **environment: object) -> str:
        """`up`, which has to succeed; its output."""
        run = self.run("up", **environment)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    def query(self, sql: str) -> str:
        """Answer of a query by the command psql, without a header."""
        run = self.run("psql", "-X", "-v", "ON_ERROR_STOP=1", "-Atc", sql)
        assert run.returncode == 0, run.stderr
        return run.stdout.strip()

    def answer(self, answer: str, *arguments: str) -> subprocess.CompletedProcess:
        """Run a command on a terminal at which somebody types `answer`."""
        ours, theirs = pty.openpty()
        os.write(ours, f"{answer}\n".encode())
        try:
            return self.run(*arguments, stdin=theirs)
        finally:
            os.close(ours)
            os.close(theirs)

    @property
    def data(self) -> Path:
        return self.path / ".enms" / "data"

    def pid(self) -> int:
        """Process id in the server's lock file."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def password(self) -> str:
        lines = (self.path / ".env").read_text().splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith("POSTGRES_PASSWORD="))


def only_error(run: subprocess.CompletedProcess, code: int = 1) -> str:
    """The one error line of a command that failed as it should; fails the test on anything else."""
    lines = run.stderr.strip().splitlines()
    assert run.returncode == code, run.stdout + run.stderr
    assert len(lines) == 1 and lines[0].startswith("error: "), run.stderr
    return lines[0]
