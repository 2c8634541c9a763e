"""What is known of the database: the views v_ops_*, the disk and the backups, as the JSON has it."""

import psycopg
from psycopg.rows import dict_row

from scripts import connection, extension
from scripts.backup import listing, store, trials
from scripts.connection import Database
from scripts.console import Failure
from scripts.settings import schema_version
from scripts.status import disk

# The views by the names under which they are told, each in the order in which it is looked at.
VIEWS = {
    "sizes": "select * from public.v_ops_sizes order by total_bytes desc, relation",
    "freshness": "select * from public.v_ops_freshness order by late desc, age_seconds desc nulls first, factory_name, machine_name",
    "ingest": "select * from public.v_ops_ingest order by day desc, factory_name, machine_name",
    "jobs": "select * from public.v_ops_jobs order by healthy, job_id",
    "statements": "select * from public.v_ops_statements order by total_ms desc",
    "forecast": "select * from public.v_ops_disk_forecast order by bytes_now desc, relation",
}
# What any database tells, also one without this schema or without TimescaleDB.
SERVER = """
select current_database() as database_name, current_setting('server_version') as server_version,
       (select extversion from pg_extension where extname = 'timescaledb') as timescaledb_version,
       case current_setting('timescaledb.license', true) when 'timescale' then 'community' when 'apache' then 'apache-2' end as edition,
       date_trunc('second', pg_postmaster_start_time()) as started_at,
       extract(epoch from now() - pg_postmaster_start_time())::bigint as uptime_seconds,
       pg_database_size(current_database()) as database_bytes
"""
MARKER = "select version as schema_version, completed_at as schema_completed_at from enms.schema_version order by completed_at desc limit 1"
# By the catalogue: to_regclass would fail in a schema that the role may not use.
READABLE = """
select replace(n.nspname || '.', 'public.', '') || c.relname, has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relname like 'v\\_ops\\_%' or n.nspname = 'enms' and c.relname = 'schema_version'
"""


def gather(database: Database) -> dict:
    """Everything, by section; `notes` says what could not be read, and what to do. Raises Failure if the database can't be asked."""
    found: dict = {
        "up": True,
        "engine": database.engine.NAME if database.engine else "elsewhere (ENMS_DSN)",
        "address": database.dsn,
        "data": database.engine.where() if database.engine else None,
        "notes": [],
    }
    with database.connect(autocommit=True, row_factory=dict_row) as session, connection.answered():
        readable = dict(session.cursor(row_factory=psycopg.rows.tuple_row).execute(READABLE).fetchall())
        found["server"] = _server(session, readable)
        for name, query in VIEWS.items():
            view = f"v_ops_{'disk_forecast' if name == 'forecast' else name}"
            found[name] = _rows(session, query, found["notes"]) if readable.get(view) else None
        name = session.info.dbname
    found["notes"] += _missing(found["server"], readable)
    difference = extension.difference(database)
    found["server"]["difference"] = ": ".join(difference) if difference else None
    found["disk"] = disk.forecast(found["forecast"], disk.free(database.engine))
    found["backups"] = _backups(name, found["notes"])
    return found


def _server(session: psycopg.Connection, readable: dict[str, bool]) -> dict:
    """The server, and whether the schema is complete: None where this role can't see it."""
    if readable.get("v_ops_server"):
        row = session.execute("select * from public.v_ops_server").fetchone()
        return row | {"complete": row["schema_version"] is not None}
    row = session.execute(SERVER).fetchone()
    if not readable.get("enms.schema_version"):
        return row | {"complete": None if "enms.schema_version" in readable else False}
    marker = session.execute(MARKER).fetchone()
    return row | (marker or {}) | {"complete": marker is not None}


def _rows(session: psycopg.Connection, query: str, notes: list[str]) -> list[dict] | None:
    """Rows of a view; where it can't be read, a note says why, and the others are shown all the same."""
    try:
        return session.execute(query).fetchall()
    except psycopg.Error as error:
        view = query.split("public.")[1].split()[0]
        notes.append(f"{view} could not be read: {' '.join(str(error.diag.message_primary or error).split())}; see make verify")
        return None


def _missing(server: dict, readable: dict[str, bool]) -> list[str]:
    """What keeps views from being read: an older schema, or a role without the right."""
    views = {"v_ops_server", *(f"v_ops_{'disk_forecast' if name == 'forecast' else name}" for name in VIEWS)}
    notes = []
    if hidden := sorted(view for view in views if readable.get(view) is False):
        notes.append(f"this role may not read {', '.join(hidden)}: grant enms_monitor to it")
    if server["complete"] is False:
        return notes
    version = server.get("schema_version")
    if version and extension.numbers(version) > extension.numbers(schema_version()):
        notes.append(f"the schema is {version}, newer than {schema_version()} of this checkout: pull")
    elif absent := sorted(views - readable.keys()):
        of = f"the schema is {version}, and has" if version else "the schema has"
        notes.append(f"{of} no {', '.join(absent) if len(absent) < len(views) else 'views v_ops_*'}: make apply brings what is missing")
    elif version and version != schema_version():
        notes.append(f"the schema is {version}, this checkout's is {schema_version()}: make apply brings it up to date")
    return notes


def _backups(name: str, notes: list[str]) -> dict | None:
    """Backups of the database in the backups' folder: how many, the oldest, the newest, and the newest that was tried."""
    try:
        there = store.backups(name)
    except (Failure, OSError) as error:
        notes.append(f"the backups could not be listed: {error}")
        return None
    tried = next(((path, trial) for path in there if (trial := trials.last(path))), None)
    return {
        "count": len(there),
        "newest": _backup(there[0]) if there else None,
        "oldest": _backup(there[-1]) if there else None,
        "tried": _backup(tried[0]) | {"at": tried[1].get("at"), "failure": tried[1].get("failure")} if tried else None,
    }


def _backup(path) -> dict:
    return {"name": path.name, "made": store.when(path.name), "age": listing.age(path)}
