"""Spaces over REST: making, joining, members, privileges, owners."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.zone import RunningZone, user_token

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _error(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


async def _space(client: httpx.AsyncClient, **body: Any) -> str:
    made = await client.post("/user/spaces", json={"name": "space 1", **body})
    assert (made.status_code, made.content) == (201, b"")
    space_id: str = made.headers["location"].rpartition("/")[2]
    assert made.headers["location"] == f"https://zone.example.org/api/v3/onezone/user/spaces/{space_id}"
    return space_id


async def _invitation(client: httpx.AsyncClient, space_id: str, **body: Any) -> str:
    type = {"inviteToken": {"inviteType": "userJoinSpace", "spaceId": space_id}}
    made = await client.post("/user/tokens/named", json={"name": f"join {space_id}", "type": type, **body})
    assert made.status_code == 201, made.text
    text: str = made.json()["token"]
    return text


async def test_space_needs_a_proper_name(zone: RunningZone) -> None:
    assert _error(await zone.admin.post("/user/spaces", json={"name": "x"}), 400)["id"] == "badValueName"
    assert _error(await zone.admin.post("/user/spaces", json={}), 400)["id"] == "missingRequiredValue"
    assert await _space(zone.admin)


async def test_own_space_is_seen_whole(zone: RunningZone) -> None:
    user_id, token = await user_token(zone, "joe")
    async with zone.client(token) as joe:
        space_id = await _space(joe, description="about", organizationName="org")
        space = (await joe.get(f"/user/effective_spaces/{space_id}")).json()
        assert space == (await joe.get(f"/spaces/{space_id}")).json()
        assert (await joe.get("/user/effective_spaces")).json() == {"spaces": [space_id]}
        privileges = await joe.get(f"/spaces/{space_id}/users/{user_id}/privileges")
        assert len(privileges.json()["privileges"]) == 39
        assert (await joe.get(f"/spaces/{space_id}/owners")).json() == {"users": [user_id]}
    assert (space["name"], space["description"], space["providers"]) == ("space 1", "about", {})
    assert space["creator"] == {"type": "user", "id": user_id}


async def test_strangers_do_not_see_a_space(zone: RunningZone) -> None:
    _, ann = await user_token(zone, "ann")
    space_id = await _space(zone.admin)
    async with zone.client(ann) as client, zone.client() as guest:
        assert _error(await client.get(f"/spaces/{space_id}"), 403)["id"] == "forbidden"
        assert _error(await client.get(f"/user/effective_spaces/{space_id}"), 404)["id"] == "notFound"
        assert _error(await guest.get(f"/spaces/{space_id}"), 401)["id"] == "unauthorized"
        assert _error(await client.get("/spaces"), 403)["id"] == "forbidden"


async def test_seed_makes_the_same_id_once(zone: RunningZone) -> None:
    _, ann = await user_token(zone, "ann")
    space_id = await _space(zone.admin, idGeneratorSeed=zone.suffix)
    async with zone.client(ann) as client:
        again = await client.post("/user/spaces", json={"name": "other", "idGeneratorSeed": zone.suffix})
        assert _error(again, 409)["id"] == "alreadyExists"
        assert _error(await client.get(f"/user/spaces/{space_id}"), 404)["id"] == "notFound"


async def test_invited_user_becomes_a_plain_member(zone: RunningZone) -> None:
    ann_id, ann = await user_token(zone, "ann")
    space_id = await _space(zone.admin)
    invitation = (await zone.admin.post(f"/spaces/{space_id}/users/token")).json()["token"]
    async with zone.client(ann) as client:
        joined = await client.post("/user/spaces/join", json={"token": invitation})
        assert joined.status_code == 201
        assert joined.headers["location"].endswith(f"/user/spaces/{space_id}")
        error = _error(await client.post("/user/spaces/join", json={"token": invitation}), 409)
        assert error["details"] == {
            "childType": "user",
            "childId": ann_id,
            "parentType": "space",
            "parentId": space_id,
        }
        own = (await client.get(f"/spaces/{space_id}/users/{ann_id}/privileges")).json()
        assert own["privileges"] == [
            "space_view",
            "space_read_data",
            "space_write_data",
            "space_view_transfers",
        ]
        assert _error(await client.patch(f"/spaces/{space_id}", json={"name": "mine"}), 403)
        assert (await client.delete(f"/user/spaces/{space_id}")).status_code == 204
        assert (await client.get("/user/spaces")).json() == {"spaces": []}


async def test_invitation_is_used_as_often_as_it_may(zone: RunningZone) -> None:
    space_id = await _space(zone.admin)
    invitation = await _invitation(zone.admin, space_id, usageLimit=1, privileges=["space_view"])
    _, ann = await user_token(zone, "ann")
    _, bob = await user_token(zone, "bob")
    async with zone.client(ann) as client:
        assert (await client.post("/user/spaces/join", json={"token": invitation})).status_code == 201
        assert _error(await client.post("/user/spaces/join", json={"token": invitation}), 409)
    async with zone.client(bob) as client:
        error = _error(await client.post("/user/spaces/join", json={"token": invitation}), 400)
    assert error["id"] == "inviteTokenUsageLimitReached"


async def test_invitation_is_worth_what_its_issuer_is(zone: RunningZone) -> None:
    joe_id, joe = await user_token(zone, "joe")
    _, ann = await user_token(zone, "ann")
    space_id = await _space(zone.admin)
    body = {"privileges": ["space_view", "space_add_user"]}
    assert (await zone.admin.put(f"/spaces/{space_id}/users/{joe_id}", json=body)).status_code == 201
    async with zone.client(joe) as client:
        invitation = await _invitation(client, space_id)
        custom = {"name": "custom", "privileges": ["space_view"]}
        type = {"inviteToken": {"inviteType": "userJoinSpace", "spaceId": space_id}}
        error = _error(await client.post("/user/tokens/named", json={**custom, "type": type}), 400)
        assert error["id"] == "inviteTokenSubjectNotAuthorized"
    revoke = {"revoke": ["space_add_user"]}
    await zone.admin.patch(f"/spaces/{space_id}/users/{joe_id}/privileges", json=revoke)
    async with zone.client(ann) as client:
        error = _error(await client.post("/user/spaces/join", json={"token": invitation}), 400)
        assert error["id"] == "inviteTokenSubjectNotAuthorized"


async def test_join_takes_invitations_to_spaces_only(zone: RunningZone) -> None:
    space_id = await _space(zone.admin)
    support = (await zone.admin.post(f"/spaces/{space_id}/providers/token")).json()["token"]
    _, access = await user_token(zone, "joe")
    async with zone.client(access) as joe:
        for text, cause in ((support, "notAnInviteToken"), (access, "notAnInviteToken"), ("x", "badToken")):
            error = _error(await joe.post("/user/spaces/join", json={"token": text}), 400)
            assert (error["id"], error["details"]["key"]) == ("badValueToken", "token")
            assert error["details"]["tokenError"]["id"] == cause


async def test_privileges_change_and_apply(zone: RunningZone) -> None:
    ann_id, ann = await user_token(zone, "ann")
    space_id = await _space(zone.admin)
    await zone.admin.put(f"/spaces/{space_id}/users/{ann_id}", json={"privileges": []})
    path = f"/spaces/{space_id}/users/{ann_id}/privileges"
    async with zone.client(ann) as client:
        assert _error(await client.get(f"/spaces/{space_id}/users"), 403)
        grant = {"grant": ["space_view", "space_update"]}
        assert (await zone.admin.patch(path, json=grant)).status_code == 204
        assert ann_id in (await client.get(f"/spaces/{space_id}/users")).json()["users"]
        assert (await client.patch(f"/spaces/{space_id}", json={"name": "renamed"})).status_code == 204
        assert (await client.get(f"/spaces/{space_id}")).json()["name"] == "renamed"
        assert _error(await client.patch(path, json=grant), 403)
    assert _error(await zone.admin.patch(path, json={}), 400)["details"] == {"keys": ["grant", "revoke"]}
    bad = _error(await zone.admin.patch(path, json={"grant": ["space_fly"]}), 400)
    assert bad["id"] == "badValueListNotAllowed"


async def test_adding_by_id_is_for_administrators(zone: RunningZone) -> None:
    joe_id, joe = await user_token(zone, "joe")
    ann_id, _ = await user_token(zone, "ann")
    async with zone.client(joe) as client:
        space_id = await _space(client)
        assert _error(await client.put(f"/spaces/{space_id}/users/{ann_id}"), 403)
        error = _error(await client.put(f"/spaces/{space_id}/users/{joe_id}"), 409)
        assert error["id"] == "relationAlreadyExists"
    made = await zone.admin.put(f"/spaces/{space_id}/users/{ann_id}")
    assert made.headers["location"].endswith(f"/spaces/{space_id}/users/{ann_id}")
    unknown = _error(await zone.admin.put(f"/spaces/{space_id}/users/nobody"), 400)
    assert (unknown["id"], unknown["details"]) == ("badValueIdNotFound", {"key": "userId"})


async def test_space_with_members_keeps_an_owner(zone: RunningZone) -> None:
    joe_id, joe = await user_token(zone, "joe")
    ann_id, ann = await user_token(zone, "ann")
    async with zone.client(joe) as client, zone.client(ann) as other:
        space_id = await _space(client)
        await zone.admin.put(f"/spaces/{space_id}/users/{ann_id}")
        error = _error(await client.delete(f"/user/spaces/{space_id}"), 400)
        assert error["id"] == "cannotRemoveLastOwner"
        assert error["details"] == {"entityType": "space", "entityId": space_id}
        assert _error(await other.put(f"/spaces/{space_id}/owners/{ann_id}"), 403)
        assert (await client.put(f"/spaces/{space_id}/owners/{ann_id}")).status_code == 204
        assert (await other.delete(f"/spaces/{space_id}/owners/{joe_id}")).status_code == 204
        assert (await other.get(f"/spaces/{space_id}/owners")).json() == {"users": [ann_id]}
        assert (await other.delete(f"/spaces/{space_id}/users/{joe_id}")).status_code == 204
        assert (await other.delete(f"/user/spaces/{space_id}")).status_code == 204


async def test_owner_is_removed_by_owners_only(zone: RunningZone) -> None:
    joe_id, joe = await user_token(zone, "joe")
    ann_id, ann = await user_token(zone, "ann")
    async with zone.client(joe) as client, zone.client(ann) as manager:
        space_id = await _space(client)
        body = {"privileges": ["space_view", "space_remove_user"]}
        await zone.admin.put(f"/spaces/{space_id}/users/{ann_id}", json=body)
        assert _error(await manager.delete(f"/spaces/{space_id}/users/{joe_id}"), 403)


async def test_space_of_a_deleted_owner_goes_to_the_strongest_member(zone: RunningZone) -> None:
    joe_id, joe = await user_token(zone, "joe")
    ann_id, _ = await user_token(zone, "ann")
    bob_id, _ = await user_token(zone, "bob")
    async with zone.client(joe) as client:
        space_id = await _space(client)
    await zone.admin.put(f"/spaces/{space_id}/users/{ann_id}")
    strong = {
        "privileges": ["space_view", "space_update", "space_delete", "space_add_user", "space_read_data"]
    }
    await zone.admin.put(f"/spaces/{space_id}/users/{bob_id}", json=strong)
    assert (await zone.admin.delete(f"/users/{joe_id}")).status_code == 204
    assert (await zone.admin.get(f"/spaces/{space_id}/owners")).json() == {"users": [bob_id]}


async def test_space_of_a_deleted_owner_goes_to_a_member_of_its_groups(zone: RunningZone) -> None:
    joe_id, joe = await user_token(zone, "joe")
    ann_id, _ = await user_token(zone, "ann")
    async with zone.client(joe) as client:
        space_id = await _space(client)
        group = await client.post(f"/spaces/{space_id}/groups", json={"name": "group"})
    group_id = group.headers["location"].rpartition("/")[2]
    await zone.admin.put(f"/groups/{group_id}/users/{ann_id}")
    await zone.admin.delete(f"/users/{joe_id}")
    assert (await zone.admin.get(f"/spaces/{space_id}/owners")).json() == {"users": [ann_id]}


async def test_deleted_space_is_gone_for_all(zone: RunningZone) -> None:
    ann_id, ann = await user_token(zone, "ann")
    space_id = await _space(zone.admin)
    await zone.admin.put(f"/spaces/{space_id}/users/{ann_id}")
    async with zone.client(ann) as client:
        assert _error(await client.delete(f"/spaces/{space_id}"), 403)
        assert (await zone.admin.delete(f"/spaces/{space_id}")).status_code == 204
        assert (await client.get("/user/spaces")).json() == {"spaces": []}
    assert _error(await zone.admin.get(f"/spaces/{space_id}"), 404)


@pytest.mark.parametrize(
    ("body", "id"),
    [
        ({}, "missingAtLeastOneValue"),
        ({"name": "x"}, "badValueName"),
        ({"description": 5}, "badValueString"),
        ({"description": "d" * 100_001}, "badValueTextTooLarge"),
        ({"tags": ["unknown"]}, "badValueListNotAllowed"),
        ({"advertisedInMarketplace": "yes"}, "badValueBoolean"),
        ({"marketplaceContactEmail": "nobody"}, "badValueEmail"),
    ],
)
async def test_bad_values_of_spaces(zone: RunningZone, body: dict[str, Any], id: str) -> None:
    space_id = await _space(zone.admin)
    assert _error(await zone.admin.patch(f"/spaces/{space_id}", json=body), 400)["id"] == id


async def test_levels_of_privileges_are_public(zone: RunningZone) -> None:
    async with zone.client() as guest:
        levels = (await guest.get("/spaces/privileges")).json()
        admin = (await guest.get("/privileges")).json()
    assert [len(levels[level]) for level in ("member", "manager", "admin")] == [4, 25, 39]
    assert set(admin["viewer"]) < set(admin["admin"])
