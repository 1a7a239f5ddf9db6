"""LinkService."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import links_pb2, links_pb2_grpc

from runtime.auth import caller
from services.metadata.domain.links import HardLinks

from .convert import ref_from_proto


class LinkServicer(links_pb2_grpc.LinkServiceServicer):
    """The names of regular files, over gRPC."""

    def __init__(self, links: HardLinks) -> None:
        self._links = links

    async def ListHardLinks(
        self, request: links_pb2.ListHardLinksRequest, context: Any
    ) -> links_pb2.ListHardLinksResponse:
        file_ids = await self._links.list(caller(), ref_from_proto(request.file))
        return links_pb2.ListHardLinksResponse(file_ids=file_ids)
