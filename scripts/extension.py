"""The database's TimescaleDB: whether it is the one that the server brings, and its update."""

import re
from dataclasses import replace

import psycopg

from scripts import busy
from scripts.connection import Database
from scripts.console import Failure, say, step

UPDATE = "alter extension timescaledb update"
# Sessions that began before go on with the old library, and its notion of the catalogue; they have to connect again.
END_SESSIONS = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
  and pg_has_role(usesysid, 'member')
"""
EXTENSION = """
select installed_version, default_version from pg_available_extensions
where name = 'timescaledb' and installed_version is not null and installed_version <> default_version
"""
OTHERS = """
select datname, datallowconn from pg_database
where datname <> current_database() and (datallowconn or not datistemplate) order by 1
"""
REMEDY = "start the server with the image or packages of before, or newer ones"


def difference(database: Database) -> tuple[str, str] | None:
    """How the database's TimescaleDB differs from the one that the server brings, and what to do; None if it is that."""
    lacking = ""
    try:
        with database.connect(autocommit=True) as session:
            versions = session.execute(EXTENSION).fetchone()
    except psycopg.errors.UndefinedFile:
        lacking = ", whose library the server lacks"
        with database.connect(autocommit=True) as session:
            session.execute(busy.UNLOADED)
            versions = session.execute(EXTENSION).fetchone()
    if versions is None:
        return None
    installed, brought = versions
    newer = numbers(installed) > numbers(brought)
    return f"its TimescaleDB is {installed}{lacking or f', the server brings {brought}'}", REMEDY if newer else "make apply updates it"


def update(database: Database) -> str:
    """Update TimescaleDB in the database and, on an engine of ours, in the others of the server; what was changed, for people."""
    with step("Updating TimescaleDB"):
        places, closed, changed = [database], [], "nothing was changed"
        if database.engine:
            with database.connect(autocommit=True) as session:
                session.execute(busy.UNLOADED)
                others = session.execute(OTHERS).fetchall()
            places += [replace(database, parameters=database.parameters | {"dbname": name}) for name, open_ in others if open_]
            closed = [name for name, open_ in others if not open_]
        updated = []
        for place in places:
            # Elsewhere nobody's session is to end for nothing.
            if difference(place):
                _update_in(place, changed)
                updated.append(place.parameters.get("dbname", "the database"))
                changed = f"TimescaleDB was updated in {', '.join(updated)}, and nothing else was changed"
    if closed:
        say(f"Not updated, as they are closed to sessions: {', '.join(closed)}")
    return changed


def _update_in(database: Database, changed: str) -> None:
    """Update TimescaleDB in one database; it has to be the first command of its session."""
    with database.connect() as session:
        superuser = session.info.parameter_status("is_superuser") == "on"
    # As in upgrade.py, so that clients are not the ones to give way.
    options = "-c lock_timeout=500ms" + " -c deadlock_timeout=10ms" * superuser

    def attempt() -> bool:
        with database.connect(autocommit=True, options=options) as session:
            try:
                session.execute(UPDATE)
                session.execute(END_SESSIONS)
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                return False
            except psycopg.Error as error:
                reason = " ".join(str(error).split())
                name = database.parameters.get("dbname")
                raise Failure(f"TimescaleDB of the database {name} can't be updated: {reason} ({REMEDY}; {changed})") from None
        return True

    busy.until_free(database, attempt, changed)


def numbers(version: str) -> tuple[int, ...]:
    """A version's numbers, to be compared."""
    return tuple(int(number) for number in re.findall(r"\d+", version))
