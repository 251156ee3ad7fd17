"""Cards about what decided: versions, rules, variants, and the codes of a campaign or placement. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from codes.rules import Rule
from dashboard.addresses import code_path
from dashboard.cards import Card, ranked_card
from dashboard.formats import share


def code_detail_cards(reports: Mapping[str, Any], rules: Sequence[Rule] = ()) -> tuple[Card, ...]:
    """Of one code, with what its rules in force have not decided yet; only those that tell anything."""
    return tuple(
        card
        for card in (
            variants_card(
                reports["variants"], [(rule.name, v.name) for rule in rules for v in rule.variants if v.name]
            ),
            rules_card(reports["rules"], [rule.name for rule in rules]),
            versions_card(reports["versions"]),
        )
        if card is not None
    )


def group_detail_cards(reports: Mapping[str, Any]) -> tuple[Card, ...]:
    """Of several codes together."""
    cards = (codes_card(reports["codes"]), variants_card(reports["variants"]), rules_card(reports["rules"]))
    return tuple(card for card in cards if card is not None)


def variants_card(report: Mapping[str, Any], known: Iterable[tuple[str, str]] = ()) -> Card | None:
    """Each with its share of its own split."""
    found = {(entry["rule"], entry["variant"]): entry for entry in report["variants"]}
    for rule, variant in known:
        found.setdefault((rule, variant), {"rule": rule, "variant": variant, "scans": 0, "visitors": 0})
    if not found:
        return None
    splits: dict[str, int] = {}
    for (rule, _variant), entry in found.items():
        splits[rule] = splits.get(rule, 0) + entry["scans"]
    entries = [
        {
            **entry,
            "name": variant if len(splits) == 1 else f"{rule}: {variant}",
            "unknown": False,
            "mark": share(entry["scans"], splits[rule]),
        }
        for (rule, variant), entry in found.items()
    ]
    title = f"Variants of {next(iter(splits))}" if len(splits) == 1 else "Variants"
    return ranked_card(title, "Variant, share", entries, report["total"]["scans"], key="variants")


def rules_card(report: Mapping[str, Any], known: Iterable[str] = ()) -> Card | None:
    """Which rule decided how often; nothing to tell where no rule ever did."""
    found = {entry["rule"]: entry for entry in report["rules"]}
    for position, rule in enumerate(known, 1):
        found.setdefault(rule, {"rule": rule, "number": position, "label": rule, "scans": 0, "visitors": 0})
    if not set(found) - {None}:
        return None
    whole = report["total"]["scans"]
    entries = [
        {**entry, "name": _rule_name(entry), "unknown": rule is None, "mark": share(entry["scans"], whole)}
        for rule, entry in found.items()
    ]
    return ranked_card("Rules", "Rule, share", entries, whole)


def versions_card(report: Mapping[str, Any]) -> Card | None:
    """Nothing to tell of a code that never changed."""
    if len(report["versions"]) < 2:
        return None
    whole = report["total"]["scans"]
    entries = [
        {**entry, "name": f"Version {entry['version']}", "unknown": False, "mark": share(entry["scans"], whole)}
        for entry in report["versions"]
    ]
    return ranked_card("Versions", "Version, share", entries, whole)


def codes_card(report: Mapping[str, Any]) -> Card | None:
    if not report["codes"]:
        return None
    entries = [
        {
            **entry,
            "name": entry["code"],
            "unknown": False,
            "mark": entry["name"] or "",
            "path": code_path(entry["code"]),
        }
        for entry in report["codes"]
    ]
    return ranked_card("Codes", "Code", entries, report["total"]["scans"])


def _rule_name(entry: Mapping[str, Any]) -> str:
    numbered = f"Rule {entry['number']}" if entry["number"] else ""
    label = str(entry["label"])
    return label if not numbered or label.lower() == numbered.lower() else f"{numbered}: {label}"
