"""The spec's rules for settings: a value, or what it has to contain or to reach."""

import re

from verify.configuration import canonical
from verify.registry import Context

RULE = re.compile(r"contains |>= ")


def in_words(rule: str) -> str:
    """A rule as it goes on after 'must'."""
    return rule.replace("contains", "contain", 1) if rule.startswith("contains ") else f"be {rule}"


def holds(context: Context, row: dict, rule: str) -> bool:
    """Whether a value keeps a rule of the spec: 'contains a, b', '>= name + number', or the value itself."""
    if rule.startswith("contains "):
        have = {item.strip() for item in row["value"].split(",")}
        return {item.strip() for item in rule.removeprefix("contains ").split(",")} <= have
    if match := re.fullmatch(r">= (\S+) \+ (\d+)", rule):
        base = context.spec.jobs if match[1] == "jobs" else int(context.catalog.by_name("settings")[match[1]]["value"])
        return int(row["value"]) >= base + int(match[2])
    return canonical(rule, row) == canonical(row["value"], row)
