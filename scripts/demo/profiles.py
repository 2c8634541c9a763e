"""How each type of machine is loaded, minute by minute."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from scripts.demo.events import ANOMALY, FAULT, MAINTENANCE, Event
from scripts.demo.plant import Machine
from scripts.demo.shifts import activity, opening
from scripts.demo.weather import outdoor, wander

RUNNING, IDLE, OFFLINE = "running", "idle", "offline"
# Share of a compressor's rated power while it compresses, and while it turns without.
LOADED, UNLOADED = 0.92, 0.27
# Air that a compressor makes at full load, m3/h for each kW rated.
AIR = 9.3


@dataclass(frozen=True)
class State:
    """A machine in one minute: share of its rated power, what it makes in units per hour, share of bad ones, what it feels.

    `duty` is the share of time that a compressor compresses, None for the other types.
    """

    mode: str
    load: float
    rate: float
    bad: float
    speed: float
    duty: float | None
    indoor: float
    cop: float
    # Whatever the machine does.
    outdoor: float = math.nan
    humidity: float = math.nan


@dataclass(frozen=True)
class Moment:
    """What a profile knows: how busy the factory is, a drift from -1 to 1, the weather, and whether something is odd."""

    machine: Machine
    local: datetime
    busy: float
    pause: bool
    drift: float
    outdoor: float
    odd: bool


def compressor(now: Moment) -> State:
    """Loads and unloads by the air that is used; leaks keep it busy while nobody works, at weekends too."""
    duty = 0.16 + now.busy * (0.4 if now.pause else 0.6) * (1 + 0.15 * now.drift) + 0.03 * now.drift + 0.28 * now.odd
    rate = AIR * now.machine.power * duty
    return State(RUNNING, LOADED * duty + UNLOADED * (1 - duty), rate, 0, 100 * duty, duty, 22 + 3 * now.drift, 0)


def hvac(now: Moment) -> State:
    """Keeps the hall at 21 degrees from half an hour before the first shift to the end of the last; at 17 else."""
    hour = now.local.hour + now.local.minute / 60
    first, last = opening(now.machine.factory, now.local.weekday())
    occupied = first - 0.5 <= hour < last or now.odd
    target = 21 if occupied else 17
    cold, hot = max(0.0, target - 4 - now.outdoor), max(0.0, now.outdoor - target + 3)
    thermal = (0.021 * cold + 0.028 * hot) * (1 + 0.06 * now.drift) * (1 if occupied else 0.8)
    load = min(0.9, (0.2 if occupied else 0.05) + thermal)
    cop = max(2.2, 4.2 - 0.05 * abs(now.outdoor - 18))
    rate = now.machine.power * (load - (0.17 if occupied else 0.045)) * cop
    return State(RUNNING if occupied else IDLE, load, rate, 0, 80 if occupied else 25, None, target + 0.4 * now.drift, cop)


def motor(now: Moment) -> State:
    """Moves pieces while a shift is there, turns empty in the breaks."""
    if now.busy == 0:
        return State(OFFLINE, 0.004, 0, 0, 0, None, 19.0, 0)
    if now.pause:
        return State(IDLE, 0.11, 0, 0, 20, None, 20.0, 0)
    speed = now.busy * (1 + 0.08 * now.drift)
    return State(RUNNING, (0.3 + 0.38 * speed) * (1.28 if now.odd else 1), 900 * speed, 0.008, min(100, 92 * speed), None, 21.0, 0)


def pump(now: Moment) -> State:
    """Strokes while a shift is there, circulates its oil in the breaks."""
    if now.busy == 0:
        return State(OFFLINE, 0.005, 0, 0, 0, None, 19.0, 0)
    if now.pause:
        return State(IDLE, 0.14, 0, 0, 0, None, 20.0, 0)
    speed = now.busy * (1 + 0.1 * now.drift)
    return State(RUNNING, (0.22 + 0.42 * speed) * (1.25 if now.odd else 1), 240 * speed, 0.002, 90 * speed, None, 21.0, 0)


def injection_molding(now: Moment) -> State:
    """Shoots parts while a shift is there; its barrel stays hot from Monday's start to Saturday's end."""
    day, hour = now.local.weekday(), now.local.hour
    if now.busy and not now.pause:
        speed = now.busy * (1 + 0.07 * now.drift)
        return State(RUNNING, 0.3 + 0.32 * speed + 0.24 * now.odd, 280 * speed, 0.07 if now.odd else 0.022, 95 * speed, None, 23.0, 0)
    if now.busy or not (day == 6 or (day == 5 and hour >= 14) or (day == 0 and hour < 4)):
        return State(IDLE, 0.15 + 0.01 * now.drift, 0, 0, 0, None, 21.0, 0)
    return State(OFFLINE, 0.004, 0, 0, 0, None, 18.0, 0)


PROFILES: dict[str, Callable[[Moment], State]] = {
    "compressor": compressor, "hvac": hvac, "motor": motor, "pump": pump, "injection_molding": injection_molding,
}  # fmt: skip


def state(seed: int, machine: Machine, minute: int, befalls: list[Event]) -> State:
    """The machine's state in the minute that begins at `minute`, with the events of that minute."""
    local = datetime.fromtimestamp(minute, machine.zone)
    busy, pause = activity(seed, machine.factory, local)
    temperature, humidity = outdoor(seed, machine, minute, local)
    kinds = {event.kind for event in befalls if event.begin <= minute < event.end}
    drift = wander(minute, 1.5, seed, machine.id, "drift")
    moment = Moment(machine, local, busy, pause, drift, temperature, ANOMALY in kinds)
    found = PROFILES.get(machine.type, motor)(moment)
    for kind, rest in (FAULT, 0.025), (MAINTENANCE, 0.012):
        if kind in kinds:
            found = replace(found, mode=kind, load=rest, rate=0, speed=0, duty=found.duty and 0.0, cop=0)
    return replace(found, load=min(found.load, 0.97), outdoor=temperature, humidity=humidity)
