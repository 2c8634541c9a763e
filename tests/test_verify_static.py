"""What --static finds: every statement of init/ and every object of the spec is taken away, and each has to be named."""

import copy
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlparse

from conftest import CHECKOUT
from scripts.cluster import Cluster
from verify import cli, psql, spec, static
from verify.psql import Statement
from verify.result import ExitCode, Outcome, Result
from verify.sources import Sources
from verify.static.inventory import take
from verify.static.plain import definition, trigger
from verify.text import short

INIT = CHECKOUT / "init"
SPEC = spec.load()
SOURCES = Sources()
FOUND = take(SOURCES.statements)

# Statements that may be missing without a fault in the database, and why.
HARMLESS = {
    r"set |select set_config\('(log_min|lock_timeout)": "a setting of the session, gone with it",
    r"do \$\$ begin (perform from pg_stat_statements|if current_setting)": "refuses a server that does not fit, and makes nothing",
    r"revoke all on schema enms ": "a new schema is nobody's but its owner's",
}
# Clauses that let a statement run again.
CLAUSES = r"if not exists ", r"or replace ", r"\s+on conflict do nothing", r",\s*if_not_exists => true", r"(?<=drop function) if exists"


def told(results: list[Result]) -> str:
    """All that the failures say."""
    failures = [result for result in results if result.outcome is Outcome.FAILED]
    return "\n".join(" ".join([r.name, r.verdict.detail, *r.verdict.missing, *r.verdict.extra]) for r in failures)


def names(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def instead(*pairs: tuple[Statement, Statement | None]) -> Sources:
    """The sources with some statements replaced or, by None, left out."""
    found, new = copy.copy(SOURCES), dict(pairs)
    kept = {name: [new.get(s, s) for s in script.statements if new.get(s, s)] for name, script in SOURCES.scripts.items()}
    found.__dict__ |= {"scripts": {name: replace(script, statements=kept[name]) for name, script in SOURCES.scripts.items()}}
    found.__dict__.pop("statements", None)
    return found


def counted(made: Counter, missed: list) -> None:
    print("\n" + "\n".join(f"{kind:<30}{count:>5}{count - sum(kind == m[0] for m in missed):>7}" for kind, count in sorted(made.items())))
    print(f"{'in all':<30}{made.total():>5}{made.total() - len(missed):>7}")
    assert not missed


def test_init_and_spec_agree() -> None:
    results = static.run(SPEC, SOURCES)
    assert [(r.name, r.verdict) for r in results if r.outcome is not Outcome.PASSED] == []
    assert len({r.name for r in results}) == len(results)


def test_statements_are_those_that_sqlparse_finds() -> None:
    for path in SOURCES.files:
        text = re.sub(r"^\s*\\.*$", "", path.read_text(), flags=re.M)
        text = re.sub(r"\\g[^'\n]*$", ";", text, flags=re.M)
        pieces = [re.sub(r"\A(?:\s*--[^\n]*(?:\n|\Z))+", "", piece).strip().rstrip(";").rstrip() for piece in sqlparse.split(text)]
        script = SOURCES.scripts[path.name]
        assert [statement.text for statement in script.statements] == [piece for piece in pieces if piece]
        lines = path.read_text().split("\n")
        assert all(lines[s.line - 1].lstrip().startswith(s.text.split("\n")[0]) for s in script.statements)


def kind_of(statement: Statement) -> str:
    words = " ".join(statement.text.lower().split())
    match = re.match(r"(create (?:or replace )?(?:unique |unlogged )?\w+|comment on (?:materialized )?\w+|select \w+|alter \w+|\S+)", words)
    return re.sub(r"(or replace|unique|unlogged) ", "", match[1])


def objects_of(statement: Statement) -> list[str]:
    """What a failure has to name where a statement is missing."""
    words = " ".join(re.sub(r"--[^\n]*", "", statement.text).split())
    if statement.end.startswith("\\gset"):
        return [":" + re.findall(r" as (\w+)", words)[-1]]
    if words.startswith("do "):
        return re.findall(r"create (?:constraint )?(?:type|role|trigger) (?:public\.)?(\w+)", words)
    if words.startswith(("grant", "revoke")):
        named = re.search(r" on (?:function |schema )?(.*) (?:to|from) ", words)[1]
        if named.startswith("all functions"):
            return ["enms.is_timezone" if statement.file == "02-schema.sql" else "enms.require_range"]
        if named.startswith("database"):
            return ["this database"]
        return [name.strip().removeprefix("public.") for name in re.sub(r"\([^)]*\)", "", named).split(",")]
    found = re.search(r"^(?:comment on (?:materialized )?\w+|create (?:or replace )?[\w ]*?(?:if not exists)?|insert into|alter (?:materialized )?\w+|:create_rollup"
                      r"|select \w+\(')\s*(?<!\w)([\w.]*\"?[\w.-]+\"?)(?= |\(|'|$)", words)  # fmt: skip
    if words.startswith("create"):
        found = re.match(r"create (?:or replace )?(?:unlogged |unique )?\w+ (?:if not exists )?([^\s(]+)", words)
    name = found[1].replace('"', "").removeprefix("public.")
    return ["completion marker"] if name == "enms.schema_version" and words.startswith("insert") else [name]


def test_every_statement_that_is_missing() -> None:
    missed, made, harmless = [], Counter(), Counter()
    missing = []
    for statement in SOURCES.statements:
        words = " ".join(statement.text.split()) + " "
        why = [pattern for pattern in HARMLESS if re.match(pattern, words)]
        if why:
            # The list above is to be no longer than it must.
            assert told(static.run(SPEC, instead((statement, None)))) == "", statement
            harmless[why[0]] += 1
        else:
            missing.append(statement)
    # Comments are many and each is found by its own name, so those of a file are left out together.
    for _, group in groupby(missing, lambda s: (s.file, s.text.startswith("comment"), s.text.startswith("comment") or s.line)):
        statements = list(group)
        text = told(static.run(SPEC, instead(*((statement, None) for statement in statements))))
        for statement in statements:
            made[kind_of(statement)] += 1
            missed += [(kind_of(statement), name) for name in objects_of(statement) if not names(text, name)]
    assert harmless.keys() == HARMLESS.keys()
    assert made.total() + harmless.total() == len(SOURCES.statements)
    counted(made, missed)


def test_every_clause_that_is_missing() -> None:
    missed, made = [], Counter()
    for statement in SOURCES.statements:
        # A function's body is none of its clauses.
        head, dollar, rest = statement.text.partition("$$")
        if head.startswith("do"):
            guards = re.finditer(r"\bif [^;]*?(not exists|is null)[^;]*? then", rest)
            changed = [head + dollar + rest[: g.start()] + "if true then" + rest[g.end() :] for g in guards]
        else:
            changed = [new + dollar + rest for clause in CLAUSES if (new := re.sub(clause, "", head, count=1)) != head]
        versions = [replace(statement, text=text) for text in changed]
        versions += [replace(statement, conditions=())] * bool(statement.conditions and head.startswith("insert"))
        assert versions or re.match(r"alter|comment|grant|revoke|set |select |do |:create_rollup", head), statement
        for version in versions:
            kind = f"{kind_of(statement)}{'' if version.text != statement.text else ', not under an if'}"
            made[kind] += 1
            text = told(static.files(instead((statement, version))))
            if not (names(text, f"{statement.file} can be run again") and names(text, f"line {statement.line}")):
                missed.append((kind, statement))
    counted(made, missed)


@pytest.mark.parametrize("clause", ["if not exists", "or replace "])
def test_a_rollup_that_cannot_be_made_again(clause: str) -> None:
    text = told(static.files(edited("03-timescaledb-setup.sql", lambda t: re.sub(rf"(\\set create_rollup '.*?) ?{clause}", r"\1", t))))
    assert all(names(text, f"line {s.line}") for s in SOURCES.statements if s.text.startswith(":create_rollup"))


def changed(value: Any, path: list, new: Callable[[Any], Any]) -> Any:
    """A copy of a nested value with `new` put to what is at the path; None takes it out."""
    if not path:
        return new(value)
    result, inner = copy.copy(value), changed(value[path[0]], path[1:], new)
    result[path[0]] = inner
    if inner is None:
        del result[path[0]]
    return result


def spoilt(value: Any) -> Any:
    """Another value of the same shape."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    return re.sub(r"^\d+", "77", value) if re.match(r"\d+ \w+$", value) else f"m_{value}"


Edit = Callable[[Any], Any]


def edits(value: Any, shape: Any, path: list, kind: str, name: str) -> Iterator[tuple[str, str, list, Edit]]:
    """Kind, name, place and edit of every change to the spec that leaves its shape as it is."""
    if isinstance(shape, dict):
        known = {key.rstrip("?"): key for key in shape}
        for key, item in value.items():
            own = "*" in shape
            label = key if own else item.get("name", name) if isinstance(item, dict) else name
            inner = kind if own and kind else f"{kind}.{key}".strip(".") if not own else kind
            if own:
                yield f"{kind} taken out", key, [*path, key], lambda v: None
                yield f"{kind} renamed", key, path, lambda v, key=key: {(f"m_{k}" if k == key else k): x for k, x in v.items()}
            elif known[key].endswith("?"):
                yield f"{inner} taken out", name, [*path, key], lambda v: None
            yield from edits(item, shape["*"] if own else shape[known[key]], [*path, key], inner, label)
        if "*" in shape:
            yield f"{kind} added", "m_added", path, lambda v: v | {"m_added": next(iter(v.values()))}
    elif isinstance(shape, list):
        for number, item in enumerate(value):
            label = item["name"] if isinstance(item, dict) else item.split()[0]
            yield f"{kind} taken out", label, path, lambda v, n=number: v[:n] + v[n + 1 :]
            if isinstance(item, dict):
                yield from edits(item, shape[0], [*path, number], kind, label)
            else:
                yield f"{kind} renamed", label, [*path, number], spoilt
        added = value[0] | {"name": "m_added"} if isinstance(value[0], dict) else "m_added text"
        yield f"{kind} added", "m_added", path, lambda v: [*v, added]
    else:
        yield f"{kind} changed", name, path, spoilt


def test_every_object_of_the_spec() -> None:
    missed, made = [], Counter()
    # The configuration is compared with postgresql.conf, by the server that reads it.
    for part in spec.SHAPE.keys() - {"configuration", "version"}:
        for kind, name, path, edit in edits(getattr(SPEC, part), spec.SHAPE[part], [], part, part):
            made[kind] += 1
            mutated = replace(SPEC, **{part: changed(getattr(SPEC, part), path, edit)})
            if not names(told(static.objects(mutated, SOURCES, FOUND)), name):
                missed.append((kind, name, path))
    counted(made, missed)


def edited(file: str, edit: Callable[[str], str]) -> Sources:
    """The sources with one file edited."""
    found, text = copy.copy(SOURCES), edit(SOURCES.texts[file])
    assert text != SOURCES.texts[file]
    found.__dict__ |= {"texts": SOURCES.texts | {file: text}, "scripts": SOURCES.scripts | {file: psql.read(file, text)}}
    for name in ("statements", "commands"):
        found.__dict__.pop(name, None)
    return found


STATIC = [
    ("01-extensions.sql", lambda t: t.replace("extension if not exists tablefunc", "extension if not exists cube"), "extensions of spec and init/", "cube (01-extensions.sql line 1"),
    ("02-schema.sql", lambda t: t + "\ncreate table if not exists public.more (id int);", "tables of spec and init/", "more (02-schema.sql line 1"),
    ("02-schema.sql", lambda t: t + "\ncreate table if not exists public.factories (id int);", "objects defined once", "tables: factories"),
    ("02-schema.sql", lambda t: t.replace("    address       text,\n", ""), "columns of factories", "address text"),
    ("02-schema.sql", lambda t: t.replace("    address       text,\n", "    address text,\n    address text,\n"), "columns of factories", "twice: address text"),
    ("02-schema.sql", lambda t: t.replace("    address       text,\n", "    address       text, -- a, b\n"), "", ""),
    ("02-schema.sql", lambda t: t.replace("    address       text,\n", "").replace("    contact_email ", "    address text,\n    contact_email ", 1), "columns of factories", "place 4"),
    ("02-schema.sql", lambda t: t.replace("contact_phone varchar(50)", "contact_phone varchar(60)"), "columns of factories", "contact_phone varchar(60)"),
    ("02-schema.sql", lambda t: t.replace("rated_power_kw        numeric(10,2) not null", "rated_power_kw        numeric(10,2)"), "columns of machines", "rated_power_kw"),
    ("02-schema.sql", lambda t: t.replace("health_score between 0 and 100", "health_score between 0 and 99"), "constraint machine_status_health_score_range of machine_status", "99"),
    ("02-schema.sql", lambda t: t.replace("on public.audit_log (timestamp desc)", "on public.audit_log (timestamp)"), "index idx_audit_log_timestamp of audit_log", "desc"),
    ("02-schema.sql", lambda t: t.replace("before update or delete or truncate on", "before truncate or delete or update on"), "", ""),
    ("02-schema.sql", lambda t: t.replace("before update or delete or truncate on", "before update or delete on"), "trigger audit_log_append_only of audit_log", "truncate"),
    ("02-schema.sql", lambda t: t.replace("('normal', 'warning', 'critical')", "('normal', 'critical', 'warning')"), "enum alert_level", "place 2"),
    ("02-schema.sql", lambda t: t.replace("create role enms_reader nologin", "create role enms_reader login"), "role enms_reader", "init/ login"),
    ("02-schema.sql", lambda t: t.replace("create role enms_reader", "-- create role enms_reader"), "roles of spec and init/", "enms_reader"),
    ("02-schema.sql", lambda t: t.replace("rolname = 'enms_reader'", "rolname = 'enms_ingest'"), "02-schema.sql can be run again", "role enms_reader"),
    ("02-schema.sql", lambda t: t.replace("stable parallel safe strict", "volatile strict"), "function enms.is_timezone", "parallel unsafe"),
    ("02-schema.sql", lambda t: t.replace("machines to enms_ingest;", "machines to enms_ingest, enms_viewer;", 1), "grants to enms_viewer", "select on factories"),
    ("02-schema.sql", lambda t: t + "\ngrant select on public.factories to public;", "grants to PUBLIC after 06-seed-data.sql", "select on factories"),
    ("03-timescaledb-setup.sql", lambda t: t.replace("materialized_only = false", "materialized_only = true"), "rollups are real-time", "without it"),
    ("03-timescaledb-setup.sql", lambda t: t.replace("drop_after => interval '90 days'", "drop_after => interval '91 days'", 1), "retention policy of energy_readings", "91 days"),
    ("03-timescaledb-setup.sql", lambda t: t.replace("    \\if :compression_missing", "    \\if :compression_mising"), "psql variables of 03-timescaledb-setup.sql", ":compression_mising"),
    ("03-timescaledb-setup.sql", lambda t: t.replace("avg(power_kw) as avg_power_kw", "avg(power_kw) as mean_power_kw", 1), "rollup energy_readings_1min", "avg_power_kw"),
    ("04-functions.sql", lambda t: t.replace("public.calculate_sec(p_machine_id uuid,", "public.calculate_sec(p_machine uuid,", 1), "function calculate_sec", "p_machine uuid"),
    ("04-functions.sql", lambda t: t + "\ndrop function if exists public.calculate_sec(uuid, timestamptz, timestamptz);", "functions of spec and init/", "calculate_sec"),
    ("04-functions.sql", lambda t: t + "\ndrop function if exists public.calculate_sec(uuid, text);", "", ""),
    ("05-views.sql", lambda t: t.replace("    round(d.peak_kw, 3) as peak_demand_kw,\n", "", 1), "view v_energy_trend_30d", "only the spec says peak_demand_kw"),
    ("05-views.sql", lambda t: t.replace("select r.bucket as time, r.machine_id,", "select r.machine_id, r.bucket as time,"), "view v_power_trend_24h", "in another order"),
    ("03-timescaledb-setup.sql", lambda t: t.replace("    sum(sum_power_factor) as sum_power_factor,\n", "", 1), "rollup energy_readings_15min", "sum_power_factor"),
    ("06-seed-data.sql", lambda t: t.replace("'Compressor-1',", "'Compressor-9',"), "seed rows of spec and init/", "Compressor-9 of machines"),
    ("06-seed-data.sql", lambda t: t.replace("'factory/demo/hvac-main'", "'factory/demo/hvac'"), "row HVAC-Main of machines", "init/ factory/demo/hvac"),
    ("06-seed-data.sql", lambda t: t + "\nselect 1;\n", "completion marker", "ends with something else"),
    ("06-seed-data.sql", lambda t: t.replace(SPEC.digest, "0" * 64), "completion marker", "0000"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "edit", "check", "says"), STATIC, ids=[f"{row[0][:2]} {row[2] or 'fine'}: {row[3]}" for row in STATIC])
def test_an_edit_of_init_is_named(file: str, edit: Callable[[str], str], check: str, says: str) -> None:
    text = told(static.run(SPEC, edited(file, edit)))
    assert (check in text and says in text) if check else text == ""


# A file's text, what the static check of it says, and the exit code of psql: where that is 0, nobody else would notice.
FILES = [
    ("select 1;\nselect 2", "", 0),
    ("select 'a\\b', $$ \\i x $$, E'it\\'s; \\i y', \"q\" from (select 1 as q) t; -- \\i it's $$\n/* \\i /* z */ ; ' */ select 2;", "", 0),
    ("select (array[1, 2, 3])[1:2], (array[1, 2])[:i], '12:30'::time from (select 2 as i) t;", "", 0),
    ("select 1 as a, 2 as b \\gset p_ \\echo :p_a\nselect :p_a + :'p_b'::int;", "", 0),
    ("create or replace function pg_temp.f() returns int begin atomic select 1; select case when true then 2 end; end;\nselect pg_temp.f();", "", 0),
    ("begin;\nselect 1;\nend;\nselect 2;", "", 0),
    ("\ufeffselect 1;", "", 0),
    ("\\if true\r\nselect 'a\r\nb';\r\n\\endif\r\n", "line 1: ends in CR LF", 0),
    ("begin;\ncreate table if not exists lost (id int);\n", "line 1: begin: has no commit", 0),
    ("\\if :nope\nselect 1;\n\\endif\nselect 2;", "line 1: :nope", 0),
    ("select 1;\n\\q\nselect 2;", "line 2: \\q: ends the file there", 0),
    ("select 1; \\! echo x", "line 1: \\! echo x: runs a program", 0),
    ("\\connect postgres\nselect 1;", "line 1: \\connect postgres: leaves the database", 0),
    ("\\set ON_ERROR_STOP off\nselect 1/0;", "line 1: \\set ON_ERROR_STOP off: lets the boot go on", 0),
    ("\\unset ON_ERROR_STOP\nselect 1/0;", "line 1: \\unset ON_ERROR_STOP: lets the boot go on", 0),
    ("\\set AUTOCOMMIT off\nselect 1;", "line 1: \\set AUTOCOMMIT off: would leave", 0),
    ("select 'select 1' \\gexec", "\\gexec: runs SQL that nothing can check", 0),
    ("select 1 \\g /dev/full", "\\g /dev/full: writes to a file", None),
    ("select 1;\n\\i more.sql", "line 2: \\i more.sql: needs another file", 3),
    ("select 1;\n\\ir more.sql", "line 2: \\ir more.sql: needs another file", 3),
    ("select 1;\n\\copy t from 'no.csv'", "line 2: \\copy t from 'no.csv': needs another file", 3),
    ("\\prompt 'name? ' n", "\\prompt 'name? ' n: needs a terminal", 3),
    ("select 1;\n\\gobble", "line 2: \\gobble: is no command that init/ may use", 3),
    ("select 1\\; vacuum;", "\\;: runs two statements as one", 3),
    ("\\if true\nselect 1;", "\\if without \\endif", 3),
    ("select 1;\n\\endif", "line 2: \\endif without \\if", 3),
    ("\\else\nselect 1;", "line 1: \\else without \\if", 3),
    ("select :nope;", "line 1: :nope", 3),
    ("select 'abc;\nselect 2;", "line 1: string without an end", 3),
    ("do $x$ begin null; end $y$;\nselect 2;", "line 1: dollar-quoted text $x$ without an end", 3),
    ("select 1;\n/* open\nselect 2;", "line 2: comment without an end", 3),
    ('select 1 as "x;', "line 1: quoted name without an end", 3),
    ("select 1;\nselect (2;\nselect 3;", "line 2: ( without )", 3),
    ("begin;\nvacuum;\ncommit;", "line 2: vacuum: cannot run inside a transaction", 3),
    ("begin;\ncreate index concurrently if not exists i on t (x);\ncommit;", "line 2: create index concurrently", 3),
]


@pytest.mark.parametrize(("text", "says", "code"), FILES, ids=[f"{row[1] or 'fine'} {number}" for number, row in enumerate(FILES)])
def test_a_file_as_psql_would_run_it(tmp_path: Path, text: str, says: str, code: int | None) -> None:
    (tmp_path / "01-file.sql").write_bytes(text.encode())
    results = [r for r in static.files(Sources(tmp_path)) if r.name != "rollups are real-time"]
    assert says in told(results) if says else told(results) == ""


def test_psql_runs_those_files_so(cluster: Cluster, tmp_path: Path) -> None:
    cluster.create_database("t_psql")
    with psycopg.connect(cluster.dsn("t_psql"), autocommit=True) as connection:
        connection.execute("create table t (x int)")
    file = tmp_path / "01-file.sql"
    for text, _, code in FILES:
        file.write_bytes(text.encode())
        with file.open() as given:
            ran = subprocess.run(
                [*cluster.psql(), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"], env=cluster.environment("t_psql"), stdin=given, capture_output=True, text=True
            )  # fmt: skip
        assert code is None or ran.returncode == code, (text, ran.stderr)
    with psycopg.connect(cluster.dsn("t_psql")) as connection:
        assert connection.execute("select to_regclass('lost')").fetchone() == (None,)


# Ways to write a definition that PostgreSQL prints in another way.
CONSTRAINTS = [
    "check (a in (1, 2, 3))", "check (b in ('x', 'y'))", "check (b not in ('x', 'y'))", "check (c between -1 and 1)", "check (d not like 'a%')",
    "check (a > 0 or d = 'x')", "check (b <> '' and (a >= 0 or not f))", "check (c >= 0 and c < 'NaN')", "check (d ~ '^[a-z]{2,3}$')",
    "check (coalesce(a, 0) + 1 >= 0)", "check (case when f then a > 0 else true end)", "unique (a, b)", "unique nulls not distinct (a)",
    "foreign key (a) references public.p (id) on update cascade on delete set null",
]  # fmt: skip
INDEXES = ["(a)", "(a desc, b)", "(lower(d))", "(a) where not f and b = 'x'", "using gin (to_tsvector('simple', d))", "(a nulls first)", "(a) include (b)"]
TRIGGERS = [
    ("after update of a, b or insert", "for each row when (new.a > 0) execute function public.tf('x')"),
    ("before update", "for each row when (old.* is distinct from new.*) execute function tf()"),
    ("after truncate", "execute function tf()"),
    ("after delete", "referencing old table as o for each statement execute function tf()"),
]


def test_definitions_are_plain_as_written_and_as_printed(cluster: Cluster) -> None:
    cluster.create_database("t_plain")
    with psycopg.connect(cluster.dsn("t_plain"), autocommit=True) as connection:
        ask = lambda query: connection.execute(query).fetchone()[0]  # noqa: E731
        connection.execute("create table p (id int primary key)")
        connection.execute("create table t (a int references p, b varchar(20), c numeric(5,2), d text, e timestamptz, f bool)")
        connection.execute("create function tf() returns trigger language plpgsql as 'begin return null; end'")
        for written in CONSTRAINTS:
            connection.execute(f"alter table t add constraint k {written}")
            assert definition(short(ask("select pg_get_constraintdef(oid, true) from pg_constraint where conname = 'k'"))) == definition(written)
            connection.execute("alter table t drop constraint k")
        for written in INDEXES:
            connection.execute(f"create index x on t {written}")
            assert definition(ask("select indexdef from pg_indexes where indexname = 'x'").split(".t ")[1]) == definition(written)
            connection.execute("drop index x")
        for events, rest in TRIGGERS:
            connection.execute(f"create trigger g {events} on t {rest}")
            printed = ask("select pg_get_triggerdef(oid, true) from pg_trigger where tgname = 'g'")
            assert trigger(printed.removeprefix("CREATE TRIGGER g ").replace(" ON t ", " ")) == trigger(f"{events} {rest}")
            connection.execute("drop trigger g on t")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("07-more.sh", "07-more.sh: the image's entrypoint runs it, the embedded engine does not"),
        ("07-more.sql.gz", "07-more.sql.gz: the image's entrypoint runs it, the embedded engine does not"),
        ("02-schema.sql.bak", "02-schema.sql.bak: the image's entrypoint ignores it"),
        ("07-more.SQL", "07-more.SQL: the image's entrypoint ignores it"),
        ("Views.sql", "Views.sql: its place in the order"),
        ("06-more.sql", "two files with one number"),
        ("08-more.sql", "07-"),
        (".gitignore", ""),
    ],
)
def test_a_file_that_does_not_belong_is_named(tmp_path: Path, name: str, says: str) -> None:
    shutil.copytree(INIT, tmp_path / "init")
    (tmp_path / "init" / name).write_text("select 1;\n")
    text = told([r for r in static.files(Sources(tmp_path / "init")) if r.name.startswith("file n")])
    assert says in text if says else text == ""


def nothing(folder: Path) -> None:
    shutil.rmtree(folder)


def without_files(folder: Path) -> None:
    nothing(folder)
    folder.mkdir()


def with_a_folder(folder: Path) -> None:
    (folder / "07-more.sql").mkdir()


def with_latin_1(folder: Path) -> None:
    (folder / "07-more.sql").write_bytes("select 1;\nselect 'ü';\n".encode("latin-1"))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (nothing, r"init cannot be read: No such file or directory"),
        (without_files, r"init has no \.sql files, "),
        (with_a_folder, r"init/07-more\.sql cannot be read: Is a directory"),
        (with_latin_1, r"init/07-more\.sql, line 2: not UTF-8, "),
    ],
)
def test_init_that_cannot_be_read_ends_with_4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, spoil: Callable[[Path], None], says: str) -> None:
    shutil.copytree(INIT, tmp_path / "init")
    spoil(tmp_path / "init")
    monkeypatch.setattr(cli, "Sources", lambda: Sources(tmp_path / "init"))
    assert cli.main(["--static"]) == ExitCode.SPEC
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and re.search(f"^error: .*{says}", captured.err)
