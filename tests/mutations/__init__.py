"""Changes of a live database, one or more for every object that the spec declares."""

from collections.abc import Iterator

from mutations import access, code, data, special, tables, timeseries
from mutations.change import Change
from verify.sources import Sources
from verify.spec import Spec


def generate(spec: Spec, sources: Sources) -> Iterator[Change]:
    """Every change that the spec gives rise to."""
    for module in tables, timeseries, code, access, data, special:
        yield from module.changes(spec, sources)
