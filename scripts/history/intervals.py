"""The time between readings, and the energy or the power that follows from it."""

from collections import Counter

from scripts.console import Failure, say
from scripts.history.columns import Column
from scripts.history.target import Machine


def between(distances: dict[str, Counter], given: float | None, ids: dict[str, str] | None, machine: Machine | None) -> dict[str, float]:
    """Seconds between readings by machine id: as given, else the most frequent distance."""
    if ids is None:
        most = sum(distances.values(), Counter()).most_common(1)
        return {machine.id: given or most[0][0]} if given or most else {}
    joined: dict[str, Counter] = {}
    for label, id in ids.items():
        joined.setdefault(id, Counter()).update(distances.get(label, {}))
    return {id: given or counted.most_common(1)[0][0] for id, counted in joined.items() if given or counted}


def needed(kind: str, columns: dict[str, Column]) -> bool:
    """True where the time between readings tells the energy, the power, or what a register's increment is of."""
    return kind == "energy" and ("register" in columns or not {"power_kw", "energy_kwh"} <= set(columns))


def derived(kind: str, columns: dict[str, Column], intervals: dict[str, float]) -> dict[str, str]:
    """SQL of the energy or the power that the file has not, from the other and the interval."""
    if kind != "energy" or {"power_kw", "energy_kwh"} <= set(columns):
        return {}
    if "register" in columns:
        say("Energy: increments of the register, each at the reading that ends it; power_kw = increment / time since the reading before")
        return {name: "" for name in ("energy_kwh", "power_kw") if name not in columns}
    if not intervals:
        raise Failure("the interval can't be told from fewer than two readings: say it, as --interval 900", code=2)
    lengths = sorted(set(intervals.values()))
    seconds = f"{lengths[0]:g}" if len(lengths) == 1 else "case machine_id " + " ".join(f"when '{id}' then {length:g}" for id, length in intervals.items()) + " end"
    missing, formula = ("power_kw", "energy_kwh / interval") if "energy_kwh" in columns else ("energy_kwh", "power_kw x interval")
    say(f"Interval: {' s, '.join(f'{length:g}' for length in lengths)} s between readings; {missing} = {formula}")
    if missing == "energy_kwh":
        return {missing: f"power_kw * {seconds} / 3600"}
    if len(lengths) == 1 and 3600 % lengths[0] == 0:
        return {missing: f"energy_kwh * {3600 // lengths[0]:g}"}
    return {missing: f"energy_kwh * 3600 / {seconds}"}
