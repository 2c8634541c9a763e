"""Plants for property tests: ragged readings about a day on which something changes, and ranges to ask for."""

import random
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

import oracle
from oracle import CarbonFactor, EnergyReading, Factory, Machine, Plant, ProductionReading, Tariff
from kpis import Range

NOW = datetime.now(UTC)
ZONES = ["Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]
# Days ago: today, where the rollups end; yesterday; compressible; and on either side of where history begins.
AGES = [0, 0, 1, 20, 58, 59, 60, 75]
KINDS = ["electrical", "electricity", "energy", "energy", "natural_gas", "steam"]
GAPS = [timedelta(), timedelta(), timedelta(microseconds=1), timedelta(microseconds=999_999), timedelta(seconds=7), timedelta(minutes=3)]


def clock_changes(zone: str) -> list[date]:
    """Local days of the zone on which its clocks change, from a year ago to half a year ahead."""
    days = [NOW.date() + timedelta(days=n) for n in range(-365, 183)]

    def midnight(day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)

    return [day for day in days if midnight(day + timedelta(days=1)) - midnight(day) != oracle.DAY]


CHANGES = [(zone, day) for zone in ZONES for day in clock_changes(zone)]


def local_day(day: date, zone: str) -> Range:
    """The instants at which a local day begins and ends."""
    first, last = (datetime(d.year, d.month, d.day, tzinfo=ZoneInfo(zone)) for d in (day, day + timedelta(days=1)))
    return first.astimezone(UTC), last.astimezone(UTC)


@dataclass(frozen=True)
class Case:
    """A plant, its readings in the order of their arrival, and the ranges to ask for."""
    plant: Plant
    ranges: list[Range]

    def _repr_pretty_(self, printer, cycle: bool) -> None:
        """Hypothesis prints a case that fails: the assertion names what bears on it, so not every reading."""
        printer.text(f"Case({len(self.plant.energy)} energy readings, {len(self.ranges)} ranges)")


def tariffs(draw: st.DrawFn, factory: Factory, day: date) -> list[Tariff]:
    """A flat rate that may change, end or be missing about the day, and a band in the tariffs' or factory's zone."""
    zones = st.sampled_from([None, None, "UTC", "Europe/Berlin", "Asia/Kathmandu"])
    zone, found = draw(zones), []
    change = day + timedelta(days=draw(st.integers(-1, 1)))
    if draw(st.booleans()):
        found.append(Tariff(factory_id=factory.id, name="flat", rate_per_kwh=Decimal("0.21"), valid_from=date(2020, 1, 1),
                            valid_to=change, timezone=zone))  # fmt: skip
    if draw(st.booleans()):
        found.append(Tariff(factory_id=factory.id, name="flat after", rate_per_kwh=Decimal("0.333333"),
                            valid_from=change + timedelta(days=draw(st.integers(1, 2))), timezone=zone))  # fmt: skip
    if draw(st.booleans()):
        start, end = draw(st.tuples(st.integers(0, 23), st.integers(0, 24)).filter(lambda h: h[0] != h[1]))
        found.append(Tariff(
            factory_id=factory.id, name="band", rate_per_kwh=draw(st.decimals(0, 2, places=6)), is_time_of_use=True,
            start_hour=start, end_hour=end, applicable_days=sorted(draw(st.sets(st.integers(0, 6), min_size=1))),
            valid_from=day - timedelta(days=1), valid_to=draw(st.sampled_from([None, day])), timezone=draw(zones)))  # fmt: skip
    return found


def burst(source: random.Random, machine: Machine, begin: datetime, readings: dict, production: dict) -> None:
    """A run of readings, some off the clock or of several carriers; its machine may go offline and come back."""
    # From any quarter hour of the three days, at its boundaries and within it.
    first = begin + timedelta(minutes=source.randrange(288) * 15, seconds=source.choice([0, 0, 7, 59, 899]))
    interval = timedelta(seconds=source.choice([machine.data_interval_seconds, 1, 20, 300, 900]))
    offline = range(*sorted(source.choices(range(40), k=2))) if source.random() < 0.3 else range(0)
    dead = source.random() < 0.2
    # A steady machine has many quarter hours of one demand: its peak is the first of them.
    steady = source.random() < 0.3
    for step in range(source.choice([1, 2, 5, 12, 32])):
        time = first + step * interval + source.choice(GAPS)
        power = Decimal(0) if step in offline else Decimal(1000) if steady else round(Decimal(source.uniform(-50, 900)), 3)
        for kind in source.sample(KINDS, source.choice([1, 1, 1, 3])):
            increment = Decimal(0) if step in offline else round(Decimal(source.uniform(0, 40)), source.choice([0, 3, 6]))
            measures = [None, None] if source.random() < 0.3 else [Decimal(400), Decimal("0.9")]
            readings[machine.id, time, kind] = EnergyReading(
                time, machine.id, kind, power, increment, voltage_v=measures[0], power_factor=measures[1],
                is_estimated=source.choice([True, False, None]),
            )  # fmt: skip
        if source.random() < 0.6:
            mode = "offline" if step in offline else source.choice([None, "running", *oracle.MODES])
            count = 0 if dead or step in offline else source.choice([None, 0, 1, 60])
            production[machine.id, time] = ProductionReading(time, machine.id, count, operating_mode=mode)


def spans(draw: st.DrawFn, case_begin: datetime, edges: list[datetime], day: Range, count: int) -> list[Range]:
    """Ranges between readings, minutes and microseconds, one below a minute, one below a quarter hour, one to now."""
    length = 3 * 24 * 60
    moments = (
        st.integers(0, length).map(lambda minutes: case_begin + timedelta(minutes=minutes))
        | st.integers(0, length * 4 // 60).map(lambda quarters: case_begin + timedelta(minutes=15 * quarters))
        | st.integers(0, length * 60_000_000).map(lambda us: case_begin + timedelta(microseconds=us))
        | st.sampled_from(edges) | st.sampled_from(edges).map(lambda time: time + timedelta(microseconds=1))
    )  # fmt: skip
    found = [tuple(sorted(draw(st.lists(moments, min_size=2, max_size=2, unique=True)))) for _ in range(count)]
    for limit in 60_000_000, 900_000_000:
        start = draw(st.sampled_from(edges)) - timedelta(microseconds=draw(st.integers(0, limit // 2)))
        found.append((start, start + timedelta(microseconds=draw(st.integers(1, limit)))))
    found.append(day)
    if case_begin < NOW:
        found.append((draw(moments.filter(lambda time: time < NOW)), NOW))
    return found


@st.composite
def cases(draw: st.DrawFn, ages: list[int] | None = None, ranges: int = 2) -> Case:
    """A factory, one or two machines with readings over three days about a clock change or `ages` days ago."""
    if ages is None and draw(st.booleans()):
        zone, day = draw(st.sampled_from(CHANGES))
    else:
        zone = draw(st.sampled_from(ZONES))
        age = draw(st.sampled_from(ages or AGES))
        day = NOW.astimezone(ZoneInfo(zone)).date() - timedelta(days=age)
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC) - oracle.DAY
    factory = Factory(uuid.uuid4(), f"Factory {uuid.uuid4()}", zone, draw(st.sampled_from([None, f"grid {uuid.uuid4()}"])))
    region = factory.grid_region or f"unused {uuid.uuid4()}"
    factors = [
        CarbonFactor(region, Decimal("0.4"), date(2020, 1, 1), draw(st.sampled_from([None, day - timedelta(days=1), day]))),
        CarbonFactor(region, Decimal("0.123456"), day, draw(st.sampled_from([None, day]))),
    ]
    source = random.Random(draw(st.integers(0, 2**64)))
    readings, production = {}, {}
    machines = [
        Machine(uuid.uuid4(), factory.id, f"Machine {number}", source.choice([1, 10, 30, 900]), source.random() < 0.8)
        for number in range(draw(st.integers(1, 2)))
    ]
    for machine in machines:
        for _ in range(draw(st.integers(0, 6))):
            burst(source, machine, begin, readings, production)
    energy, made = list(readings.values()), list(production.values())
    source.shuffle(energy)
    source.shuffle(made)
    # Another factory, without machines, whose tariffs a machine's energy can be priced at.
    other = Factory(uuid.uuid4(), f"Factory {uuid.uuid4()}", draw(st.sampled_from(ZONES)))
    rates = tariffs(draw, factory, day) + tariffs(draw, other, day)
    plant = Plant([factory, other], machines, rates, factors, energy, made)
    edges = [r.time for r in energy + made] or [begin]
    return Case(plant, spans(draw, begin, edges, local_day(day, zone), ranges))
