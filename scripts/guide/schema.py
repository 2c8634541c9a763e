"""Diagrams of the tables and of the rollups, from the spec."""

import re
from functools import cache

from verify import spec

FOREIGN = re.compile(r"FOREIGN KEY \((\w+)\) REFERENCES (\w+)\((\w+)\)")
KEY = re.compile(r"(PRIMARY KEY|UNIQUE)(?: NULLS NOT DISTINCT)? \(([^)]*)\)")


@cache
def declared() -> spec.Spec:
    """The spec, read once."""
    return spec.load()


def entities() -> str:
    """An entity-relationship diagram of the tables in public: keys, and what refers to what."""
    lines = []
    for name, table in declared().tables.items():
        if "." in name:
            continue
        definitions = table.get("constraints", {}).values()
        primary = next((_columns(found[2]) for text in definitions if (found := KEY.match(text)) and found[1] == "PRIMARY KEY"), [])
        for foreign in filter(None, map(FOREIGN.match, definitions)):
            lines.append(f'    {foreign[2]} ||--{"o|" if primary == [foreign[1]] else "o{"} {name} : "{foreign[1]}"')
        # A hypertable has no foreign key: a trigger asks whether the machine is known.
        if any("refuse_unknown_machine" in text for text in table.get("triggers", {}).values()):
            lines.append(f'    machines ||--o{{ {name} : "machine_id"')
        # A region is no key, as it has a factor for every span of time.
        if any(column.startswith("grid_region ") for column in table["columns"]):
            lines.append(f'    {name} }}o--o{{ carbon_factors : "grid_region = region"')
    keyed = {name: _keys(table) for name, table in declared().tables.items() if "." not in name}
    for name, keys in keyed.items():
        lines += [f"    {name} {{", *(f"        {kind} {column} {mark}" for column, kind, mark in keys), "    }"]
    return _diagram("erDiagram", lines)


def _keys(table: spec.Table) -> list[tuple[str, str, str]]:
    """Name, type and mark of each column that is part of a key or refers to another table."""
    marks: dict[str, list[str]] = {}
    for text in table.get("constraints", {}).values():
        if foreign := FOREIGN.match(text):
            marks.setdefault(foreign[1], []).append("FK")
        elif key := KEY.match(text):
            for column in _columns(key[2]):
                mark = "PK" if key[1] == "PRIMARY KEY" else "UK"
                if mark not in marks.setdefault(column, []):
                    marks[column].append(mark)
    types = {column: kind for column, kind, *_ in (text.split(" ") for text in table["columns"])}
    order = {"PK": 0, "FK": 1, "UK": 2}
    found = [(column, types[column].split("(")[0], ", ".join(sorted(marks[column], key=order.get))) for column in types if column in marks]
    return found


def _columns(text: str) -> list[str]:
    return [name.strip().strip('"') for name in text.split(",")]


def flow() -> str:
    """A flow chart of what is rolled up into what."""
    rollups = declared().rollups
    return _diagram("flowchart LR", [f"    {rollup['source']} --> {name}" for name, rollup in rollups.items()])


def _diagram(kind: str, lines: list[str]) -> str:
    return "\n".join(["```mermaid", kind, *lines, "```"]) + "\n"
