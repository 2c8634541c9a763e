"""A full data disk: reads go on, writes are refused by name, and freeing space is all the help that is needed."""

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from conftest import ABSENT, free_port
from faults import assert_rollups, connected, initialise, run_policies, start, writers
from verified import run

from scripts.cluster import Cluster
from scripts.console import Failure

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")


@pytest.fixture
def small(edition: str, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running server whose data and log are on a disk of 450 MB."""
    installation = request.config.installations.get(edition)
    if installation is None:
        pytest.skip(ABSENT[edition])
    state = Path(tempfile.mkdtemp(prefix="enms-disk-"))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=450m,mode=755", "tmpfs", state], capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    server = Cluster(installation, state, free_port(), secrets.token_urlsafe(16))
    try:
        server.create()
        start(server)
        yield server
    finally:
        server.kill()
        subprocess.run(["umount", "--lazy", state], check=True)
        shutil.rmtree(state)


def fill(folder: Path) -> Path:
    """Take all the space that the disk has."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        for block in 1 << 20, 1 << 12:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(block))
    return filler


def test_full_disk(small: Cluster, edition: str, record_property) -> None:
    dsn = initialise(small)
    at_work = writers()
    with psycopg.connect(dsn, autocommit=True) as connection:
        for writer in at_work:
            writer.write(connection)
        filler = fill(small.state)
        refused = 0
        for writer in at_work:
            with pytest.raises(psycopg.errors.DiskFull, match="No space left on device"):
                while True:
                    writer.write(connection)
            refused += 1
        # Nothing of what was refused is there, and what was acknowledged can be read.
        for writer in at_work:
            writer.settle(connection)
        assert connection.execute("select count(*) from v_machines_current_status").fetchone()[0] == 7

    # No room for the write-ahead log either: the server goes down rather than acknowledge what it can't keep.
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(20):
            connection.execute("select pg_switch_wal(), pg_logical_emit_message(true, 'full', repeat('x', 1000000))")
        pytest.fail("the log never ran out of space")
    deadline = time.monotonic() + 60
    while small.pid() is not None:
        assert time.monotonic() < deadline, "still up on a full disk"
        time.sleep(0.1)
    with pytest.raises(Failure, match="the disk is full: free some space"):
        start(small)

    filler.unlink()
    start(small)
    with connected(dsn) as connection:
        for writer in at_work:
            writer.settle(connection)
            writer.write(connection)
        run_policies(connection)
        assert_rollups(connection, at_work)
    done = run("--dsn", dsn)
    assert done.returncode == 0, done.stdout + done.stderr
    record_property("faults", f"{edition}: full disk, {refused} ways of writing refused with 53100, then no room for the log; all was there after")
