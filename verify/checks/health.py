"""Health of the data: restoring mode, chunks that policies left over, readings, and broken indexes."""

from collections.abc import Iterator
from datetime import timedelta

from verify.checks.jobs import expected_since
from verify.configuration import SPELLINGS
from verify.registry import COMMUNITY, Check, Context, family
from verify.result import PASSED, Outcome, Verdict, failed, information
from verify.spec import Spec
from verify.text import roughly, seconds

# A policy may miss two runs, as in a restart, before what it should have done counts as left over.
RUNS = 3


@family("health", 190)
def plan(spec: Spec) -> Iterator[Check]:
    yield Check("restoring mode", _restoring, ("server", "role_settings"))
    for name in spec.compressed:
        yield Check(
            f"old chunks of {name} are compressed", lambda context, name=name: _compressed(context, name),
            ("chunks", "scheduler", "server"), (f"{'rollup' if name in spec.rollups else 'hypertable'} {name}",), COMMUNITY,
        )  # fmt: skip
    for name in spec.hypertables:
        yield Check(
            f"chunks of {name} past retention are dropped", lambda context, name=name: _dropped(context, name),
            ("chunks", "scheduler", "server"), (f"hypertable {name}",), COMMUNITY,
        )  # fmt: skip
    yield Check(
        "rollups agree with readings", _agree, ("rollup_sums",),
        (*(f"table {name}" for name in spec.hypertables), *(f"rollup {name}" for name in spec.rollups), "function enms.unfinished_refreshes"),
        COMMUNITY,
    )  # fmt: skip
    yield Check("watermarks of the rollups", _watermarks, ("watermarks",), (), COMMUNITY)
    yield Check("readings in the future", _future, ("future",), tuple(f"table {name}" for name in spec.hypertables))
    yield Check("machines that stopped reporting", _silent, ("readings", "server"), ("table machines", "table machine_status", "table energy_readings", "rollup energy_readings_1hour"))
    yield Check("indexes of chunks", _indexes, ("chunk_indexes",))


def _restoring(context: Context) -> Verdict:
    here = any(row["name"] == "timescaledb.restoring" and SPELLINGS.get(row["value"].lower(), row["value"]) == "on" for row in context.catalog.rows("role_settings"))
    if here or context.catalog.one("server")["restoring"] == "on":
        return failed("left on by an interrupted restore: jobs stand still and data looks empty", "select timescaledb_post_restore();")
    return PASSED


def _left_over(context: Context, name: str, after: str, every: str) -> list[dict]:
    """Chunks that were due `after` their end, and still are three runs (`every`) later.

    A chunk that a backfill has only just made is due from then on, and nothing is before the jobs could run.
    """
    declared = context.spec.compressed[name]
    age, slack = timedelta(seconds=seconds(declared[after])), timedelta(seconds=RUNS * seconds(declared[every]))
    now, since = context.catalog.one("server")["now"], expected_since(context)
    rows = [row for row in context.catalog.rows("chunks") if row["name"] == name]
    return [row for row in rows if max(row["range_end"] + age, row["made"] or row["range_end"], since) + slack < now]


def _compressed(context: Context, name: str) -> Verdict:
    left = [row for row in _left_over(context, name, "compress_after", "compress_every") if not row["compressed"]]
    if not left:
        return PASSED
    oldest = min(row["range_end"] for row in left)
    return failed(f"{len(left)} are not, the oldest ends {oldest:%Y-%m-%d}", "See the compression policy's job in timescaledb_information.job_errors.")


def _dropped(context: Context, name: str) -> Verdict:
    left = _left_over(context, name, "drop_after", "drop_every")
    if not left:
        return PASSED
    oldest = min(row["range_end"] for row in left)
    return failed(f"{len(left)} are not, the oldest ends {oldest:%Y-%m-%d}", "See the retention policy's job in timescaledb_information.job_errors.")


def _agree(context: Context) -> Verdict:
    """Two whole hours of every machine, to the last digit."""
    rows = context.catalog.rows("rollup_sums")
    if not rows:
        return information("no hour to compare: no readings then, or they are still to be refreshed")
    wrong = [f"{row['rollup']} at {row['start']:%Y-%m-%d %H:%M}: {row['machines']} machines, such as {row['machine']}" for row in rows if row["machines"]]
    places = sorted({(row["rollup"].rpartition("_")[0], row["start"]) for row in rows if row["machines"]})
    fix = " ".join(
        f"call refresh_continuous_aggregate('{fact}_{level}', '{start}', '{start + timedelta(hours=1)}', force => true);"
        for fact, start in places for level in ("1min", "15min", "1hour")
    )  # fmt: skip
    return Verdict(Outcome.FAILED, "", (), tuple(sorted(wrong)), fix) if wrong else PASSED


def _watermarks(context: Context) -> Verdict:
    """A refresh by hand takes readings of the future along, and what comes until then is not looked for in raw."""
    rows = context.catalog.rows("watermarks")
    ahead = [f"{row['name']}: {row['watermark']:%Y-%m-%d}" for row in rows]
    # What has been rolled up of them goes too, from the lowest level up.
    calls = " ".join(f"call refresh_continuous_aggregate('{row['name']}', date_trunc('day', now()), null);" for row in sorted(rows, key=lambda row: row["id"]))
    fix = (
        f"delete the readings of the future; then {calls} update _timescaledb_catalog.continuous_aggs_watermark set watermark = "
        "(extract(epoch from date_trunc('day', now())) * 1000000)::bigint where watermark > extract(epoch from now()) * 1000000;"
    )
    return Verdict(Outcome.FAILED, "new readings show after a refresh only, until", (), tuple(sorted(ahead)), fix) if ahead else PASSED


def _future(context: Context) -> Verdict:
    ahead = [row for row in context.catalog.rows("future") if row["readings"]]
    if not ahead:
        return PASSED
    detail = "; ".join(f"{row['name']}: {row['readings']} up to {row['newest']:%Y-%m-%d %H:%M}" for row in ahead)
    return information(f"more than 5 minutes ahead in {detail}", "Set the clock of what sent them; delete them if they are wrong.")


def _silent(context: Context) -> Verdict:
    """Machines of which ten readings are missing, a quarter of an hour's at least. A plant may stand still, so this is
    no fault of the schema."""
    now, silent = context.catalog.one("server")["now"], []
    for row in context.catalog.rows("readings"):
        told = f"; status tells of {roughly((now - row['told']).total_seconds())} ago" if row["told"] else ""
        silent.append(f"{row['name']} (none for {roughly(row['allowed_seconds'])}{told})")
    return information(", ".join(sorted(silent)), "See the collector; set is_active = false for a machine that is retired.") if silent else PASSED


def _indexes(context: Context) -> Verdict:
    broken = [row["name"] for row in context.catalog.rows("chunk_indexes")]
    return failed(f"invalid: {', '.join(sorted(broken))}", "reindex index _timescaledb_internal.…;") if broken else PASSED
