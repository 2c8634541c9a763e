"""What is in a database: a digest of all that a write could have left behind."""

import psycopg
from psycopg import sql

TABLES = """
    select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'enms') and c.relkind = 'r'
       or n.nspname = '_timescaledb_catalog' and c.relname in (
           'chunk', 'continuous_aggs_hypertable_invalidation_log', 'continuous_aggs_materialization_invalidation_log', 'continuous_aggs_watermark')
       or c.relname like '\\_materialized\\_hypertable\\_%' and c.relkind = 'r'"""


class Digest:
    """Rows and their digest by table: ours, the stored rollups', and TimescaleDB's lists of chunks and of changes."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self._query = sql.SQL(" union all ").join(
            sql.SQL("select {}, count(*), md5(string_agg(t::text, ';' order by t::text)) from {} t").format(
                f"{schema}.{name}", sql.Identifier(schema, name)
            )
            for schema, name in connection.execute(TABLES).fetchall()
        )
        self.last = self.taken()

    def taken(self) -> dict[str, tuple[int, str | None]]:
        """The digest of each table now."""
        return {table: (count, digest) for table, count, digest in self.connection.execute(self._query)}

    def changed(self) -> dict[str, tuple]:
        """Tables that are not what they were when this was last asked, with what they were and are."""
        before, self.last = self.last, self.taken()
        return {table: (before.get(table), digest) for table, digest in self.last.items() if digest != before.get(table)}
