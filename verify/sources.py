"""The files of init/: their statements and psql commands, and what they say of functions and views."""

import re
from functools import cached_property
from pathlib import Path

from verify import psql
from verify.psql import Command, Script, Statement
from verify.result import ExitCode, Fatal

INIT = Path(__file__).resolve().parent.parent / "init"
# What 03 sets on the community edition; the other edition's texts name the same objects.
ROLLUP = ":create_rollup"
FUNCTION = re.compile(r"create\s+(?:or\s+replace\s+)?function\s+([\w.]+)\s*\(.*?\bas\s+\$(\w*)\$(.*?)\$\2\$", re.I | re.S)
VIEW = re.compile(r"(?:create\s+(?:or\s+replace\s+)?(?:materialized\s+)?view\s+(?:if\s+not\s+exists\s+)?)([\w.]+)\s+as\b(.*)", re.I | re.S)
ROLLUP_VIEW = re.compile(rf"{ROLLUP}\s+([\w.]+)\s+:as_rollup\b(.*?):unfilled\s*$", re.I | re.S)
COMMENT = re.compile(r"comment\s+on\s+(\w+)\s+([\w.]+)(?:\s*\([^)]*\))?\s+is\s+'((?:[^']|'')*)'\s*\Z", re.I)


class Sources:
    """init/*.sql, read when first asked for; Fatal if there is nothing to read."""

    def __init__(self, folder: Path = INIT) -> None:
        self.folder = folder

    @cached_property
    def entries(self) -> list[str]:
        """Names in the folder that a shell's * finds, as the image's entrypoint does."""
        try:
            return sorted(path.name for path in self.folder.iterdir() if not path.name.startswith("."))
        except OSError as error:
            raise Fatal(f"{self.folder} cannot be read: {error.strerror}", ExitCode.SPEC) from None

    @cached_property
    def files(self) -> list[Path]:
        found = [self.folder / name for name in self.entries if name.endswith(".sql")]
        if not found:
            raise Fatal(f"{self.folder} has no .sql files, which the checks of functions and views read", ExitCode.SPEC)
        return found

    @cached_property
    def texts(self) -> dict[str, str]:
        """Each file's text by its name; line ends as they are, a byte order mark left out as psql does."""
        return {path.name: _text(path) for path in self.files}

    @cached_property
    def scripts(self) -> dict[str, Script]:
        """Each file by its name, as psql reads it."""
        # Python counts a carriage return as a line end too, and the catalogue's texts are compared without one.
        return {name: psql.read(name, text.replace("\r\n", "\n")) for name, text in self.texts.items()}

    @cached_property
    def statements(self) -> list[Statement]:
        """Every statement in order, those of both branches of an \\if included."""
        return [statement for script in self.scripts.values() for statement in script.statements]

    @cached_property
    def commands(self) -> list[Command]:
        """Every psql command in order."""
        return [command for script in self.scripts.values() for command in script.commands]

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

    @cached_property
    def comments(self) -> dict[tuple[str, str], str]:
        """Comments by object and column; that of the object itself has the column ''."""
        found = {}
        for match in filter(None, (COMMENT.match(statement.text) for statement in self.statements)):
            name, column = match[2], ""
            if match[1].lower() == "column":
                name, _, column = match[2].rpartition(".")
            found[unqualified(name), column] = match[3].replace("''", "'")
        return found


def unqualified(name: str) -> str:
    """The name as PostgreSQL prints it where public is on the search path."""
    return name.strip().replace('"', "").removeprefix("public.")


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Fatal(f"{path.parent.name}/{path.name} cannot be read: {error.strerror}", ExitCode.SPEC) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Fatal(f"{path.parent.name}/{path.name}, line {line}: not UTF-8, which the server refuses; save the file as UTF-8", ExitCode.SPEC) from None
