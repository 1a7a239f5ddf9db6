"""Routes of members, the same for spaces and for groups."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from services.zone.api.rest import schemas
from services.zone.api.rest.door import Door, ids
from services.zone.api.rest.http import done, reply
from services.zone.api.rest.views import group_view, shared_user_view
from services.zone.domain.entities import Kind, Ref
from services.zone.domain.members import Members


def add_member_routes(router: APIRouter, door: Door, members: Members, base: str, groups: str) -> None:
    """Members of the things at `base`. `groups`: how the API calls groups that are members there."""
    for kind, word in ((Kind.USER, "users"), (Kind.GROUP, groups)):
        _add_invitations(router, door, members, kind, word)
        _add_looking(router, door, members, kind, word, effective=False)
        _add_looking(router, door, members, kind, f"effective_{word}", effective=True)
        _add_ways(router, door, members, kind, f"effective_{word}")
        _add_changing(router, door, members, kind, word)
    _add_users(router, door, members, base)
    _add_groups(router, door, members, base, groups)


def _add_invitations(router: APIRouter, door: Door, members: Members, kind: Kind, word: str) -> None:
    @router.post(f"/{{target_id}}/{word}/token")
    async def create_invitation(request: Request, target_id: str) -> Response:
        """An invitation."""
        return reply({"token": await members.invite(await door.caller(request), target_id, kind)})


def _add_looking(
    router: APIRouter, door: Door, members: Members, kind: Kind, word: str, *, effective: bool
) -> None:
    path = f"/{{target_id}}/{word}"

    @router.get(path)
    async def list_members(request: Request, target_id: str) -> Response:
        """Ids of members."""
        caller = await door.caller(request)
        found = await members.list_ids(caller, target_id, kind, effective=effective)
        return reply(ids("users" if kind is Kind.USER else "groups", found))

    @router.get(path + "/{member_id}")
    async def get_member(request: Request, target_id: str, member_id: str) -> Response:
        """A member."""
        caller = await door.caller(request)
        if kind is Kind.USER:
            user = await members.get_user(caller, target_id, member_id, effective=effective)
            return reply(shared_user_view(user))
        return reply(group_view(await members.get_group(caller, target_id, member_id, effective=effective)))

    @router.get(path + "/{member_id}/privileges")
    async def get_privileges(request: Request, target_id: str, member_id: str) -> Response:
        """Privileges of a member: given to him, or effective."""
        caller = await door.caller(request)
        member = Ref(kind, member_id)
        return reply(
            ids("privileges", await members.privileges(caller, target_id, member, effective=effective))
        )


def _add_ways(router: APIRouter, door: Door, members: Members, kind: Kind, word: str) -> None:
    @router.get(f"/{{target_id}}/{word}/{{member_id}}/membership")
    async def get_membership(request: Request, target_id: str, member_id: str) -> Response:
        """By way of which direct members somebody is a member; a direct one by himself."""
        ways = await members.ways(await door.caller(request), target_id, Ref(kind, member_id))
        return reply({"intermediaries": [{"type": way.kind.entity, "id": way.id} for way in ways]})


def _add_changing(router: APIRouter, door: Door, members: Members, kind: Kind, word: str) -> None:
    path = f"/{{target_id}}/{word}/{{member_id}}"

    @router.delete(path, status_code=204)
    async def remove_member(request: Request, target_id: str, member_id: str) -> Response:
        """Ends a membership."""
        await members.remove(await door.caller(request), target_id, Ref(kind, member_id))
        return done()

    @router.patch(path + "/privileges", status_code=204, openapi_extra=schemas.PRIVILEGE_CHANGE)
    async def change_privileges(request: Request, target_id: str, member_id: str) -> Response:
        """Gives and takes privileges."""
        caller, body = await door.caller_and_body(request)
        await members.change_privileges(caller, target_id, Ref(kind, member_id), body)
        return done()


def _add_users(router: APIRouter, door: Door, members: Members, base: str) -> None:
    @router.put("/{target_id}/users/{user_id}", status_code=201, openapi_extra=schemas.PRIVILEGES)
    async def add_user(request: Request, target_id: str, user_id: str) -> Response:
        """Makes a user a member."""
        caller, body = await door.caller_and_body(request)
        await members.add_user(caller, target_id, user_id, body)
        return door.created(f"{base}/{target_id}/users/{user_id}")


def _add_groups(router: APIRouter, door: Door, members: Members, base: str, word: str) -> None:
    @router.put(f"/{{target_id}}/{word}/{{group_id}}", status_code=201, openapi_extra=schemas.PRIVILEGES)
    async def add_group(request: Request, target_id: str, group_id: str) -> Response:
        """Makes a group a member."""
        caller, body = await door.caller_and_body(request)
        await members.add_group(caller, target_id, group_id, body)
        return door.created(f"{base}/{target_id}/{word}/{group_id}")

    @router.post(f"/{{target_id}}/{word}", status_code=201, openapi_extra=schemas.CREATE_GROUP)
    async def create_group(request: Request, target_id: str) -> Response:
        """A new group that is a member from the start."""
        caller, body = await door.caller_and_body(request)
        group = await members.create_group(caller, target_id, body)
        return door.created(f"{base}/{target_id}/{word}/{group.id}")
