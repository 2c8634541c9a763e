"""History from CSV files, its figures against plain Python; `python -m scripts.history` as a user runs it where a process matters."""

import contextlib
import csv
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

import oracle
from conftest import CHECKOUT
from engine_cli import only_error
from readings import refresh
from scripts.connection import Database, read_dsn
from scripts.console import Failure
from scripts.history import cli, work, writing

BERLIN = "c0000000-0000-0000-0000-000000000007"
HVAC = "c0000000-0000-0000-0000-000000000002"
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "scripts.history", *map(str, arguments)]


def environment(dsn: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("ENMS_", "PG"))} | {"ENMS_DSN": dsn}


def run(dsn: str, *arguments: object, stdin: bytes = b"", code: int = 0) -> str:
    """Run the command to its end; what it said."""
    run = subprocess.run(command(*arguments), cwd=CHECKOUT, env=environment(dsn), input=stdin, capture_output=True)
    assert run.returncode == code, run.stdout.decode() + run.stderr.decode()
    assert b"\x1b" not in run.stdout
    return run.stdout.decode()


def load(dsn: str, *arguments: object, code: int = 0) -> str:
    """The same without a process of its own, which takes most of the time of a small file."""
    options = cli.parse(list(map(str, arguments)))
    cli.settle(options)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        ended = work.run(options, Database(read_dsn(dsn), None))
    assert ended == code, said.getvalue()
    return said.getvalue()


def refused(dsn: str, *arguments: object, code: int = 2) -> str:
    """What an import that is refused says."""
    with pytest.raises(Failure) as caught:
        load(dsn, *arguments)
    assert caught.value.code == code
    return str(caught.value)


@pytest.fixture
def empty(database: str) -> Iterator[psycopg.Connection]:
    """A connection to the module's database, its readings deleted afterwards."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection
        for table in "energy_readings", "production_data", "environmental_data":
            connection.execute(f"delete from {table}")


@pytest.fixture
def write(tmp_path: Path):
    """A function that writes a CSV file."""

    def write(text: str | bytes, name: str = "readings.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def readings(connection: psycopg.Connection, columns: str = "time, power_kw, energy_kwh", table: str = "energy_readings") -> list[tuple]:
    return connection.execute(f"select {columns} from {table} order by time, machine_id").fetchall()


def test_the_steel_plants_file_as_it_is(fresh_database: str, fresh: psycopg.Connection, edition: str, tmp_path: Path) -> None:
    path = oracle.find_steel_plant_csv()
    if path is None:
        pytest.skip("steel_industry_2018.csv is not there: set ENMS_SHARED to the folder that holds data/")
    fresh.execute("insert into factories (id, name, timezone) values ('33333333-3333-3333-3333-333333333333', 'Gwangyang', 'Asia/Seoul')")
    fresh.execute("insert into machines (factory_id, name, type, rated_power_kw) values ('33333333-3333-3333-3333-333333333333', 'Mill', 'other', 700)")
    said = run(fresh_database, path, "--machine", "Mill", "--rejects", tmp_path / "rejects.csv")
    assert "35,040 rows: 35,040 inserted, 0 changed, 0 the same, 0 rejected" in said
    assert "Energy: 959,636.71 kWh\nHighest quarter-hour: 628.720 kW, at 2018-11-22 09:45:00 Asia/Seoul" in said
    assert "NSM" in re.search("Left out: (.*)", said)[1]
    with open(path, encoding="utf-8-sig") as file:
        expected = sorted(
            (datetime.strptime(row["date"], "%d/%m/%Y %H:%M").replace(tzinfo=UTC) - timedelta(hours=9), 4 * Decimal(row["Usage_kWh"]), Decimal(row["Usage_kWh"]))
            for row in csv.DictReader(file)
        )  # fmt: skip
    assert readings(fresh) == expected
    for rollup, count in ("1min", "reading_count"), ("15min", "total_readings"), ("1hour", "total_readings"), ("1day", "total_readings"):
        stored = f"select sum({count}), sum(total_energy_kwh) from energy_readings_{rollup}"
        assert fresh.execute(stored).fetchone() == (35_040, Decimal("959636.71"))
    if edition == "community":
        log = "select count(*) from _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log"
        assert fresh.execute(log).fetchone()[0] == 0, "the rollups are refreshed"


def local(*times: str) -> str:
    return "Zeitstempel;Verbrauch [Wh]\n" + "".join(f"{text};{1000 + number},5\n" for number, text in enumerate(times))


def hours(connection: psycopg.Connection) -> list[tuple[str, Decimal]]:
    return [(f"{at:%d %H:%M}", energy) for at, energy in readings(connection, "time, energy_kwh")]


@pytest.mark.one_edition
def test_clocks_go_back(empty: psycopg.Connection, database: str, write) -> None:
    both = ["25.10.2026 01:30", "25.10.2026 02:00", "25.10.2026 02:30", "25.10.2026 02:00", "25.10.2026 02:30", "25.10.2026 03:00"]
    said = load(database, write(local(*both)), "--machine", "HVAC-EU-North")
    assert "4 readings at times that come twice" in said and "decimal comma" in said
    kwh = [Decimal(number) / 10_000 for number in range(10_005, 10_065, 10)]
    times = ["24 23:30", "25 00:00", "25 00:30", "25 01:00", "25 01:30", "25 02:00"]
    assert hours(empty) == list(zip(times, kwh, strict=True))
    # The same file backwards says the same.
    empty.execute("delete from energy_readings")
    lines = local(*both).splitlines()
    load(database, write("\r\n".join([lines[0], *reversed(lines[1:])])), "--machine", "HVAC-EU-North")
    assert hours(empty) == list(zip(times, kwh, strict=True))


@pytest.mark.one_edition
def test_a_time_that_has_come_again_is_of_the_second_pass(empty: psycopg.Connection, database: str, write) -> None:
    times = [f"25.10.2026 {clock}" for clock in ("02:00", "02:15", "02:15", "02:45", "03:00")]
    load(database, write(local(*times)), "--machine", "HVAC-EU-North")
    assert [at for at, _ in hours(empty)] == ["25 00:00", "25 00:15", "25 01:15", "25 01:45", "25 02:00"]


@pytest.mark.one_edition
@pytest.mark.parametrize("numbers", [("987.000", "1.023"), ("0.5", "987", "1.023"), ("1500", "987", "1.023"), ("987", "1.0", "1.023")])
def test_decimal_points_that_can_be_nothing_else(empty: psycopg.Connection, database: str, write, numbers: tuple[str, ...]) -> None:
    lines = [f"2026-10-01 00:{n * 15:02};{number}" for n, number in enumerate(numbers)]
    load(database, write("time;power (kW)\n" + "\n".join(lines)), "--machine", HVAC, "--zone", "UTC")
    assert [power for _, power, _ in readings(empty)] == [Decimal(number) for number in numbers]


@pytest.mark.one_edition
def test_clocks_go_back_and_each_time_is_there_once(empty: psycopg.Connection, database: str, write) -> None:
    said = load(database, write(local("25.10.2026 01:30", "25.10.2026 02:30", "25.10.2026 03:30")), "--machine", "HVAC-EU-North")
    assert "1 reading at a time that could be either is read as summer time" in said
    assert [at for at, _ in hours(empty)] == ["24 23:30", "25 00:30", "25 02:30"]


@pytest.mark.one_edition
def test_clocks_go_forward(empty: psycopg.Connection, database: str, write) -> None:
    path = write(local("29.03.2026 01:30", "29.03.2026 02:30", "29.03.2026 03:30"))
    said = load(database, path, "--machine", "HVAC-EU-North", code=1)
    assert "2 inserted, 0 changed, 0 the same, 1 rejected" in said
    assert [at for at, _ in hours(empty)] == ["29 00:30", "29 01:30"]
    rejects = path.with_name("readings.csv.rejects.csv").read_text()
    assert rejects == (
        "line,reason,content\n"
        "3,time: '29.03.2026 02:30' does not exist in Europe/Berlin: the clocks go forward over it,\"29.03.2026 02:30;1001,5\"\n"
    )


def test_rejects_upserts_and_what_is_the_same(empty: psycopg.Connection, database: str, write) -> None:
    text = (
        "time,power_kw,energy_kwh,power_factor,note\n"
        "2026-10-01T00:00:00Z,10,2.5,0.9,\n"
        "2026-10-01T00:15:00Z,abc,2.5,0.9,\n"
        "2026-10-01T00:30:00Z,10,-1,0.9,\n"
        "2026-10-01T00:45:00Z,99999999,1,0.9,\n"
        "not a time,10,2.5,0.9,\n"
        "\n"
        "2026-10-01T01:00:00Z,10,2.5,1.2,\n"
        "2026-10-01T01:15:00Z,10\n"
        "2026-10-01T01:30:00Z,,2.5,,\n"
        "2026-10-01T01:45:00Z,11,2.5,,\n"
        "2026-10-01T01:45:00Z,12,2.5,,\n"
        "2026-10-01T02:00:00Z,12,2.5,,\n"
        "2026-10-01T02:00:00Z,12,2.5,,\n"
    )
    path = write(text)
    rejects = path.with_name("readings.csv.rejects.csv")
    error = refused(database, path, "--machine", HVAC, "--strict", code=1)
    assert "9 lines would be rejected, so nothing is written" in error and readings(empty) == []
    said = load(database, path, "--machine", HVAC, code=1)
    assert "12 rows: 2 inserted, 0 changed, 1 the same, 9 rejected" in said and "Left out: note" in said
    with open(rejects) as file:
        assert {int(row["line"]): row["reason"] for row in csv.DictReader(file)} == {
            3: "power_kw: 'abc' is not a number",
            4: "energy_readings_energy_not_negative: ((energy_kwh >= (0)::numeric) AND (energy_kwh < 'NaN'::numeric))",
            5: "power_kw does not fit numeric(10,3): it has to be below 10,000,000",
            6: "time: 'not a time' is not a time",
            8: "energy_readings_power_factor_range: ((power_factor >= ('-1'::integer)::numeric) AND (power_factor <= (1)::numeric))",
            9: "2 fields, and the header has 5",
            10: "power_kw is empty",
            11: "a different reading for the same time stands in line 12",
            12: "a different reading for the same time stands in line 11",
        }
    at = datetime(2026, 10, 1, tzinfo=UTC)
    assert readings(empty) == [(at, 10, Decimal("2.5")), (at + timedelta(hours=2), 12, Decimal("2.5"))]
    path.write_text("time,power_kw,energy_kwh,power_factor\n2026-10-01T00:00:00Z,11,2.5,0.9\n2026-10-01T02:00:00Z,12,2.5,\n2026-10-01T03:00:00Z,1,1,\n")
    dry = load(database, path, "--machine", HVAC, "--dry-run")
    assert "nothing is written: 3 rows: 1 inserted, 1 changed, 1 the same, 0 rejected" in dry and len(readings(empty)) == 2
    assert "1 inserted, 1 changed, 1 the same, 0 rejected" in load(database, path, "--machine", HVAC)
    assert not rejects.exists(), "of the run before"
    assert [power for _, power, _ in readings(empty)] == [11, 12, 1]


def test_a_meters_register(empty: psycopg.Connection, database: str, write) -> None:
    values = [99_000 + 10 * n for n in range(100)] + [5, 15, 25, 35, 0, 45, 2, 12]
    lines = [f"2026-10-{1 + n // 96:02} {n % 96 // 4:02}:{n % 4 * 15:02};{value}" for n, value in enumerate(values)]
    del lines[50]
    said = load(database, write("Datum;Stand\n" + "\n".join(lines)), "--machine", HVAC, "--zone", "UTC", "--register", "Stand", "--unit", "register=Wh", code=1)
    assert "Register: 1 rollover, in line 101\n" in said and "Register: 1 reset, in line 107\n" in said
    # One reading is missing, and one is left out.
    assert "Register: 2 gaps;" in said and "so 1 is not written" in said
    energy = [Decimal(10) / 1000] * 99
    energy[49:51] = [Decimal(20) / 1000]
    energy += [Decimal(n) / 1000 for n in (15, 10, 10, 10, 10, 2, 10)]
    assert [kwh for _, _, kwh in readings(empty)] == energy
    powers = [power for _, power, _ in readings(empty)]
    assert powers[0] == Decimal("0.040") and powers[49] == Decimal("0.040"), "the mean over the gap"
    assert "the register falls to 0 and comes back" in Path(re.search("Rejected lines: (.*)", said)[1]).read_text()


@pytest.mark.one_edition
@pytest.mark.parametrize("stray", [7000, 3000, 1200])
def test_a_register_read_wrongly_for_once(empty: psycopg.Connection, database: str, write, stray: int) -> None:
    values = [1000, 1010, stray, 1030, 1040, 1050, 1060, 1070]
    path = write("time;register_kwh\n" + "\n".join(f"2026-10-01T0{n // 4}:{n % 4 * 15:02}Z;{value}" for n, value in enumerate(values)))
    said = load(database, path, "--machine", HVAC, "--register", "register_kwh", code=1)
    assert "Energy: 70 kWh" in said and "1 rejected" in said and "reset" not in said
    assert f"the register rises to {stray} and comes back: it is left out" in path.with_name("readings.csv.rejects.csv").read_text()
    assert [energy for _, _, energy in readings(empty)] == [10, 20, 10, 10, 10, 10]


def test_production_and_environment_of_several_machines(empty: psycopg.Connection, database: str, write) -> None:
    day = "2026-10-01T10:00:00Z"
    production = write(f'machine,time,production_count,operating_mode\n"Conveyor-A",{day},12,running\nHVAC-Main,{day},3,sleeping\nNobody,{day},3,idle\n')
    said = load(database, production, code=1)
    assert "1 inserted, 0 changed, 0 the same, 2 rejected" in said
    assert "operating_mode is none of idle, running, maintenance, fault, offline" in said and "is no machine of machines" in said
    assert readings(empty, "production_count, operating_mode, machine_id::text", "production_data") == [(12, "running", "c0000000-0000-0000-0000-000000000003")]
    environment = write(f"machine_id\ttime\toutdoor_temp_c\tpressure [mbar]\n{HVAC}\t{day}\t-3.5\t990\n", "weather.txt")
    run(database, "-", "--map", "pressure_bar=pressure [mbar]", "--rejects", environment.with_name("r.csv"), stdin=environment.read_bytes())
    assert readings(empty, "outdoor_temp_c, pressure_bar", "environmental_data") == [(Decimal("-3.5"), Decimal("0.990"))]


@pytest.mark.one_edition
def test_settings_in_a_file_and_power_alone(empty: psycopg.Connection, database: str, write) -> None:
    settings = write('zone = "Europe/Berlin"\ndecimal = "comma"\nenergy_type = "steam"\n[columns]\ntime = "Tag+Uhr"\npower_kw = "P"\n[units]\npower_kw = "W"\n', "export.toml")
    path = write("Tag;Uhr;P\n31.12.2025;23:50;1234,5\n31.12.2025;24:00;1234,4\n1.1.2026;0:10;-2\n".encode("utf-16"))
    said = load(database, path, "--machine", "Compressor-EU-1", "--columns", settings, code=1)
    assert "600 s between readings; energy_kwh = power_kw x interval" in said
    assert readings(empty, "time, power_kw, energy_kwh, energy_type") == [
        (datetime(2025, 12, 31, 22, 50, tzinfo=UTC), Decimal("1.235"), Decimal("0.205750"), "steam"),
        (datetime(2025, 12, 31, 23, 0, tzinfo=UTC), Decimal("1.234"), Decimal("0.205733"), "steam"),
    ]


@pytest.mark.one_edition
@pytest.mark.parametrize("text, arguments, error", [
    ("", [], "is empty"),
    ("1,2\n3,4\n", [], "line 1 should hold the columns' names"),
    ("time,kWh\n2026-10-01,1\n", ["--machine", "Nobody"], "there is no machine 'Nobody'"),
    ("time,kWh\n2026-10-01,1\n", ["--machine", ""], "whose readings are they?"),
    ("when,kWh\n2026-10-01,1\n", [], "no column is known as the time"),
    ("time,foo\n2026-10-01,1\n", [], "no column is known as a measure"),
    ("time,power\n2026-10-01,1\n", [], "the column 'power' names no unit"),
    ("time,kWh,production_count\n2026-10-01,1,1\n", [], "columns of more than one kind"),
    ("time,kWh\n2026-10-01,1\n", ["--map", "energy_kwh=Wh"], "the file has no column 'Wh'; it has 'time', 'kWh'"),
    ("time,kWh\n2026-10-01,1\n", ["--unit", "energy_kwh=J"], "units of energy_kwh are: wh, kwh, mwh, gwh"),
    ("time,kWh,usage_kWh\n2026-10-01,1,2\n", [], "both mean energy_kwh"),
    ("time,kWh\n1/2/2026 0:00,1\n2/2/2026 0:00,1\n", [], "nothing tells whether '1/2/2026 0:00' has the day or the month first"),
    ("time,kWh\n13/2/2026,1\n2/13/2026,1\n", [], "one has the day first, the other the month"),
    ("time;kWh\n2026-10-01;1.234,5\n", [], "without thousands separators"),
    ("time;kWh\n2026-10-01;1,234\n", [], "may be 1.234 or 1234"),
    ("time;power (W)\n2026-10-01 00:00;987\n2026-10-01 00:15;1.023\n", [], "line 3 has '1.023', which may be 1.023 or 1023: say --decimal point"),
    ("time,kWh\n2026-10-01,1\n", ["--energy-type", ""], "--energy-type: name the carrier, as natural_gas"),
    ("time;kWh\n2026-10-01;1,5\n2026-10-02;1.5\n", [], "say which sign parts the decimals"),
    ("time,kWh\n2026-10-01,1\n", [], "the interval can't be told from fewer than two readings"),
    ("time,kWh\n2026-10-01,1\n", ["--zone", "Mars/Base"], "--zone Mars/Base: there is no such time zone"),
    ("time,Stand\n2026-10-01,1\n", ["--register", "Stand"], "names no unit of energy"),
    ("Zeit;kWh;Gerät\n".encode("latin-1"), [], "is not UTF-8"),
])  # fmt: skip
def test_what_is_refused(database: str, write, text: str | bytes, arguments: list[str], error: str) -> None:
    given = arguments if "--machine" in arguments else ["--machine", "HVAC-EU-North", *arguments]
    assert error in refused(database, write(text), *given)


@pytest.mark.one_edition
def test_an_error_is_one_line(database: str, write) -> None:
    finished = subprocess.run(
        command(write(""), "--machine", HVAC), cwd=CHECKOUT, env=environment(database), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert "is empty" in only_error(finished, 2)


def test_machines_of_two_zones(empty: psycopg.Connection, database: str, edition: str, write) -> None:
    text = "machine,time,kWh\nHVAC-Main,2026-10-01 00:00{0},1\nHVAC-Main,2026-10-01 00:15{0},1\nHVAC-EU-North,2026-10-01 00:00{0},1\nHVAC-EU-North,2026-10-01 00:15{0},2\n"
    assert "say by --zone in which its times are" in refused(database, write(text.format("")))
    said = load(database, write(text.format("+02")), "--no-refresh")
    assert "4 inserted" in said and "2026-09-30 22:15:00 UTC\n" in said and "Refreshing" not in said
    if edition == "community":
        log = "select count(*) from _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log"
        assert empty.execute(log).fetchone()[0] > 0, "the policies know of them"
    assert [energy for _, _, energy in readings(empty)] == [1, 1, 1, 2]


@pytest.mark.one_edition
def test_metadata_is_json(empty: psycopg.Connection, database: str, write) -> None:
    text = 'time;kWh;metadata\n2026-10-01T00:00Z;1;"{""a"": 1}"\n2026-10-01T00:15Z;1;{bad\n2026-10-01T00:30Z;1;\n2026-10-01T00:45Z;1;[NaN]\n'
    said = load(database, write(text), "--machine", HVAC, code=1)
    assert "2 x metadata: '...' is no JSON" in said
    assert readings(empty, "metadata") == [({"a": 1},), (None,)]


def test_what_a_file_holds_says_nothing_to_the_terminal(empty: psycopg.Connection, database: str, write) -> None:
    path = write('time,energy_kwh,metadata,Red\x1b[31m\n2026-10-01T00:00:00Z,1,"{""a"": ""[/b]""}",x\n2026-10-01T00:15:00Z,1,"{""a"": ""[/b]""}",x\n')
    said = load(database, path, "--machine", HVAC, "--dry-run")
    assert "\x1b" not in said and "Left out: Red\ufffd[31m" in said and "[/b]" in said


def test_slices_are_whole_days() -> None:
    days = [(NOW + n * timedelta(days=1), 10) for n in range(100)]
    assert [rows for _, _, rows in writing.slices(days)] == [310, 310, 310, 70], "a month at most"
    many = writing.slices([(day, 100_000) for day, _ in days[:5]])
    assert [(begin, rows) for begin, _, rows in many] == [(days[0][0], 200_000), (days[2][0], 200_000), (days[4][0], 100_000)]


@pytest.mark.community
def test_minutes_past_retention(fresh_database: str, fresh: psycopg.Connection, write) -> None:
    """The rollups keep what they have; the file's readings take its place where that is asked for."""
    begin = NOW - timedelta(days=200)
    rows = [(begin + timedelta(minutes=n), 10 + n) for n in range(60)]

    def file(rows: list[tuple[datetime, int]]) -> Path:
        return write("time,power_kw,energy_kwh\n" + "".join(f"{at.isoformat()},{power},1\n" for at, power in rows))

    def stored(rollup: str = "1min", power: str = "sum_power_kw") -> list[tuple]:
        return fresh.execute(f"select bucket, {power} from energy_readings_{rollup} order by bucket").fetchall()

    load(fresh_database, file(rows), "--machine", HVAC)
    fresh.execute("select drop_chunks('energy_readings', older_than => interval '90 days')")
    assert readings(fresh) == [] and stored() == rows
    other = [(rows[0][0], 500), (rows[1][0], 501), *rows[2:], (begin + timedelta(minutes=60), 70)]
    said = load(fresh_database, file(other), "--machine", HVAC, code=1)
    assert "61 rows: 59 inserted, 0 changed, 0 the same, 2 rejected" in said and "2 x past retention" in said
    assert stored() == [*rows, other[-1]]
    assert "Energy: 59 kWh\n" in said and "Highest quarter-hour: 70.000 kW" in said, "of what is in"
    assert fresh.execute("select sum(total_readings) from energy_readings_1day").fetchone()[0] == 61
    fresh.execute("select drop_chunks('energy_readings', older_than => interval '90 days')")
    load(fresh_database, file(other[:2]), "--machine", HVAC, "--replace-past-retention")
    assert stored() == other and sum(power for _, power in stored("1day")) == sum(power for _, power in other)


def state(connection: psycopg.Connection) -> list[list[tuple]]:
    queries = ["select time, machine_id, energy_type, power_kw, energy_kwh, source from energy_readings order by 1, 2"]
    queries += [f"select bucket, machine_id, sum_power_kw, total_energy_kwh from energy_readings_{level} order by 1, 2" for level in ("1min", "1day")]
    return [connection.execute(query).fetchall() for query in queries]


def test_a_killed_import_goes_on(fresh_database: str, fresh: psycopg.Connection, write) -> None:
    begin = NOW - timedelta(days=52)
    path = write("time,kWh\n" + "".join(f"{(begin + timedelta(hours=n)).isoformat()},{n % 7}\n" for n in range(24 * 30)))
    arguments = path, "--machine", "HVAC-EU-North"
    # Slices of a day, so that some are in and some are not.
    program = "import sys; from scripts.history import cli, writing; writing.SLICE = 24; sys.exit(cli.main(sys.argv[1:]))"
    killed = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], cwd=CHECKOUT, env=environment(fresh_database), stdout=subprocess.DEVNULL)
    rows = 0
    while not rows and killed.poll() is None:
        rows = fresh.execute("select count(*) from energy_readings").fetchone()[0]
    killed.kill()
    killed.wait()
    while fresh.execute("select count(*) from pg_stat_activity where application_name = 'enms import'").fetchone()[0]:
        time.sleep(0.05)
    rows = fresh.execute("select count(*) from energy_readings").fetchone()[0]
    assert 0 < rows < 24 * 30 and rows % 24 in (0, 24 - begin.hour), rows
    said = load(fresh_database, *arguments)
    assert f"{720 - rows:,} inserted, 0 changed, {rows:,} the same" in said
    after = state(fresh)
    fresh.execute("delete from energy_readings")
    refresh(fresh)
    load(fresh_database, *arguments)
    assert state(fresh) == after and len(after[0]) == 720


def mixed_file(write, days: int = 6) -> Path:
    """Two machines' quarter-hours, the last days past the horizon of history, with lines of every kind that is left out."""
    begin = NOW - timedelta(days=days + 48)
    lines = [
        f"{machine},{(begin + timedelta(minutes=15 * n)).isoformat()},{n % 37},{'x' if n % 97 == 5 else -1 if n % 89 == 7 else n % 11}"
        for n in range(96 * days)
        for machine in ("HVAC-Main", "HVAC-EU-North")
    ]
    # Of one that comes again, and of one that comes again with another value.
    return write("machine,time,power_kw,energy_kwh\n" + "\n".join([*lines, lines[200], lines[301].rpartition(",")[0] + ",99"]) + "\n")


def test_two_sessions_do_what_one_does(fresh_database: str, fresh: psycopg.Connection, write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mixed_file(write)
    results = []
    for shared in work.SHARED, 1:
        monkeypatch.setattr(work, "SHARED", shared)
        fresh.execute("delete from energy_readings")
        refresh(fresh)
        said = [load(fresh_database, path, *arguments, code=1) for arguments in (["--dry-run"], [], [])]
        told = [[line for line in text.splitlines() if "done in" not in line and not line.startswith("Time:")] for text in said]
        results.append((told, path.with_name("readings.csv.rejects.csv").read_text(), state(fresh)))
    assert results[0] == results[1]
    with open(path) as file:
        rows = [row for row in csv.DictReader(file) if row["energy_kwh"] not in ("x", "-1")]
    values: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        values.setdefault((row["machine"], row["time"]), set()).add(row["energy_kwh"])
    sound = [Decimal(*found) for found in values.values() if len(found) == 1]
    assert f"1,154 rows: {len(sound):,} inserted" in said[1] and f"{len(sound) + 1:,} the same" in said[2]
    assert sum(row[4] for row in state(fresh)[0]) == sum(sound) and len(state(fresh)[0]) == len(sound) == 1125


@pytest.mark.one_edition
def test_what_ends_one_of_two_sessions_ends_both(fresh_database: str, fresh: psycopg.Connection, write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mixed_file(write)
    monkeypatch.setattr(work, "SHARED", 1)
    monkeypatch.setattr(writing, "SLICE", 200)
    day = NOW - timedelta(days=50)
    fresh.execute(f"""
        create function refuse_day() returns trigger language plpgsql as $$
        begin
            if exists (select from new_rows where time::date = '{day.date()}') then raise 'no such day'; end if;
            if exists (select from new_rows where time::date = '{day.date()}'::date - 1) then perform pg_sleep(60); end if;
            return null;
        end $$;
        create trigger refuse_day after insert on energy_readings referencing new table as new_rows for each statement execute function refuse_day()""")
    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(Failure, match="the database refused: no such day"):
        options = cli.parse([str(path)])
        cli.settle(options)
        work.run(options, Database(read_dsn(fresh_database), None))
    rows = fresh.execute("select count(*) from energy_readings").fetchone()[0]
    assert f"{rows:,} of 1,125 rows are in; the same command goes on from there" in said.getvalue()
    assert fresh.execute("select count(*) from pg_stat_activity where application_name = 'enms import' and state = 'active'").fetchone()[0] == 0
    fresh.execute("drop trigger refuse_day on energy_readings")
    assert f"{1125 - rows:,} inserted, 0 changed, {rows + 1:,} the same" in load(fresh_database, path, code=1)


@pytest.mark.one_edition
def test_an_interrupt_ends_both_sessions(fresh_database: str, fresh: psycopg.Connection, write) -> None:
    path = mixed_file(write)
    program = "import sys; from scripts.history import cli, work, writing; work.SHARED, writing.SLICE = 1, 200; sys.exit(cli.main(sys.argv[1:]))"
    fresh.execute("""
        create function wait() returns trigger language plpgsql as 'begin perform pg_sleep(60); return null; end';
        create trigger wait after insert on energy_readings for each statement execute function wait()""")
    running = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], cwd=CHECKOUT, env=environment(fresh_database), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # What a shell starts behind it is deaf to SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while fresh.execute("select count(*) from pg_stat_activity where application_name = 'enms import' and wait_event = 'PgSleep'").fetchone()[0] < 2:
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    said, complained = running.communicate(timeout=60)
    assert running.returncode == 130 and complained == "error: interrupted\n", said + complained
    assert "0 of 1,125 rows are in; the same command goes on from there" in said
    fresh.execute("drop trigger wait on energy_readings")
    assert "1,125 inserted" in load(fresh_database, path, code=1)


@pytest.mark.community
def test_readings_in_compressed_chunks_are_corrected(empty: psycopg.Connection, database: str, write) -> None:
    rows = "".join(f"{(NOW - timedelta(days=10) + timedelta(minutes=n)).isoformat()},{{}},1\n" for n in range(50))
    load(database, write("time,power_kw,energy_kwh\n" + rows.replace("{}", "5")), "--machine", HVAC)
    empty.execute("select compress_chunk(c) from show_chunks('energy_readings') c")
    changed = rows.replace("{}", "5").replace(",5,", ",6,", 3)
    assert "0 inserted, 3 changed, 47 the same" in load(database, write("time,power_kw,energy_kwh\n" + changed), "--machine", HVAC)
    assert sum(power for _, power, _ in readings(empty)) == 253


@pytest.mark.parametrize("sessions", [1, 2])
def test_a_collectors_role_may_import(empty: psycopg.Connection, database: str, edition: str, write, sessions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.execute("create role history_collector login password 'collector' in role enms_ingest")
    try:
        path = write("time,kWh\n2026-10-01T00:00Z,1\n2026-10-01T00:15Z,1\n")
        dsn = psycopg.conninfo.make_conninfo(database, user="history_collector", password="collector")
        if sessions == 1:
            said = run(dsn, path, "--machine", HVAC)
        else:
            monkeypatch.setattr(work, "SHARED", 1)
            said = load(dsn, path, "--machine", HVAC)
        assert "2 inserted" in said and ("their policies do" in said) == (edition == "community")
    finally:
        # A session that is closed takes a moment to give back its tables.
        while empty.execute("select count(*) from pg_stat_activity where usename = 'history_collector'").fetchone()[0]:
            time.sleep(0.05)
        empty.execute("drop role history_collector")


@pytest.mark.one_edition
def test_a_name_in_two_factories(empty: psycopg.Connection, database: str, write) -> None:
    path = write("time,kWh\n2026-10-01T00:00Z,1\n2026-10-01T00:15Z,1\n")
    empty.execute("insert into machines (factory_id, name, type, rated_power_kw) values ('22222222-2222-2222-2222-222222222222', 'HVAC-Main', 'hvac', 1)")
    try:
        assert "stands in 'Demo Manufacturing Plant' and 'European Production Facility'" in refused(database, path, "--machine", "HVAC-Main")
        load(database, path, "--machine", "HVAC-Main", "--factory", "Demo Manufacturing Plant")
        assert readings(empty, "machine_id::text, power_kw") == [(HVAC, 4), (HVAC, 4)]
    finally:
        empty.execute("delete from machines where name = 'HVAC-Main' and factory_id = '22222222-2222-2222-2222-222222222222'")


@pytest.mark.one_edition
def test_readings_of_the_future_are_rejected(empty: psycopg.Connection, database: str, write) -> None:
    later = datetime.now(UTC) + timedelta(days=40)
    path = write(f"time,energy_kwh\n2026-10-01T00:00:00Z,1\n2026-10-01T00:15:00Z,2\n{later:%Y-%m-%dT%H:%M:%SZ},3\n")
    said = load(database, path, "--machine", "HVAC-Main", code=1)
    assert "2 inserted, 0 changed, 0 the same, 1 rejected" in said and "1 x time is in the future" in said
    assert len(readings(empty, "time, energy_kwh")) == 2


@pytest.mark.one_edition
def test_a_machine_is_named_and_the_file_is_of_several(empty: psycopg.Connection, database: str, write) -> None:
    path = write("time,machine,energy_kwh\n2026-10-01T00:00:00Z,HVAC-Main,1\n2026-10-01T00:15:00Z,Conveyor-A,2\n")
    assert "the column machine names 2 machines: leave MACHINE out" in refused(database, path, "--machine", "HVAC-Main")
    assert readings(empty, "time, energy_kwh") == []
    # A column that always says the same, as a meter's own name, is no contradiction.
    said = load(database, write("time,machine,energy_kwh\n2026-10-01T00:00:00Z,M7,1\n2026-10-01T00:15:00Z,M7,2\n"), "--machine", "HVAC-Main")
    assert "Left out: machine" in said and "2 inserted" in said


@pytest.mark.one_edition
def test_rejects_take_no_other_files_place(empty: psycopg.Connection, database: str, write, tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("mine\n")
    path = write("time,energy_kwh\n2026-10-01T00:00:00Z,1\n2026-10-01T00:15:00Z,x\n")
    assert "holds no rejects of an earlier run" in refused(database, path, "--machine", "HVAC-Main", "--rejects", other)
    assert other.read_text() == "mine\n" and readings(empty, "time, energy_kwh") == []
