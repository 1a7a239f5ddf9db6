"""The provider's operator services over gRPC through the front door."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc
from isthmus.cluster_manager.v1 import cluster_pb2, cluster_pb2_grpc
from isthmus.metadata.v1 import (
    copies_pb2,
    copies_pb2_grpc,
    dir_stats_pb2,
    dir_stats_pb2_grpc,
    spaces_pb2,
    spaces_pb2_grpc,
)
from isthmus.storage_router.v1 import (
    storage_users_pb2,
    storage_users_pb2_grpc,
    storages_pb2,
    storages_pb2_grpc,
)

from clients.cli.settings import Settings
from clients.http_api import ClientError, RefusedError, UnreachableError
from clients.qos import qos_to_proto

Request = TypeVar("Request")
Response = TypeVar("Response")

TIMEOUT_S = 15.0
#: For calls that walk through many records.
LONG_TIMEOUT_S = 600.0
PAGE_SIZE = 1000
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class Operator:
    """One provider, as its operator. Raises RefusedError and UnreachableError like the HTTP clients."""

    def __init__(self, channel: grpc.Channel, token: str) -> None:
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._cluster = cluster_pb2_grpc.ClusterServiceStub(channel)
        self._storages = storages_pb2_grpc.StorageServiceStub(channel)
        self._storage_users = storage_users_pb2_grpc.StorageUserServiceStub(channel)
        self._spaces = spaces_pb2_grpc.SpaceServiceStub(channel)
        self._copies = copies_pb2_grpc.CopyServiceStub(channel)
        self._dir_stats = dir_stats_pb2_grpc.DirStatsServiceStub(channel)

    def status(self) -> cluster_pb2.GetClusterStatusResponse:
        """Members, their health, and who leads what."""
        return self._call(self._cluster.GetClusterStatus, cluster_pb2.GetClusterStatusRequest())

    def storages(self) -> Iterator[storages_pb2.Storage]:
        """All storages, by name."""
        for page in self._pages(self._storages.ListStorages, storages_pb2.ListStoragesRequest()):
            yield from page.storages

    def copies(self) -> Iterator[copies_pb2.Copy]:
        """Copies that go on or failed lately, by their ids."""
        for page in self._pages(self._copies.ListCopies, copies_pb2.ListCopiesRequest()):
            yield from page.copies

    def stop_copy(self, copy_id: str) -> None:
        """Gives a copy up, or forgets that it failed."""
        self._call(self._copies.StopCopy, copies_pb2.StopCopyRequest(copy_id=copy_id))

    def create_storage(
        self,
        name: str,
        driver: str,
        parameters: dict[str, str],
        *,
        imported: bool = False,
        readonly: bool = False,
        qos_parameters: Mapping[str, str | float] | None = None,
    ) -> storages_pb2.Storage:
        """Adds a storage; the provider tries it first."""
        request = storages_pb2.CreateStorageRequest(
            request_id=uuid.uuid4().hex,
            name=name,
            driver=driver,
            parameters=parameters,
            imported=imported,
            readonly=readonly,
            qos_parameters=qos_to_proto(qos_parameters or {}),
        )
        return self._call(self._storages.CreateStorage, request).storage

    def update_storage(
        self,
        storage_id: str,
        *,
        name: str | None = None,
        imported: bool | None = None,
        readonly: bool | None = None,
        qos_parameters: Mapping[str, str | float] | None = None,
    ) -> storages_pb2.Storage:
        """Sets what is not None; `qos_parameters` all of them."""
        request = storages_pb2.UpdateStorageRequest(
            storage_id=storage_id,
            name=name,
            imported=imported,
            readonly=readonly,
            qos_parameters=None if qos_parameters is None else qos_to_proto(qos_parameters),
        )
        return self._call(self._storages.UpdateStorage, request).storage

    def delete_storage(self, storage_id: str) -> None:
        """Forgets a storage that supports no space; its data stays where it is."""
        self._call(self._storages.DeleteStorage, storages_pb2.DeleteStorageRequest(storage_id=storage_id))

    def find_storage(self, wanted: str) -> str:
        """Id of a storage by name or id."""
        found = [
            storage.storage_id for storage in self.storages() if wanted in (storage.storage_id, storage.name)
        ]
        if len(found) != 1:
            raise ClientError(
                f"the provider has {'no storage' if not found else 'several storages'} called {wanted}"
            )
        return found[0]

    def storage_users(self, storage_id: str) -> Sequence[storage_users_pb2.StorageUser]:
        """Which users the owners of files on a storage are, by number."""
        request = storage_users_pb2.ListStorageUsersRequest(storage_id=storage_id)
        return self._call(self._storage_users.ListStorageUsers, request).users

    def map_storage_user(self, storage_id: str, uid: int, user_id: str) -> None:
        """Says which user an owner is; none with an empty id."""
        request = storage_users_pb2.SetStorageUserRequest(storage_id=storage_id, uid=uid, user_id=user_id)
        self._call(self._storage_users.SetStorageUser, request)

    def support_space(self, storage_id: str, token: str, size_bytes: int) -> storages_pb2.Support:
        """Supports the space a support token was made for."""
        request = storages_pb2.SupportSpaceRequest(
            request_id=uuid.uuid4().hex, storage_id=storage_id, token=token, size_bytes=size_bytes
        )
        return self._call(self._storages.SupportSpace, request).support

    def resize_support(self, space_id: str, size_bytes: int) -> storages_pb2.Support:
        """Changes how much of a space the provider supports."""
        request = storages_pb2.ResizeSupportRequest(space_id=space_id, size_bytes=size_bytes)
        return self._call(self._storages.ResizeSupport, request).support

    def revoke_support(self, space_id: str) -> None:
        """Ends the provider's support of a space."""
        self._call(self._storages.RevokeSupport, storages_pb2.RevokeSupportRequest(space_id=space_id))

    def find_supported_space(self, wanted: str) -> str:
        """Id of a space the provider supports, by name or id."""
        found = [each.space_id for each in self.supports() if wanted in (each.space_id, each.space_name)]
        if len(found) != 1:
            raise ClientError(
                f"the provider supports {'no space' if not found else 'several spaces'} called {wanted}"
            )
        return found[0]

    def supports(self) -> Iterator[storages_pb2.Support]:
        """What the provider supports, by id of the space."""
        for page in self._pages(self._storages.ListSupports, storages_pb2.ListSupportsRequest()):
            yield from page.supports

    def space_usage(self, space_id: str) -> spaces_pb2.SpaceUsage:
        """Quota and usage of a space."""
        request = spaces_pb2.GetSpaceUsageRequest(space_id=space_id)
        return self._call(self._spaces.GetSpaceUsage, request).usage

    def recount_space(self, space_id: str) -> spaces_pb2.RecountSpaceResponse:
        """Counts the used bytes of a space again and mends the counter."""
        request = spaces_pb2.RecountSpaceRequest(space_id=space_id)
        return self._call(self._spaces.RecountSpace, request, timeout_s=LONG_TIMEOUT_S)

    def dir_stats_state(self, space_id: str) -> dir_stats_pb2.DirStatsState.ValueType:
        """Whether statistics of directories are collected in a space."""
        request = dir_stats_pb2.GetDirStatsStateRequest(space_id=space_id)
        return self._call(self._dir_stats.GetDirStatsState, request).state

    def switch_dir_stats(self, space_id: str, *, enabled: bool) -> None:
        """Lets statistics of directories in a space be collected, or forgotten, from a moment later on."""
        request = storages_pb2.SwitchDirStatsRequest(space_id=space_id, enabled=enabled)
        self._call(self._storages.SwitchDirStats, request)

    def _pages(self, method: Callable[..., Any], request: Any) -> Iterator[Any]:
        """Every page of a listing, the request being that of the first."""
        request.page_size = PAGE_SIZE
        while True:
            page = self._call(method, request)
            yield page
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return

    def _call(
        self, method: Callable[..., Response], request: Request, *, timeout_s: float = TIMEOUT_S
    ) -> Response:
        try:
            return method(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise _translated(error) from error


def _translated(error: grpc.RpcError) -> ClientError:
    """A gRPC status as the error an HTTP answer would have been."""
    code, words = error.code(), error.details() or ""
    if code in AWAY:
        return UnreachableError(f"the front door does not answer: {words}")
    return RefusedError(0, code.name.lower(), words, {})


@contextmanager
def operator(settings: Settings) -> Iterator[Operator]:
    """A connection to the operator services of the provider in `settings`."""
    if not settings.operator_token:
        raise ClientError(
            "no operator token: set ISTHMUS_OPERATOR_TOKEN, or ISTHMUS_OPERATOR_TOKEN_FILE to a readable file"
        )
    roots = settings.ca_file.read_bytes() if settings.ca_file else None
    channel = grpc.secure_channel(settings.front_door(), grpc.ssl_channel_credentials(roots))
    try:
        yield Operator(channel, settings.operator_token)
    finally:
        channel.close()
