"""Reading it all in one snapshot: the factories and machines that are asked for, and their figures."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from scripts.connection import Database
from scripts.console import Failure
from scripts.kpis import figures, profiles, ranges
from scripts.kpis.figures import Machine, Site
from scripts.kpis.ranges import Asked, Choice

Named = TypeVar("Named")
# Whatever the role or ENMS_DSN sets, times are read alike and no name is found elsewhere.
OWN_SETTINGS = "set local datestyle = 'ISO, YMD'; set local timezone = 'UTC'; set local search_path = pg_catalog"


@dataclass(frozen=True)
class Factory:
    """A row of factories."""

    id: UUID
    name: str
    location: str | None


@contextmanager
def snapshot(database: Database) -> Iterator[psycopg.Connection]:
    """A transaction that reads one state of the database and writes nothing; Failure for what the database refuses."""
    with database.connect(application_name="enms kpis") as session:
        session.read_only = True
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        try:
            with session.transaction():
                session.execute(OWN_SETTINGS)
                yield session
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedColumn) as error:
            raise Failure(f"this is no EnMS database, or one of an older schema ({error.diag.message_primary}): run make apply") from None
        except psycopg.errors.InsufficientPrivilege as error:
            who = session.info.user
            raise Failure(f"{who} may not read the figures ({error.diag.message_primary}): grant enms_reader to {who}") from None
        except psycopg.errors.QueryCanceled as error:
            raise Failure(f"the figures could not be read: {error.diag.message_primary}; ask for less, or give the role a longer timeout") from None
        except psycopg.Error as error:
            raise Failure(f"the figures could not be read: {error.diag.message_primary or error}") from None


def sites(session: psycopg.Connection, choice: Choice, factory: str | None, machine: str | None) -> list[Site]:
    """The factories that are asked for, with their figures; raises Failure for an unknown one."""
    everything = [Factory(*row) for row in session.execute("select id, name, location from public.factories order by name, id").fetchall()]
    if not everything:
        raise Failure("the database has no factory: insert one, and its machines")
    factories = select(everything, factory, "factory")
    rows = session.execute(
        "select id, factory_id, name, is_active from public.machines where factory_id = any (%s) order by name, id", [[f.id for f in factories]]
    )
    machines = [Machine(*row) for row in rows.fetchall()]
    if machine is not None:
        machines = select(machines, machine, "machine", f' in the factory "{factories[0].name}"' if factory else "")
        factories = [f for f in factories if any(m.factory_id == f.id for m in machines)]
    asked = ranges.resolve(session, choice, [f.id for f in factories])
    return [_site(session, one, asked[one.id], [m for m in machines if m.factory_id == one.id], machine is None) for one in factories]


def _site(session: psycopg.Connection, factory: Factory, asked: Asked, machines: list[Machine], with_total: bool) -> Site:
    step = profiles.suitable(asked)
    profile = profiles.read(session, factory.id, asked, step)
    powers = {m.id: profile.power_kw.get(m.id, [None] * len(profile.starts)) for m in machines}
    of_machines = figures.of_machines(session, [m.id for m in machines], asked.span, asked.zone)
    total = figures.of_factory(session, factory.id, asked.span, asked.zone) if with_total else None
    return Site(factory.id, factory.name, factory.location, asked, machines, of_machines, total, powers, step)


def select(things: list[Named], wanted: str | None, kind: str, where: str = "") -> list[Named]:
    """Those of that name or id, all if None; upper and lower case count only where they have to. Raises Failure if there is none."""
    if wanted is None:
        return things

    def named(key: Any) -> list[Named]:
        return [thing for thing in things if key(wanted) in (key(thing.name), str(thing.id))]

    found = named(str) or named(str.casefold)
    if not found:
        names = ", ".join(sorted({f'"{thing.name}"' for thing in things})[:12])
        known = f"there are {names}{' and more' if len(things) > 12 else ''}" if things else f"there is no {kind}"
        raise Failure(f'no {kind} "{wanted}"{where}: {known}', code=2)
    return found

