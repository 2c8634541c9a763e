"""What the verifier does without a database: the static comparison, the spec, and the command line."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import CHECKOUT
from verify import cli, configuration, registry, spec
from verify.result import ExitCode, Fatal, same_list, same_set
from verify.text import duration, seconds


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda t: "", "declares nothing"),
        (lambda t: t.replace('version = "1.2.0"', ""), "version is missing"),
        (lambda t: t.replace("[enums]", "[enums"), "cannot be read"),
        (lambda t: t.replace("[tables.factories]\ncolumns", "[tables.factories]\ncolums"), "meant is columns?"),
        (lambda t: t.replace('chunk_interval = "1 day"', 'chunk_interval = "daily"', 1), "is no interval"),
        (lambda t: t.replace('source = "energy_readings"', 'source = "energy_reading"', 1), "which is not declared"),
        (lambda t: t.replace('roles = ["enms_ingest", "enms_reader", "enms_monitor"]', "roles = []"), "something in it"),
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
