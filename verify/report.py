"""Reports: a table for people, JSON and JUnit for machines, all of the same results."""

import json
import re
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from xml.etree import ElementTree

from verify.result import ExitCode, Fatal, Outcome, Result, Verdict, not_evaluated

# Of report.schema.json; one more whenever a program that reads the report would have to change.
SCHEMA_VERSION = 1

DIFFERENCE = re.compile(r"(?:(.*?): )?expected (.*?), found (.*)", re.DOTALL)
TAGS = {Outcome.FAILED: "failure", Outcome.NOT_EVALUATED: "error", Outcome.NOT_IN_EDITION: "skipped"}


@dataclass(frozen=True)
class Server:
    """The database that was verified, and who looked. `timescaledb` and `edition` are None where there is none."""

    database: str
    host: str
    port: int
    user: str
    postgresql: str | None
    timescaledb: str | None
    edition: str | None

    def __str__(self) -> str:
        what = f", PostgreSQL {self.postgresql}" if self.postgresql else ""
        what += f", TimescaleDB {self.timescaledb} ({self.edition})" if self.timescaledb else ""
        return f"{self.database} at {self.host}:{self.port} as {self.user}{what}"


@dataclass(frozen=True)
class Report:
    """What a run found: `subject` says where, in words if that is no server; `seconds` is how long it took, until now."""

    subject: Server | str
    results: list[Result]
    code: ExitCode
    seconds: float

    @cached_property
    def began(self) -> str:
        """When the run began: UTC, ISO 8601, to the second."""
        return f"{datetime.now(UTC) - timedelta(seconds=self.seconds):%Y-%m-%dT%H:%M:%S}Z"

    @property
    def ended_early(self) -> bool:
        """Whether something kept the run from making its checks."""
        return self.code not in (ExitCode.PASSED, ExitCode.DRIFT)

    @property
    def counts(self) -> dict[Outcome, int]:
        """Checks by outcome, worst first, those that occur."""
        counted = Counter(result.outcome for result in self.results)
        return {outcome: counted[outcome] for outcome in Outcome if counted[outcome]}

    @property
    def verdict(self) -> str:
        """The verdict, with the counts that it comes from."""
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self.counts.items())
        return f"{'verified' if self.code is ExitCode.PASSED else 'NOT verified'}: {counts}"

    @property
    def summary(self) -> str:
        """One line: the verdict, where, the counts and the time; or why there is none."""
        if self.ended_early:
            return visible(f"error: {self.results[0].verdict.detail}")
        verdict, counts = self.verdict.split(": ")
        return visible(f"{verdict}: {self.subject}; {len(self.results)} checks: {counts}; {self.seconds:.1f} s")


def ended(error: Fatal, seconds: float) -> Report:
    """The report of a run that ended early: the reason is its one check, as a CI server takes an empty file for no tests."""
    return Report("nothing", [Result("verifier", "the run", not_evaluated(str(error)))], error.code, seconds)


def visible(text: str) -> str:
    """The text on one line, with what a terminal would obey, or XML refuses, written as \\x1b and the like."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def lines(verdict: Verdict) -> list[tuple[str, str]]:
    """What was found and what to do, each with the label that it goes under; the label may be empty."""
    found = [("", verdict.detail)] if verdict.detail else []
    parts = verdict.detail.split("; ")
    if len(parts) > 1 and all(DIFFERENCE.fullmatch(part) for part in parts):
        found = [("", part) for part in parts]
    elif match := DIFFERENCE.fullmatch(verdict.detail):
        found = [("", match[1])] * bool(match[1]) + [("expected", match[2]), ("found", match[3])]
    found += [("missing", item) for item in verdict.missing] + [("extra", item) for item in verdict.extra]
    found += [("to do", verdict.fix)] if verdict.fix else []
    return [(label, visible(text)) for label, text in found]


def table(report: Report) -> None:
    """For people, on stdout; on stderr why there is nothing to tell of."""
    if report.ended_early:
        print(report.summary, file=sys.stderr)
        return
    # Rich takes long to load, which a run for machines need not wait for.
    from verify.table import show

    show(report)


def as_json(report: Report) -> None:
    """For machines, on stdout, as report.schema.json says; the summary goes to stderr."""
    content = {
        "schema": SCHEMA_VERSION,
        "subject": str(report.subject),
        "server": asdict(report.subject) if isinstance(report.subject, Server) else None,
        "began": report.began,
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
                "waits_for": result.verdict.waits_for,
            }
            for result in report.results
        ],
    }
    # In ASCII, as is the XML, so that no locale can refuse it.
    print(json.dumps(content, indent=2))
    print(report.summary, file=sys.stderr)


def junit(report: Report) -> None:
    """JUnit XML for CI servers, on stdout; a check that could not be evaluated is an error there."""
    counted = report.counts
    server = asdict(report.subject) if isinstance(report.subject, Server) else {"subject": report.subject}
    figures = {
        "name": "enms verify", "tests": str(len(report.results)), "failures": str(counted.get(Outcome.FAILED, 0)),
        "errors": str(counted.get(Outcome.NOT_EVALUATED, 0)), "time": f"{report.seconds:.3f}",
    }  # fmt: skip
    suites = ElementTree.Element("testsuites", figures)
    # Readers take times without a zone only; it is UTC.
    suite = ElementTree.SubElement(
        suites, "testsuite", figures, skipped=str(counted.get(Outcome.NOT_IN_EDITION, 0)),
        timestamp=report.began.removesuffix("Z"), hostname=visible(server.get("host", "localhost")),
    )  # fmt: skip
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in server.items():
        ElementTree.SubElement(properties, "property", name=name, value=visible(str(value or "")))
    for result in report.results:
        # Readers add up the cases' times; the checks share their queries, so only the suite has one.
        case = ElementTree.SubElement(suite, "testcase", classname=f"verify.{result.family}", name=visible(result.name), time="0")
        found = lines(result.verdict)
        text = "\n".join(f"{label:9}{text}" if label else text for label, text in found)
        if tag := TAGS.get(result.outcome):
            message = " ".join(found[0]).strip() if found else str(result.outcome)
            ElementTree.SubElement(case, tag, message=message, type=str(result.outcome)).text = text
        elif text:
            ElementTree.SubElement(case, "system-out").text = text
    ElementTree.indent(suites)
    print('<?xml version="1.0" encoding="UTF-8"?>')
    print(ElementTree.tostring(suites).decode("ascii"))
    print(report.summary, file=sys.stderr)


FORMATS = {"table": table, "json": as_json, "junit": junit}
