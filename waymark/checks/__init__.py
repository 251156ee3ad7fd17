"""What `waymark doctor` looks at, one module per kind of thing. A check tells; it changes nothing."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """``says`` is what was found and why it matters; ``remedy`` what to do about it."""

    topic: str
    state: State
    says: str
    remedy: str | None = None


def ok(topic: str, says: str) -> Check:
    return Check(topic, "ok", says)


def warn(topic: str, says: str, remedy: str | None = None) -> Check:
    return Check(topic, "warn", says, remedy)


def fail(topic: str, says: str, remedy: str | None = None) -> Check:
    return Check(topic, "fail", says, remedy)
