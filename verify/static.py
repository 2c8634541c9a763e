"""The files of init/ against the spec, both ways, without a database."""

import re
from collections.abc import Callable, Iterator

from verify.inventory import Inventory, plain, take
from verify.result import PASSED, Outcome, Result, Verdict, failed, same, same_list, same_set
from verify.sources import ROLLUP, Sources, Statement
from verify.spec import Spec

FIX = "Missing is in the spec only, extra in init/ only: change whichever is wrong."
# What the image's entrypoint can run: it names the file to psql, so an included file or a prompt would not be found.
COMMANDS = {"\\set", "\\unset", "\\gset", "\\if", "\\elif", "\\else", "\\endif", "\\g", "\\o"}
HARMLESS = "comment", "grant", "revoke", "set", "reset", "select", "update", "analyze", "alter default privileges"
MARKER = re.compile(r"insert\s+into\s+enms\.schema_version\b.*?values\s*\(\s*'([^']*)'\s*,\s*'([^']*)'", re.I | re.S)


def run(spec: Spec, sources: Sources) -> list[Result]:
    """Results of every static check."""
    found = take(sources)
    return [Result("static", name, compare()) for name, compare in _plan(spec, sources, found)]


def _plan(spec: Spec, sources: Sources, found: Inventory) -> Iterator[tuple[str, Callable[[], Verdict]]]:
    yield "file numbers", lambda: _numbers(sources)
    for path in sources.files:
        yield f"psql commands of {path.name}", lambda path=path: _commands(sources, path.name)
        yield f"{path.name} can be run again", lambda path=path: _idempotent(sources, path.name)
    named = lambda kind: {f"{table}: {name}" for table in spec.tables for name in spec.tables[table].get(kind, {})}  # noqa: E731
    policies = {f"continuous_aggregate of {name}" for name in spec.rollups}
    policies |= {f"compression of {name}" for name in spec.compressed} | {f"retention of {name}" for name in spec.hypertables}
    sets = {
        "extensions": (spec.extensions, found.extensions),
        "roles": (spec.roles, found.roles),
        "enums": (spec.enums, found.enums),
        "tables": (spec.tables, found.columns),
        "indexes": (named("indexes"), found.indexes),
        "triggers": (named("triggers"), found.triggers),
        "functions": (spec.functions, found.functions),
        "views": (spec.views, found.views),
        "rollups": (spec.rollups, found.rollups),
        "hypertables": (spec.hypertables, found.hypertables),
        "policies": (policies, found.policies),
    }
    for kind, (declared, defined) in sets.items():
        yield f"{kind} of spec and init/", lambda declared=declared, defined=defined: same_set(declared, defined, FIX)
    for name in spec.enums.keys() & found.enums.keys():
        yield f"values of enum {name}", lambda name=name: same_list(spec.enums[name], found.enums[name], FIX)
    for name in spec.tables.keys() & found.columns.keys():
        yield f"columns of {name}", lambda name=name: same_list(map(plain, spec.tables[name]["columns"]), found.columns[name], FIX)
        yield f"constraints of {name}", lambda name=name: same_set(spec.tables[name].get("constraints", {}), found.constraints[name], FIX)
    for name in spec.functions.keys() & found.functions.keys():
        yield f"arguments of {name}", lambda name=name: same(plain(spec.functions[name]["arguments"]), found.functions[name], FIX)
    yield "comments on everything", lambda: _comments(spec, found)
    yield "completion marker", lambda: _marker(spec, sources.statements[-1])


def _numbers(sources: Sources) -> Verdict:
    """Files run in the order of their names, so each has its number and none is left out."""
    expected = [f"{number:02}-" for number in range(1, len(sources.files) + 1)]
    return same_list(expected, [path.name[:3] for path in sources.files], "Number the files 01-, 02-, … without a gap.")


def _commands(sources: Sources, file: str) -> Verdict:
    here = [command for command in sources.commands if command.file == file]
    extra = [f"line {command.line}: {command.text}" for command in here if command.name not in COMMANDS]
    opened = sum((command.name == "\\if") - (command.name == "\\endif") for command in here)
    if extra:
        return Verdict(Outcome.FAILED, "", (), tuple(extra), "Write it in SQL: the entrypoint runs each file by itself, without a terminal.")
    return failed("\\if without \\endif, or the reverse", "Close each \\if in its own file.") if opened else PASSED


def _idempotent(sources: Sources, file: str) -> Verdict:
    extra = [f"line {s.line}: {' '.join(s.text.split())[:70]}" for s in sources.statements if s.file == file and not _repeats(s)]
    if not extra:
        return PASSED
    fix = "create if not exists, create or replace, on conflict do nothing, if_not_exists => true, or a do block that looks first."
    return Verdict(Outcome.FAILED, "would fail or change something the second time", (), tuple(extra), fix)


def _repeats(statement: Statement) -> bool:
    """Whether a statement that ran once can run again without effect."""
    text = " ".join(statement.text.lower().split())
    if re.search(r"^select (create_hypertable|add_\w+_policy)\(", text):
        return "if_not_exists => true" in text
    if text.startswith("create"):
        return bool(re.match(r"create (or replace |\w+ (\w+ )?if not exists )", text))
    if text.startswith("insert"):
        return " on conflict" in text
    if text.startswith("do "):
        # A block that makes something has to look first, or to catch that it is there.
        return "create " not in text or "if not exists" in text or "is null then" in text or "or replace" in text
    if text.startswith(("alter table", "alter materialized view")):
        return bool(re.search(r" set \(| if (not )?exists ", text))
    if text.startswith("drop"):
        return " if exists " in text
    return text.startswith((ROLLUP, *HARMLESS))


def _comments(spec: Spec, found: Inventory) -> Verdict:
    """\\d+ explains what has a comment."""
    missing = {*spec.tables, *spec.functions, *spec.views, *spec.rollups, *spec.enums, *spec.roles} - found.comments
    return Verdict(Outcome.FAILED, "", tuple(sorted(missing)), (), "comment on … is '…';") if missing else PASSED


def _marker(spec: Spec, last: Statement) -> Verdict:
    """The last statement, so that a marker means that everything ran."""
    match = MARKER.match(last.text)
    if match is None:
        return failed(f"{last.file} ends with something else (line {last.line})", "Make the insert into enms.schema_version the last statement.")
    return same(f"{spec.version}, {spec.digest}", f"{match[1]}, {match[2]}", f"Put version and digest of the spec into {last.file}.")
