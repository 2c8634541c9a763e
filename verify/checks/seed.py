"""Seed rows: the demonstration plant, and tariffs and factors that cover it. More rows are the user's."""

from collections.abc import Iterator

from verify.registry import Check, Context, family
from verify.result import PASSED, Verdict, failed, information
from verify.spec import Spec

FIX = "Insert a missing row, or set a changed value back, as init/06-seed-data.sql has it."


@family("seed", 150)
def plan(spec: Spec) -> Iterator[Check]:
    factories = {row["id"]: row["name"] for row in spec.seed["factories"]}
    for kind in ("factories", "machines"):
        for row in spec.seed[kind]:
            yield Check(
                f"row {row['name']} of {kind}", lambda context, kind=kind, row=row: _row(context, kind, row), (kind,), (f"table {kind}",),
                blames=("enum machine_type", f"row {factories[row['factory']]} of factories") if kind == "machines" else (),
            )  # fmt: skip
    for row in spec.seed["machines"]:
        yield Check(
            f"row {row['name']} of machine_status",
            lambda context, row=row: _status(context, row),
            ("machine_status",),
            ("table machine_status", f"row {row['name']} of machines",),
        )
    for region in spec.seed["regions"]:
        yield Check(f"carbon factor of {region} today", lambda context, region=region: _factor(context, region), ("carbon_factors",), ("table carbon_factors",))
    for row in spec.seed["factories"]:
        yield Check(
            f"tariffs of {row['name']} today", lambda context, row=row: _tariffs(context, row), ("tariffs",),
            (f"row {row['name']} of factories", "table energy_tariffs"),
        )
    yield Check("tariffs of factories of your own", _own, ("tariffs",), ("table factories", "table energy_tariffs"))


def _row(context: Context, table: str, expected: dict) -> Verdict:
    found = context.catalog.by_name(table, "id").get(expected["id"])
    if found is None:
        return failed(f"missing (id {expected['id']})", FIX)
    wrong = [f"{key}: expected {value}, found {found[key]}" for key, value in expected.items() if found[key] != value]
    return failed("; ".join(wrong), FIX) if wrong else PASSED


def _status(context: Context, machine: dict) -> Verdict:
    if machine["id"] in {row["machine"] for row in context.catalog.rows("machine_status")}:
        return PASSED
    return failed("missing", FIX)


def _factor(context: Context, region: str) -> Verdict:
    if any(row["region"] == region for row in context.catalog.rows("carbon_factors")):
        return PASSED
    return failed("none is active and valid", f"Insert one for region {region} into carbon_factors, or set valid_to of one to NULL.")


def _gaps(row: dict) -> str:
    """What is wrong with a factory's tariffs today; empty if nothing is."""
    if row["gaps"]:
        return f"{row['gaps'] / 4:g} hours of the week have no rate, the first {row['gap']}"
    if len(row["currencies"] or []) != 1:
        return f"currencies {', '.join(row['currencies'] or ['none'])}"
    return ""


def _tariffs(context: Context, factory: dict) -> Verdict:
    wrong = _gaps(context.catalog.by_name("tariffs", "factory")[factory["id"]])
    return failed(wrong, "Insert a flat rate into energy_tariffs, all of one currency.") if wrong else PASSED


def _own(context: Context) -> Verdict:
    seeded = {factory["id"] for factory in context.spec.seed["factories"]}
    wrong = [f"{row['name']}: {_gaps(row)}" for row in context.catalog.rows("tariffs") if row["factory"] not in seeded and _gaps(row)]
    return information("; ".join(sorted(wrong)), "Energy of those hours is reported as unpriced.") if wrong else PASSED
