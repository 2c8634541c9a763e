"""What a check found: one record for every family and every report."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from itertools import zip_longest


class ExitCode(IntEnum):
    """How `python -m verify` ends.

    0  PASSED    every check passed, or is not in this edition of TimescaleDB
    1  DRIFT     a check failed, or one could not be evaluated
    2  USAGE     the command line is wrong
    3  CONNECT   the server cannot be reached or did not get ready in time
    4  SPEC      the spec, or an init/ file that it refers to, cannot be used
    """

    PASSED = 0
    DRIFT = 1
    USAGE = 2
    CONNECT = 3
    SPEC = 4


class Outcome(StrEnum):
    """Outcome of one check, worst first."""

    FAILED = "failed"
    NOT_EVALUATED = "not evaluated"
    INFORMATION = "information"
    NOT_IN_EDITION = "not in this edition"
    PASSED = "passed"


# How the runner says that a check waits for another one, or for facts, which have failed.
WAITS = re.compile(r"waits for: (.+)|(facts \S+) could not be read")


class Fatal(Exception):
    """Ends the run; the text is one line for the user."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(" ".join(message.split()))
        self.code = code


@dataclass(frozen=True)
class Verdict:
    """Outcome of a check with what it found: `missing` and `extra` are sorted and apart; `fix` says what to do."""

    outcome: Outcome
    detail: str = ""
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    fix: str = ""

    @property
    def waits_for(self) -> str:
        """Name of the check whose failure is why this one was not evaluated; empty if that is not why."""
        match = WAITS.fullmatch(self.detail) if self.outcome is Outcome.NOT_EVALUATED else None
        return (match[1] or match[2]) if match else ""


@dataclass(frozen=True)
class Result:
    """A verdict with the check that it belongs to; `name` names the object."""

    family: str
    name: str
    verdict: Verdict

    @property
    def outcome(self) -> Outcome:
        return self.verdict.outcome


PASSED = Verdict(Outcome.PASSED)


def failed(detail: str, fix: str = "") -> Verdict:
    """A difference that is not one of sets."""
    return Verdict(Outcome.FAILED, detail, fix=fix)


def information(detail: str, fix: str = "") -> Verdict:
    """Something worth knowing that is no fault of the schema."""
    return Verdict(Outcome.INFORMATION, detail, fix=fix)


def not_evaluated(reason: str, fix: str = "") -> Verdict:
    """The check could not be made."""
    return Verdict(Outcome.NOT_EVALUATED, reason, fix=fix)


def waits(name: str) -> Verdict:
    """The check can tell nothing before another one passes."""
    return not_evaluated(f"waits for: {name}")


def same(expected: object, found: object, fix: str) -> Verdict:
    """Passed if two values are equal."""
    return PASSED if expected == found else failed(f"expected {expected}, found {found}", fix)


def same_set(expected: Iterable[str], found: Iterable[str], fix: str) -> Verdict:
    """Passed if two sets are equal; else what is missing and what is extra."""
    wanted, have = set(expected), set(found)
    if wanted == have:
        return PASSED
    return Verdict(Outcome.FAILED, "", tuple(sorted(wanted - have)), tuple(sorted(have - wanted)), fix)


def same_list(expected: Iterable[str], found: Iterable[str], fix: str) -> Verdict:
    """Passed if two lists are equal, order included."""
    wanted, have = list(expected), list(found)
    verdict = same_set(wanted, have, fix)
    if verdict.outcome is Outcome.PASSED and wanted != have:
        place, pair = next((place, pair) for place, pair in enumerate(zip_longest(wanted, have, fillvalue="nothing"), 1) if pair[0] != pair[1])
        return failed(f"order differs from place {place}: expected {pair[0]}, found {pair[1]}", fix)
    return verdict
