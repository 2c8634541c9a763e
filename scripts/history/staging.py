"""The staging table: what the file holds, held against the rules of the table it is for."""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from scripts.history.target import Field, Table

# Whole numbers, by type: the highest, the lowest being one below its negative.
WHOLE = {"integer": 2147483647, "bigint": 9223372036854775807}


@dataclass(frozen=True)
class Staged:
    """What stands in staging: the fields sent, values shared by all rows, and SQL of those that are derived."""

    table: Table
    sent: list[str]
    shared: dict[str, str]
    derived: dict[str, str]

    @property
    def names(self) -> list[str]:
        """Every column of the table that gets a value."""
        return [*dict.fromkeys([*self.sent, *self.derived, *self.shared])]

    @property
    def measures(self) -> list[str]:
        """The columns that a reading which is there already is compared by."""
        return [name for name in self.names if name not in self.table.key and name != "source"]


def settings(session: psycopg.Connection) -> None:
    """What the session needs: UTC, and memory for its temporary tables."""
    session.execute("set timezone = 'UTC'; set jit = off; set work_mem = '64MB'; set temp_buffers = '64MB'; set client_min_messages = warning")
    # A sample of 3,000 rows tells the planner enough of a table that is read in ranges of time.
    session.execute("set default_statistics_target = 10")


def create(session: psycopg.Connection, staged: Staged, register: bool) -> None:
    """Make the empty staging table, with `refused` for the lines that can't go in."""
    columns = ["line bigint not null"]
    for name in staged.names:
        field = staged.table.fields[name]
        form = "numeric" if field.number else field.type if field.type in ("uuid", "timestamp with time zone") else "text"
        tail = ""
        if name in staged.shared:
            tail = f" default {sql.Literal(staged.shared[name]).as_string(session)}"
        elif name in staged.derived and not register:
            tail = f" generated always as ({staged.derived[name]}) stored"
        columns.append(f"{name} {form}{tail}")
    if register:
        columns.append("register numeric")
    session.execute("drop table if exists pg_temp.staging, pg_temp.refused")
    session.execute(f"create temp table staging ({', '.join(columns)})")
    session.execute("create temp table refused (line bigint not null, reason text not null)")


def copy_statement(names: list[str]) -> str:
    """The COPY that fills staging."""
    return f"copy pg_temp.staging (line, {', '.join(names)}) from stdin (format csv)"


def refuse(session: psycopg.Connection, query: str) -> int:
    """Take the lines of a query (line, reason) out of staging and keep their reasons; how many."""
    found = session.execute(f"insert into pg_temp.refused {query}").rowcount
    if found:
        session.execute("delete from pg_temp.staging s using pg_temp.refused r where r.line = s.line")
    return found


def index(session: psycopg.Connection, in_order: bool) -> None:
    """What makes a slice of time quick to find, and the planner's figures. `in_order`: the rows stand in the order of time."""
    session.execute(f"create index on pg_temp.staging using {'brin' if in_order else 'btree'} (time)")
    session.execute("analyze pg_temp.staging")


def same_again(session: psycopg.Connection, staged: Staged, register: bool) -> int:
    """Lines that repeat another: of equal ones the first stays, and of different readings for one key none. Returns the equal ones."""
    key = ", ".join(staged.table.key)
    compared = ["register"] if register else [name for name in staged.measures if name not in staged.derived]
    row = "row(" + ", ".join(compared) + ")"
    session.execute("drop table if exists pg_temp.repeated")
    session.execute(
        f"create temp table repeated as select line, first, differ, other from ("
        f" select line, min(line) over k as first, count(*) over k as times,"
        f" min(line) over k <> max(line) over k and (min({row}::text) over k) is distinct from (max({row}::text) over k) as differ,"
        f" case when line = min(line) over k then max(line) over k else min(line) over k end as other"
        f" from pg_temp.staging window k as (partition by {key})) d where times > 1"
    )
    refuse(session, "select line, 'a different reading for the same time stands in line ' || other from pg_temp.repeated where differ")
    return session.execute(
        "delete from pg_temp.staging s using pg_temp.repeated r where r.line = s.line and not r.differ and r.line <> r.first"
    ).rowcount


def value(field: Field) -> str:
    """SQL of a staged value as the table would hold it."""
    if field.digits:
        return f"round({field.name}, {field.digits[1]})"
    return field.name


def faults(table: Table, names: list[str]) -> list[tuple[str, str]]:
    """Conditions that a row must not meet, with what is wrong then; the table's own, from the catalogue."""
    # A day read as the month, or another zone; collectors' clocks are allowed as much by the verifier.
    found = [("time > now() + interval '5 minutes'", "time is in the future: are day and month, or the zone, other ones?")]
    for name in names:
        field = table.fields[name]
        if field.required:
            found.append((f"{name} is null", f"{name} is empty"))
        if field.digits:
            whole = 10 ** (field.digits[0] - field.digits[1])
            found.append((f"abs({name}) >= {whole}", f"{name} does not fit {field.type}: it has to be below {whole:,}"))
        elif field.type in WHOLE:
            found.append((f"{name} <> trunc({name})", f"{name} is no whole number"))
            found.append((f"{name} > {WHOLE[field.type]} or {name} < {-WHOLE[field.type] - 1}", f"{name} does not fit {field.type}"))
        elif field.length:
            found.append((f"char_length({name}) > {field.length}", f"{name} has more than {field.length} characters"))
        elif field.type in table.labels:
            labels = ", ".join(f"'{label}'" for label in table.labels[field.type])
            found.append((f"{name} not in ({labels})", f"{name} is none of {labels.replace(chr(39), '')}"))
    for name, (condition, columns) in table.checks.items():
        # One of defaults and values that all rows share holds or fails for all alike, as they are written.
        if not columns & set(names):
            continue
        found.append((f"not ({condition})", f"{name}: {condition}"))
    return found


def check(session: psycopg.Connection, staged: Staged) -> None:
    """Refuse the rows that break a rule of the table, and sum the others up by quarter-hour in `quarters`: all in one pass."""
    fields = staged.table.fields
    columns = [f"{value(fields[name])} as {name}" for name in staged.names]
    for field in fields.values():
        # A rule may look at a column that the file has not: it will hold its default.
        if field.name not in staged.names:
            columns.append(f"({field.default or 'null'})::{field.type} as {field.name}")
    cases = " ".join(
        f"when {condition} then {sql.Literal(reason).as_string(session)}" for condition, reason in faults(staged.table, [name for name in staged.names if name not in staged.shared])
    )
    # Without the offset a rounded value is computed again in every rule.
    rows = f"(select line, {', '.join(columns)} from pg_temp.staging offset 0) v"
    carrier, sums = ("energy_type", "sum(energy_kwh) as energy, avg(power_kw) as power") if staged.table.kind == "energy" else ("null::text", "null as energy")
    quarters = (
        f"create temp table quarters as select public.time_bucket('15 minutes', time) as quarter, machine_id, {carrier} as energy_type,"
        f" case {cases} end is null as sound, count(*) as rows, min(time) as first, max(time) as last, {sums} from {rows} group by 1, 2, 3, 4"
    )
    session.execute("drop table if exists pg_temp.quarters")
    session.execute(quarters)
    if session.execute("select exists (select from pg_temp.quarters where not sound)").fetchone()[0]:
        refuse(session, f"select line, reason from (select line, case {cases} end as reason from {rows}) c where reason is not null")
        session.execute("drop table pg_temp.quarters")
        session.execute(quarters)


def figures(session: psycopg.Connection, table: Table) -> dict:
    """Rows, range and, for energy, the sum in kWh and the highest quarter-hour of what is in staging."""
    names, measures = ["rows", "first", "last"], ""
    if table.kind == "energy":
        names += ["energy", "peak", "peak_time"]
        measures = ", sum(energy), (array_agg(power order by power desc, quarter))[1], (array_agg(quarter order by power desc, quarter))[1]"
    row = session.execute(f"select sum(rows)::bigint, min(first), max(last){measures} from pg_temp.quarters").fetchone()
    return dict(zip(names, row, strict=True))


def together(parts: list[dict]) -> dict:
    """The figures of all sessions from those of each; `rows` is None where there are none."""
    whole = [part for part in parts if part["rows"]]
    if not whole:
        return parts[0]
    found = {"rows": sum(part["rows"] for part in whole), "first": min(part["first"] for part in whole), "last": max(part["last"] for part in whole)}
    if "energy" in whole[0]:
        highest = min(whole, key=lambda part: (-part["peak"], part["peak_time"]))
        found |= {"energy": sum(part["energy"] for part in whole), "peak": highest["peak"], "peak_time": highest["peak_time"]}
    return found
