"""Charts as inline SVG, still and self-contained; grey prints keep them apart by lightness, dashes and white gaps."""

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from xml.etree import ElementTree

import pygal
from markupsafe import Markup
from pygal.style import Style

from scripts.kpis.profiles import Profile

MOST_MACHINES = 6
MOST_SECS = 6
WIDTH = 720
# From dark to light in even steps, so that they differ in grey too.
SHADES = "#1d2b4f", "#2f6690", "#3a9a9a", "#84bf6b", "#d9cf5a", "#f0e6b8"
OTHERS = "#d0d0d0"
INK, FAINT = "#333333", "#d8d8d8"
QUARTERS = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in (0, 15, 30, 45)]
SVG = "{http://www.w3.org/2000/svg}"


def stacked(profile: Profile, machines: Sequence[tuple[str, Sequence[Decimal | None]]]) -> Markup:
    """Energy by bucket, kWh, the machines on top of each other, the smaller ones together."""
    shown = machines[: MOST_MACHINES if len(machines) <= MOST_MACHINES else MOST_MACHINES - 1]
    rest = machines[len(shown) :]
    colours = SHADES[: len(shown)] if not rest else (*SHADES[: len(shown)], OTHERS)
    chart = _labelled(pygal.StackedBar(**_common(colours, 225), spacing=2), profile)
    for name, values in shown:
        chart.add(name, _numbers(values))
    if rest:
        chart.add("others", [float(sum(v or 0 for v in column)) for column in zip(*(values for _, values in rest))])
    names = [name for name, _ in shown] + ([f"{len(rest)} others"] if rest else [])
    sums = [float(sum(v or 0 for v in column)) for column in zip(*(values for _, values in machines))]
    return _drawn(chart, 0, max(sums, default=0)) + _legend([(name, "fill:" + colour) for name, colour in zip(names, colours)])


def bars(profile: Profile, values: Sequence[Decimal | None], name: str) -> Markup:
    """One figure by bucket."""
    chart = _labelled(pygal.Bar(**_common(SHADES[1:], 165), spacing=2), profile)
    chart.add(name, _numbers(values))
    return _drawn(chart, *_ends(values))


def line(profile: Profile, values: Sequence[Decimal | None], name: str, height: int) -> Markup:
    """One figure by bucket, as a line that breaks at gaps."""
    options = _common(SHADES[1:], height) | {"width": WIDTH // 2, "show_dots": True, "dots_size": 2}
    chart = _labelled(pygal.Line(**options, include_x_axis=False, allow_interruptions=True), profile, most=6)
    chart.add(name, _numbers(values))
    known = [float(value) for value in values if value is not None] or [0.0]
    return _drawn(chart, min(known), max(known))


def day_profiles(quarters: Sequence[tuple[datetime, Decimal]]) -> Markup:
    """Power by time of day, kW: the day with the peak, and the mean workday and weekend day where there are some."""
    peak_day = max(quarters, key=lambda quarter: (quarter[1], -quarter[0].timestamp()))[0].date()
    days: dict[str, dict[str, list[Decimal]]] = defaultdict(lambda: defaultdict(list))
    kinds: dict[str, set[date]] = defaultdict(set)
    for start, kw in quarters:
        kind = "Mean Saturday and Sunday" if start.weekday() > 4 else "Mean Monday to Friday"
        kinds[kind].add(start.date())
        days[kind][f"{start:%H:%M}"].append(kw)
        if start.date() == peak_day:
            days["peak"][f"{start:%H:%M}"].append(kw)
    times = sorted({time for kind in days.values() for time in kind} | set(QUARTERS))
    series = [(f"{peak_day:%A}, {peak_day.day} {peak_day:%B}, the day of the peak", "peak", SHADES[0], {"width": 1.4, "dasharray": "2, 2"})]
    if len({start.date() for start, _ in quarters}) > 1:
        styles = (SHADES[2], {"width": 2.4}), ("#b3541e", {"width": 2, "dasharray": "6, 4"})
        series += [(f"{kind} ({len(kinds[kind])} days)", kind, *style) for kind, style in zip(sorted(kinds), styles) if kinds[kind]]
    chart = pygal.Line(**_common([colour for _, _, colour, _ in series], 225), show_dots=False, include_x_axis=True)
    # A gap breaks the line, but not where the readings come less often than the quarter-hours.
    chart.allow_interruptions = 2 * len(days["peak"]) > len(times)
    chart.x_labels = [time if time.endswith(":00") and not int(time[:2]) % 3 else "" for time in times]
    for name, kind, _, stroke in series:
        chart.add(name, _mean(days[kind], times), stroke_style=stroke)
    strokes = [(name, f"stroke:{colour};stroke-width:{s['width']};stroke-dasharray:{s.get('dasharray', 'none')}") for name, _, colour, s in series]
    return _drawn(chart, *_ends([kw for _, kw in quarters])) + _legend(strokes)


def _legend(entries: Sequence[tuple[str, str]]) -> Markup:
    items = (Markup('<li><svg width="22" height="10" viewBox="0 0 22 10"><path d="{}" style="{}"/></svg>{}</li>').format(
        "M8 0H22V10H8Z" if style.startswith("fill") else "M0 5H22", style, name) for name, style in entries)  # fmt: skip
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(items))


def duration(powers: Sequence[Decimal]) -> Markup:
    """Load duration curve: the quarter-hours' powers, kW, from the highest to the lowest."""
    ordered = sorted(powers, reverse=True)
    points = min(len(ordered), 201)
    chart = pygal.Line(**_common(SHADES[1:], 165), show_dots=False, fill=True, include_x_axis=True)
    steps = [round(n * (len(ordered) - 1) / max(points - 1, 1)) for n in range(points)]
    chart.x_labels = [f"{n * 100 // (points - 1)} %" if points > 20 and not n % ((points - 1) // 5) else "" for n in range(points)]
    chart.add("kW", [float(ordered[step]) for step in steps])
    return _drawn(chart, *_ends(ordered))


def _mean(by_time: dict[str, list[Decimal]], times: Sequence[str]) -> list[float | None]:
    return [float(sum(values) / len(values)) if (values := by_time.get(time)) else None for time in times]


def _ends(values: Sequence[Decimal | None]) -> tuple[float, float]:
    known = [float(value) for value in values if value is not None]
    return min([0.0, *known]), max([0.0, *known])


def _numbers(values: Sequence[Decimal | None]) -> list[float | None]:
    return [None if value is None else float(value) for value in values]


def _labelled(chart: pygal.Graph, profile: Profile, most: int = 16) -> pygal.Graph:
    form = {"hours": "%H:%M", "quarter-hours": "%H:%M", "months": "%b %Y", "years": "%Y", "centuries": "%Y"}.get(profile.step, "%-d %b")
    labels = [f"{start.day}" if profile.step == "days" and len(profile.starts) > 10 else start.strftime(form) for start in profile.starts]
    every = -(-len(labels) // most)
    # Equal labels, as of the hour that comes twice, are told apart by place.
    chart.x_labels = [label if not number % every else "" for number, label in enumerate(labels)]
    return chart


def _common(colours: Sequence[str], height: int) -> dict:
    style = Style(
        background="transparent", plot_background="transparent", foreground=INK, foreground_strong=INK, foreground_subtle=FAINT,
        opacity="1", opacity_hover="1", transition="0s", colors=tuple(colours), font_family="Helvetica, Arial, sans-serif",
        label_font_size=10, major_label_font_size=10, legend_font_size=11, guide_stroke_color=FAINT, major_guide_stroke_color=FAINT,
        guide_stroke_dasharray="none", major_guide_stroke_dasharray="none", stroke_width="1.6",
    )  # fmt: skip
    return {
        "style": style, "width": WIDTH, "height": height, "js": (), "show_legend": False,
        "truncate_label": -1, "margin": 8, "show_x_guides": False, "value_formatter": lambda value: f"{value:,.10g}",
    }  # fmt: skip


def _ticks(lowest: float, highest: float) -> list[float]:
    """Round marks of an axis, four to seven of them, that hold both ends."""
    span = highest - lowest or abs(highest) or 1.0
    rough = 10 ** math.floor(math.log10(span / 4))
    step = next(rough * factor for factor in (1, 2, 2.5, 5, 10) if span / (rough * factor) <= 5)
    return [float(f"{n * step:.12g}") for n in range(math.floor(lowest / step), math.ceil(highest / step) + 1)]


def _drawn(chart: pygal.Graph, lowest: float, highest: float) -> Markup:
    """The chart as SVG without script, comment or tooltip, its axis from the lowest to the highest value."""
    chart.y_labels = _ticks(lowest, highest)
    root = ElementTree.fromstring(chart.render())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{SVG}script", f"{SVG}title") or child.tag == f"{SVG}desc" or "tooltip" in child.get("class", "").split():
                parent.remove(child)
    ElementTree.register_namespace("", SVG[1:-1])
    return Markup(ElementTree.tostring(root, encoding="unicode"))
