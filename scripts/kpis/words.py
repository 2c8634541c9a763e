"""Plain words for the report: periods, changes, and what matters most in a few sentences."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from scripts.kpis import notes
from scripts.kpis.figures import Figures, Machine, Site
from scripts.kpis.ranges import Span
from scripts.kpis.table import length

NONE = "–"
# A period that lacks more than a tenth of the other's readings lacks their energy too.
LEAST_COVERAGE = Decimal("0.9")


def is_months(span: Span) -> bool:
    """True if the range is whole local months."""
    return all((end.day, end.hour, end.minute, end.second, end.microsecond) == (1, 0, 0, 0, 0) for end in (span.start, span.end))


def period(span: Span) -> str:
    """The range as people name it: a month, a day, a week, else its ends."""
    first, last = span.start, span.end
    if all(end.time() == datetime.min.time() for end in (first, last)):
        days, final = (last.date() - first.date()).days, last.date() - timedelta(days=1)
        if is_months(span) and days <= 31:
            return f"{first:%B %Y}"
        if days == 1:
            return f"{first:%A}, {day(first)} {first.year}"
        if days == 7 and first.weekday() == 0:
            return f"week {first.isocalendar().week}, {day(first)} to {day(final)} {final.year}"
        return f"{day(first)} {first.year} to {day(final)} {final.year}"
    if first.date() == last.date():
        return f"{first:%A}, {day(first)} {first.year}, {first:%H:%M} to {last:%H:%M}"
    return f"{day(first)} {first.year} {first:%H:%M} to {day(last)} {last.year} {last:%H:%M}"


def day(time) -> str:
    """A day without its year: 5 October."""
    return f"{time.day} {time:%B}"


def one(step: str) -> str:
    """One of a profile's steps: day of days."""
    return {"6 hours": "six hours", "centuries": "century"}.get(step, step.removesuffix("s"))


def number(value: Decimal | int | None, places: int = 0) -> str:
    """A number with thousands parted, a dash for none."""
    return NONE if value is None else f"{value:,.{places}f}"


def kw(value: Decimal | None) -> str:
    """A power with one decimal, two where it is small."""
    return number(value, 2 if value is not None and abs(value) < 10 else 1 if value is not None and abs(value) < 1000 else 0)


def kwh(value: Decimal | None) -> str:
    """An energy or a mass: whole from a hundred on."""
    return number(value, 0 if value is None or abs(value) >= 100 else 1)


def share(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """Percent of the whole."""
    return part / whole * 100 if part is not None and whole else None


def change(now: Decimal | None, before: Decimal | None) -> str:
    """By how much more or less, in percent; nothing where there is nothing to compare with."""
    if now is None or not before:
        return NONE
    percent = (now - before) / before * 100
    return "±0 %" if abs(percent) < Decimal("0.05") else f"{'+' if percent > 0 else '−'}{abs(percent):,.1f} %"


def compared(now: Decimal | None, before: Decimal | None) -> str:
    """The same in a sentence."""
    text = change(now, before)
    return {"+": f"{text[1:]} more than", "−": f"{text[1:]} less than", "±": "as much as"}.get(text[0], "") if text != NONE else ""


def alike(coverages: Sequence[Decimal | None]) -> bool:
    """Whether the data coverages of two periods are near enough to compare what was measured in them."""
    lower, higher = sorted(coverage or Decimal(0) for coverage in coverages)
    return lower >= LEAST_COVERAGE * higher


def incomparable(site: Site, before: dict[UUID, Figures]) -> str:
    """Why the totals are not compared with the period before, whose figures by machine are given; nothing where they are."""
    periods = site.figures, before
    now, then = ([m for m in site.machines if figures[m.id].has_readings] for figures in periods)
    if not site.asked.before or not now:
        return ""
    new, gone = [m for m in now if m not in then], [m for m in then if m not in now]
    # By energy, so that a small machine's gaps count for little.
    energy = {m: sum(figures[m.id].energy_kwh or 0 for figures in periods) for m in now}
    coverages = [sum(energy[m] * (figures[m.id].data_coverage_percent or 0) for m in now) / (sum(energy.values()) or 1) for figures in periods]
    if not then:
        reasons = ["it has no readings"]
    elif new or gone:
        reasons = [f"it has no readings of {notes.names(new)}"] * bool(new) + [f"this period has no readings of {notes.names(gone)}"] * bool(gone)
    elif not alike(coverages):
        reasons = [f"it has {coverages[1]:.0f} % of its readings, this period has {coverages[0]:.0f} %"]
    else:
        return ""
    return f"The totals are not compared with {period(site.asked.before)}: {'; '.join(reasons)}."


def per_day(site: Site, before: Figures) -> str:
    """What the change in energy is per day where the periods' lengths differ; nothing where they don't."""
    spans = site.asked.span, site.asked.before
    days = [(span.end.replace(tzinfo=None) - span.start.replace(tzinfo=None)) / timedelta(days=1) for span in spans]
    if abs(days[0] - days[1]) < 0.01 or not site.total or not site.total.energy_kwh or not before.energy_kwh:
        return ""
    rates = [figures.energy_kwh / Decimal(count) for figures, count in zip((site.total, before), days)]
    lengths = f"The periods have {length(spans[0])} and {length(spans[1])}"
    return f"{lengths}; per day, the energy is {compared(*rates)} before."


def in_short(site: Site, before: Figures, ranked: list[Machine], anomalies: int, unresolved: int) -> list[str]:
    """What matters most, a sentence each."""
    total = site.total
    if not total or not total.has_readings:
        return ["There is no reading of this factory in this period."]
    against = compared(total.energy_kwh, before.energy_kwh) if before.has_readings else ""
    than = f", {against} before ({period(site.asked.before)}: {kwh(before.energy_kwh)} kWh)" if against else ""
    found = [f"The factory used {kwh(total.energy_kwh)} kWh of electricity{than}."]
    if text := per_day(site, before) if before.has_readings else "":
        found.append(text)
    if total.peak_demand_kw is not None:
        at = total.peak_time
        found.append(f"The highest quarter-hour drew {kw(total.peak_demand_kw)} kW, on {at:%A}, {day(at)} at {at:%H:%M}.")
    if ranked and total.energy_kwh and (energy := site.figures[ranked[0].id].energy_kwh) is not None:
        found.append(f"{ranked[0].name} used the most: {kwh(energy)} kWh, {share(energy, total.energy_kwh):.0f} % of it all.")
    if total.currency:
        against = compared(total.cost, before.cost) if before.currency == total.currency else ""
        found.append(f"The energy cost {number(total.cost, 2)} {total.currency}{f', {against} before' if against else ''}.")
    if total.co2_kg:
        found.append(f"It stands for {kwh(total.co2_kg)} kg of CO2.")
    if anomalies:
        left = "all of them resolved" if not unresolved else f"{unresolved} of them not yet resolved"
        found.append(f"{anomalies} {'anomaly was' if anomalies == 1 else 'anomalies were'} found, {left}.")
    return found
