"""ChangeService: what changes in the zone, told to providers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from isthmus.zone.v1 import changes_pb2, changes_pb2_grpc

from services.zone import metrics
from services.zone.api.provider_door import ProviderDoor, UnknownProvider
from services.zone.domain.changes import ChangeFeed
from services.zone.domain.identifiers import provider_subject


class ChangeServicer(changes_pb2_grpc.ChangeServiceServicer):
    """Ask, encode."""

    def __init__(self, feed: ChangeFeed, door: ProviderDoor) -> None:
        self._feed = feed
        self._door = door

    async def WatchChanges(
        self, request: changes_pb2.WatchChangesRequest, context: Any
    ) -> AsyncIterator[changes_pb2.WatchChangesResponse]:
        own = provider_subject(self._door.current().as_provider()).code
        with metrics.FOLLOWERS.track_inprogress():
            async for update in self._feed.follow(request.after):
                if own in update.changed:
                    raise UnknownProvider
                yield changes_pb2.WatchChangesResponse(
                    place=update.place, start_over=update.start_over, changed=sorted(update.changed)
                )
