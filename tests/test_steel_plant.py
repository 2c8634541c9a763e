"""The main job on real input: a steel plant's year, loaded as an integrator would, against plain Python.

The readings are older than retention keeps them, so the same figures are asked for after the retention
policy has dropped every one of them.
"""

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

import oracle
from oracle import CarbonFactor, Factory, Machine, Plant, Tariff
from readings import call, copy, refresh, run_policy

SEOUL = ZoneInfo("Asia/Seoul")
FACTORY = Factory(uuid.UUID("33333333-3333-3333-3333-333333333333"), "Gwangyang Steel Works", "Asia/Seoul", "KR")
MACHINE = Machine(uuid.UUID("d0000000-0000-0000-0000-000000000001"), FACTORY.id, "Rolling mill", 900)
YEAR = (datetime(2018, 1, 1, tzinfo=SEOUL).astimezone(UTC), datetime(2019, 1, 1, tzinfo=SEOUL).astimezone(UTC))
FACTORS = [CarbonFactor("KR", Decimal("0.459"), date(2015, 1, 1)), CarbonFactor("KR", Decimal("0.4434"), date(2018, 7, 1))]
FLAT = [Tariff(factory_id=FACTORY.id, name="Flat", rate_per_kwh=Decimal("109.8"), currency="KRW", valid_from=date(2015, 1, 1),
               demand_charge_per_kw=Decimal("8320"))]  # fmt: skip
EVERY_DAY = list(range(7))
TIME_OF_USE = [
    Tariff(factory_id=FACTORY.id, name="Night", rate_per_kwh=Decimal("61.6"), currency="KRW", is_time_of_use=True,
           start_hour=23, end_hour=9, applicable_days=EVERY_DAY, valid_from=date(2015, 1, 1)),
    Tariff(factory_id=FACTORY.id, name="Day", rate_per_kwh=Decimal("114.5"), currency="KRW", is_time_of_use=True,
           start_hour=9, end_hour=23, applicable_days=[1, 2, 3, 4, 5, 6], valid_from=date(2015, 1, 1)),
]  # fmt: skip


@pytest.fixture(scope="module")
def steel_plant() -> Plant:
    path = oracle.find_steel_plant_csv()
    if path is None:
        pytest.skip("steel_industry_2018.csv is not there: set ENMS_SHARED to the folder that holds data/")
    return Plant([FACTORY], [MACHINE], FLAT, FACTORS, oracle.read_steel_plant(path, MACHINE.id))


def add_plant(connection: psycopg.Connection) -> None:
    """The steel plant as one more factory, billed at the flat tariff, without its readings."""
    copy(connection, [FACTORY])
    copy(connection, [MACHINE], type="other", rated_power_kw=700)
    copy(connection, FACTORS)
    copy(connection, FLAT)


def copy_steel_csv(connection: psycopg.Connection, path: Path) -> None:
    """The integrator's way: COPY the file as it is into a staging table, then one INSERT ... SELECT."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            "create temporary table staging (date text, usage_kwh numeric, lagging_kvarh numeric, leading_kvarh numeric, "
            "co2_t numeric, lagging_pf numeric, leading_pf numeric, nsm integer, week_status text, day_of_week text, "
            "load_type text) on commit drop"
        )
        with cursor.copy("copy staging from stdin (format csv, header, encoding 'UTF8')") as target:
            target.write(path.read_bytes())
        cursor.execute(
            "insert into energy_readings (time, machine_id, power_kw, energy_kwh, power_factor, source) "
            "select to_timestamp(date, 'DD/MM/YYYY HH24:MI')::timestamp at time zone 'Asia/Seoul', %s, "
            "usage_kwh * 4, usage_kwh, lagging_pf / 100, 'history' from staging",
            [MACHINE.id],
        )


@pytest.fixture(scope="module")
def steel(database: str, steel_plant: Plant) -> Iterator[psycopg.Connection]:
    """The plant as a third factory with its year loaded and carried through the rollups."""
    with psycopg.connect(database, autocommit=True) as connection:
        add_plant(connection)
        copy_steel_csv(connection, oracle.find_steel_plant_csv())
        refresh(connection)
        yield connection


def set_tariffs(connection: psycopg.Connection, tariffs: list[Tariff]) -> None:
    connection.execute("delete from energy_tariffs where factory_id = %s", [FACTORY.id])
    copy(connection, tariffs)


def months() -> list[tuple[datetime, datetime]]:
    starts = [datetime(2018, month, 1, tzinfo=SEOUL) for month in range(1, 13)] + [datetime(2019, 1, 1, tzinfo=SEOUL)]
    return [(a.astimezone(UTC), b.astimezone(UTC)) for a, b in zip(starts, starts[1:])]


def assert_year(connection: psycopg.Connection, plant: Plant) -> None:
    """The known figures of the year, from every rollup and from calculate_all_kpis."""
    for rollup, count in [("1min", "reading_count"), ("15min", "total_readings"), ("1hour", "total_readings"), ("1day", "total_readings")]:
        row = connection.execute(
            f"select sum({count}), sum(total_energy_kwh) from energy_readings_{rollup} where machine_id = %s", [MACHINE.id]
        ).fetchone()
        assert row == (35_040, Decimal("959636.710000")), rollup
    for rollup in "15min", "1hour", "1day":
        peak = connection.execute(f"select max(peak_demand_kw) from energy_readings_{rollup} where machine_id = %s", [MACHINE.id])
        assert peak.fetchone()[0] == Decimal("628.72"), rollup
    kpis = call(connection, "calculate_all_kpis", MACHINE.id, *YEAR)
    assert kpis == oracle.calculate_all_kpis(plant, MACHINE.id, *YEAR)
    assert (kpis["total_energy_kwh"], kpis["peak_demand_kw"], kpis["data_coverage_percent"]) == (
        Decimal("959636.710"), Decimal("628.720"), Decimal("100.00"))  # fmt: skip
    peak = call(connection, "calculate_peak_demand", MACHINE.id, *YEAR)
    assert peak["peak_time"].astimezone(SEOUL) == datetime(2018, 11, 22, 9, 45, tzinfo=SEOUL)


def test_the_year(steel: psycopg.Connection, steel_plant: Plant) -> None:
    set_tariffs(steel, FLAT)
    assert steel.execute("select count(*) from energy_readings where machine_id = %s", [MACHINE.id]).fetchone()[0] == 35_040
    assert_year(steel, steel_plant)


@pytest.mark.parametrize("tariffs", [FLAT, TIME_OF_USE], ids=["flat", "time of use across midnight"])
def test_cost_by_local_month(steel: psycopg.Connection, steel_plant: Plant, tariffs: list[Tariff]) -> None:
    set_tariffs(steel, tariffs)
    plant = Plant([FACTORY], [MACHINE], tariffs, FACTORS, steel_plant.energy)
    for start, end in [*months(), YEAR]:
        actual = call(steel, "calculate_energy_cost", MACHINE.id, start, end)
        assert actual == oracle.calculate_energy_cost(plant, MACHINE.id, start, end)
        assert actual["currency"] == "KRW"


def test_monthly_view(steel: psycopg.Connection, steel_plant: Plant) -> None:
    set_tariffs(steel, FLAT)
    rows = steel.execute(
        "select month, total_energy_kwh, peak_demand_kw, energy_cost, demand_charge, total_cost, currency "
        "from v_monthly_cost_breakdown where machine_id = %s order by month", [MACHINE.id]
    ).fetchall()  # fmt: skip
    expected = []
    for number, (start, end) in enumerate(months(), 1):
        kpis = oracle.calculate_all_kpis(steel_plant, MACHINE.id, start, end)
        demand = oracle.round_half_up(kpis["peak_demand_kw"] * FLAT[0].demand_charge_per_kw, 2)
        expected.append((date(2018, number, 1), kpis["total_energy_kwh"], kpis["peak_demand_kw"], kpis["total_cost"],
                         demand, kpis["total_cost"] + demand, "KRW"))  # fmt: skip
    assert rows == expected


@pytest.mark.community
def test_retention_takes_the_readings_and_leaves_the_rollups(steel: psycopg.Connection, steel_plant: Plant) -> None:
    set_tariffs(steel, FLAT)
    run_policy(steel, "policy_retention", "energy_readings")
    assert steel.execute("select count(*) from energy_readings").fetchone()[0] == 0
    refresh(steel)
    assert_year(steel, steel_plant)


@pytest.mark.community
def test_history_copied_just_before_retention_runs_is_in_the_rollups(fresh: psycopg.Connection, steel_plant: Plant) -> None:
    """Nobody refreshes anything: COPY, then retention at once, then the policies as they come."""
    add_plant(fresh)
    copy(fresh, steel_plant.energy)
    fresh.execute("select drop_chunks('energy_readings', older_than => interval '90 days')")
    assert fresh.execute("select count(*) from energy_readings").fetchone()[0] == 0
    refresh(fresh)
    assert_year(fresh, steel_plant)


@pytest.mark.community
def test_running_policies_keep_the_year(fresh: psycopg.Connection, steel_plant: Plant) -> None:
    """With the scheduler on: retention really runs, and the rollups have the year."""
    add_plant(fresh)
    copy_steel_csv(fresh, oracle.find_steel_plant_csv())
    fresh.execute("select _timescaledb_functions.start_background_workers()")
    fresh.execute(
        "select alter_job(job_id, next_start => now()) from timescaledb_information.jobs where proc_name like 'policy_re%'"
    )
    try:
        eventually(lambda: fresh.execute("select count(*) = 0 from energy_readings").fetchone()[0], "retention dropped the readings")
        eventually(
            lambda: fresh.execute("select sum(total_readings) = 35040 from energy_readings_1day").fetchone()[0],
            "the policies filled the daily rollup",
        )
    finally:
        fresh.execute("select _timescaledb_functions.stop_background_workers()")
    assert_year(fresh, steel_plant)


def eventually(condition, what: str, seconds: float = 120) -> None:
    """Wait for something that a background job does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so within {seconds:.0f} s: {what}"
        time.sleep(0.5)
