"""Facts of the database: one query per catalogue view, each read once and shared by all checks."""

from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from verify.result import ExitCode, Fatal

QUERIES = Path(__file__).with_name("queries")
Row = dict[str, Any]


class Unreadable(Exception):
    """A fact that the server did not give; the text is the server's."""

    def __init__(self, fact: str, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.fact = fact
        self.fix = fix


class Catalog:
    """Reads queries/<fact>.sql over one connection, on demand.

    A query that fails is remembered in `errors` and raises Unreadable for every check that needs it; a
    connection that breaks ends the run with Fatal.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.errors: dict[str, Unreadable] = {}
        self._facts: dict[str, list[Row]] = {}

    def rows(self, fact: str) -> list[Row]:
        """All rows of a fact."""
        if fact in self.errors:
            raise self.errors[fact]
        if fact not in self._facts:
            self._facts[fact] = self._read(fact)
        return self._facts[fact]

    def one(self, fact: str) -> Row:
        """The row of a fact that has just one."""
        return self.rows(fact)[0]

    def by_name(self, fact: str, key: str = "name") -> dict[str, Row]:
        """Rows of a fact by name."""
        return {row[key]: row for row in self.rows(fact)}

    def of(self, fact: str, relation: str) -> list[Row]:
        """Rows of a fact about one relation."""
        return [row for row in self.rows(fact) if row["relation"] == relation]

    @cached_property
    def owner(self) -> str:
        """Who owns the schema's internals, and so should own everything of ours."""
        return self.by_name("schemas")["enms"]["owner"]

    def _read(self, fact: str) -> list[Row]:
        try:
            with self.connection.cursor(row_factory=dict_row) as cursor:
                return cursor.execute((QUERIES / f"{fact}.sql").read_text()).fetchall()
        except psycopg.Error as error:
            text = " ".join(str(error).split())
            if self.connection.broken:
                raise Fatal(f"the server went away while {fact} were read: {text}", ExitCode.CONNECT) from None
            self.errors[fact] = Unreadable(fact, text, _advice(error))
            raise self.errors[fact] from None


def _advice(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.QueryCanceled):
        return "The server took too long: see what it is busy with in pg_stat_activity, and try again."
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "Verify as the owner of the database, or as a member of enms_reader and pg_monitor."
    return "Apply init/ again (make apply), or restore the object that the message names."
