"""Routes of groups: themselves, and what they are members of."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.zone.api.rest import schemas
from services.zone.api.rest.audit import NotedRoute
from services.zone.api.rest.door import Door, ids
from services.zone.api.rest.http import done, reply
from services.zone.api.rest.members import add_member_routes
from services.zone.api.rest.views import group_view, provider_view, space_view
from services.zone.domain.entities import Kind
from services.zone.domain.errors import NotFound
from services.zone.domain.privileges import GROUP


def group_routes(door: Door) -> APIRouter:
    """Groups by id."""
    router = APIRouter(prefix="/groups", tags=["groups"], route_class=NotedRoute)
    groups = door.zone.groups

    @router.post("", status_code=201, openapi_extra=schemas.CREATE_GROUP)
    async def create_group(request: Request) -> Response:
        """A group without members."""
        group = await groups.create_empty(*await door.caller_and_body(request))
        return door.created(f"/groups/{group.id}")

    @router.get("")
    async def list_groups(request: Request) -> Response:
        """All groups."""
        return reply(ids("groups", await groups.list_ids(await door.caller(request))))

    @router.get("/privileges")
    async def get_group_privileges() -> Response:
        """Sets of privileges by level."""
        return reply(GROUP.levels())

    @router.get("/{group_id}")
    async def get_group(request: Request, group_id: str) -> Response:
        """A group."""
        return reply(group_view(await groups.get(await door.caller(request), group_id)))

    @router.patch("/{group_id}", status_code=204, openapi_extra=schemas.PATCH_GROUP)
    async def update_group(request: Request, group_id: str) -> Response:
        """Name and type."""
        caller, body = await door.caller_and_body(request)
        await groups.update(caller, group_id, body)
        return done()

    @router.delete("/{group_id}", status_code=204)
    async def delete_group(request: Request, group_id: str) -> Response:
        """Ends the group."""
        await groups.delete(await door.caller(request), group_id)
        return done()

    add_member_routes(router, door, door.zone.group_members, "/groups", "children")
    _add_parent_routes(router, door)
    _add_space_routes(router, door)
    _add_provider_routes(router, door)
    return router


def _add_parent_routes(router: APIRouter, door: Door) -> None:
    groups = door.zone.groups

    @router.post("/{group_id}/parents", status_code=201, openapi_extra=schemas.CREATE_GROUP)
    async def create_parent(request: Request, group_id: str) -> Response:
        """A new group around this one."""
        caller, body = await door.caller_and_body(request)
        parent = await groups.create_parent(caller, group_id, body)
        return door.created(f"/groups/{group_id}/parents/{parent.id}")

    @router.post("/{group_id}/parents/join", status_code=201, openapi_extra=schemas.ONE_TOKEN)
    async def join_parent(request: Request, group_id: str) -> Response:
        """Joins another group by an invitation."""
        caller, body = await door.caller_and_body(request)
        parent_id = await door.zone.group_members.join_as_group(caller, group_id, body)
        return door.created(f"/groups/{group_id}/parents/{parent_id}")

    @router.delete("/{group_id}/parents/{parent_id}", status_code=204)
    async def leave_parent(request: Request, group_id: str, parent_id: str) -> Response:
        """Leaves another group."""
        await door.zone.group_members.leave_as_group(await door.caller(request), group_id, parent_id)
        return done()

    def add_looking(word: str, *, effective: bool) -> None:
        @router.get(f"/{{group_id}}/{word}")
        async def list_parents(request: Request, group_id: str) -> Response:
            """Groups this one is in."""
            caller = await door.caller(request)
            found = await groups.list_above(caller, group_id, Kind.GROUP, effective=effective)
            return reply(ids("groups", found))

        @router.get(f"/{{group_id}}/{word}/{{parent_id}}")
        async def get_parent(request: Request, group_id: str, parent_id: str) -> Response:
            """One of those."""
            caller = await door.caller(request)
            return reply(
                group_view(await groups.get_parent(caller, group_id, parent_id, effective=effective))
            )

    add_looking("parents", effective=False)
    add_looking("effective_parents", effective=True)


def _add_space_routes(router: APIRouter, door: Door) -> None:
    groups = door.zone.groups

    @router.post("/{group_id}/spaces", status_code=201, openapi_extra=schemas.CREATE_SPACE)
    async def create_group_space(request: Request, group_id: str) -> Response:
        """A new space of the group."""
        caller, body = await door.caller_and_body(request)
        space = await groups.create_space(caller, group_id, body)
        return door.created(f"/groups/{group_id}/spaces/{space.id}")

    @router.post("/{group_id}/spaces/join", status_code=201, openapi_extra=schemas.ONE_TOKEN)
    async def join_space(request: Request, group_id: str) -> Response:
        """Joins a space by an invitation."""
        caller, body = await door.caller_and_body(request)
        space_id = await door.zone.space_members.join_as_group(caller, group_id, body)
        return door.created(f"/groups/{group_id}/spaces/{space_id}")

    @router.delete("/{group_id}/spaces/{space_id}", status_code=204)
    async def leave_space(request: Request, group_id: str, space_id: str) -> Response:
        """Leaves a space."""
        await door.zone.space_members.leave_as_group(await door.caller(request), group_id, space_id)
        return done()

    def add_looking(word: str, *, effective: bool) -> None:
        @router.get(f"/{{group_id}}/{word}")
        async def list_group_spaces(request: Request, group_id: str) -> Response:
            """Spaces of the group."""
            caller = await door.caller(request)
            found = await groups.list_above(caller, group_id, Kind.SPACE, effective=effective)
            return reply(ids("spaces", found))

        @router.get(f"/{{group_id}}/{word}/{{space_id}}")
        async def get_group_space(request: Request, group_id: str, space_id: str) -> Response:
            """One of those."""
            caller = await door.caller(request)
            return reply(space_view(await groups.get_space(caller, group_id, space_id, effective=effective)))

    add_looking("spaces", effective=False)
    add_looking("effective_spaces", effective=True)


def _add_provider_routes(router: APIRouter, door: Door) -> None:
    providers = door.zone.providers

    @router.get("/{group_id}/effective_providers")
    async def list_group_providers(request: Request, group_id: str) -> Response:
        """Providers that support spaces of the group."""
        return reply(ids("providers", await providers.of_group(await door.caller(request), group_id)))

    @router.get("/{group_id}/effective_providers/{provider_id}")
    async def get_group_provider(request: Request, group_id: str, provider_id: str) -> Response:
        """One of those."""
        if provider_id not in await providers.of_group(await door.caller(request), group_id):
            raise NotFound
        provider = await providers.require(provider_id)
        return reply(provider_view(provider, online=providers.is_online(provider)))

    @router.get("/{group_id}/effective_providers/{provider_id}/spaces")
    async def list_group_spaces_at_provider(request: Request, group_id: str, provider_id: str) -> Response:
        """Spaces of the group that it supports."""
        found = await providers.of_group(await door.caller(request), group_id)
        if provider_id not in found:
            raise NotFound
        return reply(ids("spaces", found[provider_id]))
