"""postgresql.conf as the server would read it, and settings in one unit so that they compare."""

import re
from pathlib import Path

from verify.result import ExitCode, Fatal

CONF = Path(__file__).resolve().parent.parent / "postgresql.conf"
LINE = re.compile(r"^\s*([a-zA-Z_.]+)(?:\s*=\s*|\s+)(?:'((?:[^']|'')*)'|([^\s#']+))\s*(?:#.*)?$")
BYTES = {"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
MILLISECONDS = {"us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
FACTORS = BYTES | MILLISECONDS
# An older spelling that the server takes and shows as another.
ALIASES = {("wal_compression", "on"): "pglz"}
ALIASES |= {("timezone", name): "utc" for name in ("utc", "etc/utc", "zulu", "etc/zulu", "universal", "etc/universal", "uct", "etc/uct")}
SPELLINGS = {"true": "on", "yes": "on", "1": "on", "false": "off", "no": "off", "0": "off"}


def declared(path: Path | None = None) -> dict[str, str]:
    """Settings of a configuration file, by default this project's; the last line of a name counts. Fatal for a line that is none."""
    path = path or CONF
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise Fatal(f"{path} cannot be read: {error.strerror}", ExitCode.SPEC) from None
    except UnicodeDecodeError as error:
        raise Fatal(f"{path} is not UTF-8 at byte {error.start}", ExitCode.SPEC) from None
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = LINE.match(line)
        if match is None:
            raise Fatal(f"{path.name} line {number} is no setting: {line.strip()}", ExitCode.SPEC)
        found[match[1].lower()] = match[3] if match[2] is None else match[2].replace("''", "'")
    return found


def canonical(value: str, row: dict) -> str | float:
    """A value in the unit of its pg_settings row, so that 2GB equals 262144 of 8kB."""
    if row["vartype"] == "bool":
        return SPELLINGS.get(value.lower(), value.lower())
    if row["vartype"] in ("integer", "real"):
        return _number(value, row["unit"])
    if row["vartype"] == "enum":
        return ALIASES.get((row["name"], value.lower()), value.lower())
    plain = re.sub(r",\s+", ",", value.strip())
    return ALIASES.get((row["name"], plain.lower()), plain)


def readable(value: str, row: dict) -> str:
    """A pg_settings value with its unit, in the largest that leaves it whole."""
    amount = canonical(value, row)
    if not row["unit"] or not isinstance(amount, float) or amount < 0:
        return value
    units = BYTES if row["unit"].endswith("B") else MILLISECONDS
    for unit, factor in sorted(units.items(), key=lambda item: -item[1]):
        if amount and amount % factor == 0:
            return f"{amount / factor:.0f}{unit}"
    return f"{amount:g}"


def _number(value: str, unit: str | None) -> str | float:
    """The value in bytes or milliseconds; without a suffix it counts in the setting's own unit."""
    match = re.fullmatch(r"(-?[\d.]+)\s*([a-zA-Z]*)", value.strip())
    if match is None or (match[2] and match[2] not in FACTORS):
        return value
    number = float(match[1])
    if match[2]:
        return number * FACTORS[match[2]]
    # -1 and its like mean something else than an amount.
    if not unit or number < 0:
        return number
    scale = re.fullmatch(r"(\d*)(\w+)", unit)
    return number * int(scale[1] or 1) * FACTORS[scale[2]]
