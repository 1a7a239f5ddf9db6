"""Spaces: what users share, and what providers support."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from runtime.clock import Clock
from runtime.identity import SpacePrivilege as P
from runtime.identity import SpaceRights
from services.zone.domain import names
from services.zone.domain.access import Caller
from services.zone.domain.entities import Membership, Space
from services.zone.domain.errors import AlreadyExists, CannotRemoveLastOwner, Forbidden, NotFound
from services.zone.domain.ids import new_id, seeded_id
from services.zone.domain.params import Params
from services.zone.domain.privileges import SPACE_ALL
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
        self, store: SpaceStore, shares: ShareStore, clock: Clock, *, known_tags: tuple[str, ...] = ()
    ) -> None:
        self._store = store
        self._shares = shares
        self._clock = clock
        self._known_tags = known_tags

    # --- finding, and who may what ---

    async def require(self, space_id: str) -> Space:
        """The space; raises NotFound."""
        space = await self._store.find(space_id)
        if space is None:
            raise NotFound
        return space

    async def rights(self, space: Space, user_id: str) -> SpaceRights | None:
        """What a user may do in a space, None for who is no member."""
        member = await self._store.find_member(space.id, user_id)
        if member is None:
            return None
        return SpaceRights(space.name, member.privileges, owner=user_id in space.owners)

    async def may(self, caller: Caller, space: Space, *privileges: P) -> bool:
        """Whether the caller is a member with these privileges."""
        if caller.user is None:
            return False
        rights = await self.rights(space, caller.user.id)
        return rights is not None and all(rights.has(privilege) for privilege in privileges)

    async def demand(self, caller: Caller, space: Space, privilege: P | None, *admin: str) -> None:
        """Refuses who neither has the privilege in the space nor these over the zone.

        No `privilege`: any member will do.
        """
        needed = () if privilege is None else (privilege,)
        caller.require(
            not caller.is_guest
            and ((bool(admin) and caller.is_admin(*admin)) or await self.may(caller, space, *needed))
        )

    async def effective(self, user_id: str) -> list[Space]:
        """Spaces a user is a member of, in the order of their ids."""
        members = await self._store.memberships(user_id)
        spaces = await self._store.find_many([member.space_id for member in members])
        return sorted(spaces, key=lambda space: space.id)

    # --- the caller's own view ---

    async def list_own(self, caller: Caller, aspect: str) -> list[Space]:
        """Spaces of the caller."""
        user = caller.as_user()
        caller.allow("get", "od_user", user.id, aspect)
        return await self.effective(user.id)

    async def get_own(self, caller: Caller, space_id: str) -> Space:
        """A space of the caller; NotFound for all others."""
        user = caller.as_user()
        space = await self.require(space_id)
        if await self.rights(space, user.id) is None:
            raise NotFound
        caller.allow("get", "od_space", space_id)
        return space

    async def leave(self, caller: Caller, space_id: str) -> None:
        """Ends the caller's own membership. The last owner can't leave others alone."""
        user = caller.as_user()
        space = await self.require(space_id)
        if await self.rights(space, user.id) is None:
            raise NotFound
        caller.allow("delete", "od_user", user.id, f"space,{space_id}")
        await remove_member(self._store, space, user.id)

    # --- making, changing, ending ---

    async def create(self, caller: Caller, body: Mapping[str, object], *, as_member: bool) -> Space:
        """A space of the caller's own, or (`as_member` False, for administrators) one without members."""
        if as_member:
            caller.as_user()
        caller.allow("create", "od_space")
        if not as_member:
            caller.require_admin("oz_spaces_create")
        params = Params(body)
        fields = self._fields(params, name=names.check_name(params.text("name", empty=True)))
        seed = params.find_text("idGeneratorSeed")
        user_id = caller.as_user().id
        now_ms = self._clock.now_ms()
        space = Space(
            id=new_id() if seed is None else seeded_id("space", seed),
            owners=(user_id,) if as_member else (),
            creator=caller.subject,
            created_at_ms=now_ms,
            **fields,
        )
        member = Membership(space.id, user_id, SPACE_ALL, now_ms) if as_member else None
        try:
            await self._store.create(space, member)
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
            await self.demand(caller, space, None, "oz_spaces_view")
        return space

    async def update(self, caller: Caller, space_id: str, body: Mapping[str, object]) -> None:
        """Name and description; what the marketplace shows needs a privilege of its own."""
        space = await self.require(space_id)
        caller.allow("update", "od_space", space_id)
        await self.demand(caller, space, P.UPDATE, "oz_spaces_update")
        params = Params(body)
        params.at_least_one(*_DESCRIBING)
        in_market = "advertisedInMarketplace" in params or "marketplaceContactEmail" in params
        may_advertise = caller.is_admin("oz_spaces_update") or await self.may(
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
        await self.demand(caller, space, P.DELETE, "oz_spaces_delete")
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


async def remove_member(store: SpaceStore, space: Space, user_id: str) -> None:
    """Ends a membership, and an ownership with it. Raises CannotRemoveLastOwner while others stay."""
    if user_id in space.owners:
        others = len(await store.members(space.id)) > 1
        if not await store.remove_owner(space.id, user_id, keep_one=others):
            raise CannotRemoveLastOwner.of(entityType="space", entityId=space.id)
    await store.remove_member(space.id, user_id)
    log.info("space_left", space_id=space.id, user_id=user_id)
