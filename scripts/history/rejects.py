"""The lines that did not go in, in a file: number, reason, and the line as it was."""

import csv
import os
from pathlib import Path

import polars as pl

from scripts.history.sessions import Sessions
from scripts.history.source import Source


def collect(sessions: Sessions, refused: list[pl.DataFrame]) -> int:
    """Lines refused so far, by the file and by the database."""
    there = (session.execute("select count(*) from pg_temp.refused").fetchone()[0] for session in sessions.every)
    return sum(part.height for part in refused) + sum(there)


def _there(sessions: Sessions, reason: str) -> list[tuple[int, str]]:
    """Line and reason of what the database refused."""
    return [row for session in sessions.every for row in session.execute(f"select line, {reason} from pg_temp.refused").fetchall()]


def write(sessions: Sessions, source: Source, path: Path, refused: list[pl.DataFrame]) -> Path | None:
    """Write the file; without rejects one of an earlier run is removed, and None returned."""
    reasons = {line: reason for part in refused for line, reason in part.iter_rows()}
    reasons.update(_there(sessions, "reason"))
    if not reasons:
        path.unlink(missing_ok=True)
        return None
    new = path.with_name(path.name + ".new")
    with open(new, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["line", "reason", "content"])
        for number, text, *_ in source.blocks():
            for line, content in enumerate(text.split(b"\n")[:-1], number):
                if line in reasons:
                    out.writerow([line, reasons[line], content.decode(errors="replace").rstrip("\r")])
    os.replace(new, path)
    return path


def is_free(path: Path) -> bool:
    """True where rejects may be written: nothing is there, or the rejects of an earlier run."""
    if not path.exists():
        return True
    with open(path, "rb") as file:
        return file.readline().strip() == b"line,reason,content"


def most(sessions: Sessions, refused: list[pl.DataFrame], limit: int = 5) -> list[tuple[str, int, int]]:
    """The commonest reasons: text, lines, and the first of them."""
    own = pl.concat(refused).with_columns(pl.col("reason").str.replace("'.*'", "'...'")) if refused else pl.DataFrame(schema={"line": pl.Int64, "reason": pl.String})
    there = _there(sessions, "regexp_replace(reason, 'line \\d+$', 'line ...')")
    every = pl.concat([own, pl.DataFrame(there, schema={"line": pl.Int64, "reason": pl.String}, orient="row")])
    grouped = every.group_by("reason").agg(pl.len().alias("lines"), pl.col("line").min()).sort(["lines", "line"], descending=[True, False])
    return list(grouped.head(limit).iter_rows())
