"""The live feed: rows in order to whoever listens, bounded for the slow, over when it is closed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from analytics.live import QUEUE_ROWS, LiveFeed

pytestmark = pytest.mark.anyio

Rows = AsyncIterator[dict[str, Any] | None]


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": number} for number in numbers]


async def next_ids(listening: Rows, count: int) -> list[int | None]:
    async with asyncio.timeout(20):
        return [row["id"] if (row := await anext(listening)) else None for _ in range(count)]


async def started(feed: LiveFeed) -> tuple[Rows, asyncio.Task[list[int | None]]]:
    """A listener that already waits for its first row."""
    listening = feed.listen()
    waiting = asyncio.create_task(next_ids(listening, 1))
    await asyncio.sleep(0)
    return listening, waiting


async def test_every_listener_gets_every_row_in_order() -> None:
    feed = LiveFeed()
    listeners = [await started(feed) for _ in range(3)]
    feed.publish(rows(1, 2))
    feed.publish(rows(3))
    for listening, waiting in listeners:
        assert await waiting == [1]
        assert await next_ids(listening, 2) == [2, 3]


async def test_a_listener_hears_only_what_comes_after_it() -> None:
    feed = LiveFeed()
    feed.publish(rows(1))
    _, waiting = await started(feed)
    feed.publish(rows(2))
    assert await waiting == [2]


async def test_a_slow_listener_loses_the_oldest_rows_and_stalls_nobody() -> None:
    feed = LiveFeed()
    slow, first = await started(feed)
    feed.publish(rows(0))
    await first
    feed.publish(rows(*range(1, 3 * QUEUE_ROWS + 1)))
    assert await next_ids(slow, QUEUE_ROWS) == list(range(2 * QUEUE_ROWS + 1, 3 * QUEUE_ROWS + 1))


async def test_silence_is_answered_with_a_sign_of_life_and_loses_nothing() -> None:
    feed = LiveFeed()
    listening = feed.listen(idle_s=0.01)
    assert await next_ids(listening, 2) == [None, None]
    feed.publish(rows(1))
    assert await next_ids(listening, 1) == [1]


async def test_closing_ends_every_listener_even_a_full_one() -> None:
    feed = LiveFeed()
    idle, full = await started(feed), await started(feed)
    feed.publish(rows(*range(QUEUE_ROWS + 5)))
    await asyncio.gather(idle[1], full[1])
    assert len(await next_ids(idle[0], QUEUE_ROWS - 1)) == QUEUE_ROWS - 1
    feed.publish(rows(*range(QUEUE_ROWS + 5)))
    waiting = asyncio.create_task(rest_of(idle[0]))
    await asyncio.sleep(0)
    feed.close()
    for unfinished in (waiting, asyncio.create_task(rest_of(full[0]))):
        async with asyncio.timeout(20):
            assert len(await unfinished) <= QUEUE_ROWS
    assert await rest_of(feed.listen()) == []


async def rest_of(listening: Rows) -> list[object]:
    return [row async for row in listening]


async def test_whoever_leaves_is_forgotten() -> None:
    feed = LiveFeed()
    listening, waiting = await started(feed)
    feed.publish(rows(1))
    await waiting
    assert len(feed._queues) == 1
    await listening.aclose()  # type: ignore[attr-defined]
    assert not feed._queues
