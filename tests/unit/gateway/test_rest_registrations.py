"""`POST /data/register`: parameters, defaults, and each refusal to the letter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from runtime.errors import Unavailable
from services.gateway.domain.files import display_id
from services.storage_router.domain.drivers import Capabilities
from services.storage_router.drivers.memory import MemoryDriver
from tests.support.gateway import PROVIDER_ID, GatewayTwin

API = "/api/v3/oneprovider"


def error(answer: httpx.Response) -> tuple[int, str, object]:
    told = answer.json()["error"]
    return answer.status_code, told["id"], told.get("details")


async def register(gateway: GatewayTwin, who: str = "owner", **more: Any) -> httpx.Response:
    body = {
        "spaceId": "home1", "storageId": "s1", "storageFileId": "/raw/1", "destinationPath": "/new/a", **more,
    }  # fmt: skip
    given = {key: value for key, value in body.items() if value is not None}
    return await gateway.http.post(f"{API}/data/register", json=given, headers={"x-auth-token": who})


async def attributes(gateway: GatewayTwin, path: str = "new/a") -> dict[str, Any]:
    told: dict[str, Any] = (await gateway.http.get(f"{API}/data/{await gateway.id_of(path)}")).json()
    return told


@pytest.fixture(autouse=True)
async def source(gateway: GatewayTwin) -> None:
    """A file of 5 bytes on the imported storage."""
    await gateway.storages.driver.put("/raw/1", b"12345", sync=False)


async def test_a_file_is_registered_with_what_the_storage_tells(gateway: GatewayTwin) -> None:
    answer = await register(gateway)
    file_id = await gateway.id_of("new/a")
    assert (answer.status_code, answer.json()) == (201, {"fileId": file_id})
    assert answer.headers["location"] == f"https://door:8443{API}/data/{file_id}"
    told = await attributes(gateway)
    assert (told["size"], told["posixPermissions"]) == (5, "640")


async def test_what_is_given_wins_over_what_is_detected(gateway: GatewayTwin) -> None:
    await register(gateway, size=3, mode="600", atime=1, mtime=2, ctime=3, uid=7, gid=0)
    told = await attributes(gateway)
    assert (told["size"], told["posixPermissions"]) == (3, "600")
    assert (told["atime"], told["mtime"], told["ctime"]) == (1, 2, 3)


@pytest.mark.parametrize(
    ("uid", "owner_id"),
    [
        (7, "u2"),
        (8, "VIRTUAL_SPACE_OWNER_home1"),
        (display_id("u1"), "u1"),
        (display_id("u2"), "VIRTUAL_SPACE_OWNER_home1"),
    ],
)
@pytest.mark.parametrize("detects", [True, False])
async def test_a_file_belongs_to_whom_its_owner_is_known_to_be(
    gateway: GatewayTwin, uid: int, owner_id: str, detects: bool
) -> None:
    await gateway.storages.users.put("s1", 7, "u2", limit=10)
    await register(gateway, uid=uid, size=3, autoDetectAttributes=detects)
    assert (await attributes(gateway))["ownerUserId"] == owner_id


async def test_registering_again_keeps_or_changes_the_owner(gateway: GatewayTwin) -> None:
    await gateway.storages.users.put("s1", 7, "u2", limit=10)
    for uid, owner_id in ((display_id("u1"), "u1"), (None, "u1"), (99, "u1"), (7, "u2")):
        await register(gateway, uid=uid)
        assert (await attributes(gateway))["ownerUserId"] == owner_id


@pytest.mark.parametrize("gid", [0, 7, 2**32 - 2])
async def test_a_group_of_the_storage_is_shown(gateway: GatewayTwin, gid: int) -> None:
    await register(gateway, gid=gid)
    await gateway.make("new/other")
    told = await attributes(gateway)
    assert (told["displayGid"], told["storage_group_id"]) == (gid, gid)
    of_space = (await attributes(gateway, "new/other"))["displayGid"]
    assert of_space == (await attributes(gateway, "new"))["displayGid"] == display_id("home1")
    asked = "attributes=name&attributes=displayGid"
    listed = (await gateway.http.get(f"{API}/data/{await gateway.id_of('new')}/children?{asked}")).json()
    assert [each["displayGid"] for each in listed["children"]] == [gid, of_space]
    found = (await gateway.http.get(f"{API}/data/home1/files?{asked}")).json()["files"]
    assert [each["displayGid"] for each in found] == [gid, of_space]


async def test_registering_again_keeps_or_changes_the_group(gateway: GatewayTwin) -> None:
    for gid, shown in ((None, display_id("home1")), (5, 5), (None, 5), (6, 6)):
        await register(gateway, gid=gid)
        assert (await attributes(gateway))["displayGid"] == shown


async def test_without_detection_the_storage_is_not_looked_at(gateway: GatewayTwin) -> None:
    answer = await register(gateway, storageFileId="/none", autoDetectAttributes=False, size=9)
    assert answer.status_code == 201
    told = await attributes(gateway)
    assert (told["size"], told["posixPermissions"]) == (9, "664")
    assert told["mtime"] == gateway.clock.now_ms() // 1000


async def test_metadata_is_set_along(gateway: GatewayTwin) -> None:
    await register(gateway, xattrs={"k": [1]}, json={"a": 2}, rdf="PHJkZi8+")
    base = f"{API}/data/{await gateway.id_of('new/a')}/metadata"
    assert (await gateway.http.get(f"{base}/xattrs")).json() == {"k": [1]}
    assert (await gateway.http.get(f"{base}/json")).json() == {"a": 2}
    assert (await gateway.http.get(f"{base}/rdf")).content == b"<rdf/>"


@pytest.mark.parametrize(
    ("given", "id", "details"),
    [
        ({"spaceId": None}, "missingRequiredValue", {"key": "spaceId"}),
        ({"storageId": None}, "missingRequiredValue", {"key": "storageId"}),
        ({"storageFileId": ""}, "badValueEmpty", {"key": "storageFileId"}),
        ({"storageFileId": "/a/../b"}, "badValueFilePath", None),
        ({"destinationPath": 5}, "badValueString", {"key": "destinationPath"}),
        ({"destinationPath": "/"}, "badValueFilePath", None),
        ({"destinationPath": "a\0"}, "badValueFilePath", None),
        ({"autoDetectAttributes": 1}, "badValueBoolean", {"key": "autoDetectAttributes"}),
        ({"autoDetectAttributes": False}, "missingRequiredValue", {"key": "size"}),
        ({"size": "x"}, "badValueInteger", {"key": "size"}),
        ({"size": -1}, "badValueTooLow", {"key": "size", "limit": 0}),
        ({"size": 2**62 + 1}, "badValueTooHigh", {"key": "size", "limit": 2**62}),
        ({"mode": "9"}, "badValueOctal", {"key": "mode"}),
        ({"mode": 644}, "badValueOctal", {"key": "mode"}),
        ({"mode": "2000"}, "badValueNotInRange", {"key": "mode", "low": 0, "high": 0o1777}),
        ({"mtime": -5}, "badValueTooLow", {"key": "mtime", "limit": 0}),
        ({"ctime": 1 << 60}, "badValueTooHigh", {"key": "ctime", "limit": 253402300799}),
        ({"uid": 2**32}, "badValueNotInRange", {"key": "uid", "low": 0, "high": 2**32 - 2}),
        ({"xattrs": []}, "badValueJSON", {"key": "xattrs"}),
        ({"json": "{}"}, "badValueJSON", {"key": "json"}),
        ({"rdf": "no base64!"}, "badData", {"key": "rdf"}),
        ({"rdf": 1}, "badValueString", {"key": "rdf"}),
        ({"xattrs": {"onedata_x": 1}}, "posix", {"errno": "eperm"}),
        ({"storageFileId": "/none"}, "posix", {"errno": "enoent"}),
        ({"storageFileId": "/home1/0/0/0/000"}, "posix", {"errno": "eacces"}),
        ({"destinationPath": "n" * 256}, "posix", {"errno": "enametoolong"}),
        (
            {"storageId": "s2"},
            "notALocalStorageSupportingSpace",
            {"providerId": PROVIDER_ID, "storageId": "s2", "spaceId": "home1"},
        ),
        ({"spaceId": "twin1", "storageId": "s2"}, "requiresImportedStorage", {"storageId": "s2"}),
        ({"spaceId": "away1"}, "spaceNotSupportedBy", {"spaceId": "away1", "providerId": PROVIDER_ID}),
    ],
)
async def test_bad_values_are_told_as_the_contract_says(
    gateway: GatewayTwin, given: dict[str, Any], id: str, details: object
) -> None:
    owner = gateway.tokens.identities["owner"]
    spaces = {**owner.spaces, "twin1": replace(owner.spaces["home1"], name="twin")}
    spaces["away1"] = replace(spaces["home1"], name="away", supported=False)
    gateway.tokens.identities["owner"] = replace(owner, spaces=spaces)
    assert error(await register(gateway, **given)) == (400, id, details)


async def test_who_lacks_the_privilege_is_forbidden(gateway: GatewayTwin) -> None:
    for who in ("member", "stranger"):
        assert error(await register(gateway, who)) == (403, "forbidden", None)


async def test_a_file_on_the_way_is_no_directory(gateway: GatewayTwin) -> None:
    await gateway.make("new")
    assert error(await register(gateway)) == (400, "posix", {"errno": "enotdir"})
    refused = await register(gateway, destinationPath="new")
    assert error(refused) == (400, "posix", {"errno": "eexist"})


async def test_a_storage_without_stat_needs_no_look(
    gateway: GatewayTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryDriver, "capabilities", Capabilities())
    assert error(await register(gateway)) == (400, "statOperationNotSupported", {"storageId": "s1"})
    assert (await register(gateway, autoDetectAttributes=False, size=1)).status_code == 201


async def test_a_storage_file_about_to_go_is_in_progress(gateway: GatewayTwin) -> None:
    file_id = (await register(gateway)).json()["fileId"]
    await gateway.http.delete(f"{API}/data/{file_id}")
    gateway.clock.advance(120)
    assert await gateway.metadata.clean_tombstones() == 1
    assert error(await register(gateway)) == (400, "posix", {"errno": "einprogress"})


async def test_metadata_that_is_away_is_told(gateway: GatewayTwin) -> None:
    gateway.metadata.away = Unavailable()
    assert error(await register(gateway))[:2] == (503, "serviceUnavailable")
