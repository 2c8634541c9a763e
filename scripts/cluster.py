"""A PostgreSQL server of one's own in any folder: made, started, stopped and filled from init/."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from scripts import account, client, network, process
from scripts.console import Failure
from scripts.server import Installation
from scripts.settings import CONF, INIT

SPACE = 300 << 20
INITDB = "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--auth=scram-sha-256"


class Cluster:
    """A server of `installation` with its data in `state`/data and its log in `state`/log.

    It listens on TCP at `address` and `port` only. `user` is its superuser, with `password`; `conf` is
    the file that config_file names. The data outlives the object: one made later with the same `state`
    is the same server. Every method raises Failure, with one line for the user, when it cannot do its
    work.
    """

    def __init__(
        self,
        installation: Installation,
        state: Path,
        port: int,
        password: str,
        conf: Path = CONF,
        user: str = "enms_user",
        address: str = "127.0.0.1",
    ) -> None:
        self.installation = installation
        self.state = Path(state).resolve()
        self.data = self.state / "data"
        self.log = self.state / "log" / "postgresql.log"
        self.port = port
        self.password = password
        self.conf = Path(conf).resolve()
        self.user = user
        self.address = address
        self._process: subprocess.Popen | None = None

    def dsn(self, dbname: str = "enms") -> str:
        """Connection string with the password, for psycopg; never for a command line."""
        return make_conninfo(self.conninfo(dbname), password=self.password)

    def conninfo(self, dbname: str = "enms") -> str:
        """Connection string without the password."""
        host = network.client_host(self.address)
        return make_conninfo(host=host, port=self.port, user=self.user, dbname=dbname)

    def environment(self, dbname: str = "enms") -> dict[str, str]:
        """This process's environment with PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE for this server."""
        return client.environment(conninfo_to_dict(self.dsn(dbname)))

    def create(self) -> None:
        """Make an empty cluster: UTF-8, C.UTF-8, data checksums, SCRAM for every connection."""
        if self.data.exists() and any(self.data.iterdir()):
            raise Failure(f"{self.data} is not empty")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.state).free
        if free < SPACE:
            needed = f"a new database needs {SPACE >> 20} MB"
            raise Failure(f"{self.state} has {free >> 20} MB free, {needed}: free some space")
        self.data.mkdir(mode=0o700, exist_ok=True)
        owner = account.server_account()
        if owner:
            os.chown(self.data, owner.pw_uid, owner.pw_gid)
        with account.entered(owner, self.data) as (data, handles), open(os.memfd_create("password"), "w") as secret:
            secret.write(self.password + "\n")
            secret.flush()
            command = [self._program("initdb"), "-D", data, *INITDB]
            command += [f"--username={self.user}", f"--pwfile=/proc/self/fd/{secret.fileno()}"]
            handles = [*handles, secret.fileno()]
            run = subprocess.run(command, capture_output=True, text=True, **account.run_as(owner), pass_fds=handles)
        if run.returncode:
            raise Failure(f"initdb failed: {self._reason(run.stderr)}")
        # The official image's rule too: the address listened on decides who can connect, the password who may.
        with open(os.open(self.data / "pg_hba.conf", os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW), "a") as rules:
            rules.write("\nhost all all all scram-sha-256\n")

    def start(self, settings: Mapping[str, str] | None = None, timeout: float = 60, hba: Path | None = None) -> None:
        """Start the server in the background and wait until it answers; `settings` override `conf`.

        `hba` is a file of rules that say who may connect, in place of the data folder's own.

        It survives the end of this process and of its terminal. `timeout` is in seconds; crash recovery
        is waited for without a limit as long as the server is alive.
        """
        if self.pid():
            raise Failure(f"the server in {self.state} is running already")
        # What a killed server left: its number may belong to another program now, which would stop PostgreSQL.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        network.require_free_port(self.address, self.port)
        owner = account.server_account()
        with account.entered(owner, self.data) as (data, handles), open(self.log, "a") as log:
            conf = str(self.conf)
            if not account.allowed(owner, "-r", self.conf):
                # The checkout is closed to the server's user, as in root's home folder: it gets a copy.
                conf = f"{data}/postgresql.conf"
                account.put(owner, self.data / "postgresql.conf", self.conf.read_bytes())
            rules = {}
            if hba:
                rules = {"hba_file": f"{data}/{hba.name}"}
                account.put(owner, self.data / hba.name, hba.read_bytes())
            flags = {
                "config_file": conf,
                "cluster_name": process.cluster_name(self.data),
                "listen_addresses": self.address,
                "port": str(self.port),
                "unix_socket_directories": "",
                **rules,
                **(settings or {}),
            }
            command = [self._program("postgres"), "-D", data]
            for name, value in flags.items():
                command += ["-c", f"{name}={value}"]
            begin = log.tell()
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                **account.run_as(owner), pass_fds=handles,
            )  # fmt: skip
        self._wait(begin, timeout)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server ('smart', 'fast' or 'immediate') and wait for its end; nothing if it is down."""
        process.stop_server(self.pid(), mode)
        self._reap()

    def kill(self) -> None:
        """End the server and its children with SIGKILL, as a power cut would."""
        pid = self.pid()
        if pid is not None:
            # A child that still holds the shared memory would stop the next start.
            process.end([pid, *process.children(pid)], signal.SIGKILL, timeout=10)
            self._reap()

    def pid(self) -> int | None:
        """Process id of the running server, or None; a stale or foreign id in the lock file is not believed."""
        if self._process and self._process.poll() is None:
            return self._process.pid
        return process.server_pid(self.data)

    def create_database(self, dbname: str = "enms") -> None:
        """Create an empty database."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(dbname)))

    def run_init(self, dbname: str = "enms", init_dir: Path = INIT) -> None:
        """Run init_dir/*.sql in the database, in order, as the image's entrypoint does; stops at an error."""
        client.run_sql_files(self.psql(), self.environment(dbname), init_dir)

    def psql(self) -> list[str]:
        """The psql to use with this server; environment() tells it where to connect."""
        return [client.psql_program(self.installation.program("psql"))]

    def _program(self, name: str) -> str:
        path = self.installation.program(name)
        if path is None:
            raise Failure(f"{self.installation.bindir} has no {name}")
        return path

    def _wait(self, begin: int, timeout: float) -> None:
        """Wait until a connection succeeds; the log is read from `begin` on if the server ends before."""
        deadline = time.monotonic() + timeout
        while True:
            if self._process.poll() is not None:
                self._process = None
                with open(self.log, errors="replace") as log:
                    log.seek(begin)
                    raise Failure(f"the server did not start: {self._reason(log.read())} (log: {self.log})")
            try:
                psycopg.connect(self.dsn("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error):
                    self.stop()
                    raise Failure(client.wrong_password(str(self.data))) from None
                starting = "starting up" in str(error) or "recovery" in str(error)
                if time.monotonic() > deadline and not starting:
                    self.stop("immediate")
                    raise Failure(f"the server did not answer in {timeout:.0f} s; see {self.log}") from None
            time.sleep(0.05)

    def _reason(self, output: str) -> str:
        """Why initdb or the server failed; on a full disk the log may have had no room to say it."""
        if shutil.disk_usage(self.state).free < 1 << 20:
            return client.DISK_FULL
        return client.reason(output)

    def _reap(self) -> None:
        if self._process:
            self._process.wait()
            self._process = None
