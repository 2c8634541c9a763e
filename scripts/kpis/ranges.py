"""Which time is asked for: a named period or two ends, in each factory's own zone, and the period before it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg

from scripts.console import Failure

# A period's first local day, and one period; those that are over end one period after it, the others now.
PERIODS = {
    "today": ("day", 0, "1 day"),
    "yesterday": ("day", 1, "1 day"),
    "week": ("week", 0, "7 days"),
    "last-week": ("week", 1, "7 days"),
    "month": ("month", 0, "1 month"),
    "last-month": ("month", 1, "1 month"),
}
# The server's zones count, as for the KPI functions. A range is never empty, not even at the stroke of midnight.
NAMED = """
select f.id, p.first, case when %(ago)s = 1 then p.first + s.step end as last,
       s.step, true as aligned
from public.factories f
cross join lateral (select %(step)s::interval as step) s
cross join lateral (select date_trunc(%(unit)s, now() at time zone f.timezone) - %(ago)s * s.step as first) p
"""
# Whole months are compared with as many months, whole days with as many days, anything else with as much time.
GIVEN = """
select f.id, p.first, p.last,
       case when p.first = date_trunc('month', p.first) and p.last = date_trunc('month', p.last) then make_interval(
                months => (extract(year from p.last) * 12 + extract(month from p.last)
                           - extract(year from p.first) * 12 - extract(month from p.first))::integer)
            else p.last - p.first end as step,
       p.first = date_trunc('day', p.first) and p.last = date_trunc('day', p.last) as aligned
from public.factories f
cross join lateral (
    select coalesce(%(from_local)s::timestamp, %(from_instant)s::timestamptz at time zone f.timezone) as first,
           coalesce(%(to_local)s::timestamp, coalesce(%(to_instant)s::timestamptz, now()) at time zone f.timezone) as last) p
"""
# A local time that comes twice, as clocks go back, is the first of the two, which has the offset of the day before.
INSTANT = """
(select case when d.same at time zone {zone} = {wall} then least(d.same, {wall} at time zone {zone}) else {wall} at time zone {zone} end
 from (select ({wall} - interval '1 day') at time zone {zone} + interval '24 hours' as same) d)
"""
SPANS = """
with asked as ({asked}),
spans as (
    select f.id, a.step, a.aligned, f.timezone,
           coalesce(%(from_instant)s::timestamptz, {first}) as first,
           coalesce(%(to_instant)s::timestamptz, {end}) as last
    from public.factories f join asked a on a.id = f.id
    where f.id = any (%(factories)s)),
-- Of a range that is longer than the time since the year 1, or that is none, there is no such range before it.
pairs as (
    select s.*, case when s.last - s.first not between interval '0' and s.first - {least} then null
                     when s.aligned then {before_first} else s.first - (s.last - s.first) end as before_first,
           case when s.aligned then least({before_last}, s.first) else s.first end as before_last
    from spans s)
select b.id, b.timezone, b.first, b.last, b.first at time zone b.timezone, b.last at time zone b.timezone,
       c.before_first, c.before_last, c.before_first at time zone b.timezone, c.before_last at time zone b.timezone, now()
from pairs b
left join lateral (select b.before_first, b.before_last where b.before_first >= {least}) c on true
"""
# Those of which every instant is one of the years 1 to 9999 in every zone: the database has no others, and Python neither.
YEARS = range(2, 9999)
# The first instant whose local day is of the year 1 in every zone.
LEAST = "timestamptz '0001-01-02 00:00+00'"


@dataclass(frozen=True)
class Span:
    """A half-open range: two instants, with the offset of the factory's zone at each."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end.astimezone(UTC) - self.start.astimezone(UTC)


@dataclass(frozen=True)
class Asked:
    """The range at one factory, the equal one before it (None where that would be before the year 1), and now."""

    zone: str
    span: Span
    before: Span | None
    now: datetime


@dataclass(frozen=True)
class Choice:
    """What the command line asks for: a period's name, or one or two ends."""

    period: str
    start: datetime | None = None
    end: datetime | None = None


def moment(text: str) -> datetime:
    """A local day's midnight, a local time, or with an offset an instant; ValueError for anything else."""
    try:
        return datetime.combine(date.fromisoformat(text), time.min)
    except ValueError:
        return datetime.fromisoformat(text)


def local(instant: datetime, wall: datetime) -> datetime:
    """The instant, with the offset that its local time shows; the server's zone data decides, not Python's."""
    return instant.astimezone(timezone(wall - instant.astimezone(UTC).replace(tzinfo=None)))


def of_wall(wall: str, zone: str) -> str:
    """SQL for the instant of a local time."""
    return INSTANT.format(wall=f"({wall})", zone=zone)


def resolve(connection: psycopg.Connection, choice: Choice, factories: list[UUID]) -> dict[UUID, Asked]:
    """The range of each of the factories; raises Failure for a range that ends before it begins, or an end that the clocks skip."""
    parameters: dict[str, Any] = {"factories": factories, "from_instant": None, "to_instant": None, "from_local": None, "to_local": None}
    for name, given in ("from", choice.start), ("to", choice.end):
        if given:
            parameters[f"{name}_local" if given.tzinfo is None else f"{name}_instant"] = given
    if choice.start:
        asked, end = GIVEN, f"case when %(to_local)s::timestamp is null then now() else {of_wall('a.last', 'f.timezone')} end"
    else:
        unit, ago, step = PERIODS[choice.period]
        parameters |= {"unit": unit, "ago": ago, "step": step}
        asked = NAMED
        end = f"coalesce({of_wall('a.last', 'f.timezone')}, greatest(now(), {of_wall('a.first', 'f.timezone')} + interval '1 microsecond'))"
    steps_back = {f"before_{name}": of_wall(f"(s.{name} at time zone s.timezone) - s.step", "s.timezone") for name in ("first", "last")}
    query = SPANS.format(asked=asked, first=of_wall("a.first", "f.timezone"), end=end, least=LEAST, **steps_back)
    found = {}
    try:
        rows = connection.execute(query, parameters).fetchall()
    except (psycopg.DataError, psycopg.NotSupportedError) as error:
        raise Failure(f"the range cannot be worked out: {error.diag.message_primary or error}", code=2) from None
    for factory, zone, first, last, first_wall, last_wall, before, before_end, before_wall, before_end_wall, now in rows:
        for name, given, wall in ("from", choice.start, first_wall), ("to", choice.end, last_wall):
            # A day whose midnight the clocks skip begins as they have been put forward.
            if given and given.tzinfo is None and given.time() != time.min and given != wall:
                raise Failure(f"--{name} {given:%Y-%m-%d %H:%M} does not exist in {zone}: the clocks go forward over it", code=2)
        if last <= first:
            to = f"--to {choice.end:%Y-%m-%d %H:%M}" if choice.end else "now"
            raise Failure(f"--from {choice.start:%Y-%m-%d %H:%M} is not before {to}: the range is half-open, its end is not part of it", code=2)
        span = Span(local(first, first_wall), local(last, last_wall))
        before_span = Span(local(before, before_wall), local(before_end, before_end_wall)) if before else None
        found[factory] = Asked(zone, span, before_span, now.astimezone(UTC))
    return found
