"""Slows down guessing at the login: per address and per account, in memory, forgotten after a quarter of an hour."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

WINDOW_S: Final = 900.0
MAX_FAILURES: Final = 10
MAX_KEYS: Final = 10_000


class FailureLimit:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock  # seconds
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, *keys: str) -> float:
        """Seconds until another try is allowed; 0 when it is now."""
        now = self._clock()
        waits = [0.0]
        for key in keys:
            failures = self._failures.get(key)
            while failures and failures[0] < now - WINDOW_S:
                failures.popleft()
            if failures and len(failures) >= MAX_FAILURES:
                waits.append(failures[0] + WINDOW_S - now)
        return max(waits)

    def note_failure(self, *keys: str) -> None:
        for key in keys:
            self._failures.setdefault(key, deque(maxlen=MAX_FAILURES)).append(self._clock())
            self._failures.move_to_end(key)
        while len(self._failures) > MAX_KEYS:
            self._failures.popitem(last=False)

    def forget(self, *keys: str) -> None:
        for key in keys:
            self._failures.pop(key, None)
