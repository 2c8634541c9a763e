"""Rows that init/ inserts and rows that the spec declares, in one form."""

import re
from collections.abc import Iterator

from verify.spec import Spec
from verify.static.plain import items

COLUMNS = {
    "factories": ("id", "name", "location", "timezone", "grid_region"),
    "machines": ("id", "factory", "name", "type", "rated_power_kw", "data_interval_seconds", "mqtt_topic"),
}
KIND = "seed rows"


def rows(table: str, columns: Iterator[str], source: str) -> Iterator[tuple[str, str, object]]:
    """Facts of an INSERT: a row by its name for the plant, what it covers for tariffs, factors and status."""
    columns = [name.replace("factory_id", "factory") for name in columns]
    if source.lower().startswith("select"):
        yield KIND, f"{table} of every machine", ""
        return
    values = re.sub(r"\s*on\s+conflict\b.*\Z", "", source[len("values") :], flags=re.I | re.S)
    given = [dict(zip(columns, map(_value, items(row[1:-1])))) for row in items(values)]
    if table in COLUMNS:
        for row in given:
            yield KIND, f"{row.get('name')} of {table}", _fields(table, row)
    elif table == "energy_tariffs":
        for factory in dict.fromkeys(row.get("factory") for row in given):
            yield KIND, f"energy_tariffs of factory {factory}", ""
    elif table == "carbon_factors":
        for region in dict.fromkeys(row.get("region") for row in given):
            yield KIND, f"carbon_factors of region {region}", ""


def declared(spec: Spec) -> dict[str, object]:
    """The spec's rows by the same names."""
    found = {f"{row['name']} of {table}": _fields(table, row) for table in COLUMNS for row in spec.seed[table]}
    found |= {f"energy_tariffs of factory {row['id']}": "" for row in spec.seed["factories"]}
    found |= {f"carbon_factors of region {region}": "" for region in [*spec.seed["regions"], *(row["grid_region"] for row in spec.seed["factories"])]}
    return found | {"machine_status of every machine": ""}


def _value(text: str) -> str:
    return text[1:-1].replace("''", "'") if text.startswith("'") else text


def _fields(table: str, row: dict) -> dict[str, str]:
    # A number as people write it: 55 and 55.0 are the same.
    return {name: f"{row[name]:g}" if isinstance(row.get(name), float) else str(row.get(name, "none")) for name in COLUMNS[table]}
