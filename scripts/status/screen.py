"""The screen: sections of a few lines each, what is wrong first and in red."""

from rich.console import Console
from rich.table import Table

from scripts.console import screen
from scripts.status import attention, sections, words

# Piped, where there is no terminal to fit into.
WIDTH = 100
# Of a column that gives way where the room is short, and what it keeps of it.
GIVES, LEAST = ("~", "="), 16


def show(found: dict, everything: bool = False) -> None:
    """Print the screen; `everything` lists also what is well."""
    with screen(WIDTH) as console:
        if told := attention.needed(found):
            console.print(f"[bold]{'attention':<12}[/] [bold red]{'; '.join(told)}[/]")
        for name, value in _head(found).items():
            # A long path is wrapped by the terminal, so that it can be copied whole.
            console.print(f"[bold]{name:<12}[/] {value}", soft_wrap=True)
        for section in sections.SECTIONS:
            made = section(found, everything)
            if made is None:
                continue
            title, columns, rows, end = made
            console.print(f"\n[bold]{title}[/]")
            if rows:
                console.print(_table(columns, rows, console.width))
            for line in end:
                console.print(line)
        if found["notes"]:
            console.print()
        for note in found["notes"]:
            console.print(f"[yellow]Note: {words.name(note)}[/]", soft_wrap=True)


def _head(found: dict) -> dict[str, str]:
    """The lines above the sections."""
    server = found["server"]
    difference = f"; [red]{words.name(server['difference'])}[/]" if server["difference"] else ""
    timescaledb = f"{server['timescaledb_version']} ({server['edition']} edition){difference}" if server["timescaledb_version"] else "[red]not installed[/]"
    if server["complete"]:
        schema = f"{server['schema_version']}, complete since {server['schema_completed_at']:%Y-%m-%d %H:%M:%S %Z}"
    elif server["complete"] is None:
        schema = "not for this role to see"
    else:
        schema = "[red]not complete: make logs says why[/]"
    connections = f", {server['connections']} of {server['max_connections']} connections" if "connections" in server else ""
    return {
        "engine": found["engine"],
        "address": words.name(found["address"]),
        "server": f"PostgreSQL {server['server_version'].split()[0]}, up for {words.span(server['uptime_seconds'])}{connections}",
        "TimescaleDB": timescaledb,
        "size": words.size(server["database_bytes"]) + (f", {words.name(found['data'])}" if found["data"] else ""),
        "schema": schema,
    }


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]], width: int) -> Table:
    """A table without a frame, of as many columns as there is room for.

    A column's name begins with > where it is flush right, with ~ where it is cut if need be, and with = where it is folded.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        folded = column[:1] == "="
        table.add_column(column.lstrip(">~="), justify="right" if column[:1] == ">" else "left", no_wrap=not folded, overflow="fold" if folded else "ellipsis")
    for row in rows:
        table.add_row(*row)
    natural = Console(width=10_000)
    if natural.measure(table).maximum <= width:
        return table
    giving = [column for column, name in zip(table.columns, columns, strict=True) if name.startswith(GIVES)]
    for column in giving:
        column.max_width = LEAST
    if natural.measure(table).maximum > width and len(columns) > 2:
        last = max(place for place, name in enumerate(columns) if not name.startswith(GIVES))
        return _table(columns[:last] + columns[last + 1 :], [row[:last] + row[last + 1 :] for row in rows], width)
    table.expand = True
    for column in giving:
        column.ratio, column.max_width = 1, None
    return table
