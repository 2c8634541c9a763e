"""Changes of roles and grants."""

from collections.abc import Iterator

from mutations.change import Change
from verify.sources import Sources
from verify.spec import Spec

RELATION = "select", "insert", "update", "delete", "truncate", "references", "trigger"
SEQUENCE = "usage", "select", "update"


def changes(spec: Spec, sources: Sources) -> Iterator[Change]:
    for role in spec.roles:
        yield Change("role missing", f"role {role}", "missing", f"alter role {role} rename to m_{role}", alone=True)
        for power in "login", "superuser", "createrole", "createdb", "replication", "bypassrls":
            yield Change("role's powers", f"role {role}", power, f"alter role {role} {power}")
        for group in "pg_write_all_data", "pg_read_server_files", "m_owner":
            yield Change("role's membership", f"role {role}", group, f"grant {group} to {role}", alone=True)
    declared = {
        (role, privilege, name)
        for role, privileges in spec.grants.items()
        for privilege, objects in privileges.items()
        for name in objects
    }
    for role, privilege, name in sorted(declared):
        on, check = _object(spec, name), f"grants to {role}"
        yield Change("grant too few", check, f"{privilege} on {name}", f"revoke {privilege} on {on} from {role}")
        yield Change("grant option", check, f"{privilege} on {name} with grant option", f"grant {privilege} on {on} to {role} with grant option")
    for role in (*spec.roles, "public"):
        check = f"grants to {role if role != 'public' else 'PUBLIC'}"
        for name, privileges in _all(spec):
            for privilege in privileges:
                if (role, privilege, name) not in declared and (role, name) != ("public", "schema public"):
                    grant = f"grant {privilege} on {_object(spec, name)} to {role}"
                    yield Change("grant too many", check, f"{privilege} on {name}", grant)
        for name, declaration in spec.tables.items():
            for line in declaration["columns"]:
                column = line.split()[0]
                yield Change("grant of a column", check, f"column {name}.{column}", f'grant update ("{column}") on {name} to {role}')
        if role == "public":
            yield Change("call for everybody", "functions that everybody may call", "lo_creat", "grant execute on function lo_creat(integer) to public")
        for what in ("create on schema public", "create on database"):
            name = "this database" if what.endswith("database") else "schema public"
            on = "database {database}" if what.endswith("database") else "schema public"
            yield Change("grant to create", check, f"create on {name}", f"grant create on {on} to {role}")
        for objects in "tables", "sequences", "schemas", "functions", "types":
            if role == "public" and objects in ("functions", "types"):
                # PostgreSQL's own default.
                continue
            where = "" if objects in ("schemas",) else "in schema enms"
            default = f"alter default privileges {where} grant all on {objects} to {role}"
            yield Change("grant on objects to come", "grants on objects to come", f"{objects} of", default)


def _all(spec: Spec) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name in (*spec.tables, *spec.rollups, *spec.views):
        yield name, RELATION
    for name in spec.sequences:
        yield name, SEQUENCE
    for name in spec.functions:
        yield name, ("execute",)
    for name in "schema public", "schema enms":
        yield name, ("usage",)
    yield "this database", ("connect", "temporary")


def _object(spec: Spec, name: str) -> str:
    if name == "this database":
        return "database {database}"
    if name in spec.functions:
        return f"function {name}"
    return f"sequence {name}" if name in spec.sequences else name
