"""Metadata's removals and references in the words of `domain.sweeps`. Calls are made as this service."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from isthmus.metadata.v1 import contents_pb2

from clients.metadata import MetadataClient
from runtime.discovery import Watch
from services.storage_router.domain.sweeps import Removal

#: Under this name a data port's registration tells which process it is.
HOLDER = "holder"
#: An older view of Consul says nothing about who has died.
MAX_VIEW_AGE_S = 15.0


class LivingHolders:
    """The processes that may be receiving uploads: this one, and the data ports that Consul knows."""

    def __init__(self, watch: Watch, own: str) -> None:
        self._watch = watch
        self._own = own

    def __call__(self) -> Collection[str]:
        """Their names; none when it is not known who is alive."""
        named = [instance.meta.get(HOLDER, "") for instance in self._watch.instances]
        if self._watch.age_s > MAX_VIEW_AGE_S or not all(named):
            return ()
        return {*named, self._own}


class MetadataRemovals:
    """`Removals` and `References` of metadata."""

    def __init__(self, metadata: MetadataClient, living: Callable[[], Collection[str]]) -> None:
        self._metadata = metadata
        self._living = living

    async def list(self, storage_ids: Sequence[str], *, limit: int) -> Sequence[Removal]:
        answer = await self._metadata.list_removals(
            contents_pb2.ListRemovalsRequest(storage_ids=storage_ids, page_size=limit)
        )
        return [
            Removal(each.space_id, each.file_id, each.storage_id, each.storage_file_id, each.size_bytes)
            for each in answer.removals
        ]

    async def confirm(self, removals: Sequence[Removal]) -> None:
        await self._metadata.confirm_removals(
            contents_pb2.ConfirmRemovalsRequest(
                removals=[
                    contents_pb2.Removal(
                        space_id=each.space_id,
                        file_id=each.file_id,
                        storage_id=each.storage_id,
                        storage_file_id=each.storage_file_id,
                        size_bytes=each.size_bytes,
                    )
                    for each in removals
                ]
            )
        )

    async def find(self, storage_id: str, storage_file_ids: Sequence[str]) -> set[str]:
        answer = await self._metadata.find_references(
            contents_pb2.FindReferencesRequest(
                storage_id=storage_id, storage_file_ids=storage_file_ids, living_holders=self._living()
            )
        )
        return set(answer.referenced)
