"""Load profiles: mean power and energy of each machine by quarter-hour, hour, day or longer, gaps kept as gaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import psycopg

from scripts.kpis.ranges import Asked, local

# Name, interval, and the most days of a range that it suits, so that no profile has more than 31 marks.
STEPS = [
    ("quarter-hours", "15 minutes", 7.5 / 24), ("hours", "1 hour", 31 / 24), ("6 hours", "6 hours", 7.75), ("days", "1 day", 31.1),
    ("weeks", "7 days", 7 * 30), ("months", "1 month", 30 * 30), ("years", "1 year", 30 * 365), ("centuries", "100 years", float("inf")),
]  # fmt: skip
# Up to an hour, time that passes; longer ones are local, so that a day stays a day where the clock is changed.
STARTS = """
select t.start, t.start at time zone %(zone)s
from generate_series(
    case when %(step)s::interval <= interval '1 hour'
         then date_bin(%(step)s, %(first)s, date_trunc('day', %(first)s::timestamptz at time zone %(zone)s) at time zone %(zone)s) end,
    %(last)s::timestamptz - interval '1 microsecond', %(step)s) t (start)
where %(step)s::interval <= interval '1 hour'
union all
select greatest(t.wall at time zone %(zone)s, %(first)s), greatest(t.wall, %(first)s::timestamptz at time zone %(zone)s)
from generate_series(
    date_trunc(%(unit)s, %(first)s::timestamptz at time zone %(zone)s),
    %(last)s::timestamptz at time zone %(zone)s, %(step)s) t (wall)
where %(step)s::interval > interval '1 hour' and t.wall at time zone %(zone)s < %(last)s
  and (t.wall + %(step)s::interval) at time zone %(zone)s > %(first)s
order by 1
"""
SLICES = """
select s.machine_id, greatest(width_bucket(s.slice, %(starts)s::timestamptz[]), 1) - 1 as bucket,
       sum(s.sum_power_kw) / sum(s.readings) as kw, sum(s.energy_kwh) as kwh
from enms.energy_slices(
    array(select m.id from public.machines m where m.factory_id = %(factory)s), %(first)s, %(last)s,
    %(by_hour)s and enms.hours_are_whole(%(factory)s, %(factory)s, %(first)s, %(last)s)) s
group by 1, 2
"""


@dataclass(frozen=True)
class Profile:
    """Buckets by their local starts; of each machine, mean power kW and energy kWh in each, None without a reading."""

    step: str
    starts: list[datetime]
    power_kw: dict[UUID, list[Decimal | None]]
    energy_kwh: dict[UUID, list[Decimal | None]]


def suitable(asked: Asked) -> str:
    """The step that shows the range in at most 31 marks."""
    days = asked.span.length.total_seconds() / 86400
    return next(name for name, _, most in STEPS if days <= most)


def read(connection: psycopg.Connection, factory: UUID, asked: Asked, step: str) -> Profile:
    """The profile of every machine of the factory that has readings in the range."""
    interval = next(width for name, width, _ in STEPS if name == step)
    unit = {"1 month": "month", "1 year": "year", "100 years": "century"}.get(interval, "day")
    ends = {"first": asked.span.start, "last": asked.span.end, "zone": asked.zone}
    starts = [local(*row) for row in connection.execute(STARTS, {**ends, "step": interval, "unit": unit}).fetchall()]
    rows = connection.execute(SLICES, {**ends, "factory": factory, "starts": starts, "by_hour": step != "quarter-hours"}).fetchall()
    power: dict[UUID, list[Decimal | None]] = {}
    energy: dict[UUID, list[Decimal | None]] = {}
    for machine, bucket, kw, kwh in rows:
        power.setdefault(machine, [None] * len(starts))[bucket] = kw
        energy.setdefault(machine, [None] * len(starts))[bucket] = kwh
    return Profile(step, starts, power, energy)


def sparkline(powers: Sequence[Decimal | None], marks: str) -> str:
    """One mark for each power, from 0 to the highest of them; the first of `marks` stands for a gap."""
    highest = max((kw for kw in powers if kw is not None), default=Decimal(0))
    levels = marks[1:]

    def mark(kw: Decimal | None) -> str:
        if kw is None:
            return marks[0]
        return levels[0] if highest <= 0 else levels[min(len(levels) - 1, max(0, int(kw / highest * len(levels))))]

    return "".join(map(mark, powers))
