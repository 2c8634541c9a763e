"""The referee for the SQL: every KPI figure and rollup row, computed from raw readings.

Plain Python and exact (Fractions until the last rounding). It shares nothing with init/, so
that an error there can't hide here. Ranges are half-open, [start, end); every datetime is
aware. Energy is kWh, power kW, rates currency per kWh, emission factors kg CO2 per kWh.

A KPI function gives a dict of column to value in the order of the SQL function's columns,
or None where SQL gives no row. It raises ValueError for a naive or empty range, two
currencies or two rates at once, and LookupError for an unknown machine or factory.
"""

from __future__ import annotations

import csv
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

MINUTE, QUARTER = timedelta(minutes=1), timedelta(minutes=15)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ELECTRICITY = frozenset({"electrical", "electricity", "energy"})
MODES = ("idle", "running", "maintenance", "fault", "offline")  # the enum's order
HOURS_OF = {"running": "running", "idle": "idle", "maintenance": "downtime",
            "fault": "downtime", "offline": "offline"}

Row = dict[str, Any]


@dataclass(frozen=True)
class EnergyReading:
    """power_kw at `time`, energy_kwh since the reading before."""
    time: datetime
    machine_id: UUID
    energy_type: str
    power_kw: Decimal
    energy_kwh: Decimal
    voltage_v: Decimal | None = None
    current_a: Decimal | None = None
    power_factor: Decimal | None = None
    frequency_hz: Decimal | None = None
    is_estimated: bool | None = False


@dataclass(frozen=True)
class ProductionReading:
    """Units and downtime (s) since the reading before; throughput in units per hour."""
    time: datetime
    machine_id: UUID
    production_count: int | None = None
    good: int | None = None
    bad: int | None = None
    throughput: Decimal | None = None
    operating_mode: str | None = None
    speed_percent: Decimal | None = None
    downtime_seconds: int | None = None


@dataclass(frozen=True)
class EnvironmentalReading:
    """The measured columns of environmental_data, in the units their names end in."""
    time: datetime
    machine_id: UUID
    outdoor_temp_c: Decimal | None = None
    indoor_temp_c: Decimal | None = None
    machine_temp_c: Decimal | None = None
    outdoor_humidity_percent: Decimal | None = None
    indoor_humidity_percent: Decimal | None = None
    pressure_bar: Decimal | None = None
    pressure_setpoint_bar: Decimal | None = None
    flow_rate_m3h: Decimal | None = None
    supply_air_temp_c: Decimal | None = None
    return_air_temp_c: Decimal | None = None
    chilled_water_supply_temp_c: Decimal | None = None
    chilled_water_return_temp_c: Decimal | None = None
    cop: Decimal | None = None
    vibration_mm_s: Decimal | None = None


@dataclass(frozen=True)
class Machine:
    id: UUID
    factory_id: UUID
    name: str
    data_interval_seconds: int = 10
    is_active: bool = True


@dataclass(frozen=True)
class Factory:
    id: UUID
    name: str
    timezone: str = "UTC"
    grid_region: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tariff:
    """A row of energy_tariffs; valid_to is the last local day, None is open-ended."""
    id: UUID | None = None
    factory_id: UUID
    name: str = "tariff"
    description: str | None = None
    rate_per_kwh: Decimal
    currency: str = "USD"
    is_time_of_use: bool = False
    start_hour: int | None = None
    end_hour: int | None = None
    applicable_days: Sequence[int] | None = None
    demand_charge_per_kw: Decimal | None = None
    valid_from: date
    valid_to: date | None = None
    is_active: bool = True
    timezone: str | None = None


@dataclass(frozen=True)
class CarbonFactor:
    """factor in kg CO2 per kWh; valid_to is the last local day, None is open-ended."""
    region: str
    factor: Decimal
    valid_from: date
    valid_to: date | None = None
    is_active: bool = True


@dataclass(frozen=True)
class Plant:
    factories: list[Factory] = field(default_factory=list)
    machines: list[Machine] = field(default_factory=list)
    tariffs: list[Tariff] = field(default_factory=list)
    carbon_factors: list[CarbonFactor] = field(default_factory=list)
    energy: list[EnergyReading] = field(default_factory=list)
    production: list[ProductionReading] = field(default_factory=list)
    environment: list[EnvironmentalReading] = field(default_factory=list)


class Slice(NamedTuple):
    energy_kwh: Fraction
    mean_kw: Fraction


class Demand(NamedTuple):
    peak_kw: Fraction | None = None
    peak_time: datetime | None = None
    mean_kw: Fraction | None = None
    load_factor: Fraction | None = None


class Cost(NamedTuple):
    cost: Fraction
    priced_kwh: Fraction
    unpriced_kwh: Fraction
    currencies: frozenset[str]


class Carbon(NamedTuple):
    co2_kg: Fraction
    factored_kwh: Fraction
    unfactored_kwh: Fraction


def round_half_up(value: Fraction | Decimal | int | None, places: int) -> Decimal | None:
    """`value` to `places` decimals, halves away from zero as PostgreSQL's numeric; None stays."""
    if value is None:
        return None
    digits = math.floor(abs(Fraction(value)) * 10**places + Fraction(1, 2))
    return Decimal(f"{-digits if value < 0 else digits}e-{places}")


def bucket_of(time: datetime, width: timedelta) -> datetime:
    """Start (UTC) of the bucket of `width`, aligned to the UTC clock, that `time` lies in."""
    return EPOCH + (time - EPOCH) // width * width


def _total(values: Iterable) -> Fraction:
    return sum(map(Fraction, values), Fraction())


def _mean(values: Iterable) -> Fraction | None:
    present = [value for value in values if value is not None]
    return _total(present) / len(present) if present else None


def _ratio(dividend: Fraction, divisor: Fraction | int) -> Fraction | None:
    return dividend / divisor if divisor else None


def _hours(length: timedelta) -> Fraction:
    return Fraction(length // timedelta(microseconds=1), 3_600_000_000)


def _range(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("start and end must have a time zone")
    # In one zone Python compares wall clocks, which is wrong where the clock is set back.
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if start >= end:
        raise ValueError(f"end {end} must be after start {start}")
    return start, end


def _find(items: Iterable, wanted: UUID, kind: str) -> Any:
    for item in items:
        if item.id == wanted:
            return item
    raise LookupError(f"unknown {kind} {wanted}")


def _in_range(readings: Iterable, machine_id: UUID, start: datetime, end: datetime) -> list:
    return [r for r in readings if r.machine_id == machine_id and start <= r.time < end]


def _electricity(plant: Plant, machine_id: UUID, start: datetime, end: datetime) -> list:
    return [r for r in _in_range(plant.energy, machine_id, start, end)
            if r.energy_type in ELECTRICITY]


def _units(plant: Plant, machine_id: UUID, start: datetime, end: datetime) -> int:
    return sum(r.production_count or 0
               for r in _in_range(plant.production, machine_id, start, end))


def _slices(readings: Iterable[EnergyReading]) -> dict[datetime, Slice]:
    quarters = defaultdict(list)
    for reading in readings:
        quarters[bucket_of(reading.time, QUARTER)].append(reading)
    return {quarter: Slice(_total(r.energy_kwh for r in members),
                           _mean(r.power_kw for r in members))
            for quarter, members in quarters.items()}


def _demand(slices: dict[datetime, Slice], start: datetime, end: datetime) -> Demand:
    """Peak, its time, mean and load factor of the quarter hours wholly in the range."""
    whole = {quarter: s.mean_kw for quarter, s in slices.items()
             if start <= quarter and quarter + QUARTER <= end}
    if not whole:
        return Demand()
    peak, mean = max(whole.values()), _mean(whole.values())
    load_factor = min(max(mean / peak, Fraction(0)), Fraction(1)) if peak > 0 else None
    return Demand(peak, min(q for q, kw in whole.items() if kw == peak), mean, load_factor)


def _valid(item: Tariff | CarbonFactor, day: date) -> bool:
    return item.valid_from <= day and (item.valid_to is None or day <= item.valid_to)


def _applies(tariff: Tariff, local: datetime) -> bool:
    if not _valid(tariff, local.date()):
        return False
    if not tariff.is_time_of_use:
        return True
    first, last = tariff.start_hour, tariff.end_hour
    in_band = (first <= local.hour < last if first < last
               else local.hour >= first or local.hour < last)
    return in_band and local.isoweekday() % 7 in tariff.applicable_days


def _rate_in_force(tariffs: Iterable[Tariff], zone: str, instant: datetime) -> Tariff | None:
    matching = [t for t in tariffs
                if _applies(t, instant.astimezone(ZoneInfo(t.timezone or zone)))]
    matching = [t for t in matching if t.is_time_of_use] or matching
    if len(matching) > 1:
        raise ValueError(f"more than one rate at {instant}: {[t.name for t in matching]}")
    return matching[0] if matching else None


def _one_currency(currencies: Iterable[str]) -> str | None:
    known = set(currencies)
    if len(known) > 1:
        raise ValueError(f"more than one currency: {sorted(known)}")
    return known.pop() if known else None


def _cost(plant: Plant, factory: Factory, slices: dict[datetime, Slice]) -> Cost:
    tariffs = [t for t in plant.tariffs if t.factory_id == factory.id and t.is_active]
    cost, priced, unpriced, currencies = Fraction(), Fraction(), Fraction(), set()
    for quarter, s in slices.items():
        tariff = _rate_in_force(tariffs, factory.timezone, quarter)
        if tariff is None:
            unpriced += s.energy_kwh
        else:
            priced += s.energy_kwh
            cost += s.energy_kwh * Fraction(tariff.rate_per_kwh)
            currencies.add(tariff.currency)
    return Cost(cost, priced, unpriced, frozenset(currencies))


def _carbon(plant: Plant, factory: Factory, region: str | None,
            slices: dict[datetime, Slice]) -> Carbon:
    if region is None:
        region = factory.grid_region or "default"
    factors = [f for f in plant.carbon_factors if f.region == region and f.is_active]
    zone = ZoneInfo(factory.timezone)
    co2, factored, unfactored = Fraction(), Fraction(), Fraction()
    for quarter, s in slices.items():
        day = quarter.astimezone(zone).date()
        valid = [f for f in factors if _valid(f, day)]
        if valid:
            factored += s.energy_kwh
            co2 += s.energy_kwh * Fraction(max(valid, key=lambda f: f.valid_from).factor)
        else:
            unfactored += s.energy_kwh
    return Carbon(co2, factored, unfactored)


def calculate_sec(plant: Plant, machine_id: UUID, start: datetime, end: datetime) -> Row | None:
    """Specific energy consumption, kWh per unit; None without an electricity reading."""
    start, end = _range(start, end)
    _find(plant.machines, machine_id, "machine")
    readings = _electricity(plant, machine_id, start, end)
    if not readings:
        return None
    energy = _total(r.energy_kwh for r in readings)
    units = _units(plant, machine_id, start, end)
    return {"machine_id": machine_id,
            "sec_kwh_per_unit": round_half_up(_ratio(energy, units), 4),
            "total_energy_kwh": round_half_up(energy, 3),
            "total_production_units": units,
            "time_period_hours": round_half_up(_hours(end - start), 2)}


def calculate_peak_demand(plant: Plant, machine_id: UUID, start: datetime,
                          end: datetime) -> Row | None:
    """Highest quarter-hour mean power, kW, and when; None without an electricity reading."""
    start, end = _range(start, end)
    _find(plant.machines, machine_id, "machine")
    readings = _electricity(plant, machine_id, start, end)
    if not readings:
        return None
    demand = _demand(_slices(readings), start, end)
    return {"machine_id": machine_id,
            "peak_demand_kw": round_half_up(demand.peak_kw, 3),
            "peak_time": demand.peak_time,
            "avg_power_kw": round_half_up(_mean(r.power_kw for r in readings), 3)}


def calculate_load_factor(plant: Plant, machine_id: UUID, start: datetime,
                          end: datetime) -> Row | None:
    """Mean over peak of the quarter hours, 0 to 1; None without an electricity reading."""
    start, end = _range(start, end)
    _find(plant.machines, machine_id, "machine")
    slices = _slices(_electricity(plant, machine_id, start, end))
    if not slices:
        return None
    demand = _demand(slices, start, end)
    return {"machine_id": machine_id, **_load_factor_columns(demand),
            "avg_power_kw": round_half_up(demand.mean_kw, 3),
            "max_power_kw": round_half_up(demand.peak_kw, 3)}


def _load_factor_columns(demand: Demand) -> Row:
    factor = demand.load_factor
    return {"load_factor": round_half_up(factor, 4),
            "load_factor_percent": round_half_up(None if factor is None else factor * 100, 2)}


def calculate_energy_cost(plant: Plant, machine_id: UUID, start: datetime, end: datetime,
                          factory_id: UUID | None = None) -> Row:
    """Cost by the tariffs of `factory_id`, else of the machine's factory, in their currency."""
    start, end = _range(start, end)
    machine = _find(plant.machines, machine_id, "machine")
    factory = _find(plant.factories, factory_id or machine.factory_id, "factory")
    cost = _cost(plant, factory, _slices(_electricity(plant, machine_id, start, end)))
    return {"machine_id": machine_id,
            "total_cost": round_half_up(cost.cost, 2),
            "total_energy_kwh": round_half_up(cost.priced_kwh + cost.unpriced_kwh, 3),
            "avg_rate_per_kwh": round_half_up(_ratio(cost.cost, cost.priced_kwh), 6),
            "currency": _one_currency(cost.currencies),
            "unpriced_energy_kwh": round_half_up(cost.unpriced_kwh, 3)}


def calculate_carbon_intensity(plant: Plant, machine_id: UUID, start: datetime, end: datetime,
                               region: str | None = None) -> Row | None:
    """CO2 of the electricity, kg, and per unit; None without an electricity reading."""
    start, end = _range(start, end)
    machine = _find(plant.machines, machine_id, "machine")
    factory = _find(plant.factories, machine.factory_id, "factory")
    slices = _slices(_electricity(plant, machine_id, start, end))
    if not slices:
        return None
    carbon = _carbon(plant, factory, region, slices)
    units = _units(plant, machine_id, start, end)
    return {"machine_id": machine_id,
            "total_co2_kg": round_half_up(carbon.co2_kg, 3),
            "total_energy_kwh": round_half_up(carbon.factored_kwh + carbon.unfactored_kwh, 3),
            "emission_factor": round_half_up(_ratio(carbon.co2_kg, carbon.factored_kwh), 6),
            "co2_per_unit_kg": round_half_up(_ratio(carbon.co2_kg, units), 6),
            "unfactored_energy_kwh": round_half_up(carbon.unfactored_kwh, 3)}


def calculate_all_kpis(plant: Plant, machine_id: UUID, start: datetime, end: datetime) -> Row:
    """Every figure of a machine; hours, energy, power and coverage are 0 without a reading."""
    start, end = _range(start, end)
    machine = _find(plant.machines, machine_id, "machine")
    factory = _find(plant.factories, machine.factory_id, "factory")
    readings = _electricity(plant, machine_id, start, end)
    slices = _slices(readings)
    energy = _total(r.energy_kwh for r in readings)
    units = _units(plant, machine_id, start, end)
    demand = _demand(slices, start, end)
    cost = _cost(plant, factory, slices)
    carbon = _carbon(plant, factory, None, slices)
    hours = _hours(end - start)
    expected = hours * 3600 / machine.data_interval_seconds
    return {"machine_id": machine_id,
            "machine_name": machine.name,
            "time_period_hours": round_half_up(hours if readings else 0, 2),
            "total_energy_kwh": round_half_up(energy, 3),
            "avg_power_kw": round_half_up(_mean(r.power_kw for r in readings) or 0, 3),
            "peak_demand_kw": round_half_up(demand.peak_kw, 3),
            "total_production_units": units,
            "sec_kwh_per_unit": round_half_up(_ratio(energy, units), 4),
            **_load_factor_columns(demand),
            "total_cost": round_half_up(cost.cost, 2),
            "cost_per_unit": round_half_up(_ratio(cost.cost, units), 4),
            "total_co2_kg": round_half_up(carbon.co2_kg, 3),
            "co2_per_unit_kg": round_half_up(_ratio(carbon.co2_kg, units), 6),
            "currency": _one_currency(cost.currencies),
            "unpriced_energy_kwh": round_half_up(cost.unpriced_kwh, 3),
            "unfactored_energy_kwh": round_half_up(carbon.unfactored_kwh, 3),
            "data_coverage_percent": round_half_up(min(len(readings) / expected * 100, 100), 2)}


def get_machine_operating_hours(plant: Plant, machine_id: UUID, start: datetime,
                                end: datetime) -> Row:
    """Hours by operating mode; the published parts add up to total_hours exactly."""
    start, end = _range(start, end)
    _find(plant.machines, machine_id, "machine")
    quarters = defaultdict(list)
    for reading in _in_range(plant.production, machine_id, start, end):
        quarters[bucket_of(reading.time, QUARTER)].append(reading.operating_mode)
    hours = dict.fromkeys(("running", "idle", "downtime", "offline"), Fraction())
    for quarter, modes in quarters.items():
        share = _hours(min(quarter + QUARTER, end) - max(quarter, start)) / len(modes)
        for mode in modes:
            if mode is not None:
                hours[HOURS_OF[mode]] += share
    total = _hours(end - start)
    utilization = hours["running"] / total * 100
    hours["unknown"] = total - sum(hours.values())

    published, so_far = {}, Fraction()
    for part, length in hours.items():
        published[f"{part}_hours"] = (round_half_up(so_far + length, 2)
                                      - round_half_up(so_far, 2))
        so_far += length
    return {"machine_id": machine_id, "total_hours": round_half_up(total, 2),
            **{part: published[part] for part in ("running_hours", "idle_hours", "downtime_hours")},
            "utilization_percent": round_half_up(utilization, 2),
            **{part: published[part] for part in ("offline_hours", "unknown_hours")}}


def get_factory_summary(plant: Plant, factory_id: UUID, start: datetime, end: datetime) -> Row:
    """Sums over all machines of the factory, active or not; load factor weighted by energy."""
    start, end = _range(start, end)
    factory = _find(plant.factories, factory_id, "factory")
    machines = [m for m in plant.machines if m.factory_id == factory_id]
    slices = [_slices(_electricity(plant, m.id, start, end)) for m in machines]
    energies = [_total(s.energy_kwh for s in machine.values()) for machine in slices]
    factors = [_demand(machine, start, end).load_factor for machine in slices]
    costs = [_cost(plant, factory, machine) for machine in slices]
    carbons = [_carbon(plant, factory, None, machine) for machine in slices]
    weighted = [(e, f) for e, f in zip(energies, factors, strict=True) if f is not None]
    load_factor = _ratio(_total(e * f for e, f in weighted), _total(e for e, _ in weighted))
    return {"factory_id": factory_id,
            "factory_name": factory.name,
            "machine_count": len(machines),
            "active_machines": sum(m.is_active for m in machines),
            "total_energy_kwh": round_half_up(_total(energies), 3),
            "total_cost": round_half_up(_total(c.cost for c in costs), 2),
            "total_co2_kg": round_half_up(_total(c.co2_kg for c in carbons), 3),
            "avg_load_factor": round_half_up(load_factor, 4),
            "currency": _one_currency(code for c in costs for code in c.currencies),
            "unpriced_energy_kwh": round_half_up(_total(c.unpriced_kwh for c in costs), 3),
            "unfactored_energy_kwh": round_half_up(_total(c.unfactored_kwh for c in carbons), 3)}


def monthly_costs(plant: Plant, machine_id: UUID) -> list[Row]:
    """The machine's rows of v_monthly_cost_breakdown, one per local month with an electricity reading.

    The demand charge is the peak demand at the charge in force at the peak: that of the tariff
    which prices it, else of the flat one beneath; 0 without one or where power is fed in.
    """
    machine = _find(plant.machines, machine_id, "machine")
    factory = _find(plant.factories, machine.factory_id, "factory")
    zone = ZoneInfo(factory.timezone)
    tariffs = [t for t in plant.tariffs if t.factory_id == factory.id and t.is_active]
    charged = [t for t in tariffs if t.demand_charge_per_kw is not None]
    rows, months = [], defaultdict(list)
    for r in plant.energy:
        if r.machine_id == machine_id and r.energy_type in ELECTRICITY:
            months[r.time.astimezone(zone).date().replace(day=1)].append(r)
    for month, readings in sorted(months.items()):
        slices = _slices(readings)
        # Local months begin and end on quarter hours, so every one of them is whole.
        peak = max(s.mean_kw for s in slices.values())
        at_peak = _rate_in_force(charged, factory.timezone, min(q for q, s in slices.items() if s.mean_kw == peak))
        demand_charge = round_half_up(
            max(peak, Fraction()) * Fraction(at_peak.demand_charge_per_kw) if at_peak else 0, 2)
        cost = _cost(plant, factory, slices)
        # Money in two currencies has no sum.
        one = len(cost.currencies) < 2
        energy_cost = round_half_up(cost.cost, 2) if one else None
        rows.append({"month": month,
                     "total_energy_kwh": round_half_up(cost.priced_kwh + cost.unpriced_kwh, 3),
                     "peak_demand_kw": round_half_up(peak, 3),
                     "energy_cost": energy_cost, "demand_charge": demand_charge,
                     "total_cost": energy_cost + demand_charge if one else None,
                     "currency": _one_currency(cost.currencies) if one else None,
                     "unpriced_energy_kwh": round_half_up(cost.unpriced_kwh, 3)})
    return rows


# Columns of each rollup after bucket and machine_id: those of the contract, then what the levels carry.
def _carried(measures: str) -> str:
    return "".join(f" sum_{measure} count_{measure}" for measure in measures.split())


MODE_COUNTS = " running_count idle_count maintenance_count fault_count offline_count"
ENERGY_COLUMNS = {
    MINUTE: "avg_power_kw min_power_kw max_power_kw stddev_power_kw total_energy_kwh avg_voltage_v"
            " avg_current_a avg_power_factor avg_frequency_hz reading_count estimated_count"
            " sum_power_kw" + _carried("voltage_v current_a power_factor frequency_hz"),
    QUARTER: "avg_power_kw min_power_kw max_power_kw peak_demand_kw total_energy_kwh avg_voltage_v"
             " avg_current_a avg_power_factor avg_frequency_hz load_factor total_readings"
             " estimated_count sum_power_kw" + _carried("voltage_v current_a power_factor frequency_hz"),
    HOUR: "avg_power_kw min_power_kw max_power_kw peak_demand_kw total_energy_kwh avg_voltage_v"
          " avg_current_a avg_power_factor avg_load_factor total_readings"
          " estimated_count sum_power_kw" + _carried("voltage_v current_a power_factor")
          + " sum_demand_kw demand_intervals",
    DAY: "avg_power_kw min_power_kw max_power_kw peak_demand_kw total_energy_kwh avg_voltage_v"
         " avg_power_factor avg_load_factor total_readings"
         " estimated_count sum_power_kw sum_demand_kw demand_intervals",
}
CARRIER_COLUMNS = {
    MINUTE: "avg_power_kw min_power_kw max_power_kw total_energy_kwh reading_count sum_power_kw",
    HOUR: "avg_power_kw min_power_kw max_power_kw total_energy_kwh total_readings",
}
PRODUCTION_COLUMNS = {
    MINUTE: "total_production_count total_production_good total_production_bad avg_throughput"
            " dominant_mode avg_speed_percent total_downtime_seconds reading_count"
            + MODE_COUNTS + _carried("throughput speed_percent"),
    QUARTER: "total_production_count total_production_good total_production_bad avg_throughput"
             " avg_speed_percent total_downtime_seconds total_readings"
             + MODE_COUNTS + _carried("throughput speed_percent"),
    HOUR: "total_production_count total_production_good total_production_bad quality_percent"
          " avg_throughput avg_speed_percent total_downtime_seconds availability_percent"
          " total_readings" + MODE_COUNTS + _carried("throughput speed_percent"),
    DAY: "total_production_count total_production_good total_production_bad quality_percent"
         " avg_throughput total_downtime_seconds availability_percent total_readings" + MODE_COUNTS,
}
OUTDOOR_EXTREMES = " min_outdoor_temp_c max_outdoor_temp_c"
ENVIRONMENT_CARRIED = OUTDOOR_EXTREMES + _carried(
    "outdoor_temp_c indoor_temp_c machine_temp_c outdoor_humidity indoor_humidity pressure_bar"
    " flow_rate_m3h vibration_mm_s")
ENVIRONMENT_COLUMNS = {
    MINUTE: "avg_outdoor_temp_c avg_indoor_temp_c avg_machine_temp_c avg_outdoor_humidity"
            " avg_indoor_humidity avg_pressure_bar min_pressure_bar max_pressure_bar"
            " avg_flow_rate_m3h avg_supply_air_temp_c avg_return_air_temp_c avg_cop"
            " avg_vibration_mm_s max_vibration_mm_s reading_count" + ENVIRONMENT_CARRIED,
    QUARTER: "avg_outdoor_temp_c avg_indoor_temp_c avg_machine_temp_c avg_outdoor_humidity"
             " avg_indoor_humidity avg_pressure_bar min_pressure_bar max_pressure_bar"
             " avg_flow_rate_m3h avg_vibration_mm_s total_readings" + ENVIRONMENT_CARRIED,
    HOUR: "avg_outdoor_temp_c avg_indoor_temp_c avg_machine_temp_c avg_outdoor_humidity"
          " avg_indoor_humidity avg_pressure_bar avg_flow_rate_m3h avg_vibration_mm_s"
          " total_readings" + OUTDOOR_EXTREMES + _carried("outdoor_temp_c"),
}
DEGREE_DAY_COLUMNS = ("avg_outdoor_temp_c heating_degree_days_18c cooling_degree_days_18c"
                      " heating_degree_days_15c cooling_degree_days_15c readings_count"
                      " min_outdoor_temp_c max_outdoor_temp_c")
Rollup = dict[tuple[datetime, UUID], Row]


def _grouped(readings: Iterable, width: timedelta) -> dict[tuple[datetime, UUID], list]:
    groups = defaultdict(list)
    for reading in readings:
        groups[bucket_of(reading.time, width), reading.machine_id].append(reading)
    return groups


def _column(members: Sequence, name: str) -> list:
    return [value for r in members if (value := getattr(r, name)) is not None]


def _sum(members: Sequence, name: str) -> int | None:
    return sum(values) if (values := _column(members, name)) else None


def _stddev(values: Sequence[Decimal]) -> Decimal | None:
    """Sample standard deviation to 50 digits; None for a single value."""
    if len(values) < 2:
        return None
    mean = _mean(values)
    variance = _total((Fraction(v) - mean) ** 2 for v in values) / (len(values) - 1)
    with localcontext(prec=50):
        return (Decimal(variance.numerator) / variance.denominator).sqrt()


def _sums_and_counts(members: Sequence, measures: dict[str, str]) -> Row:
    """sum_ and count_ of each measure over its readings that are not NULL; measures: name to attribute."""
    row: Row = {}
    for name, attribute in measures.items():
        values = _column(members, attribute)
        row |= {f"sum_{name}": _total(values) if values else None, f"count_{name}": len(values)}
    return row


def _pick(row: Row, columns: str) -> Row:
    return {name: row[name] for name in columns.split()}


def _columns_of(table: dict[timedelta, str], width: timedelta) -> str:
    if width not in table:
        raise ValueError(f"no rollup of width {width}; there are {[str(w) for w in table]}")
    return table[width]


def rollup_energy(readings: Iterable[EnergyReading], width: timedelta) -> Rollup:
    """energy_readings_1min, _15min, _1hour or _1day by (bucket, machine_id), unrounded."""
    columns, rows = _columns_of(ENERGY_COLUMNS, width), {}
    electricity = [r for r in readings if r.energy_type in ELECTRICITY]
    for key, members in _grouped(electricity, width).items():
        powers = _column(members, "power_kw")
        avg, highest = _mean(powers), max(powers)
        demands = [s.mean_kw for s in _slices(members).values()]
        peak = max(demands)
        # At 15 minutes mean and peak demand are one number, so the highest sample divides.
        divisor = Fraction(highest) if width == QUARTER else peak
        load_factor = avg / divisor if divisor > 0 else Fraction(0)
        rows[key] = _pick({
            "avg_power_kw": avg, "min_power_kw": min(powers), "max_power_kw": highest,
            "stddev_power_kw": _stddev(powers) if width == MINUTE else None,
            "peak_demand_kw": peak, "load_factor": load_factor, "avg_load_factor": load_factor,
            "total_energy_kwh": _total(r.energy_kwh for r in members),
            "avg_voltage_v": _mean(r.voltage_v for r in members),
            "avg_current_a": _mean(r.current_a for r in members),
            "avg_power_factor": _mean(r.power_factor for r in members),
            "avg_frequency_hz": _mean(r.frequency_hz for r in members),
            "reading_count": len(members), "total_readings": len(members),
            "estimated_count": sum(r.is_estimated is True for r in members),
            "sum_power_kw": _total(powers),
            "sum_demand_kw": _total(demands), "demand_intervals": len(demands),
            **_sums_and_counts(members, {name: name for name in (
                "voltage_v", "current_a", "power_factor", "frequency_hz")})}, columns)
    return rows


def rollup_carriers(readings: Iterable[EnergyReading], width: timedelta) -> dict:
    """energy_by_carrier_1min or _1hour by (bucket, machine_id, energy_type), unrounded."""
    columns, groups = _columns_of(CARRIER_COLUMNS, width), defaultdict(list)
    for r in readings:
        if r.energy_type not in ELECTRICITY:
            groups[bucket_of(r.time, width), r.machine_id, r.energy_type].append(r)
    rows = {}
    for key, members in groups.items():
        powers = _column(members, "power_kw")
        rows[key] = _pick({
            "avg_power_kw": _mean(powers), "min_power_kw": min(powers), "max_power_kw": max(powers),
            "total_energy_kwh": _total(r.energy_kwh for r in members), "sum_power_kw": _total(powers),
            "reading_count": len(members), "total_readings": len(members)}, columns)
    return rows


def rollup_production(readings: Iterable[ProductionReading], width: timedelta) -> Rollup:
    """production_data_1min, _15min, _1hour or _1day by (bucket, machine_id), unrounded."""
    columns, rows = _columns_of(PRODUCTION_COLUMNS, width), {}
    seconds = width // timedelta(seconds=1)
    for key, members in _grouped(readings, width).items():
        count, good = _sum(members, "production_count"), _sum(members, "good")
        downtime = _sum(members, "downtime_seconds")
        quality = (Fraction(0) if not count else None if good is None
                   else Fraction(good * 100, count))
        uptime = 0 if downtime is None else max(0, seconds - downtime)
        modes = Counter(_column(members, "operating_mode"))
        rows[key] = _pick({
            "total_production_count": count, "total_production_good": good,
            "total_production_bad": _sum(members, "bad"),
            "quality_percent": quality,
            "avg_throughput": _mean(r.throughput for r in members),
            # Of modes as frequent as each other the first in the enum's order.
            "dominant_mode": max(MODES, key=lambda m: modes[m]) if modes else None,
            "avg_speed_percent": _mean(r.speed_percent for r in members),
            "total_downtime_seconds": downtime,
            "availability_percent": Fraction(uptime * 100, seconds),
            "reading_count": len(members), "total_readings": len(members),
            **{f"{mode}_count": modes[mode] for mode in MODES},
            **_sums_and_counts(members, {"throughput": "throughput",
                                         "speed_percent": "speed_percent"})}, columns)
    return rows


def rollup_environment(readings: Iterable[EnvironmentalReading], width: timedelta) -> Rollup:
    """environmental_data_1min, _15min or _1hour by (bucket, machine_id), unrounded."""
    columns, rows = _columns_of(ENVIRONMENT_COLUMNS, width).split(), {}
    aggregates = {"avg": _mean, "min": min, "max": max, "sum": _total}
    for key, members in _grouped(readings, width).items():
        row: Row = {}
        for name in columns:
            if name in ("total_readings", "reading_count"):
                row[name] = len(members)
                continue
            aggregate, measure = name.split("_", 1)
            measure += "_percent" if measure.endswith("_humidity") else ""
            values = _column(members, measure)
            row[name] = (len(values) if aggregate == "count"
                         else aggregates[aggregate](values) if values else None)
        rows[key] = row
    return rows


def degree_days(readings: Iterable[EnvironmentalReading]) -> Rollup:
    """environmental_degree_days_daily by (UTC day, machine_id): from the day's mean, degC.

    Without an outdoor temperature that day the degree days are unknown (None), not 0.
    """
    rows = {}
    for key, members in _grouped(readings, DAY).items():
        temperatures = _column(members, "outdoor_temp_c")
        mean = _mean(temperatures)
        row: Row = {"avg_outdoor_temp_c": mean, "readings_count": len(members),
                    "min_outdoor_temp_c": min(temperatures, default=None),
                    "max_outdoor_temp_c": max(temperatures, default=None)}
        for name, base in (("18c", Fraction(18)), ("15c", Fraction("15.5"))):
            known = mean is not None
            row[f"heating_degree_days_{name}"] = max(Fraction(0), base - mean) if known else None
            row[f"cooling_degree_days_{name}"] = max(Fraction(0), mean - base) if known else None
        rows[key] = _pick(row, DEGREE_DAY_COLUMNS)
    return rows


def find_steel_plant_csv() -> Path | None:
    """The steel plant's file under ENMS_SHARED, else under `shared` beside the checkout."""
    shared = Path(os.environ.get("ENMS_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    path = shared / "data" / "steel_industry_2018.csv"
    return path if path.is_file() else None


def read_steel_plant(path: Path, machine_id: UUID) -> list[EnergyReading]:
    """The file's quarter hours in order of time, UTC; power_kw is the mean of the interval.

    Times are Asia/Seoul as written: a day's 00:00 row stands last in the file, but is the
    first quarter hour of the day it names.
    """
    seoul, readings = ZoneInfo("Asia/Seoul"), []
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            local = datetime.strptime(row["date"], "%d/%m/%Y %H:%M").replace(tzinfo=seoul)
            energy = Decimal(row["Usage_kWh"])
            readings.append(EnergyReading(
                local.astimezone(UTC), machine_id, "electrical", 4 * energy, energy))
    return sorted(readings, key=lambda r: r.time)
