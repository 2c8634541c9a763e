"""What init/ defines, read from its text: the other side of the static comparison with the spec."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from verify.sources import ROLLUP, Sources, Statement, unqualified

NAME = r'((?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))?)'
HEAD = r"(?:if\s+not\s+exists\s+)?"
EXTENSION = re.compile(rf"create\s+extension\s+{HEAD}{NAME}", re.I)
TABLE = re.compile(rf"create\s+(unlogged\s+)?table\s+{HEAD}{NAME}\s*\((.*)\)\s*\Z", re.I | re.S)
INDEX = re.compile(rf"create\s+(?:unique\s+)?index\s+{HEAD}{NAME}\s+on\s+{NAME}", re.I)
TRIGGER = re.compile(rf"create\s+(?:or\s+replace\s+|constraint\s+)?trigger\s+{NAME}\s.*?\son\s+{NAME}", re.I | re.S)
FUNCTION = re.compile(rf"create\s+(?:or\s+replace\s+)?function\s+{NAME}\s*\((.*?)\)\s*returns\b", re.I | re.S)
HYPERTABLE = re.compile(r"create_hypertable\(\s*'([\w.]+)'", re.I)
POLICY = re.compile(r"add_(compression|retention|continuous_aggregate)_policy\(\s*'([\w.]+)'", re.I)
ENUM = re.compile(rf"create\s+type\s+{NAME}\s+as\s+enum\s*\(([^)]*)\)", re.I)
ROLE = re.compile(rf"create\s+role\s+{NAME}", re.I)
COMMENT = re.compile(rf"comment\s+on\s+(table|view|function|type|role|materialized view)\s+{NAME}", re.I)


@dataclass
class Inventory:
    """Names, as the spec has them, by kind of object; columns, arguments and enum values where there are some."""

    extensions: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    enums: dict[str, list[str]] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)
    constraints: dict[str, set[str]] = field(default_factory=dict)
    indexes: set[str] = field(default_factory=set)
    triggers: set[str] = field(default_factory=set)
    functions: dict[str, str] = field(default_factory=dict)
    views: set[str] = field(default_factory=set)
    rollups: set[str] = field(default_factory=set)
    hypertables: set[str] = field(default_factory=set)
    policies: set[str] = field(default_factory=set)
    comments: set[str] = field(default_factory=set)


def take(sources: Sources) -> Inventory:
    """The inventory of all files."""
    found = Inventory()
    for statement in sources.statements:
        _add(found, statement)
    rollups = {unqualified(s.text.split()[1]) for s in sources.statements if s.text.startswith(ROLLUP)}
    found.rollups, found.views = rollups, sources.views.keys() - rollups
    return found


def _add(found: Inventory, statement: Statement) -> None:
    text = statement.text
    if match := EXTENSION.match(text):
        found.extensions.add(unqualified(match[1]))
    elif match := TABLE.match(text):
        table = unqualified(match[2])
        items = list(_items(match[3]))
        found.columns[table] = [plain(item) for item in items if not item.lower().startswith("constraint ")]
        found.constraints[table] = {item.split()[1] for item in items if item.lower().startswith("constraint ")}
    elif match := INDEX.match(text):
        found.indexes.add(f"{unqualified(match[2])}: {match[1]}")
    elif match := TRIGGER.match(text) or (text[:2].lower() == "do" and TRIGGER.search(text)):
        # A constraint trigger can't be replaced, so a do block looks first.
        found.triggers.add(f"{unqualified(match[2])}: {match[1]}")
    elif match := FUNCTION.match(text):
        found.functions[unqualified(match[1])] = plain(match[2]) or "none"
    elif match := HYPERTABLE.search(text):
        found.hypertables.add(unqualified(match[1]))
    elif match := POLICY.search(text):
        found.policies.add(f"{match[1].lower()} of {unqualified(match[2])}")
    elif match := COMMENT.match(text):
        found.comments.add(unqualified(match[2]))
    elif text.lower().startswith("do"):
        for match in ENUM.finditer(text):
            found.enums[unqualified(match[1])] = re.findall(r"'([^']*)'", match[2])
        found.roles |= {match[1] for match in ROLE.finditer(text)}


def _items(body: str) -> Iterator[str]:
    """The comma-separated items of a table's definition, comments left out."""
    body = re.sub(r"--[^\n]*", "", body)
    depth, item = 0, ""
    for letter in body:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            yield " ".join(item.split())
            item = ""
        else:
            item += letter
    yield " ".join(item.split())


def plain(text: str) -> str:
    """A column or argument list without what init/ and PostgreSQL write differently: case, casts, typmods, serial, public."""
    text = re.sub(r"::[\w ]+?(?:\([\d,]+\))?(?:\[\])?(?=\W|$)", "", " ".join(text.split()).lower())
    text = re.sub(r"\bbigserial not null|\bbigint not null default nextval\('\w+'\)", "bigserial", text)
    return re.sub(r"\([\d, ]+\)|\bpublic\.", "", text).replace('"', "")
