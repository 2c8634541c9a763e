"""Families of checks register here; the runner makes their checks, each one once."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from verify.catalog import Catalog, Unreadable
from verify.result import Fatal, Outcome, Result, Verdict, failed, not_evaluated
from verify.sources import Sources
from verify.spec import Spec
from verify.written import written

COMMUNITY = "community"


@dataclass
class Context:
    """What a check may look at. `own_configuration` is False for a server that was named by --dsn."""

    spec: Spec
    catalog: Catalog
    sources: Sources
    own_configuration: bool = True
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def edition(self) -> str:
        """'community' or 'apache-2'."""
        return "apache-2" if self.catalog.one("server")["license"] == "apache" else COMMUNITY

    @cached_property
    def written(self) -> dict[str, dict[str, str]]:
        """init/'s views and rollups as this server prints them."""
        return written(self.catalog.connection, self.sources.views)


@dataclass(frozen=True)
class Check:
    """One check of one object.

    `needs` names the facts that `compare` looks at, `after` the checks that must have passed before.
    A check with an `edition` applies to that edition of TimescaleDB only.
    """

    name: str
    compare: Callable[[Context], Verdict]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    edition: str = ""


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
        results = [Result(family, name, self.verdict(name)) for name, (family, _) in self.plan.items() if family in chosen]
        planned = sum(family in chosen for family, _ in self.plan.values())
        if planned != len(results) or not results:
            results.append(Result("verifier", "checks made", failed(f"planned {planned}, made {len(results)}")))
        unread = [
            Result("reading", f"facts {name}", failed(str(error), error.fix))
            for name, error in self.context.catalog.errors.items()
        ]
        return unread + results

    def verdict(self, name: str) -> Verdict:
        """Verdict of the check, which is made if that has not happened yet."""
        if name not in self.done:
            self.done[name] = self._make(self.plan[name][1])
        return self.done[name]

    def _make(self, check: Check) -> Verdict:
        try:
            if check.edition and check.edition != self.context.edition:
                return Verdict(Outcome.NOT_IN_EDITION, f"the {self.context.edition} edition of TimescaleDB has none")
            for name in check.after:
                parent = self.verdict(name)
                if parent.outcome is Outcome.FAILED:
                    return not_evaluated(f"waits for: {name}")
                if parent.outcome is Outcome.NOT_EVALUATED:
                    return not_evaluated(parent.detail)
            for fact in check.needs:
                self.context.catalog.rows(fact)
            return check.compare(self.context)
        except Unreadable as error:
            return not_evaluated(f"facts {error.fact} could not be read")
        except Fatal:
            raise
        except Exception as error:  # noqa: BLE001 - a check that breaks has not passed, and the others still count
            return failed(f"the check itself broke: {type(error).__name__}: {error}", "Report this with the output of --format json.")
