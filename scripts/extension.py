"""The database's TimescaleDB: whether it is the one that the server brings, and its update."""

import re

import psycopg

from scripts import busy
from scripts.connection import Database
from scripts.console import Failure, step

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


def outdated(database: Database) -> str | None:
    """How the database's TimescaleDB differs from the one that the server brings; None if it is that."""
    try:
        with database.connect(autocommit=True) as session:
            versions = session.execute(EXTENSION).fetchone()
    except psycopg.errors.UndefinedFile as error:
        wanted = re.search(r"timescaledb-([\w.-]+)", str(error))
        return f"its TimescaleDB is {wanted[1] if wanted else 'another'}, whose library the server lacks"
    return versions and f"its TimescaleDB is {versions[0]}, the server brings {versions[1]}"


def update(database: Database) -> None:
    """Update TimescaleDB in the database and, on an engine of ours, in the others of the server."""
    with step("Updating TimescaleDB"):
        names = [database.parameters.get("dbname")]
        _update_in(database, names[0])
        if database.engine:
            with database.connect(autocommit=True) as session:
                others = session.execute(
                    "select datname from pg_database where datallowconn and datname <> current_database() order by 1"
                )
                names += [name for (name,) in others]
            for name in names[1:]:
                _update_in(database, name)


def _update_in(database: Database, name: str | None) -> None:
    """Update TimescaleDB in one database, if it is there; it has to be the first command of its session."""
    place = {"dbname": name} if name else {}
    with database.connect(**place) as session:
        superuser = session.info.parameter_status("is_superuser") == "on"
    # As in upgrade.py, so that clients are not the ones to give way.
    options = place | {"options": "-c lock_timeout=500ms" + " -c deadlock_timeout=10ms" * superuser}

    def attempt() -> bool:
        with database.connect(autocommit=True, **options) as session:
            try:
                session.execute(UPDATE)
                session.execute(END_SESSIONS)
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                return False
            except psycopg.errors.UndefinedObject:
                pass
            except psycopg.Error as error:
                reason = " ".join(str(error).split())
                remedy = "start the server with the image or packages of before, or newer ones"
                raise Failure(f"TimescaleDB of the database {name} can't be updated: {reason} ({remedy})") from None
        return True

    busy.until_free(database, attempt)
