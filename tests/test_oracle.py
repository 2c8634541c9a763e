"""Figures worked out by hand, which pin the referee before it judges the SQL."""

import csv
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

import oracle as o
import pytest

FACTORY = UUID("f0000000-0000-0000-0000-000000000001")
OTHER_FACTORY = UUID("f0000000-0000-0000-0000-000000000002")
MACHINE = UUID("c0000000-0000-0000-0000-000000000001")
OTHER = UUID("c0000000-0000-0000-0000-000000000002")
T0 = datetime(2024, 1, 15, tzinfo=UTC)  # a Monday
EVERY_DAY = range(7)


def at(text):
    """A UTC instant from `2024-03-31 00:45`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def minutes(n):
    return timedelta(minutes=n)


def energy(time, kw=4, kwh=1, energy_type="electrical", machine=MACHINE, **optional):
    return o.EnergyReading(time, machine, energy_type, D(kw), D(kwh), **optional)


def made(time, **columns):
    return o.ProductionReading(time, MACHINE, **columns)


def flat(rate="0.10", **columns):
    return o.Tariff(**{"factory_id": FACTORY, "rate_per_kwh": D(rate),
                       "valid_from": date(2000, 1, 1), "name": "flat", **columns})


def band(rate, first, last, days=EVERY_DAY, **columns):
    return flat(rate, is_time_of_use=True, start_hour=first, end_hour=last,
                applicable_days=tuple(days), **{"name": "band", **columns})


def plant(readings=(), production=(), tariffs=(), factors=(), zone="UTC", region=None,
          interval=900, more_machines=()):
    return o.Plant(
        factories=[o.Factory(FACTORY, "Works", zone, region)],
        machines=[o.Machine(MACHINE, FACTORY, "Press", interval), *more_machines],
        tariffs=list(tariffs), carbon_factors=list(factors),
        energy=list(readings), production=list(production))


def cost(readings, tariffs, zone="UTC", start=None, end=None):
    times = [r.time for r in readings]
    return o.calculate_energy_cost(plant(readings, tariffs=tariffs, zone=zone), MACHINE,
                                   start or min(times), end or max(times) + minutes(15))


def applied(instant, tariffs, zone):
    """Rate that one kWh at the UTC instant is priced at."""
    return cost([energy(at(instant))], tariffs, zone)["avg_rate_per_kwh"]


@pytest.mark.parametrize(("value", "places", "expected"), [
    ("0.005", 2, "0.01"), ("-0.005", 2, "-0.01"), ("0.0049999", 2, "0.00"),
    ("2.5", 0, "3"), ("-0.001", 2, "0.00"), ("123456789012.3455", 3, "123456789012.346")])
def test_halves_are_rounded_away_from_zero(value, places, expected):
    assert str(o.round_half_up(D(value), places)) == expected


def test_peak_is_the_highest_mean_of_an_interval_wholly_in_the_range():
    readings = [
        energy(T0 + minutes(1), 900),                          # begins before the range
        energy(T0 + minutes(15), 10), energy(T0 + minutes(29), 30),     # mean 20
        energy(T0 + minutes(30), 20), energy(T0 + minutes(31), 20),     # mean 20, later
        energy(T0 + minutes(45), 50, energy_type="natural_gas"),
        energy(T0 + minutes(60), 8, energy_type="electricity"),
        energy(T0 + minutes(75), 800)]                         # ends after the range
    start, end = T0 + minutes(1), T0 + minutes(89)
    p = plant(readings)
    assert o.calculate_peak_demand(p, MACHINE, start, end) == {
        "machine_id": MACHINE, "peak_demand_kw": D("20.000"), "peak_time": T0 + minutes(15),
        "avg_power_kw": D("255.429")}                          # 1788 / 7
    assert o.calculate_load_factor(p, MACHINE, start, end) == {
        "machine_id": MACHINE, "load_factor": D("0.8000"), "load_factor_percent": D("80.00"),
        "avg_power_kw": D("16.000"), "max_power_kw": D("20.000")}       # (20 + 20 + 8) / 3


def test_a_range_without_a_whole_interval_has_a_mean_but_no_peak():
    p = plant([energy(T0 + minutes(5), 7)])
    start, end = T0 + minutes(1), T0 + minutes(29)
    peak = o.calculate_peak_demand(p, MACHINE, start, end)
    assert (peak["peak_demand_kw"], peak["peak_time"], peak["avg_power_kw"]) == (None, None, D(7))
    load = o.calculate_load_factor(p, MACHINE, start, end)
    assert set(load.values()) == {MACHINE, None}


def test_load_factor_stays_within_0_and_1():
    feed_in = plant([energy(T0, 1), energy(T0 + minutes(15), -9)])
    load = o.calculate_load_factor(feed_in, MACHINE, T0, T0 + minutes(30))
    assert (load["load_factor"], load["avg_power_kw"], load["max_power_kw"]) == (0, -4, 1)
    no_peak = plant([energy(T0, -1)])
    load = o.calculate_load_factor(no_peak, MACHINE, T0, T0 + minutes(15))
    assert (load["load_factor"], load["load_factor_percent"], load["max_power_kw"]) == (
        None, None, -1)


def test_ranges_are_half_open_to_the_microsecond():
    tick = timedelta(microseconds=1)
    readings = [energy(T0 - tick, kwh=100), energy(T0, kwh=1),
                energy(T0 + minutes(15) - tick, kwh=2), energy(T0 + minutes(15), kwh=100)]
    row = o.calculate_energy_cost(plant(readings), MACHINE, T0, T0 + minutes(15))
    assert row["total_energy_kwh"] == 3


def test_ranges_are_instants_even_where_the_clock_is_set_back():
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2024, 10, 27, 2, 30, tzinfo=berlin)       # 00:30 UTC
    second = first.replace(fold=1)                             # 01:30 UTC, the same wall clock
    p = plant([energy(at("2024-10-27 00:45"))])
    assert o.calculate_sec(p, MACHINE, first, second)["time_period_hours"] == 1


def test_sec_sums_energy_and_units_each_on_its_own():
    p = plant([energy(T0, kwh="1.0005"), energy(T0 + minutes(1), kwh=6, energy_type="steam")],
              [made(T0 + minutes(40), production_count=2), made(T0 + minutes(41)),
               made(T0 + minutes(50), production_count=1)])
    assert o.calculate_sec(p, MACHINE, T0, T0 + minutes(50)) == {
        "machine_id": MACHINE, "sec_kwh_per_unit": D("0.5003"),         # 0.50025
        "total_energy_kwh": D("1.001"), "total_production_units": 2,
        "time_period_hours": D("0.83")}
    assert o.calculate_sec(p, MACHINE, T0, T0 + minutes(40))["sec_kwh_per_unit"] is None


def test_time_of_use_beats_flat_and_what_has_no_rate_is_reported():
    monday_to_friday = band("0.30", 8, 20, days=range(1, 6))
    readings = [energy(at(f"2024-01-{time}"), kwh=kwh) for time, kwh in [
        ("15 07:45", 1), ("15 08:00", 2), ("15 19:45", 4), ("15 20:00", 8), ("14 08:00", 16)]]
    row = cost(readings, [flat(), monday_to_friday])           # 25 x 0.10 + 6 x 0.30
    assert (row["total_cost"], row["avg_rate_per_kwh"]) == (D("4.30"), D("0.138710"))
    assert cost(readings, [monday_to_friday]) == {
        "machine_id": MACHINE, "total_cost": D("1.80"), "total_energy_kwh": D(31),
        "avg_rate_per_kwh": D("0.300000"), "currency": "USD", "unpriced_energy_kwh": D(25)}


def test_band_across_midnight_is_of_the_calendar_day_of_the_slice():
    fridays = [flat(), band("0.05", 22, 6, days=[5])]          # 2024-01-19 is a Friday
    rates = {time: applied(f"2024-01-{time}", fridays, "UTC") for time in (
        "18 23:00", "19 00:00", "19 05:45", "19 06:00", "19 21:45", "19 22:00", "19 23:45",
        "20 00:00")}
    assert list(rates.values()) == [D(rate) for rate in (
        "0.10", "0.05", "0.05", "0.10", "0.10", "0.05", "0.05", "0.10")]


@pytest.mark.parametrize(("zone", "first", "last", "inside", "outside"), [
    # 02:00 is set to 03:00 at 01:00 UTC, so hour 2 does not exist and hour 3 follows 01:45.
    ("Europe/Berlin", 3, 4, ["2024-03-31 01:00", "2024-03-31 01:45"],
     ["2024-03-31 00:45", "2024-03-31 02:00"]),
    ("Europe/Berlin", 2, 3, ["2024-03-30 01:00"], ["2024-03-31 00:45", "2024-03-31 01:00"]),
    # 03:00 is set back to 02:00 at 01:00 UTC, so hour 2 lasts two hours.
    ("Europe/Berlin", 2, 3, ["2024-10-27 00:00", "2024-10-27 00:45", "2024-10-27 01:00",
                             "2024-10-27 01:45"], ["2024-10-26 23:45", "2024-10-27 02:00"]),
    # UTC+5:45.
    ("Asia/Kathmandu", 0, 6, ["2024-01-15 18:15", "2024-01-16 00:00"],
     ["2024-01-15 18:00", "2024-01-16 00:15"]),
    # 02:00 (+11) is set back to 01:30 (+10:30) at 15:00 UTC, so hour 2 begins at 15:30 UTC.
    ("Australia/Lord_Howe", 2, 3, ["2024-04-06 15:30", "2024-04-06 16:15"],
     ["2024-04-06 15:00", "2024-04-06 15:15", "2024-04-06 16:30"]),
    # 02:00 (+10:30) is set to 02:30 (+11) at 15:30 UTC, so hour 2 lasts half an hour.
    ("Australia/Lord_Howe", 2, 3, ["2024-10-05 15:30", "2024-10-05 15:45"],
     ["2024-10-05 15:15", "2024-10-05 16:00"])])
def test_bands_follow_the_local_clock(zone, first, last, inside, outside):
    tariffs = [flat(), band("0.50", first, last)]
    assert {applied(instant, tariffs, zone) for instant in inside} == {D("0.5")}
    assert {applied(instant, tariffs, zone) for instant in outside} == {D("0.1")}


def test_a_year_of_night_rate_in_berlin():
    start, end = at("2023-12-31 23:00"), at("2024-12-31 23:00")
    readings = [energy(start + n * minutes(15)) for n in range((end - start) // minutes(15))]
    row = cost(readings, [flat("0.00"), band("1.00", 22, 6)], "Europe/Berlin", start, end)
    # 366 nights of 32 quarters: spring takes four, autumn gives them back.
    assert (row["total_energy_kwh"], row["total_cost"]) == (366 * 96, 366 * 32)


def test_the_tariffs_own_zone_decides_hour_day_and_validity():
    sunday = [flat(), band("0.50", 0, 24, days=[0], timezone="Asia/Kathmandu")]
    assert applied("2024-01-13 18:00", sunday, "UTC") == D("0.1")
    assert applied("2024-01-13 18:15", sunday, "UTC") == D("0.5")       # Sunday 00:00 there
    years = [flat("0.10", valid_to=date(2023, 12, 31)), flat("0.20", valid_from=date(2024, 1, 1))]
    assert applied("2023-12-31 18:00", years, "Asia/Kathmandu") == D("0.1")
    assert applied("2023-12-31 18:15", years, "Asia/Kathmandu") == D("0.2")
    assert applied("2023-12-31 18:15", years, "UTC") == D("0.1")


def test_a_slice_cut_by_the_range_has_the_rate_of_its_quarter():
    night = [flat(), band("0.50", 0, 6, timezone="Asia/Kathmandu")]
    reading = energy(at("2024-01-15 18:14"))
    assert cost([reading], night, start=at("2024-01-15 18:07"))["total_cost"] == D("0.10")


def test_which_tariffs_count():
    other = o.Factory(OTHER_FACTORY, "Other works", "UTC")
    p = plant([energy(T0)], tariffs=[
        flat(), flat("9", is_active=False), flat("0.70", factory_id=OTHER_FACTORY, currency="EUR")])
    p.factories.append(other)
    rows = [o.calculate_energy_cost(p, MACHINE, T0, T0 + minutes(15), factory)
            for factory in (None, FACTORY, OTHER_FACTORY)]
    assert [(r["total_cost"], r["currency"]) for r in rows] == [
        (D("0.10"), "USD"), (D("0.10"), "USD"), (D("0.70"), "EUR")]


def test_two_currencies_or_two_rates_at_once_are_errors():
    day_and_night = [band("0.10", 0, 12), band("0.20", 12, 24, currency="EUR")]
    morning, evening = energy(at("2024-01-15 06:00")), energy(at("2024-01-15 18:00"))
    assert cost([morning], day_and_night)["currency"] == "USD"
    with pytest.raises(ValueError, match="more than one currency.*EUR.*USD"):
        cost([morning, evening], day_and_night)
    with pytest.raises(ValueError, match="more than one rate"):
        cost([morning], [flat(), flat("0.20")])


def test_carbon_factor_of_the_day_in_the_factorys_zone():
    factors = [o.CarbonFactor("default", D("0.9"), date(2000, 1, 1)),
               o.CarbonFactor("NP", D("0.2"), date(2020, 1, 1), date(2024, 1, 16)),
               o.CarbonFactor("NP", D("0.4"), date(2024, 1, 16)),
               o.CarbonFactor("NP", D("7"), date(2024, 1, 17), is_active=False),
               o.CarbonFactor("late", D("1"), date(2024, 1, 16), date(2024, 1, 16))]
    readings = [energy(at("2024-01-15 18:00"), kwh=1), energy(at("2024-01-15 18:15"), kwh=3),
                energy(at("2024-01-16 18:15"), kwh=5)]
    production = [made(T0, production_count=7),
                  made(at("2024-01-15 19:00"), production_count=2)]
    p = plant(readings, production, factors=factors, zone="Asia/Kathmandu", region="NP")
    start, end = at("2024-01-15 18:00"), at("2024-01-17 00:00")

    def carbon(region):
        return list(o.calculate_carbon_intensity(p, MACHINE, start, end, region).values())[1:]
    assert carbon(None) == [D("3.400"), 9, D("0.377778"), D("1.700000"), 0]
    assert carbon("default") == [D("8.100"), 9, D("0.900000"), D("4.050000"), 0]
    assert carbon("late") == [3, 9, 1, D("1.5"), 6]
    assert carbon("nowhere") == [0, 9, None, 0, 9]
    assert o.calculate_carbon_intensity(p, MACHINE, T0, start) is None


def test_all_kpis_in_the_contracts_order():
    readings = [energy(T0, 12, 3), energy(T0 + minutes(15), 6, "1.5"),
                energy(T0 + minutes(30), 6, "1.5")]
    p = plant(readings, [made(T0, production_count=4)], [flat("0.15")],
              [o.CarbonFactor("default", D("0.5"), date(2024, 1, 1))])
    row = o.calculate_all_kpis(p, MACHINE, T0, T0 + timedelta(hours=1))
    assert list(row.items()) == [
        ("machine_id", MACHINE), ("machine_name", "Press"), ("time_period_hours", D("1.00")),
        ("total_energy_kwh", D("6.000")), ("avg_power_kw", D("8.000")),
        ("peak_demand_kw", D("12.000")), ("total_production_units", 4),
        ("sec_kwh_per_unit", D("1.5000")), ("load_factor", D("0.6667")),
        ("load_factor_percent", D("66.67")), ("total_cost", D("0.90")),
        ("cost_per_unit", D("0.2250")), ("total_co2_kg", D("3.000")),
        ("co2_per_unit_kg", D("0.750000")), ("currency", "USD"),
        ("unpriced_energy_kwh", D("0.000")), ("unfactored_energy_kwh", D("0.000")),
        ("data_coverage_percent", D("75.00"))]
    scales = {name: -value.as_tuple().exponent for name, value in row.items()
              if isinstance(value, D)}
    assert scales == {
        "time_period_hours": 2, "total_energy_kwh": 3, "avg_power_kw": 3, "peak_demand_kw": 3,
        "sec_kwh_per_unit": 4, "load_factor": 4, "load_factor_percent": 2, "total_cost": 2,
        "cost_per_unit": 4, "total_co2_kg": 3, "co2_per_unit_kg": 6, "unpriced_energy_kwh": 3,
        "unfactored_energy_kwh": 3, "data_coverage_percent": 2}


def test_rows_when_there_is_no_electricity():
    p = plant([energy(T0, energy_type="natural_gas")], tariffs=[flat()])
    span = (MACHINE, T0, T0 + minutes(15))
    for function in (o.calculate_sec, o.calculate_peak_demand, o.calculate_load_factor,
                     o.calculate_carbon_intensity):
        assert function(p, *span) is None
    row = o.calculate_energy_cost(p, *span)
    assert list(row.values()) == [MACHINE, 0, 0, None, None, 0]
    row = o.calculate_all_kpis(p, *span)
    assert {name for name, value in row.items() if value is None} == {
        "peak_demand_kw", "sec_kwh_per_unit", "load_factor", "load_factor_percent",
        "cost_per_unit", "co2_per_unit_kg", "currency"}
    assert {value for value in row.values() if isinstance(value, D)} == {0}


def test_coverage_is_at_most_100():
    p = plant([energy(T0 + minutes(n)) for n in range(30)], interval=60)
    cover = [o.calculate_all_kpis(p, MACHINE, T0, T0 + length)["data_coverage_percent"]
             for length in (minutes(45), minutes(30), timedelta(seconds=90), timedelta(seconds=1))]
    assert cover == [D("66.67"), 100, 100, 100]


def test_operating_hours_are_shared_by_readings_in_each_quarter():
    modes = [(1, "fault"),                                     # before the range
             (5, "running"),                                   # 10 minutes of the first quarter
             (15, "running"), (16, "running"), (17, "idle"),   # 10 and 5 minutes
             (30, "maintenance"), (31, "fault"), (32, "offline"),       # 6 and 3 minutes
             (33, None), (34, None),                           # 6 minutes unknown
             (45, "fault")]                                    # 5 minutes of the last quarter
    p = plant(production=[made(T0 + minutes(n), operating_mode=mode) for n, mode in modes])
    row = o.get_machine_operating_hours(p, MACHINE, T0 + minutes(5), T0 + minutes(50))
    # Cumulative minutes 20, 25, 36, 39, 45 are 0.33, 0.42, 0.60, 0.65, 0.75 hours.
    assert list(row.items()) == [
        ("machine_id", MACHINE), ("total_hours", D("0.75")), ("running_hours", D("0.33")),
        ("idle_hours", D("0.09")), ("downtime_hours", D("0.18")),
        ("utilization_percent", D("44.44")), ("offline_hours", D("0.05")),
        ("unknown_hours", D("0.10"))]


def test_operating_hours_without_a_reading_are_unknown():
    row = o.get_machine_operating_hours(plant(), MACHINE, T0, T0 + minutes(90))
    assert list(row.values()) == [MACHINE, D("1.50"), 0, 0, 0, 0, 0, D("1.50")]


def test_factory_summary_sums_before_it_rounds():
    second = o.Machine(OTHER, FACTORY, "Oven", 900, is_active=False)
    silent = o.Machine(UUID(int=3), FACTORY, "Fan")
    p = plant([energy(T0, 10, "1.0004"), energy(T0 + minutes(15), 5, "1.0000"),
               energy(T0, 4, "3.0004", machine=OTHER), energy(T0, 4, 50, machine=UUID(int=9))],
              tariffs=[flat("0.121")], more_machines=[second, silent],
              factors=[o.CarbonFactor("default", D("0.5"), date(2024, 1, 1))])
    row = o.get_factory_summary(p, FACTORY, T0, T0 + minutes(30))
    assert list(row.items()) == [
        ("factory_id", FACTORY), ("factory_name", "Works"), ("machine_count", 3),
        ("active_machines", 2), ("total_energy_kwh", D("5.001")),       # 5.0008
        ("total_cost", D("0.61")),                             # 0.6050968; by machine 0.24 + 0.36
        ("total_co2_kg", D("2.500")),                          # 2.5004
        ("avg_load_factor", D("0.9000")),                      # (2.0004 x 0.75 + 3.0004) / 5.0008
        ("currency", "USD"), ("unpriced_energy_kwh", D("0.000")),
        ("unfactored_energy_kwh", D("0.000"))]
    empty = o.get_factory_summary(p, FACTORY, T0 + minutes(30), T0 + minutes(45))
    assert list(empty.values()) == [FACTORY, "Works", 3, 2, 0, 0, 0, None, None, 0, 0]


def test_factory_summary_refuses_two_currencies():
    second = o.Machine(OTHER, FACTORY, "Oven")
    p = plant([energy(T0), energy(T0 + timedelta(hours=12), machine=OTHER)],
              tariffs=[band("1", 0, 12), band("1", 12, 24, currency="EUR")], more_machines=[second])
    assert o.get_factory_summary(p, FACTORY, T0, T0 + timedelta(hours=12))["currency"] == "USD"
    with pytest.raises(ValueError, match="more than one currency"):
        o.get_factory_summary(p, FACTORY, T0, T0 + timedelta(hours=24))


def test_monthly_costs_are_of_local_months_and_the_demand_charge_of_the_peaks_hour():
    new_year = at("2026-12-31 23:00")       # midnight in Berlin
    readings = [energy(new_year - minutes(15), 70, 3), energy(new_year, 40, 5), energy(new_year + minutes(15), -1, 1)]
    tariffs = [flat("0.10", demand_charge_per_kw=D(2)), band("0.30", 0, 1, demand_charge_per_kw=D("7.5")),
               band("0.50", 23, 24)]
    december, january = o.monthly_costs(plant(readings, tariffs=tariffs, zone="Europe/Berlin"), MACHINE)
    # The band of 23:00 has no demand charge of its own, so the flat one's holds.
    assert december == {
        "month": date(2026, 12, 1), "total_energy_kwh": 3, "peak_demand_kw": 70, "energy_cost": D("1.50"),
        "demand_charge": D("140.00"), "total_cost": D("141.50"), "currency": "USD", "unpriced_energy_kwh": 0}
    assert (january["energy_cost"], january["demand_charge"]) == (D("1.80"), D("300.00"))
    mixed = [band("0.10", 0, 12), band("0.20", 12, 24, currency="EUR")]
    row = o.monthly_costs(plant([energy(T0), energy(T0 + timedelta(hours=13))], tariffs=mixed), MACHINE)[0]
    assert (row["energy_cost"], row["total_cost"], row["currency"], row["total_energy_kwh"]) == (None, None, None, 2)
    fed_in = o.monthly_costs(plant([energy(T0, -5)], tariffs=[flat(demand_charge_per_kw=D(2))]), MACHINE)[0]
    assert fed_in["demand_charge"] == 0


@pytest.mark.parametrize("function", [
    o.calculate_sec, o.calculate_peak_demand, o.calculate_load_factor, o.calculate_energy_cost,
    o.calculate_carbon_intensity, o.calculate_all_kpis, o.get_machine_operating_hours,
    o.get_factory_summary])
def test_bad_ranges_and_unknown_ids_are_errors(function):
    known = FACTORY if function is o.get_factory_summary else MACHINE
    for start, end in [(T0, T0), (T0, T0 - minutes(1)), (T0.replace(tzinfo=None), T0)]:
        with pytest.raises(ValueError):
            function(plant(), known, start, end)
    with pytest.raises(LookupError, match="unknown"):
        function(plant(), UUID(int=0), T0, T0 + minutes(15))


def test_energy_rollups_are_over_raw_readings():
    readings = [
        energy(T0, 10, 1, voltage_v=D(230)), energy(T0 + minutes(1), 20, 2),
        energy(T0 + minutes(2), 60, 3, voltage_v=D(233), is_estimated=True),    # quarter mean 30
        energy(T0 + minutes(45), 50, 4, "energy"),             # quarter mean 50
        energy(T0 + minutes(46), 999, 9, "steam"),
        energy(T0 + minutes(60), 2, 5)]
    quarter = o.rollup_energy(readings, o.QUARTER)
    assert list(quarter) == [(T0 + minutes(n), MACHINE) for n in (0, 45, 60)]
    assert quarter[T0, MACHINE] == {
        "avg_power_kw": 30, "min_power_kw": 10, "max_power_kw": 60, "peak_demand_kw": 30,
        "total_energy_kwh": 6, "avg_voltage_v": Fraction(463, 2), "avg_current_a": None,
        "avg_power_factor": None, "avg_frequency_hz": None, "load_factor": Fraction(1, 2),
        "total_readings": 3, "estimated_count": 1, "sum_power_kw": 90, "sum_voltage_v": 463,
        "count_voltage_v": 2, "sum_current_a": None, "count_current_a": 0, "sum_power_factor": None,
        "count_power_factor": 0, "sum_frequency_hz": None, "count_frequency_hz": 0}
    hour = o.rollup_energy(readings, o.HOUR)[T0, MACHINE]
    assert hour == {
        "avg_power_kw": 35, "min_power_kw": 10, "max_power_kw": 60, "peak_demand_kw": 50,
        "total_energy_kwh": 10, "avg_voltage_v": Fraction(463, 2), "avg_current_a": None,
        "avg_power_factor": None, "avg_load_factor": Fraction(7, 10), "total_readings": 4,
        "estimated_count": 1, "sum_power_kw": 140, "sum_voltage_v": 463, "count_voltage_v": 2,
        "sum_current_a": None, "count_current_a": 0, "sum_power_factor": None,
        "count_power_factor": 0, "sum_demand_kw": 80, "demand_intervals": 2}
    day = o.rollup_energy(readings, o.DAY)[T0, MACHINE]
    assert (day["avg_power_kw"], day["peak_demand_kw"], day["avg_load_factor"]) == (
        Fraction(142, 5), 50, Fraction(142, 250))
    assert (day["sum_demand_kw"], day["demand_intervals"]) == (82, 3)
    assert "avg_current_a" not in day
    assert o.rollup_carriers(readings, o.HOUR) == {(T0, MACHINE, "steam"): {
        "avg_power_kw": 999, "min_power_kw": 999, "max_power_kw": 999, "total_energy_kwh": 9,
        "total_readings": 1}}


def test_energy_by_the_minute():
    powers = (2, 4, 4, 4, 5, 5, 7, 9)
    readings = [energy(T0 + timedelta(seconds=n), kw) for n, kw in enumerate(powers)]
    row = o.rollup_energy([*readings, energy(T0 + minutes(1), is_estimated=True),
                           energy(T0, is_estimated=None, machine=OTHER)], o.MINUTE)
    first = row[T0, MACHINE]
    assert o.round_half_up(first["stddev_power_kw"], 9) == D("2.138089935")     # sqrt(32 / 7)
    assert (first["avg_power_kw"], first["reading_count"], first["estimated_count"]) == (5, 8, 0)
    alone = row[T0 + minutes(1), MACHINE]
    assert (alone["stddev_power_kw"], alone["estimated_count"]) == (None, 1)
    assert row[T0, OTHER]["estimated_count"] == 0


@pytest.mark.parametrize("power", [0, -3])
def test_load_factor_columns_are_0_where_the_divisor_is_not_positive(power):
    readings = [energy(T0, power)]
    assert o.rollup_energy(readings, o.QUARTER)[T0, MACHINE]["load_factor"] == 0
    assert o.rollup_energy(readings, o.DAY)[T0, MACHINE]["avg_load_factor"] == 0


def test_production_rollups():
    readings = [
        made(T0, production_count=10, good=8, bad=2, throughput=D(100), operating_mode="running",
             speed_percent=D(50), downtime_seconds=600),
        made(T0 + timedelta(seconds=1), production_count=5, good=4, operating_mode="fault"),
        made(T0 + minutes(30), throughput=D(40), downtime_seconds=300)]
    hour = o.rollup_production(readings, o.HOUR)[T0, MACHINE]
    assert hour == {
        "total_production_count": 15, "total_production_good": 12, "total_production_bad": 2,
        "quality_percent": 80, "avg_throughput": 70, "avg_speed_percent": 50,
        "total_downtime_seconds": 900, "availability_percent": 75, "total_readings": 3,
        "running_count": 1, "idle_count": 0, "maintenance_count": 0, "fault_count": 1,
        "offline_count": 0, "sum_throughput": 140, "count_throughput": 2,
        "sum_speed_percent": 50, "count_speed_percent": 1}
    minute = o.rollup_production(readings, o.MINUTE)
    # As frequent as each other: running comes before fault in the enum.
    assert minute[T0, MACHINE]["dominant_mode"] == "running"
    assert minute[T0 + minutes(30), MACHINE]["dominant_mode"] is None
    assert minute[T0 + minutes(30), MACHINE]["total_production_count"] is None
    day = o.rollup_production(readings, o.DAY)[T0, MACHINE]
    assert (day["availability_percent"], "avg_speed_percent" in day) == (
        Fraction(85_500, 864), False)
    still = [made(T0, production_count=0, good=0, downtime_seconds=4000)]
    hour = o.rollup_production(still, o.HOUR)[T0, MACHINE]
    assert (hour["quality_percent"], hour["availability_percent"]) == (0, 0)


def environment(time, **columns):
    return o.EnvironmentalReading(time, MACHINE, **{name: D(v) for name, v in columns.items()})


def test_environment_rollups():
    readings = [
        environment(T0, pressure_bar="6.5", vibration_mm_s="1", outdoor_humidity_percent="40"),
        environment(T0 + timedelta(seconds=1), pressure_bar="7.5", indoor_humidity_percent="55"),
        environment(T0 + minutes(50), pressure_bar="10", cop="3", vibration_mm_s="4")]
    minute = o.rollup_environment(readings, o.MINUTE)[T0, MACHINE]
    assert [minute[f"{name}_pressure_bar"] for name in ("avg", "min", "max")] == [
        7, D("6.5"), D("7.5")]
    assert (minute["avg_cop"], minute["max_vibration_mm_s"]) == (None, 1)
    assert minute["reading_count"] == 2
    hour = o.rollup_environment(readings, o.HOUR)[T0, MACHINE]
    assert hour == {
        "avg_outdoor_temp_c": None, "avg_indoor_temp_c": None, "avg_machine_temp_c": None,
        "avg_outdoor_humidity": 40, "avg_indoor_humidity": 55, "avg_pressure_bar": 8,
        "avg_flow_rate_m3h": None, "avg_vibration_mm_s": Fraction(5, 2), "total_readings": 3,
        "min_outdoor_temp_c": None, "max_outdoor_temp_c": None, "sum_outdoor_temp_c": None,
        "count_outdoor_temp_c": 0}
    quarter = o.rollup_environment(readings, o.QUARTER)[T0, MACHINE]
    assert (quarter["sum_pressure_bar"], quarter["count_pressure_bar"]) == (14, 2)


def test_rollups_have_the_widths_of_the_contract():
    with pytest.raises(ValueError, match="no rollup of width 1 day"):
        o.rollup_environment([], o.DAY)


def test_degree_days_come_from_the_days_mean():
    # 8, 17 and 26 degC have the mean 17, though they lie on either side of both bases.
    readings = [environment(T0 + timedelta(hours=n), outdoor_temp_c=t)
                for n, t in ((0, "8"), (6, "17"), (23, "26"))]
    readings += [environment(T0 + timedelta(hours=7), pressure_bar="1"),
                 environment(T0 + timedelta(hours=24), pressure_bar="1")]
    days = o.degree_days(readings)
    assert list(days[T0, MACHINE].items()) == [
        ("avg_outdoor_temp_c", 17), ("heating_degree_days_18c", 1), ("cooling_degree_days_18c", 0),
        ("heating_degree_days_15c", 0), ("cooling_degree_days_15c", Fraction(3, 2)),
        ("readings_count", 4), ("min_outdoor_temp_c", 8), ("max_outdoor_temp_c", 26)]
    unknown = days[T0 + timedelta(days=1), MACHINE]
    assert unknown.pop("readings_count") == 1
    assert set(unknown.values()) == {None}


@pytest.fixture(scope="module")
def steel_csv():
    path = o.find_steel_plant_csv()
    if path is None:
        pytest.skip("steel_industry_2018.csv is neither under ENMS_SHARED nor beside the checkout")
    return path


@pytest.fixture(scope="module")
def steel(steel_csv):
    weekdays = band("0.30", 9, 18, days=range(1, 6))
    return plant(o.read_steel_plant(steel_csv, MACHINE), tariffs=[flat(), weekdays],
                 factors=[o.CarbonFactor("KR", D("0.4"), date(2018, 1, 1), date(2018, 6, 30)),
                          o.CarbonFactor("KR", D("0.5"), date(2018, 7, 1))],
                 zone="Asia/Seoul", region="KR")


YEAR = (datetime(2018, 1, 1, tzinfo=ZoneInfo("Asia/Seoul")),
        datetime(2019, 1, 1, tzinfo=ZoneInfo("Asia/Seoul")))


def test_steel_plant_is_read_whole(steel):
    times = [r.time for r in steel.energy]
    assert (len(times), times[0]) == (35_040, YEAR[0])
    assert {b - a for a, b in zip(times, times[1:], strict=False)} == {minutes(15)}
    assert sum(r.energy_kwh for r in steel.energy) == D("959636.71")
    # The row dated 1/1/2018 0:00 stands after 23:45 in the file.
    assert steel.energy[0].energy_kwh == D("3.42")


def test_steel_plants_year(steel, steel_csv):
    row = o.calculate_all_kpis(steel, MACHINE, *YEAR)
    # The file's own weekday and seconds since midnight say what falls in the band and in June.
    with steel_csv.open(encoding="utf-8-sig") as file:
        rows = [(r, D(r["Usage_kWh"])) for r in csv.DictReader(file)]
    dear = sum(kwh for r, kwh in rows
               if r["WeekStatus"] == "Weekday" and 9 * 3600 <= int(r["NSM"]) < 18 * 3600)
    early = sum(kwh for r, kwh in rows if int(r["date"].split("/")[1]) <= 6)
    total = D("959636.71")
    assert row["total_energy_kwh"] == total
    assert row["total_cost"] == round(total * D("0.10") + dear * D("0.20"), 2)
    assert row["total_co2_kg"] == round(total * D("0.5") - early * D("0.1"), 3)
    assert row["avg_power_kw"] == D("109.548")                 # 959636.71 kWh / 8760 h
    assert (row["peak_demand_kw"], row["load_factor"]) == (D("628.720"), D("0.1742"))
    assert (row["time_period_hours"], row["data_coverage_percent"]) == (8760, 100)


def test_steel_plants_peak(steel):
    row = o.calculate_peak_demand(steel, MACHINE, *YEAR)
    assert row["peak_time"] == datetime(2018, 11, 22, 9, 45, tzinfo=ZoneInfo("Asia/Seoul"))
    days = o.rollup_energy(steel.energy, o.DAY)
    assert max(day["peak_demand_kw"] for day in days.values()) == row["peak_demand_kw"]
    assert sum(day["total_energy_kwh"] for day in days.values()) == Fraction("959636.71")
