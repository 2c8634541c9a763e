"""What all else stands on: a server that is new enough, a database of ours in it, and TimescaleDB in that."""

import re
from collections.abc import Iterator

from verify.registry import Check, Context, family
from verify.result import PASSED, Verdict, failed, not_evaluated
from verify.spec import Spec

OLDEST = 15
OLDEST_TIMESCALEDB = 2, 19
RELEASE, DATABASE, TIMESCALEDB = "server release", "database is EnMS", "TimescaleDB release"


@family("server", 5)
def plan(spec: Spec) -> Iterator[Check]:
    yield Check(RELEASE, _release, gate=True)
    yield Check("usage of schema public", _usage, ("server", "access"), (RELEASE,), gate=True)
    yield Check(DATABASE, _database, ("schemas", "relations"), (RELEASE,), gate=True)
    yield Check(TIMESCALEDB, _timescaledb, ("extensions", "server"), (DATABASE,), gate=True)
    yield Check("this session sees everything", _access, ("server", "access"))


def _release(context: Context) -> Verdict:
    version = context.catalog.connection.info.server_version // 10_000
    if version >= OLDEST:
        return PASSED
    return failed(f"PostgreSQL {version} is too old", f"Move the data to PostgreSQL {OLDEST} or newer, by make backup and make restore.")


def _database(context: Context) -> Verdict:
    """Passed as soon as there is something to compare, so that a half-initialised database is compared in full."""
    schemas, relations = context.catalog.by_name("schemas"), context.catalog.by_name("relations")
    if "enms" in schemas or context.spec.tables.keys() & relations.keys():
        return PASSED
    name = context.catalog.connection.info.dbname
    return failed(
        f"{name} holds neither schema enms nor any of the {len(context.spec.tables)} tables",
        f"Name the right database in the DSN; if {name} is to become one, ENMS_DSN=… make apply.",
    )


def _timescaledb(context: Context) -> Verdict:
    found = context.catalog.by_name("extensions").get("timescaledb")
    oldest = ".".join(map(str, OLDEST_TIMESCALEDB))
    if found is None:
        return failed("the server has no TimescaleDB", f"Install TimescaleDB {oldest} or newer, load it by shared_preload_libraries, and restore a backup.")
    if found["installed"] is None:
        return failed("TimescaleDB is not created in this database", "Restore a backup: tables that lost it cannot get it back.")
    if not context.catalog.one("server")["license"]:
        return failed("TimescaleDB's library is not loaded", "Add timescaledb to shared_preload_libraries, as postgresql.conf has it, and restart.")
    version = tuple(int(number) for number in re.findall(r"\d+", found["installed"])[:2])
    if version >= OLDEST_TIMESCALEDB:
        return PASSED
    return failed(f"TimescaleDB {found['installed']} is too old", f"Install {oldest} or newer, then alter extension timescaledb update.")


def _usage(context: Context) -> Verdict:
    """Without it PostgreSQL names the objects of public otherwise, and none would be found."""
    if context.catalog.one("access")["usage"]:
        return PASSED
    role = context.catalog.one("server")["role"]
    return not_evaluated(f"{role} has no usage on schema public", f"grant enms_reader to {role}; or verify as a role that is a member of it.")


def _access(context: Context) -> Verdict:
    """What this role, or a standby, leaves out of the run, told in one place."""
    server, access = context.catalog.one("server"), context.catalog.one("access")
    standby = server["standby"]
    unseen = {
        f"rows of {', '.join(access['hidden'])} (enms_reader does)": access["hidden"],
        "some settings, and whether the job scheduler runs (pg_monitor does)": not (server["reads_settings"] and server["reads_activity"]),
        "what ALTER SYSTEM wrote for the next start (a superuser does)": not server["reads_files"],
        "why a job failed (the database's owner does)": not access["reasons"],
        "the last number of audit_log (the tables' owner does)": not access["numbers"],
        "the definitions of views (a role with temporary on the database does)": not access["temporary"] and not standby,
        "the figures of the KPI functions (the tables' owner does)": not access["plant"] and not standby,
        "the definitions of views and the figures of the KPI functions (the primary server does: this is a standby)": standby,
    }
    found = [what for what, hidden in unseen.items() if hidden]
    if not found:
        return PASSED
    return not_evaluated(f"{server['role']} does not see: {'; '.join(found)}", "Verify where and as whom all is seen, before you rely on it.")
