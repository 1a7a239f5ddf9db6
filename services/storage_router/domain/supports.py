"""Supports: which storage holds the data of which space here, and how much of it.

The zone decides; what is kept here is what it said last. It says so in answer to what operators do, and
whenever somebody else changes a support. Each state has a revision, so it does not matter in which order, how
often, or by how many instances at once it is taken in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog

from runtime.errors import FailedPrecondition, InvalidArgument, SpaceNotSupported
from services.storage_router.domain.storages import (
    SpaceRecords,
    StorageInUse,
    StorageStore,
    Support,
    ZoneStorages,
)

log = structlog.get_logger(__name__)


class SupportTooSmall(FailedPrecondition):
    """More is stored in the space than the support would hold."""

    reason = "SUPPORT_TOO_SMALL"


class SupportAuthority(Protocol):
    """The zone, where spaces and support tokens are. Raises Unavailable while it can't be asked."""

    async def consume_support_token(
        self, token: str, *, request_id: str, size_bytes: int, storage_id: str
    ) -> Support:
        """From now on this provider supports the space; again with the same `request_id` is a success.

        InvalidArgument, AlreadyExists, FailedPrecondition.
        """
        ...

    async def resize(self, support: Support, size_bytes: int) -> Support:
        """The same with another size. NotFound, InvalidArgument."""
        ...

    async def revoke(self, support: Support) -> int:
        """Ends it; the revision as of which it has ended. What has ended before is a success."""
        ...


class Supports:
    """Begins, resizes and ends supports, and takes in what the zone says of them.

    A request repeated with its request_id goes on where the first try stopped.
    """

    def __init__(
        self,
        store: StorageStore,
        authority: SupportAuthority,
        zone_storages: ZoneStorages,
        spaces: SpaceRecords,
    ) -> None:
        self._store = store
        self._authority = authority
        self._zone_storages = zone_storages
        self._spaces = spaces

    # --- for operators ---

    async def begin(self, *, request_id: str, storage_id: str, token: str, size_bytes: int) -> Support:
        """Supports a space: the zone takes the token, metadata gets the quota, the support is stored.

        Each step can be repeated, in this order, until all are done. The zone answers a provider that
        brings the same token again as it did at first. An imported storage supports one space:
        StorageInUse.
        """
        if not request_id:
            raise InvalidArgument("missing value", key="request_id")
        if size_bytes <= 0:
            raise InvalidArgument("a support needs a size", key="size_bytes")
        storage = await self._store.get_storage(storage_id)
        support = await self._store.find_support_of_request(request_id)
        if support is None:
            if storage.imported and await self._store.has_supports(storage_id):
                raise StorageInUse("an imported storage supports one space only", storage_id=storage_id)
            await self._zone_storages.register(storage)
            support = await self._authority.consume_support_token(
                token, request_id=request_id, size_bytes=size_bytes, storage_id=storage_id
            )
        await self._settle(support)
        return support

    async def resize(self, space_id: str, size_bytes: int) -> Support:
        """Another size, though never less than is used. SpaceNotSupported, SupportTooSmall."""
        support = await self._require(space_id)
        used_bytes = await self._spaces.used_bytes(space_id)
        if size_bytes < used_bytes:
            raise SupportTooSmall(
                "more is stored in the space", space_id=space_id, used_bytes=used_bytes, size_bytes=size_bytes
            )
        resized = await self._authority.resize(support, size_bytes)
        await self.take(resized)
        return resized

    async def revoke(self, space_id: str) -> None:
        """Ends a support. What is stored stays where it is, and comes back with a new support."""
        support = await self._require(space_id)
        await self.end(space_id, await self._authority.revoke(support))

    async def list(self, *, after_space: str, limit: int) -> Sequence[Support]:
        """By space id."""
        return await self._store.list_supports(after_space=after_space, limit=limit)

    # --- what the zone says ---

    async def take(self, support: Support) -> bool:
        """This is how a support is now, unless something as new is known; whether anything changed."""
        known = await self._store.find_support(support.space_id)
        if known is not None and known.revision >= support.revision:
            return False
        return await self._settle(support)

    async def _settle(self, support: Support) -> bool:
        # Metadata first: what is broken off is told again, because it is not stored yet.
        await self._spaces.ensure_space(
            support.space_id, quota_bytes=support.size_bytes, revision=support.revision
        )
        changed = await self._store.put_support(support)
        if changed:
            log.info("support_taken", space_id=support.space_id, size_bytes=support.size_bytes)
        return changed

    async def end(self, space_id: str, revision: int) -> bool:
        """As of this revision the space is supported here no more; whether anything changed.

        Nothing more can be written to it. No byte is removed.
        """
        known = await self._store.find_support(space_id)
        if known is None or known.revision > revision:
            return False
        await self._spaces.ensure_space(space_id, quota_bytes=0, revision=revision)
        ended = await self._store.end_support(space_id, revision)
        if ended:
            log.info("support_ended", space_id=space_id)
        return ended

    async def _require(self, space_id: str) -> Support:
        support = await self._store.find_support(space_id)
        if support is None:
            raise SpaceNotSupported(space_id=space_id)
        return support
