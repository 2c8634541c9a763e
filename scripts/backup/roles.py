"""The server's roles: a dump refers to them but does not hold them."""

import contextlib
import re

import psycopg
from psycopg import sql

# PostgreSQL's own roles and the one that made the server are on every server.
ROLES = """
select json_agg(json_build_object(
    'name', r.rolname, 'superuser', r.rolsuper, 'inherit', r.rolinherit, 'createrole', r.rolcreaterole, 'createdb', r.rolcreatedb,
    'login', r.rolcanlogin, 'replication', r.rolreplication, 'bypassrls', r.rolbypassrls, 'connections', r.rolconnlimit,
    'until', r.rolvaliduntil, 'password', r.rolpassword, 'comment', shobj_description(r.oid, 'pg_authid'),
    'settings', (select s.setconfig from pg_db_role_setting s where s.setrole = r.oid and s.setdatabase = 0),
    'groups', (select json_agg(json_build_object('name', g.rolname, 'admin', m.admin_option,
                                                 'inherit', to_jsonb(m) -> 'inherit_option', 'set', to_jsonb(m) -> 'set_option') order by g.rolname)
               from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid))
    order by r.rolname)
from pg_authid r where r.oid >= 16384
"""
MADE = "made by a restore that has not come to its end"
LISTS = "search_path", "session_preload_libraries", "local_preload_libraries", "temp_tablespaces"
ATTRIBUTES = "superuser", "inherit", "createrole", "createdb", "login", "replication", "bypassrls"


def read(session: psycopg.Connection) -> list[dict]:
    """The roles with their attributes, hashed passwords, settings and groups; the session needs a superuser."""
    return session.execute(ROLES).fetchone()[0] or []


def create_missing(session: psycopg.Connection, roles: list[dict]) -> list[str]:
    """Create those that the server does not have, all or none, and return their names; the others stay as they are.

    They can own and be granted things, but nobody can log in as one of them before settle().
    """
    with session.transaction():
        there = {name for (name,) in session.execute("select rolname from pg_roles")}
        missing = [role for role in roles if role["name"] not in there]
        for role in missing:
            name = sql.Identifier(role["name"])
            session.execute(sql.SQL("create role {} nologin").format(name))
            session.execute(sql.SQL("comment on role {} is {}").format(name, sql.Literal(MADE)))
        for role in missing:
            for group in role["groups"] or []:
                membership = sql.SQL("grant {} to {}").format(sql.Identifier(group["name"]), sql.Identifier(role["name"]))
                session.execute(membership + sql.SQL(_options(group, session.info.server_version)))
    return [role["name"] for role in missing]


def _options(group: dict, version: int) -> str:
    if version < 160000 or group["inherit"] is None:
        return " with admin option" if group["admin"] else ""
    return " with " + ", ".join(f"{option} {'true' if group[option] else 'false'}" for option in ("admin", "inherit", "set"))


def settle(roles: list[dict], made: list[str]) -> list[sql.Composable]:
    """Statements that make the roles which create_missing() made what they were, logins and passwords included."""
    statements = []
    for role in roles:
        if role["name"] not in made:
            continue
        name = sql.Identifier(role["name"])
        words = [word if role[word] else f"no{word}" for word in ATTRIBUTES] + [f"connection limit {int(role['connections'])}"]
        statement = sql.SQL("alter role {} {}").format(name, sql.SQL(" ".join(words)))
        if role["password"]:
            statement += sql.SQL(" password {}").format(sql.Literal(role["password"]))
        if role["until"]:
            statement += sql.SQL(" valid until {}").format(sql.Literal(role["until"]))
        statements.append(statement)
        statements += [sql.SQL("alter role {} ").format(name) + assignment(setting) for setting in role["settings"] or []]
        statements.append(sql.SQL("comment on role {} is {}").format(name, sql.Literal(role["comment"])))
    return statements


def drop_made(session: psycopg.Connection) -> None:
    """Take back what create_missing() made, also in a restore that was killed; what uses them has to be gone."""
    made = session.execute("select rolname from pg_roles where shobj_description(oid, 'pg_authid') = %s", [MADE])
    for (name,) in made.fetchall():
        # Another database's restore may have been killed as well, and need them for its copy.
        with contextlib.suppress(psycopg.errors.DependentObjectsStillExist):
            session.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def assignment(setting: str) -> sql.Composable:
    """`set name to value`, of an entry of pg_db_role_setting."""
    name, _, value = setting.partition("=")
    values = [value]
    if name in LISTS:
        # Its items are stored as identifiers.
        values = [quoted.replace('""', '"') or plain for quoted, plain in re.findall(r'"((?:[^"]|"")*)"|([^,\s]+)', value)] or [""]
    return sql.SQL("set {} to {}").format(sql.Identifier(*name.split(".")), sql.SQL(", ").join(map(sql.Literal, values)))
