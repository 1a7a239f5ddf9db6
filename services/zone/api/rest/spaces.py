"""Routes of spaces, their members, owners and providers."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from runtime.identity import SpacePrivilege as P
from services.zone.api.rest import schemas
from services.zone.api.rest.door import Door, ids
from services.zone.api.rest.http import done, reply
from services.zone.api.rest.views import provider_view, shared_user_view, space_view
from services.zone.domain.access import Caller
from services.zone.domain.identifiers import InviteType, invitation
from services.zone.domain.privileges import SPACE_ALL, SPACE_MANAGER, SPACE_MEMBER, names_of


def space_routes(door: Door) -> APIRouter:
    """Spaces by id."""
    router = APIRouter(prefix="/spaces", tags=["spaces"])
    spaces = door.zone.spaces

    @router.post("", status_code=201, openapi_extra=schemas.CREATE_SPACE)
    async def create_space(request: Request) -> Response:
        """A space without members."""
        caller, body = await door.caller_and_body(request)
        space = await spaces.create(caller, body, as_member=False)
        return door.created(f"/spaces/{space.id}")

    @router.get("")
    async def list_spaces(request: Request) -> Response:
        """All spaces."""
        return reply(ids("spaces", await spaces.list_ids(await door.caller(request))))

    @router.get("/privileges")
    async def get_space_privileges() -> Response:
        """Sets of privileges by level."""
        levels = {"member": SPACE_MEMBER, "manager": SPACE_MANAGER, "admin": SPACE_ALL}
        return reply({level: names_of(mask) for level, mask in levels.items()})

    @router.get("/{space_id}")
    async def get_space(request: Request, space_id: str) -> Response:
        """A space."""
        return reply(space_view(await spaces.get(await door.caller(request), space_id)))

    @router.patch("/{space_id}", status_code=204, openapi_extra=schemas.PATCH_SPACE)
    async def update_space(request: Request, space_id: str) -> Response:
        """Name and description."""
        caller, body = await door.caller_and_body(request)
        await spaces.update(caller, space_id, body)
        return done()

    @router.delete("/{space_id}", status_code=204)
    async def delete_space(request: Request, space_id: str) -> Response:
        """Ends the space for everybody."""
        await spaces.delete(await door.caller(request), space_id)
        return done()

    _add_member_routes(router, door)
    _add_privilege_routes(router, door)
    _add_owner_routes(router, door)
    _add_provider_routes(router, door)
    return router


async def _invite(door: Door, caller: Caller, space_id: str, type: InviteType, privilege: P) -> Response:
    space = await door.zone.spaces.require(space_id)
    caller.allow("create", "od_space", space_id, f"invite_{type.code}_token")
    await door.zone.spaces.demand(caller, space, privilege, "oz_spaces_add_relationships")
    return reply({"token": await door.zone.tokens.invite(caller, invitation(type, space_id))})


def _add_member_routes(router: APIRouter, door: Door) -> None:
    members = door.zone.members

    @router.get("/{space_id}/users")
    async def list_members(request: Request, space_id: str) -> Response:
        """Direct members."""
        return reply(ids("users", await members.list_ids(await door.caller(request), space_id)))

    @router.get("/{space_id}/effective_users")
    async def list_effective_members(request: Request, space_id: str) -> Response:
        """All members."""
        caller = await door.caller(request)
        return reply(ids("users", await members.list_ids(caller, space_id, "eff_users")))

    @router.post("/{space_id}/users/token")
    async def create_member_invitation(request: Request, space_id: str) -> Response:
        """An invitation for users."""
        caller = await door.caller(request)
        return await _invite(door, caller, space_id, InviteType.USER_JOIN_SPACE, P.ADD_USER)

    @router.put("/{space_id}/users/{user_id}", status_code=201, openapi_extra=schemas.PRIVILEGES)
    async def add_member(request: Request, space_id: str, user_id: str) -> Response:
        """Makes a user a member."""
        caller, body = await door.caller_and_body(request)
        await members.add(caller, space_id, user_id, body)
        return door.created(f"/spaces/{space_id}/users/{user_id}")

    @router.get("/{space_id}/users/{user_id}")
    @router.get("/{space_id}/effective_users/{user_id}")
    async def get_member(request: Request, space_id: str, user_id: str) -> Response:
        """A member."""
        return reply(shared_user_view(await members.get(await door.caller(request), space_id, user_id)))

    @router.get("/{space_id}/effective_users/{user_id}/membership")
    async def get_membership(request: Request, space_id: str, user_id: str) -> Response:
        """How a user came to be a member; a direct one by himself."""
        await members.get(await door.caller(request), space_id, user_id)
        return reply({"intermediaries": [{"type": "od_user", "id": user_id}]})

    @router.delete("/{space_id}/users/{user_id}", status_code=204)
    async def remove_member(request: Request, space_id: str, user_id: str) -> Response:
        """Ends a membership."""
        await members.remove(await door.caller(request), space_id, user_id)
        return done()


def _add_privilege_routes(router: APIRouter, door: Door) -> None:
    members = door.zone.members

    @router.get("/{space_id}/users/{user_id}/privileges")
    async def get_privileges(request: Request, space_id: str, user_id: str) -> Response:
        """Privileges given to a member."""
        caller = await door.caller(request)
        return reply(ids("privileges", await members.privileges(caller, space_id, user_id)))

    @router.get("/{space_id}/effective_users/{user_id}/privileges")
    async def get_effective_privileges(request: Request, space_id: str, user_id: str) -> Response:
        """Privileges a member has, also as an owner."""
        caller = await door.caller(request)
        return reply(ids("privileges", await members.privileges(caller, space_id, user_id, effective=True)))

    @router.patch(
        "/{space_id}/users/{user_id}/privileges", status_code=204, openapi_extra=schemas.PRIVILEGE_CHANGE
    )
    async def change_privileges(request: Request, space_id: str, user_id: str) -> Response:
        """Gives and takes privileges."""
        caller, body = await door.caller_and_body(request)
        await members.change_privileges(caller, space_id, user_id, body)
        return done()


def _add_owner_routes(router: APIRouter, door: Door) -> None:
    members = door.zone.members

    @router.get("/{space_id}/owners")
    async def list_owners(request: Request, space_id: str) -> Response:
        """Who owns the space."""
        return reply(ids("users", await members.owners(await door.caller(request), space_id)))

    @router.put("/{space_id}/owners/{user_id}", status_code=204)
    async def add_owner(request: Request, space_id: str, user_id: str) -> Response:
        """Makes a member an owner."""
        await members.add_owner(await door.caller(request), space_id, user_id)
        return done()

    @router.delete("/{space_id}/owners/{user_id}", status_code=204)
    async def remove_owner(request: Request, space_id: str, user_id: str) -> Response:
        """Makes an owner a member like others."""
        await members.remove_owner(await door.caller(request), space_id, user_id)
        return done()


def _add_provider_routes(router: APIRouter, door: Door) -> None:
    providers = door.zone.providers

    @router.get("/{space_id}/providers")
    async def list_supporting_providers(request: Request, space_id: str) -> Response:
        """Providers that support the space."""
        return reply(ids("providers", await providers.of_space(await door.caller(request), space_id)))

    @router.post("/{space_id}/providers/token")
    async def create_support_token(request: Request, space_id: str) -> Response:
        """A token for a provider's administrator, to support the space with."""
        caller = await door.caller(request)
        return await _invite(door, caller, space_id, InviteType.SUPPORT_SPACE, P.ADD_SUPPORT)

    @router.get("/{space_id}/providers/{provider_id}")
    async def get_supporting_provider(request: Request, space_id: str, provider_id: str) -> Response:
        """One of those."""
        provider = await providers.get_of_space(await door.caller(request), space_id, provider_id)
        return reply(provider_view(provider, online=providers.is_online(provider)))

    @router.delete("/{space_id}/providers/{provider_id}", status_code=204)
    async def revoke_support(request: Request, space_id: str, provider_id: str) -> Response:
        """Ends a provider's support."""
        await providers.revoke_support(await door.caller(request), space_id, provider_id)
        return done()
