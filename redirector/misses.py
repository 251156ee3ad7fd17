"""Bounds what unknown codes may cost: misses per network, and reads of the database at a time. Knows no codes and no SQL.

Neither bound ever stands before a code in memory.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

MAX_NETWORKS: Final = 20_000
READS_AT_ONCE: Final = 4
READ_WITHIN_S: Final = 5.0
REFUSALS_PER_S: Final = 200
REFUSAL_WITHIN_S: Final = 1.0

Found = TypeVar("Found")


class TooManyMisses(Exception):  # noqa: N818
    """This network has asked for too many unknown codes, and this one is not known either."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class MissLimit:
    """``burst`` misses at once for each network (/24 or /48), and ``per_minute`` from then on. Either one 0: no limit."""

    def __init__(self, burst: int = 0, per_minute: int = 0) -> None:
        self._interval_s = 60 / per_minute if burst and per_minute else 0.0
        self._tolerance_s = burst * self._interval_s
        # When a network's allowance will be whole again. One that is whole needs no entry, and the one used longest ago goes
        # first: whoever has more networks than fit in here gets more allowances, not more memory.
        self._whole_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._whole_at)

    def take(self, network: str) -> bool:
        """Spends one miss; False when there is none left."""
        if not self._interval_s:
            return True
        now = time.monotonic()
        whole_at = max(now, self._whole_at.get(network, 0.0)) + self._interval_s
        if whole_at > now + self._tolerance_s:
            self._whole_at.move_to_end(network)
            return False
        self._whole_at[network] = whole_at
        self._whole_at.move_to_end(network)
        if len(self._whole_at) > MAX_NETWORKS:
            self._whole_at.popitem(last=False)
        return True

    def give_back(self, network: str) -> None:
        """What was spent turned out to be no miss."""
        if network in self._whole_at:
            self._whole_at[network] -= self._interval_s

    def retry_after_s(self, network: str) -> float:
        """Until one more miss is allowed."""
        whole_at = self._whole_at.get(network, 0.0)
        return max(0.0, whole_at + self._interval_s - self._tolerance_s - time.monotonic())


class Pace:
    """So many answers a second and no more: a flood of refusals, each of which is cheap, leaves the worker to scans."""

    def __init__(self, per_s: float = REFUSALS_PER_S, within_s: float = REFUSAL_WITHIN_S) -> None:
        self._interval_s = 1 / per_s
        self._within_s = within_s
        self._next_at = 0.0

    async def keep(self) -> None:
        """At once, or later; who would have to wait too long does not wait, for waiting takes up a connection."""
        now = time.monotonic()
        at = max(now, self._next_at)
        if at <= now + self._within_s:
            self._next_at = at + self._interval_s
            await asyncio.sleep(at - now)


class Turns:
    """At most ``at_once`` turns are out. Who waits is served network by network: a crowd in one delays no other."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def take(self, network: str) -> None:
        if self._free:
            self._free -= 1
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(network, deque()).append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self.give()
            else:
                self._forget(network, mine)
            raise

    def give(self) -> None:
        while self._waiting:
            network, queue = self._waiting.popitem(last=False)
            first = queue.popleft()
            if queue:
                self._waiting[network] = queue  # behind the others
            if not first.done():
                first.set_result(None)
                return
        self._free += 1

    def _forget(self, network: str, mine: asyncio.Future[None]) -> None:
        queue = self._waiting.get(network)
        if queue is None or mine not in queue:
            return
        queue.remove(mine)
        if not queue:
            del self._waiting[network]


class SharedReads(Generic[Found]):
    """Few reads at a time, and of one thing one read at a time, however many ask for it."""

    def __init__(self, at_once: int = READS_AT_ONCE, within_s: float = READ_WITHIN_S) -> None:
        self._turns = Turns(at_once)
        self._within_s = within_s
        self._running: dict[Hashable, asyncio.Task[Found]] = {}

    async def read(self, key: Hashable, network: str, work: Callable[[], Awaitable[Found]]) -> Found:
        """What ``work`` gives, or raises. TimeoutError when that takes too long; the read itself goes on and keeps its turn."""
        async with asyncio.timeout(self._within_s):
            running = self._running.get(key)
            if running is None:
                await self._turns.take(network)
                running = self._running.get(key)
                if running is not None:  # somebody else's turn came first
                    self._turns.give()
                else:
                    running = self._begin(key, work)
            return await asyncio.shield(running)

    def _begin(self, key: Hashable, work: Callable[[], Awaitable[Found]]) -> asyncio.Task[Found]:
        async def done() -> Found:
            return await work()

        def end(task: asyncio.Task[Found]) -> None:
            del self._running[key]
            self._turns.give()
            if not task.cancelled():
                task.exception()  # whoever asked may have gone

        task = asyncio.create_task(done())
        self._running[key] = task
        task.add_done_callback(end)
        return task
