"""Who remembers on leases, before the whole metadata domain in this process, over links that can fail."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any, cast

import pytest

from clients.access_counter import AccessCounter
from clients.leases import MetadataLessor
from clients.metadata import MetadataClient
from runtime import leased_memory
from runtime.auth import as_caller, service_identity
from runtime.clock import ManualClock, SystemClock
from runtime.errors import Unavailable
from runtime.http.file_ids import encode
from runtime.identity import Identity
from services.gateway.api.gate import Gate
from services.gateway.api.http import Receive, Request
from services.gateway.api.ports import Authenticator, Spaces
from services.gateway.api.rest.data import ATTRIBUTES, DataRoutes
from services.gateway.api.rest.operations import Operation, Takes, run
from services.gateway.domain.attribute_memory import AttributeMemory
from services.metadata.domain import leases
from services.metadata.wiring import content_servicer, file_servicer
from services.storage_router.clients.contents import MetadataContents
from services.storage_router.domain.contents import FileRef, Located
from services.storage_router.domain.remembered import RememberedContents
from tests.support.metadata import PROVIDER, SPACE, World, fresh_id


class Link:
    """Calls of one process: each takes a moment on both ways. Paused ones wait, lost ones fail."""

    def __init__(self, world: World, chance: random.Random) -> None:
        rules = world.rules
        self._contents = content_servicer(rules)
        self._files = file_servicer(rules)
        self._chance = chance
        self.passes = asyncio.Event()
        self.passes.set()
        self.loses_renewals = False
        #: Calls that ask what may be remembered.
        self.asked = 0

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        servicer = self._files if name == "get_file" else self._contents
        method = getattr(servicer, "".join(word.capitalize() for word in name.split("_")))
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
            self.asked += name in ("locate_content", "get_file")
            answer = await method(request, None)
        await self._travel()
        return answer

    async def _travel(self) -> None:
        await asyncio.sleep(self._chance.choice((0, 0, 0.001, 0.004)))
        await self.passes.wait()


class RealTime(ManualClock):
    """Leases run in real time; records need not."""

    def monotonic_s(self) -> float:
        return SystemClock().monotonic_s()


def shorten_leases(monkeypatch: pytest.MonkeyPatch, lease_s: float) -> None:
    """And all that is waited for in them."""
    monkeypatch.setattr(leases, "LEASE_S", lease_s)
    monkeypatch.setattr(leases, "LEASE_END_S", lease_s + 0.05)
    monkeypatch.setattr(leases, "HOLD_S", 0.03)
    monkeypatch.setattr(leases, "_LOOK_S", 0.01)
    monkeypatch.setattr(leased_memory, "RETRY_S", 0.01)


def make_trouble(link: Link, chance: random.Random) -> None:
    """Has a link pause or lose renewals from now on, or ends its troubles."""
    trouble = chance.choice(("none", "none", "pause", "lose"))
    if trouble == "none":
        link.passes.set()
        link.loses_renewals = False
    elif trouble == "pause":
        link.passes.clear()
    else:
        link.loses_renewals = True


class Gateway:
    """One gateway, as much of it as tells attributes."""

    def __init__(self, metadata: MetadataClient) -> None:
        self.memory = AttributeMemory(MetadataLessor(metadata, fresh_id("holder")), SystemClock())
        accesses = AccessCounter(metadata, SystemClock())
        self._gate = Gate(cast(Authenticator, None), cast(Spaces, None), accesses, provider_id=PROVIDER)
        self._operation = Operation(
            DataRoutes(metadata, self._gate, self.memory).get_attributes,
            "Attributes",
            Takes.PARAMS,
            params=(ATTRIBUTES,),
            memory=self.memory,
        )

    async def attributes(self, who: Identity, uuid: str, *names: str, blob: bytes = b"") -> dict[str, Any]:
        """Of a file, for a user; each has one signed identity."""
        id = encode(SPACE, uuid)
        query = "&".join(f"attributes={name}" for name in names).encode()
        scope = {"method": "GET", "path": f"/data/{id}", "query_string": query, "headers": ()}
        request = Request(scope, cast(Receive, None))
        with as_caller(who, blob or who.subject_id.encode()):
            answer = await run(self._gate, self._operation, request, who, id.encode(), b"")
        told: dict[str, Any] = json.loads(answer.body)
        return told


class LinkedGateway(Gateway):
    """One behind a link that can fail."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.link = Link(world, chance)
        super().__init__(cast(MetadataClient, self.link))


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
