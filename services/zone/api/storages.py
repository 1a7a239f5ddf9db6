"""StorageService: what providers tell the zone of their storages."""

from __future__ import annotations

from typing import Any

from isthmus.zone.v1 import storages_pb2, storages_pb2_grpc

from runtime.request import request_id
from services.zone.api.provider_door import ProviderDoor
from services.zone.domain.audit import AuditLog
from services.zone.domain.entities import Storage
from services.zone.domain.storages import Storages


class StorageServicer(storages_pb2_grpc.StorageServiceServicer):
    """Decode, ask, encode."""

    def __init__(self, storages: Storages, audit: AuditLog, door: ProviderDoor) -> None:
        self._storages = storages
        self._audit = audit
        self._door = door

    async def CreateStorage(
        self, request: storages_pb2.CreateStorageRequest, context: Any
    ) -> storages_pb2.CreateStorageResponse:
        caller = self._door.current()
        body: dict[str, object] = {
            "storageId": request.storage_id or None,
            "name": request.name,
            "qosParameters": _parameters(request.qos_parameters),
            "imported": request.imported,
            "readonly": request.readonly,
        }
        noted = self._audit.noted(caller, "create_storage", (), body, request_id=request_id())
        async with noted as outcome:
            storage, made = await self._storages.create(caller, body)
            outcome.also_about.append(storage.id)
            outcome.unchanged = not made
        return storages_pb2.CreateStorageResponse(storage=storage_to_proto(storage))

    async def UpdateStorage(
        self, request: storages_pb2.UpdateStorageRequest, context: Any
    ) -> storages_pb2.UpdateStorageResponse:
        caller = self._door.current()
        body: dict[str, object] = {
            name: getattr(request, name)
            for name in ("name", "imported", "readonly")
            if request.HasField(name)
        }
        if request.HasField("qos_parameters"):
            body["qosParameters"] = _parameters(request.qos_parameters)
        about = (request.storage_id,)
        noted = self._audit.noted(caller, "update_storage", about, body, request_id=request_id())
        async with noted as outcome:
            storage, changed = await self._storages.update(caller, request.storage_id, body)
            outcome.unchanged = not changed
        return storages_pb2.UpdateStorageResponse(storage=storage_to_proto(storage))

    async def DeleteStorage(
        self, request: storages_pb2.DeleteStorageRequest, context: Any
    ) -> storages_pb2.DeleteStorageResponse:
        caller = self._door.current()
        about = (request.storage_id,)
        noted = self._audit.noted(caller, "delete_storage", about, {}, request_id=request_id())
        async with noted as outcome:
            outcome.unchanged = not await self._storages.delete(caller, request.storage_id)
        return storages_pb2.DeleteStorageResponse()


def storage_to_proto(storage: Storage) -> storages_pb2.Storage:
    """As it travels."""
    values = {
        name: storages_pb2.QosValue(text=value)
        if isinstance(value, str)
        else storages_pb2.QosValue(number=value)
        for name, value in storage.qos_parameters.items()
    }
    return storages_pb2.Storage(
        storage_id=storage.id,
        name=storage.name,
        qos_parameters=storages_pb2.QosParameters(values=values),
        imported=storage.imported,
        readonly=storage.readonly,
        revision=storage.revision,
    )


def _parameters(parameters: storages_pb2.QosParameters) -> dict[str, object]:
    # One without a value is refused by the rules.
    return {
        name: getattr(value, value.WhichOneof("value") or "", None)
        for name, value in parameters.values.items()
    }
