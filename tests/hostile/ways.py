"""The ways in which a value comes into a table."""

from collections.abc import Callable

import psycopg
from psycopg import sql

from hostile.case import Value
from hostile.plant import KEYS, row

# What a good row has in a column that the bad one has a value of, where NULL won't do.
GOOD = {
    "created_at": "2026-01-01", "updated_at": "2026-01-01", "timestamp": "2026-01-01", "is_active": "false", "is_critical": "false",
    "data_interval_seconds": "10",
}  # fmt: skip


def bad_row(case: Value) -> dict[str, str | None]:
    """A new row with the hostile value."""
    return row(case.table, 12) | case.others | {case.column: case.value}


def among_good(case: Value) -> list[dict[str, str | None]]:
    """The same between two good ones."""
    bad = bad_row(case)
    first, last = ({column: row(case.table, number).get(column, GOOD.get(column)) for column in bad} for number in (11, 13))
    return [first, bad, last]


def insert(connection: psycopg.Connection, table: str, rows: list[dict], clause: sql.Composable = sql.SQL("")) -> None:
    """One INSERT; the values are parameters without a type, as clients send them."""
    command = sql.SQL("insert into {} ({}) values {} {}").format(
        sql.Identifier(table), _list(rows[0]), sql.SQL(", ").join([sql.SQL("({})").format(_marks(rows[0]))] * len(rows)), clause
    )
    connection.execute(command, [value for line in rows for value in line.values()])


def by_insert(connection: psycopg.Connection, case: Value) -> None:
    insert(connection, case.table, [bad_row(case)])


def by_rows(connection: psycopg.Connection, case: Value) -> None:
    insert(connection, case.table, among_good(case))


def by_copy(connection: psycopg.Connection, case: Value) -> None:
    rows = among_good(case)
    command = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier(case.table), _list(rows[0]))
    with connection.cursor() as cursor, cursor.copy(command) as target:
        for line in rows:
            target.write_row(line.values())


def by_update(connection: psycopg.Connection, case: Value) -> None:
    there, keys, changes = row(case.table, 1), KEYS[case.table], case.others | {case.column: case.value}
    settings = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(column)) for column in changes)
    command = sql.SQL("update {} set {} where ({}) = ({})").format(sql.Identifier(case.table), settings, _list(keys), _marks(keys))
    connection.execute(command, [*changes.values(), *(there[column] for column in keys)])


def by_upsert(connection: psycopg.Connection, case: Value) -> None:
    changes = case.others | {case.column: case.value}
    settings = sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(column), sql.Literal(value)) for column, value in changes.items())
    clause = sql.SQL("on conflict ({}) do update set {}").format(_list(KEYS[case.table]), settings)
    insert(connection, case.table, [row(case.table, 1)], clause)


def _list(columns: object) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _marks(columns: object) -> sql.Composable:
    return sql.SQL(", ").join([sql.SQL("%s")] * len(columns))


WAYS: dict[str, Callable[[psycopg.Connection, Value], None]] = {
    "insert": by_insert, "rows": by_rows, "update": by_update, "upsert": by_upsert, "copy": by_copy,
}  # fmt: skip
