"""A meter's register turned into increments: resets, rollovers, gaps, and values that can't be."""

from dataclasses import dataclass, field
from decimal import Decimal

import psycopg

from scripts.console import Failure
from scripts.history import staging
from scripts.history.staging import Staged

# More falls than this, and one reading in fifty, are no meter's.
MOST_FALLS = 20
# A rollover happens in the last hundredth of the register, unless its width is given.
NEAR_END = Decimal("0.99")
BACK_WITHIN = 96
# Values that a meter shows for a few readings, after which it goes on from where it was: 0 while it is cut off, or a number that
# was read wrongly. What goes there in one step comes back in one.
FALLS = f"""
with falls as (select * from pg_temp.ordered where register < before),
back as (
    select f.machine_id, f.energy_type, f.time, b.time as until
    from falls f cross join lateral (
        select o.time, o.register, o.before from pg_temp.ordered o
        where o.machine_id = f.machine_id and o.energy_type = f.energy_type and o.time > f.time
        order by o.time limit {BACK_WITHIN}) b
    where b.register >= f.before and b.before < f.before and b.register - b.before >= 0.9 * (f.before - f.register))
select distinct o.line, 'the register falls to ' || trim_scale(o.register) || ' and comes back: it is left out'
from pg_temp.ordered o join back b on b.machine_id = o.machine_id and b.energy_type = o.energy_type
where o.time >= b.time and o.time < b.until"""
# A rise has to be far out of what the meter counts, or it is a reset that follows soon upon another.
RISES = f"""
with falls as (select * from pg_temp.ordered where register < before),
usual as (select percentile_disc(0.5) within group (order by register - before) as step from pg_temp.ordered where register > before),
rise as (
    select f.machine_id, f.energy_type, r.time, f.time as until
    from falls f cross join lateral (
        select o.time, o.register, o.before from pg_temp.ordered o
        where o.machine_id = f.machine_id and o.energy_type = f.energy_type and o.time < f.time
        order by o.time desc limit {BACK_WITHIN}) r
    cross join usual u
    where r.before <= f.register and r.register > f.register and r.register - r.before >= 0.9 * (f.before - f.register)
      and r.register - r.before > 10 * u.step)
select distinct o.line, 'the register rises to ' || trim_scale(o.register) || ' and comes back: it is left out'
from pg_temp.ordered o join rise r on r.machine_id = o.machine_id and r.energy_type = o.energy_type
where o.time >= r.time and o.time < r.until"""


@dataclass
class Increments:
    """What was found: lines of resets and rollovers, first readings, and increments that end a gap."""

    resets: list[int] = field(default_factory=list)
    rollovers: list[int] = field(default_factory=list)
    first: int = 0
    gaps: int = 0


def turn(session: psycopg.Connection, staged: Staged, width: Decimal | None, intervals: dict[str, float], given: bool) -> Increments:
    """Put energy_kwh, and power_kw unless the file has it, into staging from its column `register`, kWh.

    The increment goes to the reading that ends it; its power is the mean since the one before. A machine's first
    reading has no increment and is left out. Rows whose register falls to what is no start are refused.
    """
    found = Increments()
    _order(session)
    readings, falls = session.execute("select count(*), count(*) filter (where register < before) from pg_temp.ordered").fetchone()
    if falls > MOST_FALLS and falls * 50 > readings:
        raise Failure(f"the register falls {falls:,} times in {readings:,} readings: it is no meter's register; map the column to energy_kwh", code=2)
    refused = 0
    # What rises first: after it nothing is left that a fall before it would seem to come back to.
    for strays in RISES, FALLS:
        if left_out := staging.refuse(session, strays):
            refused += left_out
            _order(session)
    # Of three increments in four, since the largest may be what is wrong.
    usual = session.execute(
        "select coalesce(percentile_disc(0.75) within group (order by register - before), 0)::numeric from pg_temp.ordered where register > before"
    ).fetchone()[0]
    session.execute("alter table pg_temp.ordered add column added numeric")
    for line, now, before in session.execute("select line, register, before from pg_temp.ordered where register < before order by line").fetchall():
        end = width or Decimal(10) ** len(str(int(before)))
        over = end - before + now
        if before <= end and (over <= end / 10 if width else before >= NEAR_END * end and over <= 10 * usual):
            found.rollovers.append(line)
            session.execute("update pg_temp.ordered set added = %s where line = %s", [over, line])
        elif now <= 10 * usual:
            found.resets.append(line)
            session.execute("update pg_temp.ordered set added = register where line = %s", [line])
        else:
            reason = f"the register falls from {before.normalize():f} to {now.normalize():f}, neither to about 0 nor over its end"
            refused += staging.refuse(session, psycopg.sql.SQL("select {}::bigint, {}").format(line, reason).as_string(session))
    lengths = " ".join(f"when '{machine}' then {seconds}" for machine, seconds in intervals.items())
    found.gaps = session.execute(
        f"select count(*) from pg_temp.ordered where extract(epoch from time - since) > 1.5 * case machine_id {lengths} end"
    ).fetchone()[0] if lengths else 0  # fmt: skip
    power = "" if given else ", power_kw = coalesce(o.added, o.register - o.before) * 3600 / nullif(extract(epoch from o.time - o.since), 0)"
    session.execute(
        f"update pg_temp.staging s set energy_kwh = coalesce(o.added, o.register - o.before){power} from pg_temp.ordered o where o.line = s.line"
    )
    found.first = session.execute(
        "delete from pg_temp.staging s using pg_temp.ordered o where o.line = s.line and o.before is null"
    ).rowcount
    return found


def _order(session: psycopg.Connection) -> None:
    """The registers of each machine in the order of time, with the reading before."""
    staging.refuse(session, "select line, 'the register is empty' from pg_temp.staging where register is null")
    session.execute("drop table if exists pg_temp.ordered")
    session.execute(
        "create temp table ordered as select line, time, machine_id, energy_type, register, lag(register) over w as before, lag(time) over w as since"
        " from pg_temp.staging window w as (partition by machine_id, energy_type order by time)"
    )
