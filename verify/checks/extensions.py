"""Extensions: installed, at the version the server ships, and working."""

from collections.abc import Iterator

from verify.registry import Check, Context, family
from verify.result import PASSED, Verdict, failed
from verify.spec import Spec


@family("extensions", 20)
def plan(spec: Spec) -> Iterator[Check]:
    for name in spec.extensions:
        yield Check(f"extension {name}", lambda context, name=name: _installed(context, name), ("extensions",))
    # Creating it succeeds where the library is not loaded; only reading it fails.
    yield Check("pg_stat_statements can be read", lambda context: PASSED, ("statements",), ("extension pg_stat_statements",))


def _installed(context: Context, name: str) -> Verdict:
    found = context.catalog.by_name("extensions").get(name)
    if found is None:
        return failed("the server does not have it", "Install the package that brings it.")
    if found["installed"] is None:
        return failed("not created in this database", f'create extension "{name}";')
    if found["installed"] != found["shipped"]:
        return failed(
            f"version {found['installed']}, but the server ships {found['shipped']}",
            f"psql -X -c 'alter extension \"{name}\" update', as the first command of its session.",
        )
    if found["schema"] != "public":
        return failed(f"in schema {found['schema']}, where nothing looks for it", f'alter extension "{name}" set schema public;')
    return PASSED
