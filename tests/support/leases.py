"""Data ports that remember, before the whole metadata domain in this process, over links that can fail."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, cast

from clients.metadata import MetadataClient
from runtime.auth import as_caller, service_identity
from runtime.clock import SystemClock
from runtime.errors import Unavailable
from runtime.identity import Identity
from services.metadata.api.contents import ContentServicer
from services.storage_router.clients.contents import MetadataContents
from services.storage_router.domain.contents import FileRef, Located
from services.storage_router.domain.remembered import RememberedContents
from tests.support.metadata import SPACE, World, fresh_id


class Link:
    """Calls of one data port: each takes a moment on both ways. Paused ones wait, lost ones fail."""

    def __init__(self, world: World, chance: random.Random) -> None:
        rules = world.rules
        self._servicer = ContentServicer(
            rules.uploads,
            rules.commits,
            rules.small_uploads,
            rules.registrations,
            rules.removals,
            rules.leases,
        )
        self._chance = chance
        self.passes = asyncio.Event()
        self.passes.set()
        self.loses_renewals = False
        self.locates = 0

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        method = getattr(self._servicer, "".join(word.capitalize() for word in name.split("_")))
        return lambda request: self._call(name, method, request)

    async def _call(self, name: str, method: Callable[..., Any], request: Any) -> Any:
        await self._travel()
        if name == "renew_lease":
            if self.loses_renewals and self._chance.random() < 0.5:
                raise Unavailable
            with as_caller(service_identity("storage_router"), b""):
                answer = await method(request, None)
            if self.loses_renewals:
                raise Unavailable
        else:
            self.locates += name == "locate_content"
            answer = await method(request, None)
        await self._travel()
        return answer

    async def _travel(self) -> None:
        await asyncio.sleep(self._chance.choice((0, 0, 0.001, 0.004)))
        await self.passes.wait()


class Port:
    """One data port, as much of it as locates contents."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.link = Link(world, chance)
        contents = MetadataContents(cast(MetadataClient, self.link), holder=fresh_id("holder"))
        self.memory = RememberedContents(contents, SystemClock())

    async def locate(self, who: Identity, *path: str) -> Located:
        """For a user; each has one signed identity."""
        with as_caller(who, who.subject_id.encode()):
            return await self.memory.locate(FileRef(SPACE, path=path))
