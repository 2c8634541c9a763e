"""The report for the monthly meeting: one HTML file that needs nothing else, written for people and for paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from psycopg.rows import namedtuple_row

from scripts.kpis import charts, figures, notes, profiles, words
from scripts.kpis.figures import Figures, Machine, Site
from scripts.kpis.profiles import Profile

MOST_ANOMALIES = 15
NOTHING = Figures({}, False)
SUMS = """
select k.total_energy_kwh as energy_kwh, case when k.currency is not null then k.total_cost end as cost, k.total_co2_kg as co2_kg
from unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) with ordinality q (first, last, n)
cross join lateral public.get_factory_summary(%(factory)s, q.first, q.last) k
order by q.n
"""
SEC = """
select u.machine_id, array_agg(k.sec_kwh_per_unit order by q.n) as values
from unnest(%(machines)s::uuid[]) u (machine_id)
cross join unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) with ordinality q (first, last, n)
left join lateral public.calculate_sec(u.machine_id, q.first, q.last) k on true
group by 1
"""
# The tariff of each quarter-hour, as the KPI functions choose it.
TARIFFS = """
select t.name, t.rate_per_kwh as rate, t.currency, round(sum(s.kwh), 3) as kwh, round(sum(s.kwh * t.rate_per_kwh), 2) as cost
from (select e.slice, sum(e.energy_kwh) as kwh
      from enms.energy_slices(array(select m.id from public.machines m where m.factory_id = %(factory)s), %(first)s, %(last)s, false) e
      group by 1) s
left join lateral (
    select o.id, o.name, o.rate_per_kwh, o.currency
    from public.energy_tariffs o
    where o.factory_id = %(factory)s and enms.tariff_applies(o, s.slice at time zone coalesce(o.timezone, %(zone)s))
    order by o.is_time_of_use desc
    limit 1) t on true
group by t.id, t.name, t.rate_per_kwh, t.currency
order by 5 desc nulls last, 1
"""
# By currency; none is told of a month that has two.
DEMAND = """
select b.currency, sum(b.demand_charge) as amount
from public.v_monthly_cost_breakdown b
where b.machine_id = any (%(machines)s) and b.month >= %(first_day)s and b.month < %(last_day)s and b.demand_charge > 0
group by 1
order by 1
"""
ANOMALIES = """
select a.detected_at at time zone %(zone)s as at, m.name as machine, a.anomaly_type as kind, a.severity::text, a.metric_name as metric,
       a.metric_value as value, a.expected_value as expected, a.is_resolved, count(*) over () as found,
       count(*) filter (where not a.is_resolved) over () as unresolved
from public.anomalies a
join public.machines m on m.id = a.machine_id
where m.factory_id = %(factory)s and a.detected_at >= %(first)s and a.detected_at < %(last)s
order by a.severity desc, a.detected_at desc
"""
BASELINES = """
select b.machine_name as machine, b.model_name as model, b.r_squared, b.last_trained at time zone %(zone)s as trained, b.baseline_status as status
from public.v_baseline_compliance b
where b.machine_id = any (%(machines)s)
order by 1, 2
"""


@dataclass(frozen=True)
class Paper:
    """All that a factory's pages show."""

    site: Site
    period: str
    # What a bar of the charts is: day, hour ...
    step: str
    before_period: str
    # Without values where they are not to be compared.
    before: Figures
    before_machines: dict[UUID, Figures]
    ranked: list[Machine]
    in_short: list[str]
    notes: list[str]
    charts: dict[str, Markup]
    sec_charts: list[tuple[str, Markup]]
    tariffs: Sequence[Any]
    demand: Sequence[Any]
    anomalies: Sequence[Any]
    baselines: Sequence[Any]


def render(session: psycopg.Connection, sites: list[Site]) -> str:
    """The whole report; the session is in the snapshot that the sites were read in."""
    papers = [_paper(session, site) for site in sites]
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {"words": words, "nothing": NOTHING, "most_anomalies": MOST_ANOMALIES}
    return environment.get_template("report.html").render(papers=papers, made=sites[0].asked.now if sites else None)


def _paper(session: psycopg.Connection, site: Site) -> Paper:
    asked = site.asked
    before, before_machines = NOTHING, {m.id: NOTHING for m in site.machines}
    if asked.before:
        before_machines = figures.of_machines(session, list(before_machines), asked.before, asked.zone)
    if not (incomparable := words.incomparable(site, before_machines)) and asked.before:
        before = figures.of_factory(session, site.id, asked.before, asked.zone)
    changes = {
        key: then if words.alike([site.figures[key].data_coverage_percent, then.data_coverage_percent]) else NOTHING
        for key, then in before_machines.items()
    }
    step = "hours" if asked.span.length <= timedelta(hours=50) else "days" if asked.span.length <= timedelta(days=31.1) else profiles.suitable(asked)
    profile = profiles.read(session, site.id, asked, step)
    ends = {"factory": site.id, "first": asked.span.start, "last": asked.span.end, "zone": asked.zone}
    starts = [max(start, asked.span.start) for start in profile.starts]
    buckets = {**ends, "starts": starts, "ends": [*starts[1:], asked.span.end]}
    ranked = sorted(site.shown, key=lambda m: (-(site.figures[m.id].energy_kwh or 0), m.name))
    making = [m for m in ranked if site.figures[m.id].production_units][: charts.MOST_SECS]
    sec = {row.machine_id: row.values for row in _rows(session, SEC, {**buckets, "machines": [m.id for m in making]})}
    quarters = figures.together(session, site.id, asked.span, asked.zone)
    machines = [m.id for m in site.machines]
    days = {"first_day": asked.span.start.date(), "last_day": asked.span.end.date()}
    months = words.is_months(asked.span)
    demand = _rows(session, DEMAND, {**days, "machines": machines}) if months else []
    drawn = _charts(site, profile, ranked, _sums(session, buckets), quarters)
    anomalies = _rows(session, ANOMALIES, ends)
    return Paper(
        site, words.period(asked.span), words.one(profile.step), words.period(asked.before) if asked.before else "", before, changes, ranked,
        words.in_short(site, before, ranked, len(anomalies), anomalies[0].unresolved if anomalies else 0),
        notes.of_site(site) + [incomparable] * bool(incomparable),
        drawn, [(m.name, charts.line(profile, sec[m.id], m.name, height=150)) for m in making],
        _rows(session, TARIFFS, ends), demand, anomalies,
        _rows(session, BASELINES, {**ends, "machines": machines}),
    )  # fmt: skip


def _charts(site: Site, profile: Profile, ranked: list[Machine], sums: Sequence[Any], quarters: list[tuple[datetime, Decimal]]) -> dict[str, Markup]:
    found = dict.fromkeys(("energy", "cost", "co2", "load", "duration"), Markup())
    if not any(site.figures[m.id].has_readings for m in ranked):
        return found
    found |= {"energy": charts.stacked(profile, [(m.name, profile.energy_kwh[m.id]) for m in ranked if m.id in profile.energy_kwh])}
    if sums and site.total and site.total.currency:
        found["cost"] = charts.bars(profile, [row.cost for row in sums], "Cost")
    if sums:
        found["co2"] = charts.bars(profile, [row.co2_kg for row in sums], "CO2")
    if quarters:
        found["load"] = charts.day_profiles(quarters)
        found["duration"] = charts.duration([kw for _, kw in quarters])
    return found


def _sums(session: psycopg.Connection, parameters: dict[str, Any]) -> Sequence[Any]:
    """Energy, cost and CO2 of each bucket; none where a bucket has two currencies, which the notes tell."""
    try:
        with session.transaction():
            return _rows(session, SUMS, parameters)
    except psycopg.errors.InvalidParameterValue:
        return []


def _rows(session: psycopg.Connection, statement: str, parameters: dict[str, Any]) -> Sequence[Any]:
    with session.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(statement, parameters).fetchall()
