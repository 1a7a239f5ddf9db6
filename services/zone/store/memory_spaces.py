"""Spaces and shares in memory, under the same contract as MongoDB's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from services.zone.domain.entities import Membership, Share, Space, Support
from services.zone.domain.stores import Taken
from services.zone.store.memory_groups import MemoryMembershipStore


class MemorySpaceStore:
    """Answers SpaceStore."""

    def __init__(self, memberships: MemoryMembershipStore) -> None:
        self._spaces: dict[str, Space] = {}
        self._memberships = memberships

    async def create(self, space: Space, memberships: Collection[Membership]) -> None:
        if space.id in self._spaces:
            raise Taken("id")
        self._spaces[space.id] = replace(space, revision=space.created_at_ms)
        self._memberships.add_all(memberships)

    async def find(self, space_id: str) -> Space | None:
        return self._spaces.get(space_id)

    async def find_many(self, space_ids: Collection[str]) -> list[Space]:
        return [self._spaces[space_id] for space_id in set(space_ids) if space_id in self._spaces]

    async def list_ids(self) -> list[str]:
        return sorted(self._spaces)

    async def update(self, space_id: str, changes: Mapping[str, Any]) -> bool:
        if space_id not in self._spaces:
            return False
        self._put(self._spaces[space_id], **changes)
        return True

    def _put(self, space: Space, **changes: Any) -> None:
        """What providers are told of."""
        self._spaces[space.id] = replace(space, revision=space.revision + 1, **changes)

    async def delete(self, space_id: str) -> bool:
        space = self._spaces.pop(space_id, None)
        if space is not None:
            self._memberships.remove_all(space.ref)
        return space is not None

    async def add_owner(self, space_id: str, user_id: str) -> bool:
        space = self._spaces.get(space_id)
        if space is None:
            return False
        owners = space.owners if user_id in space.owners else (*space.owners, user_id)
        self._spaces[space_id] = replace(space, owners=owners)
        return True

    async def remove_owner(self, space_id: str, user_id: str, *, keep_one: bool) -> bool:
        space = self._spaces.get(space_id)
        if space is None or user_id not in space.owners or (keep_one and len(space.owners) == 1):
            return False
        left = tuple(owner for owner in space.owners if owner != user_id)
        self._spaces[space_id] = replace(space, owners=left)
        return True

    async def add_support(self, space_id: str, support: Support) -> bool:
        space = self._spaces.get(space_id)
        if space is None or support.provider_id in space.sizes():
            return False
        if support.imported:
            if any(each.imported for each in space.supports):
                return False
            if await self.uses_storage(support.storage_id):
                raise Taken("storage")
        self._put(space, supports=(*space.supports, support))
        return True

    async def resize_support(self, space_id: str, provider_id: str, size_bytes: int) -> bool:
        space = self._supported(space_id, provider_id)
        if space is None:
            return False
        supports = list(space.supports)
        position = next(at for at, each in enumerate(supports) if each.provider_id == provider_id)
        supports[position] = replace(supports[position], size_bytes=size_bytes)
        self._put(space, supports=tuple(supports))
        return True

    async def remove_support(self, space_id: str, provider_id: str) -> bool:
        space = self._supported(space_id, provider_id)
        if space is None:
            return False
        left = tuple(each for each in space.supports if each.provider_id != provider_id)
        others = {each: found for each, found in space.parameters.items() if each != provider_id}
        self._put(space, supports=left, parameters=others)
        return True

    async def uses_storage(self, storage_id: str) -> bool:
        supports = (support for space in self._spaces.values() for support in space.supports)
        return any(support.storage_id == storage_id for support in supports)

    async def set_readonly(self, storage_id: str, *, readonly: bool) -> None:
        for space in list(self._spaces.values()):
            if any(each.storage_id == storage_id for each in space.supports):
                supports = tuple(
                    replace(each, readonly=readonly) if each.storage_id == storage_id else each
                    for each in space.supports
                )
                self._put(space, supports=supports)

    async def set_parameters(self, space_id: str, provider_id: str, changes: Mapping[str, Any]) -> bool:
        space = self._supported(space_id, provider_id)
        if space is None:
            return False
        changed = replace(space.parameters_at(provider_id), **changes)
        self._put(space, parameters={**space.parameters, provider_id: changed})
        return True

    def _supported(self, space_id: str, provider_id: str) -> Space | None:
        space = self._spaces.get(space_id)
        return space if space is not None and provider_id in space.sizes() else None

    async def supported_by(self, provider_id: str, *, after: str, limit: int) -> list[Space]:
        ids = sorted(space_id for space_id in self._spaces if space_id > after)
        supported = [self._spaces[each] for each in ids if provider_id in self._spaces[each].sizes()]
        return supported[:limit]

    async def providers_of(self, space_ids: Collection[str]) -> set[str]:
        return {provider_id for space in await self.find_many(space_ids) for provider_id in space.sizes()}


class MemoryShareStore:
    """Answers ShareStore."""

    def __init__(self) -> None:
        self._shares: dict[str, Share] = {}

    async def create(self, share: Share) -> None:
        if share.id in self._shares:
            raise Taken("id")
        self._shares[share.id] = share

    async def find(self, share_id: str) -> Share | None:
        return self._shares.get(share_id)

    async def list_ids(self, space_id: str) -> list[str]:
        return sorted(share.id for share in self._shares.values() if share.space_id == space_id)

    async def update(self, share_id: str, changes: Mapping[str, Any]) -> bool:
        if share_id not in self._shares:
            return False
        self._shares[share_id] = replace(self._shares[share_id], **changes)
        return True

    async def delete(self, share_id: str) -> bool:
        return self._shares.pop(share_id, None) is not None

    async def delete_all(self, space_id: str) -> None:
        for share_id in await self.list_ids(space_id):
            del self._shares[share_id]
