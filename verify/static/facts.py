"""What one statement of init/ defines: objects of a kind with their names and definitions."""

import re
from collections.abc import Iterator
from functools import lru_cache

from verify.psql import Statement, body, uncommented
from verify.sources import ROLLUP, unqualified
from verify.static.plain import definition, items, options, plain, trigger
from verify.static.seeded import rows

NAME = r'((?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))*)'
HEAD = r"(?:if\s+not\s+exists\s+)?"
# Kind, name, and the definition as verify/static/declared.py writes the spec's.
Fact = tuple[str, str, object]
# What bigserial makes.
SERIAL = "bigint, by 1 from 1 to 9223372036854775807, start 1"


@lru_cache(maxsize=None)
def facts(statement: Statement) -> tuple[Fact, ...]:
    """What one statement defines."""
    head = statement.text[:20].lower()
    code = uncommented(statement.text)
    for pattern, make in PATTERNS:
        if head.startswith(pattern.split("|")[0]) and (match := re.match(pattern.split("|", 1)[1], code, re.I | re.S)):
            return tuple(make(match))
    if head.startswith("do"):
        return tuple(_block(body(statement.text)))
    return ()


def _block(code: str) -> Iterator[Fact]:
    for match in re.finditer(rf"create\s+type\s+{NAME}\s+as\s+enum\s*\(([^)]*)\)", code, re.I):
        yield "enums", unqualified(match[1]), re.findall(r"'([^']*)'", match[2])
    for match in re.finditer(rf"create\s+role\s+{NAME}\s*([^;]*);", code, re.I):
        yield "roles", match[1], " ".join(match[2].lower().split())
    for match in re.finditer(TRIGGER + ";", code, re.I | re.S):
        # A constraint trigger can't be replaced, so a do block looks first.
        yield from _trigger(match)


def _table(match: re.Match) -> Iterator[Fact]:
    table, columns = unqualified(match[2]), []
    for item in items(match[3]):
        if item.lower().startswith("constraint "):
            _, name, text = [*item.split(None, 2), ""][:3]
            yield "constraints", f"{name} of {table}", definition(text)
        else:
            columns.append(definition(item))
            if re.match(r"\w+ (big|small)?serial\b", item, re.I):
                yield "sequences", f"{table}_{item.split()[0]}_seq", f"{SERIAL}, of {table}.{item.split()[0]}"
    yield "tables", table, columns
    yield "logging", table, "unlogged" if match[1] else "logged"


def _index(match: re.Match) -> Iterator[Fact]:
    yield "indexes", f"{match[2]} of {unqualified(match[3])}", definition(f"{match[1] or ''}{match[4]}".replace("using btree", ""))


def _trigger(match: re.Match) -> Iterator[Fact]:
    yield "triggers", f"{match[1]} of {unqualified(match[3])}", trigger(f"{match[2]} {match[4]}")


def _function(match: re.Match) -> Iterator[Fact]:
    name = unqualified(match[1])
    yield "functions", name, {"arguments": plain(match[2]) or "none", "returns": plain(match[3]), "options": options(match[4])}


def _view(match: re.Match) -> Iterator[Fact]:
    yield "views", unqualified(match[1]), {"columns": _outputs(match[2])}


def _rollup(match: re.Match) -> Iterator[Fact]:
    source = re.search(rf"\sfrom\s+{NAME}", match[2], re.I)
    yield "rollups", unqualified(match[1]), {"source": unqualified(source[1]) if source else "none", "columns": _outputs(match[2])}


def _outputs(text: str) -> list[str]:
    """Names of the columns of a SELECT; none where only a server could tell, as for *."""
    depth, start = 0, -1
    for mark in re.finditer(r"'[^']*'|[()]|\bselect\b(?:\s+distinct\b)?|(?<!distinct)\s+from\b", text + " from", re.I):
        depth += (mark[0] == "(") - (mark[0] == ")")
        if depth == 0 and mark[0].lower().startswith("select"):
            start = mark.end()
        elif depth == 0 and start >= 0 and mark[0].lower().endswith("from"):
            found = [re.search(r"(\w+|\*)\"?$", item) for item in items(text[start : mark.start()])]
            return [] if any(name is None or name[1] == "*" for name in found) else [name[1].lower() for name in found]
    return []


def _named(arguments: str) -> dict[str, str]:
    """The named arguments of a call of TimescaleDB, intervals in the spec's words."""
    return {key: (interval or value).lower() for key, interval, value in re.findall(r"(\w+)\s*=>\s*(?:interval\s+'([^']*)'|(\w+))", arguments, re.I)}


def _hypertable(match: re.Match) -> Iterator[Fact]:
    yield "hypertables", unqualified(match[1]), f"by {match[2]}, chunks of {match[3]}"


def _policy(match: re.Match) -> Iterator[Fact]:
    kind, name, given = match[1].lower(), unqualified(match[2]), _named(match[3])
    every = f"every {given.get('schedule_interval', 'default')}"
    if kind == "continuous_aggregate":
        start, end = (given.get(key, "missing").replace("null", "none") for key in ("start_offset", "end_offset"))
        yield "refresh policies", name, f"from {start} to {end} ago, batches of {given.get('buckets_per_batch', 'default')}, {every}"
    else:
        yield f"{kind} policies", name, f"after {given.get('compress_after') or given.get('drop_after')}, {every}"


def _compression(match: re.Match) -> Iterator[Fact]:
    given = dict(re.findall(r"timescaledb\.compress_(segmentby|orderby)\s*=\s*'([^']*)'", match[2], re.I))
    yield "compression", unqualified(match[1]), f"segments by {given.get('segmentby', 'none')}, order by {given.get('orderby', 'none')}".lower()


def _grant(match: re.Match) -> Iterator[Fact]:
    privileges = [item.lower() for item in items(match[2])]
    yield match[1].lower(), " ".join(match[3].split()).lower(), (privileges, [role.lower() for role in items(match[4])])


TRIGGER = rf"create\s+(?:or\s+replace\s+|constraint\s+)?trigger\s+{NAME}\s(.*?)\son\s+{NAME}(\s[^;]*)"
PATTERNS = (
    (rf"comment|comment\s+on\s+(?:table|view|function|type|role|schema|materialized\s+view|column)\s+{NAME}.*\sis\s+'.+'\Z",
     lambda m: [("comments", unqualified(m[1]), "")]),
    (rf"create|create\s+extension\s+{HEAD}{NAME}", lambda m: [("extensions", unqualified(m[1]), "")]),
    (rf"create|create\s+schema\s+{HEAD}{NAME}", lambda m: [("schemas", unqualified(m[1]), "")]),
    (rf"create|create\s+(unlogged\s+)?table\s+{HEAD}{NAME}\s*\((.*)\)\s*\Z", _table),
    (rf"create|create\s+(unique\s+)?index\s+{HEAD}{NAME}\s+on\s+{NAME}\s*(.*)", _index),
    (rf"create|{TRIGGER}", _trigger),
    (rf"create|create\s+(?:or\s+replace\s+)?function\s+{NAME}\s*\((.*?)\)\s*returns\s+(.*?)\s+(?=language\b)(.*?)\bas\s+\$", _function),
    (rf"create|create\s+(?:or\s+replace\s+)?view\s+{NAME}\s+as\b(.*)", _view),
    (rf"{ROLLUP}|{ROLLUP}\s+{NAME}\s+:as_rollup\b(.*?):unfilled\s*\Z", _rollup),
    (r"select|select\s+create_hypertable\(\s*'([\w.]+)',\s*by_range\('(\w+)',\s*interval\s+'([^']*)'\)", _hypertable),
    (r"select|select\s+add_(compression|retention|continuous_aggregate)_policy\(\s*'([\w.]+)'(.*)", _policy),
    (rf"alter|alter\s+(?:table|materialized\s+view)\s+{NAME}\s+set\s*\((.*)\)", _compression),
    (r"grant|(grant)\s+(.*?)\s+on\s+(.*?)\s+to\s+(.*)", _grant),
    (r"revoke|(revoke)\s+(.*?)\s+on\s+(.*?)\s+from\s+(.*)", _grant),
    (rf"drop|drop\s+function\s+if\s+exists\s+{NAME}\((.*)\)", lambda m: [("drop", unqualified(m[1]), m[2])]),
    (r"insert|insert\s+into\s+([\w.]+)\s*\((.*?)\)\s*(values\s.*|select\s.*)", lambda m: rows(unqualified(m[1]), items(m[2]), m[3])),
)  # fmt: skip
