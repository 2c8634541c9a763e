"""The whole plant: loaded, rolled up and compressed; then a year of history."""

from datetime import timedelta

from scripts.bench import policies, readings
from scripts.bench.copying import TARGET, copy_in, copy_out
from scripts.bench.progress import bar
from scripts.bench.registry import Bench
from scripts.bench.timing import seconds
from scripts.console import step
from scripts.rollups import refresh_jobs

HISTORY_INTERVAL = 900


def load_plant(bench: Bench) -> None:
    """Load the plant, roll it up, and compress what the policies would.

    Leaves rows by table in `loaded`, seconds by rollup in `fills`, and sizes by rollup in `found`.
    """
    bench.session.execute(f"truncate {TARGET}")
    bench.session.execute("drop schema bench cascade")
    _load(bench)
    if bench.community:
        _fill(bench)
        _compress(bench)
    with step("Vacuum and analyze"):
        bench.session.execute("vacuum (analyze)")
    if bench.community:
        bench.found["rollups"] = _rollup_sizes(bench)


def load_history(bench: Bench) -> None:
    """One machine's readings of the time before at 15 minutes, which the rollups keep when raw is dropped."""
    with step(f"Loading {bench.history} days of history of one machine"):
        begin = bench.plant.begin - timedelta(days=bench.history)
        query = readings.rows(TARGET, bench.plant.machines[:1], begin, bench.plant.begin, HISTORY_INTERVAL)
        copy_in(bench.session, TARGET, list(copy_out(bench.session, query)))
        if bench.community:
            policies.cycle(bench.session)
            policies.run(bench.session, "policy_retention")
            policies.run(bench.session, "policy_compression")
        bench.session.execute("vacuum (analyze)")


def _load(bench: Bench) -> None:
    """Hour by hour and in the order of time, as a plant writes: an index grows to another size otherwise."""
    hours = bench.plant.hours
    with bar(f"Loading {bench.plant.days:g} days of {len(bench.plant.machines)} machines", len(hours)) as advance:
        for begin, end in hours:
            for table in readings.TABLES:
                query = readings.rows(table, bench.plant.machines, begin, end)
                done = bench.session.execute(f"insert into {table} ({readings.COLUMNS[table]}) {query}")
                bench.loaded[table] = bench.loaded.get(table, 0) + done.rowcount
            advance()


def _fill(bench: Bench) -> None:
    """Fill every rollup by its policy, each level after the one that it is fed from."""
    jobs = refresh_jobs(bench.session)
    with bar("Filling the rollups", len(jobs)) as advance:
        for rollup, job in jobs.items():
            bench.fills[rollup] = seconds(bench.session, f"call run_job({job})")
            advance()


def _compress(bench: Bench) -> None:
    with step("Compressing what is older than 7 days"):
        policies.run(bench.session, "policy_compression")
        # A plant too young for the policy shows the compression by its oldest day.
        bench.session.execute(
            """
            select compress_chunk(format('%%I.%%I', chunk_schema, chunk_name)::regclass, if_not_compressed => true)
            from timescaledb_information.chunks
            where hypertable_name = %s and range_end > %s
            order by range_start limit 1
            """,
            [TARGET, bench.plant.begin],
        )


def _rollup_sizes(bench: Bench) -> dict[str, tuple[int, int]]:
    """Rows and bytes, indexes included, that each rollup keeps."""
    stored = bench.session.execute(
        """
        select view_name, format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
        from timescaledb_information.continuous_aggregates order by materialization_hypertable_name
        """
    ).fetchall()
    return {
        rollup: bench.session.execute(f"select count(*), hypertable_size('{table}')::bigint from {table}").fetchone()
        for rollup, table in stored
    }
