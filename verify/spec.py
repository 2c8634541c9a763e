"""The declared spec, spec.toml: read, checked for its shape, and never empty."""

import difflib
import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.result import ExitCode, Fatal
from verify.text import seconds

SPEC = Path(__file__).with_name("spec.toml")
Table = dict[str, Any]

# Type of every key; "*" stands for a name of the spec's own, a final "?" for a key that may be left out.
SHAPE: Table = {
    "version": str,
    "extensions": [str],
    "configuration": {"scaled_to_memory": [str], "set_by_engine": [str], "required": {"*": str}, "unless_by_role": {"*": str}},
    "enums": {"*": [str]},
    "tables": {
        "*": {
            "columns": [str],
            "unlogged?": bool,
            "constraints?": {"*": str},
            "indexes?": {"*": str},
            "triggers?": {"*": str},
        }
    },
    "sequences": {"*": {"counts": str, "owned_by": str}},
    "hypertables": {
        "*": {
            "time": str,
            "chunk_interval": "interval",
            "segment_by": [str],
            "order_by": [str],
            "compress_after": "interval",
            "compress_every": "interval",
            "drop_after": "interval",
            "drop_every": "interval",
        }
    },
    "rollups": {
        "*": {
            "source": str,
            "columns": [str],
            "start_offset?": "interval",
            "end_offset": "interval",
            "refresh_every": "interval",
            "buckets_per_batch": int,
            "segment_by?": [str],
            "order_by?": [str],
            "compress_after?": "interval",
            "compress_every?": "interval",
        }
    },
    "functions": {"*": {"arguments": str, "returns": str, "options": str}},
    "views": {"*": {"columns": [str]}},
    "roles": [str],
    "grants": {"*": {"*": [str]}},
    "seed": {
        "regions": [str],
        "factories": [{"id": str, "name": str, "location": str, "timezone": str, "grid_region": str}],
        "machines": [
            {
                "id": str,
                "factory": str,
                "name": str,
                "type": str,
                "rated_power_kw": float,
                "data_interval_seconds": int,
                "mqtt_topic": str,
            }
        ],
    },
}


@dataclass(frozen=True)
class Spec:
    """What a database must hold. Names in public stand without their schema, texts are as PostgreSQL prints them."""

    digest: str
    version: str
    extensions: list[str]
    configuration: Table
    enums: dict[str, list[str]]
    tables: dict[str, Table]
    sequences: dict[str, Table]
    hypertables: dict[str, Table]
    rollups: dict[str, Table]
    functions: dict[str, Table]
    views: dict[str, Table]
    roles: list[str]
    grants: dict[str, dict[str, list[str]]]
    seed: Table

    @property
    def compressed(self) -> dict[str, Table]:
        """Hypertables and rollups whose old chunks are compressed."""
        return self.hypertables | {name: rollup for name, rollup in self.rollups.items() if "compress_after" in rollup}

    @property
    def jobs(self) -> int:
        """Background jobs that the policies need."""
        return len(self.rollups) + len(self.compressed) + len(self.hypertables)


def load(path: Path = SPEC) -> Spec:
    """The spec in a file; Fatal names the key that is wrong. The digest does not depend on how lines end."""
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Fatal(f"{path.name} cannot be read: {error}", ExitCode.SPEC) from None
    try:
        _check(content, SHAPE, "")
        _check_names(content)
    except ValueError as error:
        raise Fatal(f"{path.name}: {error}", ExitCode.SPEC) from None
    return Spec(digest=hashlib.sha256(text.encode()).hexdigest(), **content)


def _check(value: Any, shape: Any, where: str) -> None:
    """Raise ValueError if a value has not the shape, or declares nothing."""
    if shape == "interval":
        _check(value, str, where)
        try:
            seconds(value)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    elif isinstance(shape, dict):
        _check_table(value, shape, where)
    elif isinstance(shape, list):
        if not isinstance(value, list) or not value:
            raise ValueError(f"{where} has to be a list with something in it")
        for number, item in enumerate(value, 1):
            _check(item, shape[0], f"{where}[{number}]")
    elif not isinstance(value, shape) or value == "":
        raise ValueError(f"{where} has to be of type {shape.__name__}")


def _check_table(value: Any, shape: Table, where: str) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{where} has to be a table")
    if not value:
        raise ValueError(f"{where or 'it'} declares nothing")
    if "*" in shape:
        for key, item in value.items():
            _check(item, shape["*"], f"{where}.{key}")
        return
    known = {key.rstrip("?"): item for key, item in shape.items()}
    for key in value.keys() - known.keys():
        close = difflib.get_close_matches(key, known, 1)
        raise ValueError(f"unknown key {where}.{key}".replace(" .", " ") + (f", meant is {close[0]}?" if close else ""))
    for key, item in shape.items():
        name = key.rstrip("?")
        path = f"{where}.{name}".lstrip(".")
        if name in value:
            _check(value[name], item, path)
        elif not key.endswith("?"):
            raise ValueError(f"{path} is missing")


def _check_names(content: Table) -> None:
    """Raise ValueError if the spec refers to an object that it does not declare."""
    relations = content["tables"].keys() | content["rollups"].keys() | content["views"].keys() | content["sequences"].keys()
    objects = relations | content["functions"].keys() | {"schema public", "schema enms", "this database"}
    for name in content["hypertables"]:
        _known(name, content["tables"], f"hypertables.{name}")
    for name, rollup in content["rollups"].items():
        _known(rollup["source"], relations, f"rollups.{name}.source")
        for key in ("segment_by", "order_by", "compress_every") if "compress_after" in rollup else ():
            if key not in rollup:
                raise ValueError(f"rollups.{name}.{key} is missing, which compress_after calls for")
    for role, privileges in content["grants"].items():
        _known(role, content["roles"], f"grants.{role}")
        for privilege, names in privileges.items():
            for name in names:
                _known(name, objects, f"grants.{role}.{privilege}")
    factories = {factory["id"] for factory in content["seed"]["factories"]}
    for machine in content["seed"]["machines"]:
        _known(machine["factory"], factories, f"seed.machines: {machine['name']}")


def _known(name: str, names: Any, where: str) -> None:
    if name not in names:
        raise ValueError(f"{where} refers to {name}, which is not declared")
