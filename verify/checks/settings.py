"""Server and settings: what postgresql.conf declares is what the server runs, and nobody overrides it."""

import re
from collections.abc import Iterator

from verify.configuration import canonical, declared, readable
from verify.registry import COMMUNITY, Check, Context, family
from verify.result import PASSED, Outcome, Verdict, failed, information, not_evaluated
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
# A configuration of another make sets a few of the same names.
SHARE_IN_FORCE = 0.8
IN_FORCE = "postgresql.conf is in force"


@family("settings", 10)
def plan(spec: Spec) -> Iterator[Check]:
    conf = declared()
    yield Check("server version", _version, ("server",))
    yield Check(IN_FORCE, lambda context: _in_force(context, conf), ("server", "settings"))
    for name, value in conf.items():
        yield Check(
            f"setting {name}", lambda context, name=name, value=value: _setting(context, name, value), ("server", "settings"), (IN_FORCE,)
        )
    for name, rule in spec.configuration["required"].items():
        yield Check(
            f"setting {name} is {rule}", lambda context, name=name, rule=rule: _required(context, name, rule), ("server", "settings")
        )
    yield Check("settings by ALTER SYSTEM", lambda context: _altered_system(context, conf), ("server", "settings"))
    yield Check("settings by ALTER DATABASE and ALTER ROLE", lambda context: _altered_roles(context, conf), ("server", "settings", "role_settings"))


def _version(context: Context) -> Verdict:
    server = context.catalog.one("server")
    if OLDEST <= server["major"] <= NEWEST:
        return PASSED
    return failed(f"PostgreSQL {server['version']}", f"Use PostgreSQL {OLDEST} to {NEWEST}.")


def _ours(context: Context, conf: dict[str, str]) -> bool:
    """True if the server reads our postgresql.conf: then nearly every name in it comes from a file."""
    rows = context.catalog.by_name("settings")
    visible = [rows[name] for name in conf if name in rows]
    from_file = sum(row["source"] == "configuration file" for row in visible)
    return from_file >= SHARE_IN_FORCE * len(visible)


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
        return _hidden(context, "the server does not know it", "Load the library that brings it: shared_preload_libraries.")
    row = rows[name]
    if _holds(context, row, rule):
        return PASSED
    return failed(f"found {readable(row['value'], row)} ({_origin(row)})", _remedy(row))


def _holds(context: Context, row: dict, rule: str) -> bool:
    """Whether a value keeps a rule of the spec: 'contains a, b', '>= name + number', or the value itself."""
    if rule.startswith("contains "):
        have = {item.strip() for item in row["value"].split(",")}
        return {item.strip() for item in rule.removeprefix("contains ").split(",")} <= have
    if match := re.fullmatch(r">= (\S+) \+ (\d+)", rule):
        base = context.spec.jobs if match[1] == "jobs" else int(context.catalog.by_name("settings")[match[1]]["value"])
        return int(row["value"]) >= base + int(match[2])
    return canonical(rule, row) == canonical(row["value"], row)


def _altered_system(context: Context, conf: dict[str, str]) -> Verdict:
    """Values that wait for a reload or a restart; those in force show at the setting itself."""
    if not context.catalog.one("server")["reads_files"]:
        return not_evaluated("this role may not read what ALTER SYSTEM wrote", "Verify as a superuser.")
    rows, required = context.catalog.by_name("settings"), context.spec.configuration["required"]
    waiting, own = [], []
    for entry in context.catalog.rows("file_settings"):
        name, row = entry["name"].lower(), rows.get(entry["name"].lower())
        wanted = conf.get(name, required.get(name))
        if row is None or wanted is None:
            # Without its value, which may hold a password.
            own.append(name)
        elif canonical(entry["value"], row) not in (canonical(row["value"], row), canonical(wanted, row)):
            waiting.append(f"{name} = {entry['value']}")
    if waiting:
        return Verdict(Outcome.FAILED, "in force after the next start or reload", (), tuple(sorted(waiting)), "alter system reset …;")
    return information(f"not in postgresql.conf: {', '.join(sorted(own))}") if own else PASSED


def _altered_roles(context: Context, conf: dict[str, str]) -> Verdict:
    """Settings of other roles; those that apply to this session show at the setting itself."""
    rows, required = context.catalog.by_name("settings"), context.spec.configuration["required"]
    me = context.catalog.one("server")["role"]
    wrong, own = [], []
    for entry in context.catalog.rows("role_settings"):
        name = entry["name"].lower()
        wanted, row = conf.get(name, required.get(name)), rows.get(name)
        if entry["role"] in ("", me) or row is None or wanted is None or canonical(entry["value"], row) == canonical(wanted, row):
            continue
        ours = entry["role"] in context.spec.roles or name in required
        (wrong if ours else own).append(f"{entry['role']}: {name} = {entry['value']}")
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
