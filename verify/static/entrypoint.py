"""What running the files of init/ does that their objects don't show: by the image's entrypoint and by psql.

The image's entrypoint takes every file of the folder in the order of its names: a psql of its own for each .sql,
with ON_ERROR_STOP, without a transaction around it and without a terminal. `make` pipes the same files to psql.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from verify.psql import Script, Statement, uncommented
from verify.result import PASSED, Outcome, Verdict, failed
from verify.sources import Sources

COMMANDS = {
    "\\set", "\\unset", "\\getenv", "\\gset", "\\if", "\\elif", "\\else", "\\endif", "\\g", "\\gx", "\\o", "\\out", "\\echo", "\\qecho",
    "\\warn", "\\timing", "\\pset", "\\x", "\\t", "\\a", "\\errverbose",
}  # fmt: skip
REASONS = {
    "needs another file, which psql would not find": ("\\i", "\\ir", "\\include", "\\include_relative", "\\copy", "\\lo_import", "\\cd"),
    "needs a terminal": ("\\prompt", "\\password", "\\e", "\\edit", "\\ef", "\\ev"),
    "leaves the database": ("\\c", "\\connect"),
    "ends the file there, without an error": ("\\q", "\\quit"),
    "does not end": ("\\watch",),
    "runs SQL that nothing can check": ("\\gexec",),
    "runs a program of the machine": ("\\!",),
    "runs two statements as one": ("\\;",),
}
WHY = {name: reason for reason, names in REASONS.items() for name in names}
ALONE = re.compile(
    r"vacuum\b|(create|drop) (database|tablespace)\b|alter system\b|(create|drop|reindex)\b.*\bconcurrently\b|call (public\.)?refresh_continuous_aggregate\b"
)


def names(sources: Sources) -> Verdict:
    """A file of another name is run by one engine and not the other, or by none."""
    extra = []
    for name in sources.entries:
        if re.fullmatch(r"\d\d-[a-z0-9_-]+\.sql", name):
            continue
        ignored = "the image's entrypoint ignores it"
        if name.endswith(".sql"):
            ignored = "its place in the order depends on the machine's language"
        elif name.endswith((".sh", ".sql.gz", ".sql.xz", ".sql.zst")):
            ignored = "the image's entrypoint runs it, the embedded engine does not, and no check reads it"
        extra.append(f"{name}: {ignored}")
    return Verdict(Outcome.FAILED, "", (), tuple(extra), "Name it 01-what.sql, in lower case, or keep it elsewhere.") if extra else PASSED


def numbers(sources: Sources) -> Verdict:
    """Each file has its number, and none is left out or there twice."""
    found = [path.name[:2] for path in sources.files]
    last = max([int(number) for number in found if number.isdecimal()], default=0)
    missing = [f"{number:02}-" for number in range(1, last + 1) if f"{number:02}" not in found]
    twice = [path.name for path in sources.files if found.count(path.name[:2]) > 1]
    if not missing and not twice:
        return PASSED
    return Verdict(Outcome.FAILED, "two files with one number" if twice else "", tuple(missing), tuple(twice), "Number the files 01-, 02-, … without a gap.")


def text(sources: Sources, file: str) -> Verdict:
    script, content = sources.scripts[file], sources.texts[file]
    if script.open:
        return failed(script.open, "Close it: psql takes the rest of the file for part of it.")
    if "\r" in content:
        line = content.count("\n", 0, content.index("\r")) + 1
        return failed(f"line {line}: ends in CR LF, which function bodies would keep", "Save it with LF only (git config core.autocrlf input).")
    return PASSED if script.statements else failed("it has no statement", "Leave it out and number the rest anew.")


def commands(sources: Sources, file: str) -> Verdict:
    extra, depth = [], 0
    for command in sources.scripts[file].commands:
        reason = WHY.get(command.name, "is no command that init/ may use") if command.name not in COMMANDS else _argument(command.text.split())
        if reason:
            extra.append(f"line {command.line}: {command.text}: {reason}")
        depth += (command.name == "\\if") - (command.name == "\\endif")
        if depth < 0 or (depth == 0 and command.name in ("\\elif", "\\else")):
            extra.append(f"line {command.line}: {command.name} without \\if")
            depth = 0
    if depth:
        extra.append("\\if without \\endif")
    fix = "Write it in SQL. Each file is run by a psql of its own, piped in or from a folder that is not its own, without a terminal."
    return Verdict(Outcome.FAILED, "", (), tuple(extra), fix) if extra else PASSED


def _argument(words: list[str]) -> str:
    """What is wrong with a permitted command's arguments."""
    if words[0] in ("\\o", "\\out", "\\g", "\\gx") and words[1:] not in ([], ["/dev/null"]):
        return "writes to a file or a program of the machine"
    if words[0] in ("\\set", "\\unset") and words[1:2] == ["ON_ERROR_STOP"] and words[2:] not in (["on"], ["1"], ["true"]):
        return "lets the boot go on after an error"
    if words[:2] == ["\\set", "AUTOCOMMIT"] and words[2:] != ["on"]:
        return "would leave everything after it uncommitted"
    return ""


def variables(sources: Sources, file: str) -> Verdict:
    """psql takes \\if of a variable that is not set for false, and goes on."""
    script = sources.scripts[file]
    known = {name: offset for name, offset in reversed(list(_set(script)))}
    extra = {}
    for offset, name in script.variables:
        # psql sets the upper-case ones itself.
        if not name.isupper() and known.get(name, offset) >= offset:
            extra.setdefault(name, sources.texts[file].replace("\r\n", "\n").count("\n", 0, offset) + 1)
    lines = tuple(f"line {line}: :{name}" for name, line in extra.items())
    fix = "Set it before, in this file, with \\set or \\gset: each file has variables of its own."
    return Verdict(Outcome.FAILED, "used but not set", (), lines, fix) if lines else PASSED


def _set(script: Script) -> Iterator[tuple[str, int]]:
    """Names of psql variables and where the file sets them."""
    results = iter([statement for statement in script.statements if statement.end.startswith("\\gset")])
    for command in script.commands:
        if command.name in ("\\set", "\\getenv") and len(command.text.split()) > 1:
            yield command.text.split()[1], command.offset
        elif command.name == "\\gset" and (statement := next(results, None)):
            yield from ((name, command.offset) for name in gset_names(statement))


def transactions(sources: Sources, file: str) -> Verdict:
    """A transaction that is left open is rolled back at the end of the file, without an error."""
    opened, extra = None, []
    for statement in sources.scripts[file].statements:
        text = words(statement)
        if re.match(r"(begin|start transaction)\b", text):
            opened = opened or statement
        elif re.match(r"(commit|end|rollback|abort)\b(?! to| prepared)", text):
            opened = None
        elif opened and ALONE.match(text):
            extra.append(f"{shown(statement)}: cannot run inside a transaction")
    if opened:
        extra.append(f"{shown(opened)}: has no commit, so psql undoes what follows, without an error")
    return Verdict(Outcome.FAILED, "", (), tuple(extra), "End each transaction in its own file.") if extra else PASSED


def gset_names(statement: Statement) -> list[str]:
    """Names of the psql variables that a statement sets by \\gset."""
    command, _, prefix = statement.end.partition(" ")
    return [prefix + name for name in re.findall(r"\bas\s+(\w+)", statement.text, re.I)] if command == "\\gset" else []


@lru_cache(maxsize=None)
def words(statement: Statement) -> str:
    """A statement in lower case with one blank for each space."""
    return " ".join(uncommented(statement.text).lower().split())


def shown(statement: Statement) -> str:
    """A statement's line and beginning."""
    text = " ".join(statement.text.split())
    return f"line {statement.line}: {text[:70]}{'…' * (len(text) > 70)}"
