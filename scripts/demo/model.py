"""The readings of one machine in one minute, as the parameters of the statements: text, or None for NULL."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime

from scripts.demo.events import FAULT, GAP, Event, random, within
from scripts.demo.plant import Machine
from scripts.demo.profiles import IDLE, LOADED, RUNNING, UNLOADED, State, state
from scripts.demo.weather import wander

Row = tuple[str | None, ...]
ENERGY, PRODUCTION, ENVIRONMENT = "energy_readings", "production_data", "environmental_data"
MINUTE = 60
# Power factor at full load by type.
POWER_FACTORS = {"compressor": 0.88, "hvac": 0.91, "motor": 0.84, "pump": 0.86, "injection_molding": 0.9}
RECIPES = {"pump": ("press-120", "press-150"), "injection_molding": ("housing-a", "cover-b", "clip-c")}


@dataclass
class Minute:
    """Readings by table, each with its time in seconds of the epoch, and the machine's state."""

    state: State
    rows: dict[str, list[tuple[int, Row]]] = field(default_factory=lambda: {ENERGY: [], PRODUCTION: [], ENVIRONMENT: []})


def text(value: float, digits: int) -> str | None:
    """A number as the flow sends it, which makes NULL of 0."""
    return f"{value:.{digits}f}" if round(value, digits) else None


def moment(epoch: int) -> str:
    """UTC without an offset, as the machines send it."""
    return datetime.fromtimestamp(epoch, UTC).replace(tzinfo=None).isoformat()


def times(minute: int, interval: int) -> range:
    """Seconds of the minute at which a machine with that interval sends, which are multiples of it."""
    return range(-(-minute // interval) * interval, minute + MINUTE, interval)


def readings_of(seed: int, machine: Machine, minute: int, events: list[Event] | None = None) -> Minute:
    """What a machine sends in a minute: nothing in a gap. `events` are given to ask what would be without some."""
    befalls = within(seed, machine, minute, minute + MINUTE) if events is None else events
    now = state(seed, machine, minute, befalls)
    found = Minute(now)
    if any(event.kind == GAP for event in befalls):
        return found
    draw = random(seed, machine.id, minute).random
    found.rows[ENERGY] = list(_energy(seed, machine, minute, now, draw))
    # The draws of these do not depend on the interval, so that a change of it leaves them.
    draw = random(seed, machine.id, minute, "others").random
    for epoch in times(minute, machine.other_interval):
        when = moment(epoch)
        found.rows[PRODUCTION].append((epoch, _production(seed, machine, epoch, when, now, draw)))
        found.rows[ENVIRONMENT].append((epoch, _environment(seed, machine, epoch, when, now, draw)))
    return found


def count(seed: int, machine: Machine, begin: int, end: int, interval: int) -> int:
    """Readings in [begin, end) that a machine sends at the interval, without making them."""
    gaps = [event for event in within(seed, machine, begin, end) if event.kind == GAP]
    lost = sum(len(range(*_bounds(max(begin, gap.begin), min(end, gap.end), interval))) for gap in gaps)
    return len(range(*_bounds(begin, end, interval))) - lost


def _bounds(begin: int, end: int, interval: int) -> tuple[int, int, int]:
    return -(-begin // interval) * interval, end, interval


def _energy(seed: int, machine: Machine, minute: int, now: State, draw):
    """About 2.4 million rows of a fortnight come from here, so this loop is kept short."""
    nominal, interval, rated = machine.voltage, machine.interval, machine.power
    sag = 1 + 0.008 * wander(minute, 0.7, seed, machine.factory, "grid")
    grid = machine.frequency + 0.012 * wander(minute, 0.1, seed, machine.factory, "frequency")
    best, stamp, metadata = POWER_FACTORS.get(machine.type, 0.85), moment(minute)[:-2], f'{{"demo": {seed}}}'
    cycling = now.duty is not None and now.mode == RUNNING
    # A compressor's tank empties in a minute and a half or so.
    period = 75 + 20 * wander(minute, 3, seed, machine.id, "tank")
    for epoch in times(minute, interval):
        load = now.load
        if cycling:
            load = LOADED if epoch % period < now.duty * period else UNLOADED
        power = min(rated, round(rated * load * (0.985 + 0.03 * draw()), 3))
        factor = round(best * (0.62 + 0.38 * min(1.0, load / 0.7)), 4)
        voltage = round(nominal * (sag - 0.012 * load + 0.003 * draw()), 1)
        current = power * 1000 / (math.sqrt(3) * voltage * factor)
        frequency = grid + 0.006 * draw()
        yield epoch, (
            f"{stamp}{epoch - minute:02d}", machine.id, "energy", f"{power:.3f}", f"{power * interval / 3600:.6f}", f"{voltage:.1f}",
            text(current, 2), f"{factor:.4f}", f"{frequency:.3f}", metadata,
        )  # fmt: skip


def _production(seed: int, machine: Machine, epoch: int, when: str, now: State, draw) -> Row:
    # Whole units, whose sum over time is that of the rate.
    made = int(now.rate * machine.other_interval / 3600 + draw())
    bad = sum(draw() < now.bad for _ in range(made)) if now.bad else 0
    recipes = RECIPES.get(machine.type)
    batch = datetime.fromtimestamp(epoch, machine.zone)
    recipe = recipes[batch.toordinal() % len(recipes)] if recipes else None
    speed = text(now.speed, 1) if machine.type in ("compressor", "hvac", "motor") else None
    return (
        when, machine.id, str(made), str(made - bad), str(bad), text(now.rate, 2), now.mode, speed, recipe,
        f"demo-{seed}-{batch:%Y%m%d}",
    )  # fmt: skip


def _environment(seed: int, machine: Machine, epoch: int, when: str, now: State, draw) -> Row:
    """Of the thirteen columns a type fills those that it sends over MQTT."""
    warm = now.indoor + 1.5 * wander(epoch, 2, seed, machine.id, "heat") + 0.2 * draw()
    broken = now.mode == FAULT
    turning = now.mode in (RUNNING, IDLE)
    vibration = text((0.9 + 2.2 * now.load + 0.3 * draw()) * turning + 4.5 * broken, 4)
    sent: dict[str, str | None] = {}
    if machine.type == "compressor":
        sent = {
            "outdoor": text(now.outdoor, 2), "machine": text(warm + 55 * now.load + 14 * broken, 2),
            "pressure": text((6.9 + 0.3 * draw()) * turning, 3), "flow": text(now.rate, 3), "vibration": vibration,
        }  # fmt: skip
    elif machine.type == "hvac":
        heating = now.outdoor < now.indoor - 3
        sent = {
            "outdoor": text(now.outdoor, 2), "indoor": text(now.indoor + 0.3 * draw(), 2), "outdoor_humidity": text(now.humidity, 2),
            "indoor_humidity": text(42 + 6 * wander(epoch, 5, seed, machine.id, "humidity"), 2),
            "supply": text(now.indoor + (9 if heating else -6) * turning + draw(), 2), "return": text(now.indoor + 0.8 * draw(), 2),
            "cop": text(now.cop, 2),
        }  # fmt: skip
    elif machine.type == "pump":
        sent = {"pressure": text((118 + 40 * now.load + 4 * draw()) * turning, 3), "machine": text(warm + 38 * now.load + 9 * broken, 2)}
    elif machine.type == "injection_molding":
        hot = 210 if turning else 150 if broken else 0
        sent = {"indoor": text(now.indoor + 0.5 * draw(), 2), "machine": text(hot + (warm if not hot else 3 * draw()), 2)}
    else:
        sent = {"machine": text(warm + 32 * now.load + 11 * broken, 2), "vibration": vibration}
    columns = (
        "outdoor", "indoor", "machine", "outdoor_humidity", "indoor_humidity", "pressure", "flow", "supply", "return", "cop", "vibration",
    )  # fmt: skip
    return (when, machine.id, *(sent.get(column) for column in columns))
