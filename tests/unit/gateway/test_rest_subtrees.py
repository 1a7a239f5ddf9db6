"""Recursive listing."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.http.file_ids import encode
from services.gateway.api.rest import subtrees
from services.metadata.domain import walks
from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_rest_files import API, USER_ROOT, errno, error_id

FILES = f"{API}/data/home1/files"


@pytest.fixture
async def tree(gateway: GatewayTwin) -> GatewayTwin:
    for path, kind in (("d", "DIR"), ("d/e", "DIR"), ("d/e/x", "REG"), ("d/y", "REG"), ("a", "REG")):
        await gateway.make(path, type=kind)
    return gateway


async def told(gateway: GatewayTwin, query: str = "", **options: Any) -> dict[str, Any]:
    answer = await gateway.http.request("GET", f"{FILES}?{query}", **options)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def paths(page: dict[str, Any]) -> list[str]:
    return [file["path"] for file in page["files"]]


async def test_default_attributes_are_id_and_path(tree: GatewayTwin) -> None:
    page = await told(tree)
    assert page.keys() == {"files", "inaccessiblePaths", "nextPageToken"}
    assert (paths(page), page["inaccessiblePaths"], page["nextPageToken"]) == (
        ["a", "d/e/x", "d/y"],
        [],
        None,
    )
    assert list(page["files"][0]) == ["fileId", "file_id", "path"]
    assert page["files"][0]["fileId"] == page["files"][0]["file_id"] == await tree.id_of("a")


async def test_parameters_may_be_in_the_body(tree: GatewayTwin) -> None:
    body = {"include_directories": True, "prefix": "d", "start_after": "d/e", "attributes": ["path", "type"]}
    page = await told(tree, json=body)
    assert page["files"] == [{"path": "d/e/x", "type": "REG"}, {"path": "d/y", "type": "REG"}]


async def test_the_deprecated_generation_knows_the_path(tree: GatewayTwin) -> None:
    page = await told(tree, "attribute=path&attribute=parent_id&prefix=a")
    assert page["files"] == [{"path": "a", "parent_id": encode("home1", "space_home1")}]


async def test_pages_end_with_a_null_token(tree: GatewayTwin) -> None:
    first = await told(tree, "limit=2&include_directories=true")
    second = await told(tree, f"limit=2&token={first['nextPageToken']}")
    third = await told(tree, f"limit=2&token={second['nextPageToken']}")
    assert [paths(page) for page in (first, second, third)] == [[".", "a"], ["d", "d/e"], ["d/e/x", "d/y"]]


async def test_large_pages_come_in_one_piece(gateway: GatewayTwin) -> None:
    for number in range(1200):
        await gateway.make(f"f{number:04}")
    page = await told(gateway, "limit=1100")
    assert len(page["files"]) == 1100
    assert len((await told(gateway, f"token={page['nextPageToken']}"))["files"]) == 100


async def test_empty_directories_make_no_page_short(
    gateway: GatewayTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "MAX_READS", 7)
    for number in range(40):
        await gateway.make(f"d{number:02}", type="DIR")
    for name in ("x", "y", "z"):
        await gateway.make(name)
    page = await told(gateway, "limit=2")
    assert paths(page) == ["x", "y"]
    assert paths(await told(gateway, f"limit=2&token={page['nextPageToken']}")) == ["z"]


async def test_the_work_for_a_page_is_bounded(gateway: GatewayTwin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "MAX_READS", 7)
    monkeypatch.setattr(subtrees, "MAX_CALLS", 2)
    for number in range(20):
        await gateway.make(f"d{number:02}", type="DIR")
    await gateway.make("x")
    first = await told(gateway)
    assert (first["files"], bool(first["nextPageToken"])) == ([], True)
    assert paths(await told(gateway, f"token={first['nextPageToken']}")) == ["x"]


async def test_much_ends_a_page(gateway: GatewayTwin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subtrees, "MAX_GATHERED_BYTES", 1)
    for number in range(1001):
        await gateway.make(f"f{number:04}")
    page = await told(gateway, "limit=1001")
    assert len(page["files"]) == 1000
    assert paths(await told(gateway, f"token={page['nextPageToken']}")) == ["f1000"]


async def test_xattrs_are_told_with_the_entries(tree: GatewayTwin) -> None:
    await tree.http.put(f"{API}/data/{await tree.id_of('d/y')}/metadata/xattrs", json={"k": [1]})
    page = await told(tree, "attributes=path&attributes=xattr.k")
    assert [file["xattr.k"] for file in page["files"]] == [None, None, [1]]


@pytest.mark.parametrize(
    ("query", "id"),
    [("limit=0", "badValueNotInRange"), ("limit=10001", "badValueNotInRange"), ("limit=x", "badValueInteger"),
     ("include_directories=1", "badValueBoolean"), ("attributes=nope", "badValueNotAllowed"),
     ("attribute=acl", "badValueNotAllowed"), ("start_after=%00", "badValueFilePath"),
     ("prefix=a%00", "badValueFilePath"), ("prefix=%FF", "malformedData")],
)  # fmt: skip
async def test_bad_parameters(gateway: GatewayTwin, query: str, id: str) -> None:
    assert error_id(await gateway.http.get(f"{FILES}?{query}")) == id


async def test_texts_must_be_texts(gateway: GatewayTwin) -> None:
    for key in ("start_after", "prefix", "token"):
        answer = await gateway.http.request("GET", FILES, json={key: [1]})
        assert (error_id(answer), answer.json()["error"]["details"]) == ("badValueString", {"key": key})


async def test_what_is_allowed_names_the_path_in_both_generations(gateway: GatewayTwin) -> None:
    for key in ("attributes", "attribute"):
        allowed = (await gateway.http.get(f"{FILES}?{key}=nope")).json()["error"]["details"]["allowed"]
        assert "path" in allowed
        assert allowed[-1] == "xattr.*"


async def test_tokens_of_other_directories_are_refused(tree: GatewayTwin) -> None:
    token = (await told(tree, "limit=1"))["nextPageToken"]
    assert errno(await tree.http.get(f"{FILES}?token=gibberish")) == "einval"
    other = f"{API}/data/{await tree.id_of('d')}/files?token={token}"
    assert errno(await tree.http.get(other)) == "einval"


async def test_who_may_not_and_what_is_not(tree: GatewayTwin) -> None:
    assert errno(await tree.http.get(f"{API}/data/{encode('home1', '0' * 32)}/files")) == "enoent"
    assert errno(await tree.http.get(f"{API}/data/{USER_ROOT}/files")) == "eacces"
    stranger = await tree.http.get(FILES, headers={"x-auth-token": "stranger"})
    assert (stranger.status_code, stranger.json()["error"]["id"]) == (403, "forbidden")
    assert (await tree.http.post(FILES)).status_code == 405


async def test_closed_directories_are_inaccessible_paths(tree: GatewayTwin) -> None:
    await tree.http.put(f"{API}/data/{await tree.id_of('d')}", json={"mode": "700"})
    page = (await tree.http.get(FILES, headers={"x-auth-token": "member"})).json()
    assert (paths(page), page["inaccessiblePaths"]) == (["a"], ["d"])
