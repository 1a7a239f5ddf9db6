"""Follows the documents a provider is concerned with: itself, its spaces, its storages, its peers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from contextvars import Context

import structlog
from isthmus.zone.v1 import documents_pb2

from clients.zone_changes import FIRST_PAUSE_S, GIVE_UP_S, LONGEST_PAUSE_S
from clients.zone_client import ZoneClient
from runtime.errors import IsthmusError

log = structlog.get_logger(__name__)

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
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to follow; does not wait for the zone."""
        # Outside of any request: the stream must not end with the deadline of one.
        self._task = asyncio.create_task(self._run(), name="zone-documents", context=Context())

    async def stop(self) -> None:
        """Ends following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with aclosing(self._news()) as told:
                    async for news in told:
                        await self._take(news)
                        pause_s = FIRST_PAUSE_S
            except (IsthmusError, TimeoutError) as error:
                log.info("zone_documents_interrupted", reason=getattr(error, "reason", "SILENCE"))
            except Exception as error:  # a document that can't be acted on must not end it all
                log.exception("zone_documents_failed", error=repr(error))
            await asyncio.sleep(pause_s * random.uniform(0.7, 1.3))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _news(self) -> AsyncGenerator[News]:
        if self._known is None:
            self._known = dict(await self._held())
        async with aclosing(self._zone.watch_documents(self._known)) as responses:
            while True:
                try:
                    news = await asyncio.wait_for(anext(responses), GIVE_UP_S)
                except StopAsyncIteration:
                    return
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
