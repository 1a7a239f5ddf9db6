"""Routes of users, and of the caller as one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from services.zone.api.rest import schemas
from services.zone.api.rest.audit import NotedRoute
from services.zone.api.rest.door import Door, ids
from services.zone.api.rest.http import done, reply
from services.zone.api.rest.tokens import add_subject_routes
from services.zone.api.rest.views import group_view, provider_view, space_view, user_view
from services.zone.domain.access import Caller
from services.zone.domain.entities import Group, Space
from services.zone.domain.identifiers import Subject, user_subject
from services.zone.domain.members import Members


def user_routes(door: Door) -> APIRouter:
    """Users as administrators handle them."""
    router = APIRouter(prefix="/users", tags=["users"], route_class=NotedRoute)
    users = door.zone.users

    @router.post("", status_code=201, openapi_extra=schemas.CREATE_USER)
    async def create_user(request: Request) -> Response:
        """A new user."""
        user = await users.create(*await door.caller_and_body(request))
        return door.created(f"/users/{user.id}")

    @router.get("")
    async def list_users(request: Request) -> Response:
        """All users."""
        return reply(ids("users", await users.list_ids(await door.caller(request))))

    @router.get("/{user_id}")
    async def get_user(request: Request, user_id: str) -> Response:
        """A user."""
        return reply(user_view(await users.get(await door.caller(request), user_id)))

    @router.delete("/{user_id}", status_code=204)
    async def delete_user(request: Request, user_id: str) -> Response:
        """Removes a user with his memberships and tokens."""
        await users.delete(await door.caller(request), user_id)
        return done()

    @router.patch("/{user_id}/basic_auth", status_code=204, openapi_extra=schemas.BASIC_AUTH)
    async def set_basic_auth(request: Request, user_id: str) -> Response:
        """Log-in by password."""
        caller, body = await door.caller_and_body(request)
        await users.set_basic_auth(caller, user_id, body)
        return done()

    @router.patch("/{user_id}/access_block", status_code=204, openapi_extra=schemas.BLOCK)
    async def set_access_block(request: Request, user_id: str) -> Response:
        """Blocks a user, or lets him in again."""
        caller, body = await door.caller_and_body(request)
        await users.set_block(caller, user_id, body)
        return done()

    @router.get("/{user_id}/privileges")
    @router.get("/{user_id}/effective_privileges")
    async def get_admin_privileges(request: Request, user_id: str) -> Response:
        """Privileges over the zone."""
        return reply(ids("privileges", await users.admin_privileges(await door.caller(request), user_id)))

    @router.patch("/{user_id}/privileges", status_code=204, openapi_extra=schemas.PRIVILEGE_CHANGE)
    async def change_admin_privileges(request: Request, user_id: str) -> Response:
        """Gives and takes privileges over the zone."""
        caller, body = await door.caller_and_body(request)
        await users.change_admin_privileges(caller, user_id, body)
        return done()

    @router.post("/{user_id}/clusters/provider_registration_token")
    async def create_registration_token(request: Request, user_id: str) -> Response:
        """An invitation for a provider administered by this user."""
        caller = await door.caller(request)
        await users.require(user_id)
        return reply({"token": await door.zone.tokens.registration_token(caller, user_id)})

    async def subject_of(request: Request, _caller: Caller) -> Subject:
        return user_subject((await users.require(request.path_params["user_id"])).id)

    add_subject_routes(router, door, "/{user_id}", subject_of)
    return router


def current_user_routes(door: Door) -> APIRouter:
    """The caller, as a user."""
    router = APIRouter(prefix="/user", tags=["current user"], route_class=NotedRoute)
    users = door.zone.users

    @router.get("")
    async def get_current_user(request: Request) -> Response:
        """The caller."""
        return reply(user_view(users.current(await door.caller(request))))

    @router.patch("", status_code=204, openapi_extra=schemas.PATCH_USER)
    async def update_current_user(request: Request) -> Response:
        """The caller's names."""
        await users.rename(*await door.caller_and_body(request))
        return done()

    @router.delete("", status_code=204)
    async def delete_current_user(request: Request) -> Response:
        """Removes the caller."""
        await users.delete_current(await door.caller(request))
        return done()

    @router.patch("/password", status_code=204, openapi_extra=schemas.PASSWORD)
    async def change_password(request: Request) -> Response:
        """The caller's password."""
        await users.change_password(*await door.caller_and_body(request))
        return done()

    @router.get("/privileges")
    @router.get("/effective_privileges")
    async def get_own_privileges(request: Request) -> Response:
        """The caller's privileges over the zone."""
        user = users.current(await door.caller(request), "get", "privileges")
        return reply(ids("privileges", sorted(user.privileges)))

    @router.post("/clusters/provider_registration_token")
    async def create_own_registration_token(request: Request) -> Response:
        """An invitation for a provider administered by the caller."""
        caller = await door.caller(request)
        text = await door.zone.tokens.registration_token(caller, caller.as_user().id)
        return reply({"token": text})

    async def subject_of(_request: Request, caller: Caller) -> Subject:
        return user_subject(caller.as_user().id)

    add_subject_routes(router, door, "", subject_of)
    _add_own_routes(router, door, _own_spaces(door))
    _add_own_routes(router, door, _own_groups(door))
    _add_provider_routes(router, door)
    return router


@dataclass(frozen=True, slots=True)
class _Own:
    """What the caller is a member of: spaces, or groups.

    `word` is theirs in paths; `thing` is in names of routes, by which changes are noted.
    """

    word: str
    thing: str
    schema: dict[str, Any]
    members: Members
    create: Callable[[Caller, Mapping[str, object]], Awaitable[Group | Space]]
    list_ids: Callable[..., Awaitable[list[str]]]
    view: Callable[..., Awaitable[dict[str, Any]]]


def _own_spaces(door: Door) -> _Own:
    spaces, members = door.zone.spaces, door.zone.space_members

    async def view(caller: Caller, space_id: str, *, effective: bool) -> dict[str, Any]:
        return space_view(await spaces.get_own(caller, space_id, effective=effective))

    return _Own("spaces", "space", schemas.CREATE_SPACE, members, spaces.create, spaces.list_own, view)


def _own_groups(door: Door) -> _Own:
    groups, members = door.zone.groups, door.zone.group_members

    async def view(caller: Caller, group_id: str, *, effective: bool) -> dict[str, Any]:
        return group_view(await groups.get_own(caller, group_id, effective=effective))

    return _Own("groups", "group", schemas.CREATE_GROUP, members, groups.create, groups.list_own, view)


def _add_own_routes(router: APIRouter, door: Door, own: _Own) -> None:
    path = f"/{own.word}"

    @router.post(path, status_code=201, openapi_extra=own.schema, name=f"create_own_{own.thing}")
    async def create_own(request: Request) -> Response:
        """A new one, with the caller as its member."""
        made = await own.create(*await door.caller_and_body(request))
        return door.created(f"/user/{own.word}/{made.id}")

    @router.post(f"{path}/join", status_code=201, openapi_extra=schemas.ONE_TOKEN, name=f"join_{own.thing}")
    async def join(request: Request) -> Response:
        """Joins by an invitation."""
        target_id = await own.members.join(*await door.caller_and_body(request))
        return door.created(f"/user/{own.word}/{target_id}")

    @router.delete(f"{path}/{{target_id}}", status_code=204, name=f"leave_{own.thing}")
    async def leave(request: Request, target_id: str) -> Response:
        """Ends the caller's membership."""
        await own.members.leave(await door.caller(request), target_id)
        return done()

    _add_looking(router, door, own, own.word, effective=False)
    _add_looking(router, door, own, f"effective_{own.word}", effective=True)


def _add_looking(router: APIRouter, door: Door, own: _Own, word: str, *, effective: bool) -> None:
    @router.get(f"/{word}")
    async def list_own(request: Request) -> Response:
        """What the caller is a member of: directly, or at all."""
        found = await own.list_ids(await door.caller(request), effective=effective)
        return reply(ids(own.word, found))

    @router.get(f"/{word}/{{target_id}}")
    async def get_own(request: Request, target_id: str) -> Response:
        """One of those."""
        caller = await door.caller(request)
        return reply(await own.view(caller, target_id, effective=effective))


def _add_provider_routes(router: APIRouter, door: Door) -> None:
    providers = door.zone.providers

    @router.get("/effective_providers")
    async def list_effective_providers(request: Request) -> Response:
        """Providers that support spaces of the caller."""
        return reply(ids("providers", await providers.list_effective(await door.caller(request))))

    @router.get("/effective_providers/{provider_id}")
    async def get_effective_provider(request: Request, provider_id: str) -> Response:
        """One of those."""
        provider = await providers.get_effective(await door.caller(request), provider_id)
        return reply(provider_view(provider, online=providers.is_online(provider)))

    @router.get("/effective_providers/{provider_id}/spaces")
    async def list_spaces_at_provider(request: Request, provider_id: str) -> Response:
        """Spaces of the caller that it supports."""
        found = await providers.effective_spaces_at(await door.caller(request), provider_id)
        return reply(ids("spaces", (space.id for space in found)))
