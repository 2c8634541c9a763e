"""Every message that a tool can print has its entry in troubleshooting.md, and every entry a message."""

import ast
import re
from collections.abc import Iterable, Iterator

import pytest

from conftest import CHECKOUT
from messages import GAP, messages, name_of, tidy
from verify import spec

PAGE = CHECKOUT / "scripts" / "guide" / "troubleshooting.md"
# The tables of this section tell what others say: the server, TimescaleDB, libpq.
OTHERS = "## What PostgreSQL and TimescaleDB say themselves"
# Those of these sections stand in a screen, a table or a file, in whatever pieces it is laid out.
NOTES = {"## What make status and make kpis note": ("status", "kpis"), "## Lines that an import rejects": ("history",)}


def entries(page: str) -> list[str]:
    """The patterns in the first cells of the page's own tables."""
    own = re.sub(r"<!-- generated: .*?<!-- end -->", "", page.partition(OTHERS)[0], flags=re.DOTALL)
    own = re.sub(rf"^(?:{'|'.join(NOTES)})$.*?(?=^## )", "", own, flags=re.DOTALL | re.MULTILINE)
    return patterns(own)


def patterns(text: str) -> list[str]:
    cells = [match[1] for match in re.finditer(r"^\| (`.*?) \| ", text, re.MULTILINE)]
    return [tidy(pattern.replace("\\|", "|")) for cell in cells for pattern in re.findall(r"`([^`]+)`", cell)]


def matching(text: str, listed: Iterable[str]) -> list[str]:
    """The patterns that fit the text most closely: of those that match, the ones that say most of it."""
    fit = [pattern for pattern in listed if _regex(pattern).fullmatch(text)]
    most = max((len(pattern.replace(GAP, "")) for pattern in fit), default=0)
    return [pattern for pattern in fit if len(pattern.replace(GAP, "")) == most]


def _regex(pattern: str) -> re.Pattern:
    return re.compile(".*".join(re.escape(part) for part in pattern.split(GAP)), re.DOTALL)


def test_every_message_has_one_entry_and_every_entry_a_message() -> None:
    found, listed = messages(), entries(PAGE.read_text())
    told = {text: matching(text, listed) for text in found}
    lacking = [f"{', '.join(sorted(found[text]))}: {text}" for text, fit in told.items() if not fit]
    assert not lacking, "messages without an entry in troubleshooting.md:\n" + "\n".join(lacking)
    double = {text: fit for text, fit in told.items() if len(fit) > 1}
    assert not double, f"more than one entry: {double}"
    idle = set(listed) - {pattern for fit in told.values() for pattern in fit}
    assert not idle, "entries that no tool prints:\n" + "\n".join(sorted(idle))


@pytest.mark.parametrize("heading", NOTES)
def test_every_note_is_one_that_the_tools_have(heading: str) -> None:
    section = re.search(rf"^{heading}$(.*?)^## ", PAGE.read_text(), re.DOTALL | re.MULTILINE)[1]
    sources = [path for tool in NOTES[heading] for path in (CHECKOUT / "scripts" / tool).glob("*.py")]
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text()))]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    # The states of jobs are the views'.
    texts.append((CHECKOUT / "init" / "05-views.sql").read_text())
    # Without rich's marks of colour.
    plain = [" ".join(re.sub(r"\[/?[a-z ]*\]", "", text).split()) for text in texts]
    for pattern in patterns(section):
        for piece in filter(None, map(str.strip, pattern.split(GAP))):
            assert any(piece.lower() in text.lower() for text in plain), f"no tool says: {pattern}"


def calls_of(name: str) -> Iterator[tuple[str, ast.Call]]:
    for path in sorted((CHECKOUT / "verify").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and name_of(node.func) == name:
                yield f"{path.name}:{node.lineno}", node


@pytest.mark.parametrize(("function", "place"), [("failed", 1), ("same", 2), ("same_set", 2), ("same_list", 2)])
def test_every_finding_of_the_verifier_has_advice(function: str, place: int) -> None:
    calls = list(calls_of(function))
    assert calls
    for where, call in calls:
        advice = call.args[place] if len(call.args) > place else next((key.value for key in call.keywords if key.arg == "fix"), None)
        assert advice is not None and getattr(advice, "value", "some") != "", f"{where} says no advice"


def test_every_constraint_is_in_the_list() -> None:
    page = PAGE.read_text().partition("### Constraints")[2]
    for name, table in spec.load().tables.items():
        for constraint in table.get("constraints", {}):
            assert page.count(f"`{constraint}`") == 1, f"{constraint} of {name}"
