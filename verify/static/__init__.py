"""The files of init/ against the spec, both ways, without a database."""

import re
from collections.abc import Callable, Iterator

from verify.result import PASSED, Outcome, Result, Verdict, failed, same, same_list, same_set
from verify.sources import Sources
from verify.spec import Spec
from verify.static import declared, entrypoint, repeatable
from verify.static.inventory import Inventory, take

FIX = "Missing is in the spec only, extra in init/ only: change whichever is wrong."
DIFFERS = "Change whichever is wrong: init/{}."
MARKER = re.compile(r"insert\s+into\s+enms\.schema_version\b.*?values\s*\(\s*'([^']*)'\s*,\s*'([^']*)'", re.I | re.S)
PER_FILE = {
    "text of {}": entrypoint.text,
    "psql commands of {}": entrypoint.commands,
    "psql variables of {}": entrypoint.variables,
    "transactions of {}": entrypoint.transactions,
    "{} can be run again": repeatable.check,
}
SINGULAR = {"compression": "compression of", "logging": "logging of", "indexes": "index", "refresh policies": "refresh policy of",
            "compression policies": "compression policy of", "retention policies": "retention policy of", "tables": "columns of", "seed rows": "row"}  # fmt: skip
Plan = Iterator[tuple[str, Callable[[], Verdict]]]


def run(spec: Spec, sources: Sources) -> list[Result]:
    """Results of every static check."""
    return files(sources) + objects(spec, sources, take(sources.statements))


def files(sources: Sources) -> list[Result]:
    """Results of the checks of the files as such."""
    return [Result("static", name, check()) for name, check in _files(sources)]


def objects(spec: Spec, sources: Sources, found: Inventory) -> list[Result]:
    """Results of the comparison of what the spec declares with what the files define."""
    return [Result("static", name, check()) for name, check in _objects(spec, sources, found)]


def _files(sources: Sources) -> Plan:
    yield "file names", lambda: entrypoint.names(sources)
    yield "file numbers", lambda: entrypoint.numbers(sources)
    for path in sources.files:
        for name, check in PER_FILE.items():
            yield name.format(path.name), lambda path=path, check=check: check(sources, path.name)
    yield "rollups are real-time", lambda: _real_time(sources)


def _objects(spec: Spec, sources: Sources, found: Inventory) -> Plan:
    for kind, wanted in declared.kinds(spec).items():
        yield f"{kind} of spec and init/", lambda kind=kind, wanted=wanted: _names(kind, wanted, found)
        for name in [name for name in wanted if name in found.of(kind)]:
            if wanted[name] != "":
                pair = wanted[name], found.of(kind)[name], found.places[kind, name]
                yield f"{SINGULAR.get(kind, kind.removesuffix('s'))} {name}", lambda pair=pair: _definitions(*pair)
    yield "objects defined once", lambda: _twice(found)
    for role in sorted({*spec.roles, *spec.grants, *found.grants}):
        privileges = {f"{privilege} on {name}" for privilege, names in spec.grants.get(role, {}).items() for name in names}
        yield f"grants to {role}", lambda role=role, privileges=privileges: same_set(privileges, found.grants.get(role, ()), FIX)
    for file, privileges in found.public.items():
        yield f"grants to PUBLIC after {file}", lambda file=file, privileges=privileges: _public(file == sources.files[-1].name, privileges)
    yield "completion marker", lambda: _marker(spec, sources)


def _names(kind: str, wanted: dict[str, object], found: Inventory) -> Verdict:
    missing, extra = wanted.keys() - found.of(kind).keys(), found.of(kind).keys() - wanted.keys()
    if not missing and not extra:
        return PASSED
    placed = sorted(f"{name} ({found.places[kind, name]})" for name in extra)
    return Verdict(Outcome.FAILED, "", tuple(sorted(missing)), tuple(placed), FIX)


def _definitions(expected: object, found: object, place: str) -> Verdict:
    """Columns in order, a definition by its parts, or as one text."""
    fix = DIFFERS.format(place)
    if isinstance(expected, list):
        twice = {item for item in found if found.count(item) > 1}
        return failed(f"twice: {', '.join(sorted(twice))}", fix) if twice else same_list(expected, found, f"{FIX[:-1]}: init/{place}.")
    if not isinstance(expected, dict):
        return PASSED if expected == found else failed(_differ(expected, found), fix)
    wrong = [f"{part}: {_differ(expected[part], found[part])}" for part in expected if not _fits(expected[part], found[part], part)]
    return failed("; ".join(wrong), fix) if wrong else PASSED


def _differ(expected: object, found: object) -> str:
    if isinstance(expected, str):
        return f"the spec says {expected}, init/ {found}"
    if isinstance(expected, list) and set(expected) == set(found):
        return f"in another order: the spec says {', '.join(expected)}, init/ {', '.join(found)}"
    only = lambda here, there: ", ".join(item for item in sorted(here) if item not in there) or "nothing more"  # noqa: E731
    return f"only the spec says {only(expected, found)}, only init/ {only(found, expected)}"


def _fits(expected: object, found: object, part: str) -> bool:
    """Columns of a SELECT that only a server can tell are left to it."""
    return expected == found or (part == "columns" and not found)


def _twice(found: Inventory) -> Verdict:
    return Verdict(Outcome.FAILED, "", (), tuple(found.twice), "Leave one of them: the second has no effect, or replaces the first.") if found.twice else PASSED


def _real_time(sources: Sources) -> Verdict:
    """A reading inserted now is in every rollup."""
    values = [command.text.lower() for command in sources.commands if command.name == "\\set" and "timescaledb.continuous" in command.text.lower()]
    if values and all("timescaledb.materialized_only = false" in value for value in values):
        return PASSED
    wrong = "a \\set has timescaledb.continuous without it" if values else "no \\set has timescaledb.continuous"
    return failed(wrong, "\\set as_rollup 'with (timescaledb.continuous, timescaledb.materialized_only = false) as'")


def _public(last: bool, privileges: set[str]) -> Verdict:
    """Functions are everybody's until revoked; a boot that stops half-way must not leave them so."""
    extra = {privilege for privilege in privileges if last or privilege.startswith("execute ")}
    return Verdict(Outcome.FAILED, "", (), tuple(sorted(extra)), "revoke all on … from public; in this file.") if extra else PASSED


def _marker(spec: Spec, sources: Sources) -> Verdict:
    """The last statement, so that a marker means that everything ran."""
    if not sources.statements:
        return failed("init/ has no statement", "Get the files back: git checkout init.")
    last = sources.statements[-1]
    match = MARKER.match(last.text)
    if match is None:
        return failed(f"{last.file} ends with something else (line {last.line})", "Make the insert into enms.schema_version the last statement.")
    return same(f"{spec.version}, {spec.digest}", f"{match[1]}, {match[2]}", f"Put version and digest of the spec into {last.file}.")
