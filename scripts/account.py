"""The user that servers run as. PostgreSQL refuses root, so root's servers run as another."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def entered(owner: Account, folder: Path) -> Iterator[tuple[str, list[int]]]:
    """The folder as the server's user can reach it, and the descriptors that its process must inherit for that."""
    if allowed(owner, "-x", folder):
        yield str(folder), []
        return
    # A folder above is closed to that user; an open folder needs none of them.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}", [handle]
    finally:
        os.close(handle)


def put(owner: Account, path: Path, content: bytes) -> None:
    """Write a file that the server's user alone may read, in a folder that is that user's.

    A link that stands there under the file's name is replaced, and what it leads to stays as it is.
    """
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        # By the open file: by its name it could be another one by now.
        os.fchmod(file.fileno(), 0o600)
        if owner:
            os.fchown(file.fileno(), owner.pw_uid, owner.pw_gid)
        file.write(content)
