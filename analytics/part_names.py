"""What the parts of a split are called: versions by number, rules and variants by their names. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from analytics.selection import Split

DEFAULT_TARGET: Final = "Default target"
NO_VARIANT: Final = "No split"
# What the program itself decides, as redirector/decision.py records it.
OWN_RULES: Final[Mapping[str, str]] = {
    "-paused": "Paused",
    "-early": "Before its start",
    "-ended": "After its end",
    "-used-up": "Used up",
    "-password": "Asked for the password",
}


def part_named(split: Split, value: str, rules: Sequence[str] = ()) -> dict[str, Any]:
    """``value`` as selection.PART_OF makes it; ``rules`` of the newest version in it, which number a rule."""
    if split == "version":
        return {"version": int(value), "label": f"Version {value}"}
    if split == "rule":
        number = rules.index(value) + 1 if value in rules else None
        return {"rule": value or None, "number": number, "label": rule_label(value or None)}
    rule, _, variant = value.partition("\n")
    return {"rule": rule or None, "variant": variant or None, "label": f"{rule}: {variant}" if value else NO_VARIANT}


def rule_label(rule: str | None) -> str:
    return DEFAULT_TARGET if rule is None else OWN_RULES.get(rule, rule)
