"""The statements of init/, read as psql would: for function bodies, view definitions and --static."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import sqlparse

from verify.result import ExitCode, Fatal

INIT = Path(__file__).resolve().parent.parent / "init"
# What 03 sets on the community edition; the other edition's texts name the same objects.
ROLLUP = ":create_rollup"
FUNCTION = re.compile(r"create\s+(?:or\s+replace\s+)?function\s+([\w.]+)\s*\(.*?\bas\s+\$(\w*)\$(.*?)\$\2\$", re.I | re.S)
VIEW = re.compile(r"(?:create\s+(?:or\s+replace\s+)?(?:materialized\s+)?view\s+(?:if\s+not\s+exists\s+)?)([\w.]+)\s+as\b(.*)", re.I | re.S)
ROLLUP_VIEW = re.compile(rf"{ROLLUP}\s+([\w.]+)\s+:as_rollup\b(.*?):unfilled\s*$", re.I | re.S)


@dataclass(frozen=True)
class Statement:
    """One SQL statement without comments around it, and the file and line where it begins."""

    file: str
    line: int
    text: str


@dataclass(frozen=True)
class Command:
    """One psql command, such as \\set, with its arguments."""

    file: str
    line: int
    text: str

    @property
    def name(self) -> str:
        return self.text.split()[0]


class Sources:
    """init/*.sql, parsed when first asked for; Fatal if there is nothing to read."""

    def __init__(self, folder: Path = INIT) -> None:
        self.folder = folder

    @cached_property
    def files(self) -> list[Path]:
        found = sorted(self.folder.glob("*.sql"))
        if not found:
            raise Fatal(f"{self.folder} has no .sql files, which the checks of functions and views read", ExitCode.SPEC)
        return found

    @cached_property
    def statements(self) -> list[Statement]:
        """Every statement in order, those of both branches of an \\if included."""
        return [statement for path in self.files for statement in _statements(path)]

    @cached_property
    def commands(self) -> list[Command]:
        """Every psql command in order."""
        return [command for path in self.files for command in _split(path)[1]]

    @cached_property
    def bodies(self) -> dict[str, str]:
        """Function bodies, to the letter, by the function's name without public."""
        found = (FUNCTION.match(statement.text) for statement in self.statements)
        return {unqualified(match[1]): match[3] for match in found if match}

    @cached_property
    def views(self) -> dict[str, str]:
        """SELECTs of views and rollups by name without public."""
        found = (ROLLUP_VIEW.match(statement.text) or VIEW.match(statement.text) for statement in self.statements)
        return {unqualified(match[1]): match[2].strip() for match in found if match}


def unqualified(name: str) -> str:
    """The name as PostgreSQL prints it where public is on the search path."""
    return name.strip().replace('"', "").removeprefix("public.")


def _split(path: Path) -> tuple[str, list[Command]]:
    """The file's SQL, each psql command taken out and its lines kept, and the commands."""
    lines, commands = [], []
    quoted = False
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not quoted and line.lstrip().startswith("\\"):
            commands.append(Command(path.name, number, line.strip()))
            lines.append("")
            continue
        found = None if quoted else re.search(r"\\(\w+)[^']*$", line)
        if found:
            commands.append(Command(path.name, number, found[0].strip()))
            # \gset and its like end a statement as a semicolon does.
            line = line[: found.start()] + ";"
        quoted ^= line.count("$$") % 2 == 1
        lines.append(line)
    return "\n".join(lines), commands


def _statements(path: Path) -> list[Statement]:
    sql, _ = _split(path)
    found, offset = [], 0
    for piece in sqlparse.split(sql):
        start = sql.index(piece, offset)
        offset = start + len(piece)
        text = re.sub(r"\A(?:\s*--[^\n]*\n|\s*/\*.*?\*/)+", "", piece, flags=re.S)
        line = sql.count("\n", 0, start + piece.index(text)) + 1 if text else 0
        text = text.strip().rstrip(";").rstrip()
        if text and not text.startswith("--"):
            found.append(Statement(path.name, line, text))
    return found
