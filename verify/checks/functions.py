"""Functions: signature, result, attributes, owner, one overload each, and the body as init/ has it."""

import difflib
from collections.abc import Iterator

from verify.registry import Check, Context, family
from verify.result import PASSED, Verdict, failed, information, same_set
from verify.spec import Spec
from verify.text import function_options, short

FIX = "make apply replaces it; where arguments or result differ, drop function first."


@family("functions", 120)
def plan(spec: Spec) -> Iterator[Check]:
    for name in spec.functions:
        there = (f"function {name}",)
        yield Check(there[0], lambda context, name=name: _overloads(context, name), ("functions",))
        yield Check(f"attributes of {name}", lambda context, name=name: _attributes(context, name), ("functions", "schemas"), there, blames=_returned(spec, name))
        yield Check(f"body of {name}", lambda context, name=name: _body(context, name), ("functions",), there)
    yield Check("functions of your own", _own, ("functions",))


def _returned(spec: Spec, name: str) -> tuple[str, ...]:
    """The check of the table whose rows a function returns."""
    table = spec.functions[name]["returns"].removeprefix("SETOF ")
    return (f"table {table}",) if table in spec.tables else ()


def _named(context: Context, name: str) -> list[dict]:
    return [row for row in context.catalog.rows("functions") if row["name"] == name]


def _declared(context: Context, name: str) -> dict | None:
    wanted = context.spec.functions[name]["arguments"]
    return next((row for row in _named(context, name) if (short(row["arguments"]) or "none") == wanted), None)


def _overloads(context: Context, name: str) -> Verdict:
    found = {short(row["arguments"]) or "none" for row in _named(context, name)}
    if not found:
        return failed("missing", "make apply")
    expected = {context.spec.functions[name]["arguments"]}
    return same_set(expected, found, "make apply makes what is missing; drop function what is extra: a call could mean either.")


def _attributes(context: Context, name: str) -> Verdict:
    row, spec = _declared(context, name), context.spec.functions[name]
    expected = {f"returns {spec['returns']}", f"options {spec['options']}", f"owner {context.catalog.owner}"}
    found = {f"returns {short(row['result'])}", f"options {function_options(row)}", f"owner {row['owner']}"}
    return same_set(expected, found, FIX)


def _body(context: Context, name: str) -> Verdict:
    expected = context.sources.bodies.get(name)
    if expected is None:
        return failed("init/ does not define it", "Correct the spec or init/: python -m verify --static.")
    found = _declared(context, name)["body"]
    if expected.strip() == found.strip():
        return PASSED
    lines = [line for line in difflib.ndiff(expected.splitlines(), found.splitlines()) if line[0] in "-+"]
    return failed(f"differs from init/ in {len(lines)} lines, first: {' '.join(lines[0].split())[:160]}", FIX)


def _own(context: Context) -> Verdict:
    ours = context.spec.functions.keys()
    own = {row["name"] for row in context.catalog.rows("functions")} - ours
    return information(f"not looked at: {', '.join(sorted(own))}") if own else PASSED
