"""Refreshing the rollups now, by their policies' own jobs."""

import time

import psycopg

# How often a rollup is tried that its policy is refreshing at that moment, s apart.
TRIES, PAUSE = 10, 1
CLASHES = psycopg.errors.LockNotAvailable, psycopg.errors.ObjectInUse, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure


def refresh_jobs(session: psycopg.Connection, only_scheduled: bool = False) -> dict[str, int]:
    """Job id of each refresh policy by its rollup: energy first, and each level after the one it is fed from; none on Apache-2.

    `only_scheduled` leaves out those that are paused.
    """
    rows = session.execute(
        """
        select c.view_name, j.job_id
        from timescaledb_information.jobs j
        join _timescaledb_catalog.hypertable h on h.id = (j.config ->> 'mat_hypertable_id')::integer
        join timescaledb_information.continuous_aggregates c
          on c.materialization_hypertable_schema = h.schema_name and c.materialization_hypertable_name = h.table_name
        where j.proc_name = 'policy_refresh_continuous_aggregate' and (j.scheduled or not %s)
        order by c.view_name not like 'energy\\_readings\\_%%', h.id
        """,
        [only_scheduled],
    ).fetchall()
    return dict(rows)


def refresh(session: psycopg.Connection, job: int) -> psycopg.Error | None:
    """Run the job in an autocommit session, again and again while it clashes with another; what it ended with, if it was not done.

    A policy refreshes what was written since its last run, in batches, and knows how far back it may look: rollups
    of a minute never where retention has emptied raw (history is carried into them as it is written), the levels
    above at any age. What else changed meanwhile is taken along, what did not is not touched.
    """
    for _ in range(TRIES):
        try:
            session.execute(f"call public.run_job({job})")
            return None
        except CLASHES as error:
            refused = error
            time.sleep(PAUSE)
        except psycopg.Error as error:
            if session.closed:
                raise
            return error
    return refused
