"""Asked before something is lost: what goes, one button that does it, and the way back."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class AskPage:
    """``trail`` leads there: (words, address); ``quotes`` are what will be there afterwards."""

    template: ClassVar[str] = "ask.html"
    active: ClassVar[str] = "jobs"
    title: str
    trail: tuple[tuple[str, str], ...]
    text: str
    action: str
    button: str
    back: str
    quotes: tuple[str, ...] = ()
    direction: str = "ltr"
    problem: str = ""
