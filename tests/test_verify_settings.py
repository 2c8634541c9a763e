"""Every setting of postgresql.conf and of the spec is overridden in every way there is, and each is named."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from verified import SPEC, details, dsn, names, own_cluster, until, verify_anew  # noqa: F401
from verify.configuration import declared
from verify.report import lines
from verify.result import Outcome, Result

WANTED = declared() | SPEC.configuration["required"] | SPEC.configuration["unless_by_role"]
TEXTS = {
    "timezone": "Asia/Tokyo", "log_timezone": "Asia/Tokyo", "search_path": "m_schema", "shared_preload_libraries": "timescaledb",
    "listen_addresses": "localhost", "log_line_prefix": "m ", "lc_messages": "C.UTF-8", "datestyle": "German, DMY",
}  # fmt: skip


def others(connection: psycopg.Connection) -> dict[str, tuple[str, str]]:
    """For each setting that the server knows: another value, and its context."""
    found = {}
    query = "select lower(name), reset_val, vartype, enumvals, max_val, unit, context from pg_settings where lower(name) = any (%s)"
    for name, value, kind, choices, largest, unit, context in connection.execute(query, [list(WANTED)]):
        if kind == "bool":
            other = "off" if value == "on" else "on"
        elif kind == "enum":
            other = next(choice for choice in choices if choice != value)
        elif kind == "string":
            other = TEXTS[name]
        elif unit == "ms":
            other = str(int(value) + 60_000)
        else:
            step = 1 if kind == "integer" else 0.01
            other = f"{float(value) + (step if float(value) + step <= float(largest) else -step):g}"
        found[name] = other, context
    return found


def check_of(name: str, results: list[Result]) -> str:
    """Name of the check that a setting has."""
    return next(result.name for result in results if result.name == f"setting {name}" or result.name.startswith(f"setting {name} must "))


@contextmanager
def overridden(dsn: str, how: str, contexts: set[str], undo: str) -> Iterator[list[str]]:
    """Every setting of these contexts set to another value; yields their names."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        # As a reload would make it otherwise for this session too.
        connection.execute("set default_transaction_read_only = off")
        values = {name: other for name, (other, context) in others(connection).items() if context in contexts}
        # As text, since work_mem = 65537 has to be quoted no more than on has.
        statements = [psycopg.sql.SQL(f"{how} set {name} = {{}}").format(value) for name, value in values.items()]
        try:
            for statement in statements:
                connection.execute(statement)
            yield list(values)
        finally:
            connection.execute(undo)
            reload(connection)


def reload(connection: psycopg.Connection) -> None:
    before = connection.execute("select extract(epoch from pg_conf_load_time())").fetchone()[0]
    connection.execute("select pg_reload_conf()")
    until(connection, f"select extract(epoch from pg_conf_load_time()) > {before}")


@pytest.mark.parametrize("how", ["database enms", "role enms_user", "role enms_user in database enms", "role all"])
def test_settings_of_a_session_are_named(dsn: str, how: str, request: pytest.FixtureRequest, edition: str) -> None:
    with overridden(dsn, f"alter {how}", {"user", "superuser"}, f"alter {how} reset all") as changed:
        results = verify_anew(dsn)
    assert names(results) == {check_of(name, results) for name in changed}, details(results)
    fixes = {result.verdict.fix for result in results if result.outcome is Outcome.FAILED}
    assert all(fix.startswith("alter ") and "reset" in fix for fix in fixes)
    request.config.mutations.setdefault(edition, {})[f"setting by ALTER {how.upper()}"] = len(changed), 0


def test_settings_of_the_system_are_named(dsn: str, request: pytest.FixtureRequest, edition: str) -> None:
    contexts = {"user", "superuser", "sighup", "postmaster", "superuser-backend", "backend"}
    with overridden(dsn, "alter system", contexts, "alter system reset all") as changed:
        with psycopg.connect(dsn, autocommit=True) as connection:
            reload(connection)
        results = verify_anew(dsn)
    told = {result.name: "\n".join(text for _, text in lines(result.verdict)) for result in results if result.outcome is Outcome.FAILED}
    unnamed = [name for name in changed if check_of(name, results) not in told and f"{name} = " not in told["settings by ALTER SYSTEM"]]
    assert not unnamed
    assert told.keys() - {check_of(name, results) for name in changed} == {"settings by ALTER SYSTEM"}
    request.config.mutations.setdefault(edition, {})["setting by ALTER SYSTEM"] = len(changed), 0


@pytest.mark.parametrize(("role", "wanted"), [("enms_ingest", set(WANTED)), ("m_own", set(SPEC.configuration["required"]))])
def test_settings_of_another_role_are_named(dsn: str, role: str, wanted: set[str], request: pytest.FixtureRequest, edition: str) -> None:
    """All of a group role's settings count; of a user's own role, those that must hold for every session."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create role m_own")
    try:
        with overridden(dsn, f"alter role {role}", {"user", "superuser"}, f"alter role {role} reset all") as changed:
            results = verify_anew(dsn, "settings")
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("drop role m_own")
    assert names(results) == {"settings by ALTER ROLE"}, details(results)
    extra = next(result.verdict.extra for result in results if result.outcome is Outcome.FAILED)
    assert {line.split()[1] for line in extra} == set(changed) & wanted
    request.config.mutations.setdefault(edition, {})[f"setting of role {role}"] = len(extra), 0
