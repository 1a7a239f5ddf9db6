"""Moves and copies."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.http.file_ids import encode
from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_cdmi_containers import CONTAINER, OBJECT, V, errno, get
from tests.unit.gateway.test_cdmi_objects import put

SPACE = encode("home1", "space_home1")


@pytest.mark.cdmi("15.move", "9.stable")
async def test_a_move_keeps_id_content_and_metadata(gateway: GatewayTwin) -> None:
    created = await put(gateway, "home/a", {"value": "hello", "metadata": {"k": "v"}})
    answer = await put(gateway, "home@home1/b", {"move": "home@home1/a"})
    assert answer.status_code == 201
    assert answer.json()["objectID"] == created.json()["objectID"]
    told = await get(gateway, "home/b")
    assert told["value"] == "hello"
    assert (await gateway.http.get("/cdmi/home/a", headers=V)).status_code == 404


@pytest.mark.parametrize("source", ["home/a", "/home/a", "/cdmi_objectid/{id}", f"cdmi_objectid/{SPACE}/a"])
@pytest.mark.cdmi("15.sources")
async def test_all_forms_of_sources_are_taken(gateway: GatewayTwin, source: str) -> None:
    id = await gateway.make("a", content=b"x")
    for key, target in (("copy", "copied"), ("move", "moved")):
        answer = await put(gateway, f"home/{target}", {key: source.format(id=id)})
        assert answer.status_code == 201, answer.text
    assert (await get(gateway, "home/?children"))["children"] == ["copied", "moved"]


async def test_directories_move_without_a_slash(gateway: GatewayTwin) -> None:
    directory = await gateway.make("dir", type="DIR")
    await gateway.make("dir/a")
    answer = await put(gateway, "home/new", {"move": "home/dir"})
    assert (answer.status_code, answer.json()["objectID"]) == (201, directory)
    assert answer.json()["children"] == ["a"]
    answer = await gateway.http.put("/cdmi/home/newer/", json={"move": "home/new/"}, headers=CONTAINER)
    assert answer.status_code == 201


async def test_a_file_is_replaced_and_a_directory_is_not(gateway: GatewayTwin) -> None:
    source = await gateway.make("a", content=b"new")
    await gateway.make("b", content=b"old")
    await gateway.make("dir", type="DIR")
    answer = await put(gateway, "home/b", {"move": "home/a"})
    assert (answer.status_code, answer.json()["objectID"]) == (200, source)
    assert (await get(gateway, "home/b?value"))["value"] == "new"
    assert (await put(gateway, "home/dir", {"move": "home/b"})).status_code == 302


async def test_a_move_that_is_tried_again_answers_as_at_first(gateway: GatewayTwin) -> None:
    source = await gateway.make("a", content=b"x")
    tries = [await put(gateway, "home/b", {"move": "home/a"}, **{"x-request-id": "r1"}) for _ in range(2)]
    assert [(answer.status_code, answer.json()["objectID"]) for answer in tries] == [(201, source)] * 2
    other = await put(gateway, "home/b", {"move": "home/a"}, **{"x-request-id": "r2"})
    assert (other.status_code, other.json()["error"]["details"]) == (400, {"errno": "enoent"})


async def test_onto_itself_nothing_happens(gateway: GatewayTwin) -> None:
    source = await gateway.make("a", content=b"x")
    answer = await put(gateway, "home/a", {"move": "home/a"})
    assert (answer.status_code, answer.json()["objectID"]) == (200, source)


@pytest.mark.parametrize("key", ["move", "copy"])
@pytest.mark.cdmi("15.errors", "9.malformed")
async def test_refusals_tell_why(gateway: GatewayTwin, key: str) -> None:
    await gateway.make("dir", type="DIR")
    await gateway.make("a")
    assert errno(await put(gateway, "home/b", {key: "home/nope"})) == "enoent"
    assert errno(await put(gateway, "home/nope/b", {key: "home/a"})) == "enoent"
    assert errno(await put(gateway, "home/dir/sub", {key: "home/dir"})) == "einval"
    assert errno(await put(gateway, "home/b", {key: "home"})) in ("eperm", "einval")
    answer = await gateway.http.put("/cdmi/home/b/", json={key: "home/a"}, headers=CONTAINER)
    assert errno(answer) == "enotdir"
    bad = await put(gateway, "home/b", {key: "cdmi_objectid/xyz"})
    assert bad.json()["error"]["details"] == {"key": key}
    assert (await get(gateway, "home/?children"))["children"] == ["a", "dir/"]


async def test_existing_targets_of_copies_are_eexist(gateway: GatewayTwin) -> None:
    await gateway.make("a")
    await gateway.make("b")
    await gateway.make("dir", type="DIR")
    assert errno(await put(gateway, "home/b", {"copy": "home/a"})) == "eexist"
    for key in ("copy", "move"):
        await gateway.make(f"src_{key}", type="DIR")
        answer = await gateway.http.put("/cdmi/home/dir/", json={key: f"home/src_{key}"}, headers=CONTAINER)
        assert errno(answer) == "eexist"


async def test_a_copy_has_everything_but_the_id(gateway: GatewayTwin) -> None:
    body = {"value": "hello", "mimetype": "text/x", "metadata": {"k": {"n": 1}}}
    created = (await put(gateway, "home/a", body)).json()
    await gateway.http.put(f"/api/v3/oneprovider/data/{created['objectID']}", json={"mode": "640"})
    copied = await put(gateway, "home/b", {"copy": "home/a"})
    assert copied.status_code == 201
    assert copied.json()["objectID"] != created["objectID"]
    told = await get(gateway, "home/b")
    assert (told["value"], told["mimetype"], told["valuetransferencoding"]) == ("hello", "text/x", "utf-8")
    assert isinstance(told["metadata"], dict)
    assert told["metadata"]["k"] == {"n": 1}
    mode = await gateway.http.get(
        f"/api/v3/oneprovider/data/{copied.json()['objectID']}?attributes=posixPermissions"
    )
    assert mode.json() == {"posixPermissions": "640"}


async def test_trees_are_copied_whole(gateway: GatewayTwin) -> None:
    await gateway.make("dir", type="DIR")
    await gateway.make("dir/sub", type="DIR")
    for name in ("dir/a b%", "dir/sub/c", "dir/d", "dir/e", "dir/f", "dir/g"):
        await gateway.make(name, content=name.encode())
    await gateway.make("dir/link", type="SYMLNK", symlink_target="x")
    answer = await gateway.http.put("/cdmi/home/new/", json={"copy": "/home/dir"}, headers=CONTAINER)
    assert answer.status_code == 201, answer.text
    assert answer.json()["children"] == ["a b%", "d", "e", "f", "g", "link", "sub/"]
    assert (await get(gateway, "home/new/sub/c?value"))["value"] == "dir/sub/c"
    assert (await get(gateway, "home/new/a%20b%25?value"))["value"] == "dir/a b%"


async def test_a_copy_that_fails_leaves_nothing(gateway: GatewayTwin) -> None:
    await gateway.make("dir", type="DIR", mode=0o777)
    await gateway.make("dir/a", content=b"x")
    await gateway.make("dir/secret", content=b"x", mode=0o600)
    member = {"x_auth_token": "member"}
    assert errno(await put(gateway, "home/new", {"copy": "home/dir"}, **member)) == "eacces"
    assert (await gateway.http.get("/cdmi/home/new/", headers=V)).status_code == 404


async def test_between_spaces_a_move_is_copy_and_removal(gateway: GatewayTwin) -> None:
    created = await put(gateway, "home/a", {"value": "hello"})
    answer = await put(gateway, "twin@twin1/b", {"move": "home/a"})
    assert answer.status_code == 201, answer.text
    assert answer.json()["objectID"] != created.json()["objectID"]
    assert answer.json()["parentURI"] == "/twin@twin1/"
    assert (await get(gateway, "twin@twin1/b?value"))["value"] == "hello"
    assert (await gateway.http.get("/cdmi/home/a", headers=V)).status_code == 404


async def test_metadata_in_the_body_replaces_what_came_along(gateway: GatewayTwin) -> None:
    await put(gateway, "home/a", {"value": "x", "metadata": {"old": 1}})
    answer = await put(gateway, "home/b", {"copy": "home/a", "metadata": {"new": 2}})
    assert answer.json()["metadata"]["new"] == 2
    assert "old" not in answer.json()["metadata"]


async def test_what_somebody_else_makes_meanwhile_is_not_taken_away(gateway: GatewayTwin) -> None:
    await gateway.make("dir", type="DIR")
    await gateway.make("a", content=b"source")
    for path, key in (("b", "home/a"), ("other/", "home/dir")):
        find = gateway.metadata.files.GetFile

        async def late(request: Any, context: Any, path: str = path, find: Any = find) -> Any:
            """The target appears right after it was found to be absent."""
            answer = await find(request, context)
            if request.HasField("wanted"):
                gateway.metadata.files.GetFile = find
                kind = "DIR" if path.endswith("/") else "REG"
                await asyncio.create_task(gateway.make(path.rstrip("/"), type=kind))
            return answer

        gateway.metadata.files.GetFile = late
        headers = CONTAINER if path.endswith("/") else OBJECT
        answer = await gateway.http.put(f"/cdmi/home/{path}", json={"copy": key}, headers=headers)
        assert errno(answer) == "eexist"
        assert (await gateway.http.get(f"/cdmi/home/{path}", headers=V)).status_code == 200


@pytest.mark.cdmi("15.fields")
async def test_a_copy_can_be_made_of_some_fields(gateway: GatewayTwin) -> None:
    made = {"value": "hello", "mimetype": "text/x", "metadata": {"k": "v", "onedata_json": {"n": 1}}}
    await put(gateway, "home/a", made)
    for fields, value, mimetype, encoding, items in (
        ("metadata", "", "application/octet-stream", "base64", {"k", "onedata_json"}),
        ("value", "aGVsbG8=", "application/octet-stream", "base64", set()),
        ("value;valuetransferencoding", "hello", "application/octet-stream", "utf-8", set()),
        ("mimetype;metadata", "", "text/x", "base64", {"k", "onedata_json"}),
    ):
        answer = await put(gateway, f"home/{fields}", {"copy": f"/home/a?{fields}"})
        assert answer.status_code == 201, answer.text
        told = await get(gateway, f"home/{fields}")
        assert (told["value"], told["mimetype"], told["valuetransferencoding"]) == (value, mimetype, encoding)
        assert {name for name in told["metadata"] if "cdmi" not in name} == items  # type: ignore[attr-defined]


@pytest.mark.cdmi("15.fields")
async def test_a_container_can_be_copied_without_its_children(gateway: GatewayTwin) -> None:
    await gateway.make("dir", type="DIR")
    await gateway.make("dir/a", content=b"x")
    await gateway.http.put("/cdmi/home/dir/", json={"metadata": {"k": "v"}}, headers=CONTAINER)
    for fields, children, has_items in (("metadata", [], True), ("children", ["a"], False)):
        body = {"copy": f"home/dir?{fields}"}
        answer = await gateway.http.put(f"/cdmi/home/{fields}/", json=body, headers=CONTAINER)
        assert (answer.status_code, answer.json()["children"]) == (201, children)
        assert ("k" in answer.json()["metadata"]) is has_items


@pytest.mark.cdmi("15.fields")
async def test_metadata_of_the_body_stands_beside_copied_fields(gateway: GatewayTwin) -> None:
    await put(gateway, "home/a", {"value": "x", "metadata": {"old": 1}})
    answer = await put(gateway, "home/b", {"copy": "home/a?value", "metadata": {"new": 2}})
    assert {name for name in answer.json()["metadata"] if "cdmi" not in name} == {"new"}


async def test_a_name_with_a_question_mark_is_still_a_name(gateway: GatewayTwin) -> None:
    await gateway.make("what?", content=b"x")
    assert (await put(gateway, "home/b", {"copy": "home/what?"})).status_code == 201
    assert errno(await put(gateway, "home/c", {"copy": "home/a?metadatum"})) == "enoent"
