"""A progress bar for work that comes in many like parts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from scripts.console import say, step


@contextmanager
def bar(doing: str, total: int) -> Iterator[Callable[[], None]]:
    """Show how much of `doing` is done; yields what to call after each of the `total` parts."""
    console = Console()
    if not console.is_terminal:
        with step(doing):
            yield lambda: None
        return
    began = time.monotonic()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda: progress.advance(task)
    say(f"{doing} ... done in {time.monotonic() - began:.1f} s")
