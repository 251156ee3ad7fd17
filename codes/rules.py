"""A code's rules: an ordered list, each with conditions and one destination or a weighted split. The first that holds wins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from codes.conditions import Condition, RuleError, condition_in_words, read_condition, written_condition
from codes.destinations import DestinationError, DestinationPolicy, check_destination
from codes.names import is_plain

__all__ = ["Rule", "RuleError", "Variant", "read_rules", "rule_in_words", "written_rules"]

MAX_RULES: Final = 50
MAX_CONDITIONS: Final = 20
MAX_VARIANTS: Final = 20
MAX_WEIGHT: Final = 1_000_000
MAX_NAME: Final = 60


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of a split; the only one of a rule without a split has no name."""

    name: str | None
    weight: int
    destination: str


@dataclass(frozen=True, slots=True)
class Rule:
    name: str  # unique within the code; never begins with "-", as what the program itself decides does
    conditions: tuple[Condition, ...]
    variants: tuple[Variant, ...]


def read_rules(given: Any, policy: DestinationPolicy | None) -> tuple[Rule, ...]:
    """From JSON, with every destination checked. Raises RuleError, which names the rule; None is no rules.

    Without a policy destinations are taken as they are: for rules that were checked when they were saved.
    """
    if given is None:
        return ()
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise RuleError("rules are a list of objects, each with name, when, and to or split.")
    if len(given) > MAX_RULES:
        raise RuleError(f"a code takes up to {MAX_RULES} rules; {len(given)} were given.")
    rules = tuple(_read_rule(rule, number, policy) for number, rule in enumerate(given, 1))
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise RuleError(f"two rules are named {name!r}; scans are reported by rule, so give each its own name.")
    return rules


def written_rules(rules: Sequence[Rule]) -> list[dict[str, Any]] | None:
    """The JSON that ``read_rules`` makes the same rules of; None when there are none."""
    return [_written_rule(rule) for rule in rules] or None


def rule_in_words(rule: Rule) -> str:
    return " and ".join(map(condition_in_words, rule.conditions)) or "always"


def _read_rule(given: Any, number: int, policy: DestinationPolicy | None) -> Rule:
    where = f"rule {number}"
    if not isinstance(given, Mapping):
        raise RuleError(f"{where}: a rule is an object with name, when, and to or split.")
    unknown = sorted(str(key) for key in given if key not in ("name", "when", "to", "split"))
    if unknown:
        raise RuleError(f"{where}: unknown {', '.join(unknown)}. A rule takes name, when, to, split.")
    name = _name(given.get("name", where), f"{where}, name")
    where = f"rule {number} ({name})"
    conditions = given.get("when", [])
    if not isinstance(conditions, list | tuple) or len(conditions) > MAX_CONDITIONS:
        raise RuleError(f"{where}: when is a list of up to {MAX_CONDITIONS} conditions; an empty one always holds.")
    if ("to" in given) == ("split" in given):
        raise RuleError(f"{where}: give either to (one destination) or split (several with weights).")
    if "to" in given:
        variants: tuple[Variant, ...] = (Variant(None, 1, _destination(given["to"], where, policy)),)
    else:
        variants = _read_split(given["split"], where, policy)
    return Rule(name, tuple(read_condition(condition, where) for condition in conditions), variants)


def _read_split(given: Any, where: str, policy: DestinationPolicy | None) -> tuple[Variant, ...]:
    if not isinstance(given, list | tuple) or not 2 <= len(given) <= MAX_VARIANTS:
        raise RuleError(f"{where}: a split is a list of 2 to {MAX_VARIANTS} variants.")
    variants = []
    for number, variant in enumerate(given, 1):
        place = f"{where}, variant {number}"
        if not isinstance(variant, Mapping) or not {"name", "weight", "to"} >= set(variant):
            raise RuleError(f"{place}: a variant is an object with name, weight and to.")
        weight = variant.get("weight", 1)
        if type(weight) is not int or not 0 <= weight <= MAX_WEIGHT:
            raise RuleError(f"{place}: the weight is a whole number from 0 to {MAX_WEIGHT:,}.")
        name = _name(variant.get("name", chr(64 + number)), f"{place}, name")
        variants.append(Variant(name, weight, _destination(variant.get("to"), place, policy)))
    if len({variant.name for variant in variants}) < len(variants):
        raise RuleError(f"{where}: two variants have the same name.")
    if not any(variant.weight for variant in variants):
        raise RuleError(f"{where}: at least one variant needs a weight above 0.")
    return tuple(variants)


def _name(given: Any, where: str) -> str:
    name = given.strip() if isinstance(given, str) else ""
    if not name or len(name) > MAX_NAME or name.startswith("-") or not is_plain(name):
        raise RuleError(f"{where}: give a name of 1 to {MAX_NAME} characters that does not begin with '-'.")
    return name


def _destination(given: Any, where: str, policy: DestinationPolicy | None) -> str:
    if not isinstance(given, str):
        raise RuleError(f"{where}: to is an address such as https://example.com/page.")
    if policy is None:
        return given
    try:
        return check_destination(given, policy)
    except DestinationError as error:
        raise RuleError(f"{where}: {error}") from error


def _written_rule(rule: Rule) -> dict[str, Any]:
    when = [written_condition(condition) for condition in rule.conditions]
    if len(rule.variants) == 1 and rule.variants[0].name is None:
        return {"name": rule.name, "when": when, "to": rule.variants[0].destination}
    split = [{"name": variant.name, "weight": variant.weight, "to": variant.destination} for variant in rule.variants]
    return {"name": rule.name, "when": when, "split": split}
