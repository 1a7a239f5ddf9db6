"""Follows what changes in the zone, so that its answers can be kept for as long as they hold."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from isthmus.zone.v1 import changes_pb2

from clients.zone_client import ZoneClient
from clients.zone_stream import ZoneStream, patiently
from runtime.clock import Clock

#: Silence after which nothing is taken for granted. The zone speaks up every 0.8 s. No more than a verdict of
#: which nothing is heard is believed by default (`token_cache_s`).
MAX_SILENCE_S = 1.9


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
        self._stream = ZoneStream(
            "zone-changes", begin=self._responses, take=self._take, on_break=self._broke
        )

    @property
    def live(self) -> bool:
        """Whether a change would have been heard of by now."""
        return self._heard_s is not None and self._clock.monotonic_s() - self._heard_s < MAX_SILENCE_S

    async def start(self) -> None:
        """Begins to follow; does not wait for the zone."""
        await self._stream.start()

    async def stop(self) -> None:
        """Ends following."""
        await self._stream.stop()

    def _responses(self) -> AsyncGenerator[changes_pb2.WatchChangesResponse]:
        return patiently(self._zone.watch_changes(after=self._place))

    def _broke(self) -> None:
        self._heard_s = None

    async def _take(self, response: changes_pb2.WatchChangesResponse) -> None:
        if response.start_over:
            self._on_start_over()
        if response.changed:
            self._on_changes(frozenset(response.changed))
        self._place = response.place
        self._heard_s = self._clock.monotonic_s()
