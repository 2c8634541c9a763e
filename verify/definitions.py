"""Definitions of views and rollups: what this server makes of init/'s texts against what it has, all read at once."""

from verify.catalog import Catalog
from verify.sources import Sources
from verify.spec import Spec
from verify.written import written

# What PostgreSQL prints of a view, it prints otherwise of a view made from that, as after a restore. It settles soon.
ROUNDS = 4
WATERMARK = "coalesce(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark({id})), '-infinity'::timestamptz)"
# What refreshes of a rollup run, and what a query of it gets, beside its definition.
REFRESH, SHOWN = "refresh of {}", "real-time view of {}"


def differences(spec: Spec, sources: Sources, catalog: Catalog, rollups: bool) -> dict[str, tuple[str, str] | str | None]:
    """By object: None if it is as init/ has it, else both texts, or why init/'s text cannot be made a view here.

    `rollups` is True where those are continuous aggregates. Raises Unreadable.
    """
    found = {row["name"]: row["definition"] for row in catalog.rows("view_definitions")}
    wanted = dict(sources.views)
    for row in catalog.rows("rollups") if rollups else ():
        name = row["name"]
        if name in spec.rollups and name in sources.views:
            found |= {name: row["definition"], REFRESH.format(name): row["refresh"]}
            wanted[REFRESH.format(name)] = sources.views[name]
            if not row["materialized_only"]:
                found[SHOWN.format(name)] = row["shown"]
                wanted[SHOWN.format(name)] = _real_time(spec, sources.views[name], row)
    made = written(catalog.connection, {name: text for name, text in wanted.items() if name in found})
    result = {name: entry.get("error") for name, entry in made.items()}
    differing = {name: entry["definition"] for name, entry in made.items() if "error" not in entry and entry["definition"] != found[name]}
    if differing:
        texts = {f"init {name}": text for name, text in differing.items()} | {f"here {name}": found[name] for name in differing}
        settled = written(catalog.connection, {key: text.strip().rstrip(";") for key, text in texts.items()}, ROUNDS)
        for name, expected in differing.items():
            if settled[f"init {name}"] != settled[f"here {name}"]:
                result[name] = expected, found[name]
    return result


def _real_time(spec: Spec, select: str, row: dict) -> str:
    """A rollup as a query finds it: what is stored up to the watermark, and its SELECT over what is newer."""
    names = [column.split()[0] for column in spec.rollups[row["name"]]["columns"]]
    source = spec.rollups[row["name"]]["source"]
    time = spec.hypertables[source]["time"] if source in spec.hypertables else spec.rollups[source]["columns"][0].split()[0]
    watermark = WATERMARK.format(id=row["id"])
    head, _, grouping = select.rpartition("\ngroup by")
    glue = "and" if "\nwhere " in head else "where"
    return (
        f"select {', '.join(names)} from {row['storage']} where {names[0]} < {watermark} "
        f"union all {head}\n{glue} {time} >= {watermark}\ngroup by{grouping}"
    )
