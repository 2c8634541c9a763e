"""--wait: until the server answers and init/ has run to its end, with a word on what is still missing."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from rich.console import Console
from rich.markup import escape

from verify.connection import Target, connect, find_target
from verify.refusal import Refused, one_line
from verify.result import ExitCode, Fatal
from verify.sources import Sources
from verify.static.inventory import take

# s, between attempts: short at first, as most waits are.
PAUSE, LONGEST_PAUSE = 0.25, 1
# s, after which a log is told again, so that it does not look dead.
REPEAT = 30
STOPPED = "If init/ does not run at this moment, see the server's log for what stopped it, then start over: make clean, make up; of another version: make apply."
OBJECTS = """
select replace(n.nspname || '.', 'public.', '') || o.name
from (select relnamespace, relname::text from pg_class union all select pronamespace, proname::text from pg_proc) o (namespace, name)
join pg_namespace n on n.oid = o.namespace
where n.nspname in ('public', 'enms')
"""


def wait(dsn: str | None, seconds: float, version: str, sources: Sources) -> tuple[Target, psycopg.Connection]:
    """A connection to a server that answers and whose database has the completion marker.

    Tries for `seconds` and says on stderr what it waits for; Fatal when they are over, and at once for what
    waiting does not mend, such as a wrong password.
    """
    deadline, pause = time.monotonic() + seconds, PAUSE
    with _teller() as tell:
        while True:
            try:
                target = find_target(dsn)
                opened = connect(target)
                reason = _unfinished(opened, version, sources)
                if not reason:
                    return target, opened
                opened.close()
                why = f"{reason}. {STOPPED}"
            except Refused as refused:
                if refused.final:
                    raise
                reason, why = refused.reason, str(refused)
            except Fatal as error:
                if error.code is not ExitCode.CONNECT:
                    raise
                reason = why = str(error)
            left = deadline - time.monotonic()
            if left <= 0:
                raise Fatal(f"not ready after {seconds:g} s: {why}", ExitCode.CONNECT)
            tell(reason, left)
            time.sleep(min(pause, left))
            pause = min(pause * 1.2, LONGEST_PAUSE)


@contextmanager
def _teller() -> Iterator[Callable[[str, float], None]]:
    """Tells a reason and the seconds left: one line that changes on a terminal, a line per change in a log."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal and not console.is_dumb_terminal:
        with console.status("waiting") as status:
            yield lambda reason, left: status.update(f"waiting, {left:.0f} s left: {escape(reason)}")
        return
    said, at = "", 0.0

    def tell(reason: str, left: float) -> None:
        nonlocal said, at
        if reason != said or at - left >= REPEAT:
            print(f"waiting, {left:.0f} s left: {reason}", file=sys.stderr, flush=True)
            said, at = reason, left

    yield tell


def _unfinished(opened: psycopg.Connection, version: str, sources: Sources) -> str:
    """Why the database is not ready; empty if it is."""
    try:
        if opened.execute("select to_regclass('enms.schema_version')").fetchone()[0] is None:
            return _progress(opened, sources)
        found = [row[0] for row in opened.execute("select version from enms.schema_version order by completed_at")]
        if version in found:
            return ""
        if found:
            return f"{opened.info.dbname} is of version {found[-1]}, not {version}"
        return _progress(opened, sources)
    except psycopg.errors.InsufficientPrivilege:
        return f"{opened.info.user} may not read the completion marker; to grant enms_reader lets it"
    except psycopg.Error as error:
        return f"the completion marker, enms.schema_version, cannot be read: {one_line(error)}"


def _progress(opened: psycopg.Connection, sources: Sources) -> str:
    """How far init/ has come: to the last of its files that has made something."""
    there = {row[0] for row in opened.execute(OBJECTS)}
    reached = ""
    for number, path in enumerate(sources.files, 1):
        made = take(sources.scripts[path.name].statements)
        if any(there & made.of(kind).keys() for kind in ("tables", "functions", "views", "rollups")):
            reached = f"init/ has come to {path.name}, {number} of {len(sources.files)}, in {opened.info.dbname}"
    return reached or f"init/ has not begun in {opened.info.dbname}"
