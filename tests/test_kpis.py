"""The eight KPI functions at their edges: arguments, empty ranges, exact halves, retention, and what runs beside them."""

import threading
import time
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

import oracle
from kpis import MACHINE_KPIS, ask
from oracle import EnergyReading, Factory, Machine, Plant, ProductionReading, Tariff
from readings import call, refresh, run_policy, store

FUNCTIONS = [*MACHINE_KPIS, "get_factory_summary"]
SEED = uuid.UUID("c0000000-0000-0000-0000-000000000001")
DEMO = uuid.UUID("11111111-1111-1111-1111-111111111111")
A, B = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)


@pytest.mark.parametrize(("start", "end", "names"), [
    (None, B, "p_start_time is NULL"), (A, None, "p_end_time is NULL"), (B, A, "p_end_time .* is not after"),
    (A, A, "p_end_time .* is not after"), (None, None, "p_start_time is NULL"),
    ("-infinity", B, "p_start_time is infinite"), (A, "infinity", "p_end_time is infinite"),
])  # fmt: skip
@pytest.mark.parametrize("function", FUNCTIONS)
def test_impossible_ranges(connection: psycopg.Connection, function: str, start, end, names: str) -> None:
    subject = DEMO if function == "get_factory_summary" else SEED
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=names):
        connection.execute(f"select * from {function}(%s::uuid, %s::timestamptz, %s::timestamptz)", [subject, start, end])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_unknown_and_missing_ids(connection: psycopg.Connection, function: str) -> None:
    stranger = uuid.uuid4()
    with pytest.raises(psycopg.errors.NoDataFound, match=f"unknown (machine|factory) {stranger}"):
        call(connection, function, stranger, A, B)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="p_(machine|factory)_id is NULL"):
        connection.execute(f"select * from {function}(null, %s, %s)", [A, B])


def test_unknown_factory_and_region_arguments(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.NoDataFound, match="p_factory_id"):
        call(connection, "calculate_energy_cost", SEED, A, B, uuid.uuid4())
    with pytest.raises(psycopg.errors.NoDataFound, match='"Atlantis"'):
        call(connection, "calculate_carbon_intensity", SEED, A, B, "Atlantis")
    # NULL is no factory or region of its own: the machine's.
    for function in "calculate_energy_cost", "calculate_carbon_intensity":
        assert ask(connection, function, [(SEED, A, B, None)]) == ask(connection, function, [(SEED, A, B)])


def test_how_the_functions_are_declared(connection: psycopg.Connection) -> None:
    """STABLE, parallel safe, SECURITY INVOKER, with a pinned search_path, and one of each name."""
    rows = connection.execute(
        "select proname::text, provolatile::text, proparallel::text, prosecdef, array_to_string(proconfig, ' ') ~ 'search_path=pg_catalog' "
        "from pg_proc where pronamespace = 'public'::regnamespace and proname = any (%s)", [FUNCTIONS]
    ).fetchall()  # fmt: skip
    assert sorted(rows) == sorted((function, "s", "s", False, True) for function in FUNCTIONS)


def test_one_overload_that_infers_its_arguments(connection: psycopg.Connection) -> None:
    for function in MACHINE_KPIS:
        connection.execute(f"select * from {function}(%s, %s, %s)", [str(SEED), "2026-11-01T00:00:00", "2026-11-02T00:00:00"])


@pytest.mark.parametrize("other", [[], ["natural_gas", "steam"]], ids=["nothing", "other carriers"])
def test_rows_where_there_is_no_electricity(connection: psycopg.Connection, other: list[str]) -> None:
    factory, machine = site()
    energy = [
        EnergyReading(A + timedelta(minutes=n), machine.id, kind, Decimal(9), Decimal(1)) for n in range(20) for kind in other
    ]
    made = [ProductionReading(A, machine.id, 4, operating_mode="running")] if other else []
    tariff = Tariff(factory_id=factory.id, rate_per_kwh=Decimal(1), valid_from=date(2020, 1, 1))
    store(connection, Plant([factory], [machine], [tariff], [], energy, made))
    refresh(connection)
    for function in "calculate_sec", "calculate_peak_demand", "calculate_load_factor", "calculate_carbon_intensity":
        assert call(connection, function, machine.id, A, B) is None
    kpis = call(connection, "calculate_all_kpis", machine.id, A, B)
    zeros = ["time_period_hours", "total_energy_kwh", "avg_power_kw", "data_coverage_percent", "total_cost", "total_co2_kg"]
    assert [kpis[column] for column in zeros] == [0] * len(zeros)
    assert list(kpis)[-1] == "data_coverage_percent" and kpis["total_production_units"] == 4 * len(made)
    assert [kpis[column] for column in ("peak_demand_kw", "load_factor", "load_factor_percent", "currency")] == [None] * 4
    hours = call(connection, "get_machine_operating_hours", machine.id, A, B)
    assert (hours["running_hours"], hours["unknown_hours"]) == (Decimal("0.25") * len(made), 24 - Decimal("0.25") * len(made))
    cost = call(connection, "calculate_energy_cost", machine.id, A, B)
    assert (cost["total_energy_kwh"], cost["total_cost"], cost["avg_rate_per_kwh"], cost["currency"]) == (0, 0, None, None)
    summary = call(connection, "get_factory_summary", factory.id, A, B)
    assert (summary["machine_count"], summary["total_energy_kwh"], summary["avg_load_factor"]) == (1, 0, None)


def test_of_equal_peaks_the_earliest_is_named(connection: psycopg.Connection) -> None:
    """Whether they lie within an hour, in two hours, or in an hour and a part of one."""
    factory, machine = site()
    powers = [9, 5, 7, 7, 7, 6, 7]
    energy = [EnergyReading(A + n * oracle.QUARTER, machine.id, "energy", Decimal(kw), Decimal(1)) for n, kw in enumerate(powers)]
    store(connection, Plant([factory], [machine], [], [], energy))
    refresh(connection)
    for start, end, first in [(1, 7, 2), (0, 7, 0), (3, 7, 3), (4, 7, 4), (1, 3, 2)]:
        bounds = [A + n * oracle.QUARTER for n in (start, end)]
        peak = call(connection, "calculate_peak_demand", machine.id, *bounds)
        assert (peak["peak_time"], peak["peak_demand_kw"]) == (A + first * oracle.QUARTER, powers[first]), (start, end)


@pytest.mark.parametrize("hours_apart", [0, 3])
def test_of_equal_peaks_from_unequal_counts_the_earliest_is_named(connection: psycopg.Connection, hours_apart: int) -> None:
    """3.5 / 3 and 7 / 6 kW, which a division of decimals carries to unequal digits."""
    factory, machine = site()
    second = A + oracle.QUARTER + timedelta(hours=hours_apart)
    powers = [(A, "1.1"), (A, "1.2"), (A, "1.2"), *((second, kw) for kw in ("1.1", "1.1", "1.2", "1.2", "1.2", "1.2"))]
    energy = [EnergyReading(quarter + timedelta(seconds=n), machine.id, "energy", Decimal(kw), Decimal(0)) for n, (quarter, kw) in enumerate(powers)]
    store(connection, Plant([factory], [machine], [], [], energy))
    for _ in range(2):
        assert call(connection, "calculate_peak_demand", machine.id, A, B)["peak_time"] == A
        refresh(connection)


def test_ten_thousand_years(connection: psycopg.Connection) -> None:
    factory, machine = site()
    store(connection, Plant([factory], [machine], [], [], [EnergyReading(A, machine.id, "energy", Decimal(3), Decimal(17))]))
    row = connection.execute(
        "select total_energy_kwh from calculate_energy_cost(%s, '0001-01-01', '9999-12-31')", [machine.id]
    ).fetchone()
    assert row[0] == 17


def test_the_shortest_range_is_shared_out_whole(connection: psycopg.Connection) -> None:
    factory, machine = site()
    store(connection, Plant([factory], [machine], [], [], [], [ProductionReading(A, machine.id, 1, operating_mode="running")]))
    refresh(connection)
    hours = call(connection, "get_machine_operating_hours", machine.id, A, A + timedelta(microseconds=1))
    assert (hours["utilization_percent"], hours["total_hours"]) == (100, 0)


@pytest.mark.parametrize("seconds", range(1, 15))
def test_utilization_at_an_exact_half_is_rounded_up(connection: psycopg.Connection, seconds: int) -> None:
    """One reading of 32 is running: 3.125 %, in ranges that are no finite number of hours."""
    factory, machine = site()
    made = [ProductionReading(A + timedelta(milliseconds=n), machine.id, 1, operating_mode="idle" if n else "running") for n in range(32)]
    store(connection, Plant([factory], [machine], [], [], [], made))
    refresh(connection)
    hours = call(connection, "get_machine_operating_hours", machine.id, A, A + timedelta(seconds=seconds))
    assert hours["utilization_percent"] == Decimal("3.13")


def test_a_factorys_load_factor_at_an_exact_half_is_rounded_up(connection: psycopg.Connection) -> None:
    """Weighted by 1 and 2 kWh, 1/3 and 1.300225/3 are 0.40005; neither is a finite decimal."""
    factory, first = site()
    second = Machine(uuid.uuid4(), factory.id, "Saw", 900)

    def quarters(machine: Machine, kwh: int, *powers: str) -> list[EnergyReading]:
        return [EnergyReading(A + n * oracle.QUARTER, machine.id, "energy", Decimal(kw), Decimal(0 if n else kwh)) for n, kw in enumerate(powers)]

    plant = Plant([factory], [first, second], [], [], quarters(first, 1, "900", "0", "0") + quarters(second, 2, "800", "240.18", "0"))
    store(connection, plant)
    refresh(connection)
    assert call(connection, "get_factory_summary", factory.id, A, B)["avg_load_factor"] == Decimal("0.4001")


def site(**factory) -> tuple[Factory, Machine]:
    made = Factory(uuid.uuid4(), f"Site {uuid.uuid4()}", **factory)
    return made, Machine(uuid.uuid4(), made.id, "Mill", 900)


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


@pytest.mark.community
def test_a_refresh_that_ends_while_a_statement_runs_changes_no_figure(connection: psycopg.Connection, database: str) -> None:
    """The statement's snapshot is older than the refresh; what it plans within a function comes after it."""
    factory, machine = site()
    begin = oracle.bucket_of(datetime.now(UTC) - timedelta(hours=30), oracle.HOUR)
    # Nothing else in this database is as new, so the refresh moves the watermarks over these readings.
    energy = [EnergyReading(begin + n * oracle.QUARTER, machine.id, "energy", Decimal(4), Decimal(1)) for n in range(100)]
    store(connection, Plant([factory], [machine], [], [], energy))
    figures = []

    def read() -> None:
        with psycopg.connect(database, autocommit=True) as reader:
            statement = (
                "select k.total_energy_kwh from (select pg_advisory_lock_shared(7) offset 0) l "
                "cross join lateral calculate_all_kpis(case when l is not null then %s::uuid end, %s, %s) k"
            )
            figures.append(reader.execute(statement, [machine.id, begin, begin + timedelta(hours=25)]).fetchone()[0])

    connection.execute("select pg_advisory_lock(7)")
    thread = threading.Thread(target=read)
    thread.start()
    while thread.is_alive() and not connection.execute("select 1 from pg_locks where locktype = 'advisory' and not granted").fetchone():
        time.sleep(0.01)
    refresh(connection)
    connection.execute("select pg_advisory_unlock(7)")
    thread.join()
    assert figures == [100]
