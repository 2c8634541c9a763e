"""scripts/smoke.sh: a step that fails fails it, whatever ends it leaves nothing behind, and the workflow has the same steps."""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import CHECKOUT, free_port
from engine_cli import Checkout

SCRIPT = (CHECKOUT / "scripts" / "smoke.sh").read_text()
STEPS = re.search(r'^steps="(.*)"$', SCRIPT, re.MULTILINE)[1].split()
WORKFLOW = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "smoke.yml").read_text())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A copy of the checkout that makes its throw-away copies in a folder of its own."""
    scratch = tmp_path_factory.mktemp("smoke")
    made = Checkout(scratch / "enms", ENGINE="embedded", ENMS_PORT=free_port(), TMPDIR=scratch / "tmp")
    (scratch / "tmp").mkdir()
    # Servers of root run as another user, who has to get at their files.
    scratch.chmod(0o755)
    (made.path / ".venv" / "bin").mkdir(parents=True)
    python = made.path / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(made.python)} "$@"\n')
    python.chmod(0o755)
    for mark in "ready", "ready-test":
        (made.path / ".venv" / mark).touch()
    yield made


def start(checkout: Checkout, **environment: str) -> subprocess.Popen:
    """`make smoke`, in a process group of its own as on a terminal."""
    return subprocess.Popen(["make", "smoke"], cwd=checkout.path, env=checkout.environment | environment, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)  # fmt: skip


def left(checkout: Checkout) -> list[str]:
    """What a run has left: files, servers, and changes of the folder itself."""
    scratch = Path(checkout.environment["TMPDIR"])
    processes = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and str(scratch) in _command(entry)]
    changed = [name for name in (".env", ".enms", "backups") if (checkout.path / name).exists()]
    return [*map(str, scratch.iterdir()), *map(_command, processes), *changed]


def _command(entry: Path) -> str:
    try:
        return f"{os.readlink(entry / 'cwd')} {(entry / 'cmdline').read_bytes().decode(errors='replace')}"
    except OSError:
        return ""


def test_a_step_that_fails_ends_it_and_leaves_nothing(checkout: Checkout) -> None:
    run = start(checkout, SMOKE_TEST_ARGS="--no-such-option", ENMS_DSN="dbname=elsewhere")
    output, _ = run.communicate()
    told = re.findall(r"^smoke: (.*)$", output, re.MULTILINE)
    assert run.returncode != 0 and told == ["up", "verify", "test"], output
    assert output.count("verified: enms at") == 2 and "error: smoke: test failed" in output
    assert left(checkout) == []


def test_ctrl_c_leaves_nothing(checkout: Checkout) -> None:
    run = start(checkout)
    for line in run.stdout:
        if line.startswith("Creating the database"):
            break
    assert left(checkout)
    os.killpg(run.pid, signal.SIGINT)
    output, _ = run.communicate()
    assert run.returncode != 0 and "smoke: verify" not in output
    assert left(checkout) == []


def test_an_unknown_step_is_wrong_usage() -> None:
    run = subprocess.run(["sh", "scripts/smoke.sh", "deploy"], cwd=CHECKOUT, capture_output=True, text=True)
    assert run.returncode == 2 and run.stderr == f"error: deploy is no step: {' '.join(STEPS)}\n"


def test_the_workflow_does_the_same_steps() -> None:
    (job,) = WORKFLOW["jobs"].values()
    runs = [step["run"] for step in job["steps"] if "smoke.sh" in step.get("run", "")]
    assert runs == [f"sh scripts/smoke.sh {step}" for step in STEPS]
    assert [step for step in job["steps"] if "smoke.sh" in step.get("run", "") and ("if" in step or "continue-on-error" in step)] == []
    makefile = (CHECKOUT / "Makefile").read_text()
    assert all(re.search(rf"^{step}:", makefile, re.MULTILINE) for step in STEPS)
    # A fork's pull request has no secrets, and may not write.
    assert WORKFLOW["permissions"] == {"contents": "read"} and "secrets" not in str(WORKFLOW)
    # YAML reads the key `on` as true.
    assert WORKFLOW[True] == {"push": {"branches": ["main"]}, "pull_request": None}
    assert job["env"] == {"ENGINE": "docker"} and job["timeout-minutes"]
