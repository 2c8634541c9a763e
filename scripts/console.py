"""What the tools say to a person: short lines, a clock on anything slow, one line per error."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Failure(Exception):
    """An anticipated failure; its text is one line that says what is wrong and what to do."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def say(message: str) -> None:
    """Print one line on stdout at once, also when stdout is a file or a pipe."""
    print(message, flush=True)


def complain(message: str) -> None:
    """Print one `error:` line on stderr."""
    sys.stdout.flush()
    print(f"error: {' '.join(message.split())}", file=sys.stderr, flush=True)


@contextmanager
def step(doing: str) -> Iterator[None]:
    """Show that `doing` is under way, with a clock on a terminal, else print its start at once."""
    console = Console()
    started = time.monotonic()
    if console.is_terminal:
        columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        with Progress(*columns, console=console, transient=True) as progress:
            progress.add_task(doing, total=None)
            yield
        say(f"{doing} ... done in {time.monotonic() - started:.1f} s")
        return
    print(f"{doing} ...", end="", flush=True)
    end = ""
    try:
        yield
        end = f" done in {time.monotonic() - started:.1f} s"
    finally:
        say(end)
