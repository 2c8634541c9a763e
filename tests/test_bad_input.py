"""Hostile writes and calls: each is refused with an error that names what it violates, and changes nothing."""

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import errors, sql

from conftest import COMMUNITY
from hostile import plant as a_plant
from hostile.accepted import ACCEPTED, SQL
from hostile.calls import ARGUMENTS, GOOD, calls, misuse
from hostile.case import Call, Statement, Value, ways
from hostile.digest import Digest
from hostile.plant import FACTORY, KEYS, MACHINE, SPARE, row
from hostile.statements import statements
from hostile.values import values
from hostile.ways import WAYS, bad_row, insert
from scripts.cluster import Cluster
from verified import until

VALUES, STATEMENTS, CALLS = list(values()), [*statements(), *misuse()], list(calls())
# What the tables did not have from the first, beside those that look at times and at empty names.
LATER = {
    "energy_baselines_model_version_positive", "energy_baselines_coefficients_not_null", "energy_baselines_feature_names_not_null", "anomalies_resolved_order",
}  # fmt: skip
# PostgreSQL refuses these while it reads the value: it tells the column in a COPY, and of a statement the parameter.
UNREAD = {"22001", "22003", "22007", "22008", "22023", "22P02", "22P05", "54001"}
# Only the width of a type comes later, and names itself alone.
WIDTH = "A field with precision", "character varying("


@pytest.fixture(scope="module")
def plant(database: str, edition: str) -> Iterator[Digest]:
    """The digest of a plant with readings, some of them compressed and some only in the rollups."""
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in [*a_plant.PREPARE, *(a_plant.COMMUNITY if edition == COMMUNITY else [])]:
            connection.execute(statement)
        for table in KEYS:
            insert(connection, table, [row(table, 1), row(table, 2)])
        yield Digest(connection)


def unlike(error: psycopg.Error, case: Value | Statement | Call) -> str:
    """What an error lacks of what the case says; empty if it has all."""
    diag = error.diag
    said = " ".join(filter(None, [diag.message_primary, diag.message_detail, diag.message_hint, diag.constraint_name, diag.column_name]))
    if diag.sqlstate != case.state or case.names not in said:
        return f"not {case.state} and {case.names}, but {diag.sqlstate}: {said[:400]}"
    return f"a message of {len(diag.message_primary)} characters" if len(diag.message_primary) > 600 else ""


def check(plant: Digest, problems: list[str]) -> None:
    """Fails the test for a problem and for a change."""
    changed = plant.changed()
    assert not problems and not changed, (problems, changed)


def check_all(plant: Digest, cases: list, attempt: Callable[[psycopg.Connection, Value | Call], list[str]]) -> None:
    """Every case of a group, then whether anything has changed; if so, by which of them."""
    problems = [problem for case in cases for problem in attempt(plant.connection, case)]
    if plant.changed():
        for case in cases:
            attempt(plant.connection, case)
            problems += [f"{case} changed {table}" for table in plant.changed()]
        problems.append("something changed")
    assert not problems, "\n".join(problems)


def groups(cases: list, by: Callable[[Value | Call], str]) -> list:
    """Cases as parameters by what they are about; the test's name tells how many."""
    found: dict[str, list] = {}
    for case in cases:
        found.setdefault(by(case), []).append(case)
    return [pytest.param(those, id=f"{name}, {len(those)} cases") for name, those in found.items()]


def misplaced(error: psycopg.Error, case: Value, way: str) -> str:
    """Where the error says that the value is, if that is wrong."""
    if case.state not in UNREAD or way not in ("copy", "insert") or way == "insert" and case.names.startswith(WIDTH):
        return ""
    number = list(bad_row(case)).index(case.column) + 1
    place = f"COPY {case.table}, line 2, column {case.column}" if way == "copy" else f"unnamed portal parameter ${number} "
    return "" if place in (error.diag.context or "") else f"not at {place}: {error.diag.context}"


def value_refused(connection: psycopg.Connection, case: Value) -> list[str]:
    """What is wrong with how the server takes a value."""
    problems = []
    for way in ways(case.table, case.column):
        try:
            WAYS[way](connection, case)
            problems.append(f"{case} by {way}: accepted")
        except psycopg.Error as error:
            problem = unlike(error, case) or misplaced(error, case, way)
            problems += [f"{case} by {way}: {problem}"] if problem else []
    return problems


def call_refused(connection: psycopg.Connection, case: Call) -> list[str]:
    """What is wrong with how the server takes an argument."""
    given = {name: GOOD[name] for name in [*ARGUMENTS[case.function].split(), "p_start_time", "p_end_time"]} | {case.argument: case.value}
    named = sql.SQL(", ").join(sql.SQL("{} => %s").format(sql.Identifier(name)) for name in given)
    try:
        connection.execute(sql.SQL("select * from {}({})").format(sql.Identifier(case.function), named), list(given.values()))
    except psycopg.Error as error:
        problem = unlike(error, case)
        return [f"{case}: {problem}"] if problem else []
    return [f"{case}: accepted"]


@pytest.mark.parametrize("cases", groups(VALUES, lambda case: f"{case.table}.{case.column}"))
def test_hostile_values_are_refused(plant: Digest, cases: list[Value]) -> None:
    check_all(plant, cases, value_refused)


@pytest.mark.parametrize("cases", groups(CALLS, lambda case: f"{case.function}.{case.argument}"))
def test_hostile_arguments_are_refused(plant: Digest, cases: list[Call]) -> None:
    check_all(plant, cases, call_refused)


@pytest.mark.parametrize("case", STATEMENTS, ids=str)
def test_hostile_statements_are_refused(plant: Digest, case: Statement, edition: str) -> None:
    if case.edition not in ("", edition):
        pytest.skip(f"only {case.edition} has this")
    problem = "accepted"
    plant.connection.execute(sql.SQL("set role {}").format(sql.Identifier(case.role)) if case.role else "reset role")
    try:
        if case.copy:
            with plant.connection.cursor() as cursor, cursor.copy(case.sql) as target:
                target.write(case.copy)
        else:
            plant.connection.execute(case.sql)
    except psycopg.Error as error:
        problem = unlike(error, case)
    # A case may have begun a transaction.
    plant.connection.execute("rollback")
    plant.connection.execute("reset role")
    check(plant, [problem] if problem else [])


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_text_is_stored_as_it_stands(plant: Digest, case: Value) -> None:
    connection = plant.connection
    with connection.transaction(force_rollback=True):
        insert(connection, case.table, [row(case.table, 12) | {case.column: case.value}])
        keys = KEYS[case.table]
        there = row(case.table, 12) | {case.column: case.value}
        same = sql.SQL("select count(*) from {} where ({}) = ({}) and {}::text = {}::text").format(
            sql.Identifier(case.table), sql.SQL(", ").join(map(sql.Identifier, keys)), sql.SQL(", ").join([sql.SQL("%s")] * len(keys)),
            sql.Identifier(case.column), sql.SQL("%s::jsonb" if case.column == "metadata" else "%s"),
        )  # fmt: skip
        assert connection.execute(same, [*(there[column] for column in keys), case.value]).fetchone() == (1,)
    check(plant, [])


def test_sql_in_names_does_nothing_in_views_and_kpis(plant: Digest) -> None:
    connection = plant.connection
    with connection.transaction(force_rollback=True):
        connection.execute("update factories set name = %s, grid_region = %s where id = %s", [SQL, SQL, FACTORY])
        connection.execute("update machines set name = %s where id = %s", [SQL, MACHINE])
        connection.execute("insert into carbon_factors (region, emission_factor_kg_co2_per_kwh, valid_from) values (%s, 0.5, '2020-01-01')", [SQL])
        kpis = connection.execute("select machine_name, total_co2_kg > 0 from calculate_all_kpis(%s, now() - interval '20 days', now())", [MACHINE])
        assert kpis.fetchone() == (SQL, True)
        of_region = connection.execute(
            "select emission_factor from calculate_carbon_intensity(%s, now() - interval '20 days', now(), %s)", [MACHINE, SQL]
        )
        assert of_region.fetchone() == (0.5,)
        assert connection.execute("select factory_name from v_factory_dashboard where factory_id = %s", [FACTORY]).fetchone() == (SQL,)
        assert connection.execute("select factory_name from v_machines_detail where machine_name = %s", [SQL]).fetchone() == (SQL,)
    check(plant, [])


def test_two_sessions_can_not_write_tariffs_that_overlap(plant: Digest, database: str) -> None:
    tariff = f"insert into energy_tariffs (factory_id, name, rate_per_kwh, valid_from) values ('{SPARE}', 'Flat', 1, '2026-01-01')"
    ends: list[str] = []

    def write(second: psycopg.Connection) -> None:
        try:
            second.execute(tariff)
            ends.append("accepted")
        except errors.ExclusionViolation as error:
            ends.append(error.diag.constraint_name)

    with psycopg.connect(database) as first, psycopg.connect(database, autocommit=True) as second:
        first.execute(tariff)
        thread = threading.Thread(target=write, args=[second])
        thread.start()
        try:
            until(plant.connection, f"select exists (select from pg_locks where pid = {second.info.backend_pid} and not granted)")
        finally:
            first.commit()
            thread.join()
        assert ends == ["energy_tariffs_no_overlap"]
        second.execute("delete from energy_tariffs where name = 'Flat'")
    # Two rows of audit_log tell of it.
    assert set(plant.changed()) == {"public.audit_log"}


def test_an_older_database_gets_the_constraints(fresh: psycopg.Connection, cluster: Cluster) -> None:
    """Those that it lacks, and those that it has in an older form; a constraint that is not ours stays."""
    query = "select conname, pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace and contype = 'c'"
    before = set(fresh.execute(query))
    for name, definition in before:
        table = next(table for table in sorted(KEYS, key=len, reverse=True) if name.startswith(table))
        if "0001-01-01" in definition or "space:]" in definition or name in LATER:
            fresh.execute(sql.SQL("alter table {} drop constraint {}").format(sql.Identifier(table), sql.Identifier(name)))
    fresh.execute("""
        alter table energy_readings add constraint energy_readings_time_finite check (isfinite(time));
        alter table energy_readings drop constraint energy_readings_energy_type_not_empty;
        alter table energy_readings add constraint energy_readings_energy_type_not_empty check (energy_type <> '');
        alter table factories add constraint factories_name_not_empty check (btrim(name) <> '');
        alter table factories add constraint factories_address_finite check (btrim(address) <> '')""")
    cluster.run_init(fresh.info.dbname)
    assert set(fresh.execute(query)) - before == {("factories_address_finite", "CHECK ((btrim(address) <> ''::text))")}
    assert before - set(fresh.execute(query)) == set()


def catalogue(plant: Digest, query: str) -> set[str]:
    """The first column of a query of the catalogue."""
    return {name for (name,) in plant.connection.execute(query)}


def test_every_constraint_has_a_case(plant: Digest) -> None:
    constraints = catalogue(plant, """
        select conname from pg_constraint c
        where c.connamespace in ('public'::regnamespace, 'enms'::regnamespace) and c.contype in ('c', 'f', 'u', 'p', 'x')
        union all
        select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid
        where c.relnamespace in ('public'::regnamespace, 'enms'::regnamespace) and i.indisunique
          and not exists (select from pg_depend d where d.objid = i.indrelid and d.deptype = 'e')""")  # fmt: skip
    assert len(constraints) > 100
    assert constraints - {case.names for case in [*VALUES, *STATEMENTS]} == set()


def test_every_column_has_a_case(plant: Digest) -> None:
    columns = """
        select c.relname || '.' || a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped and {}"""
    nulls = {f"{case.table}.{case.column}" for case in VALUES if case.value is None}
    assert catalogue(plant, columns.format("a.attnotnull")) == nulls
    # A column of type text takes every text; what is no text is refused in the same way for all.
    assert catalogue(plant, columns.format("a.atttypid <> 'text'::regtype")) == {f"{case.table}.{case.column}" for case in VALUES}
    internal = columns.replace("public", "enms").replace("c.relname || '.'", "'enms.' || c.relname || '.'")
    assert catalogue(plant, internal.format("a.attnotnull")) == {f"enms.{case.covers}" for case in STATEMENTS if case.about.endswith("=null")}


def test_every_trigger_function_and_view_has_a_case(plant: Digest) -> None:
    covered = {case.covers for case in STATEMENTS} | {case.names for case in [*VALUES, *STATEMENTS]}
    refusing = catalogue(plant, """
        select t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid
        where c.relnamespace in ('public'::regnamespace, 'enms'::regnamespace) and not t.tgisinternal and p.prosrc ~ 'raise exception'""")  # fmt: skip
    functions = catalogue(plant, """
        select p.pronamespace::regnamespace || '.' || p.proname from pg_proc p
        where p.pronamespace in ('public'::regnamespace, 'enms'::regnamespace)
          and (p.prorettype = 'trigger'::regtype or p.pronamespace = 'enms'::regnamespace and p.prosrc ~ 'raise exception')
          and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')""")  # fmt: skip
    views = catalogue(plant, """
        select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('v', 'm')
          and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')""")  # fmt: skip
    assert len(refusing) > 10 and functions and views
    assert (refusing | functions | views) - covered == set()


def test_every_argument_has_a_case(plant: Digest) -> None:
    arguments = catalogue(plant, """
        select p.proname || '.' || a.name from pg_proc p cross join unnest(p.proargnames[:p.pronargs]) a (name)
        where p.pronamespace = 'public'::regnamespace and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')""")  # fmt: skip
    assert len(arguments) > 20
    assert arguments == {f"{case.function}.{case.argument}" for case in CALLS}


def test_there_are_enough_cases() -> None:
    """Each has a name of its own."""
    names = [str(case) for case in [*VALUES, *STATEMENTS, *CALLS, *ACCEPTED]]
    assert len(names) == len(set(names)) > 1200, {name for name in names if names.count(name) > 1}
    assert len(VALUES) > 200
