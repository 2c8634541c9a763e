"""The server killed under load: what it acknowledged is there, and what it did not is there as a whole or not at all."""

import os
import random
import signal
import time

import psycopg
from faults import Load, assert_rollups, connected, initialise, run_policies, server, start, writers  # noqa: F401
from verified import run

from scripts import process
from scripts.cluster import Cluster
from scripts.server import COMMUNITY

KILLS = {COMMUNITY: 50}
FEWER = 10


def kill_one(server: Cluster, source: random.Random) -> None:
    """SIGKILL one process of the server, as the kernel does when memory runs out; the server then restarts itself."""
    victim = source.choice(process.children(server.pid()))
    os.kill(victim, signal.SIGKILL)


def test_killed_while_readings_come_and_policies_run(server: Cluster, edition: str, record_property) -> None:
    dsn = initialise(server, "killed")
    source, at_work, kills, runs = random.Random(5), writers(), KILLS.get(edition, FEWER), 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        durable = [connection.execute(f"show {name}").fetchone()[0] for name in ("fsync", "synchronous_commit", "full_page_writes")]
        assert durable == ["on", "on", "on"]
        for writer in at_work:
            for _ in range(6):
                writer.write(connection)
        # From here on most of the days that are written to are compressed.
        run_policies(connection)
    for number in range(1, kills + 1):
        known = {writer: len(writer.stored) for writer in at_work}
        acknowledged = sum(writer.acknowledged for writer in at_work)
        load = Load(dsn, at_work)
        # Nothing would be lost where nothing came.
        deadline = time.monotonic() + 60
        while sum(writer.acknowledged for writer in at_work) == acknowledged:
            assert time.monotonic() < deadline and not load.errors, load.errors
            time.sleep(0.01)
        time.sleep(source.uniform(0.1, 0.4))
        if number % 5:
            server.kill()
            load.notice()
        else:
            kill_one(server, source)
        load.stop()
        assert len(load.errors) == len(load.threads) or number % 5 == 0, "somebody noticed nothing"
        runs += load.runs
        if server.pid() is None:
            start(server)
        everything = number % 25 == 0 or number == kills
        with connected(dsn) as connection:
            for writer in at_work:
                writer.settle(connection, since=0 if everything else known[writer])
            if everything:
                run_policies(connection)
                assert_rollups(connection, at_work)
    done = run("--dsn", dsn)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(writer.acknowledged for writer in at_work)
    assert runs > 0 or edition != COMMUNITY, "no policy ran while the server was killed"
    acknowledged = sum(writer.acknowledged for writer in at_work)
    record_property("faults", f"{edition}: {kills} kills survived, {acknowledged:,} acknowledged readings all there, {runs} policies run meanwhile")
