"""The verifier's verdict on a database: on what a backup holds, and not on the server or on the hour."""

import json
import subprocess
import sys

from scripts.connection import Database
from scripts.console import Failure
from scripts.settings import CHECKOUT

# What is the server's, how jobs fare and how old the data is, which is another matter once it is restored.
LEFT_OUT = "server", "settings", "jobs", "health"


def failing(database: Database) -> dict[str, str]:
    """What fails, by check, with the first line of what is wrong; raises Failure if the verifier cannot tell."""
    environment = {name: value for name, value in database.environment.items() if name != "ENMS_DSN"}
    command = [sys.executable, "-m", "verify", "--format", "json"]
    run = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    if run.returncode not in (0, 1):
        raise Failure(f"the verifier could not look at the database: {run.stderr.strip()}")
    found = {}
    for result in json.loads(run.stdout)["results"]:
        if result["outcome"] in ("failed", "not evaluated") and result["family"] not in LEFT_OUT:
            found[result["check"]] = " ".join(result["detail"].split()) or "differs"
    return found
