"""The help of every command, as a terminal of 100 columns shows it."""

import contextlib
import io
import os
import re
import runpy
import subprocess
import sys
import warnings
from collections.abc import Iterator
from unittest import mock

from scripts.console import Failure
from scripts.settings import CHECKOUT

# Their options are those of another command, psql, verify or scripts.status.
PASSED_ON = "psql", "verify", "status"
# Whatever the terminal, and whatever the user's colours.
PLAIN = {"COLUMNS": "100", "NO_COLOR": "1", "PYTHON_COLORS": "0", "ENGINE": ""}


def help_of_all() -> str:
    """A section for every command and subcommand with its --help."""
    parts = []
    for module in modules():
        for subcommand in (None, *subcommands(module)):
            title = f"python -m {module}{f' {subcommand}' if subcommand else ''}"
            parts.append(f"## {title}\n\n```text\n{help_of(module, subcommand)}```\n")
    return "\n".join(parts)


def modules() -> list[str]:
    """What can be run by `python -m`: the engine, the verifier, and every tool."""
    tools = sorted(path.parent.name for path in (CHECKOUT / "scripts").glob("*/__main__.py"))
    return ["scripts.engine", "verify", *(f"scripts.{name}" for name in tools)]


def subcommands(module: str) -> list[str]:
    """The subcommands that a module's help lists, but those whose options belong to another program."""
    _, _, listed = help_of(module).partition("\n  COMMAND\n")
    names = re.findall(r"^ {4}([a-z][\w-]*)(?:\s|$)", listed.partition("\n\n")[0], re.MULTILINE)
    return [name for name in names if name not in PASSED_ON]


def help_of(module: str, subcommand: str | None = None) -> str:
    """What a module prints with --help."""
    said = io.StringIO()
    words = [module, *([subcommand] if subcommand else []), "--help"]
    with mock.patch.object(sys, "argv", words), mock.patch.dict(os.environ, PLAIN), contextlib.redirect_stdout(said), _quiet():
        os.environ.pop("FORCE_COLOR", None)
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=False)
        except SystemExit as ended:
            if not ended.code:
                return "".join(f"{line.rstrip()}\n" for line in said.getvalue().rstrip().splitlines())
    raise Failure(f"python -m {' '.join(words)} printed no help: run it by itself to see why")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without runpy's warning that a module was imported before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def tasks() -> str:
    """What `make` alone prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    run = subprocess.run(["make", "--no-print-directory"], cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    if run.returncode:
        raise Failure(f"make could not list its tasks: {run.stderr.strip()}")
    return f"```text\n{run.stdout}```\n"
