"""Something done again and again beside the work."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg


@contextmanager
def meanwhile(action: Callable[[], object], every: float) -> Iterator[None]:
    """Do `action` every so many seconds until the block ends, on a thread of its own; a psycopg.Error ends that, not the work."""
    over = threading.Event()

    def again() -> None:
        with suppress(psycopg.Error):
            while not over.wait(every):
                action()

    thread = threading.Thread(target=again, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
