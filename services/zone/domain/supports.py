"""Supports: what providers promise to spaces, from the promise to its end."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from runtime.identity import SpacePrivilege as P
from services.zone.domain.access import Caller
from services.zone.domain.entities import Space, Support
from services.zone.domain.errors import (
    NotFound,
    RelationAlreadyExists,
    SpaceAlreadySupportedWithImportedStorage,
    StorageInUse,
)
from services.zone.domain.identifiers import InviteType, invitation
from services.zone.domain.invites import Invites
from services.zone.domain.params import Params
from services.zone.domain.providers import Providers
from services.zone.domain.rights import Rights
from services.zone.domain.spaces import Spaces
from services.zone.domain.storages import Storages
from services.zone.domain.stores import SpaceStore, Taken
from services.zone.domain.tokens import Tokens
from services.zone.domain.value_errors import BadValueIdNotFound

log = structlog.get_logger(__name__)


class Supports:
    """Begins, resizes and ends supports. `minimum_bytes`: no support is smaller."""

    def __init__(
        self,
        store: SpaceStore,
        *,
        spaces: Spaces,
        providers: Providers,
        storages: Storages,
        rights: Rights,
        tokens: Tokens,
        invites: Invites,
        minimum_bytes: int,
    ) -> None:
        self._store = store
        self._spaces = spaces
        self._providers = providers
        self._storages = storages
        self._rights = rights
        self._tokens = tokens
        self._invites = invites
        self._minimum_bytes = minimum_bytes

    # --- for providers ---

    async def begin(self, caller: Caller, body: Mapping[str, object]) -> tuple[Space, bool]:
        """Consumes a support token: from now on the calling provider supports the space.

        `token`, `size`, `storageId` (of a storage it registered), `requestId`. The same request again is a
        success, since its first answer may have been lost. Also gives whether it begins now.
        """
        provider = await self._providers.current(caller, "create", "support")
        params = Params(body)
        invitation = await self._invites.for_support(params.text("token", empty=True), caller)
        size_bytes = params.integer("size", low=self._minimum_bytes)
        storage_id = params.text("storageId", empty=True)
        try:
            storage = await self._storages.require_own(caller, storage_id)
        except NotFound:
            raise BadValueIdNotFound.of(key="storageId") from None
        support = Support(
            provider_id=provider.id,
            storage_id=storage_id,
            size_bytes=size_bytes,
            readonly=storage.readonly,
            imported=storage.imported,
            request_id=params.find_text("requestId", empty=True) or "",
        )
        before = await self._spaces.require(invitation.target_id)
        if support.request_id and _is_of_request(before, support):
            return before, False
        async with self._invites.used(invitation):
            await self._add(before, support)
        log.info("space_supported", space_id=before.id, provider_id=provider.id)
        return await self._spaces.require(before.id), True

    async def _add(self, space: Space, support: Support) -> None:
        try:
            added = await self._store.add_support(space.id, support)
        except Taken:
            # An imported storage supports one space.
            raise StorageInUse from None
        if not added:
            self._explain(await self._spaces.require(space.id), support)

    @staticmethod
    def _explain(space: Space, support: Support) -> None:
        """Why it was not added."""
        imported = next((each for each in space.supports if each.imported), None)
        if support.provider_id not in space.sizes() and support.imported and imported is not None:
            raise SpaceAlreadySupportedWithImportedStorage.of(spaceId=space.id, storageId=imported.storage_id)
        raise RelationAlreadyExists.of(
            childType="storage", childId=support.storage_id, parentType="space", parentId=space.id
        )

    async def resize(self, caller: Caller, space_id: str, body: Mapping[str, object]) -> Space:
        """Changes what the caller promises to a space."""
        await self._providers.get_supported(caller, space_id)
        caller.allow("update", "od_provider", caller.as_provider(), f"space,{space_id}")
        size_bytes = Params(body).integer("size", low=self._minimum_bytes)
        if not await self._store.resize_support(space_id, caller.as_provider(), size_bytes):
            raise NotFound
        log.info("support_resized", space_id=space_id, provider_id=caller.as_provider(), size=size_bytes)
        return await self._spaces.require(space_id)

    async def end(self, caller: Caller, space_id: str) -> tuple[int, bool]:
        """Ends the caller's support of a space; one that has ended is a success. The revision of the space
        without it, 0 when there is no such space; and whether it ends now."""
        ended = True
        try:
            await self.withdraw(caller, space_id)
        except NotFound:
            ended = False
        space = await self._store.find(space_id)
        return space.revision if space is not None else 0, ended

    async def withdraw(self, caller: Caller, space_id: str) -> None:
        """Ends the caller's support of a space. NotFound for one that it does not support."""
        await self._providers.get_supported(caller, space_id)
        caller.allow("delete", "od_provider", caller.as_provider(), f"space,{space_id}")
        await self._store.remove_support(space_id, caller.as_provider())
        log.info("support_withdrawn", space_id=space_id, provider_id=caller.as_provider())

    # --- for members of the space ---

    async def invite(self, caller: Caller, space_id: str) -> str:
        """The text of a token with which a provider can support the space."""
        space = await self._spaces.require(space_id)
        type = invitation(InviteType.SUPPORT_SPACE, space_id)
        caller.allow("create", "od_space", space_id, f"invite_{type.code}_token")
        await self._rights.demand(caller, space, P.ADD_SUPPORT, "oz_spaces_add_relationships")
        return await self._tokens.invite(caller, type)

    async def revoke(self, caller: Caller, space_id: str, provider_id: str) -> None:
        """Ends a support from the side of the space."""
        space = await self._spaces.require(space_id)
        if provider_id not in space.sizes():
            raise NotFound
        caller.allow("delete", "od_space", space_id, f"provider,{provider_id}")
        await self._rights.demand(caller, space, P.REMOVE_SUPPORT, "oz_spaces_remove_relationships")
        await self._store.remove_support(space_id, provider_id)
        log.info("support_revoked", space_id=space_id, provider_id=provider_id)


def _is_of_request(space: Space, support: Support) -> bool:
    keys = ((each.provider_id, each.storage_id, each.request_id) for each in space.supports)
    return (support.provider_id, support.storage_id, support.request_id) in keys
