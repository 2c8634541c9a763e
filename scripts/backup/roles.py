"""The server's roles: a dump refers to them but does not hold them."""

import contextlib

import psycopg
from psycopg import sql

# PostgreSQL's own roles and the one that made the server are on every server.
ROLES = """
select json_agg(json_build_object(
    'name', r.rolname, 'superuser', r.rolsuper, 'inherit', r.rolinherit, 'createrole', r.rolcreaterole, 'createdb', r.rolcreatedb,
    'login', r.rolcanlogin, 'replication', r.rolreplication, 'bypassrls', r.rolbypassrls, 'connections', r.rolconnlimit,
    'until', r.rolvaliduntil, 'password', r.rolpassword, 'comment', shobj_description(r.oid, 'pg_authid'),
    'settings', (select s.setconfig from pg_db_role_setting s where s.setrole = r.oid and s.setdatabase = 0),
    'groups', (select json_agg(json_build_array(g.rolname, m.admin_option) order by g.rolname)
               from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid))
    order by r.rolname)
from pg_authid r where r.oid >= 16384
"""
MADE = "made by a restore that has not come to its end"
ATTRIBUTES = "superuser", "inherit", "createrole", "createdb", "login", "replication", "bypassrls"


def read(session: psycopg.Connection) -> list[dict]:
    """The roles with their attributes, hashed passwords, settings and groups; the session needs a superuser."""
    return session.execute(ROLES).fetchone()[0] or []


def create_missing(session: psycopg.Connection, roles: list[dict]) -> list[str]:
    """Create those that the server does not have, all or none, and return their names; the others stay as they are."""
    with session.transaction():
        there = {name for (name,) in session.execute("select rolname from pg_roles")}
        missing = [role for role in roles if role["name"] not in there]
        for role in missing:
            words = [name if role[name] else f"no{name}" for name in ATTRIBUTES] + [f"connection limit {int(role['connections'])}"]
            statement = sql.SQL("create role {} {}").format(sql.Identifier(role["name"]), sql.SQL(" ".join(words)))
            if role["password"]:
                statement += sql.SQL(" password {}").format(sql.Literal(role["password"]))
            if role["until"]:
                statement += sql.SQL(" valid until {}").format(sql.Literal(role["until"]))
            session.execute(statement)
            session.execute(sql.SQL("comment on role {} is {}").format(sql.Identifier(role["name"]), sql.Literal(MADE)))
            for setting in role["settings"] or []:
                session.execute(sql.SQL("alter role {} ").format(sql.Identifier(role["name"])) + assignment(setting))
        for role in missing:
            for group, admin in role["groups"] or []:
                option = sql.SQL(" with admin option" if admin else "")
                session.execute(sql.SQL("grant {} to {}").format(sql.Identifier(group), sql.Identifier(role["name"])) + option)
    return [role["name"] for role in missing]


def settle(roles: list[dict], made: list[str]) -> list[sql.Composable]:
    """Statements that give the roles which create_missing() made their own comments, and so leave them to the server."""
    statement = sql.SQL("comment on role {} is {}")
    return [statement.format(sql.Identifier(role["name"]), sql.Literal(role["comment"])) for role in roles if role["name"] in made]


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
    # A list's items are quoted by themselves.
    listed = name in ("search_path", "session_preload_libraries", "local_preload_libraries", "temp_tablespaces")
    return sql.SQL("set {} to {}").format(sql.Identifier(*name.split(".")), sql.SQL(value) if listed else sql.Literal(value))
