"""Logins as the stack's services would have them, in a database with a day of readings."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from scripts.cluster import Cluster

# The service that writes anomalies and baselines is in no group of its own: it reads, and is granted the two tables.
GRANTS = {
    "collector": "grant enms_ingest to {}",
    "dashboards": "grant enms_reader to {}",
    "analytics": "grant enms_reader to {0}; grant insert, update on anomalies, energy_baselines to {0}",
}
DAY = """
    insert into energy_readings (time, machine_id, energy_type, power_kw, energy_kwh, metadata)
    select date_trunc('minute', now()) - n * interval '10 minutes', id, 'energy', 20 + n % 7, (20 + n % 7) / 6.0, '{"energy_type": "electricity"}'
    from machines, generate_series(0, 180) n;
    insert into production_data (time, machine_id, production_count, production_count_good, operating_mode)
    select date_trunc('minute', now()) - n * interval '10 minutes', id, 5, 5, 'running' from machines, generate_series(0, 180) n;
    insert into environmental_data (time, machine_id, outdoor_temp_c, machine_temp_c)
    select date_trunc('minute', now()) - n * interval '10 minutes', id, 9, 60 from machines, generate_series(0, 180) n;
"""


@dataclass(frozen=True)
class Services:
    """Logins by service; their password is that of the cluster."""

    cluster: Cluster
    dsn: str
    logins: dict[str, str]

    def connect(self, service: str, **options) -> psycopg.Connection:
        """An autocommit connection as the service, or as the owner."""
        user = {"user": self.logins[service]} if service != "owner" else {}
        return psycopg.connect(self.dsn, autocommit=True, **user, **options)

    def asyncpg(self, service: str) -> dict[str, object]:
        """The same place for asyncpg."""
        place = psycopg.conninfo.conninfo_to_dict(self.dsn)
        return {"host": place["host"], "port": int(place["port"]), "database": place["dbname"], "user": self.logins[service],
                "password": self.cluster.password}  # fmt: skip


@pytest.fixture(scope="module")
def services(cluster: Cluster, database: str) -> Iterator[Services]:
    """The services' logins, with a day of readings up to now."""
    logins = {service: f"contract_{service}_{secrets.token_hex(3)}" for service in GRANTS}
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(DAY)
        for service, login in logins.items():
            owner.execute(f"create role {login} login password '{cluster.password}'")
            owner.execute(GRANTS[service].format(login))
    yield Services(cluster, database, logins)
    with psycopg.connect(database, autocommit=True) as owner:
        for login in logins.values():
            owner.execute(f"drop owned by {login}; drop role {login}")
