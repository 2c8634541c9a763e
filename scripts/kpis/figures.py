"""What the KPI functions say of each machine and factory in its range, and what they refuse."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from scripts.kpis.ranges import Asked, Span, local

# As calculate_all_kpis and calculate_peak_demand publish them, of all machines of a factory in one go: on Apache-2, where all is
# read from raw, a call for each machine would read the whole plant each time. Of two currencies all but the money is given.
MACHINES = """
select k.machine_id as id, k.readings > 0 as has_readings,
       round(k.energy_kwh, 3) as energy_kwh, round(coalesce(k.avg_power_kw, 0), 3) as avg_power_kw, round(k.peak_kw, 3) as peak_demand_kw,
       p.at as peak_time, p.at at time zone %(zone)s as peak_wall,
       round(k.load_factor, 4) as load_factor, k.units as production_units, round(k.energy_kwh / nullif(k.units, 0), 4) as sec_kwh_per_unit,
       case when not c.two then round(k.cost, 2) end as cost, case when not c.two then k.first_currency end as currency,
       case when not c.two then round(k.cost / nullif(k.units, 0), 4) end as cost_per_unit,
       round(k.energy_kwh - k.priced_kwh, 3) as unpriced_energy_kwh, round(k.co2_kg, 3) as co2_kg,
       round(k.co2_kg / nullif(k.units, 0), 6) as co2_per_unit_kg, round(k.energy_kwh - k.factored_kwh, 3) as unfactored_energy_kwh,
       round(k.coverage_percent, 2) as data_coverage_percent,
       case when c.two then format('the range is priced in %%s and in %%s', k.first_currency, k.last_currency) end as error
from enms.machine_figures(%(ids)s::uuid[], %(first)s, %(last)s) k
cross join lateral (
    select enms.peak_time(k.machine_id, k.peak_slice, k.peak_kw) as at) p
cross join lateral (select k.first_currency is distinct from k.last_currency as two) c
"""
SUMMARY = """
select k.total_energy_kwh as energy_kwh, k.avg_load_factor as load_factor, k.total_cost as cost, k.currency,
       k.unpriced_energy_kwh, k.total_co2_kg as co2_kg, k.unfactored_energy_kwh
from public.get_factory_summary(%(id)s, %(first)s, %(last)s) k
"""
SUMMARY_BUT_COST = """
select round(coalesce(sum(k.energy_kwh), 0), 3) as energy_kwh, round(coalesce(sum(k.co2_kg), 0), 3) as co2_kg,
       round(coalesce(sum(k.energy_kwh - k.priced_kwh), 0), 3) as unpriced_energy_kwh,
       round(coalesce(sum(k.energy_kwh - k.factored_kwh), 0), 3) as unfactored_energy_kwh,
       round(round(sum(k.load_factor * k.energy_kwh)
                   / nullif(sum(k.energy_kwh) filter (where k.load_factor is not null), 0), 9), 4) as load_factor
from enms.machine_figures(
    array(select m.id from public.machines m where m.factory_id = %(id)s), %(first)s, %(last)s, p_with_units => false) k
"""
# A factory's own peak: of all its machines together, which is less than the sum of theirs.
TOGETHER = """
select s.slice, sum(s.peak_kw) as kw, (s.slice at time zone %(zone)s) as wall
from enms.energy_slices(array(select m.id from public.machines m where m.factory_id = %(id)s), %(first)s, %(last)s, false) s
where s.peak_kw is not null
group by 1
"""
# Beginnings of SQLSTATE: values that cannot be worked with, and what a function refuses.
OF_DATA = "22", "P0001", "P0002"
MEASURES = (
    "energy_kwh", "avg_power_kw", "peak_demand_kw", "peak_time", "load_factor", "production_units", "sec_kwh_per_unit", "cost",
    "currency", "cost_per_unit", "unpriced_energy_kwh", "co2_kg", "co2_per_unit_kg", "unfactored_energy_kwh", "data_coverage_percent",
)  # fmt: skip


@dataclass(frozen=True)
class Figures:
    """A machine's or a factory's figures by their names, None where there is none; what the database refused, if it did."""

    values: dict[str, Any]
    has_readings: bool
    error: str | None = None

    def __getattr__(self, name: str) -> Any:
        if name not in MEASURES:
            raise AttributeError(name)
        return self.values.get(name)


@dataclass(frozen=True)
class Machine:
    """A row of machines."""

    id: UUID
    factory_id: UUID
    name: str
    is_active: bool


@dataclass(frozen=True)
class Site:
    """A factory with its range and machines, the figures of each and of all."""

    id: UUID
    name: str
    location: str | None
    asked: Asked
    machines: list[Machine]
    figures: dict[UUID, Figures]
    # None where only some machines are shown.
    total: Figures | None
    profiles: dict[UUID, list[Decimal | None]] = field(default_factory=dict)
    profile_step: str = ""

    @property
    def shown(self) -> list[Machine]:
        """Active machines, and the retired ones that have readings in the range."""
        return [m for m in self.machines if m.is_active or self.figures[m.id].has_readings or self.figures[m.id].error]


def of_machines(connection: psycopg.Connection, ids: list[UUID], span: Span, zone: str) -> dict[UUID, Figures]:
    """Figures of machines of one factory; where the database refuses them, one by one, so that an error stays with its machine."""
    parameters = {"ids": ids, "first": span.start, "last": span.end, "zone": zone}
    try:
        rows = _rows(connection, MACHINES, parameters) if ids else []
    except psycopg.Error as error:
        _own(error)
        if len(ids) > 1:
            return {key: value for one in ids for key, value in of_machines(connection, [one], span, zone).items()}
        return {ids[0]: Figures({}, False, error.diag.message_primary or str(error))}
    for row in rows:
        row["peak_time"] = row["peak_time"] and local(row["peak_time"], row["peak_wall"])
    return {row["id"]: Figures(row, row["has_readings"], row["error"]) for row in rows}


def of_factory(connection: psycopg.Connection, factory: UUID, span: Span, zone: str) -> Figures:
    """Figures of a factory; the peak is that of all machines together."""
    parameters = {"id": factory, "first": span.start, "last": span.end, "zone": zone}
    error = None
    try:
        row = _rows(connection, SUMMARY, parameters)[0]
    except psycopg.errors.InvalidParameterValue as refused:
        error = refused.diag.message_primary
        row = _rows(connection, SUMMARY_BUT_COST, parameters)[0]
    highest = connection.execute(f"select t.slice, t.wall, round(t.kw, 3) from ({TOGETHER}) t order by round(t.kw, 12) desc, t.slice limit 1", parameters)
    for slice_, wall, kw in highest.fetchall():
        row |= {"peak_time": local(slice_, wall), "peak_demand_kw": kw}
    return Figures(row, "peak_time" in row or bool(row["energy_kwh"]), error)


def together(connection: psycopg.Connection, factory: UUID, span: Span, zone: str) -> list[tuple[datetime, Decimal]]:
    """Local start and mean power, kW, of all machines together in each quarter-hour wholly in the range."""
    parameters = {"id": factory, "first": span.start, "last": span.end, "zone": zone}
    return [(local(slice_, wall), kw) for slice_, kw, wall in connection.execute(f"{TOGETHER} order by 1", parameters).fetchall()]


def _rows(connection: psycopg.Connection, statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of a statement that may fail and leave the transaction as it was."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, parameters).fetchall()


def _own(error: psycopg.Error) -> None:
    """Raise what is no fault of one machine's readings: a lost connection, a timeout, a full disk, missing rights, another schema."""
    if not (error.sqlstate or "").startswith(OF_DATA):
        raise error
