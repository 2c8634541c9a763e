"""Refreshing the rollups over what was written."""

from collections.abc import Callable

import psycopg

from scripts import rollups
from scripts.history.target import ROLLUPS


def concerned(kind: str, electricity: bool, others: bool) -> list[str]:
    """The rollups that the readings are in."""
    if kind != "energy":
        return list(ROLLUPS[kind])
    return [*(ROLLUPS["energy"] if electricity else ()), *(ROLLUPS["carrier"] if others else ())]


def jobs(session: psycopg.Connection, names: list[str]) -> tuple[dict[str, int], bool]:
    """The refresh policies of the rollups, lowest level first, and whether the role may run them; none where rollups are views."""
    found = {name: job for name, job in rollups.refresh_jobs(session).items() if name in names}
    mine = "select bool_and(pg_has_role(owner, 'usage')) from timescaledb_information.jobs where job_id = any (%s)"
    return found, bool(session.execute(mine, [list(found.values())]).fetchone()[0])


def refresh(session: psycopg.Connection, found: dict[str, int], told: Callable[[int, int], None]) -> list[str]:
    """Run each policy now; the names of those that were running all the while. Raises psycopg.Error."""
    busy: list[str] = []
    for done, (name, job) in enumerate(found.items(), 1):
        if error := rollups.refresh(session, job):
            if not isinstance(error, rollups.CLASHES):
                raise error
            busy.append(name)
        told(done, 0)
    return busy
