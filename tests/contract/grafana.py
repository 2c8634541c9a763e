"""Grafana's files, and its macros and variables expanded as its PostgreSQL data source does, with TimescaleDB switched on."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "scripts" / "grafana"
SOURCE = yaml.safe_load((FOLDER / "datasource.yml").read_text())
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def expand(sql: str, begin: datetime, end: datetime, interval: str = "5m", **variables: str) -> str:
    """The statement that Grafana sends for a query over [begin, end]."""
    for name, value in (variables | {"__interval": interval}).items():
        sql = re.sub(rf"\${name}\b|\${{{name}}}", value, sql)
    times = [f"'{moment.astimezone(UTC).isoformat().replace('+00:00', 'Z')}'" for moment in (begin, end)]

    def macro(found: re.Match) -> str:
        name, arguments = found[1], [part.strip() for part in found[2].split(",")]
        if name in ("timeFrom", "timeTo"):
            return times[name == "timeTo"]
        if name == "timeFilter":
            return f"{arguments[0]} BETWEEN {times[0]} AND {times[1]}"
        if name == "time":
            return f'{arguments[0]} AS "time"'
        # An alias is added for the name that says so only.
        width = arguments[1].strip("'")
        group = f"time_bucket('{int(width[:-1]) * SECONDS[width[-1]]}.000s',{arguments[0]})"
        return {"timeGroup": group, "timeGroupAlias": f'{group} AS "time"'}[name]

    expanded = re.sub(r"\$__(\w+)\(([^)]*)\)", macro, sql)
    assert "$" not in expanded, expanded
    return expanded
