"""What the verifier does without a database: the static comparison, the spec, reports, and the command line."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from conftest import CHECKOUT
from verify import cli, configuration, registry, report, spec, static
from verify.report import Report
from verify.result import ExitCode, Fatal, Outcome, Result, Verdict, failed, information, same_list, same_set
from verify.sources import Sources
from verify.text import duration, seconds

INIT = CHECKOUT / "init"


def test_init_and_spec_agree() -> None:
    results = static.run(spec.load(), Sources())
    assert [(r.name, r.verdict) for r in results if r.outcome is not Outcome.PASSED] == []


STATIC = [
    ("01-extensions.sql", lambda t: t.replace("create extension if not exists tablefunc;", ""), "extensions of spec and init/"),
    ("01-extensions.sql", lambda t: t.replace("if not exists tablefunc", "tablefunc"), "01-extensions.sql can be run again"),
    ("02-schema.sql", lambda t: t + "\ncreate table if not exists public.more (id int);", "tables of spec and init/"),
    ("02-schema.sql", lambda t: t.replace("    address       text,\n", ""), "columns of factories"),
    ("02-schema.sql", lambda t: t.replace("rated_power_kw        numeric(10,2) not null", "rated_power_kw        numeric(10,2)"), "columns of machines"),
    ("02-schema.sql", lambda t: t.replace("constraint machines_name_not_empty", "constraint machines_name_filled"), "constraints of machines"),
    ("02-schema.sql", lambda t: t.replace("idx_audit_log_entity", "idx_audit_log_entities"), "indexes of spec and init/"),
    ("02-schema.sql", lambda t: t.replace("trigger factories_set_updated_at", "trigger factories_updated"), "triggers of spec and init/"),
    ("02-schema.sql", lambda t: t.replace("('normal', 'warning', 'critical')", "('normal', 'critical', 'warning')"), "values of enum alert_level"),
    ("02-schema.sql", lambda t: t.replace("create role enms_reader", "create role enms_viewer"), "roles of spec and init/"),
    ("02-schema.sql", lambda t: t.replace("create index if not exists idx_machines_mqtt_topic", "create index idx_machines_mqtt_topic"), "02-schema.sql can be run again"),
    ("03-timescaledb-setup.sql", lambda t: t.replace("add_retention_policy('public.production_data'", "add_retention_policy('public.anomalies'"), "policies of spec and init/"),
    ("03-timescaledb-setup.sql", lambda t: t.replace(":create_rollup public.energy_by_carrier_1hour", ":create_rollup public.energy_by_carrier_1h"), "rollups of spec and init/"),
    ("03-timescaledb-setup.sql", lambda t: t.replace("create_default_indexes => false, if_not_exists => true", "create_default_indexes => false", 1), "03-timescaledb-setup.sql can be run again"),
    ("03-timescaledb-setup.sql", lambda t: t + "\n\\if :community\n", "psql commands of 03-timescaledb-setup.sql"),
    ("04-functions.sql", lambda t: t.replace("public.calculate_sec(p_machine_id uuid,", "public.calculate_sec(p_machine uuid,", 1), "arguments of calculate_sec"),
    ("04-functions.sql", lambda t: t.replace("create or replace function public.calculate_sec", "create function public.calculate_sec"), "04-functions.sql can be run again"),
    ("04-functions.sql", lambda t: t.replace("comment on function public.calculate_sec", "-- "), "comments on everything"),
    ("05-views.sql", lambda t: t + "\n\\i more.sql\n", "psql commands of 05-views.sql"),
    ("05-views.sql", lambda t: t.replace("view public.v_week_summary as", "view public.v_weekly as"), "views of spec and init/"),
    ("06-seed-data.sql", lambda t: t + "\nselect 1;\n", "completion marker"),
    ("06-seed-data.sql", lambda t: t.replace(spec.load().digest, "0" * 64), "completion marker"),
    ("06-seed-data.sql", lambda t: t.replace("on conflict do nothing", "", 1), "06-seed-data.sql can be run again"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "edit", "failing"), STATIC, ids=[f"{row[0][:2]} {row[2]}" for row in STATIC])
def test_static_names_an_edit(tmp_path: Path, file: str, edit: Callable[[str], str], failing: str) -> None:
    shutil.copytree(INIT, tmp_path / "init")
    path = tmp_path / "init" / file
    text = edit(path.read_text())
    assert text != path.read_text()
    path.write_text(text)
    assert failing in {r.name for r in static.run(spec.load(), Sources(tmp_path / "init")) if r.outcome is Outcome.FAILED}


def test_static_names_a_gap_in_the_numbers(tmp_path: Path) -> None:
    shutil.copytree(INIT, tmp_path / "init")
    (tmp_path / "init" / "05-views.sql").rename(tmp_path / "init" / "07-views.sql")
    assert "file numbers" in {r.name for r in static.run(spec.load(), Sources(tmp_path / "init")) if r.outcome is Outcome.FAILED}


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda t: "", "declares nothing"),
        (lambda t: t.replace('version = "1.0.0"', ""), "version is missing"),
        (lambda t: t.replace("[enums]", "[enums"), "cannot be read"),
        (lambda t: t.replace("[tables.factories]\ncolumns", "[tables.factories]\ncolums"), "meant is columns?"),
        (lambda t: t.replace('chunk_interval = "1 day"', 'chunk_interval = "daily"', 1), "is no interval"),
        (lambda t: t.replace('source = "energy_readings"', 'source = "energy_reading"', 1), "which is not declared"),
        (lambda t: t.replace('roles = ["enms_ingest", "enms_reader"]', "roles = []"), "something in it"),
        (lambda t: t.replace("data_interval_seconds = 30", 'data_interval_seconds = "30"', 1), "of type int"),
    ],
)
def test_spec_with_a_mistake_is_refused(tmp_path: Path, edit: Callable[[str], str], says: str) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(edit(spec.SPEC.read_text()))
    with pytest.raises(Fatal, match=says.replace("?", r"\?")) as error:
        spec.load(path)
    assert error.value.code is ExitCode.SPEC


def test_bad_spec_ends_the_command_with_4(tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "verify", tmp_path / "verify")
    shutil.copytree(CHECKOUT / "scripts", tmp_path / "scripts")
    (tmp_path / "verify" / "spec.toml").write_text("")
    ran = subprocess.run([sys.executable, "-m", "verify", "--static"], cwd=tmp_path, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (4, "", "error: spec.toml: it declares nothing\n")


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--only", "nothing"], ["--wait", "soon"], ["--wait", "-1"], ["--static", "--only", "views"]])
def test_wrong_command_lines_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as error:
        cli.main(arguments)
    assert error.value.code == ExitCode.USAGE
    assert "error:" in capsys.readouterr().err


def test_dsn_that_cannot_be_read_ends_with_2(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["--dsn", "garbage"]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("error: the DSN cannot be read")


RESULTS = [
    Result("views", "view [a]", Verdict(Outcome.FAILED, "", ("x <y>",), ("z",), "do & redo")),
    Result("views", "view b", failed("broken")),
    Result("jobs", "job c", information("late")),
    Result("jobs", "job d", Verdict(Outcome.NOT_EVALUATED, "no right")),
    Result("jobs", "job e", Verdict(Outcome.NOT_IN_EDITION, "none")),
    Result("jobs", "job f", Verdict(Outcome.PASSED)),
]


def reported(form: str, capsys: pytest.CaptureFixture, results: list[Result] = RESULTS) -> tuple[str, str]:
    report.FORMATS[form](Report("a server", results, cli.exit_code(results), 0.5))
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_reports_tell_the_same(capsys: pytest.CaptureFixture) -> None:
    out, err = reported("json", capsys)
    told = {(r["check"], r["outcome"]) for r in json.loads(out)["results"]}
    assert told == {(r.name, str(r.outcome)) for r in RESULTS}
    assert err.startswith("NOT verified") and err.count("\n") == 1

    out, err = reported("junit", capsys)
    suite = ElementTree.fromstring(out).find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("6", "2", "1", "1")
    assert suite.find("testcase[@name='view [a]']/failure").text == "missing  x <y>\nextra    z\nto do    do & redo"
    assert err.startswith("NOT verified")

    out, err = reported("table", capsys)
    order = [out.index(text) for text in ("FAILED views: view [a]", "FAILED views: view b", "NOT EVALUATED jobs", "INFORMATION jobs", "family")]
    assert order == sorted(order) and "\x1b" not in out and err == ""


def test_only_what_passed_in_full_ends_with_0() -> None:
    assert cli.exit_code(RESULTS[2:3] + RESULTS[4:]) is ExitCode.PASSED
    assert cli.exit_code(RESULTS[3:]) is ExitCode.DRIFT
    assert cli.exit_code(RESULTS[:1]) is ExitCode.DRIFT


def test_help_documents_the_exit_codes_and_every_family(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert all(f"{code:d} " in text for code in ExitCode)
    assert all(family in text for family in registry.load())


def test_sets_and_lists_tell_missing_extra_and_order() -> None:
    verdict = same_set(["b", "a"], ["c", "a"], "")
    assert (verdict.missing, verdict.extra) == (("b",), ("c",))
    assert "place 1: expected a, found b" in same_list(["a", "b"], ["b", "a"], "").detail


def test_settings_compare_across_units() -> None:
    memory = {"name": "shared_buffers", "vartype": "integer", "unit": "8kB"}
    assert configuration.canonical("2GB", memory) == configuration.canonical("262144", memory)
    assert configuration.canonical("15min", {"name": "x", "vartype": "integer", "unit": "s"}) == configuration.canonical("900", {"name": "x", "vartype": "integer", "unit": "s"})
    assert configuration.canonical("-1", memory) == -1.0
    assert configuration.readable("262144", memory) == "2GB"


def test_configuration_file_with_a_line_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "postgresql.conf"
    path.write_text("a = 'it''s' # why\n\n# note\nb 5\nc = on   # why\n")
    assert configuration.declared(path) == {"a": "it's", "b": "5", "c": "on"}
    path.write_text("what is this\n")
    with pytest.raises(Fatal, match="line 1"):
        configuration.declared(path)


def test_intervals_there_and_back() -> None:
    assert [duration(seconds(text)) for text in ("1 day", "60 days", "15 minutes")] == ["1 day", "60 days", "15 minutes"]
    with pytest.raises(ValueError, match="no interval"):
        seconds("soon")
