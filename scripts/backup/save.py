"""make backup: a consistent snapshot, whole or not there."""

import json
import time
from datetime import UTC, datetime

import psycopg

from scripts.backup import archive, digests, jobs, manifest, roles, snapshot, source, store, trials, verdict
from scripts.connection import Database
from scripts.console import Failure, count_step, say, step
from scripts.settings import backups_folder, read_settings


def save(database: Database, keep: int) -> None:
    """Back the database up into a folder of its own and delete what is older than the newest `keep`; raises Failure."""
    name = database.name
    with store.alone():
        try:
            made = _save(database)
        except psycopg.Error as error:
            raise Failure(f"the backup failed: {' '.join(str(error).split())}") from None
        store.rotate(keep, name, made, trials.passed)


def _save(database: Database) -> str:
    began = time.monotonic()
    with source.open_session(database) as session:
        # What cannot be backed up is refused before anything else.
        source.facts(session)
    faults = {}
    try:
        with step("Verifying the database"):
            faults = verdict.failing(database)
    except Failure as failure:
        # That is no reason to be without a backup.
        say(f"Warning: {failure}")
    for check, detail in faults.items():
        say(f"Warning: {check}: {detail}")
    with (
        source.open_session(database) as session,
        jobs.put_off(lambda: source.open_session(database)),
        snapshot.taken(session) as seen,
    ):
        found = source.facts(session)
        moment = datetime.now(UTC)
        name = store.stamped(found["database"], moment)
        with store.new(name) as folder:
            dump = archive.dump(database, found["major"], seen, found["filled"], folder / store.DUMP)
            with count_step("Computing digests") as progress:
                relations = digests.digests(session, progress)
            archive.require_readable(database, found["major"], folder / store.DUMP)
            store.write(folder / store.ROLES, json.dumps(roles.read(session), indent=2) + "\n")
            files = {store.DUMP: dump, store.ROLES: store.summary(folder / store.ROLES)}
            image = read_settings().image if database.engine and database.engine.NAME == "docker" else None
            content = {"created": moment.isoformat(timespec="seconds"), **found, "image": image, "files": files}
            manifest.save(folder, content | {"failing": sorted(faults), "relations": relations})
    place = backups_folder() / name
    size = sum(file["bytes"] for file in files.values())
    rows = sum(relation["rows"] for name, relation in relations.items())
    say(f"Backup: {store.shown(place)}, {size / 1e6:,.1f} MB, {rows:,} rows in {len(relations)} tables and rollups, {time.monotonic() - began:.1f} s")
    if faults:
        say("The verifier did not pass the database, as warned above: a restore accepts these faults and no others")
    say("It holds the database as it is now, and cannot be rolled forward: scripts/guide/operator.md says what does that")
    return name
