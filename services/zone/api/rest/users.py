"""Routes of users, and of the caller as one."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.zone.api.rest import schemas
from services.zone.api.rest.audit import NotedRoute
from services.zone.api.rest.door import Door, ids
from services.zone.api.rest.http import done, reply
from services.zone.api.rest.tokens import add_subject_routes
from services.zone.api.rest.views import group_view, provider_view, space_view, user_view
from services.zone.domain.access import Caller
from services.zone.domain.identifiers import Subject, user_subject


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
    _add_space_routes(router, door)
    _add_group_routes(router, door)
    _add_provider_routes(router, door)
    return router


def _add_space_routes(router: APIRouter, door: Door) -> None:
    spaces = door.zone.spaces

    @router.post("/spaces", status_code=201, openapi_extra=schemas.CREATE_SPACE)
    async def create_own_space(request: Request) -> Response:
        """A space owned by the caller."""
        caller, body = await door.caller_and_body(request)
        space = await spaces.create(caller, body)
        return door.created(f"/user/spaces/{space.id}")

    @router.post("/spaces/join", status_code=201, openapi_extra=schemas.ONE_TOKEN)
    async def join_space(request: Request) -> Response:
        """Joins by an invitation."""
        space_id = await door.zone.space_members.join(*await door.caller_and_body(request))
        return door.created(f"/user/spaces/{space_id}")

    @router.delete("/spaces/{space_id}", status_code=204)
    async def leave_space(request: Request, space_id: str) -> Response:
        """Ends the caller's membership."""
        await door.zone.space_members.leave(await door.caller(request), space_id)
        return done()

    def add_looking(word: str, *, effective: bool) -> None:
        @router.get(f"/{word}")
        async def list_own_spaces(request: Request) -> Response:
            """Spaces of the caller: those he is a direct member of, or all."""
            found = await spaces.list_own(await door.caller(request), effective=effective)
            return reply(ids("spaces", found))

        @router.get(f"/{word}/{{space_id}}")
        async def get_own_space(request: Request, space_id: str) -> Response:
            """A space of the caller."""
            caller = await door.caller(request)
            return reply(space_view(await spaces.get_own(caller, space_id, effective=effective)))

    add_looking("spaces", effective=False)
    add_looking("effective_spaces", effective=True)


def _add_group_routes(router: APIRouter, door: Door) -> None:
    groups = door.zone.groups

    @router.post("/groups", status_code=201, openapi_extra=schemas.CREATE_GROUP)
    async def create_own_group(request: Request) -> Response:
        """A group of the caller."""
        group = await groups.create(*await door.caller_and_body(request))
        return door.created(f"/user/groups/{group.id}")

    @router.post("/groups/join", status_code=201, openapi_extra=schemas.ONE_TOKEN)
    async def join_group(request: Request) -> Response:
        """Joins by an invitation."""
        group_id = await door.zone.group_members.join(*await door.caller_and_body(request))
        return door.created(f"/user/groups/{group_id}")

    @router.delete("/groups/{group_id}", status_code=204)
    async def leave_group(request: Request, group_id: str) -> Response:
        """Ends the caller's membership."""
        await door.zone.group_members.leave(await door.caller(request), group_id)
        return done()

    def add_looking(word: str, *, effective: bool) -> None:
        @router.get(f"/{word}")
        async def list_own_groups(request: Request) -> Response:
            """Groups of the caller: those he is a direct member of, or all."""
            found = await groups.list_own(await door.caller(request), effective=effective)
            return reply(ids("groups", found))

        @router.get(f"/{word}/{{group_id}}")
        async def get_own_group(request: Request, group_id: str) -> Response:
            """A group of the caller."""
            caller = await door.caller(request)
            return reply(group_view(await groups.get_own(caller, group_id, effective=effective)))

    add_looking("groups", effective=False)
    add_looking("effective_groups", effective=True)


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
