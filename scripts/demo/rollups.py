"""Refreshing the rollups over what was written."""

import psycopg

from scripts import rollups
from scripts.console import say, step


def refresh(session: psycopg.Connection) -> None:
    """Run every refresh policy once; on Apache-2 there is none to run."""
    jobs = rollups.refresh_jobs(session)
    if not jobs:
        return
    left = {}
    with step("Refreshing the rollups"):
        for rollup, job in jobs.items():
            if error := rollups.refresh(session, job):
                left[rollup] = error
    for rollup, error in left.items():
        say(f"Note: {rollup} could not be refreshed, its policy tries again within the hour: {' '.join(str(error).split())}")
