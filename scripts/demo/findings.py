"""Anomalies, as the analytics service would write them: what the readings show, beside what they would without the event."""

import json
import statistics
import uuid
from datetime import UTC, datetime
from functools import lru_cache

import psycopg

from scripts.demo.events import ANOMALY, FAULT, Event, random, within
from scripts.demo.model import ENERGY, MINUTE, count, readings_of
from scripts.demo.plant import Machine

NAMESPACE = uuid.UUID("d0000000-0000-0000-0000-000000000000")
# A fault is told of after as many seconds, another anomaly when it is over.
FAULT_SECONDS = 300
# Of a hundred anomalies, those that somebody looks after, within hours from the least to the most.
RESOLVED_PERCENT, RESOLVED_HOURS = 80, (2, 40)
# Nobody has to look at an event that began longer ago than that, s: it lasts for hours, and is resolved by then or never.
LOOK_BACK = 3600 * (RESOLVED_HOURS[1] + 8)
NOTES = {
    "unexpected_stop": "Restarted after the guard was closed.", "elevated_idle_load": "Leaking coupling replaced.",
    "night_setback_missed": "Time programme corrected.", "overload": "Jammed carton removed, belt adjusted.",
    "elevated_load": "Filter changed.", "power_spike": "Heater band replaced.",
}  # fmt: skip
INSERT = """
insert into anomalies (id, machine_id, detected_at, anomaly_type, severity, metric_name, metric_value, expected_value,
                       deviation_percent, deviation_std_dev, detection_method, confidence_score, metadata)
values (%(id)s, %(machine_id)s, %(detected_at)s, %(anomaly_type)s, %(severity)s, 'power_kw', %(metric_value)s, %(expected_value)s,
        %(deviation_percent)s, %(deviation_std_dev)s, 'demo', %(confidence_score)s, %(metadata)s)
on conflict (id) do nothing
"""
RESOLVE = """
update anomalies set is_resolved = true, resolved_at = %(resolved_at)s, resolution_notes = %(notes)s
where id = %(id)s and not is_resolved
"""


def window(event: Event) -> tuple[int, int]:
    """The seconds whose mean power tells of an event."""
    return event.begin, event.begin + FAULT_SECONDS if event.kind == FAULT else event.end


def anomalies(seed: int, machines: list[Machine], begin: int, end: int) -> list[dict]:
    """Rows of what was found in [begin, end), s of the epoch, with `resolved_at`, None if nobody looks after it."""
    found = []
    for machine in machines:
        for event in within(seed, machine, begin - 86400, end):
            if event.kind in (FAULT, ANOMALY) and event.begin >= begin and (last := window(event)[1]) <= end:
                # A machine that sends once an hour may have nothing to show for it.
                if count(seed, machine, event.begin, last, machine.interval):
                    found.append(_anomaly(seed, machine, event))
    return sorted(found, key=lambda row: (row["detected_at"], row["machine_id"]))


def store(session: psycopg.Connection, rows: list[dict], now: int, first: int) -> int:
    """Write anomalies that are not there yet and began at `first` or later, and resolve those that are due by `now`; how many are new."""
    new = 0
    with session.transaction():
        for row in rows:
            if row["begin"] >= first:
                new += session.execute(INSERT, row).rowcount
            if row["resolved_at"] and row["resolved_at"].timestamp() <= now:
                session.execute(RESOLVE, row)
    return new


# Live, those of the last days are asked for each minute.
@lru_cache(maxsize=1024)
def _anomaly(seed: int, machine: Machine, event: Event) -> dict:
    begin, end = window(event)
    shown, expected = (_powers(seed, machine, begin, end, events) for events in ([event], []))
    value, usual = round(statistics.fmean(shown), 6), round(statistics.fmean(expected), 6)
    percent = (value - usual) / usual * 100
    # Within minutes a load hardly varies; from one day to the next by a tenth or more.
    deviation = max(statistics.pstdev(expected), 0.1 * usual)
    draw = random(seed, machine.id, event.begin, "anomaly").random
    resolved = end + 3600 * (RESOLVED_HOURS[0] + (RESOLVED_HOURS[1] - RESOLVED_HOURS[0]) * draw())
    looked_after = draw() * 100 < RESOLVED_PERCENT
    return {
        "id": uuid.uuid5(NAMESPACE, f"{seed}/{machine.id}/{event.begin}"),
        "machine_id": machine.id,
        "begin": begin,
        "detected_at": _time(end),
        "anomaly_type": event.name,
        "severity": "critical" if event.kind == FAULT else "warning",
        "metric_value": value,
        "expected_value": usual,
        "deviation_percent": round(percent, 2),
        "deviation_std_dev": round((value - usual) / deviation, 2),
        "confidence_score": round(0.85 + 0.14 * draw(), 4),
        "metadata": json.dumps({"demo": seed, "begin": _time(begin).isoformat(), "end": _time(end).isoformat()}),
        "resolved_at": _time(int(resolved)) if looked_after else None,
        "notes": NOTES[event.name],
    }


def _powers(seed: int, machine: Machine, begin: int, end: int, events: list[Event]) -> list[float]:
    minutes = range(begin, end, MINUTE)
    return [float(row[3]) for minute in minutes for _, row in readings_of(seed, machine, minute, events).rows[ENERGY]]


def _time(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
