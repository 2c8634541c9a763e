"""Keys and named checks of our tables: definition and validity, none missing and none extra."""

import re
from collections.abc import Iterator

from verify.registry import Check, Context, family
from verify.result import Verdict, same_set
from verify.spec import Spec

REFERENCES = re.compile(r" REFERENCES ([\w.]+)\(")


@family("constraints", 50)
def plan(spec: Spec) -> Iterator[Check]:
    for name, declared in spec.tables.items():
        # A foreign key is printed with the names of what it refers to.
        related = {name, *(table for text in declared.get("constraints", {}).values() for table in REFERENCES.findall(text))}
        yield Check(
            f"constraints of {name}", lambda context, name=name: _constraints(context, name), ("constraints",), (f"table {name}",),
            blames=tuple(f"columns of {table}" for table in sorted(related)),
        )  # fmt: skip


def _constraints(context: Context, name: str) -> Verdict:
    found = {
        f"{row['name']}: {row['definition']}" + ("" if row["valid"] or "NOT VALID" in row["definition"] else " NOT VALID")
        for row in context.catalog.of("constraints", name)
    }
    declared = context.spec.tables[name].get("constraints", {})
    expected = {f"{key}: {definition}" for key, definition in declared.items()}
    lost, other = sorted(expected - found), sorted(found - expected)
    steps = [f"drop constraint {text.split(':')[0]}" for text in other]
    steps += [f"add constraint {text.replace(':', '', 1)}" for text in lost]
    return same_set(expected, found, f"alter table {name} {', '.join(steps)};")
