"""The seed's machines, as the ingest role may read them."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg

from scripts.console import Failure

SEED_MACHINES = [f"c0000000-0000-0000-0000-{number:012}" for number in range(1, 8)]
# Of the factories' readings of outdoor temperature: mean of the year, half of the swing over the year and over the day, degrees Celsius.
CLIMATES = {"America/Los_Angeles": (15.5, 5.0, 5.0), "Europe/Berlin": (9.0, 10.0, 4.0)}
TEMPERATE = 11.0, 8.0, 4.5
MACHINES = """
select m.id::text, m.name, m.type::text, m.factory_id::text, f.timezone, m.rated_power_kw::float8, coalesce(m.rated_voltage_v, 400)::float8,
       coalesce(m.rated_frequency_hz, 50)::float8, m.data_interval_seconds
from machines m join factories f on f.id = m.factory_id
where m.id = any (%s) and m.is_active
order by m.id
"""


@dataclass(frozen=True)
class Machine:
    """A machine as the model needs it: power in kW, voltage in V, frequency in Hz, interval in s."""

    id: str
    name: str
    type: str
    factory: str
    timezone: str
    power: float
    voltage: float
    frequency: float
    interval: int

    @property
    def zone(self) -> ZoneInfo:
        """The factory's clock."""
        return ZoneInfo(self.timezone)

    @property
    def other_interval(self) -> int:
        """Seconds between its readings of production and of environment."""
        return max(60, self.interval)


def machines(session: psycopg.Connection) -> list[Machine]:
    """The seed's active machines; raises Failure if there is none, or a factory's clock is unknown here."""
    found = [Machine(*row) for row in session.execute(MACHINES, [SEED_MACHINES]).fetchall()]
    if not found:
        raise Failure("none of the seed's seven machines is there and active: make apply, or set is_active of one to true")
    for machine in found:
        try:
            machine.zone
        except ZoneInfoNotFoundError:
            raise Failure(f"this machine does not know the time zone {machine.timezone}: install the package tzdata") from None
    return found
