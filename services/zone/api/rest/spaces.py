"""Routes of spaces, their members, owners and providers."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.zone.api.rest import schemas
from services.zone.api.rest.audit import NotedRoute
from services.zone.api.rest.door import Door, ids
from services.zone.api.rest.http import done, reply
from services.zone.api.rest.members import add_member_routes
from services.zone.api.rest.views import provider_view, share_view, space_view
from services.zone.domain.privileges import SPACE


def space_routes(door: Door) -> APIRouter:
    """Spaces by id."""
    router = APIRouter(prefix="/spaces", tags=["spaces"], route_class=NotedRoute)
    spaces = door.zone.spaces

    @router.post("", status_code=201, openapi_extra=schemas.CREATE_SPACE)
    async def create_space(request: Request) -> Response:
        """A space without members."""
        caller, body = await door.caller_and_body(request)
        space = await spaces.create_empty(caller, body)
        return door.created(f"/spaces/{space.id}")

    @router.get("")
    async def list_spaces(request: Request) -> Response:
        """All spaces."""
        return reply(ids("spaces", await spaces.list_ids(await door.caller(request))))

    @router.get("/privileges")
    async def get_space_privileges() -> Response:
        """Sets of privileges by level."""
        return reply(SPACE.levels())

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

    add_member_routes(router, door, door.zone.space_members, "/spaces", "groups")
    _add_owner_routes(router, door)
    _add_share_routes(router, door)
    _add_provider_routes(router, door)
    return router


def _add_share_routes(router: APIRouter, door: Door) -> None:
    shares = door.zone.shares

    @router.get("/{space_id}/shares")
    async def list_shares(request: Request, space_id: str) -> Response:
        """Shares of the space."""
        return reply(ids("shares", await shares.list_ids(await door.caller(request), space_id)))

    @router.get("/{space_id}/shares/{share_id}")
    async def get_share_of_space(request: Request, space_id: str, share_id: str) -> Response:
        """One of those."""
        share = await shares.get_of_space(await door.caller(request), space_id, share_id)
        return reply(share_view(share, door.info.domain))


def _add_owner_routes(router: APIRouter, door: Door) -> None:
    owners = door.zone.owners

    @router.get("/{space_id}/owners")
    async def list_owners(request: Request, space_id: str) -> Response:
        """Who owns the space."""
        return reply(ids("users", await owners.list_ids(await door.caller(request), space_id)))

    @router.put("/{space_id}/owners/{user_id}", status_code=204)
    async def add_owner(request: Request, space_id: str, user_id: str) -> Response:
        """Makes a member an owner."""
        await owners.add(await door.caller(request), space_id, user_id)
        return done()

    @router.delete("/{space_id}/owners/{user_id}", status_code=204)
    async def remove_owner(request: Request, space_id: str, user_id: str) -> Response:
        """Makes an owner a member like others."""
        await owners.remove(await door.caller(request), space_id, user_id)
        return done()


def _add_provider_routes(router: APIRouter, door: Door) -> None:
    providers, supports = door.zone.providers, door.zone.supports

    @router.get("/{space_id}/providers")
    async def list_supporting_providers(request: Request, space_id: str) -> Response:
        """Providers that support the space."""
        return reply(ids("providers", await providers.of_space(await door.caller(request), space_id)))

    @router.post("/{space_id}/providers/token")
    async def create_support_token(request: Request, space_id: str) -> Response:
        """A token for a provider's administrator, to support the space with."""
        return reply({"token": await supports.invite(await door.caller(request), space_id)})

    @router.get("/{space_id}/providers/{provider_id}")
    async def get_supporting_provider(request: Request, space_id: str, provider_id: str) -> Response:
        """One of those."""
        provider = await providers.get_of_space(await door.caller(request), space_id, provider_id)
        return reply(provider_view(provider, online=providers.is_online(provider)))

    @router.patch(
        "/{space_id}/providers/{provider_id}/support_parameters",
        status_code=204,
        openapi_extra=schemas.SUPPORT_PARAMETERS,
    )
    async def update_support_parameters(request: Request, space_id: str, provider_id: str) -> Response:
        """What the provider does for the space besides keeping its data."""
        caller, body = await door.caller_and_body(request)
        await door.zone.support_parameters.update(caller, space_id, provider_id, body)
        return done()

    @router.delete("/{space_id}/providers/{provider_id}", status_code=204)
    async def revoke_support(request: Request, space_id: str, provider_id: str) -> Response:
        """Ends a provider's support."""
        await supports.revoke(await door.caller(request), space_id, provider_id)
        return done()
