"""One stream to the zone, followed for as long as the process lives, and opened anew when it breaks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from contextvars import Context
from typing import Generic, TypeVar

import structlog

from runtime.errors import IsthmusError

log = structlog.get_logger(__name__)

#: Silence after which another connection is tried.
GIVE_UP_S = 4.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 3.0

R = TypeVar("R")


class ZoneStream(Generic[R]):
    """Follows a stream. A Part.

    `begin()` opens it; `take(response)` is called for one response after the other; `on_break()` whenever it
    has ended, before the pause until it is opened again. `name` is its name in the log.
    """

    def __init__(
        self,
        name: str,
        *,
        begin: Callable[[], AsyncGenerator[R]],
        take: Callable[[R], Awaitable[None]],
        on_break: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._begin = begin
        self._take = take
        self._on_break = on_break
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to follow; does not wait for the zone."""
        # Outside of any request: the stream must not end with the deadline of one.
        self._task = asyncio.create_task(self._run(), name=self._name, context=Context())

    async def stop(self) -> None:
        """Ends following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with aclosing(self._begin()) as responses:
                    async for response in responses:
                        await self._take(response)
                        pause_s = FIRST_PAUSE_S
            except (IsthmusError, TimeoutError) as error:
                log.info(
                    "zone_stream_interrupted", stream=self._name, reason=getattr(error, "reason", "SILENCE")
                )
            except Exception:  # what can't be acted on must not end following for good
                log.exception("zone_stream_failed", stream=self._name)
            self._on_break()
            await asyncio.sleep(pause_s * random.uniform(0.7, 1.3))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def patiently(responses: AsyncGenerator[R]) -> AsyncGenerator[R]:
    """The same; raises TimeoutError when none comes for too long."""
    async with aclosing(responses):
        while True:
            try:
                response = await asyncio.wait_for(anext(responses), GIVE_UP_S)
            except StopAsyncIteration:
                return
            yield response
