"""Running the policies by hand, as the scheduler would."""

import psycopg

from scripts.bench.timing import seconds


def refresh_jobs(session: psycopg.Connection) -> dict[str, int]:
    """Job id of each refresh policy by its rollup: energy first, and each level after the one it is fed from."""
    rows = session.execute(
        """
        select c.view_name, j.job_id
        from timescaledb_information.jobs j
        join _timescaledb_catalog.hypertable h on h.id = (j.config ->> 'mat_hypertable_id')::integer
        join timescaledb_information.continuous_aggregates c
          on c.materialization_hypertable_schema = h.schema_name and c.materialization_hypertable_name = h.table_name
        where j.proc_name = 'policy_refresh_continuous_aggregate'
        order by c.view_name not like 'energy\\_readings\\_%', h.id
        """
    ).fetchall()
    return dict(rows)


def cycle(session: psycopg.Connection) -> dict[str, float]:
    """Run every refresh policy once; seconds by rollup."""
    return {rollup: seconds(session, f"call run_job({job})") for rollup, job in refresh_jobs(session).items()}


def run(session: psycopg.Connection, procedure: str) -> None:
    """Run every policy of a kind once, for example policy_retention."""
    jobs = session.execute(
        "select job_id from timescaledb_information.jobs where proc_name = %s order by job_id", [procedure]
    ).fetchall()
    for (job,) in jobs:
        session.execute(f"call run_job({job})")
