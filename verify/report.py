"""Reports: a table for people, JSON and JUnit for machines, all of the same results."""

import json
import sys
from collections import Counter
from dataclasses import dataclass
from xml.etree import ElementTree

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

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

LISTED = 3


@dataclass(frozen=True)
class Report:
    """What a run found: `subject` says where, `seconds` how long it took."""

    subject: str
    results: list[Result]
    code: ExitCode
    seconds: float

    @property
    def counts(self) -> dict[Outcome, int]:
        """Checks by outcome, worst first, those that occur."""
        counted = Counter(result.outcome for result in self.results)
        return {outcome: counted[outcome] for outcome in Outcome if counted[outcome]}

    @property
    def summary(self) -> str:
        """One line: the counts, the time, and the verdict."""
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self.counts.items())
        verdict = "verified" if self.code is ExitCode.PASSED else "NOT verified"
        return f"{verdict}: {self.subject}; {len(self.results)} checks: {counts}; {self.seconds:.1f} s"


def table(report: Report) -> None:
    """For people: a row per family, then what failed and what to do, then the summary."""
    console = Console(highlight=False)
    if not console.is_terminal:
        # A file or a pipe has no width to fit; long lines are left whole for grep.
        console = Console(highlight=False, width=10_000, no_color=True)
    _problems(console, report)
    _families(console, report)
    style = "bold green" if report.code is ExitCode.PASSED else "bold red"
    console.print(escape(report.summary), style=style)


def _problems(console: Console, report: Report) -> None:
    for outcome in TOLD:
        # Checks that found the same, such as all that wait for one, are told together.
        found: dict[tuple[str, Verdict], list[str]] = {}
        for result in (result for result in report.results if result.outcome is outcome):
            found.setdefault((result.family, result.verdict), []).append(result.name)
        for (family, verdict), names in found.items():
            console.print(f"[{STYLES[outcome]}]{outcome.upper()}[/] {family}: [bold]{escape(_listed(names, outcome))}[/]")
            for line in lines(verdict):
                console.print(Padding(escape(line), (0, 0, 0, 4), expand=False))
    if any(result.outcome in TOLD for result in report.results):
        console.print()


def _listed(names: list[str], outcome: Outcome) -> str:
    """Names of checks; all of them if they failed."""
    if outcome is Outcome.FAILED or len(names) <= LISTED + 1:
        return ", ".join(names)
    return f"{', '.join(names[:LISTED])} and {len(names) - LISTED} more"


def _families(console: Console, report: Report) -> None:
    grid = Table(box=None, pad_edge=False, header_style="bold")
    grid.add_column("family")
    outcomes = list(report.counts)
    for outcome in outcomes:
        grid.add_column(str(outcome), justify="right")
    for family in dict.fromkeys(result.family for result in report.results):
        counted = Counter(result.outcome for result in report.results if result.family == family)
        cells = [f"[{STYLES[outcome]}]{counted[outcome]}[/]" if counted[outcome] else "" for outcome in outcomes]
        grid.add_row(family, *cells)
    console.print(grid)


def as_json(report: Report) -> None:
    """For machines, on stdout; the summary goes to stderr."""
    content = {
        "subject": report.subject,
        "exit_code": int(report.code),
        "seconds": round(report.seconds, 3),
        "counts": {str(outcome): count for outcome, count in report.counts.items()},
        "results": [
            {
                "family": result.family,
                "check": result.name,
                "outcome": str(result.outcome),
                "detail": result.verdict.detail,
                "missing": list(result.verdict.missing),
                "extra": list(result.verdict.extra),
                "fix": result.verdict.fix,
            }
            for result in report.results
        ],
    }
    print(json.dumps(content, indent=2, ensure_ascii=False))
    print(report.summary, file=sys.stderr)


def junit(report: Report) -> None:
    """JUnit XML for CI servers, on stdout; a check that could not be evaluated is an error there."""
    counted = report.counts
    suite = ElementTree.Element(
        "testsuite", name="enms verify", tests=str(len(report.results)), time=f"{report.seconds:.3f}",
        failures=str(counted.get(Outcome.FAILED, 0)), errors=str(counted.get(Outcome.NOT_EVALUATED, 0)),
        skipped=str(counted.get(Outcome.NOT_IN_EDITION, 0)),
    )  # fmt: skip
    tags = {Outcome.FAILED: "failure", Outcome.NOT_EVALUATED: "error", Outcome.NOT_IN_EDITION: "skipped"}
    for result in report.results:
        case = ElementTree.SubElement(suite, "testcase", classname=result.family, name=result.name)
        text = "\n".join(lines(result.verdict))
        if result.outcome in tags:
            ElementTree.SubElement(case, tags[result.outcome], message=text.split("\n")[0]).text = text
        elif text:
            ElementTree.SubElement(case, "system-out").text = text
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    print('<?xml version="1.0" encoding="UTF-8"?>')
    print(ElementTree.tostring(suites, encoding="unicode"))
    print(report.summary, file=sys.stderr)


def lines(verdict: Verdict) -> list[str]:
    """A verdict in lines of text."""
    found = [verdict.detail] if verdict.detail else []
    found += [f"missing  {item}" for item in verdict.missing] + [f"extra    {item}" for item in verdict.extra]
    return found + ([f"to do    {verdict.fix}"] if verdict.fix else [])


FORMATS = {"table": table, "json": as_json, "junit": junit}
