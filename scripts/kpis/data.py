"""The figures for programs: CSV and JSON, as exact as the database gives them, under names that stay."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from scripts.kpis import notes
from scripts.kpis.figures import Figures, Machine, Site
from scripts.kpis.ranges import Span

# Energy kWh, power kW, CO2 kg, money in `currency`; times with offset, _utc in UTC and _local in the factory's zone.
RANGE = ("timezone", "range_start_utc", "range_end_utc", "range_start_local", "range_end_local")
FIGURES = (
    "has_readings", "energy_kwh", "avg_power_kw", "peak_demand_kw", "peak_time_utc", "peak_time_local", "load_factor", "production_units",
    "sec_kwh_per_unit", "cost", "currency", "cost_per_unit", "unpriced_energy_kwh", "co2_kg", "co2_per_unit_kg", "unfactored_energy_kwh",
    "data_coverage_percent", "error",
)  # fmt: skip
COLUMNS = ("row", "factory", "factory_id", "machine", "machine_id", "is_active", *RANGE, *FIGURES)


def as_csv(sites: list[Site]) -> str:
    """A header, and for each factory a row per machine and one of the factory; what there is not is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for site in sites:
        head = {"factory": site.name, "factory_id": site.id, **_range(site)}
        for machine in site.shown:
            writer.writerow(_plain({"row": "machine", **head, **_machine(machine), **_figures(site.figures[machine.id])}))
        if site.total:
            writer.writerow(_plain({"row": "factory", **head, **_figures(site.total)}))
    return text.getvalue()


def as_json(sites: list[Site]) -> str:
    """The same by factory: its range, its machines, its totals (null where only some machines were asked for) and its notes."""
    content = {
        "made_at_utc": _utc(sites[0].asked.now) if sites else None,
        "factories": [
            {
                "factory": site.name,
                "factory_id": site.id,
                **_range(site),
                "machines": [{**_machine(machine), **_figures(site.figures[machine.id])} for machine in site.shown],
                "totals": _figures(site.total) if site.total else None,
                "notes": notes.of_site(site),
            }
            for site in sites
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, default=_number) + "\n"


def _range(site: Site) -> dict[str, Any]:
    span: Span = site.asked.span
    ends = {"start": span.start, "end": span.end}
    return {
        "timezone": site.asked.zone,
        **{f"range_{name}_utc": _utc(end) for name, end in ends.items()},
        **{f"range_{name}_local": end.isoformat() for name, end in ends.items()},
    }


def _machine(machine: Machine) -> dict[str, Any]:
    return {"machine": machine.name, "machine_id": machine.id, "is_active": machine.is_active}


def _figures(figures: Figures) -> dict[str, Any]:
    peak = figures.peak_time
    times = {"peak_time_utc": peak and _utc(peak), "peak_time_local": peak and peak.isoformat()}
    known = {**figures.values, **times, "has_readings": figures.has_readings, "error": figures.error}
    return {name: known.get(name) for name in FIGURES}


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in row.items()}


def _number(value: Any) -> Any:
    # At most fifteen digits, which a float gives back as they were.
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.as_tuple().exponent >= 0 else float(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)
