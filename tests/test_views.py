"""Every view with a KPI figure against the functions over the same period, in zones whose local day begins at odd hours."""

import random
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import psycopg
import pytest

import oracle
from kpis import ask, differences, refereed
from oracle import CarbonFactor, EnergyReading, Factory, Machine, Plant, ProductionReading, Tariff
from plants import local_day
from readings import copy, refresh, store

ZONES = ["Asia/Kathmandu", "Australia/Lord_Howe", "America/Los_Angeles", "Pacific/Kiritimati"]
EVERY_DAY = list(range(7))


def moments(source: random.Random, now: datetime, days: int) -> list[datetime]:
    """Ragged times up to now: some each day, many in the last three days, and more in the last hour."""
    found, time = [], now - timedelta(days=days)
    while time < now:
        found.append(time)
        dense = now - time < timedelta(days=3)
        # On and off the clock, so that hours, quarter hours and days have uneven counts and gaps.
        time += timedelta(minutes=source.choice([3, 15, 30] if dense else [30, 75, 240]), microseconds=source.choice([0, 0, 1]))
        if source.random() < 0.3:
            time = oracle.bucket_of(time, oracle.QUARTER)
            time += oracle.QUARTER if time <= found[-1] else timedelta()
    return found + [now - timedelta(seconds=seconds) for seconds in range(1, 600, 13)]


def plant(now: datetime) -> Plant:
    """For each zone a factory with two machines of uneven readings, one that is retired and one that never sent any."""
    source, made = random.Random(3), Plant()
    for zone in ZONES:
        factory = Factory(uuid.uuid4(), f"Factory {uuid.uuid4()}", zone, f"grid {uuid.uuid4()}")
        machines = [Machine(uuid.uuid4(), factory.id, name, 60, name != "Retired") for name in ("A", "B", "Retired", "New")]
        # A rate, a factor and a month that end while there are readings: ten days ago, and without a successor.
        ended = now.astimezone(ZoneInfo(zone)).date() - timedelta(days=10)
        made.factories.append(factory)
        made.machines.extend(machines)
        made.tariffs.extend([
            Tariff(factory_id=factory.id, name="until", rate_per_kwh=Decimal("0.213"), valid_from=date(2020, 1, 1), valid_to=ended,
                   demand_charge_per_kw=Decimal("7.5")),
            Tariff(factory_id=factory.id, name="since", rate_per_kwh=Decimal("0.3"), valid_from=ended + timedelta(days=2)),
            Tariff(factory_id=factory.id, name="night", rate_per_kwh=Decimal("0.111111"), is_time_of_use=True, start_hour=21, end_hour=5,
                   applicable_days=[0, 2, 3, 6], valid_from=date(2020, 1, 1), timezone="Europe/Berlin", demand_charge_per_kw=Decimal("3.333333")),
        ])  # fmt: skip
        made.carbon_factors.extend([
            CarbonFactor(factory.grid_region, Decimal("0.412345"), date(2020, 1, 1), ended),
            CarbonFactor(factory.grid_region, Decimal("0.2"), ended + timedelta(days=2)),
        ])  # fmt: skip
        for machine in machines[:3]:
            for time in sorted(set(moments(source, now, 45 if machine.name == "A" else 4))):
                kind = source.choice(["energy", "electrical", "energy", "natural_gas"])
                made.energy.append(EnergyReading(
                    time, machine.id, kind, round(Decimal(source.uniform(-20, 300)), 3), round(Decimal(source.uniform(0, 30)), 3),
                    voltage_v=source.choice([None, Decimal("398.5"), Decimal(401)]),
                    power_factor=source.choice([None, Decimal("0.91"), Decimal("0.8")])))  # fmt: skip
                if machine.name != "B":
                    made.production.append(ProductionReading(time, machine.id, source.choice([None, 0, 9]), operating_mode="running"))
    return made


def select(connection: psycopg.Connection, view: str, machines: list[Machine]) -> list[oracle.Row]:
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return cursor.execute(f"select * from {view} where machine_id = any (%s)", [[m.id for m in machines]]).fetchall()


def named(row: oracle.Row, **columns: str) -> oracle.Row:
    """The figures of a function under a view's names."""
    return {name: row[column] for name, column in columns.items()}


def assert_periods(connection: psycopg.Connection, plant: Plant, now: datetime) -> None:
    """v_today_summary, v_week_summary and v_factory_dashboard: since local midnight, and since Monday's."""
    starts = {}
    for factory in plant.factories:
        today = now.astimezone(ZoneInfo(factory.timezone)).date()
        monday = today - timedelta(days=today.weekday())
        starts[factory.id] = {"today": local_day(today, factory.timezone)[0], "week": local_day(monday, factory.timezone)[0]}
    for span in "today", "week":
        active = [m for m in plant.machines if m.is_active]
        figures = ask(connection, "calculate_all_kpis", [(m.id, starts[m.factory_id][span], now) for m in active])
        rows = {row["machine_id"]: row for row in select(connection, f"v_{span}_summary", plant.machines)}
        assert rows.keys() == {m.id for m in active}
        for kpis in figures:
            expected = named(kpis, **{
                f"energy_{span}_kwh": "total_energy_kwh", f"avg_power_{span}_kw": "avg_power_kw", f"peak_demand_{span}_kw": "peak_demand_kw",
                f"production_{span}_units": "total_production_units", f"sec_{span}": "sec_kwh_per_unit", f"cost_{span}": "total_cost",
                f"co2_{span}_kg": "total_co2_kg", "currency": "currency"})  # fmt: skip
            actual = {column: rows[kpis["machine_id"]][column] for column in expected}
            assert not differences(actual, expected), f"v_{span}_summary"
    summaries = ask(connection, "get_factory_summary", [(f.id, starts[f.id]["today"], now) for f in plant.factories])
    units = ask(connection, "calculate_all_kpis", [(m.id, starts[m.factory_id]["today"], now) for m in plant.machines])
    for summary in summaries:
        with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            row = cursor.execute("select * from v_factory_dashboard where factory_id = %s", [summary["factory_id"]]).fetchone()
        own = [m.id for m in plant.machines if m.factory_id == summary["factory_id"]]
        expected = named(
            summary, energy_today_kwh="total_energy_kwh", cost_today="total_cost", co2_today_kg="total_co2_kg",
            total_machines="machine_count", active_machines="active_machines", currency="currency",
        ) | {"production_today_units": sum(kpis["total_production_units"] for kpis in units if kpis["machine_id"] in own)}  # fmt: skip
        assert not differences({column: row[column] for column in expected}, expected), "v_factory_dashboard"


def assert_days_and_months(connection: psycopg.Connection, plant: Plant, now: datetime) -> None:
    """v_energy_trend_30d and v_carbon_emissions_tracking by local day, v_monthly_cost_breakdown by local month."""
    zones = {m.id: next(f.timezone for f in plant.factories if f.id == m.factory_id) for m in plant.machines}
    days = sorted({(r.machine_id, r.time.astimezone(ZoneInfo(zones[r.machine_id])).date()) for r in plant.energy
                   if r.energy_type in oracle.ELECTRICITY})  # fmt: skip
    kpis = dict(zip(days, ask(connection, "calculate_all_kpis", [(machine, *local_day(day, zones[machine])) for machine, day in days])))
    recent = {
        (machine, day): named(row, energy_kwh="total_energy_kwh", peak_demand_kw="peak_demand_kw", load_factor="load_factor")
        for (machine, day), row in kpis.items()
        if 0 <= (now.astimezone(ZoneInfo(zones[machine])).date() - day).days < 30
    }
    trend = {(row.pop("machine_id"), row.pop("date")): row for row in select(connection, "v_energy_trend_30d", plant.machines)}
    assert trend == recent
    # On a day without a factor the view says that it doesn't know.
    emitted = {
        key: (row["total_energy_kwh"], None, None) if row["unfactored_energy_kwh"] == row["total_energy_kwh"]
        else (row["total_energy_kwh"], row["total_co2_kg"], row["total_co2_kg"] / 1000)
        for key, row in kpis.items()
    }  # fmt: skip
    rows = select(connection, "v_carbon_emissions_tracking", plant.machines)
    assert {(r["machine_id"], r["date"]): (r["total_energy_kwh"], r["total_co2_kg"], r["total_co2_tonnes"]) for r in rows} == emitted
    assert None in {co2 for _, co2, _ in emitted.values()}

    rows = select(connection, "v_monthly_cost_breakdown", plant.machines)
    months = {(row["machine_id"], row["month"]): row for row in rows}
    assert len(rows) == len(months)
    expected = {(machine.id, row["month"]): row for machine in plant.machines for row in oracle.monthly_costs(plant, machine.id)}
    assert months.keys() == expected.keys()
    spans = [(machine, local_day(month, zones[machine])[0], local_day((month + timedelta(days=31)).replace(day=1), zones[machine])[0])
             for machine, month in months]  # fmt: skip
    for key, row in zip(months, ask(connection, "calculate_all_kpis", spans)):
        figures = named(row, total_energy_kwh="total_energy_kwh", peak_demand_kw="peak_demand_kw", energy_cost="total_cost",
                        currency="currency", unpriced_energy_kwh="unpriced_energy_kwh")  # fmt: skip
        assert not differences({column: months[key][column] for column in figures}, figures), key
        assert not differences({column: months[key][column] for column in expected[key]}, expected[key]), key


def assert_hours(connection: psycopg.Connection, plant: Plant, now: datetime) -> None:
    """v_energy_comparison_daily by local hour, v_current_hour_metrics by the clock's hour."""
    expected = {}
    for factory in plant.factories:
        zone = ZoneInfo(factory.timezone)
        today = now.astimezone(zone).date()
        for machine in (m for m in plant.machines if m.factory_id == factory.id):
            sums: dict[int, list] = {}
            for r in plant.energy:
                local = r.time.astimezone(zone)
                if r.machine_id == machine.id and r.energy_type in oracle.ELECTRICITY and 0 <= (today - local.date()).days <= 1:
                    sums.setdefault(local.hour, [Decimal(), Decimal()])[(today - local.date()).days] += r.energy_kwh
            for hour, (now_kwh, then_kwh) in sums.items():
                change = Fraction(now_kwh - then_kwh) / Fraction(then_kwh) * 100 if then_kwh else None
                expected[machine.id, hour] = (now_kwh, then_kwh, oracle.round_half_up(change, 2))
    rows = select(connection, "v_energy_comparison_daily", plant.machines)
    columns = ["energy_today_kwh", "energy_yesterday_kwh", "change_percent"]
    assert {(row["machine_id"], row["hour_of_day"]): tuple(row[column] for column in columns) for row in rows} == expected
    zones = {f.id: f.timezone for f in plant.factories}
    days = [(m.id, *local_day(now.astimezone(ZoneInfo(zones[m.factory_id])).date(), zones[m.factory_id])) for m in plant.machines]
    for question, cost in zip(days, ask(connection, "calculate_energy_cost", days)):
        assert sum(r["energy_today_kwh"] for r in rows if r["machine_id"] == question[0]) == cost["total_energy_kwh"]

    hour = oracle.bucket_of(now, oracle.HOUR)
    shown = {row["machine_id"]: row for row in select(connection, "v_current_hour_metrics", plant.machines)}
    rollup = oracle.rollup_energy([r for r in plant.energy if hour <= r.time], oracle.HOUR)
    assert shown.keys() == {machine for _, machine in rollup}
    span = [(machine, hour, now) for machine in shown]
    for machine, power, cost in zip(shown, ask(connection, "calculate_peak_demand", span), ask(connection, "calculate_energy_cost", span)):
        row, raw = shown[machine], rollup[hour, machine]
        assert (oracle.round_half_up(row["avg_power_kw"], 3), row["total_energy_kwh"]) == (power["avg_power_kw"], cost["total_energy_kwh"])
        for column, source in {"avg_power_kw": "avg_power_kw", "max_power_kw": "max_power_kw", "min_power_kw": "min_power_kw",
                               "total_energy_kwh": "total_energy_kwh", "avg_power_factor": "avg_power_factor",
                               "avg_voltage_v": "avg_voltage_v", "reading_count": "total_readings"}.items():  # fmt: skip
            assert oracle.round_half_up(row[column], 9) == oracle.round_half_up(raw[source], 9), f"v_current_hour_metrics.{column}"


CHECKS = [assert_periods, assert_days_and_months, assert_hours]


@pytest.fixture(scope="module")
def stored(database: str) -> Plant:
    """A plant whose rollups are refreshed, though the last readings came after that."""
    now = datetime.now(UTC)
    made = plant(now)
    first = [r for r in made.energy if r.time < now - timedelta(minutes=20)]
    with psycopg.connect(database, autocommit=True) as connection:
        store(connection, replace(made, energy=first))
        refresh(connection)
        copy(connection, [r for r in made.energy if r.time >= now - timedelta(minutes=20)])
    return made


@pytest.mark.parametrize("check", CHECKS)
def test_views_agree_with_the_functions(connection: psycopg.Connection, stored: Plant, check) -> None:
    with connection.transaction():
        now = connection.execute("select now()").fetchone()[0]
        check(connection, refereed(connection, stored), now)


def test_a_days_load_factor_at_an_exact_half_is_rounded_up(connection: psycopg.Connection) -> None:
    """Two quarter hours of 10 / 3 and 6.001 / 3 kW: 0.80005; neither is a finite decimal."""
    factory = Factory(uuid.uuid4(), f"Factory {uuid.uuid4()}")
    machine = Machine(uuid.uuid4(), factory.id, "Mill", 300)
    day = oracle.bucket_of(datetime.now(UTC) - timedelta(days=3), oracle.DAY)
    powers = ["10", "0", "0", "6.001", "0", "0"]
    energy = [EnergyReading(day + n * timedelta(minutes=5), machine.id, "energy", Decimal(kw), Decimal(1)) for n, kw in enumerate(powers)]
    store(connection, Plant([factory], [machine], [], [], energy))
    refresh(connection)
    [row] = select(connection, "v_energy_trend_30d", [machine])
    [function] = ask(connection, "calculate_load_factor", [(machine.id, day, day + oracle.DAY)])
    assert row["load_factor"] == function["load_factor"] == Decimal("0.8001")


def test_views_agree_with_the_functions_after_late_data(connection: psycopg.Connection, stored: Plant) -> None:
    """Before any policy runs again: readings that come late to every local day, and to the present hour."""
    now = datetime.now(UTC)
    late = [
        EnergyReading(r.time + timedelta(microseconds=2), r.machine_id, "energy", Decimal("812.5"), Decimal("1.125"))
        for r in stored.energy[::17]
        if r.time < now - timedelta(minutes=1)
    ]
    copy(connection, late)
    stored.energy.extend(late)
    with connection.transaction():
        now = connection.execute("select now()").fetchone()[0]
        for check in CHECKS:
            check(connection, refereed(connection, stored), now)


def newest(connection: psycopg.Connection, machine: Machine) -> datetime | None:
    return next((row["time"] for row in select(connection, "v_latest_energy_readings", [machine])), None)


def test_the_latest_reading_of_a_silent_machine(fresh: psycopg.Connection) -> None:
    """However long it has been silent, after a late reading and after deletions, whatever is refreshed."""
    factory = Factory(uuid.uuid4(), f"Factory {uuid.uuid4()}")
    silent, live, gas = (Machine(uuid.uuid4(), factory.id, name, 60) for name in ("Silent", "Live", "Gas"))
    now = datetime.now(UTC).replace(microsecond=0)
    last = now - timedelta(days=9)
    made = [EnergyReading(last - n * timedelta(hours=5), silent.id, "energy", Decimal(1), Decimal(1)) for n in range(4)]
    made += [EnergyReading(now - n * timedelta(minutes=30), live.id, "energy", Decimal(1), Decimal(1)) for n in range(500)]
    made += [EnergyReading(now - timedelta(hours=1), gas.id, "natural_gas", Decimal(1), Decimal(1))]
    store(fresh, Plant([factory], [silent, live, gas], [], [], made))
    for _ in range(2):
        assert (newest(fresh, silent), newest(fresh, live), newest(fresh, gas)) == (last, now, None)
        refresh(fresh)
    late = now - timedelta(days=6, minutes=7)
    copy(fresh, [EnergyReading(late, silent.id, "energy", Decimal(1), Decimal(1))])
    assert newest(fresh, silent) == late
    refresh(fresh)
    assert newest(fresh, silent) == late
    fresh.execute("delete from energy_readings where machine_id = %s and time > %s", [silent.id, last - timedelta(hours=6)])
    for _ in range(2):
        assert newest(fresh, silent) == last - timedelta(hours=10)
        refresh(fresh)
    fresh.execute("delete from energy_readings where machine_id = %s", [silent.id])
    assert newest(fresh, silent) is None


def test_a_month_that_only_a_late_reading_has_shows_at_once(fresh: psycopg.Connection) -> None:
    factory = Factory(uuid.uuid4(), f"Factory {uuid.uuid4()}", "Asia/Kathmandu")
    machine = Machine(uuid.uuid4(), factory.id, "Mill", 60)
    now = datetime.now(UTC)
    stored = EnergyReading(now - timedelta(days=3), machine.id, "energy", Decimal(1), Decimal(1))
    store(fresh, Plant([factory], [machine], [], [], [stored]))
    refresh(fresh)
    late = now - timedelta(days=40)
    copy(fresh, [EnergyReading(late, machine.id, "energy", Decimal(2), Decimal(3))])
    day = late.astimezone(ZoneInfo("Asia/Kathmandu")).date()
    for _ in range(2):
        months = {row["month"]: row["total_energy_kwh"] for row in select(fresh, "v_monthly_cost_breakdown", [machine])}
        assert months[day.replace(day=1)] == 3
        days = {row["date"]: row["total_energy_kwh"] for row in select(fresh, "v_carbon_emissions_tracking", [machine])}
        assert days[day] == 3
        refresh(fresh)
