"""DocumentService: what a provider is concerned with, told to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from isthmus.zone.v1 import documents_pb2, documents_pb2_grpc

from services.zone import metrics
from services.zone.api.provider_door import ProviderDoor, UnknownProvider
from services.zone.api.storages import storage_to_proto
from services.zone.domain.documents import Content, Documents, News, Seen
from services.zone.domain.entities import Space
from services.zone.domain.value_errors import BadValueNotInRange

MAX_KNOWN_AT_ONCE = 1000


class DocumentServicer(documents_pb2_grpc.DocumentServiceServicer):
    """Ask, encode."""

    def __init__(self, documents: Documents, door: ProviderDoor) -> None:
        self._documents = documents
        self._door = door

    async def WatchDocuments(
        self, request_iterator: AsyncIterator[documents_pb2.WatchDocumentsRequest], context: Any
    ) -> AsyncIterator[documents_pb2.WatchDocumentsResponse]:
        provider_id = self._door.current().as_provider()
        known = await _known(request_iterator)
        with metrics.DOCUMENT_FOLLOWERS.track_inprogress():
            async for news in self._documents.follow(provider_id, known):
                yield _to_proto(news, provider_id)
        raise UnknownProvider


async def _known(requests: AsyncIterator[documents_pb2.WatchDocumentsRequest]) -> dict[str, int]:
    known: dict[str, int] = {}
    async for request in requests:
        if len(request.known) > MAX_KNOWN_AT_ONCE:
            raise BadValueNotInRange.of(key="known", low=0, high=MAX_KNOWN_AT_ONCE)
        known.update((each.key, each.revision) for each in request.known)
        if request.is_last:
            break
    return known


def _to_proto(news: News, provider_id: str) -> documents_pb2.WatchDocumentsResponse:
    return documents_pb2.WatchDocumentsResponse(
        documents=[_document(key, content, provider_id) for key, content in news.documents.items()],
        ended=[documents_pb2.KnownDocument(key=key, revision=each) for key, each in news.ended.items()],
        caught_up=news.caught_up,
    )


def _document(key: str, content: Content, provider_id: str) -> documents_pb2.Document:
    if isinstance(content, Seen):
        return documents_pb2.Document(
            key=key, revision=content.provider.revision, provider=_provider(content, provider_id)
        )
    if isinstance(content, Space):
        return documents_pb2.Document(key=key, revision=content.revision, space=_space(content, provider_id))
    return documents_pb2.Document(key=key, revision=content.revision, storage=storage_to_proto(content))


def _provider(seen: Seen, provider_id: str) -> documents_pb2.Provider:
    provider = seen.provider
    return documents_pb2.Provider(
        provider_id=provider.id,
        name=provider.name,
        domain=provider.domain,
        latitude=provider.latitude,
        longitude=provider.longitude,
        version=provider.version,
        online=seen.online,
        admin_email=provider.admin_email if provider.id == provider_id else "",
    )


def _space(space: Space, provider_id: str) -> documents_pb2.Space:
    supports = []
    for support in space.supports:
        parameters = space.parameters_at(support.provider_id)
        supports.append(
            documents_pb2.Support(
                request_id=support.request_id if support.provider_id == provider_id else "",
                provider_id=support.provider_id,
                storage_id=support.storage_id,
                size_bytes=support.size_bytes,
                readonly=support.readonly,
                accounting_enabled=parameters.accounting_enabled,
                dir_stats_enabled=parameters.dir_stats_enabled,
                dir_stats_status=parameters.dir_stats_status,
            )
        )
    return documents_pb2.Space(space_id=space.id, name=space.name, supports=supports)
