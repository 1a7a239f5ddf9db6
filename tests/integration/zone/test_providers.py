"""Providers: registration over REST, work over gRPC, and what they learn about their users."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from isthmus.zone.v1 import tokens_pb2
from pydantic import SecretStr

from clients.zone import UnregisteredOneprovider, ZoneClient
from runtime.config import ProviderFile
from runtime.errors import AlreadyExists, InvalidArgument, IsthmusError, Unauthenticated
from runtime.macaroons import deserialize, serialize
from tests.support.zone import RunningZone, give_support, provider_client, registered_provider, user_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZE = 10**9


def _error(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


@pytest_asyncio.fixture(loop_scope="module")
async def provider(zone: RunningZone) -> ProviderFile:
    """A provider of this test."""
    return await registered_provider(zone)


@pytest_asyncio.fixture(loop_scope="module")
async def rpc(zone: RunningZone, provider: ProviderFile) -> AsyncIterator[ZoneClient]:
    """gRPC as that provider."""
    async with provider_client(zone, provider) as client:
        yield client


async def _space(client: httpx.AsyncClient) -> str:
    made = await client.post("/user/spaces", json={"name": "space 1"})
    space_id: str = made.headers["location"].rpartition("/")[2]
    return space_id


async def _support_token(client: httpx.AsyncClient, space_id: str) -> str:
    text: str = (await client.post(f"/spaces/{space_id}/providers/token")).json()["token"]
    return text


async def _verify(rpc: ZoneClient, token: str, **more: Any) -> tokens_pb2.VerifyAccessTokenResponse:
    request = tokens_pb2.VerifyAccessTokenRequest(token=token, interface="rest", **more)
    return await rpc.verify_access_token(request)


async def test_registration_answers_200_with_a_root_token(zone: RunningZone, provider: ProviderFile) -> None:
    async with zone.client(provider.root_token.get_secret_value()) as client:
        own = (await client.get("/provider")).json()
        assert (own["providerId"], own["clusterId"]) == (provider.provider_id, provider.provider_id)
        assert (own["domain"], own["online"]) == (provider.domain, False)
        assert (await client.patch("/provider", json={"latitude": 50.1})).status_code == 204
        assert (await client.get("/provider")).json()["latitude"] == 50.1
        assert _error(await client.get("/user"), 403)["id"] == "forbidden"
        config = (await client.get("/provider/domain_config")).json()
    assert config["subdomainDelegation"] is False


@pytest.mark.parametrize(
    ("change", "id", "details"),
    [
        ({"token": "nonsense"}, "badValueToken", {"key": "token"}),
        ({"token": None}, "missingRequiredValue", {"key": "token"}),
        ({"name": "x"}, "badValueName", {"key": "name"}),
        ({"adminEmail": "nobody"}, "badValueEmail", {}),
        ({"subdomainDelegation": "no"}, "badValueBoolean", {"key": "subdomainDelegation"}),
        ({"subdomainDelegation": True}, "subdomainDelegationNotSupported", {}),
        ({"domain": "UPPER"}, "badValueDomain", {}),
        ({"latitude": 91}, "badValueNotInRange", {"key": "latitude", "low": -90.0, "high": 90.0}),
        ({"longitude": "east"}, "badValueFloat", {"key": "longitude"}),
    ],
)
async def test_bad_registrations(
    zone: RunningZone, change: dict[str, Any], id: str, details: dict[str, Any]
) -> None:
    token = (await zone.admin.post("/user/clusters/provider_registration_token")).json()["token"]
    body = {
        "token": token,
        "name": "site",
        "adminEmail": "a@example.org",
        "subdomainDelegation": False,
        "domain": f"bad{zone.suffix}.org",
    }
    async with zone.client() as guest:
        error = _error(await guest.post("/providers", json={**body, **change}), 400)
    told = error.get("details", {})
    told.pop("tokenError", None)
    assert (error["id"], told) == (id, details)


async def test_domain_is_taken_once(zone: RunningZone, provider: ProviderFile) -> None:
    token = (await zone.admin.post("/user/clusters/provider_registration_token")).json()["token"]
    body = {
        "token": token,
        "name": "site",
        "adminEmail": "a@example.org",
        "subdomainDelegation": False,
        "domain": provider.domain,
    }
    async with zone.client() as guest:
        error = _error(await guest.post("/providers", json=body), 400)
    assert (error["id"], error["details"]) == ("badValueIdentifierOccupied", {"key": "domain"})


async def test_users_may_not_invite_providers(zone: RunningZone) -> None:
    _, joe = await user_token(zone, "joe")
    ann_id, _ = await user_token(zone, "ann")
    async with zone.client(joe) as client, zone.client() as guest:
        for path in ("/user", f"/users/{ann_id}"):
            refused = await client.post(f"{path}/clusters/provider_registration_token")
            assert _error(refused, 403)["id"] == "forbidden"
            _error(await guest.post(f"{path}/clusters/provider_registration_token"), 401)


async def test_report_makes_a_provider_online(
    zone: RunningZone, provider: ProviderFile, rpc: ZoneClient
) -> None:
    assert abs(await rpc.report_status() / 1000 - time.time()) < 60
    told = (await zone.admin.get(f"/providers/{provider.provider_id}")).json()
    assert told["online"] is True


async def test_support_appears_in_space_and_scope(
    zone: RunningZone, provider: ProviderFile, rpc: ZoneClient
) -> None:
    _, joe = await user_token(zone, "joe")
    await rpc.report_status()
    async with zone.client(joe) as client:
        space_id = await _space(client)
        token = await _support_token(client, space_id)
        space = await give_support(rpc, token, SIZE)
        assert (space.space_id, space.name, space.size_bytes) == (space_id, "space 1", SIZE)
        view = (await client.get(f"/spaces/{space_id}")).json()
        assert view["providers"] == {provider.provider_id: SIZE}
        body = {"token": joe}
        scope = (await client.post("/tokens/infer_access_token_scope", json=body)).json()["dataAccessScope"]
        assert scope["providers"][provider.provider_id] == {
            "name": "krakow",
            "domain": provider.domain,
            "version": "21.02.8",
            "online": True,
        }
        assert scope["spaces"][space_id]["supports"] == {provider.provider_id: {"readonly": False}}
        elsewhere = {"token": serialize(deserialize(joe).confined("service = opw-other"))}
        cut = (await client.post("/tokens/infer_access_token_scope", json=elsewhere)).json()
        assert cut["dataAccessScope"]["spaces"][space_id]["supports"] == {}
        assert cut["dataAccessScope"]["providers"] == {}
        assert (await client.get("/user/effective_providers")).json() == {"providers": [provider.provider_id]}
        assert (await client.get(f"/user/effective_providers/{provider.provider_id}")).status_code == 200
        spaces = await client.get(f"/user/effective_providers/{provider.provider_id}/spaces")
        assert spaces.json() == {"spaces": [space_id]}


async def test_small_and_repeated_supports_are_refused(zone: RunningZone, rpc: ZoneClient) -> None:
    token = await _support_token(zone.admin, await _space(zone.admin))
    with pytest.raises(InvalidArgument) as caught:
        await give_support(rpc, token, 999_999)
    assert (caught.value.reason, caught.value.facts) == (
        "BAD_VALUE_TOO_LOW",
        {"key": "size", "limit": "1000000"},
    )
    await give_support(rpc, token, SIZE)
    with pytest.raises(AlreadyExists):
        await give_support(rpc, token, SIZE)
    with pytest.raises(InvalidArgument) as caught:
        await give_support(rpc, "nonsense", SIZE)
    assert caught.value.reason == "BAD_VALUE_TOKEN"


async def test_a_support_whose_answer_was_lost_can_be_asked_for_again(
    zone: RunningZone, rpc: ZoneClient
) -> None:
    token = await _support_token(zone.admin, await _space(zone.admin))
    storage = await rpc.create_storage("", "disk")
    ask = {"size_bytes": SIZE, "storage_id": storage.storage_id}
    first = await rpc.support_space(token, request_id="r1", **ask)
    assert await rpc.support_space(token, request_id="r1", **ask) == first
    with pytest.raises(AlreadyExists):
        await rpc.support_space(token, request_id="r2", **ask)


async def test_supported_spaces_come_in_pages(
    zone: RunningZone, provider: ProviderFile, rpc: ZoneClient
) -> None:
    wanted = sorted([await _space(zone.admin) for _ in range(3)])
    for space_id in wanted:
        token = await _support_token(zone.admin, space_id)
        await give_support(rpc, token, SIZE)
    first = await rpc.list_supported_spaces(page_size=2)
    rest = await rpc.list_supported_spaces(page_size=2, page_token=first.next_page_token)
    assert [space.space_id for space in [*first.spaces, *rest.spaces]] == wanted
    assert rest.next_page_token == ""
    with pytest.raises(InvalidArgument):
        await rpc.list_supported_spaces(page_size=1001)
    async with zone.client(provider.root_token.get_secret_value()) as client:
        assert (await client.get("/provider/spaces")).json() == {"spaces": wanted}


async def test_support_is_resized_withdrawn_and_revoked(
    zone: RunningZone, provider: ProviderFile, rpc: ZoneClient
) -> None:
    space_id = await _space(zone.admin)
    token = await _support_token(zone.admin, space_id)
    async with zone.client(provider.root_token.get_secret_value()) as client:
        path = f"/provider/spaces/{space_id}"
        assert _error(await client.get(path), 404)
        await give_support(rpc, token, SIZE)
        assert _error(await client.patch(path, json={"size": 5}), 400)["id"] == "badValueTooLow"
        assert (await client.patch(path, json={"size": 2 * SIZE})).status_code == 204
        assert (await client.get(path)).json()["providers"] == {provider.provider_id: 2 * SIZE}
        assert (await client.delete(path)).status_code == 204
    await give_support(rpc, token, SIZE)
    revoke = f"/spaces/{space_id}/providers/{provider.provider_id}"
    assert (await zone.admin.get(revoke)).json()["name"] == "krakow"
    assert (await zone.admin.delete(revoke)).status_code == 204
    assert (await zone.admin.get(f"/spaces/{space_id}/providers")).json() == {"providers": []}


async def test_one_call_tells_all_about_a_user(zone: RunningZone, rpc: ZoneClient) -> None:
    user_id, token = await user_token(zone, "joe")
    async with zone.client(token) as client:
        here, elsewhere = await _space(client), await _space(client)
        invitation = await _support_token(client, here)
        await give_support(rpc, invitation, SIZE)
    answer = await _verify(rpc, token)
    identity = answer.identity
    assert (identity.subject_id, answer.username) == (user_id, zone.username("joe"))
    assert identity.expires_at_ms == 0
    assert {space_id: rights.supported for space_id, rights in identity.spaces.items()} == {
        here: True,
        elsewhere: False,
    }
    assert identity.spaces[here].owner
    assert identity.spaces[here].privileges == (1 << 40) - 2
    assert not identity.HasField("caveats")


async def test_data_caveats_come_along_where_they_are_enforced(zone: RunningZone, rpc: ZoneClient) -> None:
    _, token = await user_token(zone, "joe")
    until = int(time.time()) + 100
    confined = serialize(
        deserialize(token).confined("data.readonly", "data.path = L3MxL2Rpcg==", f"time < {until}")
    )
    identity = (await _verify(rpc, confined, allow_data_caveats=True)).identity
    assert identity.caveats.readonly
    assert [list(each.values) for each in identity.caveats.paths] == [["/s1/dir"]]
    assert identity.expires_at_ms == until * 1000
    with pytest.raises(Unauthenticated) as caught:
        await _verify(rpc, confined)
    assert caught.value.reason == "TOKEN_CAVEAT_UNVERIFIED"
    assert caught.value.facts["caveat"] == '{"type": "data.readonly"}'


async def test_bad_tokens_of_users_are_told_apart(
    zone: RunningZone, provider: ProviderFile, rpc: ZoneClient
) -> None:
    _, token = await user_token(zone, "joe")
    _, identity = await user_token(zone, "ann", type={"identityToken": {}})
    for text, reason in [
        ("nonsense", "BAD_TOKEN"),
        (token[:-4], "BAD_TOKEN"),
        (identity, "NOT_AN_ACCESS_TOKEN"),
        (provider.root_token.get_secret_value(), "TOKEN_SUBJECT_INVALID"),
        (serialize(deserialize(token).confined("time < 5")), "TOKEN_CAVEAT_UNVERIFIED"),
        (serialize(deserialize(token).confined("service = opw-other")), "TOKEN_CAVEAT_UNVERIFIED"),
        (serialize(deserialize(token).confined("colour = red")), "TOKEN_CAVEAT_UNKNOWN"),
        (serialize(deserialize(token).confined("consumer = usr-*")), "TOKEN_CAVEAT_UNVERIFIED"),
    ]:
        with pytest.raises(Unauthenticated) as caught:
            await _verify(rpc, text)
        assert caught.value.reason == reason


@pytest.mark.parametrize("kind", ["user", "forged"])
async def test_only_providers_get_in_by_grpc(zone: RunningZone, provider: ProviderFile, kind: str) -> None:
    _, token = await user_token(zone, "joe")
    root = provider.root_token.get_secret_value()
    text = token if kind == "user" else serialize(deserialize(root[:]).confined("time < 5"))
    other = provider.model_copy(update={"root_token": SecretStr(text)})
    async with provider_client(zone, other) as client:
        with pytest.raises(UnregisteredOneprovider):
            await client.report_status()


async def test_deleted_provider_is_unregistered(
    zone: RunningZone, provider: ProviderFile, rpc: ZoneClient
) -> None:
    space_id = await _space(zone.admin)
    token = await _support_token(zone.admin, space_id)
    await give_support(rpc, token, SIZE)
    assert (await zone.admin.delete(f"/providers/{provider.provider_id}")).status_code == 204
    async with provider_client(zone, provider) as late:
        late.provider._renew_at_s = 0
        error: IsthmusError | None = None
        give_up_s = time.monotonic() + 5
        while error is None and time.monotonic() < give_up_s:
            try:
                await late.report_status()
            except IsthmusError as raised:
                error = raised
    assert error is not None
    async with zone.client(provider.root_token.get_secret_value()) as client:
        cause = _error(await client.get("/provider"), 401)["details"]["authError"]
    assert cause["id"] == "tokenInvalid"
    assert (await zone.admin.get(f"/spaces/{space_id}")).json()["providers"] == {}


async def test_provider_identity_is_verified(zone: RunningZone, provider: ProviderFile) -> None:
    body = {
        "type": {"identityToken": {}},
        "caveats": [{"type": "time", "validUntil": int(time.time()) + 60}],
    }
    _, access = await user_token(zone, "joe")
    path = "/provider/public/verify_provider_identity"
    async with zone.client(provider.root_token.get_secret_value()) as client, zone.client() as guest:
        identity = (await client.post("/provider/tokens/temporary", json=body)).json()["token"]
        good = {"providerId": provider.provider_id, "token": identity}
        assert (await guest.post(path, json=good)).status_code == 204
        unknown = _error(await guest.post(path, json={**good, "providerId": "nobody"}), 400)
        assert unknown["id"] == "badValueIdNotFound"
        wrong = _error(await guest.post(path, json={**good, "token": access}), 400)
        assert wrong["id"] == "notAnIdentityToken"


async def test_public_routes_need_nobody(zone: RunningZone) -> None:
    async with zone.client() as guest:
        assert (await guest.get("/provider/public/check_my_ip")).json() == "127.0.0.1"
        forwarded = {"x-forwarded-for": "203.0.113.9, 198.51.100.7"}
        told = await guest.get("/provider/public/check_my_ip", headers=forwarded)
        assert told.json() == "198.51.100.7"
        now = (await guest.get("/provider/public/get_current_time")).json()["timeMillis"]
        assert abs(now / 1000 - time.time()) < 60
        configuration = (await guest.get("/configuration")).json()
        assert configuration["domain"] == "zone.example.org"
        assert configuration["version"] == "21.02.8"
        assert (await guest.get("/health")).json() == {"status": "healthy"}
        image = await guest.get("/test_image")
        assert image.content.startswith(b"\x89PNG")


async def test_openapi_tells_all_routes(zone: RunningZone) -> None:
    async with zone.client() as guest:
        told = (await guest.get("/openapi.json")).json()
    operations = [each for path in told["paths"].values() for each in path.values()]
    ids = [each["operationId"] for each in operations]
    assert len(ids) == len(set(ids)) > 80
    assert "requestBody" in told["paths"]["/api/v3/onezone/tokens/verify_access_token"]["post"]
