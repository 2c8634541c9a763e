"""Why there is no connection, on one line and with what to do about it."""

import re

import psycopg

from verify.result import ExitCode, Fatal

DSN = "Correct the DSN or the PG* variables."
# What the server or libpq says, what to do, and whether it can't be otherwise a moment later. There is no error code
# to go by before a session has begun; where the text is in another language, it is told without advice.
KNOWN = (
    ("could not access file", "The server has another TimescaleDB than the database: psql -X -c 'alter extension timescaledb update', as the first command of its session; else start it with the library of before.", False),
    ("must be preloaded", "Add timescaledb to shared_preload_libraries, as postgresql.conf has it, and restart.", False),
    ("password authentication failed", "Check the user and the password: in the DSN, PGPASSWORD or ~/.pgpass.", True),
    ("no password supplied", "Give the password in the DSN, PGPASSWORD or ~/.pgpass.", True),
    ("no pg_hba.conf entry.*no encryption", "Where the server wants TLS, connect with sslmode=require; else let this host, user and database in by its pg_hba.conf.", True),
    ("no pg_hba.conf entry|pg_hba.conf rejects", "Let this host, user and database in by the server's pg_hba.conf.", True),
    ("does not support SSL", "Turn TLS on at the server (ssl = on), or connect with sslmode=prefer.", True),
    ("certificate", "Check sslmode, and name the certificates by sslrootcert, sslcert and sslkey.", True),
    ("is not permitted to log in", "That role is a group: log in as a member of it.", True),
    ("permission denied for database", "grant connect on database … to that role; as the database's owner.", True),
    ("definition of service|invalid (integer|port)|invalid .* value|bad value for|Servname", DSN, True),
    ("unrecognized configuration parameter", "Correct options in the DSN, or PGOPTIONS.", True),
    ("not currently accepting connections", "alter database … allow_connections true; or name another with dbname=….", False),
    ("invalid response to SSL|expected authentication request", "What listens there is no PostgreSQL server: check host and port.", True),
    ('role ".*" does not exist', "Name another with user=…, or create it.", False),
    ('database ".*" does not exist', "Name another with dbname=…, or create it.", False),
    ("too many (clients|connections)|connection slots", "Close some connections or raise max_connections; some are kept for superusers.", False),
    ("starting up|in recovery mode|shutting down|not yet accepting", "Try again in a moment, or with --wait SECONDS.", False),
    ("Connection refused|No such file or directory", "Start the server (make up starts this project's), or check host and port.", False),
    ("translate host name|Name or service not known", "Check the host's name.", False),
    ("statement timeout|idle-session timeout", "alter role … reset, or alter database … reset, that setting.", True),
    ("timeout expired|connection timeout|timed out", "Check host and port, and what lies between, such as a firewall.", False),
)


class Refused(Fatal):
    """No usable connection: `reason` is what was said; waiting does not help if `final`."""

    def __init__(self, what: str, error: Exception) -> None:
        self.reason = one_line(error)
        known = next((row for row in KNOWN if re.search(row[0], self.reason)), None)
        self.final = bool(known and known[2])
        advice = f". {known[1]}" if known else ""
        super().__init__(f"{what}: {self.reason.rstrip('.')}{advice}", ExitCode.USAGE if known and known[1] == DSN else ExitCode.CONNECT)


def one_line(error: Exception | str) -> str:
    """What was said, on one line: by the server, without the place in our query; by libpq, without its questions."""
    said = isinstance(error, psycopg.Error) and error.diag.message_primary
    text = " ".join(filter(None, [said, error.diag.message_hint])) if said else str(error)
    text = re.sub(r"\s+Is the server running (locally|on that host)[^?]*\?|\s+Multiple connection attempts failed.*", "", text, flags=re.S)
    # libpq tries with and without TLS; the first is what was asked for.
    text = re.sub(r"(connection to server .*?)\s+connection to server .*", r"\1", " ".join(text.split()))
    return re.sub(r"^connection (failed|is bad): ", "", text) or type(error).__name__
