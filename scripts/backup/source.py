"""What a backup has to know of a database besides its contents."""

import psycopg
from psycopg import sql

from scripts.connection import Database
from scripts.console import Failure
from scripts.server import APACHE, COMMUNITY

EDITIONS = {"timescale": COMMUNITY, "apache": APACHE}
# Whatever the server's defaults, the same row is the same text.
SESSION = {
    "timezone": "UTC", "datestyle": "ISO, YMD", "intervalstyle": "postgres", "extra_float_digits": "1", "bytea_output": "hex",
    "xmlbinary": "base64", "statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0", "idle_session_timeout": "0",
    "default_transaction_read_only": "off",
}  # fmt: skip
# What only a superuser may set. A password's hash is set in such a session.
QUIET = {
    "log_statement": "none", "log_min_duration_statement": "-1", "log_min_error_statement": "panic", "pg_stat_statements.track_utility": "off",
}  # fmt: skip
FACTS = """
select current_database() as database,
       current_setting('server_version_num')::integer / 10000 as major,
       current_setting('server_version') as postgresql,
       (select extversion from pg_extension where extname = 'timescaledb') as timescaledb,
       current_setting('timescaledb.license', true) as edition,
       current_setting('timescaledb.restoring', true) as restoring,
       exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'enms' and c.relname = 'schema_version') as ours,
       (select rolname from pg_roles where oid = 10) as superuser,
       (select rolsuper from pg_roles where rolname = current_user) as may,
       pg_encoding_to_char(encoding) as encoding, datconnlimit as connections,
       json_build_object('provider', datlocprovider, 'lc_collate', datcollate, 'lc_ctype', datctype,
                         'name', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
                         'rules', to_jsonb(d) ->> 'daticurules') as locale,
       -- In the order of creation, and so of what is made of what.
       coalesce((select json_agg(json_build_array(n.nspname, c.relname) order by c.oid)
                 from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'm' and c.relispopulated), '[]') as filled,
       (select rolname from pg_roles where oid = datdba) as owner, shobj_description(d.oid, 'pg_database') as comment,
       pg_database_size(d.oid) as size,
       (select json_agg(json_build_array(g.rolname, a.privilege_type, a.is_grantable))
        from aclexplode(coalesce(datacl, acldefault('d', datdba))) a left join pg_roles g on g.oid = a.grantee) as acl,
       (select json_agg(json_build_array(r.rolname, s.setconfig))
        from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole where s.setdatabase = d.oid) as settings
from pg_database d where datname = current_database()
"""


def open_session(database: Database, dbname: str | None = None) -> psycopg.Connection:
    """An autocommit session in which values are printed the same everywhere; raises Failure."""
    name = {"dbname": dbname} if dbname else {}
    session = database.connect(autocommit=True, application_name="enms backup", **name)
    superuser = session.info.parameter_status("is_superuser") == "on"
    since_17 = {"transaction_timeout": "0"} if session.info.server_version >= 170000 else {}
    for setting, value in (SESSION | since_17 | (QUIET if superuser else {})).items():
        session.execute(sql.SQL("set {} = {}").format(sql.Identifier(setting), sql.Literal(value)))
    return session


def facts(session: psycopg.Connection) -> dict:
    """What there is to know of the session's database; raises Failure if it can't be backed up as it is."""
    row = session.execute(FACTS)
    found = dict(zip((column.name for column in row.description), row.fetchone(), strict=True))
    name = found["database"]
    if not found.pop("may"):
        raise Failure(f"{session.info.user} cannot read everything: connect as a superuser")
    if not found.pop("ours") or found["timescaledb"] is None:
        raise Failure(f"{name} is not an EnMS database: it has no enms.schema_version; name another with ENMS_DSN")
    if found.pop("restoring") == "on":
        raise Failure(f"{name} is in TimescaleDB's restoring mode: select timescaledb_post_restore() in it, then try again")
    marker = session.execute("select version from enms.schema_version order by completed_at desc limit 1").fetchone()
    if marker is None:
        raise Failure(f"the first boot of {name} did not reach its end: make clean, then make up")
    return found | {"schema": marker[0], "edition": EDITIONS.get(found["edition"], found["edition"])}
