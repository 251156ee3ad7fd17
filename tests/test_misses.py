"""Unknown codes: what a network may ask for, what they may cost the database, and that known ones never notice."""

import asyncio
import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from redirector.misses import MAX_NETWORKS, MissLimit, Pace, SharedReads, Turns
from tests.running import Running, wait_for

pytestmark = pytest.mark.anyio


class Moment:
    """Stands in for time.monotonic, but not to the event loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr("redirector.misses.time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Moment:
    return Moment(monkeypatch)


# The limit


def test_a_network_has_a_burst_and_then_so_many_a_minute(moment: Moment) -> None:
    limit = MissLimit(burst=5, per_minute=60)
    assert [limit.take("a") for _ in range(7)] == [True] * 5 + [False] * 2
    assert limit.retry_after_s("a") == pytest.approx(1.0)
    moment.now += 1.0
    assert [limit.take("a") for _ in range(2)] == [True, False]
    moment.now += 2.5
    assert [limit.take("a") for _ in range(3)] == [True, True, False]
    assert limit.retry_after_s("a") == pytest.approx(0.5)
    moment.now += 3_600.0
    assert [limit.take("a") for _ in range(6)] == [True] * 5 + [False]


def test_networks_do_not_share(moment: Moment) -> None:
    limit = MissLimit(burst=1, per_minute=60)
    assert [limit.take(network) for network in ("a", "b", "a", "b")] == [True, True, False, False]


def test_what_is_given_back_may_be_spent_again(moment: Moment) -> None:
    limit = MissLimit(burst=2, per_minute=60)
    for _ in range(100):
        assert limit.take("a")
        limit.give_back("a")
    assert [limit.take("a") for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(("burst", "per_minute"), [(0, 60), (60, 0), (0, 0)])
def test_no_limit(burst: int, per_minute: int) -> None:
    limit = MissLimit(burst, per_minute)
    assert all(limit.take("a") for _ in range(10_000))
    assert len(limit) == 0


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_a_million_networks_take_bounded_memory_and_the_busy_one_stays_known(moment: Moment) -> None:
    limit = MissLimit(burst=2, per_minute=1)
    assert [limit.take("busy") for _ in range(3)] == [True, True, False]
    for number in range(1_000_000):
        limit.take(f"network-{number}")
        if number % 10_000 == 0:
            assert not limit.take("busy")
    assert len(limit) == MAX_NETWORKS


# Pace, turns and shared reads


async def test_refusals_leave_one_after_the_other_and_who_would_wait_too_long_does_not(moment: Moment) -> None:
    pace, ended = Pace(per_s=8, within_s=0.5), list[int]()

    async def refuse(number: int) -> None:
        await pace.keep()
        ended.append(number)

    refused = [asyncio.create_task(refuse(number)) for number in range(20)]
    await turns()
    assert set(ended) == {0, *range(5, 20)}  # four wait, for an eighth to half a second
    await asyncio.gather(*refused)
    assert ended[-4:] == [1, 2, 3, 4]
    moment.now += 10.0
    await refuse(20)
    assert ended[-1] == 20


async def turns(times: int = 10) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def test_who_waits_is_served_network_by_network() -> None:
    turn, order = Turns(1), list[str]()

    async def wait(network: str, name: str) -> None:
        await turn.take(network)
        order.append(name)
        await asyncio.sleep(0)
        turn.give()

    await turn.take("first")
    crowd = [asyncio.create_task(wait("crowded", f"crowd {number}")) for number in range(100)]
    await turns()
    others = [asyncio.create_task(wait("quiet", "quiet")), asyncio.create_task(wait("other", "other"))]
    await turns()
    turn.give()
    await asyncio.gather(*crowd, *others)
    assert len(order) == 102
    assert max(order.index("quiet"), order.index("other")) <= 3


async def test_no_turn_is_lost_when_who_waits_goes_away() -> None:
    turn = Turns(2)
    for _ in range(2):
        await turn.take("a")
    waiting = [asyncio.create_task(turn.take("a")) for _ in range(4)]
    await turns()
    waiting[0].cancel()
    turn.give()  # to the second, which goes away before it has noticed
    waiting[1].cancel()
    await turns()
    assert [task.cancelled() for task in waiting] == [True, True, False, False]
    assert waiting[2].done()
    turn.give()
    await asyncio.wait_for(asyncio.gather(waiting[2], waiting[3]), 5)
    waiting.clear()
    turn.give()
    turn.give()
    assert (turn._free, len(turn._waiting)) == (2, 0)


class SlowReads:
    """Work that ends when told to; knows how often it was done, and how many of it at the same time."""

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.begun = Counter[str]()
        self.at_once = self.most_at_once = 0

    async def read(self, key: str) -> str:
        self.begun[key] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.done.wait()
        self.at_once -= 1
        return key.upper()


async def test_one_read_serves_everybody_who_asks_for_the_same() -> None:
    reads, slow = SharedReads[str](4), SlowReads()
    asked = [asyncio.create_task(reads.read("a", f"network {n}", lambda: slow.read("a"))) for n in range(500)]
    await turns()
    slow.done.set()
    assert await asyncio.gather(*asked) == ["A"] * 500
    assert slow.begun == {"a": 1}


async def test_reads_at_the_same_time_are_bounded() -> None:
    reads, slow = SharedReads[str](4), SlowReads()
    asked = [asyncio.create_task(reads.read(str(n), "a", partial(slow.read, str(n)))) for n in range(100)]
    await turns()
    assert slow.at_once == 4
    slow.done.set()
    assert await asyncio.gather(*asked) == [str(n) for n in range(100)]
    assert slow.most_at_once == 4


async def test_a_database_that_hangs_holds_nobody_for_long_and_its_reads_stay_bounded() -> None:
    reads, slow = SharedReads[str](2, within_s=0.05), SlowReads()
    for batch in range(3):
        asked = [asyncio.create_task(reads.read(f"{batch}-{n}", "a", partial(slow.read, str(n)))) for n in range(20)]
        assert all(isinstance(end, TimeoutError) for end in await asyncio.gather(*asked, return_exceptions=True))
    assert slow.begun.total() == 2
    assert len(reads._turns._waiting) == 0
    slow.done.set()
    assert await reads.read("again", "a", lambda: slow.read("again")) == "AGAIN"


async def test_a_failed_read_fails_everybody_who_waits_and_nobody_after() -> None:
    reads, failing = SharedReads[str](1), asyncio.Event()

    async def fail() -> str:
        await failing.wait()
        raise ValueError

    async def succeed() -> str:
        return "found"

    asked = [asyncio.create_task(reads.read("a", "a", fail)) for _ in range(3)]
    await turns()
    failing.set()
    assert [type(end) for end in await asyncio.gather(*asked, return_exceptions=True)] == [ValueError] * 3
    assert await reads.read("a", "a", succeed) == "found"


# The real process

TRUSTING = '[proxy]\ntrusted = ["127.0.0.1"]\n'
ATTACKER, BESIDE, ELSEWHERE = "198.51.100.7", "198.51.100.200", "203.0.113.9"


def ask(connection: http.client.HTTPConnection, path: str, address: str) -> http.client.HTTPResponse:
    connection.request("GET", path, headers={"X-Forwarded-For": address, "Accept-Language": "es"})
    answer = connection.getresponse()
    answer.body = answer.read()  # type: ignore[attr-defined]
    return answer


def is_limited_in_words(answer: http.client.HTTPResponse) -> bool:
    """The storm may have left room for one more; the next one then."""
    if answer.status == 404:
        return False
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert "Desde su red" in answer.body.decode()  # type: ignore[attr-defined]
    return True


@contextmanager
def enumerating(port: int, address: str, answers: Counter[int], lanes: int = 16) -> Iterator[None]:
    stopping, numbers = threading.Event(), count()

    def run() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            while not stopping.is_set():
                answers[ask(connection, f"/guess-{next(numbers)}", address).status] += 1

    threads = [threading.Thread(target=run) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join(60)


@pytest.mark.slow
@pytest.mark.ci
def test_an_enumeration_is_limited_and_nobody_else_notices(tmp_path: Path) -> None:
    answers, numbers = Counter[int](), count()
    with Running(tmp_path, TRUSTING) as waymark:
        waymark.cli("code", "add", "https://example.com/1", "--slug", "spring")
        port = waymark.public_port
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as phone:
            wait_for(lambda: ask(phone, "/spring", ELSEWHERE).status == 302, "the code being live")
            with enumerating(port, ATTACKER, answers):
                wait_for(lambda: answers.total() > 500, "the storm")
                for address in (ATTACKER, BESIDE, ELSEWHERE) * 20:
                    assert ask(phone, "/spring", address).status == 302
                assert ask(phone, "/mistyped", ELSEWHERE).status == 404
                waymark.cli("code", "retarget", "spring", "https://example.com/2")
                later = "https://example.com/2"
                wait_for(lambda: ask(phone, "/spring", ATTACKER).headers["Location"] == later, "the retarget")
                waymark.cli("code", "add", "https://example.com/", "--slug", "new-one")
                wait_for(lambda: ask(phone, "/new-one", BESIDE).status == 302, "a new code in the limited network")
                wait_for(lambda: answers.total() > 2_500, "more of the storm", 60)
                wait_for(lambda: is_limited_in_words(ask(phone, f"/wrong-{next(numbers)}", BESIDE)), "a 429 beside")
    assert set(answers) == {404, 429}
    assert answers[429] > answers[404] >= 60
