"""Changes of tables, columns, constraints, indexes, triggers, enums and sequences."""

import re
from collections.abc import Iterator

from mutations.change import Change, bare, key
from verify.sources import Sources
from verify.spec import Spec

# Another type, and a default, for each type that the schema uses; an enum is a text as well as anything.
OTHER = {
    "varchar": "text", "text": "varchar(400)", "numeric": "double precision", "integer": "bigint", "bigint": "numeric", "boolean": "text",
    "timestamptz": "timestamptz(3)", "date": "timestamptz", "uuid": "text", "jsonb": "json", "inet": "text", "text[]": "varchar(99)[]",
    "integer[]": "bigint[]",
}  # fmt: skip
DEFAULT = {
    "varchar": "'m'", "text": "'m'", "numeric": "0.5", "integer": "77", "bigint": "77", "boolean": "(1 = 0)", "timestamptz": "'2001-01-01'",
    "date": "'2001-01-01'", "uuid": "gen_random_uuid()", "jsonb": "'{\"m\": 1}'", "inet": "'127.0.0.1'", "text[]": "'{m}'", "integer[]": "'{7}'",
}  # fmt: skip


def changes(spec: Spec, sources: Sources) -> Iterator[Change]:
    for name, declared in spec.tables.items():
        yield from _table(name, declared)
        for number, line in enumerate(declared["columns"]):
            yield from _column(name, number, line, spec)
        for constraint, definition in declared.get("constraints", {}).items():
            yield from _constraint(name, constraint, definition)
        for index in declared.get("indexes", {}):
            yield from _index(name, index)
        for trigger in declared.get("triggers", {}):
            yield from _trigger(name, trigger)
    for name, labels in spec.enums.items():
        yield Change("enum renamed", f"enum {name}", "missing", f"alter type {name} rename to m_{name}", takes=True)
        yield Change("enum value added", f"enum {name}", "m_value", f"alter type {name} add value 'm_value'")
        for label in labels:
            yield Change("enum value renamed", f"enum {name}", label, f"alter type {name} rename value '{label}' to 'm_{label}'")
        where = f"enumtypid = '{name}'::regtype and enumlabel = '{labels[0]}'"
        yield Change("enum value moved", f"enum {name}", labels[0], f"update pg_enum set enumsortorder = 99 where {where}")
    for name, declared in spec.sequences.items():
        table, _, column = declared["owned_by"].rpartition(".")
        for kind, sql, names in (
            ("sequence's step", "increment by 2", "by 2"),
            ("sequence's limit", "maxvalue 1000000", "to 1000000"),
            ("sequence cycles", "cycle", "cycle"),
        ):
            yield Change(kind, f"sequence {name}", names, f"alter sequence {name} {sql}", alone=True)
        # The column's default tells of it.
        yield Change("sequence renamed", f"columns of {table}", name, f"alter sequence {name} rename to m_{name}")
        yield Change("sequence of no column", f"sequence {name}", "found none", f"alter sequence {name} owned by none")
        owner = f"update pg_class set relowner = 'm_owner'::regrole where oid = {key(name)}"
        yield Change("sequence's owner", f"sequence {name}", "m_owner", owner, alone=True)
        behind = f"insert into {table} (id, event_type, action) values (1000000, 'm', 'm')"
        yield Change("sequence behind its table", f"numbers of {table}", "1000000", behind, alone=True)


def _table(name: str, declared: dict) -> Iterator[Change]:
    there, triggers = f"table {name}", declared.get("triggers", {})
    yield Change("table dropped", there, "missing", f"drop table if exists {name} cascade", takes=True)
    yield Change("table renamed", there, "missing", f"alter table {name} rename to m_{bare(name)}", takes=True)
    yield Change("table in another schema", there, "missing", f"alter table {name} set schema m_schema", takes=True)
    yield Change("table's owner", there, "m_owner", f"alter table {name} owner to m_owner")
    yield Change("row security", there, "row security", f"alter table {name} enable row level security")
    yield Change("rule", there, "m_rule", f"create rule m_rule as on delete to {name} do instead nothing")
    yield Change("vacuum off", there, "autovacuum_enabled", f"alter table {name} set (autovacuum_enabled = off)")
    other = "logged" if declared.get("unlogged") else "unlogged"
    damage = f"update pg_class set relpersistence = '{'p' if other == 'logged' else 'u'}' where oid = {key(name)}"
    yield Change("table logged or not", there, "logged", f"alter table {name} set {other}", damage)
    yield Change("column added", f"columns of {name}", "m_extra", f"alter table {name} add column m_extra integer")
    free = [line for line in declared["columns"][:-1] if _free(line, declared)]
    if free:
        column, back = free[0].split()[0], f"alter table {name} add column {free[0]}"
        yield Change("column moved", f"columns of {name}", "order differs", f"alter table {name} drop column {column}; {back}",
                     f"alter table {name} drop column {column} cascade; {back}", takes=True)  # fmt: skip
    yield Change("constraint added", f"constraints of {name}", "m_extra", f"alter table {name} add constraint m_extra check (true)")
    first = declared["columns"][0].split()[0]
    yield Change("index added", f"indexes of {name}", "m_extra", f"create index m_extra_{bare(name)} on {name} ({first})")
    create = f"create trigger m_extra before update on {name} for each row execute function public.update_updated_at_column()"
    yield Change("trigger added", f"triggers of {name}", "m_extra", create)
    fires = [*triggers, *(key for key, text in declared.get("constraints", {}).items() if text.startswith("FOREIGN"))]
    if fires:
        yield Change("all triggers disabled", f"triggers of {name}", fires[0], f"alter table {name} disable trigger all", takes=True)


def _free(line: str, declared: dict) -> bool:
    """Whether a column is in no key, check or index, so that it can be dropped by itself."""
    texts = [*declared.get("constraints", {}).values(), *declared.get("indexes", {}).values(), *declared.get("triggers", {}).values()]
    return "not null" not in line and not any(re.search(rf"\b{line.split()[0]}\b", text) for text in texts)


def _column(table: str, number: int, line: str, spec: Spec) -> Iterator[Change]:
    name, kind = line.split()[:2]
    check, alter = f"columns of {table}", f'alter table {table} alter column "{name}"'
    base = kind.partition("(")[0]
    of_column = f"attrelid = {key(table)} and attname = '{name}'"
    yield Change("column renamed", check, line, f'alter table {table} rename column "{name}" to m_{number}')
    yield Change("column dropped", check, line, f'alter table {table} drop column "{name}"',
                 f'alter table {table} drop column "{name}" cascade', takes=True)  # fmt: skip
    other = OTHER.get(base, "text")
    damage = f"update pg_attribute set atttypmod = 24 where {of_column}" if "(" in kind else ""
    yield Change("column retyped", check, line, f"{alter} type {other}", damage)
    turned = "drop" if "not null" in line else "set"
    yield Change("column's nullability", check, line, f"{alter} {turned} not null", f"update pg_attribute set attnotnull = not attnotnull where {of_column}")
    default = "drop default" if " default " in line else f"set default {DEFAULT.get(base) or _label(spec, base)}"
    yield Change("column's default", check, line, f"{alter} {default}")
    if base in ("varchar", "text"):
        collation = "(select oid from pg_collation where collname = 'C')"
        yield Change("column's collation", check, line, f'{alter} type {kind} collate "C"',
                     f"update pg_attribute set attcollation = {collation} where {of_column}")  # fmt: skip


def _label(spec: Spec, enum: str) -> str:
    return f"'{spec.enums[enum][0]}'"


def _constraint(table: str, name: str, definition: str) -> Iterator[Change]:
    check, kind = f"constraints of {table}", definition.split()[0]
    of_constraint = f"conrelid = {key(table)} and conname = '{name}'"
    yield Change(f"{kind} dropped", check, name, f"alter table {table} drop constraint {name}",
                 f"alter table {table} drop constraint {name} cascade", takes=True)  # fmt: skip
    yield Change("constraint renamed", check, name, f"alter table {table} rename constraint {name} to m_{name[:50]}",
                 f"update pg_constraint set conname = 'm_{name[:50]}' where {of_constraint}")  # fmt: skip
    if kind == "CHECK":
        other = f"alter table {table} drop constraint {name}, add constraint {name} check (1 = 1)"
    else:
        other = f"update pg_constraint set condeferrable = not condeferrable where {of_constraint}"
    yield Change(f"{kind} of another definition", check, name, other)
    if kind in ("CHECK", "FOREIGN"):
        yield Change(f"{kind} not valid", check, "NOT VALID", f"update pg_constraint set convalidated = false where {of_constraint}")
    else:
        index = f"(select conindid from pg_constraint where {of_constraint})"
        yield Change(f"{kind} with an invalid index", f"indexes of {table}", "invalid", f"update pg_index set indisvalid = false where indexrelid = {index}")


def _index(table: str, name: str) -> Iterator[Change]:
    check = f"indexes of {table}"
    yield Change("index dropped", check, name, f"drop index {name}")
    yield Change("index renamed", check, name, f"alter index {name} rename to m_{name[:50]}")
    yield Change("index of another definition", check, name, f"drop index {name}; create index {name} on {table} ((1))")
    for kind, flags in ("invalid", "indisvalid = false"), ("not ready", "indisvalid = false, indisready = false"), ("not live", "indislive = false"):
        yield Change(f"index {kind}", check, f"{name}: ", f"update pg_index set {flags} where indexrelid = {key(name)}")


def _trigger(table: str, name: str) -> Iterator[Change]:
    check, of_trigger = f"triggers of {table}", f"tgrelid = {key(table)} and tgname = '{name}'"
    yield Change("trigger dropped", check, name, f"drop trigger {name} on {table}")
    yield Change("trigger renamed", check, name, f"alter trigger {name} on {table} rename to m_{name[:50]}")
    for state, text in ("disable", "disabled"), ("enable replica", "replication only"), ("enable always", "always"):
        yield Change(f"trigger {text}", check, f"{name}: ", f"alter table {table} {state} trigger {name}")
    yield Change("trigger on other events", check, name, f"update pg_trigger set tgtype = tgtype # 32 where {of_trigger}")
    function = "case when tgfoid = 'public.update_updated_at_column'::regproc then 'enms.write_audit_log'::regproc else 'public.update_updated_at_column'::regproc end"
    yield Change("trigger of another function", check, name, f"update pg_trigger set tgfoid = {function} where {of_trigger}")
