"""The docker engine, by its commands, in a copy of the checkout with a Compose project of its own."""

import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from compose import docker
from conftest import free_port
from engine_cli import Checkout, only_error

import compose

pytestmark = pytest.mark.docker


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout that has never been up and whose engine is not chosen."""
    made = Checkout(
        tmp_path / "enms",
        ENMS_IMAGE=compose.image(),
        ENMS_PORT=free_port(),
        COMPOSE_PROJECT_NAME=f"enms-test-{secrets.token_hex(4)}",
    )
    yield made
    made.run("clean", "--force")


def _project(checkout: Checkout, kind: str) -> str | None:
    """Names of the project's volumes, or ids of its containers."""
    label = f"label=com.docker.compose.project={checkout.environment['COMPOSE_PROJECT_NAME']}"
    return docker(*{"volume": ("volume", "ls", "-q"), "container": ("ps", "-q")}[kind], "--filter", label)


def last_error(run: subprocess.CompletedProcess) -> str:
    """The error line at the end of what Compose printed."""
    assert run.returncode == 1, run.stdout + run.stderr
    lines = run.stderr.strip().splitlines()
    assert [line for line in lines if line.startswith("error: ")] == lines[-1:], run.stderr
    return lines[-1]


def test_docker_is_taken_where_it_can_be_used_and_keeps_its_data(checkout: Checkout) -> None:
    output = checkout.up()
    assert "Engine: docker, because Docker can be used" in output and "Connect: psql " in output
    container = _project(checkout, "container")
    assert docker("inspect", "--format", "{{.State.Health.Status}}", container) == "healthy"
    assert checkout.query("show config_file") == "/etc/postgresql/postgresql.conf"

    assert "Engine: docker, which is up already" in checkout.up()
    assert _project(checkout, "container") == container
    assert "embedded" not in checkout.run("status").stdout
    assert "database system is ready" in checkout.run("logs", "-n", "500").stdout
    assert "the docker engine is up" in only_error(checkout.run("up", ENGINE="embedded"))

    checkout.query("create schema own; create table own.kept as select 42 as answer")
    assert checkout.run("down").returncode == 0
    assert _project(checkout, "container") == ""
    assert "data is kept: docker" in checkout.run("status").stdout
    assert "Engine: docker, which has the data" in checkout.up()
    assert checkout.query("select answer from own.kept") == "42"

    assert "FORCE=1" in only_error(checkout.run("clean"))
    assert checkout.run("clean", "--force").returncode == 0
    assert _project(checkout, "volume") == ""


def test_failing_init_is_reported_and_never_healthy(checkout: Checkout) -> None:
    broken = checkout.path / "init" / "02-broken.sql"
    broken.write_text("select 1;\nselect 1/0;\n")
    error = last_error(checkout.run("up"))
    assert "init/02-broken.sql:2: ERROR:" in error and "make clean" in error
    assert _project(checkout, "container") == ""
    broken.unlink()
    # The volume holds half a schema, and the image's entrypoint would start it as it is.
    assert "make clean" in last_error(checkout.run("up"))
    checkout.run("clean", "--force")
    checkout.up()


def test_changed_password_is_named(checkout: Checkout) -> None:
    checkout.up()
    checkout.run("down")
    assert "password" in last_error(checkout.run("up", POSTGRES_PASSWORD="another"))
    (checkout.path / ".env").unlink()
    assert ".env is missing" in only_error(checkout.run("up"))


def test_image_that_cannot_be_had_leads_to_the_embedded_engine(checkout: Checkout) -> None:
    checkout.environment["ENMS_IMAGE"] = f"127.0.0.1:{free_port()}/none:1"
    assert "could not be pulled" in only_error(checkout.run("up", ENGINE="docker"))
    output = checkout.up()
    assert "Engine: embedded, because 127.0.0.1" in output and "could not be pulled" in output


def test_closed_files_are_opened_for_the_container(checkout: Checkout) -> None:
    for path in [checkout.path / "postgresql.conf", checkout.path / "init", *(checkout.path / "init").glob("*.sql")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert "Made readable for the container: postgresql.conf, init, " in checkout.up()


def test_project_of_another_checkout_is_left_alone(checkout: Checkout, tmp_path: Path) -> None:
    checkout.up()
    other = Checkout(tmp_path / "other" / "enms", **_same_project(checkout))
    error = only_error(other.run("clean", "--force"))
    assert "COMPOSE_PROJECT_NAME" in error and str(checkout.path) in error
    assert checkout.query("select 1") == "1"


def _same_project(checkout: Checkout) -> dict[str, object]:
    return {"COMPOSE_PROJECT_NAME": checkout.environment["COMPOSE_PROJECT_NAME"], "ENMS_PORT": free_port()}
