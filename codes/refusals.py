"""How a destination is refused: one error, a short reason for programs, a sentence for people."""

from typing import Literal

Reason = Literal[
    "empty",
    "length",
    "control",
    "scheme",
    "form",
    "credentials",
    "host",
    "port",
    "numeric",
    "loop",
    "lookalike",
    "private",
    "ussd",
]


class DestinationError(ValueError):
    """A destination that cannot be used; the message says what, why and what to do."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason
        self.message = message
