"""One moment of the database, as pg_dump and the digests both see it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import sql

TABLES = """
select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_toast'
"""
ATTEMPTS = 10


@contextmanager
def taken(session: psycopg.Connection) -> Iterator[str]:
    """A transaction that sees one snapshot; yields its name for other sessions. Raises psycopg.Error.

    The tables are locked first. Compression empties a chunk by TRUNCATE, which no older snapshot sees past: with a snapshot
    from before its end that chunk would be in the dump neither as rows nor compressed.
    """
    for attempt in range(1, ATTEMPTS + 1):
        tables = [sql.Identifier(*names) for names in session.execute(TABLES)]
        session.execute("begin isolation level repeatable read read only")
        try:
            # Not a query yet, so the snapshot is taken after it.
            session.execute(sql.SQL("lock table only {} in access share mode").format(sql.SQL(", only ").join(tables)))
            break
        except psycopg.errors.UndefinedTable:
            # Retention dropped a chunk in between.
            session.execute("rollback")
            if attempt == ATTEMPTS:
                raise
    try:
        yield session.execute("select pg_export_snapshot()").fetchone()[0]
    finally:
        # After an interrupt in the middle of a statement, or a lost connection, it is the session's end that rolls back.
        with suppress(psycopg.Error):
            session.execute("rollback")
