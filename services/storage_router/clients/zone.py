"""The zone: it decides about supports, knows our storages, and tells what becomes of both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace

from isthmus.zone.v1 import documents_pb2, providers_pb2, storages_pb2

from clients.qos import qos_from_proto
from clients.zone import ZoneClient
from clients.zone_documents import DocumentWatch
from runtime.errors import AlreadyExists, NotFound
from services.storage_router.domain.storages import PublicPart, Storage, Support
from services.storage_router.domain.zone_news import SupportState, ZoneNews

_SPACE, _STORAGE = "spc-", "sto-"
#: Older than any revision of the zone: what is held so is told in any case.
_UNKNOWN = -1


class ZoneSupports:
    """`SupportAuthority` of the zone; the caller there is this provider."""

    def __init__(self, zone: ZoneClient) -> None:
        self._zone = zone

    async def consume_support_token(
        self, token: str, *, request_id: str, size_bytes: int, storage_id: str
    ) -> Support:
        space = await self._zone.support_space(
            token, request_id=request_id, size_bytes=size_bytes, storage_id=storage_id
        )
        return _said(Support(space.space_id, storage_id, size_bytes, request_id), space)

    async def resize(self, support: Support, size_bytes: int) -> Support:
        return _said(support, await self._zone.resize_support(support.space_id, size_bytes))

    async def revoke(self, support: Support) -> int:
        revision = await self._zone.revoke_support(support.space_id)
        # Of a space that is no more the zone tells none.
        return max(revision, support.revision)

    async def request_dir_stats(self, space_id: str, *, enabled: bool) -> None:
        """`DirStatsAuthority`."""
        await self._zone.switch_dir_stats(space_id, enabled=enabled)

    async def report_dir_stats(self, space_id: str, status: str) -> None:
        """`DirStatsAuthority`."""
        await self._zone.report_dir_stats_status(space_id, status)


class ZoneStorageRegister:
    """`ZoneStorages` of the zone."""

    def __init__(self, zone: ZoneClient) -> None:
        self._zone = zone

    async def register(self, storage: Storage) -> None:
        try:
            await self._zone.create_storage(
                storage.storage_id,
                storage.name,
                qos_parameters=storage.qos_parameters,
                imported=storage.imported,
                readonly=storage.readonly,
            )
        except AlreadyExists as error:
            # Ours as it was before, or another provider's.
            try:
                await self.change(storage)
            except NotFound:
                raise error from None

    async def change(self, storage: Storage) -> None:
        await self._zone.update_storage(
            storage.storage_id,
            name=storage.name,
            qos_parameters=storage.qos_parameters,
            imported=storage.imported,
            readonly=storage.readonly,
        )

    async def forget(self, storage_id: str) -> None:
        await self._zone.delete_storage(storage_id)


def _said(support: Support, space: providers_pb2.SupportedSpace) -> Support:
    return replace(support, size_bytes=space.size_bytes, space_name=space.name, revision=space.revision)


class ZoneNewsWatch:
    """Follows the zone, as this provider. A Part. `act` and `held` are those of `DocumentWatch`, in the words
    of this service: `held` answers ids of spaces."""

    def __init__(
        self,
        zone: ZoneClient,
        *,
        act: Callable[[ZoneNews], Awaitable[None]],
        held: Callable[[], Awaitable[Collection[str]]],
    ) -> None:
        self._act = act
        self._held = held
        self._provider_id = zone.provider.provider_id
        self._watch = DocumentWatch(zone, act=self._take, held=self._known)

    async def start(self) -> None:
        """Begins to follow."""
        await self._watch.start()

    async def stop(self) -> None:
        """Ends following."""
        await self._watch.stop()

    async def _known(self) -> Mapping[str, int]:
        return {f"{_SPACE}{space_id}": _UNKNOWN for space_id in await self._held()}

    async def _take(self, news: documents_pb2.WatchDocumentsResponse) -> None:
        spaces = (document for document in news.documents if document.HasField("space"))
        supports = (_support_of(document, self._provider_id) for document in spaces)
        ended = {each.key: each.revision for each in news.ended}
        await self._act(
            ZoneNews(
                supports=[each for each in supports if each is not None],
                ended={key[4:]: each for key, each in ended.items() if key.startswith(_SPACE)},
                storages={
                    each.storage.storage_id: _public_part(each.storage)
                    for each in news.documents
                    if each.HasField("storage")
                },
                forgotten=[key[4:] for key in ended if key.startswith(_STORAGE)],
                caught_up=news.caught_up,
            )
        )


def _public_part(storage: storages_pb2.Storage) -> PublicPart:
    return PublicPart(
        name=storage.name,
        qos_parameters=qos_from_proto(storage.qos_parameters),
        imported=storage.imported,
        readonly=storage.readonly,
    )


def _support_of(document: documents_pb2.Document, provider_id: str) -> SupportState | None:
    """Our support in the document of a space."""
    own = (each for each in document.space.supports if each.provider_id == provider_id)
    told = next(own, None)
    if told is None:
        return None
    support = Support(
        space_id=document.space.space_id,
        storage_id=told.storage_id,
        size_bytes=told.size_bytes,
        # No two supports are of one request.
        request_id=told.request_id or f"zone:{document.space.space_id}",
        space_name=document.space.name,
        revision=document.revision,
    )
    return SupportState(support, told.dir_stats_enabled, told.dir_stats_status)
