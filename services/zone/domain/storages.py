"""Storages of providers, as far as the zone has to know them. Secrets and drivers stay with the provider."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import structlog

from runtime.clock import Clock
from services.zone.domain import names
from services.zone.domain.access import Caller
from services.zone.domain.entities import Storage
from services.zone.domain.errors import (
    AlreadyExists,
    NotFound,
    RequiresImportedStorage,
    StorageInUse,
)
from services.zone.domain.ids import new_id
from services.zone.domain.params import Params
from services.zone.domain.stores import SpaceStore, StorageStore, Taken
from services.zone.domain.value_errors import BadData, BadValueQoSParameters

log = structlog.get_logger(__name__)

MAX_QOS_PARAMETERS = 100
MAX_QOS_PARAMETER_CHARS = 1000
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Storages:
    """The storages of all providers; each is its own provider's to make and change."""

    def __init__(self, store: StorageStore, spaces: SpaceStore, clock: Clock) -> None:
        self._store = store
        self._spaces = spaces
        self._clock = clock

    async def create(self, caller: Caller, body: Mapping[str, object]) -> tuple[Storage, bool]:
        """Registers a storage of the caller: `storageId` (else made up), `name`, `qosParameters`, `imported`,
        `readonly`. The same again is a success; also gives whether it is new."""
        provider_id = caller.as_provider()
        caller.allow("create", "od_storage")
        params = Params(body)
        storage = Storage(
            id=_storage_id(params) if "storageId" in params else new_id(),
            provider_id=provider_id,
            name=names.check_name(params.text("name", empty=True)),
            qos_parameters=_qos_parameters(params),
            imported=params.flag("imported"),
            readonly=params.flag("readonly"),
            created_at_ms=self._clock.now_ms(),
        )
        _check_readonly(storage.id, readonly=storage.readonly, imported=storage.imported)
        try:
            await self._store.create(storage)
        except Taken:
            return await self._existing(storage), False
        log.info("storage_created", storage_id=storage.id, provider_id=provider_id)
        return await self._require(storage.id), True

    async def require_own(self, caller: Caller, storage_id: str, op: str = "get") -> Storage:
        """A storage of the calling provider; NotFound for all others."""
        provider_id = caller.as_provider()
        storage = await self._require(storage_id)
        if storage.provider_id != provider_id:
            raise NotFound
        caller.allow(op, "od_storage", storage_id)
        return storage

    async def _require(self, storage_id: str) -> Storage:
        storage = await self._store.find(storage_id)
        if storage is None:
            raise NotFound
        return storage

    async def update(
        self, caller: Caller, storage_id: str, body: Mapping[str, object]
    ) -> tuple[Storage, bool]:
        """Sets what is given of `name`, `qosParameters`, `imported`, `readonly`, at least one of them; tells
        whether anything is another now.

        StorageInUse for another `imported` of a storage that supports a space.
        """
        storage = await self.require_own(caller, storage_id, "update")
        params = Params(body)
        params.at_least_one("name", "qosParameters", "imported", "readonly")
        changes = _changes(params)
        if all(getattr(storage, field) == value for field, value in changes.items()):
            return storage, False
        imported = changes.get("imported", storage.imported)
        readonly = changes.get("readonly", storage.readonly)
        _check_readonly(storage_id, readonly=readonly, imported=imported)
        if imported != storage.imported and await self._spaces.uses_storage(storage_id):
            raise StorageInUse
        if readonly != storage.readonly:
            # First: broken off here, the storage itself still says that this is to be done.
            await self._spaces.set_readonly(storage_id, readonly=readonly)
        if not await self._store.update(storage_id, changes):
            raise NotFound
        return await self._require(storage_id), True

    async def delete(self, caller: Caller, storage_id: str) -> bool:
        """Forgets a storage; False for one that is gone. StorageInUse while it supports a space."""
        caller.as_provider()
        if await self._store.find(storage_id) is None:
            return False
        await self.require_own(caller, storage_id, "delete")
        if await self._spaces.uses_storage(storage_id):
            raise StorageInUse
        await self._store.delete(storage_id)
        log.info("storage_deleted", storage_id=storage_id)
        return True

    async def _existing(self, wanted: Storage) -> Storage:
        known = await self._store.find(wanted.id)
        if known is None or known.provider_id != wanted.provider_id or _told(known) != _told(wanted):
            raise AlreadyExists
        return known


def _told(storage: Storage) -> tuple[object, ...]:
    return storage.name, dict(storage.qos_parameters), storage.imported, storage.readonly


def _storage_id(params: Params) -> str:
    storage_id = params.text("storageId")
    if not _ID.fullmatch(storage_id):
        raise BadData.of(key="storageId")
    return storage_id


def _changes(params: Params) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if "name" in params:
        changes["name"] = names.check_name(params.text("name", empty=True))
    if "qosParameters" in params:
        changes["qos_parameters"] = _qos_parameters(params)
    for key in ("imported", "readonly"):
        if key in params:
            changes[key] = params.boolean(key)
    return changes


def _qos_parameters(params: Params) -> dict[str, str | float]:
    found: dict[str, str | float] = {}
    for name, value in params.record("qosParameters").items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        is_text = isinstance(value, str) and len(value) <= MAX_QOS_PARAMETER_CHARS
        if not 0 < len(name) <= MAX_QOS_PARAMETER_CHARS or not (is_number or is_text):
            raise BadValueQoSParameters
        found[name] = value  # type: ignore[assignment]  # what was just made sure
    if len(found) > MAX_QOS_PARAMETERS:
        raise BadValueQoSParameters
    return found


def _check_readonly(storage_id: str, *, readonly: bool, imported: bool) -> None:
    if readonly and not imported:
        raise RequiresImportedStorage.of(storageId=storage_id)
