"""Refreshing the rollups over what was written."""

import time
from collections.abc import Callable

import psycopg

from scripts.history.target import ROLLUPS

TRIES = 5


def rollups(kind: str, electricity: bool, others: bool) -> list[str]:
    """The rollups that the readings are in, each after the one it is fed from."""
    if kind != "energy":
        return list(ROLLUPS[kind])
    return [*(ROLLUPS["energy"] if electricity else ()), *(ROLLUPS["carrier"] if others else ())]


def jobs(session: psycopg.Connection, names: list[str]) -> tuple[dict[str, int], bool]:
    """The refresh policies of the rollups, lowest level first, and whether the role may run them; none where rollups are views."""
    rows = session.execute(
        """
        select c.view_name, j.job_id, pg_has_role(j.owner, 'usage')
        from timescaledb_information.jobs j
        join _timescaledb_catalog.hypertable h on h.id = (j.config ->> 'mat_hypertable_id')::integer
        join timescaledb_information.continuous_aggregates c
          on c.materialization_hypertable_schema = h.schema_name and c.materialization_hypertable_name = h.table_name
        where j.proc_name = 'policy_refresh_continuous_aggregate' and c.view_schema = 'public' and c.view_name = any (%s)
        order by array_position(%s, c.view_name::text)""",
        [names, names],
    ).fetchall()
    return {name: job for name, job, _ in rows}, all(mine for *_, mine in rows)


def refresh(session: psycopg.Connection, found: dict[str, int], told: Callable[[int, int], None]) -> list[str]:
    """Run each policy now; the names of those that were running all the while.

    A policy refreshes what was written since its last run, in batches, and knows how far back it may look: rollups
    of a minute never where retention has emptied raw (history is carried into them as it is written), the levels
    above at any age. What else changed meanwhile is taken along, what did not is not touched.
    """
    busy: list[str] = []
    for done, (name, job) in enumerate(found.items(), 1):
        for left in reversed(range(TRIES)):
            try:
                session.execute(f"call public.run_job({job})")
                break
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.ObjectInUse):
                if not left:
                    busy.append(name)
                time.sleep(1)
        told(done, 0)
    return busy
