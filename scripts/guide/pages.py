"""The pages, and the blocks in them that are generated."""

import re
from collections.abc import Callable
from pathlib import Path

from scripts.console import Failure
from scripts.guide import commands, guards, schema, speed, tables
from scripts.settings import CHECKOUT

BLOCK = re.compile(r"(?P<begin><!-- generated: (?P<name>[\w-]+) -->\n)(?P<text>.*?)(?P<end><!-- end -->)", re.DOTALL)
MARK = re.compile(r"^<!-- (?:generated: .*|end) -->$", re.MULTILINE)
BLOCKS: dict[str, Callable[[], str]] = {
    "commands": commands.help_of_all,
    "tasks": commands.tasks,
    "schema": schema.entities,
    "flow": schema.flow,
    "policies": tables.policies,
    "seed": tables.seed,
    "privileges": tables.privileges,
    "settings": tables.settings,
    "server-settings": tables.server_settings,
    "relations": tables.relations,
    "views": tables.views,
    "operation": tables.operation,
    "functions": tables.functions,
    "checks": tables.checks,
    "constraints": guards.constraints,
    "refusals": guards.refusals,
    "speed": speed.goals,
    "sizes": speed.sizes,
}


def find() -> list[Path]:
    """The README and the guide's pages."""
    return [CHECKOUT / "README.md", *sorted((CHECKOUT / "scripts" / "guide").glob("*.md"))]


def shown(page: Path) -> str:
    """The page's path in the checkout."""
    return str(page.relative_to(CHECKOUT))


def renewed(text: str, page: str) -> tuple[str, list[str]]:
    """The page's text with its blocks as they have to be, and the names of those that were not; Failure for a mark that stands alone."""
    stale = []

    def block(match: re.Match) -> str:
        name = match["name"]
        if name not in BLOCKS:
            raise Failure(f"{page}: nothing generates the block {name}: name one of {', '.join(BLOCKS)}")
        made = BLOCKS[name]().rstrip("\n") + "\n"
        if same(match["text"], made):
            return match[0]
        stale.append(name)
        return match["begin"] + made + match["end"]

    new = BLOCK.sub(block, text)
    if len(MARK.findall(text)) != 2 * len(BLOCK.findall(text)):
        raise Failure(f"{page}: a mark of a generated block has no counterpart: each begins with generated: NAME and finishes with end")
    return new, stale


def same(old: str, new: str) -> bool:
    """True if two texts differ only in what argparse lays out in another way from one Python to the next."""
    return _settled(old) == _settled(new)


def _settled(text: str) -> str:
    # Python 3.13 writes `-n, --lines LINES` for what was `-n LINES, --lines LINES`.
    return " ".join(re.sub(r"(-\w) (\S+), (--[\w-]+) \2", r"\1, \3 \2", text).split())
