"""How the command line tells of changes, plans and checks of codes, and how it reads times."""

from datetime import datetime
from typing import Any

from waymark.output import CommandError, ExitCode, when
from waymark.session import Session


def planned_times(at: str | None, until: str | None, zone: str | None) -> dict[str, str]:
    """For the API: as typed with their zone, else with the offset of this machine's zone."""
    given = {name: text for name, text in (("at", at), ("until", until)) if text}
    if zone:
        return {**given, "zone": zone}
    return {name: _with_offset(text) for name, text in given.items()}


def difference_in_words(change: dict[str, Any]) -> str:
    before, after = change["before"], change["after"]
    if before is None:
        return f"{change['what']}: {after}" if change["what"] == "destination" else f"+ {change['what']}: {after}"
    if after is None:
        return f"- {change['what']}: {before}"
    return f"{change['what']}: {before} -> {after}"


def check_in_words(check: dict[str, Any]) -> str:
    if check["state"] == "off":
        return "not looked at"
    if check["checked_at"] is None:
        return "not looked at yet"
    at = when(check["checked_at"])
    if check["problem"] is None and check["status"] is None:
        return "no web address to look at"
    if check["problem"] is None:
        status = f" {check['status']}" if check["status"] else ""
        return f"answers{status}, {at}"
    if check["state"] == "unknown":
        return f"could not be looked at, {at}: {check['problem']}"
    times = "once" if check["failures"] == 1 else f"{check['failures']} times"
    return f"{'ALERT: ' if check['state'] == 'alert' else ''}failed {times}, {at}: {check['problem']}"


def planned_in_words(planned: dict[str, Any]) -> str:
    end = f" until {when(planned['ends_at'])}" if planned["ends_at"] else ""
    return f"{planned['id']}: {when(planned['starts_at'])}{end}, {content_in_words(planned['content'])}"


def content_in_words(content: dict[str, Any]) -> str:
    said = [content["destination"]] if "destination" in content else []
    if "rules" in content:
        said.append(f"{len(content['rules'])} rules" if content["rules"] else "no rules")
    if "options" in content:
        said.append("options " + ", ".join(content["options"]) if content["options"] else "no options")
    return "; ".join(said)


def show_planned(session: Session, planned: dict[str, Any]) -> None:
    fields = {
        "planned change": planned["id"],
        "code": planned["code"],
        "begins": when(planned["starts_at"]),
        "ends": when(planned["ends_at"]),
        "change": content_in_words(planned["content"]),
        "reason": planned["reason"],
        "state": planned["state"],
        "note": planned["problem"],
        "by": planned["created_by"],
    }
    session.out.record(planned, fields)
    if planned["state"] == "waiting":
        session.out.note(f"Not after all: `waymark code schedule cancel {planned['id']}`")


def _with_offset(text: str) -> str:
    try:
        given = datetime.fromisoformat(text.strip())
        found = given.astimezone()
    except (ValueError, OverflowError):
        return text  # the API says what is wrong with it
    from codes.conditions import SKIPPED, is_skipped  # not for `waymark --help`

    if is_skipped(given, None):
        raise CommandError(f"{text} does not exist in this machine's time zone: {SKIPPED}", ExitCode.USAGE)
    return found.isoformat()
