"""Policies interrupted while they run: the server stopped or killed in the middle of each, and what is left of it."""

import contextlib
from datetime import timedelta

import psycopg
import pytest
from faults import KINDS, Writer, assert_rollups, assert_stored, by_copy, connected, initialise, run_policies, server, start, today, writers  # noqa: F401
from verified import make_due, run, until

from scripts.cluster import Cluster

pytestmark = pytest.mark.community
DUE = "select job_id from timescaledb_information.jobs where proc_name = 'policy_{}' and hypertable_name = '{}'"
# What a policy needs at the end of its work, in a lock that lets it begin: rows of the rollup, and the chunks themselves.
HELD = {
    "refresh_continuous_aggregate": ("energy_readings_1min", "share row exclusive",
        "select format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)"
        " from timescaledb_information.continuous_aggregates where view_name = 'energy_readings_1min'"),
    "compression": ("energy_readings", "access share",
        "select format('%I.%I', chunk_schema, chunk_name) from timescaledb_information.chunks"
        " where hypertable_name = 'energy_readings' and not is_compressed and range_end < now() - interval '8 days'"),
    "retention": ("energy_readings", "access share",
        "select format('%I.%I', chunk_schema, chunk_name) from timescaledb_information.chunks"
        " where hypertable_name = 'energy_readings' and range_end < now() - interval '91 days'"),
}  # fmt: skip
ORPHANS = """select relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = '_timescaledb_internal' and c.relkind = 'r' and c.relname ~ '^(compress)?_hyper_.*chunk$'
      and not exists (select from _timescaledb_catalog.chunk k where k.table_name = c.relname)
    union all select table_name from _timescaledb_catalog.chunk k
    where to_regclass(format('%I.%I', k.schema_name, k.table_name)) is null"""


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_policy_interrupted(server: Cluster, how: str, record_property) -> None:
    dsn = initialise(server, how)
    aged = Writer("past retention", 6, "energy_readings", 200, today() - timedelta(days=95), by_copy)
    at_work = [*writers(), aged]
    for policy, (target, mode, what) in HELD.items():
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(dsn, autocommit=True) as connection, psycopg.connect(dsn) as holder:
            for writer in at_work:
                writer.write(connection)
            if policy == "retention":
                run_policies(connection, *KINDS[:2])
            tables = [name for (name,) in connection.execute(what)]
            assert tables
            holder.execute(f"lock table {', '.join(tables)} in {mode} mode")
            job = connection.execute(DUE.format(policy, target)).fetchone()[0]
            make_due(connection, job)
            until(connection, f"select exists (select from pg_stat_activity a join pg_locks l using (pid) where a.application_name like '%[{job}]' and not l.granted)")
            server.stop("fast") if how == "stopped" else server.kill()
        assert server.pid() is None, "it never came to its end"
        start(server)
        with connected(dsn) as connection:
            assert connection.execute(ORPHANS).fetchall() == []
            for writer in at_work:
                assert_stored(connection, writer)
            make_due(connection, job)
            until(connection, f"select last_run_status = 'Success' from timescaledb_information.job_stats where job_id = {job}")
            assert connection.execute(ORPHANS).fetchall() == []
            run_policies(connection, *KINDS[: 1 + (policy != KINDS[0])])
            assert_rollups(connection, at_work)
            if policy == "compression":
                assert connection.execute(what).fetchall() == []
            if policy == "retention":
                assert aged.read(connection, list(k[0] for k in aged.stored)) == {}
    done = run("--dsn", dsn)
    assert done.returncode == 0, done.stdout + done.stderr
