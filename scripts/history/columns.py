"""Which column of the file is which of the table, and in what unit."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from scripts.console import Failure

# Names that exports give to what the tables call otherwise; compared without case, blanks and punctuation.
KNOWN = {
    "time": "time timestamp date datetime ts zeit uhrzeit zeitstempel datum datumzeit datumuhrzeit",
    "machine_id": "machine machineid machinename maschine",
    "power_kw": "power activepower demand load leistung wirkleistung kw w mw",
    "energy_kwh": "energy activeenergy usage consumption energie wirkarbeit arbeit verbrauch kwh wh mwh",
    "voltage_v": "voltage spannung",
    "current_a": "current strom",
    "power_factor": "powerfactor cosphi leistungsfaktor",
    "frequency_hz": "frequency frequenz",
    "production_count": "count produced units pieces",
    "production_count_good": "good goodcount",
    "production_count_bad": "bad badcount scrap",
    "outdoor_temp_c": "outdoortemperature outdoortemp",
    "indoor_temp_c": "indoortemperature indoortemp",
    "machine_temp_c": "machinetemperature machinetemp",
}
# Powers of ten from a unit to the table's own, by the end of the column's name.
UNITS = {
    "kwh": {"wh": -3, "kwh": 0, "mwh": 3, "gwh": 6},
    "kw": {"w": -3, "kw": 0, "mw": 3},
    "v": {"mv": -3, "v": 0, "kv": 3},
    "a": {"ma": -3, "a": 0, "ka": 3},
    "hz": {"hz": 0},
    "c": {"c": 0, "°c": 0},
    "bar": {"mbar": -3, "bar": 0},
    "factor": {"1": 0, "%": -2},
}
SUFFIX = re.compile(r"^(?P<base>.*?)[\s_.]*[\[(](?P<unit>[^\])]+)[\])]$|^(?P<stem>.*)[\s_.]+(?P<end>[a-z°%]+)$", re.I)
SETTINGS = {"kind": str, "zone": str, "decimal": str, "energy_type": str, "register": str, "interval": (int, float), "day_first": bool}


@dataclass(frozen=True)
class Column:
    """A column of the table, the positions of its columns in the file (a time may stand in two), and its power of ten."""

    name: str
    positions: tuple[int, ...]
    exponent: int = 0


def plain(name: str) -> str:
    """A name without case, blanks and punctuation."""
    return re.sub(r"[^a-z0-9äöüß°%]", "", name.lower())


def exponent(name: str, unit: str) -> int | None:
    """Power of ten from the unit to that of the table's column; None if the column has no such unit."""
    return UNITS.get(name.rpartition("_")[2], {}).get(unit.strip().lower())


def split_unit(name: str) -> list[tuple[str, str | None]]:
    """What may be the name and the unit of a column's heading."""
    found: list[tuple[str, str | None]] = [(plain(name), None)]
    if match := SUFFIX.match(name.strip()):
        base = match["base"] if match["unit"] else match["stem"]
        found.append((plain(base), match["unit"] or match["end"]))
    return found


def recognise(name: str, contract: set[str]) -> tuple[str, int | None] | None:
    """The table's column that a heading means and its power of ten, None where the unit is not told; None if it means none."""
    for target in contract:
        if plain(target) == plain(name):
            return target, 0
    for base, unit in split_unit(name):
        for target, names in KNOWN.items():
            if target not in contract or base not in names.split():
                continue
            units = UNITS.get(target.rpartition("_")[2])
            if unit is None and base in (units or {}):
                unit = base
            if units is None:
                if unit is None:
                    return target, 0
                continue
            if unit is None:
                return target, (None if target in ("power_kw", "energy_kwh") else 0)
            if (power := exponent(target, unit)) is not None:
                return target, power
    return None


def read_settings(path: Path) -> dict:
    """A file of settings for one kind of export; raises Failure for what it may not hold."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failure(f"{path} can't be read: {error}", code=2) from None
    for key, value in found.items():
        if key in ("columns", "units"):
            if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
                raise Failure(f'{path}: [{key}] holds lines as energy_kwh = "..."', code=2)
        elif key not in SETTINGS or not isinstance(value, SETTINGS[key]):
            raise Failure(f"{path}: {key} = {value!r} is none of: [columns], [units], {', '.join(SETTINGS)}", code=2)
    return found


def pairs(flag: str, given: list[str]) -> dict[str, str]:
    """The values of a flag that is given as NAME=VALUE, any number of times."""
    for text in given:
        if not all(part.strip() for part in text.partition("=")[::2]):
            raise Failure(f"{flag} {text}: write it as NAME=VALUE", code=2)
    return {name.strip(): value.strip() for name, _, value in (text.partition("=") for text in given)}


def map_columns(header: list[str], contract: set[str], mapped: dict[str, str], units: dict[str, str]) -> dict[str, Column]:
    """The columns of the file by the table's names: those that `mapped` names, and those that are recognised.

    Raises Failure for names and units that are not there, and where two columns mean the same.
    """
    found: dict[str, Column] = {}
    for name, heading in mapped.items():
        if name not in contract:
            raise Failure(f"--map {name}=...: there is no such column; there are {', '.join(sorted(contract))}", code=2)
        parts = [heading] if heading in header or name != "time" else heading.split("+")
        for part in parts:
            if part not in header:
                raise Failure(f"the file has no column {part!r}; it has {', '.join(map(repr, header))}", code=2)
        powers = [exponent(name, unit) for _, unit in split_unit(heading) if unit]
        found[name] = Column(name, tuple(map(header.index, parts)), next((power for power in powers if power is not None), 0))
    taken = {position for column in found.values() for position in column.positions}
    unclear: dict[str, str] = {}
    own: dict[str, tuple[int, int]] = {}
    for position, heading in enumerate(header):
        meaning = None if position in taken else recognise(heading, contract - set(mapped))
        if meaning is None:
            continue
        name, power = meaning
        if power is None and name not in units:
            unclear[name] = heading
            continue
        if name == "time" and name in own:
            # A date and a time of day, in two columns.
            date, clock = (own[name][0], position) if plain(header[own[name][0]]) in ("date", "datum") else (position, own[name][0])
            if plain(header[date]) in ("date", "datum") and plain(header[clock]) in ("time", "zeit", "uhrzeit"):
                found[name] = Column(name, (date, clock))
                continue
        if name in own:
            first = header[own[name][0]]
            raise Failure(f"the columns {first!r} and {heading!r} both mean {name}: choose by --map {name}={first!r}", code=2)
        own[name] = position, power or 0
    for name, heading in unclear.items():
        if name not in own and name not in found:
            choices = " or ".join(["W", "kW", "MW"] if name == "power_kw" else ["Wh", "kWh", "MWh"])
            raise Failure(f"the column {heading!r} names no unit: say which, as --unit {name}={choices.split()[1]} ({choices})", code=2)
    for name, (position, power) in own.items():
        found.setdefault(name, Column(name, (position,), power))
    for name, unit in units.items():
        if name not in found:
            raise Failure(f"--unit {name}=...: no column of the file is read as {name}", code=2)
        power = exponent(name, unit)
        if power is None:
            known = ", ".join(UNITS.get(name.rpartition("_")[2], {})) or "none"
            raise Failure(f"--unit {name}={unit}: units of {name} are: {known}", code=2)
        found[name] = Column(name, found[name].positions, power)
    if "time" not in found:
        raise Failure(f"no column is known as the time: say which, as --map time={header[0]!r}; the file has {', '.join(map(repr, header))}", code=2)
    return found
