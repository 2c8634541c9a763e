"""Compression and retention wait while a dump holds its locks.

Either would wait for the dump with a lock asked for on an old chunk, and whoever reads or writes that chunk would wait behind
it. They are put off by a few minutes at a time, so that they run again by themselves if the backup is killed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from scripts.backup.meanwhile import meanwhile
from scripts.console import say

# The verifier takes a job as put off for good after its interval and 10 minutes.
AHEAD, EVERY = "8 minutes", 120
PUT_OFF = f"""
with due as materialized (
    select j.job_id, case when isfinite(s.next_start) then s.next_start else now() end as was
    from timescaledb_information.jobs j left join timescaledb_information.job_stats s using (job_id)
    where j.proc_name in ('policy_compression', 'policy_retention') and j.scheduled
      and coalesce(s.next_start, '-infinity') < now() + interval '{AHEAD}')
select job_id, coalesce(was, now()), (select count(*) from alter_job(job_id, next_start => now() + interval '{AHEAD}')) from due
"""
BACK = "select count(*) from alter_job(%s, next_start => greatest(%s, now()), if_exists => true)"


@contextmanager
def put_off(connect: Callable[[], psycopg.Connection]) -> Iterator[None]:
    """Keep the database's compression and retention from starting; at the end they are due when they were, or at once."""
    with connect() as session:
        were = {}

        def postpone() -> None:
            for job, was, _ in session.execute(PUT_OFF):
                were.setdefault(job, was)

        postpone()
        try:
            with meanwhile(postpone, EVERY):
                yield
        finally:
            try:
                for job, was in were.items():
                    session.execute(BACK, [job, was])
            except psycopg.Error as error:
                # Whether there is a backup does not hang on this.
                say(f"Warning: compression and retention go on within {AHEAD} only: {' '.join(str(error).split())}")
