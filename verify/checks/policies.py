"""Policies: exactly one refresh per rollup, one compression where it is declared, one retention per hypertable."""

from collections.abc import Iterator

from verify.registry import COMMUNITY, Check, Context, family
from verify.result import PASSED, Outcome, Verdict, failed, information
from verify.spec import Spec
from verify.text import duration, seconds

REFRESH, COMPRESS, DROP = "policy_refresh_continuous_aggregate", "policy_compression", "policy_retention"
KINDS = {REFRESH: "refresh", COMPRESS: "compression", DROP: "retention"}
# TimescaleDB gives retention five minutes and the others no limit; a job cut off sooner may never get its work done.
LONGEST = 300
REMOVE = {REFRESH: "remove_continuous_aggregate_policy", COMPRESS: "remove_compression_policy", DROP: "remove_retention_policy"}


def names(spec: Spec) -> list[tuple[str, str, str]]:
    """Check name, kind and target of every policy that the spec calls for."""
    targets = [(REFRESH, name) for name in spec.rollups]
    targets += [(COMPRESS, name) for name in spec.compressed]
    targets += [(DROP, name) for name in spec.hypertables]
    return [(f"{KINDS[kind]} policy of {target}", kind, target) for kind, target in targets]


@family("policies", 100)
def plan(spec: Spec) -> Iterator[Check]:
    for check, kind, target in names(spec):
        parent = f"rollup {target}" if target in spec.rollups else f"hypertable {target}"
        yield Check(
            check, lambda context, kind=kind, target=target: _policy(context, kind, target), ("jobs", "schemas"), (parent,), COMMUNITY
        )
    yield Check("policies beyond the declared", _extra, ("jobs",), ("extension timescaledb",), COMMUNITY)


def jobs_of(context: Context, kind: str, target: str) -> list[dict]:
    """Jobs of a kind on a relation."""
    return [job for job in context.catalog.rows("jobs") if job["kind"] == kind and job["target"] == target]


def _policy(context: Context, kind: str, target: str) -> Verdict:
    jobs = jobs_of(context, kind, target)
    if not jobs:
        return failed("missing", "make apply")
    if len(jobs) > 1:
        return failed(f"there are {len(jobs)}: jobs {', '.join(str(job['job_id']) for job in jobs)}", "select delete_job(…) for all but one.")
    job, expected = jobs[0], _expected(context, kind, target)
    found = _found(context, kind, job)
    wrong = sorted(key for key in expected if expected[key] != found[key])
    if not wrong:
        return PASSED
    detail = "; ".join(f"{key}: expected {expected[key]}, found {found[key]}" for key in wrong)
    if wrong == ["owner"]:
        return failed(detail, f"select {REMOVE[kind]}('{target}'); then make apply as {expected['owner']}.")
    if wrong == ["scheduled"]:
        return failed(detail, f"select alter_job({job['job_id']}, scheduled => true);")
    return failed(detail, f"select {REMOVE[kind]}('{target}'); then make apply.")


def _expected(context: Context, kind: str, target: str) -> dict[str, str]:
    """What the spec says about a policy, in words."""
    if kind == REFRESH:
        declared = context.spec.rollups[target]
        own = {key: str(declared.get(key, "none")) for key in ("start_offset", "end_offset", "buckets_per_batch")}
        # Newest first, TimescaleDB's default, a rollup lacks the other batches until the last of them is done.
        own["batches"] = "oldest first"
        every = declared["refresh_every"]
    else:
        declared = context.spec.compressed[target]
        key, schedule = ("compress_after", "compress_every") if kind == COMPRESS else ("drop_after", "drop_every")
        own, every = {key: declared[key]}, declared[schedule]
    return own | {
        "every": duration(seconds(every)), "scheduled": "yes", "owner": context.catalog.owner, "more": "nothing",
        "longest run": "no limit", "retries": "no limit",
    }  # fmt: skip


def _found(context: Context, kind: str, job: dict) -> dict[str, str]:
    own = {
        REFRESH: {
            "start_offset": duration(job["start_seconds"]),
            "end_offset": duration(job["end_seconds"]),
            "buckets_per_batch": str(job["batch"] or "none"),
            "batches": "newest first" if job["newest_first"] else "oldest first",
        },
        COMPRESS: {"compress_after": duration(job["compress_seconds"])},
        DROP: {"drop_after": duration(job["drop_seconds"])},
    }[kind]
    longest = job["longest_seconds"]
    return own | {
        "every": duration(job["every_seconds"]),
        "scheduled": "yes" if job["scheduled"] else "no",
        "owner": job["owner"],
        "more": job["more"] or "nothing",
        "longest run": duration(longest) if 0 < longest < LONGEST else "no limit",
        "retries": "no limit" if job["retries"] < 0 else str(job["retries"]),
    }


def _extra(context: Context) -> Verdict:
    """Policies of our relations that the spec does not call for; jobs of the user's own are told of."""
    wanted = {(kind, target) for _, kind, target in names(context.spec)}
    ours = {*context.spec.tables, *context.spec.rollups}
    extra, own = [], []
    for job in context.catalog.rows("jobs"):
        if (job["kind"], job["target"]) in wanted or (job["procedure"].startswith("_timescaledb_") and job["target"] is None and job["job_id"] < 1000):
            continue
        text = f"job {job['job_id']}: {job['procedure']}" + (f" on {job['target']}" if job["target"] else "")
        (extra if job["target"] in ours else own).append(text)
    if extra:
        return Verdict(Outcome.FAILED, "", (), tuple(sorted(extra)), "select delete_job(…);")
    return information(f"jobs of your own: {', '.join(sorted(own))}") if own else PASSED
