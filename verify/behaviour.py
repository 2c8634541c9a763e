"""The KPI functions at work: called on a small known plant in a transaction that is rolled back."""

import time
from pathlib import Path
from typing import Any

import psycopg

from verify.catalog import gone
from verify.refusal import one_line

PLANT = Path(__file__).with_name("plant.sql")
MACHINE, FACTORY = "00000000-0000-4000-8000-00000000ac01", "00000000-0000-4000-8000-00000000fac1"
START, END = "2100-01-04 00:00+00", "2100-01-04 02:00+00"
# ms. Less than deadlock_timeout, so that it is the verifier that gives way and never an ingest.
LOCK_TIMEOUT = 400
# s, between attempts.
PAUSES = 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8
# In the order in which an ingest takes them when it makes a chunk: the hypertable, then the sequences.
LOCKS = "lock table only public.energy_readings, only public.production_data in share update exclusive mode"

# Sequences are not rolled back. One that is restarted in the transaction is: the server gives it new storage,
# which goes with the transaction. Where that takes a lock that others hold, a few numbers are skipped instead.
KEEP_SEQUENCES = """
do $$
declare
    v_name text;
begin
    foreach v_name in array array['public.audit_log_id_seq', '_timescaledb_catalog.chunk_id_seq',
                                  '_timescaledb_catalog.chunk_constraint_name', '_timescaledb_catalog.dimension_slice_id_seq'] loop
        begin
            if to_regclass(v_name) is not null then
                execute format('alter sequence %s restart with 2147400000', v_name);
            end if;
        exception when insufficient_privilege or lock_not_available then null;
        end;
    end loop;
end
$$
"""


def figures(connection: psycopg.Connection, functions: list[str]) -> dict[str, list[dict[str, Any]] | str]:
    """By function: its rows as JSON gives them, or the error that calling it gave.

    Tries again where another session holds a lock. Raises psycopg.Error if the plant cannot be set up. Leaves
    nothing behind.
    """
    for pause in PAUSES:
        try:
            return _figures(connection, functions)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            time.sleep(pause)
    return _figures(connection, functions)


def _figures(connection: psycopg.Connection, functions: list[str]) -> dict[str, list[dict[str, Any]] | str]:
    with connection.transaction(force_rollback=True):
        connection.execute("set transaction read write")
        connection.execute(f"set local lock_timeout = {LOCK_TIMEOUT}")
        connection.execute(LOCKS)
        connection.execute(KEEP_SEQUENCES)
        connection.execute(PLANT.read_text())
        return {name: _call(connection, name) for name in functions}


def _call(connection: psycopg.Connection, name: str) -> list[dict[str, Any]] | str:
    subject = FACTORY if name == "get_factory_summary" else MACHINE
    call = psycopg.sql.SQL("select to_jsonb(k) from {}({}, {}, {}) k").format(
        psycopg.sql.Identifier("public", name), subject, START, END
    )
    # A transaction of psycopg's own inside the other would turn Ctrl-C into an error of the plant.
    connection.execute("savepoint enms_verify_call")
    try:
        return [row[0] for row in connection.execute(call).fetchall()]
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
        raise
    except psycopg.Error as error:
        if connection.closed:
            raise gone(f"{name} was called", error) from None
        connection.execute("rollback to savepoint enms_verify_call")
        return one_line(error)
