"""Storages of this provider, as far as users may ask about them."""

from __future__ import annotations

import grpc.aio
from isthmus.storage_router.v1 import storages_pb2, storages_pb2_grpc


class StorageClient:
    """storage_router, called as the caller of the request under way."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = storages_pb2_grpc.StorageServiceStub(channel)

    async def inspect_storage_file(
        self, request: storages_pb2.InspectStorageFileRequest
    ) -> storages_pb2.InspectStorageFileResponse:
        """What a file about to be registered is like. Raises as the contract says, and Unavailable."""
        return await self._stub.InspectStorageFile(request)
