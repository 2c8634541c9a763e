"""Tables in Markdown of what the spec, init/ and .env.example declare."""

import importlib
from collections import Counter
from collections.abc import Iterable, Sequence

from scripts.guide.schema import declared
from scripts.settings import EXAMPLE
from verify import registry
from verify.sources import Sources

NEVER = "for good"
OPERATION = "v_ops_"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar in a cell is kept from ending it."""
    cells = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |\n" for row in cells)


def code(*names: str) -> str:
    """Names as code, with commas between."""
    return ", ".join(f"`{name}`" for name in names)


def policies() -> str:
    """How long readings and rollups are kept, when they are compressed, and how often they are refreshed."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for name, raw in declared().hypertables.items():
        key = f"readings, in chunks of {raw['chunk_interval']}", f"{raw['drop_after']}", f"after {raw['compress_after']}", "-"
        rows.setdefault(key, []).append(name)
    for name, rollup in declared().rollups.items():
        compressed = f"after {rollup['compress_after']}" if "compress_after" in rollup else "-"
        # A rollup is refreshed up to one of its own buckets before now.
        key = f"by {rollup['end_offset']}", NEVER, compressed, f"every {rollup['refresh_every']}"
        rows.setdefault(key, []).append(name)
    return table(["what", "kept", "compressed", "refreshed", "names"], ([*key, code(*names)] for key, names in rows.items()))


def seed() -> str:
    """The seed's factories and machines."""
    factories = {factory["id"]: factory for factory in declared().seed["factories"]}
    told = table(
        ["factory", "place", "time zone", "grid region", "id"],
        ([f["name"], f["location"], f["timezone"], f["grid_region"], code(f["id"])] for f in factories.values()),
    )
    machines = (
        [
            m["name"], factories[m["factory"]]["name"], m["type"], f"{m['rated_power_kw']:g} kW", f"{m['data_interval_seconds']} s",
            code(m["mqtt_topic"]), code(m["id"]),
        ]
        for m in declared().seed["machines"]
    )  # fmt: skip
    return told + "\n" + table(["machine", "factory", "type", "rated", "sends every", "MQTT topic", "id"], machines)


def privileges() -> str:
    """What the groups of roles may do with which objects."""
    names = declared()
    everything = names.tables.keys() | names.rollups.keys() | names.views.keys()
    rows = []
    for role, granted in names.grants.items():
        for privilege, objects in granted.items():
            lacking = sorted(everything - set(objects))
            inner = [name for name in objects if name.startswith("enms.")]
            if len(lacking) < len(objects):
                text = "every table, rollup and view" + (f", but {code(*lacking)}" if lacking else "")
            elif privilege == "execute":
                public = [name for name in objects if name not in inner]
                text = f"{code(*public)}, and what these call in schema enms" if public else "what these views call in schema enms"
            else:
                text = ", ".join(name if " " in name else code(name) for name in objects)
            rows.append([code(role), privilege, text])
    return table(["group", "privilege", "on"], rows)


def settings() -> str:
    """Variables of .env with what .env.example says of them."""
    rows = []
    for part in EXAMPLE.read_text(encoding="utf-8").split("\n\n")[1:]:
        said = " ".join(line.lstrip("# ") for line in part.splitlines() if line.startswith("#"))
        pairs = [line.partition("=") for line in part.splitlines() if "=" in line and not line.startswith("#")]
        rows.append([code(*(name for name, *_ in pairs)), ", ".join(code(value) if value else "random" for *_, value in pairs), said])
    return table(["in `.env`", "default", ""], rows)


def server_settings() -> str:
    """Settings that must hold on any server."""
    found = declared().configuration
    rows = [[code(name), value, "always"] for name, value in found["required"].items()]
    rows += [[code(name), value, "unless a role has its own"] for name, value in found["unless_by_role"].items()]
    return table(["setting", "value", "has to hold"], rows)


def relations() -> str:
    """Tables and rollups in public with what init/ says of them."""
    return _said_of(["table or rollup", "what it holds"], [*declared().tables, *declared().rollups])


def views() -> str:
    """Views of the plant with what init/ says of them."""
    return _said_of(["view", "what it shows"], (name for name in declared().views if not name.startswith(OPERATION)))


def operation() -> str:
    """Views of the database itself with what init/ says of them."""
    return _said_of(["view", "what it shows"], (name for name in declared().views if name.startswith(OPERATION)))


def functions() -> str:
    """Functions in public with their arguments and what init/ says of them."""
    called = {name: function for name, function in declared().functions.items() if function["returns"] != "trigger"}
    return _said_of(["function", "what it gives"], called, lambda name: f"{name}({called[name]['arguments']})")


def _said_of(head: list[str], names: Iterable[str], shown=str) -> str:
    comments = Sources().comments
    rows = ([code(shown(name)), " ".join(comments[name, ""].split())] for name in names if "." not in name and (name, "") in comments)
    return table(head, rows)


def checks() -> str:
    """The verifier's families of checks, how many each has, and what they look at."""
    rows, total = [], Counter()
    for name in registry.load():
        plan = registry.FAMILIES[name][1]
        total[name] = sum(1 for _ in plan(declared()))
        about = importlib.import_module(plan.__module__).__doc__.strip()
        rows.append([name, total[name], about.partition(": ")[2]])
    return table(["family", "checks", "what it looks at"], [*rows, ["all", sum(total.values()), ""]])
