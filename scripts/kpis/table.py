"""The figures as tables for a terminal: a row per machine, its load profile as a line of bars."""

import io
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from scripts.console import plain, screen
from scripts.kpis import notes
from scripts.kpis.figures import Figures, Machine, Site
from scripts.kpis.profiles import sparkline
from scripts.kpis.ranges import Asked, Span

NONE = "-"
# Columns of a file or a pipe, and of a machine's name before it is folded on a terminal.
WHOLE, LONGEST = 1000, 32
# The first stands for a gap; the highest leaves room to the line above.
BARS, PLAIN_BARS = "·▁▂▃▄▅▆▇", " .:-=+*#"


def show(sites: list[Site]) -> None:
    """Print the factories on stdout."""
    # Piped, a machine is one whole line.
    with screen(WHOLE) as console:
        draw(sites, console)


def as_text(sites: list[Site]) -> str:
    """The same for a file."""
    file = io.StringIO()
    draw(sites, Console(file=file, highlight=False, width=WHOLE))
    return file.getvalue()


def draw(sites: list[Site], console: Console) -> None:
    """Print the factories on a console, as wide as it is."""
    bars = BARS if can_draw(console.encoding) else PLAIN_BARS
    for number, site in enumerate(sites):
        if number:
            console.print()
        console.print(Text.assemble((plain(site.name), "bold"), plain(f", {site.location}" if site.location else "")))
        console.print(Text(in_words(site.asked), style="dim"))
        if site.shown:
            for folded, gap in (False, 2), (False, 1), (True, 1):
                table = build(site, bars, folded, gap)
                if Measurement.get(console, console.options.update_width(WHOLE), table).maximum <= console.width:
                    break
            console.print(table)
        for note in notes.of_site(site):
            console.print(Text.assemble(("! ", "yellow"), plain(note)))


def can_draw(encoding: str) -> bool:
    """True if the terminal's encoding has the bars."""
    try:
        BARS.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def in_words(asked: Asked) -> str:
    """The range in the factory's local time, and its length; its end is not part of it."""
    first, last = asked.span.start, asked.span.end
    # Not by %Y, which leaves out a year's leading zeros.
    start, end = (f"{time:%a} {time.replace(tzinfo=None).isoformat(' ', 'minutes')}" for time in (first, last))
    return f"{start} until {end} {asked.zone}, {length(asked.span)}"


def length(span: Span) -> str:
    """Local days, or the hours and minutes that pass."""
    days = (span.end.replace(tzinfo=None) - span.start.replace(tzinfo=None)).total_seconds() / 86400
    minutes = span.length.total_seconds() / 60
    return f"{days:.1f} days".replace(".0 ", " ") if days >= 2 else f"{minutes / 60:.1f} h".replace(".0 ", " ") if minutes >= 90 else f"{minutes:.0f} min"


def build(site: Site, bars: str, folded: bool, gap: int) -> Table:
    """The table of a factory; folded, the profile stands under the name, the peak's time under the peak, the coverage under the load factor."""
    every = [site.figures[machine.id] for machine in site.shown] + ([site.total] if site.total else [])
    energy, energy_unit = column((f.energy_kwh for f in every), 1, ("kWh", "MWh"))
    power, _ = column((f.peak_demand_kw for f in every), 2)
    sec, _ = column((f.sec_kwh_per_unit for f in every), 4)
    co2, co2_unit = column((f.co2_kg for f in every), 1, ("kg", "t"))
    cost, currency = money(every, 10_000 if folded else 100_000)
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    profile = f"Load by {site.profile_step}"
    table.add_column(f"Machine\n{profile}" if folded else "Machine", overflow="fold", max_width=LONGEST)
    headings = [f"Energy\n{energy_unit}", "Peak kW\nat" if folded else "Peak\nkW", "Load\nfactor" + ("\ndata" if folded else ""),
                "SEC\nkWh/\nunit" if folded else "SEC kWh\nper unit", f"Cost\n{currency}", f"CO2\n{co2_unit}"]  # fmt: skip
    if not folded:
        headings.insert(2, "at")
        headings.append("Data\n%")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    if not folded:
        table.add_column(profile, no_wrap=True)
    lines = [(label(machine), site.figures[machine.id], sparkline(site.profiles[machine.id], bars)) for machine in site.shown]
    for name, figures, load in [*lines, *([(Text("All machines"), site.total, "")] if site.total else [])]:
        if not figures.has_readings:
            figures = Figures({"data_coverage_percent": figures.data_coverage_percent}, False, figures.error)
        when, data = at(figures.peak_time, site.asked), figures.data_coverage_percent
        factor = NONE if figures.load_factor is None else f"{figures.load_factor:.2f}"
        paid = "error" if figures.error and figures.cost is None else cost(figures.cost if figures.currency else None)
        cells = [energy(figures.energy_kwh), power(figures.peak_demand_kw), factor, sec(figures.sec_kwh_per_unit), paid, co2(figures.co2_kg)]
        style = "bold" if figures is site.total else None
        if folded:
            cells[1] += f"\n{when}" if when else ""
            cells[2] += "" if data is None else f"\n{data:.0f} %"
            table.add_row(Text.assemble(name, "\n", (load, "cyan")), *cells, style=style)
        else:
            cells.insert(2, when)
            table.add_row(name, *cells, "" if data is None else f"{data:.0f}", Text(load, style="cyan"), style=style)
    # Where the room is short, names are folded, never numbers.
    for numbers in table.columns[1:]:
        numbers.min_width = max((len(line) for cell in numbers.cells for line in str(cell).split("\n")), default=0)
    return table


def label(machine: Machine) -> Text:
    """The machine's name, and that it is retired."""
    return Text(plain(machine.name) + ("" if machine.is_active else " (retired)"))


def column(values: Iterable[Decimal | None], places: int, units: tuple[str, str] | None = None) -> tuple[Callable[[Decimal | None], str], str]:
    """How a column's numbers are written, all with as many decimals, fewer the larger they are, and their unit: the larger from a million on."""
    highest = max((abs(value) for value in values if value is not None), default=Decimal(0))
    unit, scale = (units[1], 1000) if units and highest >= 1_000_000 else (units[0] if units else "", 1)
    decimals = max(0, places - max(0, (len(str(int(highest / scale))) - 1) // 2))
    return lambda value: NONE if value is None else f"{value / scale:,.{decimals}f}", unit


def money(every: list[Figures], whole_from: int) -> tuple[Callable[[Decimal | None], str], str]:
    """How a column of money is written, without cents from an amount on, and its currency."""
    highest = max((figures.cost for figures in every if figures.cost is not None), default=Decimal(0))
    decimals = 2 if highest < whole_from else 0
    currencies = {figures.currency for figures in every if figures.currency}
    return lambda value: NONE if value is None else f"{value:,.{decimals}f}", currencies.pop() if len(currencies) == 1 else ""


def at(time: datetime | None, asked: Asked) -> str:
    """A local time, as short as the range allows: of a day the hour, of a month the day too."""
    if time is None:
        return ""
    days = asked.span.length.total_seconds() / 86400
    if days <= 1.1:
        return f"{time:%H:%M}"
    return f"{time:%a %H:%M}" if days <= 7.1 else f"{time:%d. %H:%M}" if days <= 31.1 else f"{time:%m-%d %H:%M}" if days <= 366.1 else f"{time:%Y-%m-%d}"
