"""Comments: what \\d+ says of every object, with its units, as init/ has it."""

from collections.abc import Iterator

from verify.registry import Check, Context, family
from verify.result import Verdict, same_set
from verify.spec import Spec

FIX = "make apply writes them again."


@family("comments", 135)
def plan(spec: Spec) -> Iterator[Check]:
    there = {name: f"table {name}" for name in spec.tables} | {name: f"rollup {name}" for name in spec.rollups}
    there |= {name: f"view {name}" for name in spec.views} | {name: f"function {name}" for name in spec.functions}
    there |= {name: f"enum {name}" for name in spec.enums} | {name: f"role {name}" for name in spec.roles}
    relations = {*spec.tables, *spec.rollups, *spec.views}
    for name, parent in there.items():
        blames = (f"columns of {name}",) if name in relations else ()
        yield Check(f"comments of {name}", lambda context, name=name: _comments(context, name), ("comments",), (parent,), blames=blames)


def _comments(context: Context, name: str) -> Verdict:
    expected = {_line(column, text) for (object, column), text in context.sources.comments.items() if object == name}
    found = {_line(row["column"], row["text"]) for row in context.catalog.rows("comments") if row["object"] == name}
    return same_set(expected, found, FIX)


def _line(column: str, text: str) -> str:
    return f"{column}: {text}" if column else text
