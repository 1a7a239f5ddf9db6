"""Tokens over REST: the acceptance vectors of the zone's contract, and bad tokens of every kind."""

from __future__ import annotations

import base64
import time
from typing import Any

import httpx
import pytest

from runtime.http import file_ids
from runtime.macaroons import Macaroon, deserialize, serialize
from tests.support.zone import ZONE_DOMAIN, RunningZone, registered_provider, user_token

VERIFY = "/tokens/verify_access_token"


pytestmark = pytest.mark.asyncio(loop_scope="module")


def _error(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


async def test_scope_is_told_to_who_has_the_token(zone: RunningZone) -> None:
    _, token = await user_token(zone, "joe")
    async with zone.client(token) as user:
        made = await user.post("/user/spaces", json={"name": "space 1"})
    space_id = made.headers["location"].rpartition("/")[2]
    async with zone.client() as guest:
        scope = (await guest.post("/tokens/infer_access_token_scope", json={"token": token})).json()
    assert scope == {
        "validUntil": None,
        "dataAccessScope": {
            "readonly": False,
            "spaces": {space_id: {"name": "space 1", "supports": {}}},
            "providers": {},
        },
    }


async def test_scope_of_a_provider_has_no_data(zone: RunningZone) -> None:
    provider = await registered_provider(zone)
    body = {"token": provider.root_token.get_secret_value()}
    async with zone.client() as guest:
        scope = await guest.post("/tokens/infer_access_token_scope", json=body)
    assert scope.json() == {"validUntil": None, "dataAccessScope": None}


async def test_scope_is_cut_by_data_caveats(zone: RunningZone) -> None:
    _, token = await user_token(zone, "joe")
    async with zone.client(token) as user:
        ids = [
            (await user.post("/user/spaces", json={"name": f"space {n}"})).headers["location"][-32:]
            for n in range(3)
        ]
    path = base64.b64encode(f"/{ids[0]}/dir".encode()).decode()
    object_id = file_ids.encode(ids[1], "some-file")
    caveats = [
        [f"data.path = {path}"],
        [f"data.objectid = {object_id}"],
        [f"data.path = {path}", f"data.objectid = {object_id}"],
        ["data.readonly", "service = opw-x", "interface = oneclient"],
    ]
    scopes = []
    async with zone.client() as guest:
        for texts in caveats:
            body = {"token": serialize(deserialize(token).confined(*texts))}
            scopes.append((await guest.post("/tokens/infer_access_token_scope", json=body)).json())
    found = [set(scope["dataAccessScope"]["spaces"]) for scope in scopes]
    assert found == [{ids[0]}, {ids[1]}, set(), set(ids)]
    assert [scope["dataAccessScope"]["readonly"] for scope in scopes] == [False, False, False, True]


async def test_readonly_token_may_only_look_at_its_user(zone: RunningZone) -> None:
    _, token = await user_token(zone, "joe", caveats=[{"type": "data.readonly"}])
    async with zone.client(token) as user:
        scope = (await user.post("/tokens/infer_access_token_scope", json={"token": token})).json()
        assert scope["dataAccessScope"]["readonly"] is True
        assert (await user.get("/user")).status_code == 200
        error = _error(await user.get("/user/spaces"), 401)
    assert error["id"] == "unauthorized"
    cause = error["details"]["authError"]
    assert cause["id"] == "tokenCaveatUnverified"
    assert cause["details"] == {"caveat": {"type": "data.readonly"}}


async def test_revoked_then_deleted_token_is_refused(zone: RunningZone) -> None:
    _, token = await user_token(zone, "joe")
    token_id = deserialize(token).identifier.rpartition("/")[2]
    async with zone.client(basic=("joe", "password1")) as user, zone.client() as guest:
        assert (await guest.post(VERIFY, json={"token": token})).json()["ttl"] is None
        await user.patch(f"/tokens/named/{token_id}", json={"revoked": True})
        assert (await user.get(f"/tokens/named/{token_id}/status")).json() == {"revoked": True}
        assert _error(await guest.post(VERIFY, json={"token": token}), 400)["id"] == "tokenRevoked"
        async with zone.client(token) as holder:
            cause = _error(await holder.get("/user"), 401)["details"]["authError"]
            assert cause["id"] == "tokenRevoked"
        await user.patch(f"/tokens/named/{token_id}", json={"revoked": False})
        assert (await guest.post(VERIFY, json={"token": token})).status_code == 200
        assert (await user.delete(f"/tokens/named/{token_id}")).status_code == 204
        assert _error(await guest.post(VERIFY, json={"token": token}), 400)["id"] == "tokenInvalid"


async def test_temporary_tokens_end_together(zone: RunningZone) -> None:
    await user_token(zone, "joe")
    until = int(time.time()) + 60
    body = {"caveats": [{"type": "time", "validUntil": until}]}
    async with zone.client(basic=("joe", "password1")) as user:
        made = await user.post("/user/tokens/temporary", json=body)
        assert made.status_code == 201
        assert "location" not in made.headers
        token = made.json()["token"]
        verdict = (await user.post(VERIFY, json={"token": token})).json()
        assert 0 < verdict["ttl"] <= 60
        assert (await user.get("/user/tokens/temporary")).json() == {"generation": 1}
        assert (await user.delete("/user/tokens/temporary")).status_code == 204
        assert (await user.get("/user/tokens/temporary")).json() == {"generation": 2}
        assert _error(await user.post(VERIFY, json={"token": token}), 400)["id"] == "tokenRevoked"


@pytest.mark.parametrize(
    "body", [{}, {"caveats": []}, {"caveats": [{"type": "time", "validUntil": 99_999_999_999}]}]
)
async def test_temporary_token_needs_a_near_end(zone: RunningZone, body: dict[str, Any]) -> None:
    error = _error(await zone.admin.post("/user/tokens/temporary", json=body), 400)
    assert error["id"] == "tokenTimeCaveatRequired"
    assert error["details"] == {"maxTtl": 2_592_000}


async def test_expired_token_is_told_with_its_caveat(zone: RunningZone) -> None:
    _, token = await user_token(zone, "joe")
    expired = serialize(deserialize(token).confined("time < 1000"))
    async with zone.client(expired) as holder:
        cause = _error(await holder.get("/user"), 401)["details"]["authError"]
    assert cause["id"] == "tokenCaveatUnverified"
    assert cause["details"] == {"caveat": {"type": "time", "validUntil": 1000}}


async def test_forged_and_foreign_tokens_are_invalid(zone: RunningZone) -> None:
    user_id, token = await user_token(zone, "joe")
    real = deserialize(token)
    confined = real.confined("data.readonly")
    admin_id = (await zone.admin.get("/user")).json()["userId"]
    forged = [
        Macaroon(real.location, real.identifier, (), confined.signature),
        Macaroon(real.location, real.identifier.replace(user_id, admin_id), (), real.signature),
        Macaroon.create(ZONE_DOMAIN, real.identifier, "guessed"),
        Macaroon.create(ZONE_DOMAIN, f"2/nmd/usr-{admin_id}/act/{'0' * 32}", "guessed"),
        Macaroon.create(ZONE_DOMAIN, f"2/tmp-1/usr-{admin_id}/act/{'0' * 32}", "guessed"),
        Macaroon.create(ZONE_DOMAIN, "0" * 32, "guessed"),
    ]
    async with zone.client() as guest:
        for macaroon in forged:
            error = _error(await guest.post(VERIFY, json={"token": serialize(macaroon)}), 400)
            assert error["id"] == "tokenInvalid"


async def test_legacy_identifier_is_a_named_access_token(zone: RunningZone) -> None:
    """Its text says nothing of the subject, so a token cannot pass for one made the new way."""
    _, token = await user_token(zone, "joe")
    legacy = Macaroon(ZONE_DOMAIN, deserialize(token).identifier.rpartition("/")[2], (), bytes(32))
    async with zone.client() as guest:
        assert (
            _error(await guest.post(VERIFY, json={"token": serialize(legacy)}), 400)["id"] == "tokenInvalid"
        )


@pytest.mark.parametrize("text", ["", "nonsense", "MDAx", "ü", "a" * 1_048_577])
async def test_undecodable_token_is_a_bad_value(zone: RunningZone, text: str) -> None:
    async with zone.client() as guest:
        for path in (
            VERIFY,
            "/tokens/infer_access_token_scope",
            "/tokens/examine",
            "/tokens/verify_identity_token",
        ):
            error = _error(await guest.post(path, json={"token": text}), 400)
            assert error["id"] == "badValueToken"
            assert error["details"]["key"] == "token"
            wanted = "tokenTooLarge" if len(text) > 1_048_576 else "badToken"
            assert error["details"]["tokenError"]["id"] == wanted


async def test_bad_token_in_a_header_is_unauthorized(zone: RunningZone) -> None:
    for headers in (
        {"x-auth-token": "nonsense"},
        {"authorization": "Bearer nonsense"},
        {"macaroon": "nonsense"},
    ):
        async with zone.client() as guest:
            error = _error(await guest.get("/user", headers=headers), 401)
        assert error["details"]["authError"]["id"] == "badToken"


async def test_wrong_kind_of_token_is_told(zone: RunningZone) -> None:
    _, identity = await user_token(zone, "joe", type={"identityToken": {}})
    async with zone.client() as guest:
        error = _error(await guest.post(VERIFY, json={"token": identity}), 400)
        assert error["id"] == "notAnAccessToken"
        assert error["details"] == {"received": {"identityToken": {}}}
        good = await guest.post("/tokens/verify_identity_token", json={"token": identity})
        assert good.json()["subject"]["type"] == "user"
        error = _error(await guest.post("/tokens/verify_invite_token", json={"token": identity}), 400)
        assert error["details"] == {"expectedInviteType": "any", "received": {"identityToken": {}}}


async def test_confined_token_is_examined_without_belief(zone: RunningZone) -> None:
    user_id, token = await user_token(zone, "joe")
    caveats = [{"type": "ip", "whitelist": ["10.0.0.0/8"]}, {"type": "interface", "interface": "rest"}]
    async with zone.client() as guest:
        confined = (await guest.post("/tokens/confine", json={"token": token, "caveats": caveats})).json()
        told = (await guest.post("/tokens/examine", json=confined)).json()
        assert told["subject"] == {"type": "user", "id": user_id}
        assert told["caveats"] == caveats
        assert (told["persistence"], told["onezoneDomain"]) == ("named", ZONE_DOMAIN)
        inside = {**confined, "peerIp": "10.1.2.3", "interface": "rest"}
        assert (await guest.post(VERIFY, json=inside)).status_code == 200
        error = _error(await guest.post(VERIFY, json={**inside, "peerIp": None}), 400)
        assert error["details"] == {"caveat": caveats[0]}
        error = _error(await guest.post(VERIFY, json={**confined, "peerIp": "10.1.2.3"}), 400)
        assert error["details"] == {"caveat": caveats[1]}


@pytest.mark.parametrize(
    ("body", "id", "details"),
    [
        ({}, "missingRequiredValue", {"key": "token"}),
        ({"token": None}, "missingRequiredValue", {"key": "token"}),
        ({"token": 5}, "badValueString", {"key": "token"}),
        ({"peerIp": "x"}, "badValueIPv4Address", {"key": "peerIp"}),
        (
            {"interface": "x"},
            "badValueNotAllowed",
            {"key": "interface", "allowed": ["rest", "oneclient", "graphsync"]},
        ),
        ({"allowDataAccessCaveats": "true"}, "badValueBoolean", {"key": "allowDataAccessCaveats"}),
    ],
)
async def test_bad_parameters_of_verification(
    zone: RunningZone, body: dict[str, Any], id: str, details: dict[str, Any]
) -> None:
    _, token = await user_token(zone, "joe")
    async with zone.client() as guest:
        whole = body if not body or "token" in body else {"token": token, **body}
        error = _error(await guest.post(VERIFY, json=whole), 400)
    assert (error["id"], error["details"]) == (id, details)


async def test_consumer_and_service_tokens_prove_who_uses_it(zone: RunningZone) -> None:
    user_id, token = await user_token(zone, "joe")
    ann_id, ann_identity = await user_token(zone, "ann", type={"identityToken": {}})
    provider = await registered_provider(zone)
    bound = serialize(deserialize(token).confined(f"consumer = usr-{ann_id}"))
    for_provider = serialize(deserialize(token).confined(f"service = opw-{provider.provider_id}"))
    root = provider.root_token.get_secret_value()
    async with zone.client() as guest:
        assert _error(await guest.post(VERIFY, json={"token": bound}), 400)["id"] == "tokenCaveatUnverified"
        with_consumer = {"token": bound, "consumerToken": ann_identity}
        assert (await guest.post(VERIFY, json=with_consumer)).status_code == 200
        error = _error(await guest.post(VERIFY, json={"token": bound, "consumerToken": token}), 400)
        assert error["id"] == "badConsumerToken"
        assert error["details"]["tokenError"]["id"] == "notAnIdentityToken"
        # The provider supports no space of the user, so its worker does not serve him.
        error = _error(await guest.post(VERIFY, json={"token": for_provider, "serviceToken": root}), 400)
        assert error["id"] == "tokenServiceForbidden"
        assert error["details"] == {"service": {"type": "op_worker", "id": provider.provider_id}}
        error = _error(await guest.post(VERIFY, json={"token": token, "serviceToken": token}), 400)
        assert error["id"] == "badServiceToken"
    assert user_id != ann_id


async def test_record_tells_what_was_made(zone: RunningZone) -> None:
    await user_token(zone, "joe")
    body = {
        "name": "my token",
        "caveats": [{"type": "data.readonly"}],
        "customMetadata": {"a.b": {"$c": [1]}},
    }
    async with zone.client(basic=("joe", "password1")) as user:
        made = await user.post("/user/tokens/named", json=body)
        token_id = made.json()["tokenId"]
        assert made.headers["location"].endswith(f"/api/v3/onezone/tokens/named/{token_id}")
        record = (await user.get(f"/tokens/named/{token_id}")).json()
        assert record == (await user.get("/user/tokens/named/name/my token")).json()
        assert record["token"] == made.json()["token"]
        assert record["metadata"]["custom"] == body["customMetadata"]
        assert set(record) == {"id", "name", "subject", "type", "caveats", "metadata", "revoked", "token"}
        error = _error(await user.post("/user/tokens/named", json=body), 400)
        assert (error["id"], error["details"]) == ("badValueIdentifierOccupied", {"key": "name"})
        assert sorted((await user.get("/user/tokens/named")).json()["tokens"])
        assert (await user.delete("/user/tokens/named")).status_code == 204
        assert (await user.get("/user/tokens/named")).json() == {"tokens": []}


@pytest.mark.parametrize(
    ("body", "id"),
    [
        ({}, "missingRequiredValue"),
        ({"name": "x"}, "badValueName"),
        ({"name": "ok name", "type": {"party": {}}}, "badValueTokenType"),
        ({"name": "ok name", "caveats": [{"type": "colour"}]}, "badValueCaveat"),
        (
            {"name": "ok name", "type": {"identityToken": {}}, "caveats": [{"type": "data.readonly"}]},
            "badValueCaveat",
        ),
        ({"name": "ok name", "caveats": {}}, "badData"),
        ({"name": "ok name", "customMetadata": []}, "badValueJSON"),
        ({"name": "ok name", "revoked": "no"}, "badValueBoolean"),
        (
            {"name": "ok name", "type": {"inviteToken": {"inviteType": "userJoinGroup", "groupId": "g1"}}},
            "inviteTokenTargetIdInvalid",
        ),
        (
            {"name": "ok name", "type": {"inviteToken": {"inviteType": "userJoinSpace", "spaceId": "s1"}}},
            "inviteTokenTargetIdInvalid",
        ),
    ],
)
async def test_bad_parameters_of_named_tokens(zone: RunningZone, body: dict[str, Any], id: str) -> None:
    assert _error(await zone.admin.post("/user/tokens/named", json=body), 400)["id"] == id


async def test_tokens_of_others_are_the_administrators_business(zone: RunningZone) -> None:
    joe_id, token = await user_token(zone, "joe")
    _, other = await user_token(zone, "ann")
    token_id = deserialize(token).identifier.rpartition("/")[2]
    async with zone.client(other) as ann, zone.client() as guest:
        assert _error(await ann.get(f"/tokens/named/{token_id}"), 403)["id"] == "forbidden"
        assert _error(await guest.get(f"/tokens/named/{token_id}"), 401)["id"] == "unauthorized"
        assert _error(await ann.get("/tokens/named"), 403)["id"] == "forbidden"
        assert _error(await ann.get("/tokens/named/unknown"), 404)["id"] == "notFound"
        assert _error(await ann.get(f"/users/{joe_id}/tokens/named"), 403)["id"] == "forbidden"
    assert (await zone.admin.get(f"/tokens/named/{token_id}")).status_code == 200
    assert (await zone.admin.get(f"/users/{joe_id}/tokens/named")).json() == {"tokens": [token_id]}
