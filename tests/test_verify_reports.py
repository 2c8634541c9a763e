"""The verifier's reports: the same facts in all three, whatever is in them, and wherever they are written to."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from xml.etree import ElementTree

import psycopg
import pytest
from jsonschema import Draft202012Validator
from psycopg.conninfo import make_conninfo

from conftest import CHECKOUT
from verify import cli, report
from verify.report import Report, Server
from verify.result import ExitCode, Outcome, Result, Verdict, failed, information, not_evaluated

pytestmark = pytest.mark.one_edition

SCHEMA = json.loads((CHECKOUT / "verify" / "report.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
SERVER = Server("enms", "db<1>", 5432, 'o"neil', "15.18", "2.28.3", "community")
EXECUTABLE = [sys.executable, "-m", "verify"]

AWKWARD = "[red]a[/red] [/] <b> & \"q\" 'q' ]]> \\ :key: 機械 😀 e\u0301"
CONTROLS = "nul \0 bell \a red \x1b[31m line\nfeed tab\treturn\r c1 \x9b \ufffe \ud800 rtl \u202e"
LONG = "word" * 200

RESULTS = [
    Result("views", "view [a]", Verdict(Outcome.FAILED, "", ("x <y>",), ("z",), "do & redo")),
    Result("views", "view b", failed("broken", "mend it")),
    Result("views", "view c", failed("also broken", "mend it")),
    Result("views", "columns of view b", not_evaluated("waits for: view b")),
    Result("views", "columns of elsewhere", not_evaluated("waits for: view elsewhere")),
    Result("reading", "facts grants", failed("permission denied")),
    Result("roles", "grants of r", not_evaluated("facts grants could not be read")),
    Result("tables", AWKWARD, Verdict(Outcome.FAILED, f"differs in {AWKWARD}: expected {AWKWARD}, found {LONG}", (AWKWARD, LONG), (CONTROLS,), AWKWARD)),
    Result("tables", CONTROLS, failed(CONTROLS, CONTROLS)),
    Result("tables", LONG, information(AWKWARD, CONTROLS)),
    Result("tables", "many", Verdict(Outcome.FAILED, "", tuple(f"item {n}" for n in range(50)))),
    Result("jobs", "job c", information("late")),
    Result("jobs", "job d", not_evaluated("no right", "get it")),
    Result("jobs", "job e", Verdict(Outcome.NOT_IN_EDITION, "none")),
    *(Result("jobs", f"job {n}", information(f"late by {n}")) for n in range(9)),
    Result("jobs", "job z", Verdict(Outcome.PASSED)),
    Result("seed", "row", Verdict(Outcome.PASSED)),
]


def reported(form: str, capsys: pytest.CaptureFixture, results: list[Result] = RESULTS) -> tuple[str, str]:
    report.FORMATS[form](Report(SERVER, results, cli.exit_code(results), 0.5))
    captured = capsys.readouterr()
    return captured.out, captured.err


def on_one_line(text: str) -> str:
    """As a terminal or XML can show it: what is not printable as Python writes it."""
    return "".join(c if c.isprintable() else repr(c).strip("'") for c in text)


def pieces(result: dict) -> list[str]:
    """What a report in words has to say of a result from the JSON report."""
    detail = [] if result["waits_for"] else re.split(r"(?:: |^)expected |, found ", result["detail"])
    return [on_one_line(text) for text in (*detail, *result["missing"], *result["extra"], result["fix"])]


def same_in_words(facts: dict, xml: str, text: str) -> None:
    """Hold a JUnit report and a piped table against the JSON report of the same run."""
    cases = {(case.get("classname"), case.get("name")): case for case in ElementTree.fromstring(xml).iter("testcase")}
    assert len(cases) == len(facts["results"])
    tags = {"failed": ["failure"], "not evaluated": ["error"], "not in this edition": ["skipped"], "information": ["system-out"], "passed": []}
    headings = "\n".join(re.findall(r"^(?:[A-Z][A-Z ]+ \w+:|    not evaluated because of it:) .*", text, re.M))
    failures = {result["check"] for result in facts["results"] if result["outcome"] == "failed"}
    for result in facts["results"]:
        case = cases[f"verify.{result['family']}", on_one_line(result["check"])]
        assert [child.tag for child in case] == tags[result["outcome"]]
        assert all(piece in "".join(case.itertext()) for piece in pieces(result)), result
        if result["outcome"] in ("failed", "not evaluated", "information"):
            assert on_one_line(result["check"]) in headings
            assert all(piece in text for piece in pieces(result)), result
            assert result["waits_for"] in failures or result["waits_for"] in text
    counted = ", ".join(f"{count} {outcome}" for outcome, count in facts["counts"].items())
    assert f"{len(facts['results'])} checks: {counted}; " in text.splitlines()[-1]


def test_reports_tell_the_same(capsys: pytest.CaptureFixture) -> None:
    out, err = reported("json", capsys)
    facts = json.loads(out)
    assert err.startswith("NOT verified: enms at db<1>:5432") and err.count("\n") == 1
    assert [(r["family"], r["check"], r["outcome"], r["detail"], r["missing"], r["extra"], r["fix"]) for r in facts["results"]] == [
        (r.family, r.name, str(r.outcome), r.verdict.detail, list(r.verdict.missing), list(r.verdict.extra), r.verdict.fix) for r in RESULTS
    ]
    assert [r["waits_for"] for r in facts["results"] if r["waits_for"]] == ["view b", "view elsewhere", "facts grants"]
    xml, err = reported("junit", capsys)
    assert err.startswith("NOT verified") and err.count("\n") == 1
    text, err = reported("table", capsys)
    assert err == ""
    same_in_words(facts, xml, text)


def test_table_tells_failures_first_and_once(capsys: pytest.CaptureFixture) -> None:
    out, _ = reported("table", capsys)
    order = [out.index(text) for text in ("FAILED views: view [a]", "FAILED views: view b", "NOT EVALUATED jobs", "INFORMATION jobs", "\nfamily ", "NOT verified")]
    assert order == sorted(order)
    assert all(line.isprintable() for line in out.splitlines())
    assert "FAILED views: view c\n    also broken\n    to do    for all 2: mend it\n" in out
    assert "    broken\n    not evaluated because of it: columns of view b\n" in out
    assert "NOT EVALUATED views: columns of elsewhere\n    waits for: view elsewhere\n" in out
    assert out.count("columns of view b") == out.count("grants of r") == 1
    assert "passed in full: seed 1\n" in out


def test_junit_is_what_ci_servers_read(capsys: pytest.CaptureFixture) -> None:
    huge = [Result("views", "v", failed("機" * 1_000_000)), *RESULTS]
    out, _ = reported("junit", capsys, huge)
    assert out.isascii() and out.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    suites = ElementTree.fromstring(out)
    (suite,) = suites
    assert suites.attrib == {"name": "enms verify", "tests": "26", "failures": "8", "errors": "4", "time": "0.500"}
    assert suite.attrib.items() >= (suites.attrib | {"skipped": "1", "hostname": "db<1>"}).items()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp"))
    assert {p.get("name"): p.get("value") for p in suite.find("properties")} == {name: str(value) for name, value in vars(SERVER).items()}
    assert suite.find("testcase/failure").get("message") == "機" * 1_000_000
    assert suite.find("testcase[@name='view [a]']/failure").text == "missing  x <y>\nextra    z\nto do    do & redo"
    assert all(set(case.attrib) == {"classname", "name", "time"} for case in suite.iter("testcase"))
    assert all(child.get("message") and child.get("type") for tag in ("failure", "error", "skipped") for child in suite.iter(tag))


def test_json_is_as_the_schema_says(capsys: pytest.CaptureFixture) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    out, _ = reported("json", capsys)
    assert out.isascii()
    facts = json.loads(out)
    VALIDATOR.validate(facts)
    assert set(SCHEMA["$defs"]["outcome"]["enum"]) == set(map(str, Outcome))
    assert set(SCHEMA["properties"]["exit_code"]["enum"]) == set(map(int, ExitCode))
    objects = {"": lambda r: r, "server": lambda r: r["server"], "results": lambda r: r["results"][0]}
    for find in objects.values():
        for key in [*find(facts), "more"]:
            wrong = deepcopy(facts)
            find(wrong).pop(key, None) if key != "more" else find(wrong).update(more=1)
            assert not VALIDATOR.is_valid(wrong), key
    for find, key, value in (
        (objects["results"], "outcome", "ok"), (objects["results"], "missing", [1]), (objects[""], "schema", 2), (objects[""], "results", []),
        (objects[""], "exit_code", 5), (objects[""], "began", "yesterday"), (objects[""], "counts", {"ok": 1}), (objects["server"], "edition", "free"),
    ):  # fmt: skip
        wrong = deepcopy(facts)
        find(wrong)[key] = value
        assert not VALIDATOR.is_valid(wrong), (key, value)


def test_only_what_passed_in_full_ends_with_0() -> None:
    kinds = {result.outcome: result for result in RESULTS}
    bad = [kinds.pop(Outcome.FAILED), kinds.pop(Outcome.NOT_EVALUATED)]
    assert cli.exit_code(list(kinds.values())) is ExitCode.PASSED
    assert {cli.exit_code([*kinds.values(), result]) for result in bad} == {ExitCode.DRIFT}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run([*EXECUTABLE, *arguments], cwd=CHECKOUT, env=_environment(environment), capture_output=True, text=True)


def _environment(more: dict[str, str]) -> dict[str, str]:
    """The test's own, without what changes how or where a report is written."""
    left_out = ("PG", "ENMS", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)} | {"TERM": "xterm"} | more


def on_terminal(columns: int, *arguments: str, **environment: str) -> str:
    """What a terminal that wide gets from the command."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen([*EXECUTABLE, *arguments], cwd=CHECKOUT, env=_environment(environment), stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        written = b""
        while True:
            try:
                read = os.read(ours, 65536)
            except OSError:
                # Linux says so when the last of them has closed the terminal.
                read = b""
            if not read:
                break
            written += read
    os.close(ours)
    return written.decode().replace("\r\n", "\n")


@pytest.fixture
def drifted(database: str) -> Iterator[str]:
    """A database without the table that others wait for, and with a column more, of an awkward name."""
    column = psycopg.sql.Identifier("<[b]>\n\x1b")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("alter table anomalies rename to anomalies_of_old")
        connection.execute(psycopg.sql.SQL("alter table machines add column {} text default {}").format(column, LONG))
        yield database
        connection.execute(psycopg.sql.SQL("alter table machines drop column {}").format(column))
        connection.execute("alter table anomalies_of_old rename to anomalies")


def test_reports_of_a_database_that_drifted(drifted: str, edition: str) -> None:
    ran = run("--dsn", drifted, "--format", "json")
    facts = json.loads(ran.stdout)
    VALIDATOR.validate(facts)
    assert ran.returncode == facts["exit_code"] == 1
    parts = psycopg.conninfo.conninfo_to_dict(drifted)
    server = facts["server"]
    assert (server["database"], server["user"], str(server["port"])) == (parts["dbname"], parts["user"], parts["port"])
    assert server["edition"] == edition and re.match(r"2\.\d+", server["timescaledb"]) and re.match(r"1\d\.\d+", server["postgresql"])

    text = run("--dsn", drifted, COLUMNS="40").stdout
    assert "\x1b" not in text and re.search("^family +failed +not evaluated +information", text, re.M)
    same_in_words(facts, run("--dsn", drifted, "--format", "junit").stdout, text)
    waits = next(line for line in text.split("FAILED tables: table anomalies\n")[1].splitlines() if "because of it" in line)
    assert all(f"{kind} of anomalies" in waits for kind in ("columns", "constraints", "indexes", "triggers"))

    plain = on_terminal(80, "--dsn", drifted, "--only", "tables", "--only", "views", NO_COLOR="1")
    assert "\x1b" not in plain and max(map(len, plain.splitlines())) <= 80
    assert re.fullmatch(r"NOT verified: \d+ failed, .* \d+ passed", plain.splitlines()[-1])
    item = plain.split("    extra    ")[1].splitlines()
    assert len(item[1]) > 60 and item[1].startswith(" " * 13) and item[1][13] != " "
    coloured = on_terminal(160, "--dsn", drifted, "--only", "tables")
    assert re.search(r"\x1b\[1;31mFAILED\x1b\[0m tables: ", coloured)
    assert 80 < max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in coloured.splitlines()) <= 160


def test_every_report_is_as_the_schema_says(database: str, edition: str) -> None:
    right = ("--only", "tables", "--only", "rollups", "--only", "jobs")
    for target, families, code in ((database, right, 0), (make_conninfo(database, dbname="postgres"), (), 1), (make_conninfo(database, port="1"), (), 3)):
        ran = run("--dsn", target, "--format", "json", *families)
        facts = json.loads(ran.stdout)
        VALIDATOR.validate(facts)
        assert ran.returncode == facts["exit_code"] == code
        assert bool(facts["server"]) == (code < 3) and ran.stderr.count("\n") == 1
        if code == 1:
            assert facts["server"]["timescaledb"] is facts["server"]["edition"] is None


def test_run_that_ends_early_is_an_error_to_ci_servers(tmp_path: Path) -> None:
    nowhere = f"host={tmp_path} dbname=x"
    ran = run("--dsn", nowhere, "--format", "junit")
    suite = ElementTree.fromstring(ran.stdout).find("testsuite")
    assert ran.returncode == 3 and (suite.get("tests"), suite.get("errors")) == ("1", "1")
    message = suite.find("testcase/error").get("message")
    assert message.startswith("cannot connect: ") and ran.stderr == f"error: {message}\n"
    assert run("--dsn", nowhere).stdout == ""


def test_reader_that_stops_early_changes_nothing() -> None:
    piped = f"{' '.join(EXECUTABLE)} --static | true; exit ${{PIPESTATUS[0]}}"
    assert subprocess.run(["bash", "-c", piped], cwd=CHECKOUT, env=_environment({}), capture_output=True).returncode == 0


def test_report_in_a_locale_without_the_characters() -> None:
    for form in report.FORMATS:
        script = f"from verify.report import *; from verify.result import failed; FORMATS['{form}'](Report('x', [Result('a', '機', failed('…'))], ExitCode.DRIFT, 1))"
        ran = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, env=_environment({"PYTHONIOENCODING": "ascii"}), capture_output=True)
        assert ran.returncode == 0 and b"Traceback" not in ran.stderr, ran.stderr
