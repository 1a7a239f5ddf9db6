"""Spaces: what users share, and what providers support."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import structlog

from runtime.clock import Clock
from runtime.identity import SpacePrivilege as P
from services.zone.domain import names
from services.zone.domain.access import Caller
from services.zone.domain.entities import Kind, Membership, Ref, Space, user_ref
from services.zone.domain.errors import AlreadyExists, Forbidden, NotFound
from services.zone.domain.ids import new_id, seeded_id
from services.zone.domain.params import Params
from services.zone.domain.privileges import SPACE
from services.zone.domain.rights import Rights
from services.zone.domain.stores import ShareStore, SpaceStore, Taken
from services.zone.domain.value_errors import BadValueTextTooLarge

log = structlog.get_logger(__name__)

MAX_DESCRIPTION_CHARS = 100_000
MAX_TAGS = 100
_DESCRIBING = (
    "name",
    "description",
    "organizationName",
    "tags",
    "advertisedInMarketplace",
    "marketplaceContactEmail",
)


class Spaces:
    """The spaces of a zone, and what one may do in them."""

    def __init__(
        self,
        store: SpaceStore,
        shares: ShareStore,
        rights: Rights,
        clock: Clock,
        *,
        known_tags: tuple[str, ...] = (),
    ) -> None:
        self._store = store
        self._shares = shares
        self._rights = rights
        self._clock = clock
        self._known_tags = known_tags

    # --- finding ---

    async def require(self, space_id: str) -> Space:
        """The space; raises NotFound."""
        space = await self._store.find(space_id)
        if space is None:
            raise NotFound
        return space

    async def many(self, space_ids: Collection[str]) -> list[Space]:
        """Those of them that are there, in the order of their ids."""
        return sorted(await self._store.find_many(space_ids), key=lambda space: space.id)

    async def effective(self, user_id: str) -> list[Space]:
        """Spaces a user is a member of, also through groups, in the order of their ids."""
        reach = await self._rights.reach(user_ref(user_id))
        return await self.many(reach.ids(Kind.SPACE))

    # --- the caller's own view ---

    async def list_own(self, caller: Caller, *, effective: bool) -> list[str]:
        """Spaces of the caller: direct ones, or all."""
        user = caller.as_user()
        caller.allow("get", "od_user", user.id, "eff_spaces" if effective else "spaces")
        reach = await self._rights.reach(user_ref(user.id))
        return [space.id for space in await self.many(reach.ids(Kind.SPACE, direct=not effective))]

    async def get_own(self, caller: Caller, space_id: str, *, effective: bool) -> Space:
        """A space of the caller; NotFound for all others."""
        user = caller.as_user()
        space = await self.require(space_id)
        reach = await self._rights.reach(user_ref(user.id))
        if not reach.has(space.ref, direct=not effective):
            raise NotFound
        caller.allow("get", "od_space", space_id)
        return space

    # --- making, changing, ending ---

    async def create(self, caller: Caller, body: Mapping[str, object]) -> Space:
        """A space of the caller's own."""
        user = caller.as_user()
        caller.allow("create", "od_space")
        return await self.make(caller, body, members=(user_ref(user.id),))

    async def create_empty(self, caller: Caller, body: Mapping[str, object]) -> Space:
        """A space without members, by an administrator."""
        caller.allow("create", "od_space")
        caller.require_admin("oz_spaces_create")
        return await self.make(caller, body, members=())

    async def make(self, caller: Caller, body: Mapping[str, object], *, members: tuple[Ref, ...]) -> Space:
        """A new space for who is entitled already.

        Its first members get all privileges, and where there are any, the caller owns it.
        """
        params = Params(body)
        fields = self._fields(params, name=names.check_name(params.text("name", empty=True)))
        seed = params.find_text("idGeneratorSeed")
        now_ms = self._clock.now_ms()
        space = Space(
            id=new_id() if seed is None else seeded_id("space", seed),
            owners=(caller.as_user().id,) if members else (),
            creator=caller.subject,
            created_at_ms=now_ms,
            **fields,
        )
        memberships = [Membership(space.ref, member, SPACE.all, now_ms) for member in members]
        try:
            await self._store.create(space, memberships)
        except Taken:
            raise AlreadyExists from None
        log.info("space_created", space_id=space.id, by=caller.subject.code)
        return space

    async def list_ids(self, caller: Caller) -> list[str]:
        """All spaces."""
        caller.allow("get", "od_space", aspect="list")
        caller.require_admin("oz_spaces_list")
        return await self._store.list_ids()

    async def get(self, caller: Caller, space_id: str) -> Space:
        """A space, for members, supporting providers and administrators."""
        space = await self.require(space_id)
        caller.allow("get", "od_space", space_id)
        if caller.provider_id is None or caller.provider_id not in space.sizes():
            await self._rights.demand(caller, space, None, "oz_spaces_view")
        return space

    async def update(self, caller: Caller, space_id: str, body: Mapping[str, object]) -> None:
        """Name and description; what the marketplace shows needs a privilege of its own."""
        space = await self.require(space_id)
        caller.allow("update", "od_space", space_id)
        await self._rights.demand(caller, space, P.UPDATE, "oz_spaces_update")
        params = Params(body)
        params.at_least_one(*_DESCRIBING)
        in_market = "advertisedInMarketplace" in params or "marketplaceContactEmail" in params
        may_advertise = caller.is_admin("oz_spaces_update") or await self._rights.may(
            caller, space, P.MANAGE_IN_MARKETPLACE
        )
        if in_market and not may_advertise:
            raise Forbidden
        changes = self._fields(params)
        if "name" in params:
            changes["name"] = names.check_name(params.text("name", empty=True))
        await self._store.update(space_id, changes)

    async def delete(self, caller: Caller, space_id: str) -> None:
        """The space, for all its members and providers."""
        space = await self.require(space_id)
        caller.allow("delete", "od_space", space_id)
        await self._rights.demand(caller, space, P.DELETE, "oz_spaces_delete")
        await self._store.delete(space_id)
        # Nobody finds a share without its space, so this may as well fail.
        await self._shares.delete_all(space_id)
        log.info("space_deleted", space_id=space_id, by=caller.subject.code)

    def _fields(self, params: Params, **fields: Any) -> dict[str, Any]:
        """The optional fields that are given, checked."""
        for key, field in (("description", "description"), ("organizationName", "organization_name")):
            if key in params:
                fields[field] = params.text(key, empty=True)
                if len(fields[field]) > MAX_DESCRIPTION_CHARS:
                    raise BadValueTextTooLarge.of(key=key, limit=MAX_DESCRIPTION_CHARS)
        if "tags" in params:
            fields["tags"] = tuple(params.texts("tags", allowed=self._known_tags)[:MAX_TAGS])
        if "advertisedInMarketplace" in params:
            fields["advertised"] = params.boolean("advertisedInMarketplace")
        if "marketplaceContactEmail" in params:
            fields["contact_email"] = names.check_email(params.text("marketplaceContactEmail", empty=True))
        return fields
