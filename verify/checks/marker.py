"""The completion marker: init/ ran to its end, and was written for this spec."""

from collections.abc import Iterator

from verify.registry import Check, Context, family
from verify.result import PASSED, Verdict, failed
from verify.spec import Spec


@family("marker", 160)
def plan(spec: Spec) -> Iterator[Check]:
    yield Check("completion marker", _marker, ("marker",), ("table enms.schema_version",))


def _marker(context: Context) -> Verdict:
    rows, spec = context.catalog.rows("marker"), context.spec
    if not rows:
        return failed("missing: init/ did not run to its end", "See the server's log for the file that stopped, then start over: make clean, make up.")
    if any((row["version"], row["digest"]) == (spec.version, spec.digest) for row in rows):
        return PASSED
    newest = rows[0]
    return failed(
        f"expected version {spec.version} of spec {spec.digest[:12]}, found version {newest['version']} of spec {newest['digest'][:12]}",
        "The database is of another release than this checkout: make apply.",
    )
