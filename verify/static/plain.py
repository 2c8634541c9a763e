"""Definitions in one form, whether init/ writes them or PostgreSQL prints them, so that their texts can be compared.

What only PostgreSQL's parser could tell, such as what parentheses group, is left to the comparison with a server.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from verify.text import short

CAST = re.compile(r"::[\w ]+?(?:\([\d,]+\))?(?:\[\])?(?=\W|$)")
BETWEEN = re.compile(r"(\w+) between (-?[\w.]+) and (-?[\w.]+)")
AMONG = re.compile(r"(\w+) (not )?in \(([^()]*)\)")
ALIASES = {"int": "integer", "int4": "integer", "int8": "bigint", "int2": "smallint", "bool": "boolean", "decimal": "numeric", "float8": "double precision"}
ALIAS = re.compile(rf"\b({'|'.join(ALIASES)})\b")


def items(text: str) -> Iterator[str]:
    """The items of a list, separated by commas outside of parentheses, brackets and strings; one blank for each space."""
    depth = start = 0
    for mark in re.finditer(r"'[^']*'|[(),\[\]]", text):
        if mark[0] in "([":
            depth += 1
        elif mark[0] in ")]":
            depth -= 1
        elif mark[0] == "," and depth == 0:
            yield " ".join(text[start : mark.start()].split())
            start = mark.end()
    yield " ".join(text[start:].split())


def _common(text: str) -> str:
    """In lower case with one name for each type, and without casts."""
    return ALIAS.sub(lambda m: ALIASES[m[1]], CAST.sub("", short(" ".join(text.split()).lower())))


@lru_cache(maxsize=None)
def plain(text: str) -> str:
    """A list of arguments or a result without case, casts, the widths that PostgreSQL drops, and public."""
    text = _common(text)
    text = re.sub(r"\([\d, ]+\)|\bpublic\.", "", text).replace('"', "")
    return re.sub(r"\s*([()])\s*", r"\1", text)


@lru_cache(maxsize=None)
def definition(text: str) -> str:
    """A column, constraint or index without case, casts, parentheses around what is not a width, and public."""
    text = _common(text)
    text = re.sub(r"\bbigserial not null|\bbigint not null default nextval\('\w+'\)", "bigserial", text)
    text = re.sub(r"\bpublic\.|\busing btree\b", "", text).replace('"', "")
    text = re.sub(r"'(-?[\d.]+)'", r"\1", text)
    text = re.sub(r"\((\d+)(?:, *(\d+))?\)", lambda m: f"<{m[1]}{',' + m[2] if m[2] else ''}>", text)
    text = BETWEEN.sub(r"\1 >= \2 and \1 <= \3", text)
    text = AMONG.sub(lambda m: f"{m[1]} {'<> all' if m[2] else '= any'} array[{m[3]}]", text)
    text = re.sub(r"\blike\b", "~~", re.sub(r"\bnot like\b", "!~~", text))
    text = re.sub(r"[()]", " ", text).replace("<@", " <@ ")
    text = re.sub(r"<(\d+(?:,\d+)?)>", r"(\1)", text)
    return re.sub(r" ?([,\[\]]) ?", r"\1", " ".join(text.split()))


@lru_cache(maxsize=None)
def trigger(text: str) -> str:
    """A trigger without its name and table, its events in order."""
    text = definition(text)
    match = re.match(r"(before|after|instead of) (.*?)(?= referencing| deferrable| not deferrable| initially| for each| from | execute|$)(.*)", text)
    if match is None:
        return text
    rest = match[3] if " for each " in match[3] else match[3].replace(" execute ", " for each statement execute ")
    return f"{match[1]} {' or '.join(sorted(match[2].split(' or ')))}{rest}"


@lru_cache(maxsize=None)
def options(text: str) -> frozenset[str]:
    """A function's attributes, from the text between its result and its body."""
    text = " ".join(text.lower().split())
    found = {match[1] for match in re.finditer(r"\b(immutable|stable|volatile|strict|parallel \w+|security \w+)\b", text)}
    for default, others in (("volatile", ("immutable", "stable")), ("parallel unsafe", ("parallel ",)), ("security invoker", ("security ",))):
        if not any(option.startswith(others) for option in found):
            found.add(default)
    found |= set(re.findall(r"\blanguage (\w+)", text))
    settings = re.findall(r"\bset (\w+) (?:=|to) (.*?)(?= set | as | language | immutable| stable| security| parallel|$)", text)
    return frozenset(found | {f"{name}={value.strip().replace(chr(39), '')}" for name, value in settings})


def declared_options(text: str) -> frozenset[str]:
    """The same from the spec's line of them."""
    return frozenset(text.lower().split("; "))
