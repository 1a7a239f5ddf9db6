"""Shares: public, read-only pointers to a file or directory of a space. Providers make and end them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from runtime.clock import Clock
from runtime.identity import SpacePrivilege as P
from services.zone.domain import names
from services.zone.domain.access import Caller
from services.zone.domain.entities import Share, Space
from services.zone.domain.errors import AlreadyExists, NotFound
from services.zone.domain.params import Params
from services.zone.domain.rights import Rights
from services.zone.domain.spaces import MAX_DESCRIPTION_CHARS, Spaces
from services.zone.domain.stores import ShareStore, Taken
from services.zone.domain.value_errors import BadData, BadValueTextTooLarge

log = structlog.get_logger(__name__)


class Shares:
    """The shares of a zone."""

    def __init__(self, store: ShareStore, spaces: Spaces, rights: Rights, clock: Clock) -> None:
        self._store = store
        self._spaces = spaces
        self._rights = rights
        self._clock = clock

    async def require(self, share_id: str) -> Share:
        """The share; raises NotFound."""
        share = await self._store.find(share_id)
        if share is None:
            raise NotFound
        return share

    # --- for providers that support the space ---

    async def create(self, caller: Caller, share: Share) -> tuple[Share, bool]:
        """Registers a share the provider made. The same share again is a success; also gives whether it is
        new."""
        space = await self._spaces.require(share.space_id)
        _require_supporter(caller, space)
        names.check_name(share.name)
        _check_description(share.description)
        if not share.id or not share.root_file_id:
            raise BadData.of(key="rootFileId")
        made = replace(share, created_at_ms=self._clock.now_ms())
        try:
            await self._store.create(made)
        except Taken:
            return await self._existing(made), False
        log.info("share_created", share_id=share.id, space_id=share.space_id, by=share.creator_id)
        return made, True

    async def get(self, caller: Caller, share_id: str) -> Share:
        """A share, for any provider: with the id in hand, what there is to know of it is public."""
        caller.as_provider()
        share = await self.require(share_id)
        await self._spaces.require(share.space_id)
        return share

    async def update(self, caller: Caller, share_id: str, body: Mapping[str, object]) -> Share:
        """Name, description, or both; gives the share as it was."""
        share = await self.require(share_id)
        await self._require_supported(caller, share)
        await self.change(share, body)
        return share

    async def delete(self, caller: Caller, share_id: str) -> Share | None:
        """Ends a share and gives it. One that is gone already is a success."""
        share = await self._store.find(share_id)
        if share is None:
            return None
        await self._require_supported(caller, share)
        await self._store.delete(share_id)
        log.info("share_deleted", share_id=share_id, space_id=share.space_id)
        return share

    # --- for members of the space ---

    async def list_ids(self, caller: Caller, space_id: str) -> list[str]:
        """Shares of a space."""
        space = await self._spaces.require(space_id)
        caller.allow("get", "od_space", space_id, "shares")
        await self._rights.demand(caller, space, P.VIEW, "oz_spaces_list_relationships")
        return await self._store.list_ids(space_id)

    async def get_of_space(self, caller: Caller, space_id: str, share_id: str) -> Share:
        """One of those; NotFound for all others."""
        share = await self.require(share_id)
        if share.space_id != space_id:
            raise NotFound
        return await self.get_as_member(caller, share_id)

    async def get_as_member(self, caller: Caller, share_id: str) -> Share:
        """A share, with what only members of its space may know."""
        share = await self.require(share_id)
        caller.allow("get", "od_share", share_id)
        space = await self._spaces.require(share.space_id)
        await self._rights.demand(caller, space, P.VIEW, "oz_shares_view")
        return share

    async def update_as_member(self, caller: Caller, share_id: str, body: Mapping[str, object]) -> None:
        """Name, description, or both, by who may manage shares of the space."""
        share = await self.require(share_id)
        caller.allow("update", "od_share", share_id)
        space = await self._spaces.require(share.space_id)
        await self._rights.demand(caller, space, P.MANAGE_SHARES, "oz_shares_update")
        await self.change(share, body)

    # --- for whoever was found entitled ---

    async def change(self, share: Share, body: Mapping[str, object]) -> None:
        """Sets what is given of `name` and `description`, at least one of them."""
        params = Params(body)
        params.at_least_one("name", "description")
        changes: dict[str, Any] = {}
        if "name" in params:
            changes["name"] = names.check_name(params.text("name", empty=True))
        if "description" in params:
            changes["description"] = _check_description(params.text("description", empty=True))
        if not await self._store.update(share.id, changes):
            raise NotFound

    async def _existing(self, made: Share) -> Share:
        known = await self.require(made.id)
        if (known.space_id, known.root_file_id) != (made.space_id, made.root_file_id):
            raise AlreadyExists
        return known

    async def _require_supported(self, caller: Caller, share: Share) -> None:
        _require_supporter(caller, await self._spaces.require(share.space_id))


def _require_supporter(caller: Caller, space: Space) -> None:
    caller.require(caller.as_provider() in space.sizes())


def _check_description(text: str) -> str:
    if len(text) > MAX_DESCRIPTION_CHARS:
        raise BadValueTextTooLarge.of(key="description", limit=MAX_DESCRIPTION_CHARS)
    return text
