"""Who changed what, when and from where, as administrators see it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from isthmus.zone.v1 import shares_pb2

from runtime.errors import NotFound
from tests.support.zone import RunningZone, give_support, provider_client, registered_provider, user_token

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _notes(zone: RunningZone, **query: str | int) -> list[dict[str, Any]]:
    answer = await zone.admin.get("/audit", params=query)
    assert answer.status_code == 200, answer.text
    notes: list[dict[str, Any]] = answer.json()["notes"]
    return notes


async def _space(zone: RunningZone) -> str:
    made = await zone.admin.post("/user/spaces", json={"name": "space 1"})
    space_id: str = made.headers["location"].rpartition("/")[2]
    return space_id


async def test_change_of_privileges_is_noted_whole(zone: RunningZone) -> None:
    user_id, _ = await user_token(zone, "ann")
    space_id = await _space(zone)
    await zone.admin.put(f"/spaces/{space_id}/users/{user_id}")
    change = {"grant": ["space_update"], "revoke": ["space_read_data"]}
    headers = {"x-request-id": f"r-{zone.suffix}", "x-forwarded-for": "192.0.2.7"}
    path = f"/spaces/{space_id}/users/{user_id}/privileges"
    assert (await zone.admin.patch(path, json=change, headers=headers)).status_code == 204
    changed, added = await _notes(zone, about=user_id, limit=2)
    admin_id = (await zone.admin.get("/user")).json()["userId"]
    assert abs(changed.pop("time") - time.time()) < 60
    assert changed.pop("id") > added["id"]
    assert changed == {
        "who": f"usr-{admin_id}",
        "onBehalfOf": None,
        "from": "192.0.2.7",
        "action": "change_privileges",
        "about": [space_id, user_id],
        "details": change,
        "requestId": f"r-{zone.suffix}",
        "done": True,
    }
    assert (added["action"], added["about"]) == ("add_user", [space_id, user_id])


async def test_what_is_made_is_found_by_its_id(zone: RunningZone) -> None:
    space_id = await _space(zone)
    (made,) = await _notes(zone, about=space_id)
    assert (made["action"], made["details"], made["done"]) == ("create_own_space", {"name": "space 1"}, True)


async def test_refused_change_is_not_noted(zone: RunningZone) -> None:
    user_id, token = await user_token(zone, "joe")
    space_id = await _space(zone)
    before = await _notes(zone, about=space_id)
    async with zone.client(token) as joe, zone.client() as guest:
        assert (await joe.delete(f"/spaces/{space_id}")).status_code == 403
        assert (await guest.delete(f"/spaces/{space_id}")).status_code == 401
        assert (await joe.get("/audit")).status_code == 403
        assert (await guest.get("/audit")).status_code == 401
    assert await _notes(zone, about=space_id) == before
    assert all(note["action"] == "create_named_token" for note in await _notes(zone, who=f"usr-{user_id}"))


async def test_secrets_are_never_noted(zone: RunningZone) -> None:
    user_id, token = await user_token(zone, "joe")
    async with zone.client(token) as joe:
        change = {"oldPassword": "password1", "newPassword": "password2"}
        assert (await joe.patch("/user/password", json=change)).status_code == 204
        space_id = await _space(zone)
        invitation = (await zone.admin.post(f"/spaces/{space_id}/users/token")).json()["token"]
        assert (await joe.post("/user/spaces/join", json={"token": invitation})).status_code == 201
    (joined, changed) = (await _notes(zone, who=f"usr-{user_id}"))[:2]
    assert changed["details"] == {"oldPassword": "...", "newPassword": "..."}
    assert (joined["action"], joined["details"], joined["about"]) == (
        "join_space",
        {"token": "..."},
        [space_id],
    )
    (made,) = await _notes(zone, about=user_id, limit=1)
    assert made["details"]["password"] == "..."


async def test_providers_are_noted_too(zone: RunningZone) -> None:
    provider = await registered_provider(zone)
    space_id = await _space(zone)
    token = (await zone.admin.post(f"/spaces/{space_id}/providers/token")).json()["token"]
    async with provider_client(zone, provider) as rpc:
        await give_support(rpc, token, 10**9)
    supported = (await _notes(zone, about=space_id))[0]
    assert (supported["action"], supported["who"]) == ("support_space", f"prv-{provider.provider_id}")
    assert supported["details"]["size"] == 10**9
    assert supported["details"]["token"] == "..."


async def test_what_a_provider_repeats_is_noted_once(zone: RunningZone) -> None:
    provider = await registered_provider(zone)
    space_id = await _space(zone)
    token = (await zone.admin.post(f"/spaces/{space_id}/providers/token")).json()["token"]
    storage_id, share_id = f"st{zone.suffix}", f"sh{zone.suffix}"
    directory = shares_pb2.SHARE_ROOT_TYPE_DIRECTORY
    share = shares_pb2.Share(
        share_id=share_id, space_id=space_id, name="results", root_file_id="f1", root_type=directory
    )
    async with provider_client(zone, provider) as rpc:
        for _ in range(3):
            await asyncio.gather(*(rpc.create_storage(storage_id, "disk") for _ in range(3)))
            await rpc.support_space(token, size_bytes=10**9, storage_id=storage_id, request_id=space_id)
            await rpc.create_share(share)
        for _ in range(3):
            await rpc.delete_share(share_id)
            await rpc.revoke_support(space_id)
            await rpc.delete_storage(storage_id)
    notes = await _notes(zone, who=f"prv-{provider.provider_id}")
    assert [note["action"] for note in reversed(notes)] == [
        "create_storage",
        "support_space",
        "create_share",
        "delete_share",
        "withdraw_support",
        "delete_storage",
    ]
    assert all(note["done"] for note in notes)


async def test_notes_come_in_pages(zone: RunningZone) -> None:
    for _ in range(3):
        await _space(zone)
    first = await _notes(zone, limit=2)
    rest = await _notes(zone, limit=2, before=first[-1]["id"])
    assert [note["id"] for note in first + rest] == sorted(
        (note["id"] for note in first + rest), reverse=True
    )
    assert (await zone.admin.get("/audit?limit=0")).json()["error"]["id"] == "badValueTooLow"


async def test_shares_that_providers_make_change_and_end_are_noted(zone: RunningZone) -> None:
    provider = await registered_provider(zone)
    space_id = await _space(zone)
    token = (await zone.admin.post(f"/spaces/{space_id}/providers/token")).json()["token"]
    share = shares_pb2.Share(
        share_id=f"sh{zone.suffix}",
        space_id=space_id,
        name="results",
        root_file_id="f1",
        root_type=shares_pb2.SHARE_ROOT_TYPE_DIRECTORY,
        creator_id="u1",
    )
    user_id = f"u{zone.suffix}"
    behalf = shares_pb2.OnBehalfOf(user_id=user_id, peer_ip="192.0.2.7")
    async with provider_client(zone, provider) as rpc:
        await give_support(rpc, token, 10**9)
        await rpc.create_share(share, behalf=behalf)
        await rpc.update_share(share.share_id, name="renamed", description=None, behalf=behalf)
        await rpc.delete_share(share.share_id, behalf=behalf)
    ended, renamed, made = (await _notes(zone, about=space_id))[:3]
    assert [note["action"] for note in (made, renamed, ended)] == [
        "create_share",
        "update_share",
        "delete_share",
    ]
    for note in (made, renamed, ended):
        assert (note["who"], note["about"]) == (f"prv-{provider.provider_id}", [share.share_id, space_id])
        assert (note["onBehalfOf"], note["from"]) == (f"usr-{user_id}", "192.0.2.7")
        assert note["done"]
    assert await _notes(zone, who=f"usr-{user_id}") == [ended, renamed, made]
    assert made["details"] == {"name": "results", "rootFileId": "f1", "creatorId": "u1"}
    assert renamed["details"] == {"name": "renamed"}


async def test_share_a_provider_may_not_touch_leaves_no_note(zone: RunningZone) -> None:
    provider = await registered_provider(zone)
    async with provider_client(zone, provider) as rpc:
        with pytest.raises(NotFound):
            await rpc.update_share("nothing", name="renamed", description=None)
    assert await _notes(zone, who=f"prv-{provider.provider_id}") == []
