"""Changes of functions, views, comments and extensions."""

from collections.abc import Iterator

from mutations.change import Change, bare
from mutations.timeseries import WRAP
from verify.sources import Sources
from verify.spec import Spec


def changes(spec: Spec, sources: Sources) -> Iterator[Change]:
    for name, declared in spec.functions.items():
        yield from _function(name, declared)
    for name, declared in spec.views.items():
        yield from _view(name, declared)
    for (name, column), text in sources.comments.items():
        yield from _comment(spec, name, column, text)
    for name in spec.extensions:
        if name == "timescaledb":
            # A session that has used it can neither lose nor change it.
            continue
        there, drop = f"extension {name}", f'drop extension "{name}" cascade'
        yield Change("extension missing", there, "not created", drop, takes=True, alone=True)
        yield Change("extension's version", there, "0.9", f"update pg_extension set extversion = '0.9' where extname = '{name}'", alone=True)
        yield Change("extension's schema", there, "enms", f'alter extension "{name}" set schema enms',
                     f"update pg_extension set extnamespace = 'enms'::regnamespace where extname = '{name}'", takes=True, alone=True)  # fmt: skip


def _function(name: str, declared: dict) -> Iterator[Change]:
    attributes, alter, options = f"attributes of {name}", f"alter function {name}", declared["options"]
    where = f"oid = '{name}'::regproc"
    yield Change("function renamed", f"function {name}", "missing", f"{alter} rename to m_{bare(name)}", takes=True)
    arguments = [part for part in declared["arguments"].split(", ") if part != "none"]
    # Called with the arguments of the first, either could be meant.
    plain = ", ".join([*(argument.partition(" DEFAULT ")[0] for argument in arguments), "m_more text"])
    more = ", ".join([*arguments, "m_more text default null"])
    overload = f"create function {name}({more}) returns int language sql as 'select 1'; revoke all on function {name}({plain}) from public"
    if "VARIADIC" not in more:
        yield Change("function's overload", f"function {name}", "m_more", overload)
    yield Change("function's body", f"body of {name}", "differs from init/", f"update pg_proc set prosrc = prosrc || ' -- m' where {where}")
    if arguments:
        names = f"update pg_proc set proargnames = array['m_name'] || proargnames[2:] where {where}"
        yield Change("function's argument", f"function {name}", "m_name", names, takes=True)
    for kind, words in (
        ("volatility", "immutable" if "; immutable" not in options else "volatile"),
        ("security", "security definer" if "security invoker" in options else "security invoker"),
        ("parallel safety", "parallel unsafe" if "parallel unsafe" not in options else "parallel safe"),
        ("treatment of NULL", "called on null input" if "; strict" in options else "strict"),
        ("leakproofness", "leakproof"),
        ("search_path", "set search_path = m_schema, public, pg_catalog"),
        ("settings", "set work_mem = '1MB'"),
        ("owner", "owner to m_owner"),
    ):
        yield Change(f"function's {kind}", attributes, "options" if kind != "owner" else "m_owner", f"{alter} {words}")


def _view(name: str, declared: dict) -> Iterator[Change]:
    there = f"view {name}"
    yield Change("view dropped", there, "missing", f"drop view if exists {name} cascade", takes=True)
    yield Change("view renamed", there, "missing", f"alter view {name} rename to m_{bare(name)}", takes=True)
    yield Change("view's definition", f"definition of {name}", "differs from init/", WRAP % f"'{name}'::regclass")
    yield Change("view's options", there, "security_barrier", f"alter view {name} set (security_barrier)")
    yield Change("view's owner", there, "m_owner", f"alter view {name} owner to m_owner")
    for number, line in enumerate(declared["columns"]):
        rename = f'alter view {name} rename column "{line.split()[0]}" to m_{number}'
        yield Change("view's column renamed", f"columns of {name}", line, rename)


def _comment(spec: Spec, name: str, column: str, text: str) -> Iterator[Change]:
    if name in spec.functions:
        what = f"function {name}"
    elif name in spec.enums:
        what = f"type {name}"
    elif name in spec.roles:
        what = f"role {name}"
    elif name in spec.tables:
        what = f"table {name}"
    elif name in spec.rollups or name in spec.views:
        what = f"view {name}"
    else:
        return
    what = f'column {name}."{column}"' if column else what
    yield Change("comment missing", f"comments of {name}", text, f"comment on {what} is null")
    yield Change("comment of other words", f"comments of {name}", "m_words", f"comment on {what} is 'm_words'")
