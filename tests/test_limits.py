"""Guessing passwords is slowed down, per address and per account."""

from dashboard.limits import MAX_FAILURES, MAX_KEYS, WINDOW_S, FailureLimit


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_ten_failures_are_free_then_the_window_has_to_pass() -> None:
    clock = Seconds()
    limit = FailureLimit(clock)
    for _ in range(MAX_FAILURES):
        assert limit.wait_s("address a", "account x") == 0
        limit.note_failure("address a", "account x")
        clock.now += 1
    assert limit.wait_s("address a") == WINDOW_S - MAX_FAILURES
    clock.now += WINDOW_S - MAX_FAILURES + 0.5
    assert limit.wait_s("address a") == 0  # the oldest failure is forgotten,
    limit.note_failure("address a")
    assert limit.wait_s("address a") > 0  # and the others still count


def test_either_key_is_enough_to_wait() -> None:
    limit = FailureLimit(Seconds())
    for number in range(MAX_FAILURES):
        limit.note_failure(f"address {number}", "account x")
    assert limit.wait_s("address new", "account x") > 0
    assert limit.wait_s("address new", "account y") == 0


def test_a_success_forgets_the_failures() -> None:
    limit = FailureLimit(Seconds())
    for _ in range(MAX_FAILURES):
        limit.note_failure("account x")
    limit.forget("account x", "account unknown")
    assert limit.wait_s("account x") == 0


def test_memory_is_bounded_and_who_keeps_failing_is_kept() -> None:
    limit = FailureLimit(Seconds())
    for number in range(MAX_KEYS * 2):
        limit.note_failure("address a", f"account {number}")
    assert limit.wait_s("address a") > 0
    assert len(limit._failures) <= MAX_KEYS
