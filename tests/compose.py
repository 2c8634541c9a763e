"""The image that the Docker tests run: the official one, or a stand-in made of Debian's packages."""

import hashlib
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from scripts.debian import MAJOR, PACKAGES, SUITE

OFFICIAL = "timescale/timescaledb:2.29.2-pg17"
SHELL = "bash", "dash", "coreutils", "grep", "base-files"
ENTRYPOINT = Path(__file__).parent / "standin" / "docker-entrypoint.sh"
# Another text here or in the entrypoint is another image.
STANDIN = f"enms-test-standin:{hashlib.sha256(ENTRYPOINT.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:12]}"


def docker(*arguments: str, **options) -> str | None:
    """Output of a docker command, or None if it failed."""
    if shutil.which("docker") is None:
        return None
    run = subprocess.run(["docker", *arguments], capture_output=True, text=True, **options)
    return run.stdout.strip() if run.returncode == 0 else None


def own_address() -> str:
    """An address of this machine that is not loopback; skips the test if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing; it only asks which way such packets would go.
            probe.connect(("198.51.100.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return probe.getsockname()[0]


def image() -> str:
    """Tag of the image to test with; skips the test where Docker or both images are out of reach."""
    if docker("info") is None:
        pytest.skip("no Docker daemon answers")
    if docker("compose", "version") is None:
        pytest.skip("docker compose is not installed")
    for tag in OFFICIAL, STANDIN:
        if docker("image", "inspect", tag) is not None:
            return tag
    if shutil.which("mmdebstrap") is None:
        pytest.skip(f"neither {OFFICIAL} nor mmdebstrap, which would make a stand-in for it, is here")
    _make_standin()
    return STANDIN


def _make_standin() -> None:
    """Import the embedded engine's Debian packages, with a shell, as an image with an entrypoint of ours."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "root"
        include = ",".join([*PACKAGES, *SHELL])
        fetch = ["mmdebstrap", "--mode=chrootless", "--variant=extract", f"--include={include}", SUITE, root]
        subprocess.run(fetch, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        # No package script has run, so the server's user and its folders are made here.
        (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/bash\npostgres:x:70:70::/var/lib/postgresql:/bin/bash\n")
        (root / "etc/group").write_text("root:x:0:\npostgres:x:70:\n")
        for folder in "var/lib/postgresql/data", "run/postgresql", "docker-entrypoint-initdb.d", "usr/local/bin":
            (root / folder).mkdir(parents=True, exist_ok=True)
        for folder in "var/lib/postgresql", "var/lib/postgresql/data":
            shutil.chown(root / folder, 70, 70)
        # A tmpfs takes over the mode of the folder that it is mounted on.
        (root / "run/postgresql").chmod(0o1777)
        shutil.rmtree(root / "var/run", ignore_errors=True)
        (root / "var/run").symlink_to("/run")
        # The list of time zones follows this link.
        (root / "etc/localtime").symlink_to("/usr/share/zoneinfo/UTC")
        shutil.copy2(ENTRYPOINT, root / "usr/local/bin" / ENTRYPOINT.name)
        path = f"/usr/lib/postgresql/{MAJOR}/bin:/usr/local/bin:/usr/bin:/bin"
        changes = [f"ENV PATH={path} PGDATA=/var/lib/postgresql/data", f'ENTRYPOINT ["{ENTRYPOINT.name}"]', 'CMD ["postgres"]',
                   "EXPOSE 5432", "VOLUME /var/lib/postgresql/data"]  # fmt: skip
        options = [word for change in changes for word in ("--change", change)]
        with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
            subprocess.run(["docker", "import", *options, "-", STANDIN], stdin=tar.stdout, check=True, capture_output=True)
