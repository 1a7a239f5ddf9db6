"""Providers: how they join the zone, what they are, and whether they are up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from runtime.clock import Clock
from runtime.identity import SpacePrivilege as P
from services.zone.domain import names
from services.zone.domain.access import Caller
from services.zone.domain.entities import Kind, NamedToken, Provider, Ref, Space, user_ref
from services.zone.domain.errors import (
    NotFound,
    SubdomainDelegationNotSupported,
    ZoneError,
)
from services.zone.domain.groups import Groups
from services.zone.domain.identifiers import ACCESS, decode, provider_subject
from services.zone.domain.ids import new_id
from services.zone.domain.invites import Invites
from services.zone.domain.params import Params
from services.zone.domain.rights import Rights
from services.zone.domain.spaces import Spaces
from services.zone.domain.stores import (
    MembershipStore,
    ProviderStore,
    SpaceStore,
    StorageStore,
    Taken,
    TokenStore,
)
from services.zone.domain.token_errors import TokenInvalid
from services.zone.domain.tokens import Tokens
from services.zone.domain.value_errors import (
    BadValueIdentifierOccupied,
    BadValueIdNotFound,
    BadValueToken,
)
from services.zone.domain.verification import Verifier

log = structlog.get_logger(__name__)

ROOT_TOKEN_NAME = "root token"  # noqa: S105 -- a name, not a token
MAX_VERSION_CHARS = 64


class Providers:
    """The sites of a zone. `offline_after_s`: silence after which a provider counts as offline."""

    def __init__(
        self,
        store: ProviderStore,
        space_store: SpaceStore,
        storage_store: StorageStore,
        token_store: TokenStore,
        *,
        memberships: MembershipStore,
        spaces: Spaces,
        groups: Groups,
        rights: Rights,
        tokens: Tokens,
        invites: Invites,
        verifier: Verifier,
        clock: Clock,
        offline_after_s: float,
    ) -> None:
        self._store = store
        self._space_store = space_store
        self._storage_store = storage_store
        self._token_store = token_store
        self._memberships = memberships
        self._spaces = spaces
        self._groups = groups
        self._rights = rights
        self._tokens = tokens
        self._invites = invites
        self._verifier = verifier
        self._clock = clock
        self._offline_after_ms = offline_after_s * 1000

    def is_online(self, provider: Provider) -> bool:
        """Whether it reported lately."""
        return self._clock.now_ms() - provider.last_seen_ms < self._offline_after_ms

    # --- registration ---

    async def register(self, caller: Caller, body: Mapping[str, object]) -> tuple[Provider, str]:
        """A new provider by an invitation, and its root token."""
        params = Params(body)
        text = params.text("token", empty=True)
        name = names.check_name(params.text("name", empty=True))
        email = names.check_email(params.text("adminEmail", empty=True))
        if params.boolean("subdomainDelegation"):
            raise SubdomainDelegationNotSupported
        provider = Provider(
            id=new_id(),
            name=name,
            domain=names.check_domain(params.text("domain", empty=True)),
            admin_email=email,
            created_at_ms=self._clock.now_ms(),
        )
        provider = replace(provider, **_coordinates(params))
        invitation = await self._invites.for_registration(text, caller)
        async with self._invites.used(invitation):
            return await self._add(replace(provider, admin_user_id=invitation.target_id))

    async def _add(self, provider: Provider) -> tuple[Provider, str]:
        root = NamedToken(
            id=new_id(),
            name=ROOT_TOKEN_NAME,
            subject=provider_subject(provider.id),
            type=ACCESS,
            created_at_ms=provider.created_at_ms,
        )
        # The token first: a provider that is seen can also speak for itself.
        text = await self._tokens.keep(root)
        try:
            await self._store.create(provider)
        except Taken:
            await self._token_store.delete(root.id)
            raise BadValueIdentifierOccupied.of(key="domain") from None
        log.info("provider_registered", provider_id=provider.id, domain=provider.domain)
        return provider, text

    # --- looking ---

    async def require(self, provider_id: str) -> Provider:
        """The provider; raises NotFound."""
        provider = await self._store.find(provider_id)
        if provider is None:
            raise NotFound
        return provider

    async def list_ids(self, caller: Caller) -> list[str]:
        """All providers."""
        caller.allow("get", "od_provider", aspect="list")
        caller.require_admin("oz_providers_list")
        return await self._store.list_ids()

    async def get(self, caller: Caller, provider_id: str, aspect: str = "instance") -> Provider:
        """For administrators, its own, its users, and providers that share a space with it."""
        provider = await self.require(provider_id)
        caller.allow("get", "od_provider", provider_id, aspect)
        caller.require(await self._may_see(caller, provider))
        return provider

    async def _may_see(self, caller: Caller, provider: Provider) -> bool:
        if caller.user is not None:
            is_admin = caller.is_admin("oz_providers_view") or caller.user.id == provider.admin_user_id
            return is_admin or provider.id in await self._effective_ids(caller.user.id)
        if caller.provider_id is None or caller.provider_id == provider.id:
            return caller.provider_id is not None
        own = await self._space_store.supported_by(caller.provider_id, after="", limit=1000)
        return any(provider.id in space.sizes() for space in own)

    async def list_effective(self, caller: Caller) -> list[str]:
        """Providers that support a space of the caller."""
        user = caller.as_user()
        caller.allow("get", "od_user", user.id, "eff_providers")
        return sorted(await self._effective_ids(user.id))

    async def get_effective(self, caller: Caller, provider_id: str) -> Provider:
        """One of those; NotFound for all others."""
        user = caller.as_user()
        provider = await self.require(provider_id)
        if provider_id not in await self._effective_ids(user.id):
            raise NotFound
        caller.allow("get", "od_provider", provider_id)
        return provider

    async def effective_spaces_at(self, caller: Caller, provider_id: str) -> list[Space]:
        """Spaces of the caller that the provider supports."""
        await self.get_effective(caller, provider_id)
        spaces = await self._spaces.effective(caller.as_user().id)
        return [space for space in spaces if provider_id in space.sizes()]

    async def of_group(self, caller: Caller, group_id: str) -> dict[str, list[str]]:
        """Ids of the spaces of a group, by the providers that support them."""
        found: dict[str, list[str]] = {}
        for space in await self._groups.effective_spaces(caller, group_id):
            for provider_id in space.sizes():
                found.setdefault(provider_id, []).append(space.id)
        return dict(sorted(found.items()))

    async def _effective_ids(self, user_id: str) -> set[str]:
        reach = await self._rights.reach(user_ref(user_id))
        return await self._space_store.providers_of(reach.ids(Kind.SPACE))

    async def current(self, caller: Caller, op: str = "get", aspect: str = "instance") -> Provider:
        """The provider that asks."""
        provider_id = caller.as_provider()
        caller.allow(op, "od_provider", provider_id, aspect)
        return await self.require(provider_id)

    # --- changing ---

    async def update(self, caller: Caller, body: Mapping[str, object]) -> None:
        """The provider's own details."""
        provider = await self.current(caller, "update")
        params = Params(body)
        params.at_least_one("name", "adminEmail", "latitude", "longitude")
        changes: dict[str, Any] = {**_coordinates(params)}
        if "name" in params:
            changes["name"] = names.check_name(params.text("name", empty=True))
        if "adminEmail" in params:
            changes["admin_email"] = names.check_email(params.text("adminEmail", empty=True))
        await self._store.update(provider.id, changes)

    async def report(self, caller: Caller, version: str, build: str = "") -> int:
        """Notes that the provider is up, and its software; gives the zone's clock in milliseconds."""
        provider = await self.current(caller, "update")
        now_ms = self._clock.now_ms()
        version, build = version[:MAX_VERSION_CHARS], build[:MAX_VERSION_CHARS]
        if (provider.version, provider.build) == (version, build) and self.is_online(provider):
            await self._store.touch(provider.id, now_ms)
        else:
            changes = {"last_seen_ms": now_ms, "version": version, "build": build}
            await self._store.update(provider.id, changes)
        return now_ms

    async def delete(self, caller: Caller, provider_id: str) -> None:
        """Ends a registration, by an administrator."""
        provider = await self.require(provider_id)
        caller.allow("delete", "od_provider", provider_id)
        is_own_admin = caller.user is not None and caller.user.id == provider.admin_user_id
        caller.require(is_own_admin or caller.is_admin("oz_providers_delete"))
        await self._remove(provider)

    async def delete_current(self, caller: Caller) -> None:
        """Ends the caller's own registration."""
        await self._remove(await self.current(caller, "delete"))

    async def _remove(self, provider: Provider) -> None:
        # Its tokens first: from then on it cannot speak, whatever is still to be cleaned.
        await self._token_store.delete_all(provider_subject(provider.id))
        await self._store.delete(provider.id)
        while spaces := await self._space_store.supported_by(provider.id, after="", limit=1000):
            for space in spaces:
                await self._space_store.remove_support(space.id, provider.id)
        await self._storage_store.delete_all(provider.id)
        log.info("provider_deleted", provider_id=provider.id)

    # --- what it supports ---

    async def supported(self, caller: Caller, *, after: str = "", limit: int = 1000) -> list[Space]:
        """One page of the spaces the caller supports, in the order of their ids."""
        provider = await self.current(caller, aspect="spaces")
        return await self._space_store.supported_by(provider.id, after=after, limit=limit)

    async def of_spaces(self, caller: Caller, space_ids: Sequence[str]) -> list[tuple[Space, list[Provider]]]:
        """The providers of these spaces, for any provider: it shows them to users it has verified."""
        caller.as_provider()
        spaces = await self._space_store.find_many(space_ids)
        wanted = {provider_id for space in spaces for provider_id in space.sizes()}
        known = {provider.id: provider for provider in await self._store.find_many(wanted)}
        return [
            (space, [known[id] for id in sorted(space.sizes()) if id in known])
            for space in sorted(spaces, key=lambda space: space.id)
        ]

    async def supported_ids(self, caller: Caller) -> list[str]:
        """Ids of all of them."""
        provider = await self.current(caller, aspect="spaces")
        return [space.id for space in await self._all_supported(provider.id)]

    async def supported_of(self, caller: Caller, provider_id: str, aspect: str = "spaces") -> list[Space]:
        """Spaces any provider supports, for administrators."""
        provider = await self.require(provider_id)
        caller.allow("get", "od_provider", provider_id, aspect)
        is_own_admin = caller.user is not None and caller.user.id == provider.admin_user_id
        may = is_own_admin or caller.subject == provider_subject(provider_id)
        caller.require(may or caller.is_admin("oz_providers_list_relationships"))
        return await self._all_supported(provider_id)

    async def effective_ids(self, caller: Caller, provider_id: str, kind: Kind) -> list[str]:
        """Users, or groups, with a space that the provider supports."""
        word = "eff_users" if kind is Kind.USER else "eff_groups"
        spaces = await self.supported_of(caller, provider_id, word)
        return await self._memberships.ids_below([space.ref for space in spaces], kind)

    async def ways_to(self, caller: Caller, provider_id: str, member: Ref) -> list[str]:
        """The supported spaces by which somebody is served; NotFound for who is not."""
        spaces = await self.supported_of(caller, provider_id, f"{member.kind.entity}_membership")
        reach = await self._rights.reach(member)
        ways = [space.id for space in spaces if reach.has(space.ref)]
        if not ways:
            raise NotFound
        return ways

    async def get_supported(self, caller: Caller, space_id: str) -> Space:
        """A space the caller supports; NotFound for all others."""
        provider = await self.current(caller, aspect=f"space,{space_id}")
        space = await self._spaces.require(space_id)
        if provider.id not in space.sizes():
            raise NotFound
        return space

    async def of_space(self, caller: Caller, space_id: str) -> list[str]:
        """Providers of a space, for any member."""
        space = await self._spaces.require(space_id)
        caller.allow("get", "od_space", space_id, "providers")
        await self._rights.demand(caller, space, None, "oz_spaces_list_relationships")
        return sorted(space.sizes())

    async def get_of_space(self, caller: Caller, space_id: str, provider_id: str) -> Provider:
        """One of those."""
        space = await self._require_support(space_id, provider_id)
        caller.allow("get", "od_provider", provider_id)
        await self._rights.demand(caller, space, P.VIEW, "oz_providers_view")
        return await self.require(provider_id)

    async def _require_support(self, space_id: str, provider_id: str) -> Space:
        space = await self._spaces.require(space_id)
        if provider_id not in space.sizes():
            raise NotFound
        return space

    async def _all_supported(self, provider_id: str) -> list[Space]:
        spaces: list[Space] = []
        while page := await self._space_store.supported_by(
            provider_id, after=spaces[-1].id if spaces else "", limit=1000
        ):
            spaces += page
        return spaces

    async def verify_identity(self, caller: Caller, body: Mapping[str, object]) -> None:
        """Whether an identity token is that of the named provider."""
        params = Params(body)
        provider_id = params.text("providerId", empty=True)
        text = params.text("token" if "token" in params or "macaroon" not in params else "macaroon")
        if await self._store.find(provider_id) is None:
            raise BadValueIdNotFound.of(key="providerId")
        try:
            token = decode(text)
        except ZoneError as error:
            raise BadValueToken.because("token", error) from error
        context = self._verifier.context(peer_ip=caller.peer_ip, consumer=caller.subject)
        verified = await self._verifier.identity(token, context)
        if verified.subject != provider_subject(provider_id):
            raise TokenInvalid


def _coordinates(params: Params) -> dict[str, Any]:
    limits = {"latitude": 90.0, "longitude": 180.0}
    return {key: params.number(key, low=-limit, high=limit) for key, limit in limits.items() if key in params}
