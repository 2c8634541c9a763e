"""The header: of which table the file holds readings, and which of its columns is which of the table's."""

import argparse

from scripts.console import Failure
from scripts.history import target
from scripts.history.columns import Column, exponent, map_columns, recognise, split_unit
from scripts.history.source import Source


def choose(source: Source, options: argparse.Namespace, tables: dict[str, target.Table]) -> tuple[target.Table, dict[str, Column]]:
    """The kind, and the columns of the file that it takes."""
    header, own = list(source.header), None
    units = dict(options.unit)
    if options.register:
        if options.register not in header:
            raise Failure(f"the file has no column {options.register!r}; it has {', '.join(map(repr, header))}", code=2)
        at = header.index(options.register)
        unit = units.pop("register", None) or next((unit for _, unit in split_unit(options.register) if unit and exponent("energy_kwh", unit) is not None), None)
        if unit is None or exponent("energy_kwh", unit) is None:
            raise Failure(f"the column {options.register!r} names no unit of energy: say which, as --unit register=kWh (Wh, kWh or MWh)", code=2)
        own = Column("register", (at,), exponent("energy_kwh", unit))
        # It is not to be taken for an increment too.
        header[at] = ""
    wanted = {kind: set(options.map) & set(table.fields) for kind, table in tables.items()}
    unknown = set(options.map) - set().union(*(table.fields for table in tables.values()))
    if unknown:
        map_columns(header, set().union(*(table.fields for table in tables.values())), options.map, {})
    if len(tables) > 1:
        for kind, table in tables.items():
            wanted[kind] |= {found[0] for heading in header if (found := recognise(heading, set(table.fields)))}
        if own:
            wanted["energy"].add("energy_kwh")
        tables = {(kind := target.kind_of(wanted)): tables[kind]}
    (table,) = tables.values()
    if own and table.kind != "energy":
        raise Failure(f"--register is of energy, and the columns are of {table.kind}", code=2)
    columns = map_columns(header, set(table.fields), options.map, units)
    if own:
        if "energy_kwh" in columns:
            raise Failure("--register and a column of energy: choose one", code=2)
        columns["register"] = own
    if not set(columns) - target.SHARED - {"energy_type"}:
        target.kind_of({})
    return table, columns
