"""`/shares`, and what guests see by the ids they lead to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from runtime.errors import Unavailable
from runtime.http.file_ids import decode, encode, user_root
from runtime.identity import DataCaveats, SpacePrivilege, SpaceRights
from tests.support.gateway import DATA, GatewayTwin, user

API = "/api/v3/oneprovider"


@pytest.fixture(params=["application", "server"])
def road(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def error(answer: httpx.Response) -> tuple[int, str, object]:
    told = answer.json()["error"]
    return answer.status_code, told["id"], told.get("details")


async def share(gateway: GatewayTwin, file: str, **more: Any) -> str:
    """A share of a file; its id."""
    answer = await gateway.http.post(f"{API}/shares", json={"name": "results", "rootFileId": file, **more})
    assert answer.status_code == 201, answer.text
    share_id = str(answer.json()["shareId"])
    assert answer.headers["location"] == f"https://door:8443{API}/shares/{share_id}"
    return share_id


@pytest.fixture
async def directory(gateway: GatewayTwin) -> str:
    """`d`, with the file `f` in it."""
    made = await gateway.make("d", type="DIR")
    await gateway.make("d/f", content=b"hello")
    return made


async def test_a_share_is_told_whole(gateway: GatewayTwin, directory: str) -> None:
    share_id = await share(gateway, directory, description="# Text")
    uuid = decode(directory).uuid  # type: ignore[union-attr]
    assert (await gateway.http.get(f"{API}/shares/{share_id}")).json() == {
        "shareId": share_id,
        "spaceId": "home1",
        "name": "results",
        "description": "# Text",
        "publicUrl": f"https://zone.example.org/share/{share_id}",
        "publicRestUrl": f"https://zone.example.org/api/v3/onezone/shares/{share_id}/public",
        "rootFileId": encode("home1", uuid, share_id),
        "rootFileType": "DIR",
        "handleId": None,
    }


async def test_the_older_key_is_good_and_the_newer_wins(gateway: GatewayTwin, directory: str) -> None:
    file = await gateway.id_of("d/f")
    for body, type in (({"fileId": file}, "REG"), ({"fileId": file, "rootFileId": directory}, "DIR")):
        made = await gateway.http.post(f"{API}/shares", json={"name": "results", **body})
        told = (await gateway.http.get(f"{API}/shares/{made.json()['shareId']}")).json()
        assert told["rootFileType"] == type


@pytest.mark.parametrize(
    ("change", "id", "details"),
    [
        ({"name": None}, "missingRequiredValue", {"key": "name"}),
        ({"name": 5}, "badValueString", {"key": "name"}),
        ({"name": "x"}, "badValueName", {"key": "name"}),
        ({"rootFileId": None}, "missingAtLeastOneValue", {"keys": ["fileId", "rootFileId"]}),
        ({"rootFileId": "nonsense"}, "badValueIdentifier", {"key": "rootFileId"}),
        ({"rootFileId": None, "fileId": 7}, "badValueIdentifier", {"key": "fileId"}),
        ({"rootFileId": encode("home1", "f", "s")}, "posix", {"errno": "eperm"}),
        ({"description": 5}, "badValueString", {"key": "description"}),
        ({"description": "x" * 100_001}, "badValueTextTooLarge", {"key": "description", "limit": 100_000}),
        ({"rootFileId": encode("away1", "f")}, "spaceNotSupportedBy", None),
        ({"rootFileId": encode("rootDirVirtualSpaceId", user_root("u1").uuid)}, "posix", {"errno": "eperm"}),
    ],
)
async def test_bad_shares(
    gateway: GatewayTwin, directory: str, change: dict[str, Any], id: str, details: object
) -> None:
    body = {"name": "results", "rootFileId": directory, **change}
    status, told, facts = error(await gateway.http.post(f"{API}/shares", json=body))
    assert (status, told) == (400, id)
    assert details is None or facts == details


async def test_a_missing_file_is_404(gateway: GatewayTwin) -> None:
    body = {"name": "results", "rootFileId": encode("home1", "gone")}
    assert error(await gateway.http.post(f"{API}/shares", json=body)) == (404, "notFound", None)


async def test_a_link_is_einval(gateway: GatewayTwin) -> None:
    link = await gateway.make("link", type="SYMLNK", symlink_target="d")
    answer = await gateway.http.post(f"{API}/shares", json={"name": "results", "rootFileId": link})
    assert error(answer) == (400, "posix", {"errno": "einval"})


async def test_a_zone_that_fails_is_eagain(gateway: GatewayTwin, directory: str) -> None:
    gateway.metadata.zone_shares.fails = Unavailable()
    answer = await gateway.http.post(f"{API}/shares", json={"name": "results", "rootFileId": directory})
    assert error(answer) == (400, "posix", {"errno": "eagain"})


async def test_without_the_privilege(gateway: GatewayTwin, directory: str) -> None:
    share_id = await share(gateway, directory)
    gateway.http.headers["x-auth-token"] = "member"
    made = await gateway.http.post(f"{API}/shares", json={"name": "results", "rootFileId": directory})
    assert error(made) == (400, "posix", {"errno": "eperm"})
    renamed = await gateway.http.patch(f"{API}/shares/{share_id}", json={"name": "mine"})
    assert error(renamed) == (403, "forbidden", None)
    ended = await gateway.http.delete(f"{API}/shares/{share_id}")
    assert error(ended) == (400, "posix", {"errno": "eperm"})
    assert (await gateway.http.get(f"{API}/shares/{share_id}")).json()["name"] == "results"


async def test_strangers_are_forbidden_and_guests_unauthorized(gateway: GatewayTwin, directory: str) -> None:
    share_id = await share(gateway, directory)
    gateway.http.headers["x-auth-token"] = "stranger"
    for method in ("GET", "DELETE"):
        answer = await gateway.http.request(method, f"{API}/shares/{share_id}")
        assert error(answer) == (403, "forbidden", None)
    made = await gateway.http.post(f"{API}/shares", json={"name": "results", "rootFileId": directory})
    assert error(made) == (403, "forbidden", None)
    del gateway.http.headers["x-auth-token"]
    assert error(await gateway.http.get(f"{API}/shares/{share_id}")) == (401, "unauthorized", None)


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_unknown_shares_are_404(gateway: GatewayTwin, method: str) -> None:
    answer = await gateway.http.request(method, f"{API}/shares/nope", json={"name": "renamed"})
    assert error(answer) == (404, "notFound", None)


async def test_a_change_sets_what_is_given(gateway: GatewayTwin, directory: str) -> None:
    share_id = await share(gateway, directory, description="old")
    changed = await gateway.http.patch(f"{API}/shares/{share_id}", json={"name": "renamed"})
    assert (changed.status_code, changed.content) == (204, b"")
    changed = await gateway.http.patch(f"{API}/shares/{share_id}?description=")
    told = (await gateway.http.get(f"{API}/shares/{share_id}")).json()
    assert (told["name"], told["description"]) == ("renamed", "")


async def test_a_change_needs_something(gateway: GatewayTwin) -> None:
    answer = await gateway.http.patch(f"{API}/shares/nope")
    assert error(answer) == (400, "missingAtLeastOneValue", {"keys": ["description", "name"]})
    answer = await gateway.http.patch(f"{API}/shares/nope", json={"name": "x"})
    assert error(answer) == (400, "badValueName", {"key": "name"})


async def test_an_ended_share_leads_nowhere(gateway: GatewayTwin, directory: str) -> None:
    share_id = await share(gateway, directory)
    root = (await gateway.http.get(f"{API}/shares/{share_id}")).json()["rootFileId"]
    assert (await gateway.http.delete(f"{API}/shares/{share_id}")).status_code == 204
    assert error(await gateway.http.get(f"{API}/shares/{share_id}")) == (404, "notFound", None)
    answer = await gateway.http.get(f"{API}/data/{root}")
    assert error(answer) == (400, "posix", {"errno": "enoent"})


@pytest.mark.parametrize(
    "caveats", [DataCaveats(readonly=True), DataCaveats(paths=(("/home1",),)), DataCaveats(object_ids=((),))]
)
async def test_confined_tokens_are_for_files_only(
    gateway: GatewayTwin, directory: str, caveats: DataCaveats
) -> None:
    share_id = await share(gateway, directory)
    gateway.tokens.identities["confined"] = replace(gateway.tokens.identities["owner"], caveats=caveats)
    gateway.http.headers["x-auth-token"] = "confined"
    body = {"name": "renamed", "rootFileId": directory}
    for method, path in (
        ("POST", ""),
        ("GET", f"/{share_id}"),
        ("PATCH", f"/{share_id}"),
        ("DELETE", f"/{share_id}"),
    ):
        answer = await gateway.http.request(method, f"{API}/shares{path}", json=body)
        status, id, details = error(answer)
        assert (status, id) == (401, "unauthorized")
        assert details["authError"]["id"] == "tokenCaveatUnverified"  # type: ignore[index]
    assert (await gateway.http.get(f"{API}/shares/nope")).status_code == 404
    gateway.http.headers["x-auth-token"] = "owner"
    assert (await gateway.http.get(f"{API}/shares/{share_id}")).json()["name"] == "results"


async def test_other_methods_are_405(gateway: GatewayTwin) -> None:
    answer = await gateway.http.put(f"{API}/shares/x")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PATCH, DELETE")


# --- by the ids of a share ---

PUBLIC_DEFAULT = {
    "fileId", "parentFileId", "name", "posixPermissions", "atime", "mtime", "ctime", "type", "size",
    "directShareIds", "index", "file_id", "parent_id", "mode", "shares",
}  # fmt: skip


@pytest.fixture
async def root(gateway: GatewayTwin, directory: str) -> str:
    """The id of a shared directory, and no token in hand."""
    share_id = await share(gateway, directory)
    told = (await gateway.http.get(f"{API}/shares/{share_id}")).json()
    del gateway.http.headers["x-auth-token"]
    return str(told["rootFileId"])


async def child(gateway: GatewayTwin, root: str) -> str:
    """The only file in a shared directory."""
    [told] = (await gateway.http.get(f"{API}/data/{root}/children")).json()["children"]
    assert told["name"] == "f"
    return str(told["fileId"])


async def test_guests_see_a_reduced_root(gateway: GatewayTwin, root: str) -> None:
    told = (await gateway.http.get(f"{API}/data/{root}")).json()
    share_id = decode(root).share_id  # type: ignore[union-attr]
    assert told.keys() == PUBLIC_DEFAULT
    assert (told["fileId"], told["parentFileId"], told["posixPermissions"]) == (root, None, "005")
    assert told["directShareIds"] == told["shares"] == [share_id]


async def test_children_keep_the_share(gateway: GatewayTwin, root: str) -> None:
    file = await child(gateway, root)
    assert decode(file).share_id == decode(root).share_id  # type: ignore[union-attr]
    told = (await gateway.http.get(f"{API}/data/{file}")).json()
    assert (told["parentFileId"], told["directShareIds"], told["mode"]) == (root, [], "004")


async def test_other_shares_are_kept_secret(gateway: GatewayTwin, root: str) -> None:
    file = await child(gateway, root)
    gateway.http.headers["x-auth-token"] = "owner"
    await share(gateway, await gateway.id_of("d/f"))
    assert (await gateway.http.get(f"{API}/data/{file}")).json()["directShareIds"] == []


async def test_private_attributes_are_not_to_be_had(gateway: GatewayTwin, root: str) -> None:
    for key, name in (("attributes", "ownerUserId"), ("attribute", "owner_id"), ("attributes", "path")):
        status, id, details = error(await gateway.http.get(f"{API}/data/{root}?{key}={name}"))
        assert (status, id) == (400, "badValueNotAllowed")
        assert details["allowed"][-1] == "xattr.*"  # type: ignore[index]
        assert name not in details["allowed"]  # type: ignore[index]
    listed = await gateway.http.get(f"{API}/data/{root}/children?attributes=acl")
    assert error(listed)[1] == "badValueNotAllowed"


async def test_public_attributes_are(gateway: GatewayTwin, root: str) -> None:
    names = ["symlinkValue", "hasCustomMetadata", "creationTime", "activePermissionsType", "xattr.none"]
    answer = await gateway.http.request("GET", f"{API}/data/{root}", json={"attributes": names})
    assert list(answer.json()) == names


@pytest.mark.parametrize("token", ["member", "stranger"])
async def test_whoever_asks_is_a_guest(gateway: GatewayTwin, root: str, token: str) -> None:
    gateway.http.headers["x-auth-token"] = token
    assert (await gateway.http.get(f"{API}/data/{root}")).json().keys() == PUBLIC_DEFAULT
    gateway.http.headers["x-auth-token"] = "bad"
    assert (await gateway.http.get(f"{API}/data/{root}")).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", ""),
        ("DELETE", ""),
        ("GET", "/hardlinks"),
        ("GET", "/hardlinks/x"),
        ("DELETE", "/path/f"),
        ("PUT", "/metadata/xattrs"),
        ("DELETE", "/metadata/xattrs"),
        ("POST", "/ticket"),
    ],
)
async def test_all_else_is_not_supported(gateway: GatewayTwin, root: str, method: str, path: str) -> None:
    answer = await gateway.http.request(method, f"{API}/data/{root}{path}", json={})
    assert error(answer) == (400, "notSupported", None)


async def test_links_are_read(gateway: GatewayTwin, root: str) -> None:
    gateway.http.headers["x-auth-token"] = "owner"
    await gateway.make("d/link", type="SYMLNK", symlink_target="f")
    del gateway.http.headers["x-auth-token"]
    listed = (await gateway.http.get(f"{API}/data/{root}/children")).json()["children"]
    link = next(each["fileId"] for each in listed if each["name"] == "link")
    assert (await gateway.http.get(f"{API}/data/{link}/symlink_value")).content == b"f"


async def test_inherited_metadata_stops_at_the_root(gateway: GatewayTwin, root: str) -> None:
    file = await child(gateway, root)
    gateway.http.headers["x-auth-token"] = "owner"
    for target, value in (("home1", "space"), (await gateway.id_of("d"), "root")):
        put = await gateway.http.put(f"{API}/data/{target}/metadata/xattrs", json={value: 1})
        assert put.status_code == 204
    del gateway.http.headers["x-auth-token"]
    assert (await gateway.http.get(f"{API}/data/{file}/metadata/xattrs")).json() == {}
    answer = await gateway.http.get(f"{API}/data/{file}/metadata/xattrs?inherited=true")
    assert answer.json() == {"root": 1}


async def test_a_share_in_a_space_elsewhere_is_not_here(gateway: GatewayTwin) -> None:
    del gateway.http.headers["x-auth-token"]
    answer = await gateway.http.get(f"{API}/data/{encode('away1', 'f', 'share1')}")
    details = {"spaceId": "away1", "providerId": "provider1"}
    assert error(answer) == (400, "spaceNotSupportedBy", details)


async def test_shares_of_a_file_are_for_those_who_may_view(gateway: GatewayTwin, directory: str) -> None:
    share_id = await share(gateway, directory)
    blind = {"home1": SpaceRights("home", DATA & ~(1 << SpacePrivilege.VIEW))}
    gateway.tokens.identities["blind"] = user("u9", blind)
    for token, shown in (("owner", [share_id]), ("member", [share_id]), ("blind", [])):
        answer = await gateway.http.get(f"{API}/data/{directory}", headers={"x-auth-token": token})
        assert answer.json()["directShareIds"] == shown
