"""A file as psql reads it: where its statements end, which psql commands it has, and what it leaves open."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

OPENING = re.compile(r"""--|/\*|(?<![\w$])[eE]'|['"\\]|(?<![\w$])\$(?:[^\W\d]\w*)?\$""")
# Up to the end of the line or the next backslash outside of quotes, which begins another command.
COMMAND = re.compile(r"""\\\\|\\[;:]|\\[^\s\\]+(?:[^\\'"`\n]|'(?:[^'\\\n]|\\.|'')*'|"[^"\n]*"|`[^`\n]*`|['"`])*""")
# These run the statement before them, as a semicolon does.
SENDING = {"\\g", "\\gx", "\\gset", "\\gexec", "\\gdesc", "\\crosstabview", "\\watch"}
FUNCTION = re.compile(r"\s*create\s+(?:or\s+replace\s+)?(?:function|procedure)\b", re.I)


@dataclass(frozen=True)
class Statement:
    """One SQL statement without comments around it, the file and line where it begins, and what ends it.

    `conditions` are those of the \\if it stands under, outermost first.
    """

    file: str
    line: int
    text: str
    end: str = ";"
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """One psql command, such as \\set, with its arguments; `offset` counts characters of the file."""

    file: str
    line: int
    text: str
    offset: int

    @property
    def name(self) -> str:
        return self.text.split()[0]


@dataclass(frozen=True)
class Script:
    """What a file consists of; `open` says what has no end, with its line."""

    statements: list[Statement]
    commands: list[Command]
    # Offset and name of each use, such as :name or :'name'.
    variables: list[tuple[int, str]]
    open: str


def read(file: str, text: str) -> Script:
    """Read a file's text as psql would."""
    mask, commands, unclosed = _mask(file, text)
    sql = list(text)
    for command in commands:
        sql[command.offset : command.offset + len(command.text)] = " " * len(command.text)
    variables = [
        (match.start(), match[1])
        for match in re.finditer(r"""(?<![:\w\[\])]):['"]?([^\W\d]\w*)""", text)
        if mask[match.start()] == ":" or _within(match.start(), commands)
    ]
    statements = list(_statements(file, "".join(sql), mask, commands))
    begin, end = list(_pieces(mask))[-1]
    if not unclosed and mask.count("(", begin, end) > mask.count(")", begin, end):
        unclosed = f"line {statements[-1].line}: ( without )"
    return Script(statements, commands, variables, unclosed)


def uncommented(text: str) -> str:
    """The SQL with a blank for each comment."""
    parts, position = [], 0
    for start, end, opening in _quotes(text):
        if opening in ("--", "/*"):
            parts += [text[position:start], " "]
            position = end
    return "".join([*parts, text[position:]])


def body(text: str) -> str:
    """What a do block has between its dollar quotes, without comments."""
    match = re.search(r"\$(\w*)\$(.*)\$\1\$", text, re.S)
    return uncommented(match[2] if match else text)


def _within(offset: int, commands: list[Command]) -> bool:
    return any(command.offset <= offset < command.offset + len(command.text) for command in commands)


def _quotes(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and opening of every comment, string, quoted name and psql command; the end is -1 if there is none."""
    position = 0
    while found := OPENING.search(text, position):
        opening = found[0]
        end = _end(text, found)
        yield found.start(), end, opening
        if end < 0:
            return
        position = end


def _end(text: str, found: re.Match) -> int:
    opening, start = found[0], found.end()
    if opening == "--":
        end = text.find("\n", start)
        return len(text) if end < 0 else end
    if opening == "\\":
        return match.end() if (match := COMMAND.match(text, found.start())) else start
    if opening == "/*":
        depth = 1
        for mark in re.compile(r"/\*|\*/").finditer(text, start):
            depth += 1 if mark[0] == "/*" else -1
            if depth == 0:
                return mark.end()
        return -1
    if opening in ("e'", "E'"):
        return match.end() if (match := re.compile(r"(?:[^'\\]|\\.|'')*'", re.S).match(text, start)) else -1
    end = text.find(opening, start)
    return -1 if end < 0 else end + len(opening)


def _mask(file: str, text: str) -> tuple[str, list[Command], str]:
    """The text with comments and commands blank and quoted text as x, as long as before and in the same lines."""
    parts, commands, position = [], [], 0
    for start, end, opening in _quotes(text):
        parts.append(text[position:start])
        if end < 0:
            what = {"/*": "comment", '"': "quoted name"}.get(opening, f"dollar-quoted text {opening}" if "$" in opening else "string")
            return "".join(parts) + " " * (len(text) - start), commands, f"line {_line(text, start)}: {what} without an end"
        part = text[start:end]
        if opening == "\\":
            command = Command(file, _line(text, start), part.strip(), start)
            commands += [command] * (part not in ("\\\\", "\\:"))
            # A statement ends here where the command sends it.
            parts.append((";" if command.name in SENDING else " ") + " " * (len(part) - 1))
        else:
            parts.append(re.sub(r"[^\n]", " " if opening in ("--", "/*") else "x", part))
        position = end
    return "".join([*parts, text[position:]]), commands, ""


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def _statements(file: str, sql: str, mask: str, commands: list[Command]) -> Iterator[Statement]:
    sending = {command.offset: command.text for command in commands}
    conditions: list[str] = []
    waiting = [command for command in commands if command.name in ("\\if", "\\elif", "\\else", "\\endif")]
    line, counted = 1, 0
    for begin, end in _pieces(mask):
        piece = mask[begin:end]
        if not piece.strip():
            continue
        start = begin + len(piece) - len(piece.lstrip())
        while waiting and waiting[0].offset < start:
            _enter(conditions, waiting.pop(0))
        line, counted = line + sql.count("\n", counted, start), start
        ending = sending.get(end, ";" if end < len(mask) else "")
        yield Statement(file, line, sql[start:end].rstrip(), ending, tuple(conditions))


def _enter(conditions: list[str], command: Command) -> None:
    argument = command.text.partition(" ")[2].strip()
    if command.name != "\\if" and conditions:
        before = conditions.pop()
        argument = f"not {before}" if command.name == "\\else" else argument
    if command.name != "\\endif":
        conditions.append(argument)


def _pieces(mask: str) -> Iterator[tuple[int, int]]:
    """Start and end of each statement: psql ends one at a semicolon outside of parentheses and of begin atomic … end."""
    start = depth = blocks = 0
    for mark in re.finditer(r"[();]|\b(?:begin|case|end)\b", mask, re.I):
        word = mark[0].lower()
        if word == "(":
            depth += 1
        elif word == ")":
            depth -= 1
        elif word == ";":
            if depth <= 0 and blocks == 0:
                yield start, mark.start()
                start, depth = mark.end(), 0
        elif word == "begin":
            blocks += bool(FUNCTION.match(mask, start))
        elif blocks:
            blocks += 1 if word == "case" else -1
    yield start, len(mask)
