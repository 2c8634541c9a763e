"""Rates, demand charges and emission factors on hand-counted weeks of one kWh each quarter hour, and against the oracle."""

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import psycopg
import pytest

import oracle
from kpis import ask, refereed
from oracle import CarbonFactor, EnergyReading, Factory, Machine, Plant, Tariff
from plants import local_day
from readings import call, refresh, store

# The Monday of a week of 2026 without a clock change in the zones below.
MONDAY = date(2026, 11, 9)
MON, TUE, WED, THU, FRI, SAT, SUN = ((n + 1) % 7 for n in range(7))


def site(zone: str = "UTC", **factory) -> tuple[Factory, Machine]:
    made = Factory(uuid.uuid4(), f"Site {uuid.uuid4()}", zone, **factory)
    return made, Machine(uuid.uuid4(), made.id, "Mill", 900)


def kwh_by_quarter(machine: Machine, start: datetime, end: datetime) -> list[EnergyReading]:
    """One kWh, 4 kW, in every quarter hour."""
    times = [start + n * oracle.QUARTER for n in range((end - start) // oracle.QUARTER)]
    return [EnergyReading(time, machine.id, "energy", Decimal(4), Decimal(1)) for time in times]


def priced_days(connection: psycopg.Connection, zone: str, tariffs: list[dict], days: int = 7, monday: date = MONDAY) -> list[oracle.Row]:
    """calculate_energy_cost of each local day from Monday on, after a refresh."""
    factory, machine = site(zone)
    rates = [Tariff(factory_id=factory.id, **{"valid_from": date(2020, 1, 1), **tariff}) for tariff in tariffs]
    spans = [local_day(monday + timedelta(days=n), zone) for n in range(days)]
    store(connection, Plant([factory], [machine], rates, [], kwh_by_quarter(machine, spans[0][0], spans[-1][1])))
    refresh(connection)
    return ask(connection, "calculate_energy_cost", [(machine.id, *span) for span in spans])


def flat(rate: str = "1", **columns) -> dict:
    return {"name": f"flat {rate}", "rate_per_kwh": Decimal(rate), **columns}


def band(rate: str, start: int, end: int, days: list[int], **columns) -> dict:
    return {"name": f"band {rate}", "rate_per_kwh": Decimal(rate), "is_time_of_use": True, "start_hour": start, "end_hour": end,
            "applicable_days": days, **columns}  # fmt: skip


def costs(rows: list[oracle.Row]) -> list[int]:
    return [row["total_cost"] for row in rows]


def unpriced(rows: list[oracle.Row]) -> list[int]:
    return [row["unpriced_energy_kwh"] for row in rows]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_a_band_across_midnight_belongs_to_the_calendar_day_of_the_slice(connection: psycopg.Connection, zone: str) -> None:
    # From 22 to 6 on Fridays: Friday's first six and last two hours, nothing of Saturday. 8 h are 32 kWh at 11 instead of 1.
    rows = priced_days(connection, zone, [flat(), band("11", 22, 6, [FRI])])
    assert costs(rows) == [96, 96, 96, 96, 96 + 320, 96, 96]
    assert rows[4]["avg_rate_per_kwh"] == Decimal("4.333333") and unpriced(rows) == [0] * 7


def test_bands_hold_on_their_days_only_and_beat_the_flat_rate(connection: psycopg.Connection) -> None:
    # Working days from 8 to 18, 40 kWh at 3; Sundays whole, at 2; the rest at 1.
    rows = priced_days(connection, "Europe/Berlin", [flat(), band("3", 8, 18, [MON, TUE, WED, THU, FRI]), band("2", 0, 24, [SUN])])
    assert costs(rows) == [176] * 5 + [96, 192]


def test_valid_from_and_valid_to_are_local_days_and_both_count(connection: psycopg.Connection) -> None:
    wednesday, friday = MONDAY + timedelta(days=2), MONDAY + timedelta(days=4)
    rows = priced_days(connection, "America/Los_Angeles", [flat("1", valid_to=wednesday), flat("2", valid_from=friday, valid_to=friday)])
    assert costs(rows) == [96, 96, 96, 0, 192, 0, 0]
    assert unpriced(rows) == [0, 0, 0, 96, 0, 96, 96]
    assert [row["avg_rate_per_kwh"] for row in rows[2:5]] == [1, None, 2]
    assert [row["currency"] for row in rows[2:5]] == ["USD", None, "USD"]


def test_hours_without_a_rate_are_unpriced(connection: psycopg.Connection) -> None:
    rows = priced_days(connection, "Asia/Kathmandu", [band("3", 6, 22, [MON, TUE])])
    assert costs(rows) == [192, 192, 0, 0, 0, 0, 0]
    assert unpriced(rows) == [32, 32, 96, 96, 96, 96, 96]
    assert {row["total_energy_kwh"] for row in rows} == {96}


def test_a_tariff_keeps_its_own_time_zone(connection: psycopg.Connection) -> None:
    # Midnight to 6 in Berlin is 4:45 to 10:45 in Kathmandu; its Monday and its validity begin at 4:45 too.
    rows = priced_days(connection, "Asia/Kathmandu", [band("3", 0, 6, [MON, TUE], timezone="Europe/Berlin")], days=3)
    assert costs(rows) == [72, 72, 0]
    rows = priced_days(connection, "Asia/Kathmandu", [flat(timezone="Europe/Berlin", valid_from=MONDAY, valid_to=MONDAY)], days=3)
    # 19 h 15 min of Monday in Kathmandu, and 4 h 45 min of Tuesday.
    assert costs(rows) == [77, 19, 0]


@pytest.mark.parametrize(("zone", "day", "quarters"), [
    ("Europe/Berlin", date(2026, 3, 29), [8, 12]), ("Europe/Berlin", date(2026, 10, 25), [16, 12]),
    ("America/Los_Angeles", date(2026, 3, 8), [8, 12]), ("America/Los_Angeles", date(2026, 11, 1), [12, 12]),
    ("Australia/Lord_Howe", date(2026, 10, 4), [10, 12]), ("Australia/Lord_Howe", date(2026, 4, 5), [14, 12]),
])  # fmt: skip
def test_bands_follow_the_local_clock_when_it_is_changed(connection: psycopg.Connection, zone: str, day: date, quarters: list[int]) -> None:
    """A band from 0 to 3 (in Los Angeles it is 1 to 3 that is doubled or lost), on the day of the change and the day after."""
    start = 1 if (zone, day.month) == ("America/Los_Angeles", 11) else 0
    rows = priced_days(connection, zone, [band("1", start, 3, list(range(7)))], days=2, monday=day)
    assert costs(rows) == [quarters[0], quarters[1] - 4 * start]


def test_two_currencies_in_one_range(connection: psycopg.Connection) -> None:
    factory, machine = site()
    first, second = (datetime(2026, 11, n, tzinfo=UTC) for n in (1, 2))
    end = second + timedelta(days=1)
    tariffs = [
        Tariff(factory_id=factory.id, name="marks", rate_per_kwh=Decimal("0.2"), currency="DEM", valid_from=date(2020, 1, 1), valid_to=first.date()),
        Tariff(factory_id=factory.id, name="euros", rate_per_kwh=Decimal("0.1"), currency="EUR", valid_from=second.date()),
    ]  # fmt: skip
    store(connection, Plant([factory], [machine], tariffs, [], kwh_by_quarter(machine, first, end)))
    refresh(connection)
    for function in "calculate_energy_cost", "calculate_all_kpis":
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="DEM and in EUR"):
            call(connection, function, machine.id, first, end)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="DEM and in EUR"):
        call(connection, "get_factory_summary", factory.id, first, end)
    # The last microsecond before the change holds no reading, the first one after it does.
    assert call(connection, "calculate_energy_cost", machine.id, first, second)["currency"] == "DEM"
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        call(connection, "calculate_energy_cost", machine.id, first, second + timedelta(microseconds=1))
    # What has no price is no obstacle.
    assert call(connection, "calculate_sec", machine.id, first, end)["total_energy_kwh"] == 192
    assert call(connection, "calculate_carbon_intensity", machine.id, first, end)["total_energy_kwh"] == 192


@pytest.mark.parametrize("change", [
    "update energy_tariffs set valid_to = null where name = 'Old rate'",
    "update energy_tariffs set is_active = true where name = 'Retired rate'",
    "update energy_tariffs set applicable_days = '{{0,1,2}}' where name = 'Weekend band'",
    "update energy_tariffs set end_hour = 7 where name = 'Night band'",
    "update factories set timezone = 'Asia/Tokyo' where id = '{factory}'",
])  # fmt: skip
def test_a_change_that_makes_two_rates_overlap_is_refused_and_both_are_named(connection: psycopg.Connection, change: str) -> None:
    factory, _ = site("Europe/Berlin")

    def rate(name: str, **columns) -> Tariff:
        return Tariff(factory_id=factory.id, name=name, rate_per_kwh=Decimal(1), **{"valid_from": date(2020, 1, 1), **columns})

    times = {"is_time_of_use": True, "applicable_days": [1, 2, 3, 4, 5]}
    tariffs = [
        rate("Old rate", valid_to=date(2025, 12, 31)), rate("New rate", valid_from=date(2026, 1, 1)), rate("Retired rate", is_active=False),
        rate("Night band", start_hour=22, end_hour=6, **times), rate("Day band", start_hour=6, end_hour=22, timezone="Europe/Berlin", **times),
        rate("Weekend band", start_hour=0, end_hour=24, **(times | {"applicable_days": [0, 6]})),
    ]  # fmt: skip
    with connection.transaction(force_rollback=True):
        store(connection, Plant([factory], tariffs=tariffs))
        names = {
            "Old rate": "(?=.*Old rate)(?=.*New rate)", "Retired rate": "(?=.*Retired rate)(?=.*(Old|New) rate)",
            "Weekend band": "(?=.*Weekend band)(?=.*(Night|Day) band)", "Night band": "(?=.*Night band)(?=.*Day band)",
        }  # fmt: skip
        expected = next((pattern for name, pattern in names.items() if name in change), "(?=.*Day band)(?=.*band)")
        with pytest.raises(psycopg.errors.ExclusionViolation, match=expected):
            connection.execute(change.format(factory=factory.id))


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Australia/Lord_Howe"])
def test_cost_and_demand_charge_of_local_months(connection: psycopg.Connection, zone: str) -> None:
    """Readings on both sides of every local month's midnight, over clock changes, a new currency and a gap in the rates."""
    factory, machine = site(zone)
    tariffs = [
        Tariff(factory_id=factory.id, valid_from=date(2020, 1, 1), valid_to=date(2026, 5, 31), **flat("0.2", demand_charge_per_kw=Decimal("7.5"))),
        Tariff(factory_id=factory.id, valid_from=date(2020, 1, 1), valid_to=date(2026, 6, 15),
               **band("0.35", 17, 9, [1, 2, 3, 4, 5], demand_charge_per_kw=Decimal("3.123456"))),
        Tariff(factory_id=factory.id, valid_from=date(2026, 8, 15), **flat("0.3", currency="EUR")),
        Tariff(factory_id=factory.id, valid_from=date(2026, 7, 1), valid_to=date(2026, 8, 14), **flat("0.1", demand_charge_per_kw=Decimal(2))),
    ]  # fmt: skip
    energy, number = [], 0
    for month in range(1, 12):
        midnight = datetime(2026, month, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        for step in (-8, -1, 0, 1, 40):
            for second in (0, 300, 899):
                number += 1
                # October feeds in all month; every other month has a peak of its own, some of them in thirds of a kW.
                power = Decimal(-number) if month == 10 or (month == 11 and step < 0) else Decimal(number * 37 % 101) + Decimal("0.01")
                kind = "natural_gas" if number % 7 == 0 else "energy"
                time = midnight + step * oracle.QUARTER + timedelta(seconds=second)
                energy.append(EnergyReading(time, machine.id, kind, power, Decimal(number) / 8))
    plant = Plant([factory], [machine], tariffs, [], energy)
    store(connection, plant)
    refresh(connection)
    expected = oracle.monthly_costs(plant, machine.id)
    rows = connection.execute(
        f"select {', '.join(expected[0])} from v_monthly_cost_breakdown where machine_id = %s order by month", [machine.id]
    ).fetchall()
    assert [dict(zip(expected[0], row)) for row in rows] == expected
    assert len(expected) == 12 and None in {row["currency"] for row in expected} and {"USD", "EUR"} < {row["currency"] for row in expected}
    assert len({row["demand_charge"] for row in expected}) > 5 and expected[10]["demand_charge"] == 0


def test_a_demand_charge_at_an_exact_half_cent_is_rounded_up(connection: psycopg.Connection) -> None:
    factory, machine = site()
    start = datetime(2026, 11, 9, tzinfo=UTC)
    # Mean 10.03 / 3 kW at 7.50 per kW: 25.075.
    powers = [Decimal("10.03"), Decimal(0), Decimal(0)]
    energy = [EnergyReading(start + timedelta(seconds=n), machine.id, "energy", kw, Decimal(1)) for n, kw in enumerate(powers)]
    tariff = Tariff(factory_id=factory.id, valid_from=date(2020, 1, 1), **flat("0", demand_charge_per_kw=Decimal("7.5")))
    store(connection, Plant([factory], [machine], [tariff], [], energy))
    refresh(connection)
    charge = connection.execute("select demand_charge from v_monthly_cost_breakdown where machine_id = %s", [machine.id]).fetchone()[0]
    assert charge == Decimal("25.08")


def test_emission_factors_by_day_and_region(connection: psycopg.Connection) -> None:
    """96 kWh a day at factors that begin, end, overlap and are missing, for the factory's region and for others."""
    grid, other, empty, (own, machine), (lone, stray) = *(f"grid {uuid.uuid4()}" for _ in range(3)), site(), site()
    own = Factory(own.id, own.name, "Asia/Kathmandu", grid)
    lost, wanderer = site(grid_region=empty)
    tuesday, thursday, friday = (MONDAY + timedelta(days=n) for n in (1, 3, 4))
    factors = [
        CarbonFactor(grid, Decimal(1), date(2020, 1, 1), thursday), CarbonFactor(grid, Decimal(2), tuesday, tuesday),
        CarbonFactor(grid, Decimal(9), thursday, None, is_active=False), CarbonFactor(grid, Decimal(3), friday, friday),
        CarbonFactor(other, Decimal(5), date(2020, 1, 1)),
    ]  # fmt: skip
    spans = [local_day(MONDAY + timedelta(days=n), own.timezone) for n in range(7)]
    machines = [machine, stray, wanderer]
    energy = [reading for m in machines for reading in kwh_by_quarter(m, spans[0][0], spans[-1][1])]
    plant = Plant([own, lone, lost], machines, [], factors, energy)
    store(connection, plant)
    refresh(connection)

    def carbon(region: str | None, subject: Machine = machine) -> list[oracle.Row]:
        return ask(connection, "calculate_carbon_intensity", [(subject.id, *span, region) for span in spans])

    # Tuesday has two: the one that began later holds. Nothing after Friday, so that energy is reported, not guessed.
    rows = carbon(None)
    assert [row["total_co2_kg"] for row in rows] == [96, 192, 96, 96, 288, 0, 0]
    assert [row["unfactored_energy_kwh"] for row in rows] == [0, 0, 0, 0, 0, 96, 96]
    assert [row["emission_factor"] for row in rows] == [1, 2, 1, 1, 3, None, None]
    week = call(connection, "calculate_carbon_intensity", machine.id, spans[0][0], spans[-1][1])
    assert (week["total_co2_kg"], week["emission_factor"], week["unfactored_energy_kwh"]) == (768, Decimal("1.600000"), 192)
    assert carbon(grid) == rows
    assert {row["total_co2_kg"] for row in carbon(other)} == {480}
    default = next(f.factor for f in refereed(connection, plant).carbon_factors if f.region == "default")
    assert {row["emission_factor"] for row in carbon("default")} == {default}
    # A factory without a region takes the default; one whose region has no factor does not.
    assert carbon(None, stray) == [row | {"machine_id": stray.id} for row in carbon("default")]
    assert {row["unfactored_energy_kwh"] for row in carbon(None, wanderer)} == {96}
    with pytest.raises(psycopg.errors.NoDataFound, match=f'unknown region "{empty}" \\(p_region\\)'):
        carbon(empty)
    with pytest.raises(psycopg.errors.NoDataFound, match='unknown region "" '):
        carbon("")
