"""Running the policies by hand, as the scheduler would."""

import psycopg

from scripts.bench.timing import seconds
from scripts.rollups import refresh_jobs


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
