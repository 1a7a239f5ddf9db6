"""StorageService: decode, ask, encode."""

from __future__ import annotations

import base64
from typing import Any, Protocol

from isthmus.storage_router.v1 import storages_pb2, storages_pb2_grpc

from clients.qos import qos_from_proto, qos_to_proto
from runtime.auth import caller
from runtime.errors import InvalidArgument, PermissionDenied
from runtime.identity import Kind
from services.storage_router.domain.catalog import Catalog
from services.storage_router.domain.imports import Imports
from services.storage_router.domain.storages import (
    DriverMaker,
    Health,
    Storage,
    StorageChange,
    Storages,
    Support,
)
from services.storage_router.domain.supports import Supports

_DEFAULT_PAGE, _MAX_PAGE = 100, 1000
_DAY_S = 24 * 3600


class Sweeper(Protocol):
    """Sweeps one storage whole."""

    async def sweep_now(self, storage_id: str, *, min_age_s: float) -> tuple[int, int]:
        """Files looked at, files removed."""
        ...


class DirStatsSwitch(Protocol):
    """Switches statistics of directories."""

    async def switch(self, space_id: str, *, enabled: bool) -> None:
        """What an operator wants. SpaceNotSupported, InvalidArgument, Unavailable."""
        ...


class StorageServicer(storages_pb2_grpc.StorageServiceServicer):
    """Storages and supports, for operators; services may read. Files to register, for users who may."""

    def __init__(
        self,
        storages: Storages,
        supports: Supports,
        catalog: Catalog,
        drivers: DriverMaker,
        sweeper: Sweeper,
        imports: Imports,
        dir_stats: DirStatsSwitch,
    ) -> None:
        self._storages = storages
        self._supports = supports
        self._imports = imports
        self._catalog = catalog
        self._drivers = drivers
        self._sweeper = sweeper
        self._dir_stats = dir_stats

    async def CreateStorage(
        self, request: storages_pb2.CreateStorageRequest, context: Any
    ) -> storages_pb2.CreateStorageResponse:
        require_operator()
        storage = await self._storages.create(
            request_id=request.request_id,
            name=request.name,
            driver=request.driver,
            parameters=request.parameters,
            secrets=request.secrets,
            readonly=request.readonly,
            fsync=request.fsync if request.HasField("fsync") else True,
            imported=request.imported,
            qos_parameters=qos_from_proto(request.qos_parameters),
        )
        await self._catalog.refresh()
        return storages_pb2.CreateStorageResponse(storage=self._to_proto(storage))

    async def UpdateStorage(
        self, request: storages_pb2.UpdateStorageRequest, context: Any
    ) -> storages_pb2.UpdateStorageResponse:
        require_operator()
        parameters = request.qos_parameters if request.HasField("qos_parameters") else None
        change = StorageChange(
            name=request.name if request.HasField("name") else None,
            qos_parameters=qos_from_proto(parameters) if parameters is not None else None,
            imported=request.imported if request.HasField("imported") else None,
            readonly=request.readonly if request.HasField("readonly") else None,
        )
        storage = await self._storages.change(request.storage_id, change)
        await self._catalog.refresh()
        return storages_pb2.UpdateStorageResponse(storage=self._to_proto(storage))

    async def GetStorage(
        self, request: storages_pb2.GetStorageRequest, context: Any
    ) -> storages_pb2.GetStorageResponse:
        _require_reader()
        storage = await self._storages.get(request.storage_id)
        return storages_pb2.GetStorageResponse(storage=self._to_proto(storage))

    async def ListStorages(
        self, request: storages_pb2.ListStoragesRequest, context: Any
    ) -> storages_pb2.ListStoragesResponse:
        _require_reader()
        limit = _page_size(request.page_size)
        found = await self._storages.list(after_name=_from_token(request.page_token), limit=limit)
        return storages_pb2.ListStoragesResponse(
            storages=[self._to_proto(storage) for storage in found],
            next_page_token=_to_token(found[-1].name) if len(found) == limit else "",
        )

    async def DeleteStorage(
        self, request: storages_pb2.DeleteStorageRequest, context: Any
    ) -> storages_pb2.DeleteStorageResponse:
        require_operator()
        await self._storages.delete(request.storage_id)
        await self._catalog.refresh()
        return storages_pb2.DeleteStorageResponse()

    async def SupportSpace(
        self, request: storages_pb2.SupportSpaceRequest, context: Any
    ) -> storages_pb2.SupportSpaceResponse:
        require_operator()
        support = await self._supports.begin(
            request_id=request.request_id,
            storage_id=request.storage_id,
            token=request.token,
            size_bytes=request.size_bytes,
        )
        await self._catalog.refresh()
        return storages_pb2.SupportSpaceResponse(support=_support_to_proto(support))

    async def ResizeSupport(
        self, request: storages_pb2.ResizeSupportRequest, context: Any
    ) -> storages_pb2.ResizeSupportResponse:
        require_operator()
        support = await self._supports.resize(request.space_id, request.size_bytes)
        await self._catalog.refresh()
        return storages_pb2.ResizeSupportResponse(support=_support_to_proto(support))

    async def RevokeSupport(
        self, request: storages_pb2.RevokeSupportRequest, context: Any
    ) -> storages_pb2.RevokeSupportResponse:
        require_operator()
        await self._supports.revoke(request.space_id)
        await self._catalog.refresh()
        return storages_pb2.RevokeSupportResponse()

    async def ListSupports(
        self, request: storages_pb2.ListSupportsRequest, context: Any
    ) -> storages_pb2.ListSupportsResponse:
        _require_reader()
        limit = _page_size(request.page_size)
        found = await self._supports.list(after_space=_from_token(request.page_token), limit=limit)
        return storages_pb2.ListSupportsResponse(
            supports=[_support_to_proto(support) for support in found],
            next_page_token=_to_token(found[-1].space_id) if len(found) == limit else "",
        )

    async def SwitchDirStats(
        self, request: storages_pb2.SwitchDirStatsRequest, context: Any
    ) -> storages_pb2.SwitchDirStatsResponse:
        require_operator()
        await self._dir_stats.switch(request.space_id, enabled=request.enabled)
        return storages_pb2.SwitchDirStatsResponse()

    async def SweepStorage(
        self, request: storages_pb2.SweepStorageRequest, context: Any
    ) -> storages_pb2.SweepStorageResponse:
        require_operator()
        if request.min_age_s < 0:
            raise InvalidArgument("an age is not negative", key="min_age_s")
        await self._storages.get(request.storage_id)
        await self._catalog.refresh()
        examined, removed = await self._sweeper.sweep_now(
            request.storage_id, min_age_s=request.min_age_s or _DAY_S
        )
        return storages_pb2.SweepStorageResponse(examined=examined, removed=removed)

    async def InspectStorageFile(
        self, request: storages_pb2.InspectStorageFileRequest, context: Any
    ) -> storages_pb2.InspectStorageFileResponse:
        found = await self._imports.inspect(
            caller(),
            request.space_id,
            request.storage_id,
            request.storage_file_id,
            stat=request.stat,
            uid=request.uid if request.HasField("uid") else None,
        )
        shown, owner = found.file, found.owner
        return storages_pb2.InspectStorageFileResponse(
            storage_file_id=shown.storage_file_id,
            size_bytes=shown.size_bytes,
            mode=shown.mode,
            atime_ms=shown.atime_ms,
            mtime_ms=shown.mtime_ms,
            ctime_ms=shown.ctime_ms,
            uid=owner.uid if owner else None,
            owner_id=owner.user_id if owner else "",
            gid=shown.gid,
        )

    def _to_proto(self, storage: Storage) -> storages_pb2.Storage:
        opened = self._catalog.find(storage.storage_id)
        health = opened.health if opened else Health.UNKNOWN
        capabilities = self._drivers.capabilities(storage.driver)
        return storages_pb2.Storage(
            storage_id=storage.storage_id,
            name=storage.name,
            driver=storage.driver,
            parameters=storage.parameters,
            readonly=storage.readonly,
            fsync=storage.fsync,
            imported=storage.imported,
            qos_parameters=qos_to_proto(storage.qos_parameters),
            capabilities=storages_pb2.Capabilities(
                random_write=capabilities.random_write,
                rename=capabilities.rename,
                sendfile=capabilities.sendfile,
                stat=capabilities.stat,
            ),
            health=storages_pb2.StorageHealth.ValueType(health.value),
            health_detail=opened.detail if opened else "",
            total_bytes=opened.left.total_bytes if opened else 0,
            free_bytes=opened.left.free_bytes if opened else 0,
        )


def _support_to_proto(support: Support) -> storages_pb2.Support:
    return storages_pb2.Support(
        space_id=support.space_id,
        storage_id=support.storage_id,
        size_bytes=support.size_bytes,
        space_name=support.space_name,
    )


def require_operator() -> None:
    """Raises PermissionDenied for everybody else."""
    if caller().kind is not Kind.OPERATOR:
        raise PermissionDenied("only operators may do this")


def _require_reader() -> None:
    if caller().kind not in (Kind.OPERATOR, Kind.SERVICE):
        raise PermissionDenied("only operators and services may do this")


def _page_size(asked: int) -> int:
    if asked > _MAX_PAGE:
        raise InvalidArgument("too large a page", key="page_size", limit=_MAX_PAGE)
    return asked or _DEFAULT_PAGE


def _to_token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _from_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except ValueError:
        raise InvalidArgument("not a page token of this list", key="page_token") from None
