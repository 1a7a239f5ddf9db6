"""Storages in the zone, and supports by them: what each rule refuses, over gRPC."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from clients.zone import ZoneClient
from runtime.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from tests.support.waiting import until
from tests.support.zone import RunningZone, give_support, provider_client, registered_provider, user_token

pytestmark = pytest.mark.asyncio(loop_scope="module")
SIZE = 10**9


@pytest_asyncio.fixture(loop_scope="module")
async def rpc(zone: RunningZone) -> AsyncIterator[ZoneClient]:
    async with provider_client(zone, await registered_provider(zone)) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def other(zone: RunningZone) -> AsyncIterator[ZoneClient]:
    """Another provider."""
    provider = await registered_provider(zone, "paris", "paris.example.org")
    async with provider_client(zone, provider) as client:
        yield client


async def invitation(zone: RunningZone) -> str:
    """A token to support a new space."""
    return await _invitation_to(zone, await _space(zone))


async def _space(zone: RunningZone) -> str:
    made = await zone.admin.post("/user/spaces", json={"name": "space 1"})
    space_id: str = made.headers["location"].rpartition("/")[2]
    return space_id


async def _invitation_to(zone: RunningZone, space_id: str) -> str:
    token: str = (await zone.admin.post(f"/spaces/{space_id}/providers/token")).json()["token"]
    return token


def _id() -> str:
    return secrets.token_hex(16)


async def test_storage_is_registered_once_under_its_id(rpc: ZoneClient, other: ZoneClient) -> None:
    storage_id = _id()
    wanted = {"qos_parameters": {"geo": "PL", "speed": 2.5}, "imported": True, "readonly": True}
    made = await rpc.create_storage(storage_id, "disk 1", **wanted)
    assert (made.storage_id, made.name, made.imported, made.readonly) == (storage_id, "disk 1", True, True)
    assert {name: value.text or value.number for name, value in made.qos_parameters.values.items()} == {
        "geo": "PL",
        "speed": 2.5,
    }
    assert await rpc.create_storage(storage_id, "disk 1", **wanted) == made
    for client in (rpc, other):
        with pytest.raises(AlreadyExists):
            await client.create_storage(storage_id, "another")
    assert (await rpc.create_storage("", "disk 2")).storage_id


@pytest.mark.parametrize(
    ("storage_id", "fields", "reason"),
    [
        ("no id/", {}, "BAD_DATA"),
        ("x" * 65, {}, "BAD_DATA"),
        ("", {"name": "x"}, "BAD_VALUE_NAME"),
        ("", {"qos_parameters": {"": "x"}}, "BAD_VALUE_QOS_PARAMETERS"),
        ("", {"qos_parameters": {f"k{number}": 1 for number in range(101)}}, "BAD_VALUE_QOS_PARAMETERS"),
    ],
)
async def test_bad_storages_are_refused(
    rpc: ZoneClient, storage_id: str, fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await rpc.create_storage(storage_id, **{"name": "disk", **fields})
    assert caught.value.reason == reason


async def test_only_imported_storages_are_read_only(rpc: ZoneClient) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        await rpc.create_storage(_id(), "disk", readonly=True)
    assert caught.value.reason == "REQUIRES_IMPORTED_STORAGE"
    storage = await rpc.create_storage(_id(), "disk", imported=True, readonly=True)
    with pytest.raises(FailedPrecondition) as caught:
        await rpc.update_storage(storage.storage_id, imported=False)
    assert caught.value.reason == "REQUIRES_IMPORTED_STORAGE"


async def test_storages_of_others_are_not_found(
    rpc: ZoneClient, other: ZoneClient, zone: RunningZone
) -> None:
    storage = await rpc.create_storage(_id(), "disk")
    with pytest.raises(NotFound):
        await other.update_storage(storage.storage_id, name="mine")
    with pytest.raises(NotFound):
        await other.delete_storage(storage.storage_id)
    with pytest.raises(InvalidArgument) as caught:
        await other.support_space(
            await invitation(zone), size_bytes=SIZE, storage_id=storage.storage_id, request_id="r"
        )
    assert (caught.value.reason, caught.value.facts["key"]) == ("BAD_VALUE_ID_NOT_FOUND", "storageId")


async def test_storage_in_use_stays(rpc: ZoneClient, zone: RunningZone) -> None:
    storage = await rpc.create_storage(_id(), "disk")
    space = await rpc.support_space(await invitation(zone), size_bytes=SIZE, storage_id=storage.storage_id)
    for change in (
        rpc.delete_storage(storage.storage_id),
        rpc.update_storage(storage.storage_id, imported=True),
    ):
        with pytest.raises(FailedPrecondition) as caught:
            await change
        assert caught.value.reason == "STORAGE_IN_USE"
    await rpc.revoke_support(space.space_id)
    await rpc.delete_storage(storage.storage_id)
    await rpc.delete_storage(storage.storage_id)


async def test_a_storage_made_read_only_shows_in_the_scope_of_tokens(
    rpc: ZoneClient, zone: RunningZone
) -> None:
    _, joe = await user_token(zone, "joe")
    storage = await rpc.create_storage(_id(), "disk", imported=True)
    async with zone.client(joe) as client:
        made = await client.post("/user/spaces", json={"name": "space 1"})
        space_id = made.headers["location"].rpartition("/")[2]
        token = (await client.post(f"/spaces/{space_id}/providers/token")).json()["token"]
        await rpc.support_space(token, size_bytes=SIZE, storage_id=storage.storage_id)

        async def shows(readonly: bool) -> bool:
            answer = await client.post("/tokens/infer_access_token_scope", json={"token": joe})
            supports = answer.json()["dataAccessScope"]["spaces"][space_id]["supports"]
            return bool(supports == {rpc.provider.provider_id: {"readonly": readonly}})

        for readonly in (True, False):
            await rpc.update_storage(storage.storage_id, readonly=readonly)
            # What was answered before is kept until the change is heard of.
            await until(partial(shows, readonly))


async def test_an_imported_storage_supports_one_space(rpc: ZoneClient, zone: RunningZone) -> None:
    storage = await rpc.create_storage(_id(), "disk", imported=True)
    ask = {"size_bytes": SIZE, "storage_id": storage.storage_id}
    first = await rpc.support_space(await invitation(zone), **ask)
    with pytest.raises(FailedPrecondition) as caught:
        await rpc.support_space(await invitation(zone), **ask)
    assert caught.value.reason == "STORAGE_IN_USE"
    await rpc.revoke_support(first.space_id)
    await rpc.support_space(await invitation(zone), **ask)


async def test_a_space_has_one_imported_storage(
    rpc: ZoneClient, other: ZoneClient, zone: RunningZone
) -> None:
    space_id = await _space(zone)
    storage = await rpc.create_storage(_id(), "disk", imported=True)
    await rpc.support_space(
        await _invitation_to(zone, space_id), size_bytes=SIZE, storage_id=storage.storage_id
    )
    second = await other.create_storage(_id(), "disk", imported=True)
    with pytest.raises(AlreadyExists) as caught:
        await other.support_space(
            await _invitation_to(zone, space_id), size_bytes=SIZE, storage_id=second.storage_id
        )
    assert caught.value.reason == "SPACE_ALREADY_SUPPORTED_WITH_IMPORTED_STORAGE"
    assert dict(caught.value.facts) == {"spaceId": space_id, "storageId": storage.storage_id}
    await give_support(other, await _invitation_to(zone, space_id), SIZE)


async def test_a_refused_support_does_not_use_the_invitation_up(rpc: ZoneClient, zone: RunningZone) -> None:
    space_id = await _space(zone)
    invite = {"inviteType": "supportSpace", "spaceId": space_id, "parameters": {}}
    body = {"name": f"once {secrets.token_hex(4)}", "type": {"inviteToken": invite}, "usageLimit": 1}
    token = (await zone.admin.post("/user/tokens/named", json=body)).json()["token"]
    storage = await rpc.create_storage(_id(), "disk", imported=True)
    taken = await rpc.support_space(await invitation(zone), size_bytes=SIZE, storage_id=storage.storage_id)
    with pytest.raises(FailedPrecondition):
        await rpc.support_space(token, size_bytes=SIZE, storage_id=storage.storage_id)
    await rpc.revoke_support(taken.space_id)
    await rpc.support_space(token, size_bytes=SIZE, storage_id=storage.storage_id)


async def test_support_is_resized_and_revoked_by_its_provider(
    rpc: ZoneClient, other: ZoneClient, zone: RunningZone
) -> None:
    space = await give_support(rpc, await invitation(zone), SIZE)
    resized = await rpc.resize_support(space.space_id, 2 * SIZE)
    assert resized.size_bytes == 2 * SIZE
    assert resized.revision > space.revision
    view = (await zone.admin.get(f"/spaces/{space.space_id}")).json()
    assert view["providers"] == {rpc.provider.provider_id: 2 * SIZE}
    with pytest.raises(InvalidArgument) as caught:
        await rpc.resize_support(space.space_id, 5)
    assert caught.value.reason == "BAD_VALUE_TOO_LOW"
    with pytest.raises(NotFound):
        await other.resize_support(space.space_id, SIZE)
    assert await rpc.revoke_support(space.space_id) > resized.revision
    await rpc.revoke_support(space.space_id)
    assert await rpc.revoke_support("nowhere") == 0
    with pytest.raises(NotFound):
        await rpc.resize_support(space.space_id, SIZE)


async def test_the_log_tells_of_storages_and_supports(rpc: ZoneClient, zone: RunningZone) -> None:
    storage = await rpc.create_storage(_id(), "disk")
    space = await rpc.support_space(await invitation(zone), size_bytes=SIZE, storage_id=storage.storage_id)
    await rpc.resize_support(space.space_id, 2 * SIZE)
    await rpc.revoke_support(space.space_id)
    notes = (await zone.admin.get("/audit", params={"about": space.space_id})).json()["notes"]
    assert [each["action"] for each in notes][:3] == ["withdraw_support", "resize_support", "support_space"]
    notes = (await zone.admin.get("/audit", params={"about": storage.storage_id})).json()["notes"]
    assert notes[-1]["action"] == "create_storage"
    assert notes[-1]["who"] == f"prv-{rpc.provider.provider_id}"


async def test_a_removed_provider_leaves_no_storages(zone: RunningZone) -> None:
    provider = await registered_provider(zone, "rome", "rome.example.org")
    storage_id = _id()
    async with provider_client(zone, provider) as client:
        await client.create_storage(storage_id, "disk", imported=True)
        await client.support_space(await invitation(zone), size_bytes=SIZE, storage_id=storage_id)
        assert (await zone.admin.delete(f"/providers/{provider.provider_id}")).status_code == 204
    async with provider_client(zone, await registered_provider(zone)) as other:
        await other.create_storage(storage_id, "disk", imported=True)
