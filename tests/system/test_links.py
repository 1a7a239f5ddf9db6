"""Hard and symbolic links through the front door."""

from __future__ import annotations

import asyncio

import httpx

from runtime.http.file_ids import decode, encode
from tests.support.folder import API, CLIENT, Folder, errno, error


async def link(folder: Folder, name: str, target: str, **query: str) -> httpx.Response:
    """A hard link made as a child of the folder."""
    params = {"name": name, "type": "LNK", "target_file_id": target, **query}
    return await folder.http.post(f"{API}/data/{folder.id}/children", params=params, headers=CLIENT)


async def content(folder: Folder, id: str) -> bytes:
    answer = await folder.http.get(f"{API}/data/{id}/content")
    assert answer.status_code == 200, answer.text
    return answer.content


async def test_one_file_has_several_names(folder: Folder) -> None:
    file = await folder.put("a", b"hello")
    made = await link(folder, "b", file)
    assert made.status_code == 201, made.text
    other = made.json()["fileId"]
    assert made.headers["location"].endswith(f"/data/{other}")
    found = decode(other)
    target = decode(file)
    assert found is not None
    assert target is not None
    assert found.uuid.startswith("link_")
    assert found.uuid.endswith(f"_file_{target.uuid}")
    for id in (file, other):
        assert (await folder.http.get(f"{API}/data/{id}/hardlinks")).json() == [file, other]
        assert await content(folder, id) == b"hello"
    assert await folder.attributes(other, "name", "type", "hardlinkCount", "size") == {
        "name": "b", "type": "REG", "hardlinkCount": 2, "size": 5,
    }  # fmt: skip
    assert (await folder.http.get(f"{API}/data/{file}/hardlinks/{other}")).status_code == 204
    assert error(await folder.http.get(f"{API}/data/{file}/hardlinks/{folder.id}"))[1:] == ("notFound", None)


async def test_what_is_written_by_one_name_is_read_by_the_others(folder: Folder) -> None:
    file = await folder.put("a", b"hello")
    other = (await link(folder, "b", file)).json()["fileId"]
    assert (await folder.http.put(f"{API}/data/{other}/content?offset=5", content=b" you")).status_code == 204
    assert await content(folder, file) == b"hello you"
    assert (await folder.http.put(f"{API}/data/{file}/content", content=b"new")).status_code == 204
    assert await content(folder, other) == b"new"
    await folder.http.put(f"{API}/data/{other}", json={"mode": "600"})
    assert await folder.attributes(file, "posixPermissions") == {"posixPermissions": "600"}


async def test_the_file_stays_until_its_last_name_goes(folder: Folder) -> None:
    file = await folder.put("a", b"hello")
    other = (await link(folder, "b", file)).json()["fileId"]
    assert (await folder.http.delete(f"{API}/data/{file}")).status_code == 204
    assert errno(await folder.http.get(f"{API}/data/{file}")) == "enoent"
    assert await content(folder, other) == b"hello"
    assert (await folder.http.get(f"{API}/data/{other}/hardlinks")).json() == [other]
    assert (await folder.http.delete(f"{API}/data/{other}")).status_code == 204
    assert errno(await folder.http.get(f"{API}/data/{other}/content")) == "enoent"


async def test_a_renamed_link_is_the_same_link(folder: Folder) -> None:
    file = await folder.put("a", b"hello")
    other = (await link(folder, "b", file)).json()["fileId"]
    moved = await folder.object("c", {"move": f"{folder.space}/{folder.name}/b"})
    assert moved.status_code == 201, moved.text
    assert (await folder.lookup("c")).json() == {"fileId": other}
    assert await content(folder, other) == b"hello"


async def test_links_at_once_are_all_there(folder: Folder) -> None:
    file = await folder.put("a", b"x")
    made = await asyncio.gather(*(link(folder, f"l{number}", file) for number in range(8)))
    ids = {answer.json()["fileId"] for answer in made}
    assert set((await folder.http.get(f"{API}/data/{file}/hardlinks")).json()) == {file} | ids


async def test_impossible_links_are_refused(folder: Folder) -> None:
    file = await folder.put("a", b"x")
    assert errno(await link(folder, "b", folder.id)) == "eisdir"
    assert errno(await link(folder, "a", file)) == "eexist"
    assert errno(await link(folder, "b", encode(folder.space_id, "0" * 32))) == "enoent"
    assert errno(await link(folder, "b", encode("elsewhere", "0" * 32))) == "exdev"
    for wrong in ("nonsense", folder.space_id):
        assert error(await link(folder, "b", wrong))[1:] == ("badValueIdentifier", {"key": "target_file_id"})
    url = f"{API}/data/{folder.id}/children?name=b&type=LNK"
    assert error(await folder.http.post(url, headers=CLIENT))[1:] == (
        "missingRequiredValue", {"key": "target_file_id"},
    )  # fmt: skip


async def test_an_existing_name_becomes_a_link_when_asked_for(folder: Folder) -> None:
    file = await folder.put("a", b"first")
    await folder.put("b", b"second")
    made = await link(folder, "b", file, update_existing="true")
    assert made.status_code == 201, made.text
    assert await content(folder, made.json()["fileId"]) == b"first"
    again = await link(folder, "b", file, update_existing="true")
    assert again.json() == made.json()
    assert await content(folder, file) == b"first"


async def test_an_existing_name_becomes_a_symbolic_link_when_asked_for(folder: Folder) -> None:
    await folder.put("a", b"first")
    await folder.put("b", b"second")
    await folder.create("d", type="DIR")
    wanted = {"type": "SYMLNK", "target_file_path": "a", "update_existing": "true"}
    made = await folder.create("b", **wanted)
    assert made.status_code == 201, made.text
    assert await content(folder, made.json()["fileId"]) == b"first"
    assert errno(await folder.create("d", **wanted)) == "eexist"


async def test_a_link_to_a_symbolic_link_is_a_copy_of_it(folder: Folder) -> None:
    symlink = (await folder.create("s", type="SYMLNK", target_file_path="nowhere")).json()["fileId"]
    copy = (await link(folder, "c", symlink)).json()["fileId"]
    assert (await folder.http.get(f"{API}/data/{copy}/symlink_value")).text == "nowhere"
    assert (await folder.http.get(f"{API}/data/{copy}/hardlinks")).json() == [copy]


async def test_symbolic_links_are_followed_in_paths_and_downloads(folder: Folder) -> None:
    await folder.put("dir/file", b"hello", create_parents="true")
    link_id = (await folder.create("s", type="SYMLNK", target_file_path="dir/file")).json()["fileId"]
    await folder.create("d", type="SYMLNK", target_file_path="dir")
    await folder.create("loop", type="SYMLNK", target_file_path="loop")
    await folder.create("dangling", type="SYMLNK", target_file_path="nothing")
    base = f"{API}/data/{folder.id}/path"
    assert await content(folder, link_id) == b"hello"
    assert (await folder.http.get(f"{base}/d/file")).content == b"hello"
    text = await folder.http.get(f"{base}/s?follow_symlinks=false")
    assert (text.status_code, text.content) == (200, b"dir/file")
    assert errno(await folder.http.get(f"{base}/loop")) == "eloop"
    assert errno(await folder.http.get(f"{base}/dangling")) == "enoent"
    assert errno(await folder.http.get(f"{API}/data/{folder.id}/symlink_value")) == "einval"
