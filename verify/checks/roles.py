"""Roles and grants: the group roles as they must be, and exactly the declared privileges."""

from collections.abc import Iterator

from verify.registry import Check, Context, family
from verify.result import PASSED, Outcome, Verdict, failed, information
from verify.spec import Spec

POWERS = "login", "superuser", "createrole", "createdb", "replication", "bypassrls"
POWERFUL = "pg_write_all_data", "pg_execute_server_program", "pg_write_server_files", "pg_read_server_files", "pg_database_owner"


@family("roles", 140)
def plan(spec: Spec) -> Iterator[Check]:
    for name in spec.roles:
        yield Check(f"role {name}", lambda context, name=name: _role(context, name), ("roles",))
        yield Check(f"grants to {name}", lambda context, name=name: _grants(context, name), ("grants", "relations", "functions"), (f"role {name}",))
    yield Check("grants to PUBLIC", _public, ("grants",))
    yield Check("functions that everybody may call", _callable, ("callable",))
    yield Check("the server's own databases", _beside, ("open_databases",))
    yield Check("what the roles need of the server", _needs, ("needs",))
    yield Check("owners of database, schema and types", _owners, ("owners", "schemas"))
    yield Check("nothing put in pg_catalog", _intruders, ("intruders",))
    yield Check("who may do everything", _mighty, ("roles", "schemas"))
    yield Check("grants on objects to come", _default, ("default_grants",))
    yield Check("grants to roles of your own", _own, ("grants",))


def _role(context: Context, name: str) -> Verdict:
    found = context.catalog.by_name("roles").get(name)
    if found is None:
        return failed("missing", "make apply")
    powers = [power for power in POWERS if found[power]]
    if powers:
        return failed(f"may {', '.join(powers)}", f"alter role {name} {' '.join(f'no{power}' for power in powers)};")
    if found["member_of"]:
        return failed(f"is a member of {', '.join(found['member_of'])}", f"revoke {', '.join(found['member_of'])} from {name};")
    return PASSED


def _atom(row: dict) -> str:
    """A privilege as GRANT has it, with the kind of object where its name alone would not tell."""
    kind = "" if row["kind"] in ("relation", "function", "sequence") else f"{row['kind']} "
    name = "this database" if row["kind"] == "database" else kind + row["name"]
    return f"{row['privilege']} on {name}" + (" with grant option" if row["grantable"] else "")


def _ours(context: Context) -> list[dict]:
    """Grants on our objects; those on the user's own, which may have the same names in another kind, are the user's."""
    spec = context.spec
    relations = {*spec.tables, *spec.rollups, *spec.views}
    named = {
        "relation": relations, "column": relations, "sequence": spec.sequences, "function": spec.functions,
        "schema": {"public", "enms"}, "database": {"this"},
    }  # fmt: skip
    return [
        row for row in context.catalog.rows("grants")
        if (row["name"].rsplit(".", 1)[0] if row["kind"] == "column" else row["name"]) in named[row["kind"]]
    ]  # fmt: skip


def _found(context: Context, grantee: str) -> set[str]:
    return {_atom(row) for row in _ours(context) if row["grantee"] == grantee}


def _grants(context: Context, role: str) -> Verdict:
    declared = context.spec.grants.get(role, {})
    there = {*context.catalog.by_name("relations"), *context.catalog.by_name("functions"), "schema public", "schema enms", "this database"}
    # What is not there at all, other families tell of.
    expected = {f"{privilege} on {name}" for privilege, objects in declared.items() for name in objects if name in there}
    found = _found(context, role)
    if expected == found:
        return PASSED
    fix = f"make apply grants what is missing; revoke … from {role}; for what is extra."
    return Verdict(Outcome.FAILED, "", tuple(sorted(expected - found)), tuple(sorted(found - expected)), fix)


def _public(context: Context) -> Verdict:
    extra = _found(context, "PUBLIC")
    if not extra:
        return PASSED
    return Verdict(Outcome.FAILED, "", (), tuple(sorted(extra)), "revoke … from public; (make apply does for functions, schemas and the database.)")


def _callable(context: Context) -> Verdict:
    """An update of TimescaleDB makes some of its functions anew, and everybody's again."""
    found = [row["routine"] for row in context.catalog.rows("callable")]
    return Verdict(Outcome.FAILED, "any role could delete readings, or hold up jobs", (), tuple(found), "make apply") if found else PASSED


def _beside(context: Context) -> Verdict:
    """make apply closes them where nobody else's database shares the server; elsewhere that is its administrator's to say."""
    names = [row["name"] for row in context.catalog.rows("open_databases")]
    return information(f"every role may enter {', '.join(names)}, and fill the disk from there") if names else PASSED


def _needs(context: Context) -> Verdict:
    """PostgreSQL grants it to PUBLIC; a hardening script may have taken it from there."""
    lacks = [f"{row['lacks']} for {row['role']}" for row in context.catalog.rows("needs")]
    return Verdict(Outcome.FAILED, "", tuple(sorted(lacks)), (), "grant … to enms_ingest, enms_reader, enms_monitor; or to public.") if lacks else PASSED


def _owners(context: Context) -> Verdict:
    """Who owns the schema or the database may drop what is in it."""
    allowed = {context.catalog.owner, "pg_database_owner"}
    wrong = [f"{row['object']}: {row['owner']}" for row in context.catalog.rows("owners") if row["owner"] not in allowed and not row["superuser"]]
    return Verdict(Outcome.FAILED, "", (), tuple(sorted(wrong)), f"alter … owner to {context.catalog.owner};") if wrong else PASSED


def _intruders(context: Context) -> Verdict:
    found = [row["object"] for row in context.catalog.rows("intruders")]
    return Verdict(Outcome.FAILED, "every query finds them before ours", (), tuple(sorted(found)), "drop function …; drop cast …;") if found else PASSED


def _mighty(context: Context) -> Verdict:
    """Superusers, and members of the owner or of roles that get round every grant; the groups of ours must not be such."""
    owner, roles = context.catalog.owner, context.catalog.rows("roles")
    mighty = [row["name"] for row in roles if row["name"] != owner and not row["name"].startswith("pg_") and (row["superuser"] or {owner, *POWERFUL} & set(row["member_of"]))]
    return information(f"superusers, or members of {owner} or the like: {', '.join(sorted(mighty))}") if mighty else PASSED


def _default(context: Context) -> Verdict:
    """What ALTER DEFAULT PRIVILEGES gives away: nothing to PUBLIC or the group roles; more is the user's."""
    extra, own = [], []
    for row in context.catalog.rows("default_grants"):
        text = f"{row['privilege']} on {row['objects']} of {row['owner']} in {row['schema'] or 'every schema'} to {row['grantee']}"
        (extra if row["grantee"] in ("PUBLIC", *context.spec.roles) else own).append(text)
    if extra:
        return Verdict(Outcome.FAILED, "", (), tuple(sorted(extra)), "alter default privileges … revoke …;")
    return information(", ".join(sorted(own))) if own else PASSED


def _own(context: Context) -> Verdict:
    grantees = {row["grantee"] for row in _ours(context)} - {"PUBLIC", *context.spec.roles, "pg_database_owner"}
    return information(f"on our objects: {', '.join(sorted(grantees))}") if grantees else PASSED
