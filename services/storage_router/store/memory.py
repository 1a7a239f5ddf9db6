"""Storages and supports in memory, for trying things without MongoDB."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.errors import AlreadyExists
from services.storage_router.domain.storages import NoSuchStorage, Storage, Support


class MemoryStorageStore:
    """`StorageStore` and `SweepStore` over dictionaries."""

    def __init__(self) -> None:
        self._storages: dict[str, Storage] = {}
        self._supports: dict[str, Support] = {}
        self._ended: dict[str, int] = {}
        self._cursors: dict[str, str] = {}

    async def add_storage(self, storage: Storage) -> Storage:
        for other in self._storages.values():
            if other.request_id == storage.request_id:
                return other
            if storage.name == other.name or storage.storage_id == other.storage_id:
                raise AlreadyExists("a storage has this name", name=storage.name)
        self._storages[storage.storage_id] = storage
        return storage

    async def get_storage(self, storage_id: str) -> Storage:
        try:
            return self._storages[storage_id]
        except KeyError:
            raise NoSuchStorage(storage_id=storage_id) from None

    async def list_storages(self, *, after_name: str = "", limit: int = 1000) -> Sequence[Storage]:
        found = sorted(self._storages.values(), key=lambda storage: storage.name)
        return [storage for storage in found if storage.name > after_name][:limit]

    async def change_storage(self, known: Storage, wanted: Storage) -> bool:
        now = self._storages.get(known.storage_id)
        if now is None or now.public != known.public:
            return False
        if any(each.name == wanted.name for each in self._storages.values() if each is not now):
            raise AlreadyExists("a storage has this name", name=wanted.name)
        self._storages[known.storage_id] = wanted
        return True

    async def delete_storage(self, storage_id: str) -> None:
        self._storages.pop(storage_id, None)

    async def put_support(self, support: Support) -> bool:
        known = self._supports.get(support.space_id)
        revision = known.revision if known else self._ended.get(support.space_id, -1)
        if revision >= support.revision:
            return False
        self._ended.pop(support.space_id, None)
        self._supports[support.space_id] = support
        return True

    async def end_support(self, space_id: str, revision: int) -> bool:
        known = self._supports.get(space_id)
        if known is None or known.revision > revision:
            return False
        del self._supports[space_id]
        self._ended[space_id] = revision
        return True

    async def find_support(self, space_id: str) -> Support | None:
        return self._supports.get(space_id)

    async def find_support_of_request(self, request_id: str) -> Support | None:
        for support in self._supports.values():
            if support.request_id == request_id:
                return support
        return None

    async def list_supports(self, *, after_space: str = "", limit: int = 1000) -> Sequence[Support]:
        found = sorted(self._supports.values(), key=lambda support: support.space_id)
        return [support for support in found if support.space_id > after_space][:limit]

    async def has_supports(self, storage_id: str) -> bool:
        return any(support.storage_id == storage_id for support in self._supports.values())

    async def get_cursor(self, storage_id: str) -> str:
        return self._cursors.get(storage_id, "")

    async def put_cursor(self, storage_id: str, cursor: str) -> None:
        self._cursors[storage_id] = cursor
