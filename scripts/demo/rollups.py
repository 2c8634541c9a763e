"""Refreshing the rollups over what was written, as their policies would."""

import time

import psycopg

from scripts.bench.policies import refresh_jobs
from scripts.console import say, step

# How often a rollup is tried that its policy is refreshing at that moment, s apart.
TRIES, PAUSE = 10, 1


def refresh(session: psycopg.Connection) -> None:
    """Run every refresh policy once, each level after the one it is fed from; on Apache-2 there is none to run."""
    jobs = refresh_jobs(session)
    if not jobs:
        return
    left = []
    with step("Refreshing the rollups"):
        for rollup, job in jobs.items():
            if not _refreshed(session, job):
                left.append(rollup)
    if left:
        say(f"{', '.join(left)} could not be refreshed now: the policies do it within the hour")


def _refreshed(session: psycopg.Connection, job: int) -> bool:
    for _ in range(TRIES):
        try:
            session.execute(f"call run_job({job})")
            return True
        except psycopg.Error:
            if session.closed:
                raise
            time.sleep(PAUSE)
    return False
