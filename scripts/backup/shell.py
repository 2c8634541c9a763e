"""The empty database that a dump is restored into, and what a dump leaves out of it."""

from pathlib import Path

import psycopg
from psycopg import sql

from scripts.backup import manifest, roles, source
from scripts.connection import Database
from scripts.console import Failure

ROOM = r"""
select max((regexp_match(line, '\s(\d+)\s+\d+%'))[1]::bigint) * 1024, pg_size_bytes(current_setting('max_wal_size')) from enms_room
"""


def require_room(session: psycopg.Connection, content: dict) -> None:
    """Raise Failure before the data disk is full: that would bring the server down, and with it the running database."""
    try:
        with session.transaction():
            session.execute("create temp table enms_room (line text) on commit drop")
            # The server's own view, in a container or on another machine as well; it works in its data folder.
            session.execute("copy enms_room from program 'df -kP .'")
            free, wal = session.execute(ROOM).fetchone()
    except psycopg.Error:
        # Where the server has no df, or may not run it.
        return
    needed = content["size"] + min(content["size"], wal)
    if free is not None and free < needed:
        raise Failure(f"a restore needs about {needed / 1e6:,.0f} MB of the server's disk, {free / 1e6:,.0f} MB are free: free some space and try again")


def create(session: psycopg.Connection, side: str, content: dict) -> None:
    """Create the database, of the encoding and the locale that the backup names."""
    # The limit keeps clients out, and marks the database as a restore's.
    statement, locale = "create database {} template template0 encoding {} lc_collate {} lc_ctype {} connection limit 0", content["locale"]
    values = [content["encoding"], locale["lc_collate"], locale["lc_ctype"]]
    if locale["name"]:
        provider = {"i": "icu", "b": "builtin"}[locale["provider"]]
        statement += f" locale_provider {provider} {provider}_locale {{}}"
        values.append(locale["name"])
    if locale["rules"]:
        statement += " icu_rules {}"
        values.append(locale["rules"])
    session.execute(sql.SQL(statement).format(sql.Identifier(side), *map(sql.Literal, values)))


def extend(copy: Database, folder: Path, content: dict) -> None:
    """Create TimescaleDB in the version that wrote the dump, ready for it."""
    with source.open_session(copy) as session:
        session.execute(sql.SQL("create extension timescaledb version {}").format(sql.Literal(content["timescaledb"])))
        edition = session.execute("show timescaledb.license").fetchone()[0]
        manifest.require_edition(folder, content, source.EDITIONS.get(edition, edition))
        session.execute("select timescaledb_pre_restore()")


def complete(session: psycopg.Connection, side: str, content: dict) -> None:
    """Owner, comment, grants and settings of the database itself, which a dump leaves out."""
    name = sql.Identifier(side)
    session.execute(sql.SQL("alter database {} owner to {}").format(name, sql.Identifier(content["owner"])))
    session.execute(sql.SQL("comment on database {} is {}").format(name, sql.Literal(content["comment"])))
    session.execute(sql.SQL("revoke all on database {} from public").format(name))
    for grantee, privilege, grantable in content["acl"]:
        role = sql.Identifier(grantee) if grantee else sql.SQL("public")
        option = sql.SQL(" with grant option" if grantable else "")
        session.execute(sql.SQL("grant {} on database {} to {}").format(sql.SQL(privilege), name, role) + option)
    for role, settings in content["settings"] or []:
        whose = sql.SQL("alter role {} in database {} ").format(sql.Identifier(role), name) if role else sql.SQL("alter database {} ").format(name)
        for setting in settings:
            session.execute(whose + roles.assignment(setting))
