"""Whether running a file of init/ a second time succeeds and changes nothing, as `make apply` does."""

import re
from functools import lru_cache

from verify.psql import Statement, body
from verify.result import PASSED, Outcome, Verdict
from verify.sources import ROLLUP, Sources
from verify.static.entrypoint import gset_names, shown, words

HARMLESS = "comment", "grant", "revoke", "set", "reset", "select", "analyze", "alter default privileges", "begin", "start transaction", "commit", "end"
LOOK = "an \\if that looks first"


def check(sources: Sources, file: str) -> Verdict:
    """Whether a second run succeeds and changes nothing, as far as the statements' own clauses tell."""
    script = sources.scripts[file]
    values: dict[str, list[str]] = {}
    for command in script.commands:
        if command.name == "\\set":
            _, name, *value = command.text.split(None, 2)
            values.setdefault(f":{name}", []).append("".join(value).strip("'"))
    looks = {name for statement in script.statements if re.search(r"\bnot exists\b|\bis null\b", words(statement)) for name in gset_names(statement)}
    extra = []
    for statement in script.statements:
        guarded = any(condition.removeprefix(":") in looks for condition in statement.conditions)
        if lacks := _lacks(statement, guarded, tuple(values.get(ROLLUP, ()))):
            extra.append(f"{shown(statement)}: lacks {lacks}")
    if not extra:
        return PASSED
    return Verdict(Outcome.FAILED, "would fail or change something the second time", (), tuple(extra), "make apply runs every file again: add what it lacks.")


@lru_cache(maxsize=None)
def _lacks(statement: Statement, guarded: bool, rollup: tuple[str, ...]) -> str:
    """The clause that would let a statement run again without effect; empty if it has it."""
    text = words(statement)
    if text.startswith(ROLLUP):
        return next((lack for value in rollup if (lack := _create(f"{value} "))), "" if rollup else f"a \\set of {ROLLUP}")
    if text.startswith("create"):
        return _create(text)
    if re.match(r"select (public\.)?(create_hypertable|add_\w+)\(", text):
        return "" if "if_not_exists => true" in text or guarded else "if_not_exists => true"
    if text.startswith("insert"):
        if " on conflict" not in text:
            return "on conflict"
        return "" if guarded or text.startswith("insert into enms.") else f"{LOOK}: a row that the plant has deleted would come back"
    if text.startswith("do "):
        return _block(" ".join(body(statement.text).lower().split()))
    if text.startswith(("alter table", "alter materialized view")):
        return "if exists, or if not exists" if re.search(r" (add|drop) (?!\w+ if (not )?exists |default|not null)| rename ", text) else ""
    if text.startswith("drop"):
        return "" if " if exists " in text else "if exists"
    return "" if text.startswith(HARMLESS) or guarded else LOOK


def _create(text: str) -> str:
    if re.match(r"create (or replace (?!constraint)|(\w+ ){1,3}if not exists )", text):
        return ""
    if re.match(r"create (function|procedure|view|trigger|aggregate|rule)", text):
        return "or replace"
    return "a do block that looks first" if re.match(r"create (type|role|constraint|domain)", text) else "if not exists"


def _block(text: str) -> str:
    """A block that makes something looks for it by name first."""
    for made in re.finditer(r"\bcreate (?!or replace\b)(?:constraint |unlogged |unique )?(\w+) (if not exists )?([\w.]+)", text):
        if text.count("'", 0, made.start()) % 2:
            continue
        guard = re.search(r"\bif ((?:(?!\bif\b|;).)*?) then $", text[: made.start()])
        name = made[3].split(".")[-1]
        if not made[2] and not (guard and re.search(r"not exists|is null", guard[1]) and f"{name}'" in guard[1]):
            return f"if … not exists or is null for {made[1]} {made[3]}"
    return ""
