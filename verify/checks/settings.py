"""Server and settings: what postgresql.conf declares is what the server runs, and nobody overrides it."""

from collections.abc import Iterator

from verify.configuration import canonical, declared, readable
from verify.registry import COMMUNITY, Check, Context, family
from verify.result import PASSED, Outcome, Verdict, failed, information, not_evaluated, same
from verify.rules import RULE, holds, in_words
from verify.spec import Spec

OLDEST, NEWEST = 15, 18
OVERRIDES = {
    "database": "alter database … reset {name};",
    "user": "alter role … reset {name};",
    "database user": "alter role … in database … reset {name};",
    "global": "alter role all reset {name};",
    "command line": "Start the server without -c {name}=….",
    "environment variable": "Start the server without that environment variable.",
}
# Servers before that release do not have the setting.
NEWER = {"transaction_timeout": 17}
# A configuration of another make sets a few of the same names.
SHARE_IN_FORCE = 0.8
IN_FORCE = "postgresql.conf is in force"


@family("settings", 10)
def plan(spec: Spec) -> Iterator[Check]:
    conf = declared()
    yield Check("server version", _version, ("server",))
    yield Check("database encoding and collation", _encoding, ("server",))
    yield Check("timescaledb.license", _license, ("server", "rollups"), ("extension timescaledb",))
    yield Check(IN_FORCE, lambda context: _in_force(context, conf), ("server", "settings"))
    rules = spec.configuration["required"] | spec.configuration["unless_by_role"]
    for name, value in conf.items():
        if name in rules and not RULE.match(rules[name]):
            # What must hold on any server is checked once.
            continue
        yield Check(
            f"setting {name}", lambda context, name=name, value=value: _setting(context, name, value), ("server", "settings"), (IN_FORCE,)
        )
    for name, rule in rules.items():
        yield Check(
            f"setting {name} must {in_words(rule)}", lambda context, name=name, rule=rule: _required(context, name, rule),
            ("server", "settings", "role_settings"),
        )  # fmt: skip
    yield Check("configuration files", _files, ("server", "file_errors"))
    yield Check("settings by ALTER SYSTEM", lambda context: _altered_system(context, _wanted(context, conf, rules)), ("server", "settings"))
    yield Check(
        "settings by ALTER ROLE", lambda context: _altered_roles(context, _wanted(context, conf, rules)), ("server", "settings", "role_settings")
    )


def _version(context: Context) -> Verdict:
    server = context.catalog.one("server")
    if OLDEST <= server["major"] <= NEWEST:
        return PASSED
    return failed(f"PostgreSQL {server['version']}", f"Use PostgreSQL {OLDEST} to {NEWEST}.")


def _encoding(context: Context) -> Verdict:
    server = context.catalog.one("server")
    if server["collation_moved"]:
        return failed("the operating system sorts otherwise than when the indexes on text were built", f"reindex database {server['database']}; alter database {server['database']} refresh collation version;")
    return same("UTF8", server["encoding"], "Dump it, and restore into a database made with encoding 'UTF8'.")


def _license(context: Context) -> Verdict:
    """Continuous aggregates that the licence in force neither refreshes nor lets policies look after."""
    if context.edition == COMMUNITY or not context.catalog.rows("rollups"):
        return PASSED
    fix = "alter system set timescaledb.license = 'timescale'; then restart. A build without it can't hold this database."
    return failed("apache, but the rollups were made as continuous aggregates: nothing refreshes them", fix)


def _ours(context: Context, conf: dict[str, str]) -> bool:
    """True if the server reads our postgresql.conf: then nearly every name in it has been set, if not overridden."""
    rows = context.catalog.by_name("settings")
    visible = [rows[name] for name in conf if name in rows]
    return sum(row["source"] != "default" for row in visible) >= SHARE_IN_FORCE * len(visible)


def _wanted(context: Context, conf: dict[str, str], rules: dict[str, str]) -> dict[str, str]:
    """What is to hold on this server; of postgresql.conf nothing where another configuration is in force."""
    return rules | conf if _ours(context, conf) else rules


def _in_force(context: Context, conf: dict[str, str]) -> Verdict:
    if _ours(context, conf):
        return PASSED
    other = context.catalog.one("server")["config_file"] or "a configuration of its own"
    if context.own_configuration:
        return failed(f"the server reads {other}", "Start it with make up, which names this project's file as config_file.")
    return information(f"the server reads {other}; what must hold on any server is checked")


def _setting(context: Context, name: str, value: str) -> Verdict:
    row = context.catalog.by_name("settings").get(name)
    if row is None:
        if name.startswith("timescaledb.") and context.edition != COMMUNITY:
            return Verdict(Outcome.NOT_IN_EDITION, "this build of TimescaleDB does not know it")
        return _hidden(context, "the server does not know it", "Correct its name in postgresql.conf; a wrong name is never in force.")
    if canonical(value, row) == canonical(row["value"], row):
        return PASSED
    found = readable(row["value"], row)
    by_flag = row["source"] == "command line"
    if by_flag and name in context.spec.configuration["set_by_engine"]:
        return information(f"{found}, set by the engine")
    if by_flag and name in context.spec.configuration["scaled_to_memory"] and canonical(row["value"], row) < canonical(value, row):
        return information(f"{found} instead of {value}, scaled to the machine's memory")
    if row["source"] == "client":
        return not_evaluated("this session's own environment sets it", "Unset PGOPTIONS and its like, and verify again.")
    if not _ours(context, declared()):
        return information(f"{found}, in postgresql.conf {value}")
    return failed(f"expected {value}, found {found} ({_origin(row)})", _remedy(row))


def _required(context: Context, name: str, rule: str) -> Verdict:
    rows = context.catalog.by_name("settings")
    if name not in rows:
        if context.catalog.one("server")["major"] < NEWER.get(name, 0):
            return PASSED
        return _hidden(context, "the server does not know it", "Load the library that brings it: shared_preload_libraries.")
    row = rows[name]
    if holds(context, row, rule):
        return PASSED
    if row["source"] == "client":
        return not_evaluated("this session's own environment sets it", "Unset PGOPTIONS and its like, and verify again.")
    if row["source"] == "session":
        # The verifier has set it for itself; what a session begins with is the role's, the database's or the server's.
        row = row | {"source": _inherited(context, name), "sourcefile": None}
    own = row["source"] in ("user", "database user") and context.catalog.one("server")["role"] not in (context.catalog.owner, *context.spec.roles)
    if own and name in context.spec.configuration["unless_by_role"]:
        return information(f"{readable(row['value'], row)} for this role")
    return failed(f"found {readable(row['value'], row)} ({_origin(row)})", _remedy(row))


def _inherited(context: Context, name: str) -> str:
    """Where a session's value of a setting comes from, as pg_settings has it."""
    me = context.catalog.one("server")["role"]
    found = {(row["role"], row["here"]) for row in context.catalog.rows("role_settings") if row["name"].lower() == name}
    places = {(me, True): "database user", (me, False): "user", ("", True): "database", ("", False): "global"}
    return next((source for place, source in places.items() if place in found), "configuration file")


def _files(context: Context) -> Verdict:
    """Lines that the server could not read or apply: it then goes on with what it had, as if nothing had been written."""
    if not context.catalog.one("server")["reads_files"]:
        return not_evaluated("this role may not read what the files say", "Verify as a superuser.")
    wrong = [f"{row['file']} line {row['line']}: {row['name'] or 'a line that is none'}: {row['error']}" for row in context.catalog.rows("file_errors")]
    return Verdict(Outcome.FAILED, "", (), tuple(sorted(wrong)), "Correct them; then reload, or restart where it says so.") if wrong else PASSED


def _altered_system(context: Context, wanted: dict[str, str]) -> Verdict:
    """Values that wait for a reload or a restart; those in force show at the setting itself."""
    if not context.catalog.one("server")["reads_files"]:
        return not_evaluated("this role may not read what ALTER SYSTEM wrote", "Verify as a superuser.")
    rows, waiting, own = context.catalog.by_name("settings"), [], []
    for entry in context.catalog.rows("file_settings"):
        name, row = entry["name"].lower(), rows.get(entry["name"].lower())
        if row is None or name not in wanted:
            # Without its value, which may hold a password.
            own.append(name)
        elif canonical(entry["value"], row) != canonical(row["value"], row) and not holds(context, row | {"value": entry["value"]}, wanted[name]):
            waiting.append(f"{name} = {entry['value']}")
    if waiting:
        return Verdict(Outcome.FAILED, "in force after the next start or reload", (), tuple(sorted(waiting)), "alter system reset …;")
    return information(f"not in postgresql.conf: {', '.join(sorted(own))}") if own else PASSED


def _altered_roles(context: Context, wanted: dict[str, str]) -> Verdict:
    """Settings that this session did not get, as they are for others, or as its own role overrides them."""
    rows, required = context.catalog.by_name("settings"), context.spec.configuration["required"]
    me = context.catalog.one("server")["role"]
    places = {"database user": (me, True), "user": (me, False), "database": ("", True), "global": ("", False)}
    wrong, own = [], []
    for entry in context.catalog.rows("role_settings"):
        name = entry["name"].lower()
        row = rows.get(name)
        if name.startswith(("enms.", "plpgsql.")):
            # They change what the schema's functions do, or let through.
            wrong.append(f"{entry['role'] or 'every role'}: {name} = {entry['value']}")
            continue
        if row is None or name not in wanted or holds(context, row | {"value": entry["value"]}, wanted[name]):
            continue
        source = _inherited(context, name) if row["source"] == "session" else row["source"]
        if places.get(source) == (entry["role"], entry["here"]):
            # It shows at the setting itself.
            continue
        ours = entry["role"] in ("", context.catalog.owner, *context.spec.roles) or name in required
        (wrong if ours else own).append(f"{entry['role'] or 'every role'}: {name} = {entry['value']}")
    if wrong:
        return Verdict(Outcome.FAILED, "", (), tuple(sorted(wrong)), "alter role … reset …;")
    return information(f"roles of your own: {', '.join(sorted(own))}") if own else PASSED


def _hidden(context: Context, reason: str, fix: str) -> Verdict:
    """Roles without pg_read_all_settings do not see some settings at all."""
    if not context.catalog.one("server")["reads_settings"]:
        return not_evaluated("this role may not see it", "Verify as a member of pg_monitor.")
    return failed(reason, fix)


def _origin(row: dict) -> str:
    if (row["sourcefile"] or "").endswith("postgresql.auto.conf"):
        return "set by ALTER SYSTEM"
    return f"from {row['source']}" + (", a change waits for a restart" if row["pending_restart"] else "")


def _remedy(row: dict) -> str:
    if (row["sourcefile"] or "").endswith("postgresql.auto.conf"):
        return f"alter system reset {row['name']}; then reload or restart."
    default = "Correct the server's postgresql.conf, then reload or restart."
    return OVERRIDES.get(row["source"], default).format(name=row["name"])
