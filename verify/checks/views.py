"""Views: columns, and the definition as init/ has it."""

import difflib
from collections.abc import Iterator

from verify.checks.tables import columns, owned
from verify.registry import Check, Context, family
from verify.result import PASSED, Verdict, failed, not_evaluated
from verify.spec import Spec

FIX = "make apply replaces it; where columns differ, drop view first."


@family("views", 130)
def plan(spec: Spec) -> Iterator[Check]:
    # A view over a function that returns a table's rows is printed with that table's columns.
    tables = {function["returns"].removeprefix("SETOF ") for function in spec.functions.values()} & spec.tables.keys()
    returned = [f"columns of {table}" for table in sorted(tables)]
    for name in spec.views:
        there = (f"view {name}",)
        yield Check(there[0], lambda context, name=name: _view(context, name), ("relations", "schemas", "triggers"))
        yield Check(f"columns of {name}", lambda context, name=name: columns(context, name, context.spec.views), ("columns",), there)
        yield Check(f"definition of {name}", lambda context, name=name: _definition(context, name), ("view_definitions",), there, blames=(f"columns of {name}", *returned))


def defined(context: Context, name: str, fix: str) -> Verdict:
    """Compare a definition with what this server makes of init/'s text, both as the server prints them."""
    if name not in context.definitions:
        return failed("init/ does not define it", "Correct the spec or init/: python -m verify --static.")
    found = context.definitions[name]
    if found is None:
        return PASSED
    if isinstance(found, str):
        return not_evaluated(f"init/'s text cannot be made a temporary view here: {found}")
    return failed(f"differs from init/: {_first_difference(*found)}", fix)


def _view(context: Context, name: str) -> Verdict:
    found = context.catalog.by_name("relations").get(name)
    if found is None:
        return failed("missing", "make apply")
    if found["kind"] != "v":
        return failed("not a view", "Rename that object and make apply.")
    if found["options"]:
        return failed(f"has options {', '.join(found['options'])}", f"alter view {name} reset (…);")
    return rewritten(context, found, name) or owned(context, found, name) or PASSED


def rewritten(context: Context, found: dict, name: str) -> Verdict | None:
    """A failure if a rule or a trigger has been put on a view."""
    extra = [*found["rules"], *(row["name"] for row in context.catalog.of("triggers", name))]
    return failed(f"has rules or triggers: {', '.join(extra)}", f"drop rule, or drop trigger, … on {name};") if extra else None


def _definition(context: Context, name: str) -> Verdict:
    return defined(context, name, FIX)


def _first_difference(expected: str, found: str) -> str:
    """The first lines that differ, short enough for a report."""
    pairs = [line for line in difflib.ndiff(expected.split("\n"), found.split("\n")) if line[0] in "-+"]
    lost = next((line[2:].strip() for line in pairs if line[0] == "-"), "nothing")
    new = next((line[2:].strip() for line in pairs if line[0] == "+"), "nothing")
    return f"expected {lost[:160]}, found {new[:160]}"
