"""Follows the documents a provider is concerned with: itself, its spaces, its storages, its peers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing

from isthmus.zone.v1 import documents_pb2

from clients.zone_client import ZoneClient
from clients.zone_stream import ZoneStream, patiently

#: Longest to act on what was told at once, before it is told again.
ACT_TIMEOUT_S = 60.0

News = documents_pb2.WatchDocumentsResponse


class DocumentWatch:
    """One stream to the zone, opened anew when it breaks. A Part.

    `act(news)` is called for one answer after the other; what it fails at is told again. `held()` says at
    the first contact of all what was known before: things that ended meanwhile are then told as ended.
    """

    def __init__(
        self,
        zone: ZoneClient,
        *,
        act: Callable[[News], Awaitable[None]],
        held: Callable[[], Awaitable[Mapping[str, int]]],
    ) -> None:
        self._zone = zone
        self._act = act
        self._held = held
        self._known: dict[str, int] | None = None
        self._stream = ZoneStream("zone-documents", begin=self._news, take=self._take)

    async def start(self) -> None:
        """Begins to follow; does not wait for the zone."""
        await self._stream.start()

    async def stop(self) -> None:
        """Ends following."""
        await self._stream.stop()

    async def _news(self) -> AsyncGenerator[News]:
        if self._known is None:
            self._known = dict(await self._held())
        async with aclosing(patiently(self._zone.watch_documents(self._known))) as responses:
            async for news in responses:
                yield news

    async def _take(self, news: News) -> None:
        if not (news.documents or news.ended or news.caught_up):
            return
        async with asyncio.timeout(ACT_TIMEOUT_S):
            await self._act(news)
        # Only now: what was broken off has to be told again.
        known = self._known = self._known or {}
        known.update((document.key, document.revision) for document in news.documents)
        for ended in news.ended:
            known.pop(ended.key, None)
