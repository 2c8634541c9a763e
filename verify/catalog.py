"""Facts of the database: one query per catalogue view, each read once and shared by all checks."""

from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from verify.connection import SESSION, settings
from verify.refusal import one_line
from verify.result import ExitCode, Fatal

UNDEFINED = (
    psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedObject,
    psycopg.errors.InvalidSchemaName,
)  # fmt: skip
QUERIES = Path(__file__).with_name("queries")
Row = dict[str, Any]


class Unreadable(Exception):
    """A fact that the server did not give; the text is the server's.

    `denied` where it is this role that may not, `undefined` where something that it is read from is not there.
    """

    def __init__(self, fact: str, error: Exception | str, fix: str = "") -> None:
        super().__init__(one_line(error))
        self.fact = fact
        self.fix = fix
        self.denied = isinstance(error, psycopg.errors.InsufficientPrivilege)
        self.undefined = isinstance(error, UNDEFINED)


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
        if "enms" not in self.by_name("schemas"):
            self.errors["owner"] = Unreadable("owner", "schema enms is missing, so nobody is known to own it all", "make apply")
            raise self.errors["owner"]
        return self.by_name("schemas")["enms"]["owner"]

    def _read(self, fact: str) -> list[Row]:
        query = (QUERIES / f"{fact}.sql").read_text(encoding="utf-8")
        # In a transaction of the caller's, a fact that cannot be read must not keep the others from being read.
        inside = self.connection.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS
        try:
            with self.connection.transaction() if inside else nullcontext(), self.connection.cursor(row_factory=dict_row) as cursor:
                if fact != "settings":
                    return cursor.execute(query).fetchall()
                # What the session began with and where that is from, which our own settings hide; but for the two
                # that the query itself needs. All in one message, so that the session is never left as it began.
                needed = "; ".join(f"set {name} = {SESSION[name]}" for name in ("statement_timeout", "search_path"))
                cursor.execute(f"reset all; {needed}; {query}; {settings(self.connection)}")
                while cursor.description is None:
                    cursor.nextset()
                return cursor.fetchall()
        except (psycopg.Error, UnicodeDecodeError) as error:
            if self.connection.closed:
                raise gone(f"{fact} were read", error) from None
            self.errors[fact] = Unreadable(fact, error, _advice(error))
            raise self.errors[fact] from None


def gone(doing: str, error: Exception | str) -> Fatal:
    """The end of a run whose connection is lost."""
    return Fatal(f"the server went away while {doing}: {one_line(error).rstrip('.')}. See its log, and verify again.", ExitCode.CONNECT)


def _advice(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "The database holds text that is not UTF-8: correct that row, or move to a database with encoding UTF8."
    if isinstance(error, psycopg.errors.QueryCanceled):
        return "The server took too long: see what it is busy with in pg_stat_activity, and try again."
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "Verify as the database's owner, or as a member of enms_reader."
    return "Apply init/ again (make apply), or restore the object that the message names."
