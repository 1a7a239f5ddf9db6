"""Deleted directories over REST."""

from __future__ import annotations

import pytest

from runtime.http.file_ids import encode
from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_rest_files import API, errno, error_id

TRASH = f"{API}/data/home1/trash"


@pytest.fixture
async def deleted(gateway: GatewayTwin) -> str:
    """A directory in the trash that has a file in it."""
    id = await gateway.make("d", type="DIR")
    await gateway.make("d/file")
    assert (await gateway.http.delete(f"{API}/data/{id}")).status_code == 204
    return id


async def test_the_trash_tells_what_can_be_restored(gateway: GatewayTwin, deleted: str) -> None:
    told = (await gateway.http.get(TRASH)).json()
    (entry,) = told["directories"]
    assert told["nextPageToken"] is None
    assert (entry["fileId"], entry["name"], entry["deletedBy"], entry["ownerUserId"]) == (
        deleted, "d", "u1", "u1",
    )  # fmt: skip
    assert entry["parentFileId"] == encode("home1", "space_home1")
    assert entry["expiresAt"] - entry["deletedAt"] == 3600
    assert (await gateway.http.get(TRASH, headers={"x-auth-token": "member"})).json()["directories"] == []


async def test_a_directory_comes_back_by_its_id(gateway: GatewayTwin, deleted: str) -> None:
    answer = await gateway.http.post(f"{API}/data/{deleted}/restore")
    assert (answer.status_code, answer.json()) == (200, {"fileId": deleted})
    assert await gateway.id_of("d") == deleted
    assert await gateway.id_of("d/file")


async def test_it_comes_back_elsewhere(gateway: GatewayTwin, deleted: str) -> None:
    parent = await gateway.make("p", type="DIR")
    body = {"target_parent_id": parent, "name": "back"}
    assert (await gateway.http.post(f"{API}/data/{deleted}/restore", json=body)).status_code == 200
    assert await gateway.id_of("p/back") == deleted


async def test_conflicts_are_told(gateway: GatewayTwin, deleted: str) -> None:
    await gateway.make("d")
    restore = f"{API}/data/{deleted}/restore"
    assert errno(await gateway.http.post(restore)) == "eexist"
    for body, expected in (
        ({"target_parent_id": encode("home1", "0" * 32)}, "enoent"),
        ({"target_parent_id": encode("twin1", "space_twin1")}, "exdev"),
        ({"name": "a/b"}, "einval"),
        ({"name": "x" * 256}, "enametoolong"),
    ):
        assert errno(await gateway.http.post(restore, json=body)) == expected
    for body, expected in (
        ({"target_parent_id": "nonsense"}, "badValueIdentifier"),
        ({"target_parent_id": 1}, "badValueString"),
        ({"name": ""}, "badValueEmpty"),
        ({"name": []}, "badValueString"),
    ):
        assert error_id(await gateway.http.post(restore, json=body)) == expected
    json = {"content-type": "application/json"}
    deep = await gateway.http.post(restore, content=b"[" * 10_000, headers=json)
    assert error_id(deep) == "malformedData"


async def test_a_purged_directory_is_gone(gateway: GatewayTwin, deleted: str) -> None:
    assert (await gateway.http.delete(f"{API}/data/{deleted}/trash")).status_code == 204
    assert (await gateway.http.get(TRASH)).json()["directories"] == []
    assert errno(await gateway.http.post(f"{API}/data/{deleted}/restore")) == "enoent"
    assert errno(await gateway.http.delete(f"{API}/data/{deleted}/trash")) == "enoent"


async def test_roots_have_no_way_back(gateway: GatewayTwin) -> None:
    assert errno(await gateway.http.post(f"{API}/data/home1/restore")) == "eperm"
    assert errno(await gateway.http.delete(TRASH)) == "eperm"
    id = await gateway.make("alive", type="DIR")
    assert error_id(await gateway.http.get(f"{API}/data/{id}/trash")) == "notSupported"
    stranger = await gateway.http.get(TRASH, headers={"x-auth-token": "stranger"})
    assert stranger.status_code == 403


@pytest.mark.parametrize(
    ("query", "id"),
    [("limit=0", "badValueNotInRange"), ("limit=1001", "badValueNotInRange"), ("token=", "badValueEmpty")],
)
async def test_bad_parameters(gateway: GatewayTwin, query: str, id: str) -> None:
    assert error_id(await gateway.http.get(f"{TRASH}?{query}")) == id
    assert errno(await gateway.http.get(f"{TRASH}?token=gibberish")) == "einval"
