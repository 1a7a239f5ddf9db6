"""Follows what changes in the zone, so that its answers can be kept for as long as they hold."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextvars import Context

import structlog
from isthmus.zone.v1 import changes_pb2

from clients.zone_client import ZoneClient
from runtime.clock import Clock
from runtime.errors import IsthmusError

log = structlog.get_logger(__name__)

#: Silence after which nothing is taken for granted. The zone speaks up every 0.4 s.
MAX_SILENCE_S = 1.3
#: Silence after which another connection is tried.
GIVE_UP_S = 4.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 3.0


class ZoneWatch:
    """One stream to the zone, opened anew when it breaks. A Part.

    `on_changes(codes)`: what rests on these is to be asked anew. `on_start_over()`: so is everything.
    Both are called before `live` is true again.
    """

    def __init__(
        self,
        zone: ZoneClient,
        *,
        on_changes: Callable[[frozenset[str]], None],
        on_start_over: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._zone = zone
        self._on_changes = on_changes
        self._on_start_over = on_start_over
        self._clock = clock
        self._place = ""
        self._heard_s: float | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def live(self) -> bool:
        """Whether a change would have been heard of by now."""
        return self._heard_s is not None and self._clock.monotonic_s() - self._heard_s < MAX_SILENCE_S

    async def start(self) -> None:
        """Begins to follow; does not wait for the zone."""
        # Outside of any request: the stream must not end with the deadline of one.
        self._task = asyncio.create_task(self._run(), name="zone-watch", context=Context())

    async def stop(self) -> None:
        """Ends following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async for response in _patiently(self._zone.watch_changes(after=self._place)):
                    pause_s = FIRST_PAUSE_S
                    self._handle(response)
            except (IsthmusError, TimeoutError) as error:
                log.info("zone_watch_interrupted", reason=getattr(error, "reason", "SILENCE"))
            self._heard_s = None
            await asyncio.sleep(pause_s * random.uniform(0.7, 1.3))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _handle(self, response: changes_pb2.WatchChangesResponse) -> None:
        if response.start_over:
            self._on_start_over()
        if response.changed:
            self._on_changes(frozenset(response.changed))
        self._place = response.place
        self._heard_s = self._clock.monotonic_s()


async def _patiently(
    responses: AsyncIterator[changes_pb2.WatchChangesResponse],
) -> AsyncIterator[changes_pb2.WatchChangesResponse]:
    """The same; raises TimeoutError when none comes for too long."""
    while True:
        try:
            yield await asyncio.wait_for(anext(responses), GIVE_UP_S)
        except StopAsyncIteration:
            return
