"""Tables: present, owned and stored as declared, columns in order with type, nullability and default."""

from collections.abc import Iterator

from verify.configuration import SPELLINGS
from verify.registry import Check, Context, family
from verify.result import PASSED, Verdict, failed, information, not_evaluated, same_list
from verify.spec import Spec
from verify.text import column

# The user's own tables, views and sequences live beside ours.
KINDS = {"r": "table", "p": "table", "f": "foreign table", "v": "view", "m": "materialized view", "S": "sequence"}


@family("tables", 40)
def plan(spec: Spec) -> Iterator[Check]:
    for name, declared in spec.tables.items():
        enums = tuple(f"enum {enum}" for enum in spec.enums if any(line.split()[1] == enum for line in declared["columns"]))
        yield Check(f"table {name}", lambda context, name=name: _table(context, name), ("relations", "schemas", "attachments"))
        yield Check(f"columns of {name}", lambda context, name=name: columns(context, name, context.spec.tables), ("columns",), (f"table {name}",), blames=enums)
    for name, declared in spec.sequences.items():
        table = declared["owned_by"].rpartition(".")[0]
        yield Check(
            f"sequence {name}", lambda context, name=name: _sequence(context, name), ("relations", "schemas"),
            blames=(f"table {table}", f"columns of {table}"),
        )  # fmt: skip
    yield Check("numbers of audit_log", _numbers, ("audit_log", "access"), ("table audit_log", "sequence audit_log_id_seq"))
    yield Check("objects of your own", _own, ("relations",))


def columns(context: Context, name: str, declared: dict) -> Verdict:
    """Compare a relation's columns with what the spec declares for it."""
    found = [column(row) for row in context.catalog.of("columns", name)]
    return same_list(declared[name]["columns"], found, f"Compare with \\d {name} and alter it back; make apply adds nothing to a table.")


def owned(context: Context, found: dict, name: str) -> Verdict | None:
    """A failure if an object does not belong to the schema's owner."""
    owner = context.catalog.owner
    if found["owner"] == owner:
        return None
    return failed(f"owned by {found['owner']}, the schema by {owner}", f'alter table {name} owner to "{owner}";')


def _table(context: Context, name: str) -> Verdict:
    found = context.catalog.by_name("relations").get(name)
    if found is None:
        return failed("missing", "make apply makes it, empty; restore a backup if it held rows.")
    if found["kind"] != "r":
        return failed(f"is a {KINDS[found['kind']]}", "Rename that object and run make apply.")
    persistence = "u" if context.spec.tables[name].get("unlogged") else "p"
    if found["persistence"] != persistence:
        return failed(
            "unlogged: its rows do not survive a crash" if persistence == "p" else "logged, declared unlogged",
            f"alter table {name} set {'logged' if persistence == 'p' else 'unlogged'};",
        )
    if found["row_security"]:
        return failed("row security hides rows", f"alter table {name} disable row level security;")
    options = dict(option.split("=", 1) for option in found["options"])
    if SPELLINGS.get(options.get("autovacuum_enabled", "on").lower()) == "off" or options.get("autovacuum_enabled") == "off":
        return failed("never vacuumed: autovacuum_enabled is off", f"alter table {name} reset (autovacuum_enabled);")
    if attached := [row["what"] for row in context.catalog.of("attachments", name)]:
        fix = f"alter table … no inherit {name}; drop publication …, or leave the tables without a primary key out of it."
        return failed("; ".join(sorted(attached)), fix)
    if found["rules"]:
        return failed(f"rules rewrite its statements: {', '.join(found['rules'])}", f"drop rule … on {name};")
    return owned(context, found, name) or PASSED


def _sequence(context: Context, name: str) -> Verdict:
    found = context.catalog.by_name("relations").get(name)
    if found is None or found["kind"] != "S":
        return failed("missing", "Restore a backup.")
    declared = context.spec.sequences[name]
    counts, column = declared["counts"], declared["owned_by"]
    if found["persistence"] != "p":
        return failed("unlogged: its numbers do not survive a crash", f"alter sequence {name} set logged;")
    if found["counts"] != counts:
        return failed(f"expected {counts}, found {found['counts']}", f"alter sequence {name} …; see \\d {name}.")
    if found["owned_by"] != column:
        return failed(f"of column: expected {column}, found {found['owned_by'] or 'none'}", f"alter sequence {name} owned by {column};")
    return owned(context, found, name) or PASSED


def _numbers(context: Context) -> Verdict:
    row = context.catalog.one("audit_log")
    if row["given"] is None and row["newest"] is not None and not context.catalog.one("access")["numbers"]:
        return not_evaluated("this role may not read the sequence", "Verify as the owner of the database.")
    if (row["newest"] or 0) <= (row["given"] or 0):
        return PASSED
    fix = "select setval('audit_log_id_seq', (select max(id) from audit_log)); no change of configuration can be written before."
    return failed(f"the sequence is at {row['given'] or 'its start'}, the newest entry is {row['newest']}", fix)


def _own(context: Context) -> Verdict:
    spec = context.spec
    ours = {*spec.tables, *spec.sequences, *spec.rollups, *spec.views}
    own = sorted(f"{KINDS[row['kind']]} {row['name']}" for row in context.catalog.rows("relations") if row["name"] not in ours)
    return information(f"not looked at: {', '.join(own)}") if own else PASSED
