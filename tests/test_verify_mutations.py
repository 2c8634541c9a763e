"""Every object of the spec is changed in a live database in every way there is, and the verifier names each of them.

Changes of one kind are made together and verified in one run; those that take other objects along, each by itself. With
ENMS_MUTATIONS=single every change has a run of its own, which takes an hour.
"""

import os
import re
from collections import defaultdict

import psycopg
import pytest

from mutations import generate
from mutations.change import Change
from verified import SOURCES, SPEC, changed, dsn, own_cluster, verify  # noqa: F401
from verify import cli, registry
from verify.result import ExitCode, Outcome

KINDS: dict[str, list[Change]] = defaultdict(list)
for change in generate(SPEC, SOURCES):
    KINDS[change.kind].append(change)

CHECKS = {check.name: family for family in registry.load() for check in registry.FAMILIES[family][1](SPEC)}
# What both editions have from the same statements and the verifier looks at by the same queries.
SAME = {"tables", "constraints", "indexes", "triggers", "enums", "seed", "marker"}
ALIKE = [kind for kind, changes in KINDS.items() if {CHECKS.get(change.check) for change in changes} <= SAME]

# Kinds of which some are refused: where views, rollups or TimescaleDB's own tables stand in the way.
SOMETIMES_REFUSED = {
    "column dropped", "column retyped", "grant of a column", "row security", "rule", "rollup's owner", "rollup's column renamed",
    # By 2.19 on hypertables.
    "all triggers disabled", "trigger disabled", "trigger replication only", "trigger always",
}  # fmt: skip
# Checks that another test makes fail, those that only inform, and those that no statement of a session can break.
ELSEWHERE = (
    # test_verify_settings.py
    r"setting .*", "settings by .*",
    # test_verify.py
    "job scheduler of this database", "runs of the .*", "old chunks of .*", "chunks of .* past retention are dropped", "rollups agree with readings", "watermarks of the rollups",
    # test_verify_robust.py
    "server release", "usage of schema public", "database is EnMS", "TimescaleDB release", "this session sees everything",
    # They inform.
    ".* of your own", "who may do everything", "readings in the future", "machines that stopped reporting", "a known plant can be inserted", "the server's own databases",
    # They take another server, file or library.
    "server version", "database encoding and collation", "timescaledb.license", "postgresql.conf is in force", "configuration files", "pg_stat_statements can be read",
    "extension timescaledb",
    # TimescaleDB knows it by number: it changes with the definition only.
    "source of .*",
)  # fmt: skip

# What PostgreSQL and TimescaleDB answer to a change that they do not allow.
REFUSALS = (
    psycopg.errors.DependentObjectsStillExist, psycopg.errors.FeatureNotSupported, psycopg.errors.ObjectNotInPrerequisiteState,
    psycopg.errors.InvalidTableDefinition, psycopg.errors.InvalidObjectDefinition, psycopg.errors.DatatypeMismatch, psycopg.errors.NotNullViolation,
    psycopg.errors.WrongObjectType, psycopg.errors.InsufficientPrivilege, psycopg.errors.ReservedName,
    psycopg.errors.InternalError_, psycopg.errors.InvalidColumnReference, psycopg.errors.InvalidGrantOperation, psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedColumn,
)  # fmt: skip

# Relations and functions that depend on those of a name, directly or by way of others.
DEPENDENTS = """
with recursive start as (
    select c.tableoid as class, c.oid from pg_class c where c.relname = %(name)s
    union all select p.tableoid, p.oid from pg_proc p where p.proname = %(name)s
    union all select t.tableoid, t.oid from pg_type t where t.typname = %(name)s
    union all select e.tableoid, e.oid from pg_extension e where e.extname = %(name)s),
reached as (
    select class, oid from start
    union
    select n.class, n.oid from reached r
    cross join lateral (
        select d.classid as class, d.objid as oid from pg_depend d where d.refclassid = r.class and d.refobjid = r.oid
        union select 'pg_class'::regclass, w.ev_class from pg_rewrite w where r.class = 'pg_rewrite'::regclass and w.oid = r.oid
        union select 'pg_class'::regclass, c.conrelid from pg_constraint c where r.class = 'pg_constraint'::regclass and c.oid = r.oid
        union select 'pg_class'::regclass, t.tgrelid from pg_trigger t where r.class = 'pg_trigger'::regclass and t.oid = r.oid
        union select 'pg_class'::regclass, a.adrelid from pg_attrdef a where r.class = 'pg_attrdef'::regclass and a.oid = r.oid) n)
select distinct replace(format('%%s.%%s', n.nspname, o.name), 'public.', '')
from (select c.relnamespace as schema, c.relname as name from reached r join pg_class c on r.class = 'pg_class'::regclass and c.oid = r.oid
      union select p.pronamespace, p.proname from reached r join pg_proc p on r.class = 'pg_proc'::regclass and p.oid = r.oid
      union select t.typnamespace, t.typname from reached r join pg_type t on r.class = 'pg_type'::regclass and t.oid = r.oid) o
join pg_namespace n on n.oid = o.schema
"""


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ALIKE])
def test_changes_of_every_object_are_named(kind: str, changed: psycopg.Connection, edition: str, request: pytest.FixtureRequest) -> None:
    _changed_and_named(kind, changed, edition, request)


@pytest.mark.one_edition
@pytest.mark.parametrize("kind", ALIKE)
def test_changes_of_what_both_editions_have_alike_are_named(kind: str, changed: psycopg.Connection, edition: str, request: pytest.FixtureRequest) -> None:
    _changed_and_named(kind, changed, edition, request)


def _changed_and_named(kind: str, changed: psycopg.Connection, edition: str, request: pytest.FixtureRequest) -> None:
    changes = [change for change in KINDS[kind] if edition == "community" or not change.community]
    if not changes:
        pytest.skip("the Apache-2 edition has none")
    changed.execute("create role m_owner; create schema m_schema")
    single = os.environ.get("ENMS_MUTATIONS") == "single"
    if changes[0].alone and edition != "community" and not single:
        # What these take along differs little between the editions.
        changes = changes[::4]
    made = 0
    for together in [[change] for change in changes] if single or changes[0].alone else [changes]:
        with changed.transaction(force_rollback=True):
            made += _verified(changed, together)
    request.config.mutations.setdefault(edition, {})[kind] = made, len(changes) - made
    assert made and (made == len(changes) or kind in SOMETIMES_REFUSED)


def test_every_check_is_the_target_of_a_change() -> None:
    targets = {name for changes in KINDS.values() for change in changes for name in (change.check, *change.also)}
    assert targets <= CHECKS.keys()
    left = {name for name in CHECKS.keys() - targets if not any(re.fullmatch(pattern, name) for pattern in ELSEWHERE)}
    assert not left, sorted(left)


def _verified(connection: psycopg.Connection, changes: list[Change]) -> int:
    """Make changes, verify, and compare with what they must lead to; how many of them could be made."""
    related = {name for change in changes for name in _dependents(connection, change)} if changes[0].takes else set()
    made = [change for change in changes if _make(connection, change)]
    if not made:
        return 0
    results = verify(connection)
    failing = {result.name: "\n".join((result.verdict.detail, *result.verdict.missing, *result.verdict.extra)) for result in results if result.outcome is Outcome.FAILED}
    unnamed = [f"{change.check}: {change.names} by {change.sql}" for change in made if change.names not in failing.get(change.check, "")]
    assert not unnamed, "\n".join(unnamed)
    expected = {name for change in made for name in (change.check, *change.also)}
    assert expected <= failing.keys()
    unrelated = {name for name in failing.keys() - expected if not _about(name, related)}
    assert not unrelated, "\n".join(f"{name}: {failing[name]}" for name in unrelated)
    assert cli.exit_code(results) is ExitCode.DRIFT
    assert all(result.verdict.fix for result in results if result.outcome is Outcome.FAILED)
    waiting = {result.name: result.verdict.detail for result in results if result.outcome is Outcome.NOT_EVALUATED}
    astray = {name: why for name, why in waiting.items() if why.removeprefix("waits for: ") not in failing and "cannot be made a temporary view" not in why}
    assert not astray
    return len(made)


def _dependents(connection: psycopg.Connection, change: Change) -> set[str]:
    return {row[0] for word in change.check.split() for row in connection.execute(DEPENDENTS, {"name": word.rpartition(".")[2]})}


def _about(check: str, related: set[str]) -> bool:
    """Whether a check is of one of the objects."""
    return any(re.search(rf"(^| ){re.escape(name)}( |$)", check) for name in related)


def _make(connection: psycopg.Connection, change: Change) -> bool:
    """Make a change, or do the damage that stands for it; False if the server refuses both."""
    for sql in filter(None, (change.sql, change.damage)):
        try:
            with connection.transaction():
                connection.execute("set local allow_system_table_mods = on")
                connection.execute("set local search_path = public")
                connection.execute(sql.replace("{database}", connection.info.dbname))
                connection.execute("set local search_path = pg_catalog, public")
            return True
        except psycopg.Error as error:
            if not (isinstance(error, REFUSALS) or (error.sqlstate or "").startswith("TS")):
                raise
    return False
