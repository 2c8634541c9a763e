"""Enums: their values in order, since they are sorted by it."""

from collections.abc import Iterator

from verify.registry import Check, Context, family
from verify.result import Verdict, failed, same_list
from verify.spec import Spec

FIX = "A value can be added and renamed by alter type, but not removed: restore a backup if one is gone."


@family("enums", 30)
def plan(spec: Spec) -> Iterator[Check]:
    for name in spec.enums:
        yield Check(f"enum {name}", lambda context, name=name: _values(context, name), ("enums",))


def _values(context: Context, name: str) -> Verdict:
    found = context.catalog.by_name("enums").get(name)
    if found is None:
        return failed("missing", "make apply")
    return same_list(context.spec.enums[name], found["labels"], FIX)
