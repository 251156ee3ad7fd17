"""Rows about a code's changes as pages show them: versions with their differences, planned changes, checks, alerts. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dashboard.formats import Moment, moment

ACTIONS = {
    "create": "Created",
    "retarget": "Retargeted",
    "rules": "Rules changed",
    "undo": "Undone",
    "rollback": "Rolled back",
    "schedule": "Planned change",
    "revert": "Planned change ended",
    "bulk": "Bulk change",
    "import": "Imported",
    "guard": "Fell back by itself",
}
STATES = {
    "waiting": "Planned",
    "active": "In force",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


@dataclass(frozen=True, slots=True)
class DifferenceView:
    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class VersionView:
    """`changes` are against the version before, `restores` the number of the one that came back."""

    number: int
    destination: str
    made: Moment
    who: str
    why: str
    current: bool
    action: str = ""
    restores: int | None = None
    changes: tuple[DifferenceView, ...] = ()
    undoable: bool = False


@dataclass(frozen=True, slots=True)
class PlannedView:
    """`note` says what became of it; `open` while it can be cancelled."""

    id: int
    starts: Moment
    ends: Moment | None
    change: str
    why: str
    who: str
    state: str
    note: str
    open: bool


@dataclass(frozen=True, slots=True)
class CheckView:
    """`tone` is good, bad or plain; `text` says how the destination answers."""

    text: str
    tone: str
    checked: Moment | None
    problem: str


@dataclass(frozen=True, slots=True)
class AlertView:
    code: str
    title: str
    problem: str
    since: Moment
    fell_back: bool
    domain: str = ""


def version_view(version: Mapping[str, Any], current: int, zone: ZoneInfo, now: datetime) -> VersionView:
    """From a version's API JSON."""
    return VersionView(
        number=version["version"],
        destination=version["destination"],
        made=moment(version["created_at"], zone, now),
        who=version.get("created_by") or "",
        why=version.get("reason") or "",
        current=version["version"] == current,
        action=ACTIONS.get(version.get("action") or "", ""),
        restores=version.get("restores"),
        changes=difference_views(version.get("changes") or ()),
        undoable=version["version"] > 1 and not (version.get("action") == "undo" and version.get("restores") == 1),
    )


def difference_views(changes: Sequence[Mapping[str, Any]]) -> tuple[DifferenceView, ...]:
    return tuple(
        DifferenceView(change["what"][:1].upper() + change["what"][1:], change["before"] or "", change["after"] or "")
        for change in changes
    )


def planned_view(planned: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> PlannedView:
    """From a planned change's API JSON."""
    content = planned["content"]
    parts = [content["destination"]] if "destination" in content else []
    parts += [f"other {name}" for name in ("rules", "options") if name in content]
    return PlannedView(
        id=planned["id"],
        starts=to_minute(planned["starts_at"], zone, now),
        ends=to_minute(planned["ends_at"], zone, now) if planned["ends_at"] else None,
        change=", ".join(parts),
        why=planned["reason"],
        who=planned["created_by"],
        state=STATES[planned["state"]],
        note=planned["problem"] or "",
        open=planned["state"] in ("waiting", "active"),
    )


def check_view(check: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> CheckView:
    """From a check's API JSON."""
    times = "once" if check["failures"] == 1 else f"{check['failures']} times in a row"
    text, tone = {
        "off": ("Destinations are not looked at", "plain"),
        "waiting": ("Not looked at yet", "plain"),
        "fine": (f"Answers {check['status']}" if check["status"] else "Nothing to look at", "good"),
        "failing": (f"Failed {times}", "bad"),
        "alert": (f"Failed {times}", "bad"),
        "unknown": ("Could not be looked at", "plain"),
    }[check["state"]]
    checked = moment(check["checked_at"], zone, now) if check["checked_at"] else None
    return CheckView(text, tone, checked, check["problem"] or "")


def alert_view(alert: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> AlertView:
    since = moment(alert["since"], zone, now)
    title = alert["name"] or alert["code"]
    return AlertView(alert["code"], title, alert["problem"], since, alert["fell_back"], alert.get("domain") or "")


def to_minute(at: str | datetime, zone: ZoneInfo, now: datetime) -> Moment:
    """With the time of day: a plan is about it."""
    found = moment(at, zone, now)
    stamp = datetime.fromisoformat(at) if isinstance(at, str) else at
    local = stamp.astimezone(zone)
    short = found.short if local.year == now.astimezone(zone).year else f"{found.short}, {local:%H:%M}"
    return Moment(found.iso, short, found.full, found.ago)
