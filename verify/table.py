"""The report that a person reads: failures and what to do first, then what else to know, and the verdict last."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from verify.report import Report, lines, visible
from verify.result import ExitCode, Outcome, Result, Verdict

STYLES = {
    Outcome.FAILED: "bold red",
    Outcome.NOT_EVALUATED: "yellow",
    Outcome.INFORMATION: "cyan",
    Outcome.NOT_IN_EDITION: "dim",
    Outcome.PASSED: "green",
}
# Told one by one; the rest is counted.
TOLD = Outcome.FAILED, Outcome.NOT_EVALUATED, Outcome.INFORMATION
INDENT, LABEL = 4, 9

# A terminal shows this many names, missing or extra items, and pieces of information of a family.
NAMES, ITEMS, PIECES = 3, 10, 3
EVERYTHING = sys.maxsize


@dataclass
class Finding:
    """Checks of a family that found the same."""

    family: str
    verdict: Verdict
    names: list[str] = field(default_factory=list)
    fix: str = ""


class Screen:
    """Stdout, as wide as the terminal; a file or a pipe has no width to fit and gets everything in whole lines."""

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        # Without colours, Rich would still write in bold.
        colours = None if os.environ.get("NO_COLOR") else "auto"
        self.console = Console(highlight=False, color_system=colours, width=None if self.terminal else EVERYTHING)
        # A character that the locale lacks is written as its number.
        sys.stdout.reconfigure(errors="backslashreplace")

    def write(self, body: Text, lead: str = "", indent: int = INDENT) -> None:
        """A paragraph that begins with `lead` and goes on at the indent."""
        for line in body.wrap(self.console, max(self.console.width - indent, 20)) if self.terminal else [body]:
            self.console.print(Text(lead) + line, soft_wrap=True)
            lead = " " * indent

    def item(self, label: str, text: str) -> None:
        """A line of a finding, under its label."""
        lead = " " * INDENT + (f"{label:{LABEL}}" if label else "")
        self.write(Text(text), lead, len(lead))

    def some(self, things: list, limit: int) -> tuple[list, str]:
        """As many as are shown, and how many more there are in words."""
        if not self.terminal or len(things) <= limit + 1:
            return things, ""
        return things[:limit], f"{len(things) - limit} more"

    def listed(self, names: list[str], limit: int) -> str:
        """Names, or some and how many more."""
        shown, more = self.some(names, limit)
        return ", ".join(shown) + (f" and {more}" if more else "")


def show(report: Report) -> None:
    """Print the report on stdout."""
    screen = Screen()
    # In one piece: Rich would end the program itself, with 1, as soon as nobody reads on.
    with screen.console.capture() as captured:
        _report(screen, report)
    print(captured.get(), end="")


def _report(screen: Screen, report: Report) -> None:
    failed = {result.name for result in report.results if result.outcome is Outcome.FAILED}
    waiting: dict[str, list[str]] = {name: [] for name in failed}
    told: dict[Outcome, list[Result]] = {outcome: [] for outcome in Outcome}
    for result in report.results:
        cause = result.verdict.waits_for
        if cause in failed:
            waiting[cause].append(result.name)
        else:
            told[result.outcome].append(result)
    for outcome in TOLD:
        for family, found in groupby(_findings(told[outcome]), key=lambda finding: finding.family):
            findings, more = screen.some(list(found), PIECES if outcome is Outcome.INFORMATION else EVERYTHING)
            _tell(screen, outcome, findings, waiting)
            if more:
                screen.write(_heading(outcome, family, f"{more}, all told where this is piped, as into less"))
        if told[outcome]:
            screen.console.print()
    _families(screen, report)
    style = "bold green" if report.code is ExitCode.PASSED else "bold red"
    if screen.terminal:
        screen.write(Text(visible(f"{report.subject}; {len(report.results)} checks in {report.seconds:.1f} s")))
    screen.write(Text(report.verdict if screen.terminal else report.summary, style=style))


def _findings(results: list[Result]) -> Iterator[Finding]:
    found: dict[tuple[str, Verdict], Finding] = {}
    for result in results:
        verdict = result.verdict
        if verdict.outcome is Outcome.NOT_EVALUATED:
            # What could not be made because another check could not be made has that one's reason, but no fix.
            verdict = replace(verdict, fix="")
        finding = found.setdefault((result.family, verdict), Finding(result.family, verdict))
        finding.names.append(visible(result.name))
        finding.fix = finding.fix or visible(result.verdict.fix)
    yield from found.values()


def _tell(screen: Screen, outcome: Outcome, findings: list[Finding], waiting: dict[str, list[str]]) -> None:
    for fix, group in groupby(findings, key=lambda finding: finding.fix):
        alike = list(group)
        for finding in alike:
            names = screen.listed(finding.names, EVERYTHING if outcome is Outcome.FAILED else NAMES)
            heading = _heading(outcome, finding.family, names)
            found = lines(replace(finding.verdict, fix=""))
            if outcome is Outcome.INFORMATION and len(found) == 1:
                heading.append(f": {' '.join(found.pop()).strip()}")
            screen.write(heading)
            items, more = screen.some(found, ITEMS)
            for label, text in [*items, ("", f"and {more}")] if more else items:
                screen.item(label, text)
            if wait := [visible(name) for check in finding.names for name in waiting.get(check, [])]:
                screen.item("", f"not evaluated because of it: {screen.listed(wait, NAMES)}")
        if fix:
            screen.item("to do", f"for all {len(alike)}: {fix}" if len(alike) > 1 else fix)


def _heading(outcome: Outcome, family: str, names: str) -> Text:
    return Text.assemble((outcome.upper(), STYLES[outcome]), f" {family}: ", (names, "bold"))


def _families(screen: Screen, report: Report) -> None:
    """A row per family, except that those which passed in full share a line."""
    counts: dict[str, Counter] = {}
    for result in report.results:
        counts.setdefault(result.family, Counter())[result.outcome] += 1
    passed = {family: counted.total() for family, counted in counts.items() if set(counted) == {Outcome.PASSED}}
    outcomes = list(report.counts)
    grid = Table(box=None, pad_edge=False, header_style="bold")
    grid.add_column("family")
    for outcome in outcomes:
        grid.add_column(str(outcome), justify="right")
    for family, counted in counts.items():
        if family not in passed:
            grid.add_row(family, *(Text(str(counted[outcome] or ""), STYLES[outcome]) for outcome in outcomes))
    if grid.rows:
        screen.console.print(grid)
    if passed:
        named = ", ".join(f"{family} {count}" for family, count in passed.items())
        screen.write(Text.assemble(("passed in full", STYLES[Outcome.PASSED]), f": {named}"))
