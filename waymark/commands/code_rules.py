"""`waymark code rules, options, simulate`: what decides where a scan of a code goes, and what an imagined scan would get."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from waymark.commands.code import CodeName, DomainName, Reason, address
from waymark.commands.code_words import planned_times
from waymark.output import Column, CommandError, ExitCode, when
from waymark.session import Session

UTM: Final = ("source", "medium", "campaign", "term", "content")
RulesFile = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="JSON list of all its rules; - reads it here.")
]
ClearRules = Annotated[bool, typer.Option("--clear", help="Take all rules away.")]
Utm = Annotated[str | None, typer.Option(metavar="TEXT", help="UTM field for destinations without one; '' for none.")]
Moment = Annotated[str | None, typer.Option(metavar="TIME", help="Such as 2026-12-24T18:00; '' for none.")]


def rules(
    session: Session,
    code: CodeName,
    file: RulesFile = None,
    clear: ClearRules = False,
    reason: Reason = "",
    domain: DomainName = None,
) -> None:
    """Show the rules of CODE in their order, or put others in their place."""
    path, parameters = address(code, domain)
    body = asked_rules(file, reason, clear=clear)
    client = session.client
    found = client.get(path, parameters) if body is None else client.send("PATCH", path, body, parameters)
    show_rules(session, found, found["destination"])


def asked_rules(file: Path | None, reason: str, *, clear: bool) -> dict[str, Any] | None:
    """What to send; None when rules are only to be shown."""
    if file is not None and clear:
        raise CommandError("--file puts rules there and --clear takes them away; give one of them.", ExitCode.USAGE)
    if file is None and not clear:
        return None
    return {"rules": [] if file is None else _rules_in(file), "reason": reason}


def show_rules(session: Session, found: dict[str, Any], otherwise: str) -> None:
    if session.out.as_json:
        session.out.document(found["rules"])
        return
    rows: list[tuple[Any, ...]] = [
        (number, rule["name"], when_in_words(rule), ways_in_words(rule))
        for number, rule in enumerate(found["rules"], 1)
    ]
    rows.append(("", "", "else", otherwise))
    columns = [Column("No.", right=True), Column("Rule"), Column("When", narrow="fold"), Column("To", narrow="fold")]
    session.out.table(found, columns, rows, empty="It has no rules.")


def options(
    session: Session,
    code: CodeName,
    pause: Annotated[bool, typer.Option("--pause", help="Show a page instead; --message says more.")] = False,
    message: Annotated[str, typer.Option(metavar="TEXT", help="What the page says while it is paused.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="End the pause.")] = False,
    starts: Moment = None,
    ends: Moment = None,
    zone: Annotated[str | None, typer.Option(metavar="NAME", help="Zone of the times; else this machine's.")] = None,
    max_scans: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="So many scans and no more; 0: no limit.")
    ] = None,
    fallback: Annotated[
        str | None, typer.Option(metavar="URL", help="Where scans go before, after and beyond that; '' for a page.")
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Asked for before anything is told; - reads it here, '' takes it away."),
    ] = None,
    pass_query: Annotated[
        bool | None, typer.Option("--pass-query/--no-pass-query", help="The short link's own parameters go along.")
    ] = None,
    scan_id: Annotated[
        str | None, typer.Option(metavar="NAME", help="Parameter that carries the scan's id; '' for none.")
    ] = None,
    remember_days: Annotated[
        int | None,
        typer.Option(metavar="DAYS", min=0, help="First-party cookie by which scanners are known again; 0: none."),
    ] = None,
    utm_source: Utm = None,
    utm_medium: Utm = None,
    utm_campaign: Utm = None,
    utm_term: Utm = None,
    utm_content: Utm = None,
    clear: Annotated[bool, typer.Option("--clear", help="Begin with none.")] = False,
    reason: Reason = "",
    domain: DomainName = None,
) -> None:
    """Show what else CODE does (start and end, limit, pause, password, parameters), or change some of it."""
    path, parameters = address(code, domain)
    if pause and resume:
        raise CommandError("--pause begins a pause and --resume ends it; give one of them.", ExitCode.USAGE)
    if message and resume:
        raise CommandError("--message is what a pause says, and --resume ends it; give one of them.", ExitCode.USAGE)
    utm = dict(zip(UTM, (utm_source, utm_medium, utm_campaign, utm_term, utm_content), strict=True))
    changes: dict[str, Any] = {
        "paused": (message or True) if pause or message else False if resume else None,
        "starts_at": _time(starts, zone),
        "ends_at": _time(ends, zone),
        "max_scans": max_scans,
        "fallback": fallback,
        "password": _typed(password),
        "pass_query": pass_query,
        "scan_id": scan_id,
        "remember_days": remember_days,
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    fields = {name: value for name, value in utm.items() if value is not None}
    found = session.client.get(path, parameters)
    if message and not pause and "paused" not in found["options"]:
        raise CommandError("the code is not paused; --pause --message TEXT pauses it.", ExitCode.USAGE)
    if changes or fields or clear:
        wanted = {} if clear else dict(found["options"])
        wanted |= changes
        wanted["utm"] = {**wanted.get("utm", {}), **fields}
        body = {"options": {name: value for name, value in wanted.items() if value}, "reason": reason}
        found = session.client.send("PATCH", path, {**body, "version": found["version"]}, parameters)
    if session.out.as_json:
        session.out.document(found["options"])
        return
    shown = {name.replace("_", " "): _option_text(name, value) for name, value in found["options"].items()}
    session.out.record(found, shown or {"options": "none"})


def simulate(
    session: Session,
    code: CodeName,
    device: Annotated[
        Literal["mobile", "tablet", "desktop", "tv", "other"] | None, typer.Option(help="What scans.")
    ] = None,
    os: Annotated[str | None, typer.Option(metavar="NAME", help="Such as ios, android, windows.")] = None,
    browser_in: Annotated[
        str | None, typer.Option("--app", metavar="NAME", help="Inside an app, such as instagram.")
    ] = None,
    country: Annotated[str | None, typer.Option(metavar="XX", help="Two letters, such as AE.")] = None,
    region: Annotated[str | None, typer.Option(metavar="NAME", help="In English, as reports show it.")] = None,
    city: Annotated[str | None, typer.Option(metavar="NAME", help="In English, as reports show it.")] = None,
    asn: Annotated[str | None, typer.Option(metavar="N", help="Network number.")] = None,
    language: Annotated[str | None, typer.Option(metavar="TAG", help="Such as ar or pt-br.")] = None,
    referrer: Annotated[str | None, typer.Option(metavar="HOST", help="Where the link was opened.")] = None,
    returning: Annotated[
        bool | None, typer.Option("--returning/--first", help="Whether they scanned it before.")
    ] = None,
    job: Annotated[str | None, typer.Option(metavar="STATE", help="Of the job behind the code.")] = None,
    scans: Annotated[
        int | None, typer.Option(metavar="N", help="Scans before this one; else as many as there were.")
    ] = None,
    query: Annotated[str, typer.Option(metavar="TEXT", help="Behind the ? of the short URL.")] = "",
    at: Annotated[str | None, typer.Option(metavar="TIME", help="Such as 2026-11-20T20:10; else now.")] = None,
    zone: Annotated[str | None, typer.Option(metavar="NAME", help="Zone of that time; else this machine's.")] = None,
    version: Annotated[
        str, typer.Option(metavar="N", help="A version, now, or then: the one in force at that time.")
    ] = "now",
    unlocked: Annotated[bool, typer.Option("--unlocked", help="The password was given.")] = False,
    draw: Annotated[
        float, typer.Option(min=0, max=0.999999, help="Which way of a split: 0 the first, 0.99 the last.")
    ] = 0.0,
    domain: DomainName = None,
) -> None:
    """Tell what an imagined scan of CODE would get, and why. Nothing is counted."""
    if version not in ("now", "then") and not version.isdecimal():
        raise CommandError("--version takes a number, now, or then.", ExitCode.USAGE)
    facts: dict[str, Any] = {
        "device": device, "os": os, "app": browser_in, "country": country, "region": region, "city": city, "asn": asn,
        "language": language, "referrer": referrer, "job": job, "scans": scans,
        "visitor": None if returning is None else "returning" if returning else "first",
    }  # fmt: skip
    body = {name: value for name, value in facts.items() if value is not None}
    body |= {"query": query, "unlocked": unlocked, "draw": draw, **planned_times(at, None, zone)}
    body["version"] = int(version) if version.isdecimal() else version
    path, parameters = address(code, domain)
    found = session.client.send("POST", f"{path}/simulate", body, parameters)
    rows = [("yes" if line["held"] else "no", line["what"], line["why"]) for line in found["trace"]]
    columns = [Column("Held"), Column("What"), Column("Why", narrow="fold")]
    session.out.table(found, columns, rows, empty="Nothing was looked at.")
    if not session.out.as_json:
        place = found["destination"] or f"the page for {found['page']}"
        session.out.text(None, f"-> {place}  (version {found['version']}, {when(found['at'])})")


def when_in_words(rule: dict[str, Any]) -> str:
    from codes.rules import read_rules, rule_in_words  # not for `waymark --help`

    return rule_in_words(read_rules([rule], None)[0])


def ways_in_words(rule: dict[str, Any]) -> str:
    if "to" in rule:
        return str(rule["to"])
    return ", ".join(f"{way['name']} {way['weight']}: {way['to']}" for way in rule["split"])


def _rules_in(file: Path) -> Any:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
        return json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}.", ExitCode.USAGE) from None
    except ValueError as error:
        told = f"{file} is no JSON: {error}. `waymark code rules CODE --json` shows the form."
        raise CommandError(told, ExitCode.USAGE) from None


def _typed(text: str | None) -> str | None:
    """Not on a command line, which others can see."""
    return sys.stdin.readline().rstrip("\n") if text == "-" else text


def _time(text: str | None, zone: str | None) -> str | None:
    """The API takes options' times with their offset."""
    if not text:
        return text
    from codes.conditions import RuleError, typed_instant  # not for `waymark --help`

    try:
        return typed_instant(text, zone, "").isoformat() if zone else planned_times(text, None, None)["at"]
    except RuleError as error:
        raise CommandError(str(error).removeprefix(": "), ExitCode.USAGE) from None


def _option_text(name: str, value: Any) -> str:
    if name.endswith("_at"):
        return when(value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={text}" for name, text in value.items())
    return "yes" if value is True else str(value)
