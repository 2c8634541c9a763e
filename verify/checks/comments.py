"""Comments: what \\d+ says of every object, with its units, as init/ has it."""

from collections.abc import Iterator

from verify.registry import Check, Context, family
from verify.result import Verdict, same_set
from verify.spec import Spec

FIX = "make apply writes them again."


@family("comments", 135)
def plan(spec: Spec) -> Iterator[Check]:
    kinds = {"table": spec.tables, "rollup": spec.rollups, "view": spec.views, "function": spec.functions, "enum": spec.enums, "role": spec.roles}
    for parent, name in [(parent, name) for parent, objects in kinds.items() for name in objects]:
        kind, blames = (parent, ()) if parent in ("function", "enum", "role") else ("relation", (f"columns of {name}",))
        yield Check(
            f"comments of {name}", lambda context, kind=kind, name=name: _comments(context, kind, name), ("comments",),
            (f"{parent} {name}",), blames=blames,
        )  # fmt: skip


def _comments(context: Context, kind: str, name: str) -> Verdict:
    expected = {_line(column, text) for (object, column), text in context.sources.comments.items() if object == name}
    found = {_line(row["column"], row["text"]) for row in context.catalog.rows("comments") if (row["kind"], row["object"]) == (kind, name)}
    return same_set(expected, found, FIX)


def _line(column: str, text: str) -> str:
    return f"{column}: {text}" if column else text
