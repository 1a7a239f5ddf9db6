"""StorageUserService."""

from __future__ import annotations

from typing import Any

from isthmus.storage_router.v1 import storage_users_pb2, storage_users_pb2_grpc

from services.storage_router.domain.storage_users import StorageUsers

from .storages import require_operator


class StorageUserServicer(storage_users_pb2_grpc.StorageUserServiceServicer):
    """Who is who on storages, for operators."""

    def __init__(self, users: StorageUsers) -> None:
        self._users = users

    async def SetStorageUser(
        self, request: storage_users_pb2.SetStorageUserRequest, context: Any
    ) -> storage_users_pb2.SetStorageUserResponse:
        require_operator()
        await self._users.set(request.storage_id, request.uid, request.user_id)
        return storage_users_pb2.SetStorageUserResponse()

    async def ListStorageUsers(
        self, request: storage_users_pb2.ListStorageUsersRequest, context: Any
    ) -> storage_users_pb2.ListStorageUsersResponse:
        require_operator()
        users = await self._users.all(request.storage_id)
        return storage_users_pb2.ListStorageUsersResponse(
            users=[storage_users_pb2.StorageUser(uid=uid, user_id=users[uid]) for uid in sorted(users)]
        )
