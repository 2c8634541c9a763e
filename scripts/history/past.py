"""Minutes whose readings retention has dropped: only the rollup has them, and other readings would change it."""

from collections.abc import Callable
from datetime import datetime

import psycopg

from scripts.console import Failure
from scripts.history import staging
from scripts.history.staging import Staged
from scripts.history.target import ELECTRICITY, ROLLUPS

REASON = "past retention: this minute is only in the rollup, with other readings; --replace-past-retention puts these in their place"


def refuse(
    session: psycopg.Connection, staged: Staged, begin: datetime, end: datetime, error: psycopg.Error, upsert: Callable[[], object]
) -> int:
    """Refuse the rows of [begin, end) in minutes that are closed and that they would change; how many.

    Raises Failure with the server's `error` where the role can't read the rollups.
    """
    found = 0
    try:
        for rollup, whose, carrier in _rollups(staged.table.kind):
            within = f"{whose} and time >= '{begin.isoformat()}' and time < '{end.isoformat()}'"
            minutes = _differing(session, staged, rollup, whose, carrier, {"begin": begin, "end": end}, upsert)
            session.execute("drop table if exists pg_temp.differing")
            session.execute("create temp table differing (bucket timestamptz, machine_id uuid, energy_type text)")
            with session.cursor().copy("copy pg_temp.differing from stdin") as rows:
                for minute in minutes:
                    rows.write_row(minute)
            same = f" and s.{carrier} = d.{carrier}" if carrier else ""
            found += staging.refuse(
                session,
                f"select s.line, '{REASON}' from (select * from pg_temp.staging where {within}) s join pg_temp.differing d"
                f" on d.bucket = public.time_bucket('1 minute', s.time) and d.machine_id = s.machine_id{same}",
            )
    except psycopg.errors.InsufficientPrivilege:
        raise Failure(f"{str(error).splitlines()[0]}; import as the owner to leave such minutes out") from None
    return found


def _rollups(kind: str) -> list[tuple[str, str, str]]:
    """The rollups of a minute, which rows are in each, and the column that parts them further."""
    if kind != "energy":
        return [(ROLLUPS[kind][0], "true", "")]
    electricity = f"energy_type in {ELECTRICITY}"
    return [(ROLLUPS["energy"][0], electricity, ""), (ROLLUPS["carrier"][0], f"not {electricity}", "energy_type")]


def _differing(
    session: psycopg.Connection, staged: Staged, rollup: str, whose: str, carrier: str, range: dict[str, datetime], upsert: Callable[[], object]
) -> list[tuple[datetime, str, str]]:
    """Closed minutes that the rollup's own query would make something else of: start, machine and carrier."""
    table, by = f"public.{staged.table.name}", ", ".join(["bucket", "machine_id", *([carrier] if carrier else [])])
    keys = by.replace("bucket", "public.time_bucket('1 minute', time) as bucket")
    within = f"{whose} and time >= %(begin)s and time < %(end)s"
    definition = session.execute(
        "select rtrim(view_definition, '; ') from timescaledb_information.continuous_aggregates where view_schema = 'public' and view_name = %s",
        [rollup],
    ).fetchone()[0]
    with session.transaction(force_rollback=True):
        session.execute(
            f"create temp table closed on commit drop as select r.* from public.{rollup} r"
            f" join (select distinct {keys} from pg_temp.staging where {within}) s using ({by})"
            f" left join (select {keys}, count(*) as has from {table} where {within} group by {by}) t using ({by})"
            f" where r.bucket >= %(begin)s and r.bucket < %(end)s and r.reading_count > coalesce(t.has, 0)",
            range,
        )
        upsert()
        return session.execute(
            f"select c.bucket, c.machine_id::text, {'c.' + carrier if carrier else 'null'} from (select closed as row, closed.* from closed) c"
            f" left join (select d as row, d.* from ({definition}) d where d.bucket >= %(begin)s and d.bucket < %(end)s) f using ({by})"
            " where c.row::text is distinct from f.row::text",
            range,
        ).fetchall()
