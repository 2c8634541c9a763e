"""The stack's services as clients of this database: every column they name, every statement they send, as they send it."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

import asyncpg
import psycopg
import pytest
from psycopg import errors, pq

from conftest import CHECKOUT
from contract import analytics, dependants, expressions, grafana, nodered, scripts
from contract.rollups import ROLLUPS
from contract.services import GRANTS, Services, services  # noqa: F401
from contract.tables import ENUMS, TABLES, WRITTEN, split
from contract.views import FUNCTIONS, VIEWS
from scripts.server import COMMUNITY

LONG = {"character varying": "varchar", "timestamp with time zone": "timestamptz"}


def short(text: str) -> str:
    """A type or a default as people write it."""
    for long, name in LONG.items():
        text = text.replace(long, name)
    return text


def columns(connection: psycopg.Connection, relation: str) -> list[tuple[str, str, bool, str]]:
    """Name, type, whether it refuses NULL, and default, in order."""
    rows = connection.execute(
        "select a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, coalesce(pg_get_expr(d.adbin, d.adrelid), '')"
        " from pg_attribute a left join pg_attrdef d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)"
        " where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped order by a.attnum", [relation]
    )  # fmt: skip
    return [(name, short(kind), strict, re.sub(r"::[\w ]+", "", short(default))) for name, kind, strict, default in rows]


def test_every_column_of_the_tables(connection: psycopg.Connection) -> None:
    for table, text in TABLES.items():
        found, declared = columns(connection, table), split(text)
        # Ours come after theirs.
        for (name, kind, strict, default), wanted in zip(found, declared, strict=False):
            told = f"{name} {kind}{f' default {default}' if default else ''}"
            assert told == wanted.replace(" not null", ""), table
            # Stricter only where no client writes.
            assert strict or " not null" not in wanted, f"{table}.{name}"
            assert not strict or " not null" in wanted or table not in WRITTEN, f"{table}.{name}"
        assert len(found) >= len(declared), table
        assert not any(strict and not default for *_, strict, default in found[len(declared) :]), table


def test_every_column_of_the_rollups_and_views(connection: psycopg.Connection) -> None:
    for rollup, text in ROLLUPS.items():
        assert [f"{name} {kind}" for name, kind, *_ in columns(connection, rollup)][: len(split(text))] == split(text), rollup
    for view, text in VIEWS.items():
        assert [name for name, *_ in columns(connection, view)][: len(split(text))] == split(text), view


def test_every_label_of_the_enums_in_order(connection: psycopg.Connection) -> None:
    for name, labels in ENUMS.items():
        found = connection.execute("select enumlabel from pg_enum where enumtypid = %s::regtype order by enumsortorder", [name])
        assert [label for label, in found] == labels.split()


def test_every_function_by_arguments_and_columns(services: Services) -> None:
    with services.connect("dashboards") as reader:
        for function, (arguments, result) in FUNCTIONS.items():
            told = "select pg_get_function_identity_arguments(oid), pg_get_function_result(oid) from pg_proc where proname = %s"
            ((identity, returns),) = reader.execute(told, [function]).fetchall()
            wanted = split(result)
            plain = [re.sub(r"\(.*", "", column) for column in wanted]
            assert short(identity) == arguments
            assert re.findall(r"TABLE\((.*)\)", short(returns))[0].split(", ")[: len(wanted)] == plain, function
            # Three parameters without a type, as node-postgres sends them.
            one = "11111111-1111-1111-1111-111111111111" if function == "get_factory_summary" else nodered.PUMP
            now = datetime.now(UTC)
            rows = send(reader, f"select * from {function}($1, $2, $3)", [one, (now - timedelta(days=1)).isoformat(), now.isoformat()])
            assert len(rows) == 1, function
            for text, column in zip(rows[0], wanted, strict=False):
                if text is not None and (scale := re.search(r",(\d+)\)", column)):
                    assert len(text.partition(".")[2]) == int(scale[1]), f"{function}: {column} is {text}"


def send(connection: psycopg.Connection, statement: str, values: list[str | None]) -> list[list[str | None]]:
    """Send an unnamed prepared statement with parameters that are text and have no type; the rows as text."""
    result = connection.pgconn.exec_params(statement.encode(), [None if value is None else value.encode() for value in values])
    if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
        raise psycopg.errors.error_from_result(result)
    cells = [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]
    return [[None if cell is None else cell.decode() for cell in row] for row in cells]


def stored(value: str | None, kind: str) -> object:
    """What a text becomes in a column of that type."""
    if value is None or kind.startswith(("varchar", "operating_mode")):
        return value
    if scale := re.match(r"numeric\(\d+,(\d+)\)", kind):
        return Decimal(value).quantize(Decimal(1).scaleb(-int(scale[1])), ROUND_HALF_UP)
    if kind == "timestamptz":
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return {"uuid": UUID, "integer": int, "jsonb": json.loads, "boolean": "true".__eq__}[kind](value)


@pytest.mark.parametrize(("kind", "message", "change"), nodered.MESSAGES, ids=[f"{n} {m[0]}" for n, m in enumerate(nodered.MESSAGES)])
def test_what_the_flow_sends_is_stored_and_corrected(services: Services, kind: str, message: dict, change: dict) -> None:
    with services.connect("collector") as collector, services.connect("dashboards") as reader:
        (table, names, key, updated), first = nodered.process(kind, message)
        target, second = nodered.process(kind, message | change)
        kinds = {part.split()[0]: part.split()[1] for part in split(TABLES[table])}
        where = " and ".join(f"{column} = %s" for column in key.split())

        def row() -> dict:
            question = f"select {', '.join(names.split())} from {table} where {where}"
            (found,) = reader.execute(question, [first[column] for column in key.split()]).fetchall()
            told = dict(zip(names.split(), found, strict=True))
            assert told.pop("source", "mqtt") == "mqtt"
            assert abs(told.pop("last_updated", datetime.now(UTC)) - datetime.now(UTC)) < timedelta(minutes=1)
            return told

        send(collector, nodered.statement(target), list(first.values()))
        wanted = {column: stored(value, kinds[column]) for column, value in first.items()}
        assert row() == wanted
        send(collector, nodered.statement(target), list(second.values()))
        assert row() == wanted | {column: stored(second[column], kinds[column]) for column in updated.split() if column in second}


def test_a_time_without_an_offset_is_utc_for_every_service(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    noon, wanted = "select timestamptz '2026-07-01T12:00:00.123456'", datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)

    async def asked(service: str) -> datetime:
        # The pool resets its only connection between the two.
        async with asyncpg.create_pool(**services.asyncpg(service), min_size=1, max_size=1) as pool:
            await pool.fetchval("select set_config('timezone', 'Asia/Tokyo', false)")
            return await pool.fetchval(noon)

    # The zone of the client's machine is not sent to the server.
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    for service in [*GRANTS, "owner"]:
        with services.connect(service) as connection:
            assert connection.execute(noon).fetchone()[0] == wanted, service
    # asyncpg, as node-postgres, has no use for PGTZ. libpq sends it, and a client that asks for a zone gets it.
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    for service in GRANTS:
        assert asyncio.run(asked(service)) == wanted, service
    with services.connect("collector") as connection:
        assert connection.execute(noon).fetchone()[0] == wanted - timedelta(hours=9)


def test_what_the_analytics_service_writes(services: Services) -> None:
    """By a pool, whose statements are named and prepared, and which resets a connection when it is given back."""

    async def work() -> None:
        async with asyncpg.create_pool(**services.asyncpg("analytics"), min_size=1, max_size=2) as pool:
            ids = [await pool.fetchval(analytics.ANOMALY, *values) for values in analytics.ANOMALIES]
            async with pool.acquire() as connection:
                row = await connection.fetchrow("select * from anomalies where id = $1", ids[0])
                assert (row["machine_id"], row["detected_at"], row["severity"]) == (analytics.MACHINE, analytics.THEN, "warning")
                numbers = "metric_value", "expected_value", "deviation_percent", "deviation_std_dev", "confidence_score"
                assert [str(row[name]) for name in numbers] == ["93.123457", "61.500000", "51.42", "3.10", "0.9313"]
                assert row["is_resolved"] is False and row["resolved_at"] is None and row["created_at"].tzinfo
                # By rank, not by letter.
                severities = [found[0] for found in await connection.fetch(analytics.WORST_FIRST, analytics.MACHINE)]
                assert severities == ["critical", "warning", "warning", "normal"]
            solved = await pool.fetchrow(analytics.RESOLVE, ids[0], True, "a loose belt")
            assert list(solved.keys()) == ["id", "machine_id", "anomaly_type", "severity", "detected_at", "resolved_at"]
            assert solved["resolved_at"] > solved["detected_at"]

            for retire in (analytics.RETIRE, [analytics.MACHINE, analytics.SOURCE]), (analytics.RETIRE_ALL, [analytics.MACHINE]):
                version = await pool.fetchval(analytics.NEXT_VERSION, analytics.MACHINE, analytics.SOURCE)
                await pool.execute(retire[0], *retire[1])
                assert isinstance(await pool.fetchval(analytics.BASELINE, *analytics.baseline(version)), UUID)
            (active,) = await pool.fetch(analytics.ACTIVE, analytics.MACHINE, True)
            assert active["model_version"] == 2 and active["feature_names"] == ["production_count", "outdoor_temp_c"]
            assert json.loads(active["coefficients"]) == {"production_count": 0.0213, "outdoor_temp_c": -0.5}
            with pytest.raises(asyncpg.UniqueViolationError):
                await pool.fetchval(analytics.BASELINE, *analytics.baseline(2))

    asyncio.run(work())


def test_how_the_analytics_service_reads(services: Services) -> None:
    async def work() -> None:
        connection = await asyncpg.connect(**services.asyncpg("dashboards"))
        now = datetime.now(UTC)
        # Enums are looked up in the catalogue, with jit switched off for it.
        machines = await connection.fetch(expressions.QUERIES["machines of the simulator"])
        assert len(machines) == 7 and machines[0]["type"] == "compressor" and isinstance(machines[0]["id"], UUID)
        sums = await connection.fetch(analytics.BY_MACHINES, [row["id"] for row in machines], now - timedelta(days=1))
        assert len(sums) == 7
        bucket = await connection.fetchval("select max(bucket) from energy_readings_1hour")
        assert datetime.fromisoformat(bucket.isoformat()).utcoffset() == timedelta()
        latest = "select dominant_mode from production_data_1min where machine_id = $1 order by bucket desc"
        mode = await connection.fetchval(latest, machines[1]["id"])
        assert mode == "running"
        for function in FUNCTIONS:
            one = UUID("11111111-1111-1111-1111-111111111111") if function == "get_factory_summary" else machines[0]["id"]
            row = await connection.fetchrow(f"select * from {function}($1, $2, $3)", one, now - timedelta(days=1), now)
            assert dict(row), function
        prepared = await connection.prepare("select * from calculate_all_kpis($1, $2, $3)")
        assert [parameter.name for parameter in prepared.get_parameters()] == ["uuid", "timestamptz", "timestamptz"]
        for statement in analytics.RELEASE:
            await connection.execute(statement)
        # What was prepared stays, and so does the zone.
        assert (await prepared.fetchrow(machines[0]["id"], now - timedelta(days=1), now))["total_energy_kwh"] > 0
        assert await connection.fetchval("show timezone") == "UTC"
        await connection.close()

    asyncio.run(work())


def test_no_group_may_write_what_the_analytics_service_writes(services: Services) -> None:
    for service in "collector", "dashboards":
        with services.connect(service) as connection:
            for statement in "insert into anomalies default values", "insert into energy_baselines default values":
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(statement)


def test_what_the_scripts_send(services: Services, edition: str) -> None:
    with services.connect("owner") as owner:
        owner.execute(scripts.ENERGY % "01")
        with pytest.raises(errors.UniqueViolation):
            owner.execute(scripts.ENERGY % "01")
        owner.execute(f"{scripts.ENERGY % '01'} on conflict do nothing")
        with pytest.raises(errors.InvalidColumnReference):
            owner.execute(scripts.REFUSED)
        statements = [f"{scripts.ENERGY % '02'} on conflict do nothing", scripts.MENDED]
        for day, statement in enumerate(scripts.PRODUCTION, 1):
            owner.execute(statement % (f"{day:02}", ""))
            statements += [statement % (f"{day + 10}", way) for way in (scripts.BOTH, "on conflict do nothing")]
        owner.execute(scripts.ENVIRONMENT % ("01", ""))
        statements += [scripts.ENVIRONMENT % (day, way) for day, way in (("02", scripts.BOTH), ("03", "on conflict do nothing"))]
        for statement in statements:
            owner.execute(statement)
            assert owner.execute(statement).rowcount == 0, statement
        for pressure in "7.1", "7.2":
            owner.execute((scripts.ENVIRONMENT % ("04", scripts.UPSERT)).replace("7.1", pressure))
        corrected = owner.execute("select pressure_bar, indoor_temp_c from environmental_data where time = '2025-02-04 08:00'")
        assert corrected.fetchall() == [(Decimal("7.2"), Decimal("21.5"))]
        counts = [owner.execute(f"select count(*) from {table} where time < '2025-03-01'").fetchone()[0] for table in scripts.TABLES]
        assert counts == [3, 10, 4]
        if edition == COMMUNITY:
            for rollup in scripts.REFRESHED:
                owner.execute(f"call refresh_continuous_aggregate('{rollup}', '2025-02-01', '2025-03-01')")
        for table, count in zip(scripts.TABLES, counts, strict=True):
            assert owner.execute(scripts.DELETE.format(table)).rowcount == count


@pytest.mark.community
def test_the_jobs_that_a_script_alters_by_number(services: Services) -> None:
    with services.connect("owner") as owner, owner.transaction(force_rollback=True):
        jobs = owner.execute(
            "select j.hypertable_name from timescaledb_information.jobs j"
            " where job_id between 1000 and 1008 and proc_name = 'policy_refresh_continuous_aggregate' order by job_id"
        ).fetchall()
        assert [name for name, in jobs] == scripts.JOBS
        for number in range(1000, 1009):
            owner.execute(f"select alter_job({number}, schedule_interval => interval '10 minutes')")


@pytest.mark.parametrize("query", expressions.QUERIES)
def test_expressions_that_hold_for_some_types_only(services: Services, query: str) -> None:
    with services.connect("dashboards") as reader:
        reader.execute(expressions.QUERIES[query].replace("$machine_id", nodered.PUMP))


def test_what_the_stacks_later_files_make(services: Services) -> None:
    with services.connect("owner") as owner, owner.transaction(force_rollback=True):
        owner.execute("delete from energy_baselines")
        for statement in dependants.MADE.values():
            owner.execute(statement)
        for question in dependants.ASKED:
            answer = owner.execute(question.format(m=nodered.HVAC)).fetchone()
            assert answer and answer[0], question


def test_the_data_source_leads_to_the_database(services: Services) -> None:
    (source,) = grafana.SOURCE["datasources"]
    assert grafana.SOURCE["apiVersion"] == 1 and source["type"] == "postgres" and source["access"] == "proxy"
    example = dict(line.split("=", 1) for line in (CHECKOUT / ".env.example").read_text().splitlines() if re.match(r"\w+=", line))
    options = source["jsonData"]
    assert source["url"] == f"{example['ENMS_BIND']}:{example['ENMS_PORT']}" and options["database"] == source["database"] == example["POSTGRES_DB"]
    assert options["timescaledb"] is True and source["secureJsonData"] == {"password": "$ENMS_GRAFANA_PASSWORD"}
    assert "password" not in source
    with services.connect("dashboards", sslmode=options["sslmode"]) as reader:
        assert not reader.pgconn.ssl_in_use
        # What Save & test asks.
        assert reader.execute("select 1").fetchone() == (1,)
        with pytest.raises(errors.InsufficientPrivilege):
            reader.execute("delete from energy_readings")
        assert reader.execute("select current_setting('server_version_num')::int / 100").fetchone()[0] >= options["postgresVersion"]


def test_every_panel_of_the_dashboard_shows_something(services: Services) -> None:
    now = datetime.now(UTC)
    with services.connect("owner") as owner, services.connect("dashboards") as reader:
        anomaly = "insert into anomalies (machine_id, detected_at, anomaly_type, severity) values (%s, now(), 'spike', 'critical')"
        owner.execute(anomaly, [nodered.PUMP])
        (variable,) = grafana.DASHBOARD["templating"]["list"]
        cursor = reader.execute(variable["query"])
        assert [column.name for column in cursor.description] == ["__text", "__value"]
        values = [value for _, value in cursor.fetchall()]
        assert values[0] == "all" and nodered.PUMP in values
        for panel in grafana.DASHBOARD["panels"]:
            (target,) = panel["targets"]
            assert target["datasource"]["uid"] == panel["datasource"]["uid"] == grafana.SOURCE["datasources"][0]["uid"]
            for machine in "all", nodered.PUMP:
                for interval in "30s", "5m", "1d":
                    sql = grafana.expand(target["rawSql"], now - timedelta(days=1), now, interval, machine_id=machine)
                    rows = (cursor := reader.execute(sql)).fetchall()
                    names = [column.name for column in cursor.description]
                    assert rows, panel["title"]
                    if target["format"] == "time_series":
                        times = [row[names.index("time")] for row in rows]
                        assert times == sorted(times) and isinstance(times[0], datetime), panel["title"]
                        assert isinstance(rows[0][names.index("metric")], str) and len(names) == 3
                    if machine != "all" and panel["title"] in ("Power", "Energy by day", "Figures of the machine"):
                        assert {row[names.index("metric" if "metric" in names else "name")] for row in rows} == {"Demo Manufacturing Plant / Hydraulic-Pump-1"}


def panel(title: str) -> str:
    """The statement of a panel of the dashboard."""
    (sql,) = (panel["targets"][0]["rawSql"] for panel in grafana.DASHBOARD["panels"] if panel["title"] == title)
    return sql


def test_machines_of_one_name_are_kept_apart(services: Services) -> None:
    with services.connect("owner") as owner, owner.transaction(force_rollback=True):
        owner.execute("update machines set name = 'Same' where name in ('Hydraulic-Pump-1', 'Compressor-EU-1')")
        owner.execute("delete from energy_readings where time > now() - interval '1 hour'")
        for factory, kw in ("Demo Manufacturing Plant", 10), ("European Production Facility", 30):
            owner.execute("insert into energy_readings (time, machine_id, power_kw) select date_trunc('minute', now()) - interval '10 seconds', m.id, %s"
                          " from machines m join factories f on f.id = m.factory_id where m.name = 'Same' and f.name = %s", [kw, factory])  # fmt: skip
        now = owner.execute("select now()").fetchone()[0]
        found = owner.execute(grafana.expand(panel("Power"), now - timedelta(minutes=30), now, "1d", machine_id="all")).fetchall()
        assert {(metric, float(kw)) for _, metric, kw in found if "Same" in metric} == {("Demo Manufacturing Plant / Same", 10), ("European Production Facility / Same", 30)}
        for title in "Energy today", "Energy by day", "Figures of the machine":
            rows = (cursor := owner.execute(grafana.expand(panel(title), now - timedelta(days=1), now, "1d", machine_id="all"))).fetchall()
            label = next(n for n, column in enumerate(cursor.description) if column.name in ("metric", "name"))
            assert len({row[label] for row in rows if "Same" in row[label]}) == 2 or title == "Energy by day", title
        labels = [text for text, _ in owner.execute(grafana.DASHBOARD["templating"]["list"][0]["query"])]
        assert len(labels) == len(set(labels)) == 8


def test_the_month_of_the_cost_is_the_factory_s(services: Services) -> None:
    """In the hours at a month's end in which the month is another one in UTC."""
    with services.connect("owner") as owner, owner.transaction(force_rollback=True):
        for month, machine in (1, nodered.PUMP), (2, "c0000000-0000-0000-0000-000000000006"):
            owner.execute("insert into energy_readings (time, machine_id, power_kw, energy_kwh) values (%s, %s, 60, 1)", [datetime(2026, month, 15, 12, tzinfo=UTC), machine])
        # In Los Angeles it is January, in Berlin February.
        for end, machines in ((datetime(2026, 2, 1, 3, tzinfo=UTC), {"Hydraulic-Pump-1", "Compressor-EU-1"}), (datetime(2026, 2, 1, 9, tzinfo=UTC), {"Compressor-EU-1"}),
                              (datetime(2026, 1, 31, 23, 30, tzinfo=UTC), {"Hydraulic-Pump-1", "Compressor-EU-1"})):  # fmt: skip
            rows = (cursor := owner.execute(grafana.expand(panel("Cost of the month"), end - timedelta(days=1), end, machine_id="all"))).fetchall()
            names = [column.name for column in cursor.description]
            assert {row[names.index("machine_name")] for row in rows if row[names.index("kWh")]} == machines
