"""`waymark report`: what was scanned, by any filter and split, as the dashboard's cards have it."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from codes.money import Money
from waymark.output import Column, CommandError, ExitCode
from waymark.session import Session


class Name(StrEnum):
    SUMMARY = "summary"
    TIMESERIES = "timeseries"
    DEVICES = "devices"
    REFERRERS = "referrers"
    NETWORKS = "networks"
    REGIONS = "regions"
    HOURS = "hours"
    VERSIONS = "versions"
    RULES = "rules"
    VARIANTS = "variants"
    CODES = "codes"


class By(StrEnum):
    VERSION = "version"
    RULE = "rule"
    VARIANT = "variant"


class Bots(StrEnum):
    EXCLUDE = "exclude"
    INCLUDE = "include"
    ONLY = "only"


# report -> where its rows are, and what names a row
ROWS = {
    Name.TIMESERIES: ("points", ("at",)),
    Name.DEVICES: ("devices", ("name",)),
    Name.REFERRERS: ("referrers", ("referrer",)),
    Name.NETWORKS: ("networks", ("asn", "network")),
    Name.REGIONS: ("countries", ("name",)),
    Name.VERSIONS: ("versions", ("code", "version")),
    Name.RULES: ("rules", ("label",)),
    Name.VARIANTS: ("variants", ("label",)),
    Name.CODES: ("codes", ("code", "name")),
}
Text = Annotated[str | None, typer.Option(metavar="NAME", show_default=False)]


def report(
    session: Session,
    name: Annotated[Name, typer.Argument(help="Which report; the hours of the week only with --json.")] = Name.SUMMARY,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Else the last 30 days.")] = None,
    to: Annotated[str | None, typer.Option(metavar="TIME", help="A date includes that whole day.")] = None,
    zone: Annotated[str, typer.Option("--zone", metavar="NAME", help="Time zone, such as Europe/Berlin.")] = "UTC",
    code: Annotated[list[str] | None, typer.Option(metavar="CODE", help="May be given several times.")] = None,
    domain: Annotated[str | None, typer.Option(metavar="HOST", help="Short domain of the codes.")] = None,
    tag: Text = None,
    campaign: Text = None,
    placement: Annotated[
        str | None, typer.Option(metavar="PLACE", help="'Venue / spot', or a venue for all its spots.")
    ] = None,
    batch: Text = None,
    bots: Bots = Bots.EXCLUDE,
    split: Annotated[By | None, typer.Option(help="The same for each version, rule or variant.")] = None,
) -> None:
    """Scans and visitors of all codes, or of those that fit every filter: code, tag, campaign, placement, print batch."""
    if name is Name.HOURS and not session.out.as_json:
        raise CommandError("the hours of the week are a table of 7 by 24: ask for them with --json.", ExitCode.USAGE)
    asked = {"from": start, "to": to, "tz": zone, "code": code, "domain": domain, "tag": tag, "campaign": campaign}
    asked |= {"placement": placement, "batch": batch, "bots": bots.value, "split": split.value if split else None}
    found = session.client.get(f"/reports/{name.value}", {key: value for key, value in asked.items() if value})
    parts = [(part["label"], part) for part in found["parts"]] if split else [("", found)]
    if name is Name.SUMMARY and not split:
        session.out.record(found, _summary(found))
        return
    titles = [
        *((split.value.capitalize(),) if split else ()),
        *(() if name is Name.SUMMARY else (name.value.capitalize(),)),
    ]
    columns = [
        *(Column(title, narrow="fold") for title in titles),
        Column("Scans", right=True),
        Column("Visitors", right=True),
    ]
    rows = [(*((label,) if split else ()), *row) for label, part in parts for row in _rows(name, part)]
    session.out.table(found, columns, rows, empty="Nothing was scanned in this time.")


def _rows(name: Name, part: dict[str, Any]) -> list[tuple[Any, ...]]:
    if name not in ROWS:
        return [(part["total"]["scans"], part["total"]["visitors"])]
    key, names = ROWS[name]
    shown = 16 if part.get("interval") in ("15min", "hour") else 10  # characters of a time
    return [
        (
            " ".join(_text(part, entry[part], shown) for part in names if entry[part] not in (None, "")) or "-",
            entry["scans"],
            entry["visitors"],
        )
        for entry in part[key]
    ]


def _text(field: str, value: Any, shown: int) -> str:
    """Times are local ones of the zone that was asked for."""
    return str(value)[:shown].replace("T", " ") if field == "at" else str(value)


def _summary(found: dict[str, Any]) -> dict[str, Any]:
    fields = {
        "from": found["from"],
        "to": found["to"],
        "scans": found["total"]["scans"],
        "visitors": found["total"]["visitors"],
        "codes": found["codes"],
        "bots": f"{found['bots']['scans']} set aside",
    }
    if "cost" in found:
        cost = found["cost"]
        fields["cost"] = str(Money(cost["cost_minor"], cost["currency"]))
        for one in ("scan", "visitor"):
            if cost[f"per_{one}_minor"] is not None:
                fields[f"per {one}"] = cost[f"per_{one}"]
    return fields
