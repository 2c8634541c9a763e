"""Refreshing the rollups over what was written, as their policies would."""

import time

import psycopg

from scripts.bench.policies import refresh_jobs
from scripts.console import say, step

# How often a rollup is tried that its policy is refreshing at that moment, s apart.
TRIES, PAUSE = 10, 1
CLASHES = psycopg.errors.LockNotAvailable, psycopg.errors.ObjectInUse, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure


def refresh(session: psycopg.Connection) -> None:
    """Run every refresh policy once, each level after the one it is fed from; on Apache-2 there is none to run."""
    jobs = refresh_jobs(session)
    if not jobs:
        return
    left = {}
    with step("Refreshing the rollups"):
        for rollup, job in jobs.items():
            if error := _refused(session, job):
                left[rollup] = error
    for rollup, error in left.items():
        say(f"Note: {rollup} could not be refreshed, its policy tries again within the hour: {' '.join(str(error).split())}")


def _refused(session: psycopg.Connection, job: int) -> psycopg.Error | None:
    """Run the job; what it ended with, if it was not done."""
    for _ in range(TRIES):
        try:
            session.execute(f"call run_job({job})")
            return None
        except CLASHES as error:
            refused = error
            time.sleep(PAUSE)
        except psycopg.Error as error:
            if session.closed:
                raise
            return error
    return refused
