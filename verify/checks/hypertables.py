"""Hypertables: time dimension, chunk interval, and chunks that have what their hypertable has."""

from collections.abc import Iterator

from verify.registry import Check, Context, family
from verify.result import PASSED, Outcome, Verdict, failed, same
from verify.spec import Spec
from verify.text import duration, seconds


@family("hypertables", 80)
def plan(spec: Spec) -> Iterator[Check]:
    for name in spec.hypertables:
        yield Check(f"hypertable {name}", lambda context, name=name: _dimension(context, name), ("hypertables",), ("extension timescaledb", f"table {name}"), blames=(f"columns of {name}",))
        yield Check(
            f"chunk interval of {name}", lambda context, name=name: _interval(context, name), ("hypertables",), (f"hypertable {name}",)
        )
        yield Check(
            f"chunks of {name} are as it is", lambda context, name=name: chunks(context, name), ("chunk_faults",), (f"hypertable {name}",),
            blames=(f"columns of {name}", f"constraints of {name}", f"indexes of {name}", f"triggers of {name}", *(f"grants to {who}" for who in (*spec.roles, "PUBLIC"))),
        )  # fmt: skip


def _dimension(context: Context, name: str) -> Verdict:
    found = context.catalog.by_name("hypertables").get(name)
    if found is None:
        return failed("a plain table", "Restore a backup, or make apply if the table is empty.")
    expected = f"1 dimension, {context.spec.hypertables[name]['time']}"
    return same(expected, f"{found['dimensions']} dimension{'s' * (found['dimensions'] > 1)}, {found['time_column']}", "Restore a backup.")


def _interval(context: Context, name: str) -> Verdict:
    expected = context.spec.hypertables[name]["chunk_interval"]
    found = context.catalog.by_name("hypertables")[name]["chunk_seconds"]
    fix = f"select set_chunk_time_interval('{name}', interval '{expected}');"
    return same(duration(seconds(expected)), duration(found), fix)


def chunks(context: Context, name: str) -> Verdict:
    """What chunks of a hypertable, or of a rollup's storage, lack of it or have beyond it."""
    faults = [f"{row['object']} {row['fault']}" for row in context.catalog.of("chunk_faults", name)]
    fix = "drop trigger …; revoke …; alter table … set logged; _timescaledb_functions.unfreeze_chunk(…); restore a backup for what is lacking."
    return Verdict(Outcome.FAILED, "", (), tuple(sorted(faults)), fix) if faults else PASSED
