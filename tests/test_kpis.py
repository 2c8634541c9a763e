"""The eight KPI functions against the plain-Python oracle, on generated plants and hand-picked edges."""

import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import oracle
from oracle import CarbonFactor, EnergyReading, Factory, Machine, Plant, ProductionReading, Tariff
from readings import call, refresh, run_policy, store

MACHINE_KPIS = [
    "calculate_sec", "calculate_peak_demand", "calculate_load_factor", "calculate_energy_cost",
    "calculate_carbon_intensity", "calculate_all_kpis", "get_machine_operating_hours",
]  # fmt: skip
EXAMPLES = 40
# Each zone with a day on which its clocks change, and one that never does.
DAYS = {
    "Europe/Berlin": [date(2026, 3, 29), date(2026, 10, 25)],
    "America/Los_Angeles": [date(2026, 3, 8), date(2026, 11, 1)],
    "Asia/Kathmandu": [date(2026, 10, 12)],
    "Australia/Lord_Howe": [date(2026, 4, 5), date(2026, 10, 4)],
}


def differences(actual: oracle.Row | None, expected: oracle.Row | None) -> list[str]:
    """Columns that differ, each with both values; the names and their order count too."""
    if actual is None or expected is None:
        return [] if actual is expected else [f"row: {actual} instead of {expected}"]
    found = [] if list(actual) == list(expected) else [f"columns: {list(actual)} instead of {list(expected)}"]
    return found + [f"{k}: {actual[k]} instead of {v}" for k, v in expected.items() if k in actual and actual[k] != v]


def assert_agreement(connection: psycopg.Connection, plant: Plant, start: datetime, end: datetime) -> None:
    for machine in plant.machines:
        for name in MACHINE_KPIS:
            actual = call(connection, name, machine.id, start, end)
            expected = getattr(oracle, name)(plant, machine.id, start, end)
            assert not differences(actual, expected), f"{name} [{start}, {end})"
    for factory in plant.factories:
        actual = call(connection, "get_factory_summary", factory.id, start, end)
        expected = oracle.get_factory_summary(plant, factory.id, start, end)
        assert not differences(actual, expected), f"get_factory_summary [{start}, {end})"


power = st.decimals(-50, 900, places=3)
energy = st.decimals(0, 40, places=6)
optional_count = st.none() | st.integers(0, 60)


@st.composite
def plants(draw: st.DrawFn) -> tuple[Plant, list[tuple[datetime, datetime]]]:
    """A factory in some zone, one or two machines with ragged readings over two days, and ranges to ask for."""
    zone = draw(st.sampled_from(sorted(DAYS)))
    day = draw(st.sampled_from(DAYS[zone]))
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=1)
    factory = Factory(uuid.uuid4(), f"Factory {uuid.uuid4()}", zone, draw(st.sampled_from([None, f"grid {uuid.uuid4()}"])))
    tariff_zone = draw(st.sampled_from([None, None, "UTC", "Europe/Berlin"]))
    tariffs = []
    if draw(st.booleans()):
        change = day + timedelta(days=draw(st.integers(-1, 1)))
        tariffs += [
            Tariff(factory_id=factory.id, name="flat", rate_per_kwh=Decimal("0.21"), valid_from=date(2020, 1, 1), valid_to=change),
            Tariff(factory_id=factory.id, name="flat after", rate_per_kwh=Decimal("0.333333"), valid_from=change + timedelta(days=1)),
        ]  # fmt: skip
    if draw(st.booleans()):
        hours = draw(st.tuples(st.integers(0, 23), st.integers(0, 24)).filter(lambda h: h[0] != h[1]))
        tariffs.append(
            Tariff(factory_id=factory.id, name="band", rate_per_kwh=draw(st.decimals(0, 2, places=6)), is_time_of_use=True,
                   start_hour=hours[0], end_hour=hours[1], applicable_days=draw(st.sets(st.integers(0, 6), min_size=1).map(sorted)),
                   valid_from=day, timezone=tariff_zone)
        )  # fmt: skip
    region = factory.grid_region or f"unused {uuid.uuid4()}"
    factors = [
        CarbonFactor(region, Decimal("0.4"), date(2020, 1, 1), draw(st.sampled_from([None, day]))),
        CarbonFactor(region, Decimal("0.123456"), day, draw(st.sampled_from([None, day]))),
    ]
    machines, readings, production = [], {}, {}
    for number in range(draw(st.integers(1, 2))):
        interval = draw(st.sampled_from([1, 10, 30, 900]))
        machine = Machine(uuid.uuid4(), factory.id, f"Machine {number}", interval, draw(st.booleans()))
        machines.append(machine)
        # Bursts of readings: on the grid, on its boundaries and off by microseconds, with gaps between them.
        for _ in range(draw(st.integers(0, 4))):
            first = begin + timedelta(minutes=draw(st.integers(0, 191)) * 15, seconds=draw(st.sampled_from([0, 0, 7, 899])))
            for step in range(draw(st.integers(1, 25))):
                time = first + timedelta(seconds=step * interval, microseconds=draw(st.sampled_from([0, 0, 1, 999_999])))
                kind = draw(st.sampled_from(["electrical", "energy", "electricity", "energy", "natural_gas"]))
                readings[machine.id, time, kind] = EnergyReading(time, machine.id, kind, draw(power), draw(energy))
                if draw(st.booleans()):
                    mode = draw(st.sampled_from([None, *oracle.MODES]))
                    production[machine.id, time] = ProductionReading(time, machine.id, draw(optional_count), operating_mode=mode)
    order = draw(st.randoms())
    shuffled = list(readings.values())
    order.shuffle(shuffled)
    moments = st.integers(0, 3 * 24 * 60).map(lambda m: begin + timedelta(minutes=m)) | st.integers(0, 3 * 86_400_000_000).map(
        lambda us: begin + timedelta(microseconds=us)
    )
    edges = st.sampled_from([r.time for r in shuffled] or [begin])
    ends = st.tuples(moments | edges, moments | edges).filter(lambda pair: pair[0] != pair[1]).map(sorted)
    ranges = [tuple(draw(ends)) for _ in range(4)]
    local = datetime(day.year, day.month, day.day, tzinfo=oracle.ZoneInfo(zone))
    ranges.append((local.astimezone(UTC), (local + timedelta(days=1)).astimezone(UTC)))
    plant = Plant([factory], machines, tariffs, factors, shuffled, list(production.values()), [])
    return plant, ranges


def agrees(database: str, case: tuple[Plant, list], refreshed: bool) -> None:
    plant, ranges = case
    with psycopg.connect(database, autocommit=True) as connection:
        # Factors of the region default belong to every factory without one.
        default = connection.execute(
            "select region, emission_factor_kg_co2_per_kwh, valid_from, valid_to, is_active "
            "from carbon_factors where region = 'default'"
        ).fetchall()
        store(connection, plant)
        if refreshed:
            refresh(connection)
        factors = plant.carbon_factors + [CarbonFactor(*row) for row in default]
        referee = replace(plant, carbon_factors=factors)
        for start, end in ranges:
            assert_agreement(connection, referee, start, end)


generated = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    # Shrinking would store thousands of plants for one failure.
    phases=[Phase.explicit, Phase.generate],
)


@generated
@given(case=plants())
def test_real_time_figures_equal_the_oracle(fresh_database: str, case) -> None:
    agrees(fresh_database, case, refreshed=False)


@generated
@given(case=plants())
def test_materialised_figures_equal_the_oracle(fresh_database: str, case) -> None:
    agrees(fresh_database, case, refreshed=True)


SEED = uuid.UUID("c0000000-0000-0000-0000-000000000001")
DEMO = uuid.UUID("11111111-1111-1111-1111-111111111111")
A, B = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)


@pytest.mark.parametrize(("start", "end", "names"), [
    (None, B, "p_start_time is NULL"), (A, None, "p_end_time is NULL"), (B, A, "p_end_time .* is not after"),
    (A, A, "p_end_time .* is not after"), ("-infinity", B, "p_start_time is infinite"), (A, "infinity", "p_end_time is infinite"),
])  # fmt: skip
@pytest.mark.parametrize("function", [*MACHINE_KPIS, "get_factory_summary"])
def test_impossible_ranges(connection: psycopg.Connection, function: str, start, end, names: str) -> None:
    subject = DEMO if function == "get_factory_summary" else SEED
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=names):
        connection.execute(f"select * from {function}(%s::uuid, %s::timestamptz, %s::timestamptz)", [subject, start, end])


@pytest.mark.parametrize("function", [*MACHINE_KPIS, "get_factory_summary"])
def test_unknown_and_missing_ids(connection: psycopg.Connection, function: str) -> None:
    stranger = uuid.uuid4()
    with pytest.raises(psycopg.errors.NoDataFound, match=f"unknown (machine|factory) {stranger}"):
        call(connection, function, stranger, A, B)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="p_(machine|factory)_id is NULL"):
        connection.execute(f"select * from {function}(null, now(), now())")


def test_unknown_factory_and_region_arguments(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.NoDataFound, match="p_factory_id"):
        call(connection, "calculate_energy_cost", SEED, A, B, uuid.uuid4())
    with pytest.raises(psycopg.errors.NoDataFound, match='"Atlantis"'):
        call(connection, "calculate_carbon_intensity", SEED, A, B, "Atlantis")


def test_one_overload_that_infers_its_arguments(connection: psycopg.Connection) -> None:
    for function in MACHINE_KPIS:
        connection.execute(f"select * from {function}(%s, %s, %s)", [str(SEED), "2026-11-01T00:00:00", "2026-11-02T00:00:00"])


def test_rows_where_there_is_no_reading(connection: psycopg.Connection) -> None:
    start, end = datetime(2001, 1, 1, tzinfo=UTC), datetime(2001, 1, 2, tzinfo=UTC)
    for function in "calculate_sec", "calculate_peak_demand", "calculate_load_factor", "calculate_carbon_intensity":
        assert call(connection, function, SEED, start, end) is None
    kpis = call(connection, "calculate_all_kpis", SEED, start, end)
    zeros = ["time_period_hours", "total_energy_kwh", "avg_power_kw", "data_coverage_percent"]
    assert [kpis[column] for column in zeros] == [0, 0, 0, 0]
    assert call(connection, "get_machine_operating_hours", SEED, start, end)["unknown_hours"] == 24
    assert call(connection, "calculate_energy_cost", SEED, start, end)["total_energy_kwh"] == 0
    assert call(connection, "get_factory_summary", DEMO, start, end)["machine_count"] == 5


def quarter_hours(machine: Machine, start: datetime, count: int) -> list[EnergyReading]:
    return [EnergyReading(start + n * oracle.QUARTER, machine.id, "energy", Decimal(8 + n % 5), Decimal("2.125")) for n in range(count)]


def site(**factory) -> tuple[Factory, Machine]:
    made = Factory(uuid.uuid4(), f"Site {uuid.uuid4()}", **factory)
    return made, Machine(uuid.uuid4(), made.id, "Mill", 900)


def test_two_currencies_in_one_range(connection: psycopg.Connection) -> None:
    factory, machine = site()
    tariffs = [
        Tariff(factory_id=factory.id, name="marks", rate_per_kwh=Decimal("0.2"), currency="DEM", valid_from=date(2020, 1, 1), valid_to=A.date()),
        Tariff(factory_id=factory.id, name="euros", rate_per_kwh=Decimal("0.1"), currency="EUR", valid_from=B.date()),
    ]  # fmt: skip
    store(connection, Plant([factory], [machine], tariffs, [], quarter_hours(machine, A, 192)))
    refresh(connection)
    both = (A, B + timedelta(days=1))
    for function in "calculate_energy_cost", "calculate_all_kpis":
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="DEM and in EUR"):
            call(connection, function, machine.id, *both)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="DEM and in EUR"):
        call(connection, "get_factory_summary", factory.id, *both)
    assert call(connection, "calculate_energy_cost", machine.id, A, B)["currency"] == "DEM"
    row = connection.execute("select energy_cost, currency from v_monthly_cost_breakdown where machine_id = %s", [machine.id]).fetchone()
    assert row == (None, None)


def test_adjacent_ranges_add_up(connection: psycopg.Connection) -> None:
    factory, machine = site(timezone="Asia/Kathmandu")
    tariffs = [Tariff(factory_id=factory.id, rate_per_kwh=Decimal(1), valid_from=date(2020, 1, 1))]
    store(connection, Plant([factory], [machine], tariffs, [], quarter_hours(machine, A, 96)))
    refresh(connection)
    middle = A + timedelta(hours=7, minutes=22, seconds=30, microseconds=1)
    whole, first, second = (call(connection, "calculate_energy_cost", machine.id, *r) for r in [(A, B), (A, middle), (middle, B)])
    assert first["total_energy_kwh"] + second["total_energy_kwh"] == whole["total_energy_kwh"] == 204
    assert first["total_cost"] + second["total_cost"] == whole["total_cost"] == 204


@pytest.mark.community
def test_past_retention_a_minute_belongs_to_the_range_that_holds_its_start(connection: psycopg.Connection) -> None:
    factory, machine = site()
    begin = oracle.bucket_of(datetime.now(UTC) - timedelta(days=200), oracle.DAY)
    seconds = [EnergyReading(begin + timedelta(seconds=n), machine.id, "energy", Decimal(3600), Decimal(1)) for n in range(1800)]
    plant = Plant([factory], [machine], [], [], seconds)
    store(connection, plant)
    refresh(connection)
    run_policy(connection, "policy_retention", "energy_readings")
    assert connection.execute("select count(*) from energy_readings where machine_id = %s", [machine.id]).fetchone()[0] == 0
    for start, end, minutes in [(0, 1800, 30), (60, 960, 15), (61, 960, 14), (60, 961, 16), (10, 50, 0), (60, 61, 1), (119, 121, 1)]:
        bounds = begin + timedelta(seconds=start), begin + timedelta(seconds=end)
        assert call(connection, "calculate_energy_cost", machine.id, *bounds)["total_energy_kwh"] == 60 * minutes, (start, end)


def test_views_agree_with_the_functions(connection: psycopg.Connection) -> None:
    """Readings around local midnight and Monday, read by the views and by the functions at one instant."""
    factory, machine = site(timezone="Australia/Lord_Howe")
    tariffs = [
        Tariff(factory_id=factory.id, name="flat", rate_per_kwh=Decimal("0.21"), valid_from=date(2020, 1, 1), demand_charge_per_kw=Decimal("7.5")),
        Tariff(factory_id=factory.id, name="night", rate_per_kwh=Decimal("0.11"), is_time_of_use=True, start_hour=21, end_hour=5,
               applicable_days=list(range(7)), valid_from=date(2020, 1, 1)),
    ]  # fmt: skip
    begin = oracle.bucket_of(datetime.now(UTC) - timedelta(days=9), oracle.DAY)
    count = int((datetime.now(UTC) - begin) / oracle.QUARTER)
    made = [ProductionReading(begin + n * oracle.QUARTER, machine.id, n % 7, operating_mode="running") for n in range(count)]
    store(connection, Plant([factory], [machine], tariffs, [], quarter_hours(machine, begin, count), made))
    refresh(connection)
    with connection.transaction():
        now, day, week, month = connection.execute(
            "select now(), date_trunc('day', l) at time zone z, date_trunc('week', l) at time zone z, date_trunc('month', l) at time zone z "
            "from (select now() at time zone 'Australia/Lord_Howe' as l, 'Australia/Lord_Howe' as z) x"
        ).fetchone()
        shared = ["total_energy_kwh", "avg_power_kw", "peak_demand_kw", "total_production_units", "sec_kwh_per_unit", "total_cost", "total_co2_kg"]
        for view, span, start in ("v_today_summary", "today", day), ("v_week_summary", "week", week):
            kpis = call(connection, "calculate_all_kpis", machine.id, start, now)
            row = connection.execute(
                f"select energy_{span}_kwh, avg_power_{span}_kw, peak_demand_{span}_kw, production_{span}_units, sec_{span}, cost_{span}, co2_{span}_kg "
                f"from {view} where machine_id = %s", [machine.id]
            ).fetchone()  # fmt: skip
            assert list(row) == [kpis[column] for column in shared], view
        summary = call(connection, "get_factory_summary", factory.id, day, now)
        row = connection.execute(
            "select energy_today_kwh, cost_today, co2_today_kg, total_machines from v_factory_dashboard where factory_id = %s", [factory.id]
        ).fetchone()
        assert list(row) == [summary[c] for c in ("total_energy_kwh", "total_cost", "total_co2_kg", "machine_count")]
        rows = connection.execute("select month, total_energy_kwh, peak_demand_kw, energy_cost from v_monthly_cost_breakdown where machine_id = %s "
                                  "order by month desc limit 1", [machine.id]).fetchone()  # fmt: skip
        kpis = call(connection, "calculate_all_kpis", machine.id, month, now)
        assert list(rows[1:]) == [kpis[c] for c in ("total_energy_kwh", "peak_demand_kw", "total_cost")]
        zone = oracle.ZoneInfo("Australia/Lord_Howe")
        trend = connection.execute("select date, energy_kwh, peak_demand_kw, load_factor from v_energy_trend_30d where machine_id = %s", [machine.id])
        carbon = dict(connection.execute("select date, total_co2_kg from v_carbon_emissions_tracking where machine_id = %s", [machine.id]).fetchall())
        for local, *figures in trend.fetchall():
            bounds = [datetime(d.year, d.month, d.day, tzinfo=zone).astimezone(UTC) for d in (local, local + timedelta(days=1))]
            kpis = call(connection, "calculate_all_kpis", machine.id, *bounds)
            assert figures == [kpis[c] for c in ("total_energy_kwh", "peak_demand_kw", "load_factor")], local
            assert carbon[local] == kpis["total_co2_kg"]
