"""What the tools say to a person: short lines, a clock on anything slow, one line per error."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn


class Failure(Exception):
    """An anticipated failure; its text is one line that says what is wrong and what to do."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def say(message: str) -> None:
    """Print one line on stdout at once, also when stdout is a file or a pipe."""
    print(plain(message), flush=True)


@contextmanager
def screen(piped: int) -> Iterator[Console]:
    """A console as wide as the terminal, or `piped`, whose text goes to stdout in one piece.

    By itself, Rich would end the program, with 1, as soon as nobody reads on.
    """
    # Without colours, Rich would still write in bold.
    console = Console(highlight=False, color_system=None if os.environ.get("NO_COLOR") else "auto")
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = piped
    # A mark that the locale lacks.
    sys.stdout.reconfigure(errors="replace")
    with console.capture() as captured:
        yield console
    put(captured.get())


def put(text: str) -> None:
    """Write on stdout; its reader, such as head, may have enough of it."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain once more as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def plain(text: str) -> str:
    """The text without what would move a terminal's cursor or colour it."""
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)


def complain(message: str) -> None:
    """Print one `error:` line on stderr."""
    sys.stdout.flush()
    print(f"error: {plain(' '.join(message.split()))}", file=sys.stderr, flush=True)


def exit_code(work: Callable[[], int | None]) -> int:
    """Do a command's work; what ends it early is told in one line. The exit code is its own, 1 for a failure or 130 for an interrupt."""
    # Ended by whatever started it, as by Ctrl-C: what it has begun is put in order. Under nohup it goes on.
    for number in signal.SIGTERM, signal.SIGHUP:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    # The driver's own warnings, such as of a rollback that an interrupt or a lost connection made needless.
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    try:
        return work() or 0
    except Failure as failure:
        complain(str(failure))
        return failure.code
    except OSError as error:
        complain(f"{error.strerror}: {error.filename}" if error.filename else str(error))
        return 1
    except KeyboardInterrupt:
        complain("interrupted")
        return 130


@contextmanager
def step(doing: str) -> Iterator[None]:
    """Show that `doing` is under way, with a clock on a terminal, else print its start at once."""
    with _under_way(doing, None):
        yield


@contextmanager
def bytes_step(doing: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """The same for work on bytes; what is yielded is told how many more are done."""
    with _under_way(doing, total, *([BarColumn()] if total else []), DownloadColumn(binary_units=False)) as (progress, task):
        yield lambda more: progress.advance(task, more) if progress else None


@contextmanager
def count_step(doing: str) -> Iterator[Callable[[int, int], None]]:
    """The same for work on things; what is yielded is told how many are done, of how many."""
    with _under_way(doing, None, BarColumn(), MofNCompleteColumn()) as (progress, task):
        yield lambda done, total: progress.update(task, completed=done, total=total) if progress else None


@contextmanager
def _under_way(doing: str, total: int | None, *columns: ProgressColumn) -> Iterator[tuple[Progress | None, int]]:
    console = Console()
    started = time.monotonic()
    if console.is_terminal:
        every = SpinnerColumn(), TextColumn("{task.description}"), *columns, TimeElapsedColumn()
        with Progress(*every, console=console, transient=True) as progress:
            yield progress, progress.add_task(escape(doing), total=total)
        say(f"{doing} ... done in {time.monotonic() - started:.1f} s")
        return
    print(f"{doing} ...", end="", flush=True)
    end = ""
    try:
        yield None, 0
        end = f" done in {time.monotonic() - started:.1f} s"
    finally:
        say(end)
