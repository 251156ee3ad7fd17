"""What a code does beside its rules: when it is open, what it says when it is not, a password, what is added to its
destinations. Part of a version, like the rules."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final

from codes.conditions import RuleError, read_instant
from codes.destinations import DestinationError, DestinationPolicy, check_destination
from codes.names import plain_text

MAX_MESSAGE: Final = 500
MAX_UTM: Final = 200
MAX_SCANS: Final = 10**12
MAX_REMEMBER_DAYS: Final = 365
UTM_FIELDS: Final = ("source", "medium", "campaign", "term", "content")


@dataclass(frozen=True, slots=True)
class Options:
    starts_at: datetime | None = None  # before it, and from ends_at on, scans go to ``fallback``, or see a page
    ends_at: datetime | None = None
    max_scans: int | None = None  # from the one after it on, as after the end
    fallback: str | None = None
    paused: str | None = None  # message for everybody who scans; "" is our own words
    password_hash: str | None = None  # argon2id; asked before any destination is told
    pass_query: bool = False  # the short link's query goes along
    utm: Mapping[str, str] = field(default_factory=dict)  # source, medium ...: added where the destination has none
    scan_id: str | None = None  # name of the parameter that carries the scan's id
    remember_days: int = 0  # first-party cookie by which a scanner is known again; 0: none

    @property
    def is_plain(self) -> bool:
        """Whether a scan can be answered without looking at them."""
        return self == Options(utm=self.utm)


NO_OPTIONS: Final = Options()
NAMES: Final = frozenset(entry.name for entry in fields(Options))


def read_options(given: Any, policy: DestinationPolicy | None) -> Options:
    """From JSON as ``written_options`` writes it. Raises RuleError; None is no options, and no policy as in read_rules."""
    if given is None:
        return NO_OPTIONS
    if not isinstance(given, Mapping):
        raise RuleError(f"options are an object with {', '.join(sorted(NAMES))}.")
    unknown = sorted(str(key) for key in given if key not in NAMES)
    if unknown:
        raise RuleError(f"unknown option {', '.join(unknown)}; there are {', '.join(sorted(NAMES))}.")
    options = Options(
        starts_at=None if given.get("starts_at") is None else read_instant(given["starts_at"], "UTC", "starts_at"),
        ends_at=None if given.get("ends_at") is None else read_instant(given["ends_at"], "UTC", "ends_at", last=True),
        max_scans=_number(given.get("max_scans"), "max_scans", 1, MAX_SCANS),
        fallback=_destination(given.get("fallback"), policy),
        paused=_message(given.get("paused")),
        password_hash=_hash(given.get("password_hash")),
        pass_query=_switch(given.get("pass_query", False), "pass_query"),
        utm=read_utm(given.get("utm", {})),
        scan_id=_parameter(given.get("scan_id")),
        remember_days=_number(given.get("remember_days"), "remember_days", 0, MAX_REMEMBER_DAYS) or 0,
    )
    if options.starts_at and options.ends_at and options.ends_at <= options.starts_at:
        raise RuleError("ends_at must come after starts_at.")
    return options


def written_options(options: Options) -> dict[str, Any] | None:
    """Only what is set; None when nothing is. Times are UTC with their offset."""
    if options is NO_OPTIONS:
        return None
    written: dict[str, Any] = {}
    for entry in fields(Options):
        value = getattr(options, entry.name)
        if value != getattr(NO_OPTIONS, entry.name):
            written[entry.name] = value.isoformat() if isinstance(value, datetime) else value
    if "utm" in written:
        written["utm"] = dict(options.utm)
    return written or None


def shown_options(options: Options) -> dict[str, Any]:
    """For people and programs that may read a code: that there is a password, never its hash."""
    shown = written_options(options) or {}
    if shown.pop("password_hash", None):
        shown["password"] = True
    return shown


def with_utm_defaults(options: Options, defaults: Mapping[str, str]) -> Options:
    """A campaign's fields where the code has none of its own."""
    return replace(options, utm={**defaults, **options.utm}) if defaults else options


def read_utm(given: Any) -> dict[str, str]:
    """{"source": ..., ...} in the order of UTM_FIELDS, empty ones left out. Raises RuleError."""
    if not isinstance(given, Mapping) or any(key not in UTM_FIELDS for key in given):
        raise RuleError(f"utm is an object with {', '.join(UTM_FIELDS)}.")
    cleaned = {}
    for name in UTM_FIELDS:
        value = given.get(name, "")
        text = plain_text(value) if isinstance(value, str) else None
        if text is None or len(text) > MAX_UTM:
            raise RuleError(f"utm {name} is a text of up to {MAX_UTM} characters.")
        if text:
            cleaned[name] = text
    return cleaned


def _destination(given: Any, policy: DestinationPolicy | None) -> str | None:
    if given is None or given == "":
        return None
    try:
        return str(given) if policy is None else check_destination(str(given), policy)
    except DestinationError as error:
        raise RuleError(f"fallback: {error}") from error


def _message(given: Any) -> str | None:
    if given is None or given is False:
        return None
    if given is True:
        return ""
    text = plain_text(given) if isinstance(given, str) else None
    if text is None or len(text) > MAX_MESSAGE:
        raise RuleError(f"paused is true, or a message of up to {MAX_MESSAGE} characters.")
    return text


def _hash(given: Any) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not given.startswith("$argon2id$") or len(given) > 300:
        raise RuleError("password_hash is an argon2id hash; give the password itself as password.")
    return given


def _switch(given: Any, name: str) -> bool:
    if not isinstance(given, bool):
        raise RuleError(f"{name} is true or false.")
    return given


def _number(given: Any, name: str, least: int, most: int) -> int | None:
    if given is None:
        return None
    if type(given) is not int or not least <= given <= most:
        raise RuleError(f"{name} is a whole number from {least:,} to {most:,}.")
    return given


def _parameter(given: Any) -> str | None:
    if given is None or given == "":
        return None
    if not isinstance(given, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,39}", given):
        raise RuleError("scan_id is the name of a query parameter: letters, digits, - and _, up to 40.")
    return given
