"""Finding the database: ENMS_DSN if it is set, else the engine that is up."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

import psycopg
from psycopg import conninfo

from scripts import client, docker, embedded, network
from scripts.console import Failure
from scripts.settings import read_settings

ENGINES = embedded, docker


class Unreachable(Failure):
    """The server does not answer, or lets nobody in."""


@dataclass(frozen=True)
class Database:
    """A database that can be connected to: libpq's parameters, and the engine it runs on, if one of ours."""

    parameters: dict[str, str]
    engine: ModuleType | None

    @property
    def name(self) -> str:
        """The database's name; raises Failure if ENMS_DSN leaves it to libpq."""
        if not self.parameters.get("dbname"):
            raise Failure("ENMS_DSN names no database: add dbname= and its name", code=2)
        return self.parameters["dbname"]

    @property
    def dsn(self) -> str:
        """Connection string without the password, fit for a command line."""
        return conninfo.make_conninfo(**{key: value for key, value in self.parameters.items() if key != "password"})

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment with the PG* variables, password included, for libpq's programs."""
        return client.environment(self.parameters)

    def connect(self, **options) -> psycopg.Connection:
        """A psycopg connection; `options` go to psycopg.connect. Raises Unreachable if there is none to be had."""
        try:
            return psycopg.connect(**{"connect_timeout": 10, **self.parameters, **options})
        except psycopg.OperationalError as error:
            raise Unreachable(f"cannot connect: {error}") from None

    def psql(self) -> list[str]:
        """The psql to use; `environment` tells it where to connect."""
        try:
            return [client.psql_program()]
        except Failure:
            own = self.engine and self.engine.program("psql")
            if not own:
                raise
            return own

    def program(self, name: str, major: int) -> list[str]:
        """The server's own pg_dump or pg_restore, else the machine's for that major version, else any."""
        own = self.engine and self.engine.program(name)
        if own:
            return own
        packaged = f"/usr/lib/postgresql/{major}/bin/{name}", f"/usr/pgsql-{major}/bin/{name}"
        found = next(filter(None, map(shutil.which, (*packaged, name))), None)
        if found is None:
            raise Failure(f"{name} is missing: install a PostgreSQL client (the package postgresql-client-{major} on Debian)")
        return [found]


def find() -> Database:
    """The database that every command works on; raises Failure if none is up."""
    for name in client.ASTRAY:
        os.environ.pop(name, None)
    if given := os.environ.get("ENMS_DSN"):
        try:
            return Database(read_dsn(given), None)
        except Failure as error:
            raise Failure(f"ENMS_DSN cannot be read: {error}", code=2) from None
    for engine in ENGINES:
        if database := on(engine):
            return database
    raise Failure("no database is up: run make up")


def on(engine: ModuleType) -> Database | None:
    """The database that runs on the engine, or None if it is down."""
    listening = engine.address()
    if listening is None:
        return None
    host, port = listening
    settings = read_settings()
    place = {"host": network.client_host(host), "port": str(port), "dbname": settings.database}
    return Database(place | {"user": settings.user, "password": settings.password}, engine)


def read_dsn(text: str) -> dict[str, str]:
    """Parameters of a connection string; raises Failure, which repeats nothing that could be a part of the password."""
    try:
        found = {key: str(value) for key, value in conninfo.conninfo_to_dict(text).items()}
    except psycopg.ProgrammingError as error:
        raise Failure(re.sub('("=")|"[^"]*"', lambda quoted: quoted[1] or '"…"', str(error))) from None
    numbers = found.get("port", "").split(",")
    if "@" in found.get("host", "") or not all(number.isdigit() for number in numbers if number):
        raise Failure("its host holds an @, or its port is no number: in a URL, a password's @ is written %40, / %2F, : %3A, % %25")
    return found


@contextmanager
def answered() -> Iterator[None]:
    """Failure with the server's reason where a session that has begun can't be used, as when a library is missing."""
    try:
        yield
    except psycopg.Error as error:
        raise Failure(f"the database does not answer: {' '.join(str(error).split())}; see make verify") from None
