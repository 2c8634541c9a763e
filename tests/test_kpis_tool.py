"""make kpis and make report: the figures they show beside the oracle's, and how they are shown."""

import csv
import io
import json
import os
import re
import secrets
import signal
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import oracle
from oracle import CarbonFactor, EnergyReading, Factory, Machine, Plant, ProductionReading, Tariff, round_half_up
from readings import insert, store
from scripts.connection import Database
from scripts.kpis import figures, gather, notes, profiles, ranges, words
from scripts.kpis.cli import main
from scripts.kpis.ranges import Choice

pytestmark = pytest.mark.one_edition

# Both clocks are changed in it: Berlin's on 27 October, those of the Pacific coast on 3 November 2024.
FIRST, LAST = datetime(2024, 10, 25), datetime(2024, 11, 5)
RANGE = "--from", "2024-10-25", "--to", "2024-11-05"
BERLIN = Factory(uuid.UUID(int=1), "Werk München", "Europe/Berlin", "Bavaria")
COAST = Factory(uuid.UUID(int=2), "Coast Mill", "America/Los_Angeles")
MONEY = Factory(uuid.UUID(int=3), "Two Currencies", "Europe/Berlin", "Bavaria")
NASTY = "Saw <script>alert('1')</script> & \x1b[31mSon"
MACHINES = [
    Machine(uuid.UUID(int=11), BERLIN.id, NASTY, 1200), Machine(uuid.UUID(int=12), BERLIN.id, "Old Press", 1200, False),
    Machine(uuid.UUID(int=13), BERLIN.id, "Silent", 60), Machine(uuid.UUID(int=14), BERLIN.id, "Gone", 60, False),
    Machine(uuid.UUID(int=21), COAST.id, "Mixer", 1200), Machine(uuid.UUID(int=22), COAST.id, "Pump", 1200),
    Machine(uuid.UUID(int=31), MONEY.id, "Kiln", 1200), Machine(uuid.UUID(int=32), MONEY.id, "Lathe", 1200),
]  # fmt: skip
HEADER = (
    "row,factory,factory_id,machine,machine_id,is_active,timezone,range_start_utc,range_end_utc,range_start_local,range_end_local,has_readings,"
    "energy_kwh,avg_power_kw,peak_demand_kw,peak_time_utc,peak_time_local,load_factor,production_units,sec_kwh_per_unit,cost,currency,"
    "cost_per_unit,unpriced_energy_kwh,co2_kg,co2_per_unit_kg,unfactored_energy_kwh,data_coverage_percent,error"
)
# Column of the tool: column of calculate_all_kpis.
OF_MACHINE = {
    "energy_kwh": "total_energy_kwh", "avg_power_kw": "avg_power_kw", "peak_demand_kw": "peak_demand_kw", "load_factor": "load_factor",
    "production_units": "total_production_units", "sec_kwh_per_unit": "sec_kwh_per_unit", "cost": "total_cost", "currency": "currency",
    "cost_per_unit": "cost_per_unit", "unpriced_energy_kwh": "unpriced_energy_kwh", "co2_kg": "total_co2_kg",
    "co2_per_unit_kg": "co2_per_unit_kg", "unfactored_energy_kwh": "unfactored_energy_kwh", "data_coverage_percent": "data_coverage_percent",
}  # fmt: skip
OF_FACTORY = {column: kpi for column, kpi in OF_MACHINE.items() if column in (
    "energy_kwh", "cost", "currency", "unpriced_energy_kwh", "co2_kg", "unfactored_energy_kwh")} | {"load_factor": "avg_load_factor"}  # fmt: skip


def plant() -> Plant:
    """Readings every 20 minutes; the old press stops for days, the lathe before the currency changes, nights have no tariff on the coast."""
    tariffs = [
        Tariff(factory_id=BERLIN.id, name="Grund", rate_per_kwh=Decimal("0.21"), currency="EUR", valid_from=date(2020, 1, 1)),
        Tariff(factory_id=BERLIN.id, name="Nacht & Co", rate_per_kwh=Decimal("0.11"), currency="EUR", is_time_of_use=True, start_hour=22,
               end_hour=3, applicable_days=[0, 1, 2, 6], valid_from=date(2020, 1, 1)),
        Tariff(factory_id=COAST.id, name="Day", rate_per_kwh=Decimal("0.33"), is_time_of_use=True, start_hour=1, end_hour=20,
               applicable_days=list(range(7)), valid_from=date(2020, 1, 1)),
        Tariff(factory_id=MONEY.id, name="Old", rate_per_kwh=Decimal("1"), currency="DEM", valid_from=date(2020, 1, 1), valid_to=date(2024, 10, 29)),
        Tariff(factory_id=MONEY.id, name="New", rate_per_kwh=Decimal("0.5"), currency="EUR", valid_from=date(2024, 10, 30)),
    ]  # fmt: skip
    factors = [CarbonFactor("Bavaria", Decimal("0.4"), date(2020, 1, 1), date(2024, 10, 27)), CarbonFactor("Bavaria", Decimal("0.3"), date(2024, 10, 29))]
    energy, production = [], []
    for machine in MACHINES:
        if machine.name in ("Silent", "Gone"):
            continue
        for n in range(12 * 72):
            at = datetime(2024, 10, 24, 18, tzinfo=UTC) + n * timedelta(minutes=20)
            if machine.name == "Old Press" and 200 < n < 500 or machine.name == "Lathe" and at > datetime(2024, 10, 29, 20, tzinfo=UTC):
                continue
            power = Decimal(n * 37 % 101 + machine.id.int) + Decimal(n % 7) / 8
            energy.append(EnergyReading(at, machine.id, "energy", power, power / 3))
            if machine.name in ("Mixer", "Old Press"):
                production.append(ProductionReading(at, machine.id, n % 5, operating_mode="running"))
    energy = [EnergyReading(r.time, r.machine_id, r.energy_type, r.power_kw, round_half_up(r.energy_kwh, 6)) for r in energy]
    return Plant([BERLIN, COAST, MONEY], MACHINES, tariffs, factors, energy, production)


PLANT = plant()


@pytest.fixture(scope="module")
def dsn(database: str) -> str:
    """The module's database with the plant in it, and no other."""
    with psycopg.connect(database, autocommit=True) as connection:
        # The seed's own plant would be asked for its figures each time.
        connection.execute("delete from machine_status; delete from machines; delete from energy_tariffs; delete from factories")
        store(connection, PLANT)
    return database


@pytest.fixture
def kpis(dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """Runs the command as `python -m scripts.kpis` would; gives its exit code, stdout and stderr."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: str, dsn: str = dsn, **environment: str) -> tuple[int, str, str]:
        for name, value in {"ENMS_DSN": dsn, **environment}.items():
            monkeypatch.setenv(name, value)
        try:
            code = main([*arguments])
        except SystemExit as exited:
            code = exited.code
        return code, *capsys.readouterr()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def span(factory: Factory, first: datetime = FIRST, last: datetime = LAST) -> tuple[datetime, datetime]:
    return tuple(end.replace(tzinfo=ZoneInfo(factory.timezone)) for end in (first, last))


def peak_together(factory: Factory) -> tuple[Decimal, datetime]:
    """Highest quarter-hour of a factory's machines together, and its start."""
    sums: dict[datetime, object] = {}
    start, end = (time.astimezone(UTC) for time in span(factory))
    for machine in MACHINES:
        if machine.factory_id == factory.id:
            for quarter, slice_ in oracle._slices(oracle._electricity(PLANT, machine.id, start, end)).items():
                if start <= quarter and quarter + oracle.QUARTER <= end:
                    sums[quarter] = sums.get(quarter, 0) + slice_.mean_kw
    highest = max(sums.values())
    return round_half_up(highest, 3), min(quarter for quarter, kw in sums.items() if kw == highest)


def expected() -> dict[str, dict]:
    """The oracle's figures of each machine and factory that has some, by name."""
    found = {}
    for factory in (BERLIN, COAST):
        for machine in MACHINES:
            if machine.factory_id == factory.id and machine.name != "Gone":
                row = oracle.calculate_all_kpis(with_default(), machine.id, *span(factory))
                peak = oracle.calculate_peak_demand(PLANT, machine.id, *span(factory))
                found[machine.name] = {column: row[kpi] for column, kpi in OF_MACHINE.items()} | {"peak_time": peak and peak["peak_time"]}
        row = oracle.get_factory_summary(with_default(), factory.id, *span(factory))
        kw, at = peak_together(factory)
        found[factory.name] = {column: row[kpi] for column, kpi in OF_FACTORY.items()} | {"peak_demand_kw": kw, "peak_time": at}
    return found


def with_default() -> Plant:
    """The plant with the seed's factor of the region default, which the coast has."""
    return replace(PLANT, carbon_factors=[*PLANT.carbon_factors, CarbonFactor("default", Decimal("0.475"), date(2015, 1, 1))])


EXPECTED = expected()


def assert_same(name: str, row: dict) -> None:
    for column, value in EXPECTED[name].items():
        if column == "peak_time":
            for shown in row["peak_time_utc"], row["peak_time_local"]:
                assert (datetime.fromisoformat(shown) if shown else None) == value, (name, column)
        else:
            actual = row[column] or None if value is None or isinstance(value, str) else Decimal(str(row[column]))
            assert actual == value, (name, column)


def test_csv_is_what_the_oracle_says(kpis) -> None:
    code, out, err = kpis(*RANGE, "--format", "csv")
    assert (code, err, out.splitlines()[0]) == (0, "", HEADER)
    rows = {row["machine"] or row["factory"]: row for row in csv.DictReader(io.StringIO(out))}
    assert {name for name in EXPECTED if name not in rows} == set() and "Gone" not in rows
    for name in EXPECTED:
        assert_same(name, rows[name])
    for factory, days in (BERLIN, 11 * 24 + 1), (COAST, 11 * 24 + 1):
        row = rows[factory.name]
        ends = [datetime.fromisoformat(row[f"range_{end}_utc"]) for end in ("start", "end")]
        assert ends == [end.astimezone(UTC) for end in span(factory)] and ends[1] - ends[0] == timedelta(hours=days)
        assert [datetime.fromisoformat(row[f"range_{end}_local"]).replace(tzinfo=None) for end in ("start", "end")] == [FIRST, LAST]


def test_json_is_what_the_oracle_says(kpis) -> None:
    code, out, _ = kpis(*RANGE, "--format", "json")
    factories = {factory["factory"]: factory for factory in json.loads(out, parse_float=Decimal)["factories"]}
    assert code == 0 and {BERLIN.name, COAST.name, MONEY.name} <= set(factories)
    for factory in BERLIN, COAST:
        machines = {machine["machine"]: machine for machine in factories[factory.name]["machines"]}
        assert set(machines) == {m.name for m in MACHINES if m.factory_id == factory.id} - {"Gone"}
        for name, machine in machines.items():
            assert_same(name, machine)
        assert_same(factory.name, factories[factory.name]["totals"])
    notes = " ".join(factories[BERLIN.name]["notes"]) + " ".join(factories[COAST.name]["notes"])
    for word in "No readings: Silent", "Old Press 6", "Without emission factor", "Unpriced", "Retired, with readings":
        assert word in notes


def test_a_machine_in_two_currencies_has_all_but_its_cost(kpis) -> None:
    code, out, _ = kpis(*RANGE, "--format", "json", "--factory", str(MONEY.id))
    site = json.loads(out, parse_float=Decimal)["factories"][0]
    kiln, lathe = site["machines"]
    kiln_id, lathe_id = (m.id for m in MACHINES if m.factory_id == MONEY.id)
    assert code == 0 and kiln["error"] == site["totals"]["error"] == "the range is priced in DEM and in EUR"
    sec, carbon = (getattr(oracle, f"calculate_{kind}")(PLANT, kiln_id, *span(MONEY)) for kind in ("sec", "carbon_intensity"))
    peak, load = (getattr(oracle, f"calculate_{kind}")(PLANT, kiln_id, *span(MONEY)) for kind in ("peak_demand", "load_factor"))
    assert [kiln[c] for c in ("cost", "currency", "energy_kwh", "co2_kg", "unfactored_energy_kwh", "peak_demand_kw", "load_factor")] == [
        None, None, sec["total_energy_kwh"], carbon["total_co2_kg"], carbon["unfactored_energy_kwh"], peak["peak_demand_kw"], load["load_factor"]]  # fmt: skip
    assert lathe["error"] is None and lathe["cost"] == oracle.calculate_energy_cost(PLANT, lathe_id, *span(MONEY))["total_cost"]
    assert site["totals"]["energy_kwh"] == kiln["energy_kwh"] + lathe["energy_kwh"]
    table = kpis(*RANGE, "--factory", MONEY.name)[1]
    assert re.search(r"Kiln +[\d,]+ .* error ", table) and "Kiln: no cost, the range is priced in DEM and in EUR" in table
    assert kpis(*RANGE, "--factory", MONEY.name, "--format", "html")[0] == 0


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_shows_the_same_rounded_and_keeps_its_width(kpis, columns: int) -> None:
    code, out, err = kpis(*RANGE, COLUMNS=str(columns))
    assert (code, err) == (0, "") and max(map(len, out.splitlines())) <= columns and "\x1b" not in out
    shown = {part.split(",")[0].splitlines()[0]: part.splitlines() for part in out.split("\n\n")}
    for factory in BERLIN, COAST:
        own = [m.name for m in MACHINES if m.factory_id == factory.id and m.name in ("Mixer", "Pump", "Old Press")]
        for name, label in [(factory.name, "All machines"), *((name, name) for name in own)]:
            line = next(f"{line} " for line in shown[factory.name] if line.startswith(label))
            values = EXPECTED[name]
            for number in f"{values['energy_kwh']:,.0f}", f"{values['co2_kg']:,.0f}", f"{values['load_factor']:.2f}", f"{values['peak_demand_kw']:,.1f}":
                assert f" {number} " in line, (name, number, line)
            assert re.search(rf" ({values['cost']:,.2f}|{values['cost']:,.0f}) ", line), line
    spark = next(match[0] for match in re.finditer("[▁▂▃▄▅▆▇]+·+[▁▂▃▄▅▆▇]+", out))
    assert len(spark) == 11, "eleven local days, those without a reading as gaps"


def test_marks_of_a_load_profile() -> None:
    assert profiles.sparkline([None, Decimal(-2), Decimal(0), Decimal(4), Decimal("7.99"), Decimal(8)], "·12345678") == "·11588"
    assert profiles.sparkline([None, Decimal(0)], "·12") == "·1" and profiles.sparkline([None], "·12") == "·"


@pytest.mark.parametrize(("arguments", "message"), [
    (["--factory", "Nowhere"], 'no factory "Nowhere": there are "Coast Mill"'), (["--machine", str(uuid.UUID(int=99))], "no machine"),
    (["--machine", "Mixer", "--factory", BERLIN.name], 'no machine "Mixer" in the factory "Werk München"'),
    (["--from", "0001-12-31"], "argument --from: '0001-12-31' is out of reach: the year can be 2 to 9998"),
    (["--from", "2024-11-05", "--to", "9999-01-01"], "argument --to: '9999-01-01' is out of reach: the year can be 2 to 9998"),
    (["--from", "2024-11-05", "--to", "2024-11-05"], "is not before --to"), (["--from", "9998-12-31T23:59-23:00"], "is not before now"),
    (["--to", "2024-11-05"], "--to needs --from"), (["--from", "05.11.2024"], "write it as 2026-10-01"), (["--range", "decade"], "invalid choice"),
    (["--machine", "Mixer", "--format", "html"], "a report is of whole factories"), (["--output", "/"], "is a folder"),
    (["--output", os.devnull], "is no ordinary file"), (["--output", "/nowhere/at/all"], "there is no folder"),
])  # fmt: skip
def test_what_cannot_be_shown_is_named(kpis, arguments: list[str], message: str) -> None:
    code, out, err = kpis(*arguments)
    assert code == 2 and message in " ".join(err.split()) and "Traceback" not in err and "\x1b" not in err and out == ""


def site(total: dict, **columns: list) -> figures.Site:
    """The coast with its machines' figures, by columns; without any they were refused."""
    own = [figures.Machine(m.id, m.factory_id, m.name, m.is_active) for m in MACHINES if m.factory_id == COAST.id]
    found = {machine.id: figures.Figures({name: values[n] for name, values in columns.items()}, bool(columns), None if columns else "refused")
             for n, machine in enumerate(own)}  # fmt: skip
    asked = ranges.Span(*span(COAST))
    return figures.Site(COAST.id, COAST.name, None, ranges.Asked(COAST.timezone, asked, None, asked.end), own, found, figures.Figures(total, True))


def test_readings_of_which_nothing_is_there_are_noted() -> None:
    found = notes.of_site(site({}, data_coverage_percent=[Decimal("0.00"), Decimal(100)]))
    assert found == ["Readings are missing: Mixer 0 % present. Energy, cost and CO2 of the gaps are not counted."]


def test_a_factory_whose_machines_are_all_refused() -> None:
    refused = site({"energy_kwh": Decimal(5)})
    found = words.in_short(refused, figures.Figures({}, False), refused.machines, 0, 0)
    assert found == ["The factory used 5.0 kWh of electricity."]


@pytest.mark.parametrize("error", [
    psycopg.errors.QueryCanceled, psycopg.errors.DiskFull, psycopg.errors.OutOfMemory, psycopg.errors.IoError, psycopg.errors.InternalError_,
    psycopg.errors.AdminShutdown, psycopg.errors.InsufficientPrivilege, psycopg.OperationalError,
])  # fmt: skip
def test_what_is_no_machines_fault_ends_it(error: type[psycopg.Error]) -> None:
    with pytest.raises(error):
        figures._own(error())
    for own in psycopg.errors.NumericValueOutOfRange, psycopg.errors.InvalidParameterValue, psycopg.errors.RaiseException:
        figures._own(own())


def test_a_timeout_is_told_once(kpis, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("begin; lock table machines in access exclusive mode")
        code, out, err = kpis(*RANGE, dsn=make_conninfo(dsn, options="-c statement_timeout=500"))
    assert (code, out) == (1, "") and "give the role a longer timeout" in err and err.count("\n") == 1


def test_from_the_first_year_on(kpis) -> None:
    """All that there is, which has nothing before it."""
    code, out, err = kpis("--from", "0002-01-01", "--to", "2024-11-05", "--factory", COAST.name, "--format", "csv")
    assert (code, err) == (0, "") and float(list(csv.DictReader(io.StringIO(out)))[-1]["energy_kwh"]) > 0
    code, out, err = kpis("--from", "0002-01-01", "--to", "2024-11-05", "--format", "html")
    assert (code, err) == (0, "") and "Changes are against" not in out
    assert "Tue 0002-01-01 00:00 until Tue 2024-11-05 00:00 America/Los_Angeles" in kpis("--from", "0002-01-01", "--to", "2024-11-05")[1]
    assert "Changes are against" in kpis("--from", "2024-10-31", "--to", "2024-11-05", "--factory", COAST.name, "--format", "html")[1]


@pytest.mark.parametrize("form", ["table", "csv", "html"])
def test_to_the_last_year(kpis, form: str) -> None:
    code, out, err = kpis("--from", "2024-10-25", "--to", "9998-12-31T23:59", "--factory", COAST.name, "--format", form)
    assert (code, err) == (0, "") and "Mixer" in out and "Changes are against" not in out


def test_demand_charges_of_two_currencies_are_both_told(kpis, dsn: str) -> None:
    may = [EnergyReading(datetime(2019, month, 3, 12, tzinfo=UTC), MACHINES[6].id, "energy", Decimal(30), Decimal(10)) for month in (5, 6)]
    with psycopg.connect(dsn, autocommit=True) as owner:
        insert(owner, may)
        owner.execute("""insert into energy_tariffs (factory_id, name, rate_per_kwh, currency, demand_charge_per_kw, valid_from, valid_to)
            values (%(id)s, 'May', 1, 'DEM', 2, '2019-05-01', '2019-05-31'), (%(id)s, 'June', 1, 'EUR', 3, '2019-06-01', '2019-06-30')""", {"id": MONEY.id})
        try:
            out = kpis("--from", "2019-05-01", "--to", "2019-07-01", "--factory", MONEY.name, "--format", "html")[1]
        finally:
            owner.execute("delete from energy_tariffs where name in ('May', 'June')")
            owner.execute("delete from energy_readings where machine_id = %s and time = any (%s)", [MACHINES[6].id, [row.time for row in may]])
    text = " ".join(" ".join(Page(out).texts).split())
    assert re.findall(r"peak of the month\) ([\d.]+ \w+)", text) == ["60.00 DEM", "90.00 EUR"]


def test_ends_may_be_local_times_or_instants(kpis) -> None:
    """One hour of the night in which it is 2 o'clock twice, by offset; and local times of each factory."""
    instants = "--from", "2024-10-27T02:00+01:00", "--to", "2024-10-27T03:00+01:00"
    for arguments, factory, first, last in [
        (instants, BERLIN, datetime(2024, 10, 27, 1, tzinfo=UTC), datetime(2024, 10, 27, 2, tzinfo=UTC)),
        (("--from", "2024-10-30T06:00", "--to", "2024-10-30T14:30"), COAST, *span(COAST, datetime(2024, 10, 30, 6), datetime(2024, 10, 30, 14, 30))),
    ]:  # fmt: skip
        rows = [row for row in csv.DictReader(io.StringIO(kpis(*arguments, "--format", "csv")[1])) if row["factory"] == factory.name]
        energy = [Decimal(row["energy_kwh"]) for row in rows if row["machine"]]
        wanted = [m for m in MACHINES if m.factory_id == factory.id and m.name != "Gone"]
        assert sum(energy) == sum(oracle.calculate_all_kpis(with_default(), m.id, first, last)["total_energy_kwh"] for m in wanted) != 0


def test_a_local_time_that_comes_twice_is_the_first_and_one_that_is_skipped_is_refused(kpis) -> None:
    def range_of(*arguments: str) -> list[str]:
        code, out, err = kpis(*arguments, "--format", "csv")
        assert code == 0, err
        return [next(csv.DictReader(io.StringIO(out)))[f"range_{end}_utc"] for end in ("start", "end")]

    berlin = "--factory", BERLIN.name
    assert range_of("--from", "2024-10-27T02:30", "--to", "2024-10-27T02:45", *berlin) == ["2024-10-27T00:30:00Z", "2024-10-27T00:45:00Z"]
    assert range_of("--from", "2024-10-27T01:30", "--to", "2024-10-27T03:00", *berlin) == ["2024-10-26T23:30:00Z", "2024-10-27T02:00:00Z"]
    for arguments, end in ("--from 2024-03-31T02:30", "--from"), ("--from 2024-03-30 --to 2024-03-31T02:30", "--to"):
        code, out, err = kpis(*arguments.split())
        assert (code, out) == (2, "") and err == f"error: {end} 2024-03-31 02:30 does not exist in Europe/Berlin: the clocks go forward over it\n"
    # Only the zones of what is asked for count.
    assert range_of("--from", "2024-03-31T02:30", "--to", "2024-04-01", "--machine", "Mixer")[0] == "2024-03-31T09:30:00Z"


def test_a_day_begins_at_its_first_midnight_or_as_the_clocks_have_skipped_it(connection: psycopg.Connection, dsn: str) -> None:
    """Havana's clocks go from 1 o'clock back to 0, and from 0 on to 1."""
    for day, first in (datetime(2024, 11, 3), 4), (datetime(2024, 3, 10), 5):
        with connection.transaction(force_rollback=True):
            connection.execute("update factories set timezone = 'America/Havana' where id = %s", [COAST.id])
            asked = ranges.resolve(connection, Choice("today", day, day + timedelta(days=1)), [COAST.id])[COAST.id]
        assert asked.span.start == datetime(day.year, day.month, day.day, first, tzinfo=UTC) == asked.before.end


@pytest.mark.parametrize("period", ranges.PERIODS)
def test_periods_begin_at_local_midnight(connection: psycopg.Connection, dsn: str, period: str) -> None:
    with connection.transaction():
        found = ranges.resolve(connection, Choice(period), [BERLIN.id, COAST.id])
    for factory in BERLIN, COAST:
        zone, asked = ZoneInfo(factory.timezone), found[factory.id]
        today = asked.now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        monday, month = today - timedelta(days=today.weekday()), today.replace(day=1)
        last_month = (month - timedelta(days=1)).replace(day=1)
        start, end = {
            "today": (today, asked.now), "yesterday": (today - timedelta(days=1), today), "week": (monday, asked.now),
            "last-week": (monday - timedelta(days=7), monday), "month": (month, asked.now), "last-month": (last_month, month),
        }[period]  # fmt: skip
        assert (asked.span.start, asked.span.end) == (start, end)
        assert asked.before.end <= asked.span.start and asked.before.start < asked.before.end
        local = asked.before.start.replace(tzinfo=None)
        assert local == {"month": last_month, "last-month": (last_month - timedelta(days=1)).replace(day=1)}.get(
            period, start - timedelta(days=7 if "week" in period else 1)).replace(tzinfo=None)  # fmt: skip


def test_the_period_before_months_is_as_many_months(connection: psycopg.Connection, dsn: str) -> None:
    found = ranges.resolve(connection, Choice("today", datetime(2024, 10, 1), datetime(2024, 12, 1)), [COAST.id])[COAST.id]
    assert (found.before.start, found.before.end) == span(COAST, datetime(2024, 8, 1), datetime(2024, 10, 1))


class Page(HTMLParser):
    """What a page holds: its text, every tag with its attributes, and whether they close in order."""

    VOID = {"meta", "br", "hr", "img", "link", "input"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)


def test_the_report_holds_the_figures_and_nothing_from_outside(kpis, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    code, out, err = kpis(*RANGE, "--factory", BERLIN.name, "--format", "html", "--output", str(file))
    assert (code, out, list(tmp_path.iterdir())) == (0, "", [file]) and str(file) in err
    page = Page(source := file.read_text())
    assert page.open == [] and not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on") or a in ("src", "href", "xlink:href", "action")]
    assert set(re.findall(r"\w+://[^\s\"'<>)]*|@import|url\(", source)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    text = " ".join(" ".join(page.texts).split())
    assert "Saw <script>alert('1')</script>" in text and "Nacht & Co" in text and "25 October 2024 to 4 November 2024" in text
    for name in NASTY, "Old Press", BERLIN.name:
        values = EXPECTED[name]
        for number in f"{values['energy_kwh']:,.0f}", f"{values['co2_kg']:,.0f}", f"{values['load_factor']:.2f}", f"{values['cost']:,.2f}":
            assert f" {number} " in text, (name, number)
    assert sum(tag == "svg" and "pygal-chart" in attributes.get("class", "") for tag, attributes in page.tags) >= 6
    # On paper, a heading is on the page of its charts.
    assert ".whole { break-inside: avoid; }" in source
    sections = re.findall(r'<section( class="whole")?>(.*?)</section>', source, re.DOTALL)
    assert [re.search("<h2>(.*?) <", section)[1] for whole, section in sections if "<figure>" in section and not whole] == []
    # Time without readings is no part of the curve.
    assert "For how much of the measured time" in text
    costs = [Decimal(cost.replace(",", "")) for cost in re.findall(r"(?:Grund|Nacht & Co) [\d.]+ [\d,]+ [\d.]+ ([\d,.]+) EUR", text)]
    assert len(costs) == 2 and abs(sum(costs) - EXPECTED[BERLIN.name]["cost"]) <= Decimal("0.01")


@pytest.mark.parametrize(("factory", "first", "last", "reason"), [
    (COAST, 31, 36, None), (BERLIN, 29, 30, None),
    (COAST, 29, 36, "with 22 October 2024 to 28 October 2024: it has 65 % of its readings, this period has 100 %."),
    (COAST, 25, 31, "with 19 October 2024 to 24 October 2024: it has 9 % of its readings, this period has 100 %."),
    (COAST, 35, 45, "with 25 October 2024 to 3 November 2024: it has 100 % of its readings, this period has 14 %."),
    (COAST, 24, 36, "with 12 October 2024 to 23 October 2024: it has no readings."),
    (BERLIN, 31, 32, "with Wednesday, 30 October 2024: it has no readings of Old Press."),
    (BERLIN, 28, 29, "with Sunday, 27 October 2024: this period has no readings of Old Press."),
])  # fmt: skip
def test_totals_are_compared_with_a_period_that_has_the_like_readings(kpis, factory: Factory, first: int, last: int, reason: str | None) -> None:
    days = [(datetime(2024, 10, 1) + timedelta(days=day - 1)).date().isoformat() for day in (first, last)]
    code, out, _ = kpis("--from", days[0], "--to", days[1], "--factory", factory.name, "--format", "html")
    text = " ".join(" ".join(Page(out).texts).split())
    assert code == 0 and (f"The totals are not compared {reason}" in text if reason else "The totals are not compared" not in text)
    total = text.partition("All machines ")[2].split()
    assert (re.match(r"[+−±][\d,.]+ %", " ".join(total[2:4])) is None) == (total[2] == "–") == bool(reason)
    assert (re.search(r"kWh of electricity, .* than before", text) is None) == ("before: " not in text) == bool(reason)
    # A machine is compared by itself where its own readings are alike.
    assert ("Changes are against" in text) == (reason is None or factory is BERLIN)


def test_a_report_that_fails_leaves_the_old_one(kpis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "report.html"
    file.write_text("the old one")
    monkeypatch.delitem(sys.modules, "scripts.kpis.report", raising=False)
    monkeypatch.delattr("scripts.kpis.report", raising=False)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    code, _, err = kpis("--format", "html", "--output", str(file))
    assert code == 1 and "the report needs jinja2: run make report" in err and err.count("\n") == 1
    assert kpis("--output", str(file), dsn="host=127.0.0.1 port=1 dbname=none")[0] == 1
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [("report.html", "the old one")]


@pytest.fixture
def reader(cluster, dsn: str) -> Iterator[str]:
    """DSN of a role that may only read."""
    name, password = f"kpis_{secrets.token_hex(3)}", secrets.token_hex(8)
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(f"create role {name} login password '{password}' in role enms_reader")
        yield make_conninfo(dsn, user=name, password=password)
        owner.execute(f"drop owned by {name}; drop role {name}")


@pytest.mark.parametrize("form", ["csv", "html"])
def test_a_reader_sees_what_the_owner_sees(kpis, reader: str, form: str) -> None:
    def stable(text: str) -> str:
        return re.sub(r"Made [^U]*UTC|chart-[0-9a-f-]+", "", text)

    arguments = *RANGE, "--factory", COAST.name, "--format", form
    ours, theirs = kpis(*arguments), kpis(*arguments, dsn=reader)
    assert theirs[0] == ours[0] == 0 and stable(theirs[1]) == stable(ours[1])


def test_settings_of_a_session_change_nothing(kpis, dsn: str) -> None:
    odd = make_conninfo(dsn, options="-c datestyle=German -c timezone=Asia/Tokyo -c intervalstyle=sql_standard -c search_path=nowhere")
    arguments = *RANGE, "--factory", COAST.name, "--format", "csv"
    assert kpis(*arguments, dsn=odd) == kpis(*arguments)


def test_a_role_without_rights_is_told(kpis, reader: str, dsn: str) -> None:
    role = psycopg.conninfo.conninfo_to_dict(reader)["user"]
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(f"revoke enms_reader from {role}; grant connect on database {owner.info.dbname} to {role}")
    code, out, err = kpis(dsn=reader)
    assert (code, out) == (1, "") and f"grant enms_reader to {role}" in err and err.count("\n") == 1


def test_everything_is_read_in_one_snapshot_that_writes_nothing(dsn: str) -> None:
    database = Database(psycopg.conninfo.conninfo_to_dict(dsn), None)
    choice = Choice("today", FIRST, LAST)
    extra = EnergyReading(datetime(2024, 10, 30, 12, 1, tzinfo=UTC), MACHINES[4].id, "energy", Decimal(1), Decimal(5))
    with gather.snapshot(database) as session, psycopg.connect(dsn, autocommit=True) as other:
        before = gather.sites(session, choice, COAST.name, None)[0].total.energy_kwh
        insert(other, [extra])
        try:
            assert gather.sites(session, choice, COAST.name, None)[0].total.energy_kwh == before
            with gather.snapshot(database) as later:
                assert gather.sites(later, choice, COAST.name, None)[0].total.energy_kwh == before + 5
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), session.transaction():
                session.execute("create temporary table t ()")
        finally:
            other.execute("delete from energy_readings where machine_id = %s and time = %s", [extra.machine_id, extra.time])


def test_without_readings(kpis) -> None:
    for form in "table", "csv", "json", "html":
        code, out, err = kpis("--range", "last-month", "--factory", COAST.name, "--format", form)
        assert code == 0 and "Mixer" in out
        assert re.fullmatch(r"Note: there are no readings for \w+ \d{4}; --range month shows this month\n", err) or form == "table" and err == ""
    assert "; make status tells when the newest came\n" in kpis("--from", "1999-01-01", "--to", "1999-01-02", "--format", "json")[2]
    assert "No machine has a reading in this range." in kpis("--factory", COAST.name)[1]


def test_without_machines_and_without_factories(kpis, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as owner:
        # Without the triggers that keep a machine with readings.
        owner.execute("set session_replication_role = replica; delete from machines")
        assert "The factory has no machine." in kpis("--factory", COAST.name)[1]
        assert kpis("--format", "html")[0] == 0
        owner.execute("delete from energy_tariffs; delete from factories")
        code, out, err = kpis()
        assert (code, out) == (1, "") and "the database has no factory" in err
        owner.execute("alter table factories rename to plants")
        assert "this is no EnMS database" in kpis()[2]
        owner.execute("alter table plants rename to factories")
        store(owner, replace(PLANT, carbon_factors=[], energy=[], production=[]))
