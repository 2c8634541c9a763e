"""Triggers of our tables: definition, and that they fire."""

from collections.abc import Iterator

from verify.registry import Check, Context, family
from verify.result import Verdict, same_set
from verify.spec import Spec
from verify.text import trigger

STATES = {"O": "", "D": " (disabled)", "R": " (fires for replication only)", "A": " (fires always)"}


@family("triggers", 70)
def plan(spec: Spec) -> Iterator[Check]:
    for name in spec.tables:
        yield Check(f"triggers of {name}", lambda context, name=name: _triggers(context, name), ("triggers",), (f"table {name}",))


def _triggers(context: Context, name: str) -> Verdict:
    found = {f"{row['name']}: {trigger(row)}{STATES[row['enabled']]}" for row in context.catalog.of("triggers", name)}
    declared = context.spec.tables[name].get("triggers", {})
    expected = {f"{key}: {definition}" for key, definition in declared.items()}
    return same_set(expected, found, f"make apply restores a trigger; alter table {name} enable trigger …; drop an extra one.")
