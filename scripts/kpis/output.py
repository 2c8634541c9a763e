"""Writing a file as a whole or not at all."""

import os
import secrets
from pathlib import Path

from scripts.console import Failure


def check(path: Path) -> None:
    """Failure if the file could not be written: better known before the figures are read."""
    if path.is_dir():
        raise Failure(f"--output: {path} is a folder, name a file in it", code=2)
    if os.path.lexists(path) and not path.is_file():
        raise Failure(f"--output: {path} is no ordinary file", code=2)
    if not path.parent.is_dir():
        raise Failure(f"--output: there is no folder {path.parent}", code=2)


def write(path: Path, text: str) -> None:
    """Put the text in the file's place; a link is followed, so what it points to is replaced."""
    check(path)
    target = path.resolve()
    part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        # As any new file: readable as the user's umask says, and never through what somebody else has put there.
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
