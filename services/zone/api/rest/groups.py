"""Routes of groups: themselves, and what they are members of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from services.zone.api.rest import schemas
from services.zone.api.rest.audit import NotedRoute
from services.zone.api.rest.door import Door, ids
from services.zone.api.rest.http import done, reply
from services.zone.api.rest.members import add_member_routes
from services.zone.api.rest.views import group_view, provider_view, space_view
from services.zone.domain.access import Caller
from services.zone.domain.entities import Group, Kind, Space
from services.zone.domain.errors import NotFound
from services.zone.domain.members import Members
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
    _add_above_routes(router, door, _parents(door))
    _add_above_routes(router, door, _spaces(door))
    _add_provider_routes(router, door)
    return router


@dataclass(frozen=True, slots=True)
class _Above:
    """What groups are members of: other groups, or spaces.

    `word` is theirs in paths; `thing` and `creation` are in names of routes, by which changes are noted.
    """

    kind: Kind
    word: str
    thing: str
    creation: str
    schema: dict[str, Any]
    members: Members
    create: Callable[[Caller, str, Mapping[str, object]], Awaitable[Group | Space]]
    view: Callable[..., Awaitable[dict[str, Any]]]


def _parents(door: Door) -> _Above:
    groups, members = door.zone.groups, door.zone.group_members

    async def view(caller: Caller, group_id: str, parent_id: str, *, effective: bool) -> dict[str, Any]:
        return group_view(await groups.get_parent(caller, group_id, parent_id, effective=effective))

    return _Above(
        Kind.GROUP,
        "parents",
        "parent",
        "create_parent",
        schemas.CREATE_GROUP,
        members,
        groups.create_parent,
        view,
    )


def _spaces(door: Door) -> _Above:
    groups, members = door.zone.groups, door.zone.space_members

    async def view(caller: Caller, group_id: str, space_id: str, *, effective: bool) -> dict[str, Any]:
        return space_view(await groups.get_space(caller, group_id, space_id, effective=effective))

    return _Above(
        Kind.SPACE,
        "spaces",
        "space",
        "create_group_space",
        schemas.CREATE_SPACE,
        members,
        groups.create_space,
        view,
    )


def _add_above_routes(router: APIRouter, door: Door, above: _Above) -> None:
    path = f"/{{group_id}}/{above.word}"

    @router.post(path, status_code=201, openapi_extra=above.schema, name=above.creation)
    async def create_above(request: Request, group_id: str) -> Response:
        """A new one, with the group as its member."""
        caller, body = await door.caller_and_body(request)
        made = await above.create(caller, group_id, body)
        return door.created(f"/groups/{group_id}/{above.word}/{made.id}")

    @router.post(f"{path}/join", status_code=201, openapi_extra=schemas.ONE_TOKEN, name=f"join_{above.thing}")
    async def join_above(request: Request, group_id: str) -> Response:
        """Joins with the group by an invitation."""
        caller, body = await door.caller_and_body(request)
        target_id = await above.members.join_as_group(caller, group_id, body)
        return door.created(f"/groups/{group_id}/{above.word}/{target_id}")

    @router.delete(f"{path}/{{target_id}}", status_code=204, name=f"leave_{above.thing}")
    async def leave_above(request: Request, group_id: str, target_id: str) -> Response:
        """Ends the membership of the group."""
        await above.members.leave_as_group(await door.caller(request), group_id, target_id)
        return done()

    _add_looking(router, door, above, above.word, effective=False)
    _add_looking(router, door, above, f"effective_{above.word}", effective=True)


def _add_looking(router: APIRouter, door: Door, above: _Above, word: str, *, effective: bool) -> None:
    key = "groups" if above.kind is Kind.GROUP else "spaces"

    @router.get(f"/{{group_id}}/{word}")
    async def list_above(request: Request, group_id: str) -> Response:
        """What the group is a member of: directly, or at all."""
        caller = await door.caller(request)
        found = await door.zone.groups.list_above(caller, group_id, above.kind, effective=effective)
        return reply(ids(key, found))

    @router.get(f"/{{group_id}}/{word}/{{target_id}}")
    async def get_above(request: Request, group_id: str, target_id: str) -> Response:
        """One of those."""
        caller = await door.caller(request)
        return reply(await above.view(caller, group_id, target_id, effective=effective))


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
