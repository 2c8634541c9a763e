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
from readings import call, refresh, store

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
