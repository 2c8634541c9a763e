"""What befalls a machine: in each week a fault and a gap in its readings, in most an anomaly, in some a maintenance."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from random import Random

from scripts.demo.plant import Machine

FAULT, GAP, ANOMALY, MAINTENANCE = "fault", "gap", "anomaly", "maintenance"
# By type: how the anomaly is called, the hour after which it begins, and minutes that it takes, at least and at most.
ANOMALIES = {
    "compressor": ("elevated_idle_load", 22, 240, 420),
    "hvac": ("night_setback_missed", 22, 240, 400),
    "motor": ("overload", 8, 40, 120),
    "pump": ("elevated_load", 8, 60, 180),
    "injection_molding": ("power_spike", 8, 20, 45),
}
ANOMALY_OTHER = "elevated_load", 8, 60, 180
# Of a hundred machine-weeks, those with an anomaly, and those with a maintenance.
ANOMALIES_PERCENT, MAINTENANCE_PERCENT = 60, 25


@dataclass(frozen=True)
class Event:
    """What befalls a machine in [begin, end), in seconds of the Unix epoch and whole minutes."""

    kind: str
    name: str
    begin: int
    end: int


def random(*key: object) -> Random:
    """A source of random numbers that depends on the key alone, in every version of Python."""
    return Random("/".join(map(str, key)))


@lru_cache(maxsize=512)
def of_week(seed: int, machine: Machine, monday: date) -> tuple[Event, ...]:
    """Events of a machine that begin in the local week; none reaches into the next one, and no two overlap."""
    draw = random(seed, machine.id, monday).random

    def event(kind: str, name: str, day: int, hour: float, minutes: float) -> Event:
        first = datetime.combine(monday + timedelta(days=day), datetime.min.time(), machine.zone) + timedelta(minutes=int(hour * 60))
        begin = int(first.timestamp())
        return Event(kind, name, begin, begin + 60 * int(minutes))

    # An anomaly of a night reaches into the day after, so the fault and the gap take other ones.
    days = sorted(range(4), key=lambda _: draw())[:3]
    fault, gap, odd = (day + (day > days[2]) for day in days)
    name, hour, least, most = ANOMALIES.get(machine.type, ANOMALY_OTHER)
    found = [
        event(FAULT, "unexpected_stop", fault, 7 + 12 * draw(), 25 + 70 * draw()),
        event(GAP, "no readings", gap, 8 + 12 * draw(), 8 + 32 * draw()),
    ]
    odd = event(ANOMALY, name, odd, hour + draw(), least + (most - least) * draw())
    if draw() * 100 < ANOMALIES_PERCENT:
        found.append(odd)
    if draw() * 100 < MAINTENANCE_PERCENT:
        found.append(event(MAINTENANCE, "maintenance", 5, 8 + 2 * draw(), 120 + 60 * draw()))
    return tuple(sorted(found, key=lambda event: event.begin))


def within(seed: int, machine: Machine, begin: int, end: int) -> list[Event]:
    """Events of a machine that touch [begin, end), in the order of time."""
    first, last = (datetime.fromtimestamp(moment, machine.zone).date() for moment in (begin, end))
    monday, found = first - timedelta(days=first.weekday()), []
    while monday <= last:
        found += [event for event in of_week(seed, machine, monday) if event.begin < end and event.end > begin]
        monday += timedelta(days=7)
    return found
