"""The generator of the pages: nothing is out of date, what is gets named, and only blocks are written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import CHECKOUT
from scripts.console import Failure
from scripts.guide import commands, guards, pages, schema
from verify import spec


@pytest.mark.parametrize("page", pages.find(), ids=pages.shown)
def test_no_block_is_out_of_date(page: Path) -> None:
    stale = pages.renewed(page.read_text(), pages.shown(page))[1]
    assert not stale, f"{pages.shown(page)}: {', '.join(stale)} out of date: python -m scripts.guide renews them"


def test_every_generator_has_a_place() -> None:
    used = [name for page in pages.find() for name in re.findall(r"^<!-- generated: (.*) -->$", page.read_text(), re.MULTILINE)]
    assert sorted(used) == sorted(pages.BLOCKS)


def test_a_block_out_of_date_is_named_and_renewed_and_the_rest_stays() -> None:
    text = "before\n<!-- generated: flow -->\nold\n<!-- end -->\nafter\n"
    new, stale = pages.renewed(text, "page.md")
    assert stale == ["flow"]
    assert new == f"before\n<!-- generated: flow -->\n{schema.flow()}<!-- end -->\nafter\n"
    assert pages.renewed(new, "page.md") == (new, [])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<!-- generated: flows -->\n<!-- end -->\n", "nothing generates the block flows"),
        ("<!-- generated: flow -->\n", "no counterpart"),
        ("text\n<!-- end -->\n", "no counterpart"),
    ],
)
def test_a_mark_that_is_wrong_is_refused(text: str, says: str) -> None:
    with pytest.raises(Failure, match=says):
        pages.renewed(text, "page.md")


@pytest.mark.parametrize(
    ("old", "new"),
    [("  -n LINES, --lines LINES\n     how many", "  -n, --lines LINES  how many"), ("usage: a [-h]\n   B", "usage: a [-h] B")],
)
def test_the_layout_of_another_python_is_no_difference(old: str, new: str) -> None:
    assert pages.same(old, new) and not pages.same(old, new + " more")


def test_help_does_not_depend_on_the_terminal() -> None:
    run = [sys.executable, "-m", "scripts.guide", "--check"]
    for environment in {"COLUMNS": "40", "FORCE_COLOR": "1"}, {"COLUMNS": "300", "TERM": "dumb", "ENGINE": "docker"}:
        done = subprocess.run(run, cwd=CHECKOUT, env={"PATH": "/usr/bin:/bin"} | environment, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_subcommand_is_found() -> None:
    from scripts import engine

    listed = commands.subcommands("scripts.engine")
    assert {"up", "restore-test", "clean"} <= set(listed) and not set(commands.PASSED_ON) & set(listed)
    assert all(hasattr(engine, name.replace("-", "_")) for name in listed)


def test_a_constraint_that_no_rule_reads_is_named() -> None:
    with pytest.raises(Failure, match="machines_odd"):
        guards._demand("machines_odd", "CHECK (name = 'odd'::text)")


def test_the_diagram_has_every_table_and_its_references() -> None:
    drawn = schema.entities()
    for name, table in spec.load().tables.items():
        if "." in name:
            continue
        assert f"\n    {name} {{" in drawn
        for definition in table["constraints"].values():
            if found := re.match(r"FOREIGN KEY \((\w+)\) REFERENCES (\w+)", definition):
                assert re.search(rf'{found[2]} \|\|--\S+ {name} : "{found[1]}"', drawn), definition
    assert drawn.count("machines ||--") == 6
