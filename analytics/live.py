"""The live feed: scans as they are committed, handed to whoever listens. A slow listener loses rows, never stalls us."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

QUEUE_ROWS: Final = 500


class LiveFeed:
    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[dict[str, Any] | None]] = set()
        self._closed = False

    def publish(self, rows: list[dict[str, Any]]) -> None:
        for queue in self._queues:
            for row in rows:
                if queue.full():
                    queue.get_nowait()
                queue.put_nowait(row)

    async def listen(self, idle_s: float = 15.0) -> AsyncIterator[dict[str, Any] | None]:
        """Rows in order; None whenever nothing came for ``idle_s``, for a keep-alive. Ends when the feed is closed."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(QUEUE_ROWS)
        self._queues.add(queue)
        try:
            while not self._closed:
                try:
                    async with asyncio.timeout(idle_s):
                        row = await queue.get()
                except TimeoutError:
                    yield None
                    continue
                if row is None:
                    return
                yield row
        finally:
            self._queues.discard(queue)

    def close(self) -> None:
        """Lets every listener go, so that a stop need not wait for them."""
        self._closed = True
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(None)
