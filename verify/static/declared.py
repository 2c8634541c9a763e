"""What the spec declares, by kind and name, in the form in which verify/static/inventory.py has what init/ defines."""

from collections.abc import Callable

from verify.spec import Spec
from verify.static import seeded
from verify.static.plain import declared_options, definition, plain, trigger


def kinds(spec: Spec) -> dict[str, dict[str, object]]:
    """Definitions by kind and name."""
    names = [*spec.tables, *spec.functions, *spec.views, *spec.enums, *spec.rollups]
    return {
        "extensions": dict.fromkeys(spec.extensions, ""),
        "schemas": dict.fromkeys((name.split(".")[0] for name in names if "." in name), ""),
        "roles": dict.fromkeys(spec.roles, "nologin"),
        "enums": spec.enums,
        "tables": {name: [definition(column) for column in table["columns"]] for name, table in spec.tables.items()},
        "logging": {name: "unlogged" if table.get("unlogged") else "logged" for name, table in spec.tables.items()},
        "constraints": _parts(spec, "constraints", definition),
        "indexes": _parts(spec, "indexes", definition),
        "triggers": _parts(spec, "triggers", trigger),
        "sequences": {name: f"{sequence['counts']}, of {sequence['owned_by']}" for name, sequence in spec.sequences.items()},
        "functions": {name: _function(function) for name, function in spec.functions.items()},
        "views": {name: {"columns": _names(view)} for name, view in spec.views.items()},
        "rollups": {name: {"source": rollup["source"], "columns": _names(rollup)} for name, rollup in spec.rollups.items()},
        "hypertables": {name: f"by {table['time']}, chunks of {table['chunk_interval']}" for name, table in spec.hypertables.items()},
        "compression": {
            name: f"segments by {', '.join(table.get('segment_by', ['none']))}, order by {', '.join(table.get('order_by', ['none']))}"
            for name, table in spec.compressed.items()
        },
        "refresh policies": {name: _refresh(rollup) for name, rollup in spec.rollups.items()},
        "compression policies": {name: f"after {table['compress_after']}, every {table.get('compress_every', 'default')}" for name, table in spec.compressed.items()},
        "retention policies": {name: f"after {table['drop_after']}, every {table['drop_every']}" for name, table in spec.hypertables.items()},
        seeded.KIND: seeded.declared(spec),
        "comments": dict.fromkeys(_comments(spec), ""),
    }  # fmt: skip


def _parts(spec: Spec, kind: str, write: Callable[[str], str]) -> dict[str, str]:
    return {f"{name} of {table}": write(text) for table, declared in spec.tables.items() for name, text in declared.get(kind, {}).items()}


def _function(function: dict) -> dict[str, object]:
    return {"arguments": plain(function["arguments"]), "returns": plain(function["returns"]), "options": declared_options(function["options"])}


def _names(relation: dict) -> list[str]:
    return [column.split()[0] for column in relation["columns"]]


def _refresh(rollup: dict) -> str:
    start = rollup.get("start_offset", "none")
    return f"from {start} to {rollup['end_offset']} ago, batches of {rollup['buckets_per_batch']}, every {rollup['refresh_every']}"


def _comments(spec: Spec) -> list[str]:
    """Every object that \\d+ shows has a comment, and every column."""
    relations = spec.tables | spec.rollups | spec.views
    columns = [f"{name}.{column.split()[0]}" for name, relation in relations.items() for column in relation["columns"]]
    return ["enms", *relations, *columns, *spec.functions, *spec.enums, *spec.roles]
