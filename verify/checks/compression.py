"""Compression of hypertables and rollups: on, segmented and ordered as declared."""

from collections.abc import Iterator

from verify.registry import COMMUNITY, Check, Context, family
from verify.result import Verdict, failed, same
from verify.spec import Spec


@family("compression", 110)
def plan(spec: Spec) -> Iterator[Check]:
    for name in spec.compressed:
        fact, parent = ("rollups", "rollup") if name in spec.rollups else ("hypertables", "hypertable")
        yield Check(
            f"compression of {name}",
            lambda context, name=name, fact=fact: _settings(context, name, fact),
            (fact, "compression"),
            (f"{parent} {name}",),
            COMMUNITY,
            (f"columns of {name}",),
        )


def _settings(context: Context, name: str, fact: str) -> Verdict:
    declared = context.spec.compressed[name]
    segment, order = ", ".join(declared["segment_by"]), ", ".join(declared["order_by"])
    fix = (
        f"alter {'table' if fact == 'hypertables' else 'materialized view'} {name} set (timescaledb.compress, timescaledb.compress_segmentby = '{segment}', "
        f"timescaledb.compress_orderby = '{order}'); chunks compressed before keep their settings until recompressed."
    )
    if not context.catalog.by_name(fact)[name]["compressed"]:
        return failed("off", fix)
    rows = [row for row in context.catalog.rows("compression") if row["name"] == name]
    found_segment = ", ".join(row["column_name"] for row in rows if row["segment"])
    found_order = ", ".join(_ordered(row) for row in rows if row["place"])
    return same(f"segment by {segment}, order by {order}", f"segment by {found_segment}, order by {found_order}", fix)


def _ordered(row: dict) -> str:
    """A column as ORDER BY has it; NULLs stand where PostgreSQL puts them by default."""
    text = row["column_name"] + ("" if row["ascending"] else " desc")
    if row["nulls_first"] == row["ascending"]:
        text += " nulls first" if row["nulls_first"] else " nulls last"
    return text
