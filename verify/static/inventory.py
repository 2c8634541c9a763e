"""What init/ defines, read from its text: the other side of the static comparison with the spec."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from verify.psql import Statement
from verify.sources import unqualified
from verify.static.facts import facts
from verify.static.plain import items, plain


@dataclass
class Inventory:
    """Objects by kind and name with their definitions and places; privileges; what is defined a second time."""

    kinds: dict[str, dict[str, object]] = field(default_factory=dict)
    places: dict[tuple[str, str], str] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    # Privileges of each role, such as "select on factories".
    grants: dict[str, set[str]] = field(default_factory=dict)
    # What each file leaves to PUBLIC.
    public: dict[str, set[str]] = field(default_factory=dict)

    def of(self, kind: str) -> dict[str, object]:
        """Objects of a kind by name."""
        return self.kinds.setdefault(kind, {})


def take(statements: Iterable[Statement]) -> Inventory:
    """The inventory of statements that run in this order."""
    found = Inventory()
    public = {"usage on schema public", "connect on this database", "temporary on this database"}
    file = ""
    for statement in statements:
        if statement.file != file:
            file = statement.file
        for kind, name, value in facts(statement):
            _add(found, public, statement, kind, name, value)
        found.public[file] = set(public)
    return found


def _add(found: Inventory, public: set[str], statement: Statement, kind: str, name: str, value: object) -> None:
    if kind == "grant":
        for role in value[1]:
            privileges = public if role == "public" else found.grants.setdefault(role, set())
            privileges |= set(_privileges(found, name, value[0]))
    elif kind == "revoke":
        for role in value[1]:
            privileges = public if role == "public" else found.grants.setdefault(role, set())
            taken = set(_privileges(found, name, value[0]))
            privileges -= {item for item in privileges if item in taken or f"all on {item.split(' on ')[1]}" in taken}
    elif kind == "drop":
        if _signature(found, name, value) == name:
            found.of("functions").pop(name)
    else:
        place = f"{statement.file} line {statement.line}"
        if name in found.of(kind) and kind not in ("compression", "compression policies"):
            found.twice.append(f"{kind}: {name}, {found.places[kind, name]} and {place}")
        found.of(kind)[name] = value
        found.places[kind, name] = place
        if kind == "functions":
            public.add(f"execute on {name}")


def _privileges(found: Inventory, objects: str, privileges: list[str]) -> Iterator[str]:
    """Privileges in the words of the spec for the objects of a GRANT or REVOKE."""
    kind, names = re.fullmatch(r"(all functions in schema|function|schema|sequence|table|database)?\s*(.*)", objects).groups()
    for name in items(names):
        if kind == "all functions in schema":
            targets = [function for function in found.of("functions") if function.startswith(f"{name}.") or (name == "public" and "." not in function)]
        elif kind == "function":
            function, _, types = name.partition("(")
            targets = [_signature(found, unqualified(function), types.rstrip(")"))]
        else:
            # A file of init/ can name no database but the one that psql is in.
            targets = ["this database" if kind == "database" else f"schema {name}" if kind == "schema" else unqualified(name)]
        yield from (f"{privilege} on {target}" for target in targets for privilege in privileges)


def _signature(found: Inventory, function: str, types: str) -> str:
    """The function's name if init/ has defined it with arguments of these types, else the name with the types."""
    defined = found.of("functions").get(function)
    if defined is None:
        return f"{function}({types})"
    arguments = "" if defined["arguments"] == "none" else re.sub(r" default .*?(?=, p_|$)", "", defined["arguments"])
    own = [argument.partition(" ")[2] for argument in items(arguments) if argument]
    return function if own == [plain(name) for name in items(types) if name] else f"{function}({types})"
