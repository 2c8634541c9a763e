"""Families of checks register here; the runner makes their checks, each one once."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from verify.catalog import Catalog, Unreadable
from verify.definitions import differences
from verify.result import Fatal, Outcome, Result, Verdict, failed, not_evaluated, waits
from verify.sources import Sources
from verify.spec import Spec

COMMUNITY = "community"
# Families whose objects the facts are read from and the KPI functions work with.
STRUCTURE = {"extensions", "enums", "tables", "constraints", "indexes", "triggers", "hypertables", "rollups", "functions", "views"}


@dataclass
class Context:
    """What a check may look at. `own_configuration` is False for a server that was named by --dsn.

    `broken` has the family of each check that has failed so far, by the check's name.
    """

    spec: Spec
    catalog: Catalog
    sources: Sources
    own_configuration: bool = True
    figures: dict[str, Any] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    @property
    def edition(self) -> str:
        """'community' or 'apache-2'."""
        return "apache-2" if self.catalog.one("server")["license"] == "apache" else COMMUNITY

    @property
    def culprit(self) -> str:
        """The first object of the schema that was found wrong, which explains an error; empty if all are right so far."""
        return next((name for name, family in self.broken.items() if family in STRUCTURE), "")

    @cached_property
    def definitions(self) -> dict[str, tuple[str, str] | str | None]:
        """How views and rollups differ from init/."""
        return differences(self.spec, self.sources, self.catalog, self.edition == COMMUNITY)


@dataclass(frozen=True)
class Check:
    """One check of one object.

    `needs` names the facts that `compare` looks at, `after` the checks that must have passed before, and `blames`
    those whose failure explains one of this check, which is then told of as waiting for them.
    A check with an `edition` applies to that edition of TimescaleDB only. Every check waits for a `gate`.
    """

    name: str
    compare: Callable[[Context], Verdict]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    edition: str = ""
    blames: tuple[str, ...] = ()
    gate: bool = False


Plan = Callable[[Spec], Iterator[Check]]
FAMILIES: dict[str, tuple[int, Plan]] = {}


def family(name: str, rank: int) -> Callable[[Plan], Plan]:
    """Register a family; its plan yields the checks that the spec calls for. Reports list by `rank`."""

    def register(plan: Plan) -> Plan:
        FAMILIES[name] = rank, plan
        return plan

    return register


def load() -> list[str]:
    """Import every module of verify.checks; the names of the families, in order."""
    import verify.checks

    for module in pkgutil.iter_modules(verify.checks.__path__):
        importlib.import_module(f"verify.checks.{module.name}")
    return sorted(FAMILIES, key=lambda name: FAMILIES[name][0])


@dataclass
class Runner:
    """Makes the checks of a context. A check that another one waits for is made first, and only once."""

    context: Context
    plan: dict[str, tuple[str, Check]] = field(default_factory=dict)
    done: dict[str, Verdict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in load():
            for check in FAMILIES[name][1](self.context.spec):
                if check.name in self.plan:
                    raise ValueError(f"two checks are named {check.name}")
                self.plan[check.name] = name, check

    def run(self, only: Iterable[str] = ()) -> list[Result]:
        """Results of the families named, of all if none is; a fact that could not be read is one failure more."""
        chosen = set(only) or set(FAMILIES)
        # A gate that is shut is told of whatever was asked for, as everything waits for it.
        shut = {name for name in self.gates if self.verdict(name).outcome is not Outcome.PASSED}
        results = [
            Result(family, name, self.verdict(name)) for name, (family, _) in self.plan.items() if family in chosen or name in shut
        ]
        planned = sum(family in chosen or name in shut for name, (family, _) in self.plan.items())
        if planned != len(results) or not results:
            results.append(Result("verifier", "checks made", failed(f"planned {planned}, made {len(results)}", "Report this with the output of --format json.")))
        unread = [
            Result("reading", f"facts {name}", failed(str(error), error.fix))
            for name, error in self.context.catalog.errors.items()
            if not (error.denied or self._explained(error))
        ]
        return unread + results

    def verdict(self, name: str) -> Verdict:
        """Verdict of the check, which is made if that has not happened yet."""
        if name not in self.done:
            family, check = self.plan[name]
            self.done[name] = self._make(check)
            if self.done[name].outcome is Outcome.FAILED:
                self.context.broken[name] = family
        return self.done[name]

    @cached_property
    def gates(self) -> list[str]:
        """Names of the checks that all others wait for."""
        return [name for name, (_, check) in self.plan.items() if check.gate]

    def _explained(self, error: Unreadable) -> bool:
        """Whether a fact is unreadable for want of something that a check has already told of."""
        return error.undefined and bool(self.context.culprit)

    def _waiting(self, names: Iterable[str]) -> Verdict | None:
        """The verdict of a check that waits for these, if one of them did not pass."""
        for name in names:
            parent = self.verdict(name)
            if parent.outcome in (Outcome.FAILED, Outcome.NOT_EVALUATED):
                # The first in a chain, which is the one to mend.
                return parent if parent.waits_for else waits(name)
        return None

    def _make(self, check: Check) -> Verdict:
        try:
            if not check.gate and (waiting := self._waiting(self.gates)):
                return waiting
            if check.edition and check.edition != self.context.edition:
                return Verdict(Outcome.NOT_IN_EDITION, f"the {self.context.edition} edition of TimescaleDB has none")
            if waiting := self._waiting(check.after):
                return waiting
            for fact in check.needs:
                self.context.catalog.rows(fact)
            verdict = check.compare(self.context)
            if verdict.outcome is Outcome.FAILED:
                for name in check.blames:
                    if self.verdict(name).outcome is Outcome.FAILED:
                        return waits(name)
            return verdict
        except Unreadable as error:
            if self._explained(error):
                return waits(self.context.culprit)
            if error.denied:
                return not_evaluated(f"this role may not: {error}", error.fix)
            told = error.fact in self.context.catalog.errors
            return not_evaluated(f"facts {error.fact} could not be read" + ("" if told else f": {error}"))
        except Fatal:
            raise
        except Exception as error:  # noqa: BLE001 - a check that breaks has not passed, and the others still count
            return failed(f"the check itself broke: {type(error).__name__}: {error}", "Report this with the output of --format json.")
