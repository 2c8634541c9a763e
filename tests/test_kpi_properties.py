"""The KPI functions against the oracle on generated plants: real-time, refreshed, changed since, and past retention.

ENMS_EXAMPLES sets the number of plants of each test.
"""

import os
import random
import uuid
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import oracle
from conftest import SETTINGS
from kpis import ask, assert_agreement, assert_equal, refereed
from oracle import CarbonFactor, EnergyReading, Factory, Machine, Plant, ProductionReading, Tariff
from plants import NOW, Case, cases
from readings import COLUMNS, MEASURES, copy, insert, refresh, run_policy, store
from scripts.cluster import Cluster
from scripts.server import COMMUNITY

EXAMPLES = int(os.environ.get("ENMS_EXAMPLES", "12"))
generated = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    # Shrinking would store thousands of plants for one failure.
    phases=[Phase.explicit, Phase.generate],
)


def check(database: str, case: Case, *, refreshed: bool) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        store(connection, case.plant)
        if refreshed:
            refresh(connection)
        plant = refereed(connection, case.plant)
        assert_agreement(connection, plant, case.ranges)
        # The fourth arguments: another factory's tariffs, and a region.
        asked = [(machine.id, *span) for machine in plant.machines for span in case.ranges[-2:]]
        assert_equal(connection, plant, "calculate_energy_cost", [(*question, plant.factories[1].id) for question in asked])
        regions = [None, "default", plant.carbon_factors[0].region]
        assert_equal(connection, plant, "calculate_carbon_intensity", [(*question, region) for question in asked for region in regions])


@generated
@given(case=cases())
def test_real_time_figures_equal_the_oracle(fresh_database: str, case: Case) -> None:
    check(fresh_database, case, refreshed=False)


@pytest.mark.community
@generated
@given(case=cases())
def test_refreshed_figures_equal_the_oracle(fresh_database: str, case: Case) -> None:
    """The policies stop a minute, a quarter hour, an hour and a day before now: ranges lie across those watermarks too."""
    check(fresh_database, case, refreshed=True)


@dataclass(frozen=True)
class Change:
    """What happens to a plant's readings of one table: some come late, some again with other measures, some go."""
    before: list
    late: list
    again: list
    gone: list
    after: list


def change(readings: list, source: random.Random) -> Change:
    fates = [source.choice(["kept", "kept", "late", "again", "gone"]) for _ in readings]
    chosen = {fate: [r for r, its in zip(readings, fates) if its == fate] for fate in ("kept", "late", "again", "gone")}
    other = [source.choice(readings) for _ in chosen["again"]]
    again = [
        replace(reading, **{name: getattr(measured, name) for name in MEASURES[type(reading)]})
        for reading, measured in zip(chosen["again"], other)
    ]
    before = chosen["kept"] + chosen["again"] + chosen["gone"]
    return Change(before, chosen["late"], again, chosen["gone"], chosen["kept"] + again + chosen["late"])


def delete(connection: psycopg.Connection, readings: list) -> None:
    if readings:
        table = COLUMNS[type(readings[0])][0]
        kinds = "and energy_type = any (%s)" if table == "energy_readings" else ""
        for r in readings:
            kind = [[r.energy_type]] if kinds else []
            connection.execute(f"delete from {table} where machine_id = %s and time = %s {kinds}", [r.machine_id, r.time, *kind])


@generated
@given(case=cases(ranges=1), seed=st.integers(0, 2**64), compressed=st.booleans())
def test_figures_are_exact_at_once_after_late_data_upserts_and_deletes(
    fresh_database: str, edition: str, case: Case, seed: int, compressed: bool
) -> None:
    """Before any policy runs again, whether the chunks are compressed or not; and after it has."""
    source = random.Random(seed)
    changes = [change(case.plant.energy, source), change(case.plant.production, source)]
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        store(connection, replace(case.plant, energy=changes[0].before, production=changes[1].before))
        refresh(connection)
        if compressed and edition == COMMUNITY:
            run_policy(connection, "policy_compression", "energy_readings")
            run_policy(connection, "policy_compression", "production_data")
        for table in changes:
            (copy if source.random() < 0.5 else insert)(connection, table.late)
            insert(connection, table.again, upsert=True)
            delete(connection, table.gone)
        plant = refereed(connection, replace(case.plant, energy=changes[0].after, production=changes[1].after))
        assert_agreement(connection, plant, case.ranges)
        refresh(connection)
        assert_agreement(connection, plant, case.ranges)


@pytest.mark.community
@generated
@given(case=cases(ages=[90, 91]), both=st.booleans())
def test_past_retention_figures_equal_the_oracle_to_the_minute(fresh_database: str, case: Case, both: bool) -> None:
    """Of three days the last keep their raw readings; of the others a reading counts at the start of its minute."""
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        store(connection, case.plant)
        refresh(connection)
        dropped = ["energy_readings", "production_data"] if both else ["energy_readings"]
        for table in dropped:
            run_policy(connection, "policy_retention", table)

        def known(readings: list, table: str) -> list:
            [oldest] = connection.execute(f"select coalesce(min(time), now()) from {table}").fetchone()
            assert table not in dropped or oldest >= NOW - timedelta(days=91)
            return [r if r.time >= oldest else replace(r, time=oracle.bucket_of(r.time, oracle.MINUTE)) for r in readings]

        plant = replace(
            case.plant,
            energy=known(case.plant.energy, "energy_readings"),
            production=known(case.plant.production, "production_data"),
        )
        assert_agreement(connection, refereed(connection, plant), case.ranges)


def countable_plant(begin: datetime) -> Plant:
    """Whole kWh, rates in cents and factors in grams, one or five modes to a quarter hour: no published sum is rounded."""
    source = random.Random(6)
    factory = Factory(uuid.uuid4(), f"Factory {uuid.uuid4()}", "Asia/Kathmandu", f"grid {uuid.uuid4()}")
    machines = [Machine(uuid.uuid4(), factory.id, name, 30) for name in ("A", "B")]
    day = begin.date() + timedelta(days=1)
    tariffs = [
        Tariff(factory_id=factory.id, name="flat", rate_per_kwh=Decimal("0.21"), valid_from=date(2020, 1, 1), valid_to=day),
        Tariff(factory_id=factory.id, name="night", rate_per_kwh=Decimal("0.09"), is_time_of_use=True, start_hour=21, end_hour=5,
               applicable_days=[day.isoweekday() % 7], valid_from=date(2020, 1, 1), timezone="Europe/Berlin"),
    ]  # fmt: skip
    factors = [CarbonFactor(factory.grid_region, Decimal("0.4"), date(2020, 1, 1), day - timedelta(days=1)),
               CarbonFactor(factory.grid_region, Decimal("0.123"), day, day)]  # fmt: skip
    energy, production = [], []
    for machine in machines:
        for quarter in (begin + n * oracle.QUARTER for n in range(3 * 96) if source.random() < 0.8):
            for _ in range(source.choice([1, 5])):
                time = quarter + timedelta(microseconds=source.choice([0, source.randrange(900_000_000)]))
                energy.append(EnergyReading(time, machine.id, "energy", Decimal(5), Decimal(source.randrange(9))))
            for n in range(source.choice([1, 5])):
                time, mode = quarter + timedelta(seconds=source.randrange(180) + 180 * n), source.choice([None, *oracle.MODES])
                production.append(ProductionReading(time, machine.id, source.choice([None, 0, 7]), operating_mode=mode))
    return Plant([factory], machines, tariffs, factors, list({(r.machine_id, r.time): r for r in energy}.values()), production)


SUMS = {
    "calculate_all_kpis": ["total_energy_kwh", "total_cost", "total_co2_kg", "total_production_units",
                           "unpriced_energy_kwh", "unfactored_energy_kwh"],
    "calculate_energy_cost": ["total_energy_kwh", "total_cost", "unpriced_energy_kwh"],
    "get_factory_summary": ["total_energy_kwh", "total_cost", "total_co2_kg", "unpriced_energy_kwh", "unfactored_energy_kwh"],
    # A quarter hour is shared out by the readings in the range, so hours add up where it is not cut.
    "get_machine_operating_hours": ["total_hours", "running_hours", "idle_hours", "downtime_hours", "offline_hours", "unknown_hours"],
}  # fmt: skip


def assert_additive(database: str, begin: datetime, run_retention: bool) -> None:
    plant = countable_plant(begin)
    moments = st.sampled_from([r.time for r in plant.energy + plant.production]) | st.integers(0, 3 * 86_400_000_000).map(
        lambda us: begin + timedelta(microseconds=us)
    )
    # In three different quarter hours, so that the hours' parts aren't empty.
    triples = st.lists(moments, min_size=3, max_size=3, unique_by=lambda time: oracle.bucket_of(time, oracle.QUARTER)).map(sorted)
    with psycopg.connect(database, autocommit=True) as connection:
        store(connection, plant)
        refresh(connection)
        if run_retention:
            run_policy(connection, "policy_retention", "energy_readings")
            run_policy(connection, "policy_retention", "production_data")

        @settings(generated, max_examples=max(EXAMPLES // 4, 1))
        @given(cuts=st.lists(triples, min_size=5, max_size=5))
        def adds_up(cuts: list[list[datetime]]) -> None:
            for function, columns in SUMS.items():
                subjects = plant.factories if function == "get_factory_summary" else plant.machines
                whole_quarters = function == "get_machine_operating_hours"
                times = [[oracle.bucket_of(time, oracle.QUARTER) if whole_quarters else time for time in cut] for cut in cuts]
                asked = [(subject.id, *cut) for subject in subjects for cut in times]
                first = ask(connection, function, [(subject, a, b) for subject, a, b, _ in asked])
                second = ask(connection, function, [(subject, b, c) for subject, _, b, c in asked])
                whole = ask(connection, function, [(subject, a, c) for subject, a, _, c in asked])
                for question, *rows in zip(asked, first, second, whole):
                    for column in columns:
                        left, right, both = (row[column] for row in rows)
                        assert left + right == both, f"{function}.{column} of {', '.join(map(str, question))}"

        adds_up()


def test_adjacent_ranges_add_up(fresh_database: str) -> None:
    """f([a, b)) + f([b, c)) = f([a, c)), wherever it is cut, on a plant whose published figures are exact."""
    assert_additive(fresh_database, oracle.bucket_of(NOW - timedelta(days=2), oracle.DAY), run_retention=False)


@pytest.mark.community
def test_adjacent_ranges_add_up_across_retention(fresh_database: str) -> None:
    assert_additive(fresh_database, oracle.bucket_of(NOW - timedelta(days=91), oracle.DAY), run_retention=True)


def test_figures_survive_a_restart_of_the_server(cluster: Cluster, fresh_database: str) -> None:
    """Written, the server killed, started again, read: with the same settings as before."""
    plant = countable_plant(oracle.bucket_of(NOW - timedelta(days=2), oracle.DAY))
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        store(connection, plant)
    cluster.kill()
    cluster.start(SETTINGS)
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        assert_agreement(connection, plant, [(NOW - timedelta(days=1, hours=7, microseconds=1), NOW)])
