"""The user that servers run as. PostgreSQL refuses root, so root's servers run as another."""

import os
import pwd
import subprocess
from pathlib import Path

Account = pwd.struct_passwd | None


def server_account() -> Account:
    """Whom a server runs as when root starts it, since PostgreSQL refuses root; else None."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def run_as(owner: Account) -> dict:
    """Arguments for subprocess to run a server's program: as its user, and without the caller's PG* settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    # The working directory is kept open for good, and may be closed to the server's user.
    common = {"env": environment, "cwd": "/"}
    return common | {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else common


def allowed(owner: Account, test: str, path: Path) -> bool:
    """True if the server's user passes the test (-r may read, -x may enter) on the path."""
    return owner is None or subprocess.run(["test", test, path], **run_as(owner)).returncode == 0
