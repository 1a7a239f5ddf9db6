"""This provider's name, as the zone has it now."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.zone.v1 import documents_pb2

from clients.zone_client import ZoneClient
from clients.zone_documents import DocumentWatch


class OwnRecord:
    """Follows the document of this provider in the zone. A Part.

    `name`: until the zone was heard for the first time the one that is given.
    """

    def __init__(self, zone: ZoneClient, name: str) -> None:
        self.name = name
        self._provider_id = zone.provider.provider_id
        self._watch = DocumentWatch(zone, act=self._take, held=self._held)

    async def start(self) -> None:
        """Begins to follow; does not wait for the zone."""
        await self._watch.start()

    async def stop(self) -> None:
        """Ends following; the name stays."""
        await self._watch.stop()

    async def _held(self) -> Mapping[str, int]:
        return {}

    async def _take(self, news: documents_pb2.WatchDocumentsResponse) -> None:
        for document in news.documents:
            if document.HasField("provider") and document.provider.provider_id == self._provider_id:
                self.name = document.provider.name
