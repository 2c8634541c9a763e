"""Health of the jobs: they run, they succeed, and none of them starves."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from verify.checks.policies import jobs_of, names
from verify.registry import COMMUNITY, Check, Context, family
from verify.result import PASSED, Verdict, failed, information, not_evaluated
from verify.spec import Spec
from verify.text import roughly

# A job may be late by two runs and a busy spell before it counts as starving.
RUNS, SLACK = 3, timedelta(minutes=10)
# The launcher starts a database's scheduler within a minute of the server's start.
SCHEDULER_SLACK = timedelta(minutes=15)
SCHEDULER = "job scheduler of this database"
# PostgreSQL 15.20 and 17.12 with TimescaleDB up to 2.29.2.
PORTAL = 'cannot drop portal "" while it is being set up'
PORTAL_FIX = "This PostgreSQL minor breaks TimescaleDB's jobs: run the one before it (15.18, 17.11), or a TimescaleDB release that fixes it."
# lock_not_available, which a refresh by hand gives the policy's that it meets.
LOCKED = "55P03"
WORKERS = "Look for \"out of background workers\" in the server's log, and raise timescaledb.max_background_workers."


@family("jobs", 180)
def plan(spec: Spec) -> Iterator[Check]:
    yield Check(SCHEDULER, _scheduler, ("scheduler", "server", "jobs"), ("extension timescaledb",), COMMUNITY)
    for policy, kind, target in names(spec):
        yield Check(
            f"runs of the {policy}", lambda context, kind=kind, target=target: _runs(context, kind, target),
            ("jobs", "job_errors", "scheduler", "server"), (policy,), COMMUNITY,
        )  # fmt: skip


def expected_since(context: Context) -> datetime:
    """When jobs could begin to run: the start of this database's scheduler, else of the server or the database."""
    server, scheduler = context.catalog.one("server"), context.catalog.one("scheduler")["started"]
    if scheduler:
        return scheduler
    made = context.catalog.one("database")["made"] if server["reads_files"] else None
    initialised = min((row["completed_at"] for row in context.catalog.rows("marker")), default=None)
    return max(filter(None, [server["started"], made, initialised]))


def _scheduler(context: Context) -> Verdict:
    server = context.catalog.one("server")
    if context.catalog.one("scheduler")["started"]:
        return PASSED
    if server["standby"]:
        return information("a standby: jobs run on the primary server")
    if not server["reads_activity"]:
        return not_evaluated("this role does not see the server's processes", "Verify as a member of pg_monitor.")
    runs = [job["last_run"] for job in context.catalog.rows("jobs") if job["last_run"]]
    if server["now"] - max([expected_since(context), *runs]) < SCHEDULER_SLACK:
        return information("not started, or stopped a moment ago", "select _timescaledb_functions.start_background_workers();")
    return failed("does not run: no policy is carried out", f"select _timescaledb_functions.start_background_workers(); {WORKERS}")


def _runs(context: Context, kind: str, target: str) -> Verdict:
    """Outcome of the last run, and time since the last success against three intervals."""
    job, now = jobs_of(context, kind, target)[0], context.catalog.one("server")["now"]
    overdue = RUNS * timedelta(seconds=job["every_seconds"]) + SLACK
    if job["status"] == "Failed":
        error = next((row for row in context.catalog.rows("job_errors") if row["job_id"] == job["job_id"]), None)
        message = (error["message"] or "without a message, see the server's log") if error else "the reason is for the job's owner to see"
        if error and error["code"] == LOCKED and job["last_success"] and now - job["last_success"] < overdue:
            return information(f"met another session's refresh last time, and tries again: {message}")
        fix = PORTAL_FIX if PORTAL in message else f"Correct that, then call run_job({job['job_id']});"
        return failed(f"job {job['job_id']} failed last time: {message}", fix)
    if job["next_start"] and job["next_start"] > now + timedelta(seconds=job["every_seconds"]) + SLACK:
        fix = f"select alter_job({job['job_id']}, next_start => now());"
        return failed(f"job {job['job_id']} is put off until {job['next_start']:%Y-%m-%d %H:%M}", fix)
    since = max(filter(None, [job["last_success"], job["last_run"] if job["running"] else None, expected_since(context)]))
    late = now - since > overdue
    if job["running"] and late:
        fix = "Look in pg_stat_activity for what it waits for; pg_terminate_backend(pid) ends the run, and it starts anew."
        return failed(f"job {job['job_id']} has been running for {roughly((now - since).total_seconds())}, due every {roughly(job['every_seconds'])}", fix)
    if job["running"]:
        return information(f"running since {job['last_run']:%Y-%m-%d %H:%M}") if job["last_run"] else information("running")
    if not context.catalog.one("scheduler")["started"] and context.catalog.one("server")["reads_activity"]:
        # One cause, told of by the scheduler's check.
        return PASSED if job["last_success"] else information("never ran; the scheduler is not up")
    if late:
        done = f"last succeeded {roughly((now - since).total_seconds())} ago" if job["last_success"] else "never ran"
        return failed(f"job {job['job_id']} {done}, due every {roughly(job['every_seconds'])}", WORKERS)
    if job["last_success"] is None:
        return information("has not run yet and is not overdue")
    return PASSED
