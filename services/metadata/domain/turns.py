"""One at a time for each key, so that callers of this process do not make each other try again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Locks by key. A key that nobody holds or waits for takes no room."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Holds the key; those who wait for it come in their order."""
        lock, callers = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = lock, callers + 1
        try:
            async with lock:
                yield
        finally:
            lock, callers = self._locks[key]
            if callers == 1:
                del self._locks[key]
            else:
                self._locks[key] = lock, callers - 1
