"""The demo's readings by themselves: the same by any run, plausible one by one, and sent by the flow's statements."""

import hashlib
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from conftest import CHECKOUT
from engine_cli import only_error
from scripts.demo import findings, statements
from scripts.demo.baselines import least_squares
from scripts.demo.events import ANOMALY, FAULT, GAP, MAINTENANCE, within
from scripts.demo.model import ENERGY, ENVIRONMENT, PRODUCTION, count, moment, readings_of
from scripts.demo.plant import SEED_MACHINES, Machine

SEED, HOUR, DAY = 50001, 3600, 86400
US, EU = ("11111111-1111-1111-1111-111111111111", "America/Los_Angeles"), ("22222222-2222-2222-2222-222222222222", "Europe/Berlin")
MACHINES = [
    Machine(id, name, kind, *place, power, 480 if place is US else 400, 60 if place is US else 50, interval)
    for id, (name, kind, place, power, interval) in zip(SEED_MACHINES, [
        ("Compressor-1", "compressor", US, 55, 1), ("HVAC-Main", "hvac", US, 75, 10), ("Conveyor-A", "motor", US, 15, 10),
        ("Hydraulic-Pump-1", "pump", US, 30, 30), ("Injection-Molding-1", "injection_molding", US, 90, 30),
        ("Compressor-EU-1", "compressor", EU, 55, 1), ("HVAC-EU-North", "hvac", EU, 60, 10),
    ], strict=True)
]  # fmt: skip
# A Monday, midnight in UTC, and every seventh minute of two weeks from it, over the end of summer time in both factories.
MONDAY = int(datetime(2026, 10, 19, tzinfo=UTC).timestamp())
FORTNIGHT = range(MONDAY, MONDAY + 14 * DAY, 420)
# The contract's section 6.1: columns, conflict target, and what an upsert sets.
CONTRACT = {
    "energy_readings": (
        "time, machine_id, energy_type, power_kw, energy_kwh, voltage_v, current_a, power_factor, frequency_hz, source, metadata",
        "time, machine_id, energy_type", "power_kw, energy_kwh, metadata",
    ),
    "production_data": (
        "time, machine_id, production_count, production_count_good, production_count_bad, throughput_units_per_hour,"
        " operating_mode, speed_percent, recipe_id, batch_id", "time, machine_id",
        "production_count, production_count_good, production_count_bad, throughput_units_per_hour, operating_mode, speed_percent",
    ),
    "environmental_data": (
        "time, machine_id, outdoor_temp_c, indoor_temp_c, machine_temp_c, outdoor_humidity_percent, indoor_humidity_percent,"
        " pressure_bar, flow_rate_m3h, supply_air_temp_c, return_air_temp_c, cop, vibration_mm_s", "time, machine_id",
        "outdoor_temp_c, indoor_temp_c, machine_temp_c, pressure_bar, flow_rate_m3h, vibration_mm_s",
    ),
    "machine_status": ("machine_id, is_running, current_mode, current_power_kw, last_updated", "machine_id",
                       "is_running, current_mode, current_power_kw, last_updated"),
}  # fmt: skip
# Share of the rated power that a mode may take, of one reading.
SHARES = {"running": (0.15, 1), "idle": (0.03, 0.35), "offline": (0, 0.01), "fault": (0.02, 0.03), "maintenance": (0.005, 0.02)}
BOUNDS = {  # of environmental_data, by column after the key
    2: (-25, 45), 3: (10, 30), 4: (5, 240), 5: (20, 100), 6: (20, 80), 7: (5, 190), 8: (1, 600), 9: (5, 45), 10: (10, 35), 11: (2, 6),
    12: (0.5, 8),
}  # fmt: skip


def parts(statement: str) -> tuple[str, str, str, str]:
    """Table, columns, conflict target and set list of an upsert, without values."""
    pattern = r"insert into (\w+) \((.*?)\) values (?:\(.*\)) on conflict \((.*?)\) do update set (.*)"
    return re.fullmatch(pattern, statement).groups()


@pytest.mark.parametrize("table", CONTRACT)
@pytest.mark.parametrize("rows", [1, statements.BATCH])
def test_statements_are_the_flows(table: str, rows: int) -> None:
    columns, key, corrected = CONTRACT[table]
    statement = statements.STATUS if table == "machine_status" else statements.upsert(table, rows)
    into, found, target, sets = parts(statement)
    assert (into, found, target) == (table, columns, key)
    now = {"last_updated": "now()"} if table == "machine_status" else {}
    assert sets == ", ".join(f"{name} = {now.get(name, f'excluded.{name}')}" for name in corrected.split(", "))
    marks = statement.count("%s")
    if table == "energy_readings":
        assert statement.count("'mqtt'") == rows and marks == rows * 10
    elif table == "machine_status":
        assert marks == 4
    else:
        assert marks == rows * len(columns.split(", "))


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_reading_of_a_fortnight_is_plausible(machine: Machine) -> None:
    modes, energy, made = Counter(), 0.0, 0
    minutes = FORTNIGHT[:: 4 if machine.interval == 1 else 1]
    for minute in minutes:
        found = readings_of(SEED, machine, minute)
        modes[found.state.mode] += 1
        low, high = (share * machine.power for share in SHARES[found.state.mode])
        for epoch, row in found.rows[ENERGY]:
            stamp, machine_id, kind, power, kwh, voltage, current, factor, frequency = row[:9]
            assert stamp == moment(epoch) and len(stamp) == 19 and epoch % machine.interval == 0 and minute <= epoch < minute + 60
            assert (machine_id, kind, json.loads(row[9])) == (machine.id, "energy", {"demo": SEED})
            assert low <= float(power) <= high, (found.state, row)
            assert abs(float(kwh) - float(power) * machine.interval / 3600) < 1e-6
            assert abs(float(voltage) / machine.voltage - 1) < 0.05 and 0.45 < float(factor) < 0.95
            assert abs(float(frequency) - machine.frequency) < 0.05
            assert abs(float(current or 0) - float(power) * 1000 / (math.sqrt(3) * float(voltage) * float(factor))) < 0.0051
            energy += float(kwh)
        for _, row in found.rows[PRODUCTION]:
            total, good, bad = map(int, row[2:5])
            assert good >= 0 and bad >= 0 and good + bad == total and row[6] == found.state.mode
            assert total == 0 or found.state.mode in ("running", "idle")
            assert row[7] is None or 0 < float(row[7]) <= 100
            made += total
        for _, row in found.rows[ENVIRONMENT]:
            assert len(row) == 13
            for column, (least, most) in BOUNDS.items():
                assert row[column] is None or least <= float(row[column]) <= most, (column, row)
    assert modes["running"] > 0.4 * len(minutes) and modes["fault"]
    # What an energy manager would expect of the type, kWh per unit and of the day's 24 hours at rated power.
    sec = {"compressor": (0.1, 0.2), "hvac": (0.2, 0.8), "motor": (0.008, 0.02), "pump": (0.05, 0.15), "injection_molding": (0.15, 0.4)}
    assert sec[machine.type][0] < energy / made < sec[machine.type][1]
    assert 0.15 < energy / (len(minutes) / 60 * machine.power) < 0.6


def test_readings_are_counted_without_making_them() -> None:
    """Over a gap, from and to any second."""
    for machine in MACHINES[0], MACHINES[2], replace(MACHINES[3], interval=90):
        gap = next(event for event in within(SEED, machine, MONDAY, MONDAY + 7 * DAY) if event.kind == GAP)
        for begin, end in (gap.begin - 601, gap.end + 131), (gap.begin + 61, gap.end + 7), (gap.begin - 777, gap.begin - 3):
            made = [readings_of(SEED, machine, minute).rows for minute in range(begin // 60 * 60, end, 60)]
            for table, interval in (ENERGY, machine.interval), (PRODUCTION, machine.other_interval), (ENVIRONMENT, machine.other_interval):
                inside = sum(begin <= epoch < end for rows in made for epoch, _ in rows[table])
                assert inside == count(SEED, machine, begin, end, interval) and (inside or begin > gap.begin)


def test_a_reading_depends_on_seed_machine_and_time_alone() -> None:
    when = [MONDAY + 60 * minute for minute in range(600, 1800, 97)]
    there = {(machine.id, minute): readings_of(SEED, machine, minute) for machine in MACHINES for minute in when}
    script = (
        "import sys; from test_demo import *; print(hash_of({m.id: [readings_of(SEED, m, t).rows for t in %r] for m in MACHINES}))" % when[::-1]
    )
    assert _elsewhere(script) == hash_of({machine.id: [there[machine.id, minute].rows for minute in when[::-1]] for machine in MACHINES})
    assert there != {(machine.id, minute): readings_of(SEED + 1, machine, minute) for machine in MACHINES for minute in when}
    assert there[MACHINES[0].id, when[0]].rows[ENERGY][0][1][3] != there[MACHINES[5].id, when[0]].rows[ENERGY][0][1][3]


def hash_of(value: object) -> str:
    """A digest of nested rows."""
    return hashlib.sha256(repr(value).encode()).hexdigest()


def _elsewhere(script: str) -> str:
    """What another process prints, whose hashes differ and whose clock is in another zone."""
    environment = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Kathmandu", "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'tests'}"}
    run = subprocess.run([sys.executable, "-c", script], env=environment, cwd=CHECKOUT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_events_come_in_every_week_and_never_together() -> None:
    kinds = Counter()
    for machine in MACHINES:
        for week in range(8):
            monday = MONDAY + week * 7 * DAY
            found = [event for event in within(SEED, machine, monday, monday + 7 * DAY) if monday <= event.begin < monday + 6 * DAY]
            kinds.update(event.kind for event in found)
            assert all(one.end <= other.begin for one, other in zip(found, found[1:], strict=False))
            assert all(event.begin % 60 == 0 and event.end % 60 == 0 and 0 < event.end - event.begin < 8 * HOUR for event in found)
    assert kinds[FAULT] == kinds[GAP] == 7 * 8
    assert 20 < kinds[ANOMALY] < 50 and 5 < kinds[MAINTENANCE] < 30
    assert within(SEED, MACHINES[0], MONDAY, MONDAY + 7 * DAY) != within(SEED + 1, MACHINES[0], MONDAY, MONDAY + 7 * DAY)


def test_events_show_in_the_readings() -> None:
    for machine in MACHINES[1:5]:
        for event in within(SEED, machine, MONDAY, MONDAY + 14 * DAY):
            inside, before = readings_of(SEED, machine, event.begin), readings_of(SEED, machine, event.begin - 60)
            assert before.rows[ENERGY] and before.rows[PRODUCTION] and before.rows[ENVIRONMENT]
            assert readings_of(SEED, machine, event.end).rows[ENERGY]
            if event.kind == GAP:
                assert not any(inside.rows.values())
            elif event.kind in (FAULT, MAINTENANCE):
                assert inside.rows[PRODUCTION][0][1][6] == event.kind and inside.rows[PRODUCTION][0][1][2] == "0"


def test_shifts_follow_the_factorys_clock_and_its_weekends() -> None:
    conveyor, day = MACHINES[2], datetime(2026, 10, 27, tzinfo=MACHINES[2].zone)

    def mode(day: int, hour: int) -> str:
        moment = int(datetime(2026, 10, day, hour, 40, tzinfo=conveyor.zone).timestamp())
        return readings_of(SEED, conveyor, moment).state.mode

    assert day.weekday() == 1
    assert [mode(27, hour) for hour in (3, 5, 7, 13, 19, 22)] == ["offline", "offline", "running", "running", "idle", "offline"]
    assert mode(31, 7) in ("running", "maintenance") and mode(31, 15) == "offline"
    assert mode(25, 10) == "offline", "a Sunday"


def test_hvac_follows_the_weather() -> None:
    """Per day, its energy goes up with the cold; the European winter is colder than the Californian."""
    hvac = replace(MACHINES[6], interval=1800)
    january, may = (int(datetime(2026, month, 12, tzinfo=UTC).timestamp()) for month in (1, 5))

    def week(begin: int) -> tuple[float, float]:
        minutes = [readings_of(SEED, hvac, minute) for minute in range(begin, begin + 7 * DAY, 1800)]
        return (
            sum(float(row[4]) for found in minutes for _, row in found.rows[ENERGY]),
            sum(found.state.outdoor for found in minutes) / len(minutes),
        )

    winter, spring = week(january), week(may)
    assert winter[1] < spring[1] - 5 and winter[0] > 1.3 * spring[0]


def test_anomalies_are_what_the_readings_show() -> None:
    found = findings.anomalies(SEED, [replace(machine, interval=60) for machine in MACHINES], MONDAY, MONDAY + 14 * DAY)
    assert 14 <= len([row for row in found if row["anomaly_type"] == "unexpected_stop"]) <= 21
    assert len({row["anomaly_type"] for row in found}) >= 4
    for row in found:
        assert (row["severity"] == "critical") == (row["anomaly_type"] == "unexpected_stop")
        percent = (row["metric_value"] / row["expected_value"] - 1) * 100
        assert abs(row["deviation_percent"] - percent) < 0.01 and abs(percent) > 8, row
        assert (percent < 0) == (row["anomaly_type"] == "unexpected_stop") and 0 <= row["confidence_score"] <= 1
        assert row["resolved_at"] is None or row["resolved_at"] > row["detected_at"]
    assert {row["resolved_at"] is None for row in found} == {True, False}


def test_least_squares() -> None:
    rows = [(float(x), float(x * x % 7)) for x in range(9)]
    found = least_squares(rows, [3 + 2 * a - 0.5 * b for a, b in rows])
    assert all(abs(value - expected) < 1e-9 for value, expected in zip(found, (3, 2, -0.5), strict=True))
    assert least_squares([(1.0,), (1.0,)], [2.0, 3.0]) is None, "a line through one point"


@pytest.mark.parametrize(("arguments", "names"), [
    (["--days", "0"], "--days"), (["--days", "50"], "--days"), (["--days", "nan"], "--days"), (["--days", "x"], "--days"),
    (["--seed", "-1"], "--seed"), (["--history-only", "--live-only"], "not allowed with"),
])  # fmt: skip
def test_wrong_usage(arguments: list[str], names: str) -> None:
    run = subprocess.run([sys.executable, "-m", "scripts.demo", *arguments], cwd=CHECKOUT, capture_output=True, text=True)
    assert run.returncode == 2 and names in run.stderr.splitlines()[-1] and run.stdout == ""


def test_no_database() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "scripts.demo"], cwd=CHECKOUT, env=os.environ | {"ENMS_DSN": "host=127.0.0.1 port=1"}, capture_output=True, text=True
    )  # fmt: skip
    assert "cannot connect" in only_error(run)
