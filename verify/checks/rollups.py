"""Rollups: continuous aggregates, or views on Apache-2, real-time, with source, columns and definition."""

from collections.abc import Iterator

from verify.checks.hypertables import chunks
from verify.checks.tables import columns, owned
from verify.checks.views import defined, rewritten
from verify.definitions import REFRESH, SHOWN
from verify.registry import COMMUNITY, Check, Context, family
from verify.result import PASSED, Verdict, failed, same
from verify.sources import unqualified
from verify.spec import Spec

REPLACED = "Somebody replaced a view that TimescaleDB made: restore a backup, or rebuild the rollup as for its definition."
REBUILD = "Drop it with those that are built on it, then make apply; a full refresh fills it from what raw still holds."


@family("rollups", 90)
def plan(spec: Spec) -> Iterator[Check]:
    for name in spec.rollups:
        there = (f"rollup {name}",)
        source = spec.rollups[name]["source"]
        upstream = f"{'rollup' if source in spec.rollups else 'table'} {source}"
        yield Check(there[0], lambda context, name=name: _rollup(context, name), ("relations", "schemas", "rollups", "triggers"), ("extension timescaledb",))
        yield Check(f"columns of {name}", lambda context, name=name: columns(context, name, context.spec.rollups), ("columns",), there)
        yield Check(f"{name} is real-time", lambda context, name=name: _real_time(context, name), ("rollups",), there, COMMUNITY)
        yield Check(f"source of {name}", lambda context, name=name: _source(context, name), ("rollups",), there, COMMUNITY, (upstream,))
        columns_of, definition = (f"columns of {name}",), f"definition of {name}"
        yield Check(definition, lambda context, name=name: defined(context, name, REBUILD), ("rollups", "view_definitions"), there, blames=columns_of)
        yield Check(
            f"storage of {name}", lambda context, name=name: chunks(context, name), ("chunk_faults",), there, COMMUNITY,
            tuple(f"grants to {who}" for who in (*spec.roles, "PUBLIC")),
        )  # fmt: skip
        for what, real_time in (REFRESH, ()), (SHOWN, (f"{name} is real-time",)):
            yield Check(
                what.format(name), lambda context, what=what, name=name: defined(context, what.format(name), REPLACED),
                ("rollups", "view_definitions"), (*there, *real_time), COMMUNITY, blames=(*columns_of, definition),
            )  # fmt: skip


def _rollup(context: Context, name: str) -> Verdict:
    found = context.catalog.by_name("relations").get(name)
    if found is None:
        return failed("missing", "make apply makes it; fill it with call refresh_continuous_aggregate('…', null, null).")
    if context.edition == COMMUNITY and name not in context.catalog.by_name("rollups"):
        return failed("not a continuous aggregate", "Drop that view and make apply.")
    if found["kind"] != "v":
        return failed("not a view", "Rename that object and make apply.")
    return rewritten(context, found, name) or owned(context, found, name) or PASSED


def _real_time(context: Context, name: str) -> Verdict:
    if context.catalog.by_name("rollups")[name]["materialized_only"]:
        fix = f"alter materialized view {name} set (timescaledb.materialized_only = false);"
        return failed("materialized only: readings show after a refresh, not at once", fix)
    return PASSED


def _source(context: Context, name: str) -> Verdict:
    found = unqualified(context.catalog.by_name("rollups")[name]["source"])
    return same(context.spec.rollups[name]["source"], found, REBUILD)


