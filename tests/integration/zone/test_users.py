"""Users over REST: log-in, accounts, and who may do what with them."""

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


async def test_guest_user_and_admin_are_told_apart(zone: RunningZone) -> None:
    _, token = await user_token(zone, "joe")
    async with zone.client() as guest, zone.client(token) as joe:
        assert _error(await guest.get("/user"), 401) == {
            "id": "unauthorized",
            "description": "You must authenticate yourself to perform this operation.",
        }
        assert _error(await joe.get("/users"), 403)["id"] == "forbidden"
        assert _error(await joe.get("/user/spaces/unknown"), 404)["id"] == "notFound"
        assert _error(await joe.get("/users/unknown"), 404)["id"] == "notFound"
    assert len((await zone.admin.get("/users")).json()["users"]) >= 2


async def test_unknown_routes_and_methods_have_empty_bodies(zone: RunningZone) -> None:
    async with zone.client() as guest:
        missing, wrong = await guest.get("/nothing"), await guest.put("/user")
        slash = await guest.get("/configuration/")
    assert (missing.status_code, missing.content) == (404, b"")
    assert (wrong.status_code, wrong.content) == (405, b"")
    assert slash.status_code == 200
    assert missing.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("content", [b"{", b"[]", b"5", b'{"a":}', b"\xff"])
async def test_body_that_is_no_object_is_malformed(zone: RunningZone, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await zone.admin.post("/users", content=content, headers=headers)
    assert _error(answer, 400)["id"] == "malformedData"


async def test_other_content_types_are_refused_with_a_body_only(zone: RunningZone) -> None:
    plain = {"content-type": "text/plain"}
    refused = await zone.admin.post("/users", content=b"{}", headers=plain)
    assert (refused.status_code, refused.content) == (415, b"")
    assert (await zone.admin.post("/users", headers=plain)).status_code == 201


async def test_huge_body_is_refused(zone: RunningZone) -> None:
    headers = {"content-type": "application/json"}
    answer = await zone.admin.post("/users", content=b" " * (3 << 20), headers=headers)
    assert answer.status_code == 413


async def test_created_user_has_an_account(zone: RunningZone) -> None:
    name = zone.username("joe")
    body = {"username": name, "password": "password1", "fullName": "Joe Doe"}
    made = await zone.admin.post("/users", json=body)
    assert (made.status_code, made.content) == (201, b"")
    user_id = made.headers["location"].rpartition("/")[2]
    async with zone.client(basic=("joe", "password1")) as joe:
        user = (await joe.get("/user")).json()
    assert user == (await zone.admin.get(f"/users/{user_id}")).json()
    assert (user["userId"], user["username"], user["fullName"]) == (user_id, name, "Joe Doe")
    assert (user["login"], user["name"], user["basicAuthEnabled"]) == (name, "Joe Doe", True)
    assert "password" not in str(user)


@pytest.mark.parametrize(
    ("body", "id", "details"),
    [
        ({"username": "joe"}, "missingRequiredValue", {"key": "password"}),
        ({"password": "password1"}, "missingRequiredValue", {"key": "username"}),
        ({"username": "j", "password": "password1"}, "badValueUsername", None),
        ({"username": "joe", "password": "short"}, "badValuePassword", None),
        ({"username": 5, "password": "password1"}, "badValueString", {"key": "username"}),
        ({"fullName": "_"}, "badValueFullName", None),
        ({"username": "admin", "password": "password1"}, "badValueIdentifierOccupied", {"key": "username"}),
    ],
)
async def test_bad_values_of_new_users(
    zone: RunningZone, body: dict[str, Any], id: str, details: dict[str, Any] | None
) -> None:
    error = _error(await zone.admin.post("/users", json=body), 400)
    assert (error["id"], error.get("details")) == (id, details)


async def test_permission_comes_before_parameters(zone: RunningZone) -> None:
    _, token = await user_token(zone, "joe")
    async with zone.client(token) as joe, zone.client() as guest:
        assert _error(await joe.post("/users", json={"username": 5}), 403)["id"] == "forbidden"
        assert _error(await guest.post("/users", json={"username": 5}), 401)["id"] == "unauthorized"


@pytest.mark.parametrize("basic", [("joe", "wrong-one"), ("nobody", "password1"), ("", ""), ("joe", "")])
async def test_wrong_password_is_unauthorized(zone: RunningZone, basic: tuple[str, str]) -> None:
    await user_token(zone, "joe")
    async with zone.client(basic=basic) as client:
        cause = _error(await client.get("/user"), 401)["details"]["authError"]
    assert cause["id"] == "badBasicCredentials"


@pytest.mark.parametrize("header", ["Basic !!!", "Basic", "Basic am9l", "basic am9lOndyb25n"])
async def test_malformed_basic_header_does_no_harm(zone: RunningZone, header: str) -> None:
    async with zone.client() as client:
        answer = await client.get("/user", headers={"authorization": header})
    assert answer.status_code == 401


async def test_password_change_needs_the_old_one(zone: RunningZone) -> None:
    await user_token(zone, "joe")
    async with zone.client(basic=("joe", "password1")) as joe:
        wrong = {"oldPassword": "password9", "newPassword": "password2"}
        cause = _error(await joe.patch("/user/password", json=wrong), 401)["details"]["authError"]
        assert cause["id"] == "badBasicCredentials"
        right = {"oldPassword": "password1", "newPassword": "password2"}
        assert (await joe.patch("/user/password", json=right)).status_code == 204
        assert (await joe.get("/user")).status_code == 401
    async with zone.client(basic=("joe", "password2")) as joe:
        assert (await joe.get("/user")).status_code == 200


async def test_blocked_user_is_out_until_let_in(zone: RunningZone) -> None:
    user_id, token = await user_token(zone, "joe")
    async with zone.client(token) as by_token, zone.client(basic=("joe", "password1")) as by_name:
        path = f"/users/{user_id}/access_block"
        assert (await zone.admin.patch(path, json={"blocked": True})).status_code == 204
        for client in (by_token, by_name):
            assert _error(await client.get("/user"), 401)["details"]["authError"]["id"] == "userBlocked"
        await zone.admin.patch(path, json={"blocked": False})
        assert (await by_token.get("/user")).status_code == 200


async def test_basic_auth_is_turned_off(zone: RunningZone) -> None:
    user_id, token = await user_token(zone, "joe")
    path = f"/users/{user_id}/basic_auth"
    assert _error(await zone.admin.patch(path, json={}), 400)["id"] == "missingAtLeastOneValue"
    await zone.admin.patch(path, json={"basicAuthEnabled": False, "newPassword": "password3"})
    async with zone.client(basic=("joe", "password3")) as joe:
        cause = _error(await joe.get("/user"), 401)["details"]["authError"]
    assert cause["id"] == "basicAuthDisabled"
    async with zone.client(token) as joe:
        assert (await joe.get("/user")).json()["basicAuthEnabled"] is False


async def test_names_are_changed_by_their_owner(zone: RunningZone) -> None:
    _, token = await user_token(zone, "joe")
    async with zone.client(token) as joe:
        body = {"fullName": "Joe X.", "username": zone.username("jim")}
        assert (await joe.patch("/user", json=body)).status_code == 204
        assert (await joe.get("/user")).json()["username"] == body["username"]
        assert _error(await joe.patch("/user", json={}), 400)["details"] == {"keys": ["fullName", "username"]}
        taken = _error(await joe.patch("/user", json={"username": "admin"}), 400)
    assert taken["id"] == "badValueIdentifierOccupied"


async def test_deleted_user_takes_his_tokens_along(zone: RunningZone) -> None:
    user_id, token = await user_token(zone, "joe")
    async with zone.client(token) as joe:
        space = await joe.post("/user/spaces", json={"name": "space 1"})
        assert (await zone.admin.delete(f"/users/{user_id}")).status_code == 204
        cause = _error(await joe.get("/user"), 401)["details"]["authError"]
    assert cause["id"] == "tokenInvalid"
    space_id = space.headers["location"].rpartition("/")[2]
    assert (await zone.admin.get(f"/spaces/{space_id}/users")).json() == {"users": []}
    assert _error(await zone.admin.get(f"/users/{user_id}"), 404)["id"] == "notFound"


async def test_admin_privileges_are_given_and_taken(zone: RunningZone) -> None:
    user_id, token = await user_token(zone, "joe")
    path = f"/users/{user_id}/privileges"
    grant = {"grant": ["oz_users_list", "oz_users_view"], "revoke": ["oz_users_view"]}
    assert (await zone.admin.patch(path, json=grant)).status_code == 204
    async with zone.client(token) as joe:
        assert (await joe.get("/user/privileges")).json() == {
            "privileges": ["oz_users_list", "oz_users_view"]
        }
        assert (await joe.get("/users")).status_code == 200
        assert _error(await joe.patch(path, json=grant), 403)["id"] == "forbidden"
    bad = _error(await zone.admin.patch(path, json={"grant": ["oz_all"]}), 400)
    assert (bad["id"], bad["details"]["key"]) == ("badValueListNotAllowed", "grant")
