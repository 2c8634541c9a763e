"""Every column of every rollup against the oracle: real-time, refreshed, after late data, upserts and deletes."""

import random
import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

import oracle
from oracle import EnergyReading, EnvironmentalReading, Factory, Machine, Plant, ProductionReading
from readings import COLUMNS, MEASURES, copy, insert, refresh, run_policy, store

LEVELS = {"1min": oracle.MINUTE, "15min": oracle.QUARTER, "1hour": oracle.HOUR, "1day": oracle.DAY}
# What an average over numeric is carried to; beyond it the database's own division ends.
PLACES = 9
NOW = datetime.now(UTC).replace(second=0, microsecond=0)


def plant(seed: int, days_ago: float, hours: int = 30) -> Plant:
    """Two machines with uneven, gappy readings and NULLs in every optional column."""
    source = random.Random(seed)
    factory = Factory(uuid.uuid4(), f"Factory {uuid.uuid4()}", "Europe/Berlin")
    machines = [Machine(uuid.uuid4(), factory.id, name, 60) for name in ("A", "B")]
    begin = oracle.bucket_of(NOW - timedelta(days=days_ago), oracle.DAY)

    def maybe(low: float, high: float, places: int) -> Decimal | None:
        return None if source.random() < 0.3 else round(Decimal(source.uniform(low, high)), places)

    energy, production, environment = [], [], []
    for machine in machines:
        time = begin
        while time < begin + timedelta(hours=hours):
            time += timedelta(seconds=source.choice([1, 20, 60, 600, 3600]), microseconds=source.choice([0, 1, 999_999]))
            kind = source.choice(["electrical", "electricity", "energy", "natural_gas"])
            energy.append(EnergyReading(time, machine.id, kind, round(Decimal(source.uniform(-20, 900)), 3),
                                        round(Decimal(source.uniform(0, 9)), 6), maybe(200, 400, 2), maybe(-5, 80, 2),
                                        maybe(-1, 1, 4), maybe(49, 51, 3), source.choice([True, False, None])))  # fmt: skip
            good, bad = source.choice([(None, None), (3, 1), (0, 0), (40, 7)])
            production.append(ProductionReading(time, machine.id, source.choice([None, 0, 60]) if good is None else good + bad,
                                                good, bad, maybe(0, 900, 2), source.choice([None, *oracle.MODES]),
                                                maybe(0, 120, 2), source.choice([None, 0, 30, 2000])))  # fmt: skip
            environment.append(EnvironmentalReading(time, machine.id, maybe(-20, 40, 2), maybe(10, 30, 2), maybe(20, 90, 2),
                                                    maybe(0, 100, 2), maybe(0, 100, 2), maybe(0, 10, 3), maybe(0, 10, 3),
                                                    maybe(0, 50, 3), maybe(5, 30, 2), maybe(5, 30, 2), maybe(5, 12, 2),
                                                    maybe(5, 12, 2), maybe(1, 6, 2), maybe(0, 20, 4)))  # fmt: skip
    return Plant([factory], machines, [], [], energy, production, environment)


def rounded(value):
    return oracle.round_half_up(value, PLACES) if value is not None and not isinstance(value, str) else value


def assert_rollup(connection: psycopg.Connection, name: str, expected: dict, machines: list[Machine], keys: str = "bucket, machine_id") -> None:
    """The rollup holds exactly the oracle's rows for these machines, in every column it has."""
    cursor = connection.execute(f"select {keys}, r.* from {name} r where machine_id = any(%s)", [[m.id for m in machines]])
    width = keys.count(",") + 1
    columns = [column.name for column in cursor.description[2 * width :]]
    rows = cursor.fetchall()
    actual = {row[:width]: row[2 * width :] for row in rows}
    assert len(actual) == len(rows), f"{name} has two rows for one bucket"
    assert actual.keys() == expected.keys(), name
    for key, row in expected.items():
        assert columns == list(row), name
        for column, got, wanted in zip(columns, actual[key], row.values()):
            assert rounded(got) == rounded(wanted), f"{name}.{column} at {key}"


def assert_rollups(connection: psycopg.Connection, plant: Plant) -> None:
    for level, width in LEVELS.items():
        assert_rollup(connection, f"energy_readings_{level}", oracle.rollup_energy(plant.energy, width), plant.machines)
        assert_rollup(connection, f"production_data_{level}", oracle.rollup_production(plant.production, width), plant.machines)
        if level != "1day":
            assert_rollup(connection, f"environmental_data_{level}", oracle.rollup_environment(plant.environment, width), plant.machines)
        if level in ("1min", "1hour"):
            carriers = oracle.rollup_carriers(plant.energy, width)
            assert_rollup(connection, f"energy_by_carrier_{level}", carriers, plant.machines, "bucket, machine_id, energy_type")
    degree_days = oracle.degree_days(plant.environment)
    assert_rollup(connection, "environmental_degree_days_daily", degree_days, plant.machines, "day, machine_id")


@pytest.mark.parametrize("days_ago", [2, 20, 70, 400], ids=["fresh", "compressible", "history", "past retention"])
def test_rollups_equal_raw_before_and_after_refresh(database: str, connection: psycopg.Connection, days_ago: int) -> None:
    readings = plant(days_ago, days_ago)
    store(connection, readings)
    if days_ago == 2:
        assert_rollups(connection, readings)
    refresh(connection)
    assert_rollups(connection, readings)


def test_a_reading_inserted_now_is_in_every_rollup_at_once(connection: psycopg.Connection) -> None:
    machine = "c0000000-0000-0000-0000-000000000001"
    refresh(connection)
    connection.execute("insert into energy_readings (time, machine_id, power_kw, energy_kwh) values (now(), %s, 5, 1)", [machine])
    for level in LEVELS:
        total = connection.execute(
            f"select sum(total_energy_kwh) from energy_readings_{level} where machine_id = %s and bucket > now() - interval '2 days'",
            [machine],
        )
        assert total.fetchone()[0] == 1, level


def upserted(readings: list, other: list) -> tuple[list, list]:
    """Every tenth reading with the measures of its counterpart in `other`: those alone, and all readings after it."""
    changes = [
        replace(reading, **{name: getattr(source, name) for name in MEASURES[type(reading)]})
        for reading, source in zip(readings[::10], other)
    ]
    changed = dict(zip(range(0, len(readings), 10), changes))
    return changes, [changed.get(number, reading) for number, reading in enumerate(readings)]


@pytest.mark.parametrize("way", ["copy", "insert", "upsert"])
def test_late_data_is_in_all_levels_after_one_cycle(connection: psycopg.Connection, way: str) -> None:
    readings = plant(7, 29)
    store(connection, readings)
    refresh(connection)
    result = []
    for rows in readings.energy, readings.production, readings.environment:
        if way == "upsert":
            late, after = upserted(rows, rows[1::10])
            insert(connection, late, upsert=True)
        else:
            late = [replace(reading, time=reading.time + timedelta(microseconds=7)) for reading in rows[::10]]
            after = rows + late
            (copy if way == "copy" else insert)(connection, late)
        result.append(after)
    refresh(connection)
    assert_rollups(connection, Plant(readings.factories, readings.machines, [], [], *result))


@pytest.mark.community
def test_a_backlog_is_whole_while_it_is_refreshed(fresh: psycopg.Connection) -> None:
    """After every batch, since dashboards and the levels above read meanwhile."""
    stored = plant(11, days_ago=5, hours=90)
    store(fresh, stored)
    fresh.execute("""
        select alter_job(job_id, config => config || '{"max_batches_per_execution": 1}')
        from timescaledb_information.jobs where proc_name = 'policy_refresh_continuous_aggregate'""")
    for _ in range(5):
        refresh(fresh)
        assert_rollups(fresh, stored)
    assert fresh.execute("select count(*) from _timescaledb_catalog.continuous_aggs_watermark where watermark < 0").fetchone()[0] == 0


@pytest.mark.community
def test_upsert_into_a_compressed_chunk(connection: psycopg.Connection) -> None:
    readings = plant(8, 15)
    store(connection, readings)
    refresh(connection)
    result = []
    for rows in readings.energy, readings.production, readings.environment:
        table = COLUMNS[type(rows[0])][0]
        run_policy(connection, "policy_compression", table)
        compressed = connection.execute(
            "select bool_and(is_compressed) from timescaledb_information.chunks where hypertable_name = %s and range_start < %s and range_end > %s",
            [table, rows[-1].time, rows[0].time],
        )
        assert compressed.fetchone()[0]
        changes, after = upserted(rows, rows[1::10])
        insert(connection, changes, upsert=True)
        result.append(after)
    refresh(connection)
    assert_rollups(connection, Plant(readings.factories, readings.machines, [], [], *result))


@pytest.mark.parametrize("days_ago", [5, 25, 75], ids=["fresh", "late", "history"])
def test_delete(connection: psycopg.Connection, days_ago: int) -> None:
    readings = plant(9, days_ago)
    store(connection, readings)
    refresh(connection)
    cut = readings.energy[len(readings.energy) // 4].time
    for table in "energy_readings", "production_data", "environmental_data":
        connection.execute(f"delete from {table} where machine_id = %s and time < %s", [readings.machines[0].id, cut])
    refresh(connection)

    def kept(rows: list) -> list:
        return [r for r in rows if r.machine_id != readings.machines[0].id or r.time >= cut]

    assert_rollups(connection, Plant(readings.factories, readings.machines, [], [], kept(readings.energy),
                                     kept(readings.production), kept(readings.environment)))  # fmt: skip
    assert connection.execute("select count(*) from enms.touched_history").fetchone()[0] == 0


@pytest.mark.community
def test_history_of_one_machine_leaves_what_retention_took_from_another(connection: psycopg.Connection) -> None:
    first, second = plant(10, 200), plant(11, 200)
    store(connection, first)
    refresh(connection)
    connection.execute("select drop_chunks('energy_readings', older_than => interval '90 days')")
    store(connection, second)
    connection.execute("select drop_chunks('energy_readings', older_than => interval '90 days')")
    refresh(connection)
    for readings in first, second:
        assert_rollups(connection, readings)


@pytest.mark.community
def test_history_sent_again_after_retention_ends_in_the_same_state(connection: psycopg.Connection) -> None:
    readings = plant(12, 300)
    store(connection, readings)
    refresh(connection)
    connection.execute("select drop_chunks('energy_readings', older_than => interval '90 days')")
    copy(connection, readings.energy)
    refresh(connection)
    assert_rollups(connection, readings)


@pytest.mark.community
def test_a_minute_past_retention_is_not_thinned_out(connection: psycopg.Connection) -> None:
    machine = uuid.UUID("c0000000-0000-0000-0000-000000000002")
    minute = oracle.bucket_of(NOW - timedelta(days=120), oracle.MINUTE)
    copy(connection, [EnergyReading(minute + timedelta(seconds=s), machine, "energy", Decimal(10), Decimal(1)) for s in range(60)])
    connection.execute("select drop_chunks('energy_readings', older_than => interval '90 days')")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="past retention.*rolls up 60 of them, and these 1 are not"):
        copy(connection, [EnergyReading(minute, machine, "energy", Decimal(10), Decimal(1))])
    total = connection.execute("select total_energy_kwh from energy_readings_1min where machine_id = %s and bucket = %s", [machine, minute])
    assert total.fetchone()[0] == 60


@pytest.mark.community
def test_history_is_whole_whatever_zone_the_client_keeps(fresh: psycopg.Connection) -> None:
    """The local day on which the clocks go forward has 23 hours; the day of readings has 24."""
    machine = uuid.UUID("c0000000-0000-0000-0000-000000000006")
    begin = datetime(2025, 3, 30, tzinfo=UTC)
    fresh.execute("set timezone = 'Europe/Berlin'")
    copy(fresh, [EnergyReading(begin + n * oracle.MINUTE, machine, "energy", Decimal(60), Decimal(1)) for n in range(1440)])
    fresh.execute("select drop_chunks('energy_readings', older_than => interval '90 days')")
    refresh(fresh)
    for level in LEVELS:
        assert fresh.execute(f"select sum(total_energy_kwh) from energy_readings_{level}").fetchone()[0] == 1440, level


@pytest.mark.community
def test_two_sessions_writing_one_minute_of_history(fresh_database: str) -> None:
    """They take turns; the minute is in the rollup once, with both machines' and both sessions' readings."""
    machine = uuid.UUID("c0000000-0000-0000-0000-000000000006")
    minute = oracle.bucket_of(NOW - timedelta(days=80), oracle.MINUTE)

    def write(offset: int) -> None:
        with psycopg.connect(fresh_database, autocommit=True) as session:
            for second in range(offset, 60, 4):
                copy(session, [EnergyReading(minute + timedelta(seconds=second), machine, "energy", Decimal(1), Decimal(1))])

    threads = [threading.Thread(target=write, args=[offset]) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with psycopg.connect(fresh_database) as session:
        rows = session.execute("select reading_count, total_energy_kwh from energy_readings_1min where machine_id = %s", [machine])
        assert rows.fetchall() == [(60, 60)]


SEED = uuid.UUID("c0000000-0000-0000-0000-000000000004")


def minutes_of(connection: psycopg.Connection, rollup: str = "energy_readings_1min") -> tuple:
    """Readings and energy of the seed machine in the rollup."""
    return connection.execute(
        f"select sum(reading_count), sum(total_energy_kwh) from {rollup} where machine_id = %s", [SEED]
    ).fetchone()


@pytest.mark.community
@pytest.mark.parametrize("compressed", ["energy_readings", "energy_readings_1min"])
@pytest.mark.parametrize("first", ["another machine", "upsert of all", "upsert of one", "late minute", "same minute"])
def test_history_into_a_compressed_chunk(fresh: psycopg.Connection, first: str, compressed: str) -> None:
    """The first statement after the compression: what it writes can't be queried before it has ended."""
    begin = oracle.bucket_of(NOW - timedelta(days=80), oracle.DAY)
    readings = [EnergyReading(begin + n * oracle.QUARTER, SEED, "energy", Decimal(4), Decimal(1)) for n in range(96)]
    copy(fresh, readings)
    run_policy(fresh, "policy_compression", compressed)
    assert fresh.execute("select is_compressed from timescaledb_information.chunks where is_compressed").fetchone(), "nothing is compressed"
    upsert = (
        "insert into energy_readings (time, machine_id, energy_type, power_kw, energy_kwh) select time, machine_id, energy_type, 4, 3 "
        "from unnest(%s::timestamptz[]) time, (values (%s::uuid, 'energy')) m (machine_id, energy_type) "
        "on conflict (time, machine_id, energy_type) do update set energy_kwh = excluded.energy_kwh"
    )
    expected = (96, 96)
    if first == "another machine":
        other = uuid.UUID("c0000000-0000-0000-0000-000000000005")
        copy(fresh, [EnergyReading(r.time, other, "energy", Decimal(4), Decimal(2)) for r in readings])
        total = fresh.execute("select sum(total_energy_kwh) from energy_readings_1min where machine_id = %s", [other])
        assert total.fetchone()[0] == 192
    elif first == "upsert of all":
        fresh.execute(upsert, [[r.time for r in readings], SEED])
        expected = (96, 288)
    elif first == "upsert of one":
        fresh.execute(upsert, [[begin], SEED])
        expected = (96, 98)
    else:
        time = begin + (oracle.MINUTE if first == "late minute" else timedelta(seconds=5))
        copy(fresh, [EnergyReading(time, SEED, "energy", Decimal(4), Decimal(1))])
        expected = (97, 97)
    assert minutes_of(fresh) == expected
    refresh(fresh)
    assert fresh.execute("select sum(total_readings), sum(total_energy_kwh) from energy_readings_1day where machine_id = %s", [SEED]).fetchone() == expected


@pytest.mark.community
def test_carriers_past_retention_do_not_touch_each_other(fresh: psycopg.Connection) -> None:
    begin = oracle.bucket_of(NOW - timedelta(days=150), oracle.DAY)
    for number, kind in enumerate(["energy", "natural_gas", "steam", "electrical"], 1):
        # electrical and energy are both electricity, so they come at other minutes.
        offset = oracle.MINUTE if kind == "electrical" else timedelta()
        copy(fresh, [EnergyReading(begin + offset + n * oracle.QUARTER, SEED, kind, Decimal(4), Decimal(number)) for n in range(96)])
        fresh.execute("select drop_chunks('energy_readings', older_than => interval '90 days')")
    assert minutes_of(fresh) == (192, 96 * 1 + 96 * 4)
    carriers = fresh.execute("select energy_type, sum(total_energy_kwh) from energy_by_carrier_1min group by 1 order by 1").fetchall()
    assert carriers == [("natural_gas", 192), ("steam", 288)]


@pytest.mark.community
def test_a_minute_past_retention_is_replaced_only_on_request(fresh: psycopg.Connection) -> None:
    minute = oracle.bucket_of(NOW - timedelta(days=120), oracle.MINUTE)
    first = [EnergyReading(minute + timedelta(seconds=10), SEED, "energy", Decimal(5), Decimal(5))]
    more = [EnergyReading(minute + timedelta(seconds=40), SEED, "energy", Decimal(3), Decimal(3))]
    copy(fresh, first)
    fresh.execute("select drop_chunks('energy_readings', older_than => interval '90 days')")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="rolls up 1 of them, and these 1 are not the same"):
        copy(fresh, more)
    assert minutes_of(fresh) == (1, 5)
    fresh.execute("set enms.past_retention = 'replace'")
    copy(fresh, first + more)
    assert minutes_of(fresh) == (2, 8)


@pytest.mark.community
@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_history_is_not_written_on_an_old_snapshot(connection: psycopg.Connection, level: str) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=f"under {level}"), connection.transaction():
        connection.execute(f"set transaction isolation level {level}")
        copy(connection, [EnergyReading(NOW - timedelta(days=70), SEED, "energy", Decimal(5), Decimal(5))])


@pytest.mark.community
def test_writers_of_history_in_opposite_order_do_not_deadlock(fresh_database: str) -> None:
    time = oracle.bucket_of(NOW - timedelta(days=100), oracle.MINUTE)
    energy, production = EnergyReading(time, SEED, "energy", Decimal(1), Decimal(1)), ProductionReading(time, SEED, 1)
    with psycopg.connect(fresh_database, autocommit=True) as before:
        # The chunks are there: who makes one keeps others out of it until the commit.
        copy(before, [EnergyReading(time - oracle.MINUTE, SEED, "energy", Decimal(1), Decimal(1))])
        copy(before, [ProductionReading(time - oracle.MINUTE, SEED, 1)])
    with psycopg.connect(fresh_database) as first, psycopg.connect(fresh_database) as second:
        copy(first, [energy])
        copy(second, [ProductionReading(time + oracle.MINUTE, SEED, 1)])
        copy(first, [production])
        copy(second, [EnergyReading(time + oracle.MINUTE, SEED, "energy", Decimal(1), Decimal(1))])
        first.commit()
        second.commit()
        assert minutes_of(first) == (3, 3)


@pytest.mark.community
def test_a_late_reading_and_then_days_without_a_job(fresh: psycopg.Connection) -> None:
    """Just young enough for the policies when it came, too old for them when they ran again."""
    copy(fresh, [EnergyReading(NOW - timedelta(days=3), SEED, "energy", Decimal(1), Decimal(1))])
    refresh(fresh)
    copy(fresh, [EnergyReading(NOW - timedelta(days=52), SEED, "energy", Decimal(5), Decimal(5))])
    fresh.execute("select remove_continuous_aggregate_policy('energy_readings_1min')")
    fresh.execute(
        "select add_continuous_aggregate_policy('energy_readings_1min', interval '51 days', interval '1 minute', interval '1 minute')"
    )
    refresh(fresh)
    for level in LEVELS:
        assert fresh.execute(f"select sum(total_energy_kwh) from energy_readings_{level}").fetchone()[0] == 6, level
