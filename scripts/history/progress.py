"""A stage of the import: a bar with rows a second and the time left on a terminal, else one line."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from scripts.console import say


def rate(rows: int, seconds: float) -> str:
    """Rows a second for people, to three digits."""
    number = rows / max(seconds, 0.001)
    digits = len(str(int(number))) - 3
    return f"{round(number, -max(digits, 0)):,.0f} rows/s"


@contextmanager
def stage(doing: str, total: int | None) -> Iterator[Callable[[int, int], None]]:
    """Show `doing`; what is yielded is told how much of `total` is done (bytes or rows), and how many rows that is."""
    console = Console()
    began = time.monotonic()
    done = [0]

    def told() -> str:
        if not done[0]:
            return ""
        return f"{done[0]:,} row{'s' * (done[0] != 1)}, {rate(done[0], time.monotonic() - began)}"

    if console.is_terminal:
        columns = TextColumn("{task.description}"), BarColumn(20), TaskProgressColumn(), TextColumn("{task.fields[told]}"), TimeRemainingColumn()
        with Progress(*columns, console=console, transient=True, refresh_per_second=4) as progress:
            task = progress.add_task(doing, total=total, told="")

            def advance(completed: int, rows: int) -> None:
                done[0] = rows
                progress.update(task, completed=completed, told=told())

            yield advance
        say(f"{doing} ... done in {time.monotonic() - began:.1f} s{told() and ': '}{told()}")
        return
    print(f"{doing} ...", end="", flush=True)
    end = ""

    def note(_: int, rows: int) -> None:
        done[0] = rows

    try:
        yield note
        end = f" done in {time.monotonic() - began:.1f} s{told() and ': '}{told()}"
    finally:
        say(end)
