"""What each constraint of the tables demands, and what the verifier says of a refused connection."""

import re

from scripts.console import Failure
from scripts.guide.schema import declared
from scripts.guide.tables import code, table
from verify.refusal import KNOWN

COLUMN = r'"?(\w+)"?(?:::\w+)?'
# How a definition is read by people; the first that fits counts.
RULES = (
    (rf"CHECK \({COLUMN} >= 0::numeric AND \w+ < 'NaN'::numeric\)", "a number, 0 or more"),
    (rf"CHECK \({COLUMN} >= 0\)", "0 or more"),
    (rf"CHECK \({COLUMN} > 0\)", "1 or more"),
    (rf"CHECK \({COLUMN} < 'NaN'::numeric\)", "a number, neither NaN nor infinite"),
    (rf"CHECK \({COLUMN} <= 1::numeric\)", "at most 1"),
    (rf"CHECK \({COLUMN} >= '0001-01-01[^']*'::.*", "a time in the years 1 to 9999"),
    (rf"CHECK \({COLUMN} >= '?(-?\d+)'?(?:::\w+)* AND \w+ <= (\d+)(?:::\w+)?\)", r"from \2 to \3"),
    (rf"CHECK \((?:btrim\()?{COLUMN}\)? (?:~|<>) .*", "not blank"),
    (rf"CHECK \({COLUMN} >= ([a-z]\w+)\)", "not before the other end of its span"),
    (rf"CHECK \(enms\.is_timezone\({COLUMN}\)\)", "the name of a time zone, such as Europe/Berlin"),
    (r"(?:UNIQUE|PRIMARY KEY).*", "one row only for the same key"),
    (r"FOREIGN KEY .*", "refers to a row that there is: insert that one first"),
)
# Those that no rule reads.
SINGLE = {
    "production_data_good_and_bad_within_count": "good and bad units together are not more than all units",
    "energy_baselines_coefficients_not_null": "coefficients are JSON, not JSON's null",
    "energy_baselines_feature_names_not_null": "no NULL among the feature names",
    "energy_tariffs_currency_code": "three capital letters, such as EUR",
    "energy_tariffs_days_range": "days of the week as 0 (Sunday) to 6",
    "energy_tariffs_hours_range": "hours of the day, 0 to 24",
    "energy_tariffs_time_of_use_complete": "a time-of-use rate has a start hour, another end hour, and at least one day",
}


def constraints() -> str:
    """Every named constraint of the tables, by what it demands."""
    found: dict[str, list[str]] = {}
    for relation in declared().tables.values():
        for name, definition in relation.get("constraints", {}).items():
            found.setdefault(_demand(name, definition), []).append(name)
    rows = sorted(found.items(), key=lambda row: (-len(row[1]), row[0]))
    return table(["it demands", "constraint in the message"], ([demand, code(*sorted(names))] for demand, names in rows))


def _demand(name: str, definition: str) -> str:
    if name in SINGLE:
        return SINGLE[name]
    for pattern, words in RULES:
        if match := re.fullmatch(pattern, definition):
            return match.expand(words)
    raise Failure(f"no rule says in words what {name} demands ({definition}): add one to scripts/guide/guards.py")


def refusals() -> str:
    """What a server or libpq says where there is no connection, and what the verifier adds to it."""
    return table(["what is said holds", "what to do"], ([_quoted(pattern), advice] for pattern, advice, _ in KNOWN))


def _quoted(pattern: str) -> str:
    """The texts that a regular expression finds, with … for what varies."""
    texts = []
    for part in re.findall(r"(?:\([^)]*\)|[^|(])+", pattern):
        inner = re.search(r"\(([^)]*)\)", part)
        texts += [part.replace(inner[0], text) for text in inner[1].split("|")] if inner else [part]
    return code(*(" … ".join(piece.strip() for piece in text.split(".*")) for text in texts))
