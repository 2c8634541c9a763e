"""The tables that readings go to, as the catalogue has them, and the machines that they may be of."""

import re
from dataclasses import dataclass
from decimal import Decimal

import psycopg

from scripts.console import Failure

KINDS = {"energy": "energy_readings", "production": "production_data", "environment": "environmental_data"}
ROLLUPS = {
    "energy": ("energy_readings_1min", "energy_readings_15min", "energy_readings_1hour", "energy_readings_1day"),
    "carrier": ("energy_by_carrier_1min", "energy_by_carrier_1hour"),
    "production": ("production_data_1min", "production_data_15min", "production_data_1hour", "production_data_1day"),
    "environment": (
        "environmental_data_1min", "environmental_data_15min", "environmental_data_1hour", "environmental_degree_days_daily",
    ),
}  # fmt: skip
# Said in both: they decide nothing about the kind.
SHARED = {"time", "machine_id", "metadata", "quality_score"}
ELECTRICITY = "electrical", "electricity", "energy"


@dataclass(frozen=True)
class Field:
    """A column of a table: its type as SQL writes it, whether it may be empty, its default as SQL, if there is one."""

    name: str
    type: str
    required: bool
    default: str | None

    @property
    def digits(self) -> tuple[int, int] | None:
        """Precision and scale of numeric(p,s)."""
        found = re.fullmatch(r"numeric\((\d+),(\d+)\)", self.type)
        return (int(found[1]), int(found[2])) if found else None

    @property
    def number(self) -> bool:
        """True for what is staged as a number."""
        return self.digits is not None or self.type in ("integer", "bigint")

    @property
    def length(self) -> int | None:
        """Most characters of character varying(n)."""
        found = re.fullmatch(r"character varying\((\d+)\)", self.type)
        return int(found[1]) if found else None


@dataclass(frozen=True)
class Table:
    """A table of readings: its columns, its unique key, and its check constraints: what each says, of which columns."""

    kind: str
    name: str
    fields: dict[str, Field]
    key: tuple[str, ...]
    checks: dict[str, tuple[str, set[str]]]
    labels: dict[str, list[str]]


@dataclass(frozen=True)
class Machine:
    """A machine with its factory's name and time zone, and its rated power, kW."""

    id: str
    name: str
    factory: str
    zone: str
    rated_power_kw: Decimal


def read_table(session: psycopg.Connection, kind: str) -> Table:
    """A table's columns and rules from the catalogue; raises Failure if the role may not write it."""
    name = KINDS[kind]
    table = f"public.{name}"
    if session.execute("select to_regclass(%s)", [table]).fetchone()[0] is None:
        raise Failure(f"the database has no table {name}: run make apply, or make up in an empty one")
    if not session.execute(
        "select has_table_privilege(%s, 'insert') and has_database_privilege(current_database(), 'temporary')", [table]
    ).fetchone()[0]:
        user = session.execute("select current_user").fetchone()[0]
        raise Failure(f"the role {user} may not write {name}: import as the owner, or as a member of enms_ingest")
    fields = {
        column: Field(column, form, required, default)
        for column, form, required, default in session.execute(
            "select a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)"
            " from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum"
            " where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum",
            [table],
        ).fetchall()
    }
    key = session.execute(
        "select array_agg(a.attname::text order by k.place) from pg_constraint c cross join unnest(c.conkey) with ordinality k(number, place)"
        " join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.number where c.conrelid = %s::regclass and c.contype in ('u', 'p')",
        [table],
    ).fetchone()[0]
    checks = session.execute(
        "select conname, pg_get_expr(conbin, conrelid), array(select a.attname::text from pg_attribute a where a.attrelid = conrelid"
        " and a.attnum = any (conkey)) from pg_constraint where conrelid = %s::regclass and contype = 'c' order by conname",
        [table],
    ).fetchall()
    labels = session.execute(
        "select format_type(t.oid, null), array_agg(e.enumlabel::text order by e.enumsortorder)"
        " from pg_type t join pg_enum e on e.enumtypid = t.oid group by t.oid"
    ).fetchall()
    return Table(kind, name, fields, tuple(key), {check: (says, set(of)) for check, says, of in checks}, dict(labels))


def read_machines(session: psycopg.Connection) -> list[Machine]:
    """Every machine, with its factory."""
    rows = session.execute(
        "select m.id::text, m.name, f.name, f.timezone, m.rated_power_kw from public.machines m join public.factories f on f.id = m.factory_id order by f.name, m.name"
    ).fetchall()
    return [Machine(id, name, factory, zone or "UTC", rated) for id, name, factory, zone, rated in rows]


def find_machine(machines: list[Machine], wanted: str, factory: str | None) -> Machine:
    """The machine of that name or id; raises Failure where there is none, or one in each of two factories."""
    same = [machine for machine in machines if wanted.lower() in (machine.id, machine.name.lower())]
    exact = [machine for machine in same if wanted in (machine.id, machine.name)] or same
    found = [machine for machine in exact if factory is None or machine.factory.lower() == factory.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        places = " and ".join(repr(machine.factory) for machine in found)
        raise Failure(f"the machine {wanted!r} stands in {places}: say which by --factory, or name its id", code=2)
    if exact:
        raise Failure(f"the machine {wanted!r} does not stand in {factory!r}, but in {exact[0].factory!r}", code=2)
    names = ", ".join(machine.name for machine in machines[:20]) or "none"
    raise Failure(f"there is no machine {wanted!r}: insert it into machines first; there are {names}", code=2)


def kind_of(found: dict[str, set[str]]) -> str:
    """The kind that the recognised columns of each kind speak for; raises Failure where that is not clear."""
    marks = {kind: names - SHARED for kind, names in found.items()}
    kinds = [kind for kind, names in marks.items() if names]
    if len(kinds) == 1:
        return kinds[0]
    if not kinds:
        raise Failure("no column is known as a measure: say which is, as --map energy_kwh='Active energy [kWh]' (make import ARGS=--help)", code=2)
    said = "; ".join(f"{kind}: {', '.join(sorted(marks[kind]))}" for kind in kinds)
    raise Failure(f"the file holds columns of more than one kind ({said}): import them one by one, with --kind {kinds[0]} first", code=2)
