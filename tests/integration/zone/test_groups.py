"""Groups over REST: nested, in spaces, by invitation, and what they open."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.zone import RunningZone, give_support, provider_client, registered_provider, user_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEMBER = ["space_view", "space_read_data", "space_write_data", "space_view_transfers"]


def _error(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


async def _made(client: httpx.AsyncClient, path: str, **body: Any) -> str:
    """The id of a new group or space; `path` is where it is made."""
    made = await client.post(path, json={"name": "thing 1", **body})
    assert (made.status_code, made.content) == (201, b""), made.text
    location, _, new_id = made.headers["location"].rpartition("/")
    assert location == f"https://zone.example.org/api/v3/onezone{path}"
    return new_id


async def _listed(client: httpx.AsyncClient, path: str) -> list[Any]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    (found,) = answer.json().values()
    return list(found)


async def test_own_group_gives_its_creator_everything(zone: RunningZone) -> None:
    user_id, token = await user_token(zone, "joe")
    async with zone.client(token) as joe:
        group_id = await _made(joe, "/user/groups", type="unit")
        group = (await joe.get(f"/groups/{group_id}")).json()
        assert group == (await joe.get(f"/user/effective_groups/{group_id}")).json()
        assert await _listed(joe, "/user/groups") == [group_id]
        assert await _listed(joe, f"/groups/{group_id}/users") == [user_id]
        assert len(await _listed(joe, f"/groups/{group_id}/users/{user_id}/privileges")) == 23
    created = group.pop("creationTime")
    assert isinstance(created, int)
    creator = {"type": "user", "id": user_id}
    assert group == {"groupId": group_id, "name": "thing 1", "type": "unit", "creator": creator}


async def test_group_is_changed_and_deleted_by_who_may(zone: RunningZone) -> None:
    ann_id, ann = await user_token(zone, "ann")
    group_id = await _made(zone.admin, "/user/groups")
    assert (await zone.admin.put(f"/groups/{group_id}/users/{ann_id}")).status_code == 201
    async with zone.client(ann) as client:
        assert _error(await client.patch(f"/groups/{group_id}", json={"name": "mine"}), 403)
        assert _error(await client.delete(f"/groups/{group_id}"), 403)
        assert _error(await client.get("/groups"), 403)
        change = {"name": "renamed", "type": "role_holders"}
        assert (await zone.admin.patch(f"/groups/{group_id}", json=change)).status_code == 204
        group = (await client.get(f"/groups/{group_id}")).json()
        assert (group["name"], group["type"]) == ("renamed", "role_holders")
        assert (await zone.admin.delete(f"/groups/{group_id}")).status_code == 204
        assert await _listed(client, "/user/effective_groups") == []
    assert _error(await zone.admin.get(f"/groups/{group_id}"), 404)


async def test_strangers_do_not_see_a_group(zone: RunningZone) -> None:
    _, ann = await user_token(zone, "ann")
    group_id = await _made(zone.admin, "/user/groups")
    async with zone.client(ann) as client, zone.client() as guest:
        assert _error(await client.get(f"/groups/{group_id}"), 403)
        assert _error(await client.get(f"/user/groups/{group_id}"), 404)
        assert _error(await guest.get(f"/groups/{group_id}"), 401)
        assert _error(await client.post("/groups", json={"name": "group"}), 403)


async def test_administrators_make_groups_without_members(zone: RunningZone) -> None:
    group_id = await _made(zone.admin, "/groups")
    assert await _listed(zone.admin, f"/groups/{group_id}/users") == []
    assert group_id in await _listed(zone.admin, "/groups")


async def test_nested_groups_open_a_space_and_close_it_again(zone: RunningZone) -> None:
    ann_id, ann = await user_token(zone, "ann")
    space_id = await _made(zone.admin, "/user/spaces")
    top = await _made(zone.admin, f"/spaces/{space_id}/groups")
    middle = await _made(zone.admin, f"/groups/{top}/children")
    low = await _made(zone.admin, f"/groups/{middle}/children")
    await zone.admin.put(f"/groups/{low}/users/{ann_id}")
    async with zone.client(ann) as client:
        assert sorted(await _listed(client, "/user/effective_groups")) == sorted([top, middle, low])
        assert await _listed(client, "/user/groups") == [low]
        assert await _listed(client, "/user/effective_spaces") == [space_id]
        assert await _listed(client, "/user/spaces") == []
        assert (await client.get(f"/spaces/{space_id}")).json()["name"] == "thing 1"
        assert _error(await client.get(f"/user/spaces/{space_id}"), 404)
        own = f"/spaces/{space_id}/effective_users/{ann_id}"
        assert await _listed(client, f"{own}/privileges") == MEMBER
        assert await _listed(client, f"{own}/membership") == [{"type": "od_group", "id": top}]
        assert (await zone.admin.delete(f"/groups/{middle}/children/{low}")).status_code == 204
        assert await _listed(client, "/user/effective_spaces") == []
        assert _error(await client.get(f"/spaces/{space_id}"), 403)


async def test_privileges_of_several_ways_add_up(zone: RunningZone) -> None:
    ann_id, ann = await user_token(zone, "ann")
    space_id = await _made(zone.admin, "/user/spaces")
    groups = [await _made(zone.admin, f"/spaces/{space_id}/groups") for _ in range(2)]
    for group_id, privilege in zip(groups, ("space_update", "space_view_qos"), strict=True):
        await zone.admin.put(f"/groups/{group_id}/users/{ann_id}")
        path = f"/spaces/{space_id}/groups/{group_id}/privileges"
        body = {"revoke": MEMBER, "grant": ["space_view", privilege]}
        assert (await zone.admin.patch(path, json=body)).status_code == 204
    await zone.admin.put(f"/spaces/{space_id}/users/{ann_id}", json={"privileges": ["space_read_data"]})
    own = f"/spaces/{space_id}/effective_users/{ann_id}"
    async with zone.client(ann) as client:
        effective = await _listed(client, f"{own}/privileges")
        assert effective == ["space_view", "space_read_data", "space_view_qos", "space_update"]
        assert await _listed(client, f"/spaces/{space_id}/users/{ann_id}/privileges") == ["space_read_data"]
        ways = await _listed(client, f"{own}/membership")
        assert {(way["type"], way["id"]) for way in ways} == {
            ("od_user", ann_id),
            *(("od_group", group_id) for group_id in groups),
        }
        assert (await client.patch(f"/spaces/{space_id}", json={"name": "renamed"})).status_code == 204


async def test_no_group_comes_to_be_in_itself(zone: RunningZone) -> None:
    top = await _made(zone.admin, "/user/groups")
    middle = await _made(zone.admin, f"/groups/{top}/children")
    low = await _made(zone.admin, f"/groups/{middle}/children")
    for group_id in (top, middle):
        error = _error(await zone.admin.put(f"/groups/{low}/children/{group_id}"), 400)
        assert error["id"] == "cannotAddRelationToSelf"
    assert (
        _error(await zone.admin.put(f"/groups/{low}/children/{low}"), 400)["id"] == "cannotAddRelationToSelf"
    )
    token = (await zone.admin.post(f"/groups/{low}/children/token")).json()["token"]
    error = _error(await zone.admin.post(f"/groups/{top}/parents/join", json={"token": token}), 400)
    assert error["id"] == "cannotAddRelationToSelf"


async def test_users_and_groups_join_groups_by_invitation(zone: RunningZone) -> None:
    ann_id, ann = await user_token(zone, "ann")
    group_id = await _made(zone.admin, "/user/groups")
    for_users = (await zone.admin.post(f"/groups/{group_id}/users/token")).json()["token"]
    for_groups = (await zone.admin.post(f"/groups/{group_id}/children/token")).json()["token"]
    async with zone.client(ann) as client:
        joined = await client.post("/user/groups/join", json={"token": for_users})
        assert joined.headers["location"].endswith(f"/user/groups/{group_id}")
        error = _error(await client.post("/user/groups/join", json={"token": for_users}), 409)
        assert error["details"]["parentType"] == "group"
        assert await _listed(client, f"/groups/{group_id}/users/{ann_id}/privileges") == ["group_view"]
        wrong = _error(await client.post("/user/groups/join", json={"token": for_groups}), 400)
        assert wrong["details"]["tokenError"]["id"] == "notAnInviteToken"
        mine = await _made(client, "/user/groups")
        joined = await client.post(f"/groups/{mine}/parents/join", json={"token": for_groups})
        assert joined.headers["location"].endswith(f"/groups/{mine}/parents/{group_id}")
        assert await _listed(client, f"/groups/{mine}/parents") == [group_id]
        assert await _listed(client, f"/groups/{mine}/effective_parents") == [group_id]
        assert (await client.get(f"/groups/{mine}/parents/{group_id}")).json()["groupId"] == group_id
        assert (await client.delete(f"/groups/{mine}/parents/{group_id}")).status_code == 204
        assert _error(await client.get(f"/groups/{mine}/parents/{group_id}"), 404)
        assert (await client.delete(f"/user/groups/{group_id}")).status_code == 204


async def test_group_joins_a_space_by_invitation_and_leaves(zone: RunningZone) -> None:
    ann_id, ann = await user_token(zone, "ann")
    space_id = await _made(zone.admin, "/user/spaces")
    token = (await zone.admin.post(f"/spaces/{space_id}/groups/token")).json()["token"]
    async with zone.client(ann) as client:
        group_id = await _made(client, "/user/groups")
        joined = await client.post(f"/groups/{group_id}/spaces/join", json={"token": token})
        assert joined.headers["location"].endswith(f"/groups/{group_id}/spaces/{space_id}")
        assert await _listed(client, f"/groups/{group_id}/spaces") == [space_id]
        assert await _listed(client, f"/spaces/{space_id}/effective_groups") == [group_id]
        assert ann_id in await _listed(client, f"/spaces/{space_id}/effective_users")
        assert (await client.get(f"/spaces/{space_id}/groups/{group_id}")).json()["groupId"] == group_id
        assert (await client.delete(f"/groups/{group_id}/spaces/{space_id}")).status_code == 204
        assert await _listed(client, "/user/effective_spaces") == []


async def test_what_a_member_may_with_a_group_is_asked_in_that_group(zone: RunningZone) -> None:
    ann_id, ann = await user_token(zone, "ann")
    space_id = await _made(zone.admin, "/user/spaces")
    group_id = await _made(zone.admin, "/user/groups")
    await zone.admin.put(f"/groups/{group_id}/users/{ann_id}")
    token = (await zone.admin.post(f"/spaces/{space_id}/groups/token")).json()["token"]
    async with zone.client(ann) as client:
        assert _error(await client.post(f"/groups/{group_id}/spaces/join", json={"token": token}), 403)
        assert _error(await client.post(f"/groups/{group_id}/spaces", json={"name": "space"}), 403)
        assert _error(await client.post(f"/groups/{group_id}/parents", json={"name": "group"}), 403)
        own_space = await _made(client, "/user/spaces")
        assert _error(await client.put(f"/spaces/{own_space}/groups/{group_id}"), 403)


async def test_space_made_by_a_group_belongs_to_all_its_users(zone: RunningZone) -> None:
    ann_id, ann = await user_token(zone, "ann")
    joe_id, joe = await user_token(zone, "joe")
    async with zone.client(ann) as client, zone.client(joe) as other:
        group_id = await _made(client, "/user/groups")
        await zone.admin.put(f"/groups/{group_id}/users/{joe_id}")
        space_id = await _made(client, f"/groups/{group_id}/spaces")
        assert await _listed(other, f"/spaces/{space_id}/owners") == [ann_id]
        assert (await other.patch(f"/spaces/{space_id}", json={"name": "ours"})).status_code == 204


async def test_group_around_a_group_gives_it_all(zone: RunningZone) -> None:
    _, ann = await user_token(zone, "ann")
    async with zone.client(ann) as client:
        child = await _made(client, "/user/groups")
        parent = await _made(client, f"/groups/{child}/parents")
        assert len(await _listed(client, f"/groups/{parent}/children/{child}/privileges")) == 23
        assert await _listed(client, f"/groups/{parent}/effective_children") == [child]
        assert (await client.patch(f"/groups/{parent}", json={"name": "ours"})).status_code == 204


async def test_adding_a_group_by_id_takes_both_sides(zone: RunningZone) -> None:
    _, ann = await user_token(zone, "ann")
    async with zone.client(ann) as client:
        space_id = await _made(client, "/user/spaces")
        group_id = await _made(client, "/user/groups")
        made = await client.put(f"/spaces/{space_id}/groups/{group_id}", json={"privileges": ["space_view"]})
        assert made.headers["location"].endswith(f"/spaces/{space_id}/groups/{group_id}")
        error = _error(await client.put(f"/spaces/{space_id}/groups/{group_id}"), 409)
        assert error["details"]["childType"] == "group"
        unknown = _error(await client.put(f"/spaces/{space_id}/groups/nothing"), 400)
        assert (unknown["id"], unknown["details"]) == ("badValueIdNotFound", {"key": "groupId"})
        unknown = _error(await client.put(f"/groups/{group_id}/children/nothing"), 400)
        assert unknown["details"] == {"key": "childId"}


async def test_consumer_caveat_takes_members_of_nested_groups(zone: RunningZone) -> None:
    ann_id, identity = await user_token(zone, "ann", type={"identityToken": {}})
    top = await _made(zone.admin, "/user/groups")
    low = await _made(zone.admin, f"/groups/{top}/children")
    caveat = {"type": "consumer", "whitelist": [f"grp-{top}"]}
    _, token = await user_token(zone, "joe", caveats=[caveat])
    body = {"token": token, "consumerToken": identity}
    async with zone.client() as guest:
        refused = await guest.post("/tokens/verify_access_token", json=body)
        assert _error(refused, 400)["id"] == "tokenCaveatUnverified"
        await zone.admin.put(f"/groups/{low}/users/{ann_id}")
        assert (await guest.post("/tokens/verify_access_token", json=body)).status_code == 200


@pytest.mark.parametrize(
    ("body", "id"),
    [
        ({}, "missingRequiredValue"),
        ({"name": "x"}, "badValueName"),
        ({"name": 5}, "badValueString"),
        ({"name": "group", "type": "gang"}, "badValueNotAllowed"),
    ],
)
async def test_bad_values_of_groups(zone: RunningZone, body: dict[str, Any], id: str) -> None:
    assert _error(await zone.admin.post("/user/groups", json=body), 400)["id"] == id


async def test_group_privileges_are_named_rightly(zone: RunningZone) -> None:
    user_id, _ = await user_token(zone, "joe")
    group_id = await _made(zone.admin, "/user/groups")
    await zone.admin.put(f"/groups/{group_id}/users/{user_id}")
    path = f"/groups/{group_id}/users/{user_id}/privileges"
    assert _error(await zone.admin.patch(path, json={}), 400)["id"] == "missingAtLeastOneValue"
    error = _error(await zone.admin.patch(path, json={"grant": ["space_view"]}), 400)
    assert error["id"] == "badValueListNotAllowed"
    assert (await zone.admin.patch(path, json={"grant": ["group_update"]})).status_code == 204
    assert await _listed(zone.admin, path) == ["group_view", "group_update"]
    assert _error(await zone.admin.get(f"/groups/{group_id}/users/nobody"), 404)
    async with zone.client() as guest:
        levels = (await guest.get("/groups/privileges")).json()
    assert [len(levels[level]) for level in ("member", "manager", "admin")] == [1, 12, 23]


async def test_provider_lists_whom_it_serves_through_groups(zone: RunningZone) -> None:
    provider = await registered_provider(zone)
    ann_id, ann = await user_token(zone, "ann")
    space_id = await _made(zone.admin, "/user/spaces")
    group_id = await _made(zone.admin, f"/spaces/{space_id}/groups")
    await zone.admin.put(f"/groups/{group_id}/users/{ann_id}")
    token = (await zone.admin.post(f"/spaces/{space_id}/providers/token")).json()["token"]
    async with provider_client(zone, provider) as rpc:
        await give_support(rpc, token, 10**9)
    base = f"/providers/{provider.provider_id}"
    assert ann_id in await _listed(zone.admin, f"{base}/effective_users")
    assert await _listed(zone.admin, f"{base}/effective_groups") == [group_id]
    ways = await _listed(zone.admin, f"{base}/effective_users/{ann_id}/membership")
    assert ways == [{"type": "od_space", "id": space_id}]
    assert (await zone.admin.get(f"{base}/effective_users/{ann_id}")).json()["userId"] == ann_id
    assert (await zone.admin.get(f"{base}/spaces/{space_id}")).json()["spaceId"] == space_id
    assert _error(await zone.admin.get(f"{base}/effective_groups/nothing"), 404)
    async with zone.client(ann) as client:
        assert await _listed(client, f"/groups/{group_id}/effective_providers") == [provider.provider_id]
        own = f"/groups/{group_id}/effective_providers/{provider.provider_id}"
        assert (await client.get(own)).json()["name"] == "krakow"
        assert await _listed(client, f"{own}/spaces") == [space_id]
        assert await _listed(client, "/user/effective_providers") == [provider.provider_id]
