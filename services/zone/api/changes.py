"""ChangeService: what changes in the zone, told to providers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from isthmus.zone.v1 import changes_pb2, changes_pb2_grpc

from services.zone import metrics
from services.zone.api.provider_door import ProviderDoor, UnknownProvider
from services.zone.domain.changes import ChangeFeed
from services.zone.domain.errors import NotFound
from services.zone.domain.identifiers import provider_subject
from services.zone.domain.providers import Providers

#: What verdicts on tokens rest on. Of all else only those are told whom it concerns, by DocumentService.
_TOLD = ("usr-", "grp-", "spc-", "tok-")


class ChangeServicer(changes_pb2_grpc.ChangeServiceServicer):
    """Ask, encode."""

    def __init__(self, feed: ChangeFeed, providers: Providers, door: ProviderDoor) -> None:
        self._feed = feed
        self._providers = providers
        self._door = door

    async def WatchChanges(
        self, request: changes_pb2.WatchChangesRequest, context: Any
    ) -> AsyncIterator[changes_pb2.WatchChangesResponse]:
        provider_id = self._door.current().as_provider()
        own = provider_subject(provider_id).code
        with metrics.FOLLOWERS.track_inprogress():
            async for update in self._feed.follow(request.after):
                if own in update.changed:
                    await self._require(provider_id)
                changed = sorted(each for each in update.changed if each.startswith(_TOLD))
                yield changes_pb2.WatchChangesResponse(
                    place=update.place, start_over=update.start_over, changed=changed
                )

    async def _require(self, provider_id: str) -> None:
        try:
            await self._providers.require(provider_id)
        except NotFound:
            raise UnknownProvider from None
