"""Indexes of our tables beside those of their keys: definition and validity."""

from collections.abc import Iterator

from verify.registry import Check, Context, family
from verify.result import Verdict, same_set
from verify.spec import Spec
from verify.text import index


@family("indexes", 60)
def plan(spec: Spec) -> Iterator[Check]:
    for name in spec.tables:
        yield Check(
            f"indexes of {name}", lambda context, name=name: _indexes(context, name), ("indexes",), (f"table {name}",),
            blames=(f"columns of {name}",),
        )  # fmt: skip


def _indexes(context: Context, name: str) -> Verdict:
    found = {
        f"{row['name']}: {index(row)}" + ("" if row["valid"] else " (invalid)")
        for row in context.catalog.of("indexes", name)
        # The constraints tell of a key's index, unless it is broken.
        if not row["of_constraint"] or not row["valid"]
    }
    declared = context.spec.tables[name].get("indexes", {})
    expected = {f"{key}: {definition}" for key, definition in declared.items()}
    return same_set(expected, found, "make apply makes a missing one; drop an extra one; reindex an invalid one.")
