"""A hostile write or call, and what the server has to answer."""

from typing import NamedTuple

MACHINE = "c0000000-0000-0000-0000-000000000001"
FACTORY = "11111111-1111-1111-1111-111111111111"
UNKNOWN = "c0000000-0000-0000-0000-0000000000ff"
READINGS = ("energy_readings", "production_data", "environmental_data")


def ways(table: str, column: str) -> tuple[str, ...]:
    """The ways in which a value can come into a column."""
    if table == "factories":
        # For each row that passes, its zone is looked up in the server's 1200 files of zones.
        return ("insert",) if column == "updated_at" else ("insert", "update")
    if table == "audit_log" or column == "updated_at" or (column == "time" and table in READINGS):
        # audit_log takes no update, updated_at is then overwritten, and a reading stays in its chunk.
        return "insert", "rows", "copy"
    return "insert", "rows", "update", "upsert", "copy"


class Value(NamedTuple):
    """A value for one column of an otherwise good row, tried in each of the `ways` into it.

    The error has to have the SQLSTATE `state` and to name `names`: a constraint, a column, or for what a column's type
    refuses the type with its limit. `others` are further columns of the row; `label` stands for the value in the
    test's name.
    """

    table: str
    column: str
    value: str | None
    state: str
    names: str
    others: dict[str, str | None] = {}
    label: str = ""

    def __str__(self) -> str:
        return f"{self.table}.{self.column}={self.label or shown(self.value)}"


class Statement(NamedTuple):
    """A statement as it stands, or `copy` rows for a COPY; `about` names it in the test's name.

    `role` runs it, the owner where there is none. `edition` is the only one that it can be tried on.
    """

    about: str
    sql: str
    state: str
    names: str
    role: str = ""
    copy: bytes = b""
    edition: str = ""
    # The trigger, view or function that the case is there for, where the error names something else.
    covers: str = ""

    def __str__(self) -> str:
        return self.about


class Call(NamedTuple):
    """A call of a KPI function with one hostile argument, the others being good."""

    function: str
    argument: str
    value: str | None
    state: str
    names: str

    def __str__(self) -> str:
        return f"{self.function}({self.argument} => {shown(self.value)})"


def shown(value: str | None) -> str:
    """A value as a test's name has it."""
    return "null" if value is None else value if len(value) < 40 else f"{len(value)} characters"
