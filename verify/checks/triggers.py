"""Triggers of our tables: definition, and that they fire."""

import re
from collections.abc import Iterator

from verify.registry import Check, Context, family
from verify.result import Verdict, same_set
from verify.spec import Spec
from verify.text import trigger

FUNCTION = re.compile(r"EXECUTE FUNCTION ([\w.]+)")
STATES = {"O": "", "D": " (disabled)", "R": " (fires for replication only)", "A": " (fires always)"}


@family("triggers", 70)
def plan(spec: Spec) -> Iterator[Check]:
    for name, declared in spec.tables.items():
        functions = sorted({f"function {found}" for text in declared.get("triggers", {}).values() for found in FUNCTION.findall(text)})
        yield Check(
            f"triggers of {name}", lambda context, name=name: _triggers(context, name), ("triggers",), (f"table {name}",),
            blames=(f"columns of {name}", *functions),
        )  # fmt: skip


def _triggers(context: Context, name: str) -> Verdict:
    found = {f"{row['name']}: {trigger(row)}{STATES[row['enabled']]}" for row in context.catalog.of("triggers", name)}
    declared = context.spec.tables[name].get("triggers", {})
    expected = {f"{key}: {definition}" for key, definition in declared.items()}
    return same_set(expected, found, f"make apply restores a trigger; alter table {name} enable trigger …; drop an extra one.")
