"""A progress bar for rows: how many, how fast, how long yet."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from scripts.console import say

# Where it is no terminal, a line each time that another tenth is done, but none after the last within s.
PARTS, PAUSE = 10, 2


@contextmanager
def rows_bar(doing: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how much of `total` rows is done; yields what is told of more rows, by any thread."""
    console, began, done, lock = Console(), time.monotonic(), 0, threading.Lock()
    told = began
    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rate]} rows/s"), TimeRemainingColumn(compact=True), TextColumn("left"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(doing, total=total, rate="-")

        def advance(rows: int) -> None:
            nonlocal done, told
            with lock:
                before, done = done, done + rows
                now = time.monotonic()
                took = now - began
                progress.update(task, completed=done, rate=f"{done / took:,.0f}")
                if not console.is_terminal and done < total and now - told > PAUSE and before * PARTS // total != done * PARTS // total:
                    told = now
                    say(f"{doing}: {done * 100 // total} %, {done / took:,.0f} rows/s, {(total - done) * took / done:.0f} s left")

        yield advance
    took = time.monotonic() - began
    say(f"{doing} ... {done:,} rows in {took:.1f} s, {done / took:,.0f} rows/s")
