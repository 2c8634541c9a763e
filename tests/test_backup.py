"""A backup restored, on the same server and on a new one: everything is there as it was, and goes on."""

from collections.abc import Iterator

import psycopg
import pytest

from backed_up import PLACE, Server, fill, rows, server
from scripts.server import COMMUNITY, memory_flags
from verified import until

# Roles, objects, grants and settings of a user's own, as an installation gathers them.
OWN = """
create role team nologin;
create role clerk login password 'clerk-pw' in role enms_reader connection limit 5 valid until '2099-01-01 00:00:00+00';
create role "Line ""4"" gateway" login password 'gateway-pw' in role enms_ingest;
grant team to clerk with admin option;
alter role clerk set search_path to "$user", public, "Odd, schema";
alter role clerk set work_mem to '8MB';
alter role team set search_path = '';
alter role clerk in database enms set statement_timeout to '33s';
alter database enms set own.motto to 'it''s "quoted", \\ and more';
alter database enms set search_path to "$user", public, own;
alter database enms connection limit 77;
comment on database enms is 'Plant 4';
grant create on database enms to team with grant option;
revoke temporary on database enms from public;
create schema own authorization clerk;
create table own.notes (
    id integer generated always as identity primary key, at timestamptz default now(), body text, raw bytea, ratio double precision,
    machine uuid references public.machines);
insert into own.notes (body, raw, ratio)
select case when n % 7 > 0 then repeat('é"\\', n) end, decode(md5(n::text), 'hex'), pi() / n from generate_series(1, 40) n;
create table own.parts (id integer, "Kind of thing" text) partition by list ("Kind of thing");
create table own.parts_a partition of own.parts for values in ('a');
insert into own.parts values (1, 'a');
create table own.empty ();
create view own.hours as select bucket, sum(total_energy_kwh) as energy from public.energy_readings_1hour group by bucket;
create materialized view own.total as select count(*) as readings from public.energy_readings;
create materialized view own.rate as
select 1.0 / count(*) as each from public.energy_readings where time < now() - interval '10 days' and time > now() - interval '30 days';
create materialized view own.unfilled as select 1 as one with no data;
create function own.twice(number integer) returns integer language sql immutable as 'select number * 2';
create unlogged table own.cache as select 1 as one;
grant select on own.notes to enms_reader;
alter default privileges in schema own grant select on tables to team;
update public.energy_tariffs set rate_per_kwh = rate_per_kwh + 0.01, valid_to = '2039-12-31' where name = 'Base';
insert into public.energy_tariffs (factory_id, name, rate_per_kwh, currency, valid_from)
values ('11111111-1111-1111-1111-111111111111', 'Next contract', 0.3, 'USD', '2040-01-01');
"""
JOB = """
create table own.ticks (at timestamptz default clock_timestamp());
create procedure own.tick(job integer, config jsonb) language sql as 'insert into own.ticks default values';
select add_job('own.tick', interval '1 day', config => '{"key": "value"}', initial_start => now() + interval '1 day');
"""
ROLES = """
select rolname, rolcanlogin, rolconnlimit, rolvaliduntil, rolpassword, rolinherit,
       (select setconfig from pg_db_role_setting where setrole = a.oid and setdatabase = 0),
       array(select format('%s %s', roleid::regrole, admin_option) from pg_auth_members where member = a.oid order by 1)
from pg_authid a where oid >= 16384 order by 1
"""


@pytest.fixture(scope="module")
def source(edition: str, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server in use for a while."""
    with server(edition, request.config, settings=memory_flags()) as made:
        with made.connect() as session:
            fill(session, edition)
            session.execute(OWN)
            if edition == COMMUNITY:
                session.execute(JOB)
            # The materialized view is out of date by now.
            session.execute("insert into energy_readings (time, machine_id, power_kw) select now() - interval '1 second', id, 1 from machines")
            # Policies that run change what a client reads while they do.
            _schedule(session, False)
        yield made


def _schedule(session: psycopg.Connection, scheduled: bool) -> None:
    session.execute("select alter_job(job_id, scheduled => %s) from timescaledb_information.jobs where hypertable_name is not null", [scheduled])


def _all(place: Server) -> dict[str, object]:
    with place.connect() as session:
        told = {name: session.execute(question).fetchall() for name, question in {"roles": ROLES, "database": PLACE}.items()}
        told["sequences"] = session.execute("select schemaname, sequencename, last_value from pg_sequences where schemaname !~ '^_?timesc' order by 1, 2").fetchall()
    # A job of the user's runs at once in a database that was restored.
    return told | {"schema": place.schema(), "rows": {name: digest for name, digest in place.digests().items() if name != "own.ticks"}}


def test_everything_is_as_it_was(source: Server, edition: str, request: pytest.FixtureRequest) -> None:
    if edition == COMMUNITY:
        _check_storage(source)
    before = _all(source)
    assert len(before["rows"]) > 30 and len(set(before["rows"].values())) > 20
    backup = source.backup()
    output = source.done("restore", str(backup))
    assert "Kept: what was enms until now is enms_before_" in output and "as its manifest says" in output
    _assert_same(_all(source), before)
    with source.connect() as session:
        _schedule(session, True)
    _check_use(source, edition)

    # The same on a server that never saw the roles, where the first restore has to make them.
    with server(edition, request.config, backups=source.backups, settings=memory_flags()) as new:
        new.done("restore", str(backup))
        _assert_same(_all(new), before)
        with new.connect() as session:
            _schedule(session, True)
        new.done("verify")
        _check_users(new)
        _check_use(new, edition)


def _assert_same(now: dict, before: dict) -> None:
    assert now["schema"] ^ before["schema"] == set()
    for what in now:
        assert now[what] == before[what], what


def _check_storage(source: Server) -> None:
    """The database holds what the test is about."""
    with source.connect() as session:
        chunks = session.execute(
            "select is_compressed, count(*) from timescaledb_information.chunks where hypertable_name = 'energy_readings' group by 1 order by 1"
        ).fetchall()
        assert [compressed for compressed, _ in chunks] == [False, True]
        old = "{} < now() - interval '95 days'"
        assert session.execute(f"select count(*) from energy_readings where {old.format('time')}").fetchone() == (0,)
        assert session.execute(f"select count(*) > 100 from energy_readings_1min where {old.format('bucket')}").fetchone() == (True,)
        assert rows(session, "audit_log") > 5


def _check_users(place: Server) -> None:
    """The roles log in with their passwords, and may and find what they did."""
    for user, password in ("clerk", "clerk-pw"), ('Line "4" gateway', "gateway-pw"):
        with psycopg.connect(place.cluster.dsn("enms"), user=user, password=password) as session:
            timeout, path, motto = session.execute(
                "select current_setting('statement_timeout'), current_setting('search_path'), current_setting('own.motto')"
            ).fetchone()
            assert motto == 'it\'s "quoted", \\ and more'
            if user == "clerk":
                assert (timeout, path) == ("33s", '"$user", public, "Odd, schema"')
                assert rows(session, "energy_readings") > 0 and rows(session, "own.notes") >= 40
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    session.execute("delete from energy_readings")


def _check_use(place: Server, edition: str) -> None:
    """The database goes on: numbers, readings and what follows from them, jobs."""
    with place.connect() as session:
        (latest,) = session.execute("select max(id) from own.notes").fetchone()
        assert session.execute("insert into own.notes (body) values ('next') returning id").fetchone() == (latest + 1,)
        assert session.execute("select readings from own.total").fetchone()[0] > 1000
        assert session.execute("select own.twice(2), (select count(*) > 0 from own.hours)").fetchone() == (4, True)
        changes = rows(session, "audit_log")
        session.execute("update energy_tariffs set rate_per_kwh = 0.31 where name = 'Next contract'")
        session.execute("update energy_tariffs set rate_per_kwh = 0.3 where name = 'Next contract'")
        assert rows(session, "audit_log") == changes + 2
        session.execute("insert into energy_readings (time, machine_id, power_kw) select '2030-01-01 00:00:30', id, 7 from machines limit 1")
        for level in "1min", "15min", "1hour", "1day":
            assert session.execute(f"select avg_power_kw::float from energy_readings_{level} where bucket = '2030-01-01'").fetchone() == (7,)
        session.execute("delete from energy_readings where time > '2029-12-31'")
        if edition == COMMUNITY:
            _check_jobs(session)


def _check_jobs(session: psycopg.Connection) -> None:
    """The scheduler is back without being asked, and each kind of policy does its work."""
    until(session, "select count(*) >= 14 from timescaledb_information.job_stats where last_run_status = 'Success'", 120)
    assert session.execute("select job_id from timescaledb_information.job_stats where last_run_status = 'Failed'").fetchall() == []
    session.execute("select _timescaledb_functions.stop_background_workers()")
    jobs = "select job_id from timescaledb_information.jobs where hypertable_name = 'energy_readings' and proc_name = 'policy_{}'"
    count = "select count(*) from timescaledb_information.chunks where hypertable_name = 'energy_readings' and range_end < now() - interval '{}' and {}"
    for days, policy, aged, which in (12, "compression", "11 days", "not is_compressed"), (99, "retention", "97 days", "true"):
        session.execute(f"insert into energy_readings (time, machine_id, power_kw) select now() - interval '{days} days', id, 1 from machines")
        assert session.execute(count.format(aged, which)).fetchone()[0] == 1
        (job,) = session.execute(jobs.format(policy)).fetchone()
        session.execute(f"call run_job({job})")
        assert session.execute(count.format(aged, which)).fetchone()[0] == 0
    ticks = rows(session, "own.ticks")
    (job,) = session.execute("select job_id from timescaledb_information.jobs where proc_name = 'tick' and config = '{\"key\": \"value\"}'").fetchone()
    session.execute(f"call run_job({job})")
    assert rows(session, "own.ticks") == ticks + 1
