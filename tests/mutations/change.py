"""One change of a live database, and what the verifier has to say of it."""

from typing import NamedTuple


class Change(NamedTuple):
    """A change by `sql`: the check that must fail and what its report must name.

    `damage` writes to the catalogue what a crash or a careless hand would leave, for the cases in which PostgreSQL
    refuses the statement. A change that `takes` others along may lead to failures of those too; one that cannot be made
    together with others of its kind is made `alone`. `also` are further checks that must fail. Without `community`, the
    change can be made on either edition.
    """

    kind: str
    check: str
    names: str
    sql: str
    damage: str = ""
    takes: bool = False
    alone: bool = False
    community: bool = False
    also: tuple[str, ...] = ()


def bare(name: str) -> str:
    """A name without its schema."""
    return name.rpartition(".")[2]


def key(relation: str) -> str:
    """The row of a relation in a catalogue."""
    return f"'{relation}'::regclass"
