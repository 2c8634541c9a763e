"""Renew what is generated in README.md and the pages: `python -m scripts.guide`."""

import argparse
import sys

from scripts.console import complain, exit_code, say
from scripts.guide import pages

DESCRIPTION = """\
Renew the blocks of README.md and scripts/guide/*.md that are generated: the help of every command, the
diagrams and tables of the schema, the lists of settings and messages, and the figures of the benchmark.
A block stands between two comments, generated: NAME and end; what is outside stays as it is."""
EPILOG = """\
examples:
  python -m scripts.guide            after a change of a command, of verify/spec.toml or of init/
  python -m scripts.guide --check    name the blocks that are out of date; nothing is written"""


def main(arguments: list[str] | None = None) -> int:
    """Renew or check the pages; 0, 1 if --check found a block out of date, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.guide", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, end with 1 if a block is out of date")
    options = parser.parse_args(arguments)
    return exit_code(lambda: check() if options.check else write())


def check() -> int:
    """Name every block that is out of date; 1 if there is one."""
    stale = [(page, name) for page in pages.find() for name in pages.renewed(page.read_text(encoding="utf-8"), pages.shown(page))[1]]
    for page, name in stale:
        complain(f"{pages.shown(page)}: the block {name} is out of date: python -m scripts.guide renews it")
    return 1 if stale else 0


def write() -> None:
    """Renew every page that has something out of date."""
    for page in pages.find():
        text, stale = pages.renewed(page.read_text(encoding="utf-8"), pages.shown(page))
        if stale:
            page.write_text(text, encoding="utf-8")
        say(f"{pages.shown(page)}: {'renewed ' + ', '.join(stale) if stale else 'as it was'}")


if __name__ == "__main__":
    sys.exit(main())
