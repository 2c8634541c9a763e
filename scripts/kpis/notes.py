"""What an energy manager has to know before the figures are passed on."""

from decimal import Decimal

from scripts.kpis.figures import Machine, Site

# Under this, gaps are worth a look: a day of a month, or three quarters of an hour of a day.
LOW_COVERAGE = Decimal(97)
MOST_NAMES = 8
UNCOUNTED = (
    ("unpriced_energy_kwh", "Unpriced", "no tariff prices it, and the cost leaves it out"),
    ("unfactored_energy_kwh", "Without emission factor", "no factor is valid on those days, and CO2 leaves it out"),
)


def of_site(site: Site) -> list[str]:
    """Notes on a factory's figures, the gravest first; each a sentence or two."""
    found = []
    errors: dict[str, list[Machine]] = {}
    for machine in site.shown:
        if error := site.figures[machine.id].error:
            errors.setdefault(error, []).append(machine)
    found += [refused(names(of), error) for error, of in errors.items()]
    if site.total and site.total.error:
        found.append(refused("All machines", site.total.error))
    read = [m for m in site.shown if site.figures[m.id].has_readings]
    silent = [m for m in site.shown if not site.figures[m.id].has_readings and not site.figures[m.id].error]
    if not site.machines:
        found.append("The factory has no machine.")
    elif not read and silent:
        found.append("No machine has a reading in this range.")
    elif silent:
        found.append(f"No readings: {names(silent)}.")
    low = [m for m in read if (percent := site.figures[m.id].data_coverage_percent) is not None and percent < LOW_COVERAGE]
    if low:
        shares = ", ".join(f"{m.name} {site.figures[m.id].data_coverage_percent:.0f} %" for m in low[:MOST_NAMES]) + more(low)
        found.append(f"Readings are missing: {shares} present. Energy, cost and CO2 of the gaps are not counted.")
    for column, kind, lack in UNCOUNTED:
        if of := [m for m in read if site.figures[m.id].values.get(column)]:
            kwh = sum((site.figures[m.id].values[column] for m in of), Decimal(0))
            found.append(f"{kind}: {kwh:,.1f} kWh of {names(of)}; {lack}.")
    retired = [m for m in read if not m.is_active]
    if retired:
        found.append(f"Retired, with readings in this range, and counted: {names(retired)}.")
    if site.asked.span.end > site.asked.now:
        found.append("The range ends in the future; until then its readings count as missing.")
    return found


def refused(name: str, error: str) -> str:
    """What a database error means for a row of figures."""
    if " is priced in " in error:
        return f"{name}: no cost, {error}. Ask for each currency's part of the range by itself."
    return f"{name}: no figures, {error}."


def names(machines: list[Machine]) -> str:
    """The machines' names in a line, not too many."""
    return ", ".join(m.name for m in machines[:MOST_NAMES]) + more(machines)


def more(machines: list[Machine]) -> str:
    """How many a line of names leaves out."""
    return f" and {len(machines) - MOST_NAMES} more" if len(machines) > MOST_NAMES else ""
