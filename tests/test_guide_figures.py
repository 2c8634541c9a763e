"""Every figure in the prose of the README and the pages is one that the code, the spec or the configuration says."""

import re
import tomllib
from collections.abc import Iterator

import pytest

from conftest import CHECKOUT
from scripts import server
from scripts.backup import store, swap
from scripts.bench import plant
from scripts.guide import pages
from scripts.history import work
from verify import spec
from verify.checks import jobs
from verify.result import ExitCode
from verify.sources import Sources
from verify.text import duration, seconds

SPEC = spec.load()
RAW = SPEC.hypertables["energy_readings"]
MINUTES = SPEC.rollups["energy_readings_1min"]
# No figures of ours: names, and what is so by definition.
NAMES = {
    "ISO 50001", "CO2", "Apache-2", "Debian 13", "data set 851", "SHA-256", "UTF-8", "PKCS12", "m3", "A4", "SHA-256", "TLS 1.2",
    "0 to 1", "NULL at 0 units", "It is 1 for a", "No number, or 0.", "12 or less",
    # Seen to fail, and to work.
    "15.20 and 17.12", "15.18 and 17.11", "Grafana 6.5.1",
}  # fmt: skip


def text_of(path: str) -> str:
    return (CHECKOUT / path).read_text()


def found(path: str, pattern: str) -> str:
    """What a file has between the pattern's brackets; a file that has it no more is an error."""
    match = re.search(pattern, text_of(path))
    assert match, f"{path} has no {pattern}"
    return match[1]


def minutes(delta) -> str:
    return duration(delta.total_seconds())


def figures() -> set[str]:
    """Texts with figures in them, as the code has them now."""
    python = tomllib.loads(text_of("pyproject.toml"))["project"]["requires-python"].removeprefix(">=")
    timescaledb = ".".join(map(str, server.OLDEST_TIMESCALEDB))
    valid = SPEC.tables["energy_tariffs"]["constraints"]["energy_tariffs_valid_from_range"]
    first, last = re.search(r"'0*(\d+)-01-01'::date AND valid_from <= '(\d+)-12-31'", valid).groups()
    horizon = re.search(r"interval '([^']+)'", Sources().bodies["enms.history_horizon"])[1]
    ahead = duration(seconds(RAW["drop_after"]) - seconds(MINUTES["start_offset"]))
    levels = [duration(seconds(rollup["end_offset"])) for name, rollup in SPEC.rollups.items() if name.startswith("energy_readings_")]
    quarters = [str(minute) for minute in range(0, 60, seconds(SPEC.rollups["energy_readings_15min"]["end_offset"]) // 60)]
    future, year = found("verify/queries/future.sql", "interval '([^']+)'"), found("verify/plant.sql", "timestamptz '([0-9]+)-")
    kept, interrupted = found(".env.example", "ENMS_KEEP_BACKUPS=(.*)"), found("scripts/console.py", r"interrupted.*\n +return (\d+)")
    return {
        f"Python {python}",
        f"PostgreSQL {server.OLDEST_POSTGRESQL} or newer",
        f"PostgreSQL {server.OLDEST_POSTGRESQL} to {server.NEWEST_POSTGRESQL}",
        found(".env.example", "(PostgreSQL [0-9]+ to [0-9]+) with"),
        f"TimescaleDB {timescaledb} and newer",
        f"TimescaleDB {timescaledb} or newer",
        f"years {first} to {last}",
        f"{server.FULL_MEMORY >> 30} GB of memory",
        f"younger than {horizon}",
        f"older than {MINUTES['start_offset']}",
        f"more than {ahead}",
        f"older than {RAW['drop_after']}",
        f"uncompressed for {RAW['compress_after']}",
        f"compressed to {RAW['drop_after']}",
        f"compressed after {MINUTES['compress_after']}",
        f"{levels[0]}, {levels[1]} or {levels[2]}",
        f"{levels[0].replace(' ', '-')} rollups",
        f"{levels[1].removesuffix('s').replace(' ', '-')}, hour or day rollup",
        f"at {', '.join(quarters[:-1])} and {quarters[-1]} minutes past",
        f"{kept} backups",
        found(".env.example", "ENMS_BIND=(.*)"),
        f"may have {63 - len(swap.kept_name('', store.EPOCH))} bytes",
        f"intervals and {minutes(jobs.SLACK)}",
        f"interval and {minutes(jobs.SLACK)}",
        f"none {minutes(jobs.SCHEDULER_SLACK)} after",
        f"more than {future} in the future",
        f"lies in {year}",
        f"above {work.SHARED >> 20} MB",
        f"every {plant.INTERVAL} s",
        f"ends with {ExitCode.DRIFT.value}",
        f"ends with {ExitCode.DRIFT.value}, with {ExitCode.USAGE.value} for",
        f"with {interrupted} after Ctrl-C",
    }


def prose(page: str) -> str:
    """A page without what is generated, run, or worked in the example, which other tests compare."""
    text = re.sub(r"<!-- generated: .*?<!-- end -->", "", text_of(page), flags=re.DOTALL)
    text = re.sub(r"^## One example, by hand.*?(?=^## )", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`]*`|\]\([^)]*\)|^\d\. ", "", text, flags=re.MULTILINE)
    return " ".join(text.split())


PROSE = {pages.shown(page): prose(pages.shown(page)) for page in pages.find()}


def spans(text: str, known: set[str]) -> Iterator[tuple[int, int]]:
    for phrase in known:
        for match in re.finditer(rf"(?<!\d){re.escape(phrase)}(?![\d])", text):
            yield match.span()


@pytest.mark.parametrize("page", PROSE)
def test_every_figure_is_what_the_code_says(page: str) -> None:
    text, known = PROSE[page], figures() | NAMES
    covered = list(spans(text, known))
    loose = [
        text[max(0, match.start() - 40):match.end() + 30] for match in re.finditer(r"\d[\d.,:]*", text)
        if not any(first <= match.start() < last for first, last in covered)
    ]  # fmt: skip
    assert not loose, "figures that nothing is bound to, or that the code has otherwise by now:\n" + "\n".join(loose)


def test_no_figure_is_listed_in_vain() -> None:
    whole = " ".join(PROSE.values())
    idle = {phrase for phrase in figures() | NAMES if not list(spans(whole, {phrase}))}
    assert not idle, f"in no page: {idle}"


def test_the_example_tables_name_functions_that_there_are() -> None:
    for page, text in {page: text_of(page) for page in PROSE}.items():
        for name in re.findall(r"`((?:calculate|get)_\w+|v_\w+)`", text):
            assert name in SPEC.functions or name in SPEC.views, f"{page}: {name}"
