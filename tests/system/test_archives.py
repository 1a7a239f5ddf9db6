"""Downloads of directories as archives, through the front door."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.folder import API, Folder, errno, error
from tests.support.stack import RunningStack

ODD = ["a b", "a+b", "'", '"', "a\\b", "\x01", "a\nb", "żółw 🐢", "e\u0301", "#", "?", "a%41", "x" * 255]


async def offered(http: httpx.AsyncClient, url: str) -> str:
    """The path of a new archive."""
    answer = await http.get(url)
    assert answer.status_code == 302, answer.text
    return urlsplit(answer.headers["location"]).path


async def archive(folder: Folder, guest: httpx.AsyncClient) -> bytes:
    answer = await guest.get(await offered(folder.http, f"{API}/data/{folder.id}/content"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-tar")
    assert f'filename="{folder.name}.tar"' in answer.headers["content-disposition"]
    return answer.content


def members(data: bytes) -> dict[str, bytes | str | None]:
    """Content of files, targets of links, None for directories."""
    found: dict[str, bytes | str | None] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for each in tar:
            file = tar.extractfile(each) if each.isreg() else None
            found[each.name] = file.read() if file else each.linkname if each.issym() else None
    return found


async def test_a_directory_comes_with_all_in_it(folder: Folder, guest: httpx.AsyncClient) -> None:
    big = os.urandom(3_000_000)
    await folder.put("dir/sub/file", b"hello", create_parents="true")
    await folder.put("big", big)
    await folder.create("empty", type="DIR")
    await folder.create("link", type="SYMLNK", target_file_path="dir/sub/file")
    top = folder.name
    assert members(await archive(folder, guest)) == {
        top: None, f"{top}/big": big, f"{top}/dir": None, f"{top}/dir/sub": None,
        f"{top}/dir/sub/file": b"hello", f"{top}/empty": None, f"{top}/link": "dir/sub/file",
    }  # fmt: skip


async def test_names_are_kept_byte_for_byte(folder: Folder, guest: httpx.AsyncClient) -> None:
    for name in ODD:
        await folder.put(name, name.encode())
    found = members(await archive(folder, guest))
    assert {f"{folder.name}/{name}": name.encode() for name in ODD} == {k: v for k, v in found.items() if v}


async def test_what_one_may_not_read_is_left_out(
    folder: Folder, guest: httpx.AsyncClient, member: httpx.AsyncClient
) -> None:
    await folder.put("open", b"x")
    await folder.put("secret", b"x", mode="600")
    await folder.create("closed", type="DIR", mode="700")
    path = await offered(member, f"{API}/data/{folder.id}/path/")
    assert set(members((await guest.get(path)).content)) == {folder.name, f"{folder.name}/open"}
    closed = (await folder.lookup("closed")).json()["fileId"]
    assert errno(await member.get(f"{API}/data/{closed}/content")) == "eacces"


async def test_a_code_is_good_once_and_for_resuming(folder: Folder, guest: httpx.AsyncClient) -> None:
    await asyncio.gather(*(folder.put(f"f{number}", os.urandom(9000)) for number in range(12)))
    path = await offered(folder.http, f"{API}/data/{folder.id}/content")
    data = (await guest.get(path)).content
    assert error(await guest.get(path)) == (400, "badValueIdNotFound", {"key": "code"})
    for offset in (1, 700, 50_000, len(data) - 1):
        answer = await guest.get(path, headers={"range": f"bytes={offset}-"})
        told = f"bytes {offset}-{len(data) - 1}/{len(data)}"
        assert (answer.status_code, answer.headers["content-range"]) == (206, told)
        assert answer.content == data[offset:]
    beyond = await guest.get(path, headers={"range": f"bytes={len(data)}-"})
    assert (beyond.status_code, beyond.content) == (416, b"")
    await folder.put("f0-new", b"x")
    changed = await guest.get(path, headers={"range": f"bytes={len(data) - 1500}-"})
    assert error(changed) == (400, "badValueIdNotFound", {"key": "code"})


async def test_a_broken_download_is_whole_in_the_end(folder: Folder, guest: httpx.AsyncClient) -> None:
    for number in range(3):
        await folder.put(f"f{number}", os.urandom(2_000_000))
    path = await offered(folder.http, f"{API}/data/{folder.id}/content")
    data = bytearray()
    async with guest.stream("GET", path) as answer:
        async for piece in answer.aiter_raw(65536):
            data += piece
            if len(data) > 2_500_000:
                break
    rest = await guest.get(path, headers={"range": f"bytes={len(data)}-"})
    assert rest.status_code == 206, rest.text
    found = members(bytes(data) + rest.content)
    assert sorted(found) == [folder.name, *(f"{folder.name}/f{number}" for number in range(3))]


@pytest.mark.parametrize("path", ["/download/nonsense", "/download/", "/download/%FF"])
async def test_other_codes_are_not_found(guest: httpx.AsyncClient, path: str) -> None:
    assert error(await guest.get(path)) == (400, "badValueIdNotFound", {"key": "code"})


async def test_a_download_under_way_survives_the_deletion(
    stack: RunningStack, folder: Folder, guest: httpx.AsyncClient
) -> None:
    content = os.urandom(12_000_000)
    id = await folder.put("f", content)
    read = bytearray()
    async with folder.http.stream("GET", f"{API}/data/{id}/content") as answer:
        async for piece in answer.aiter_raw(65536):
            if not read:
                assert (await guest.get(f"{API}/data/{id}")).status_code == 401
                assert (await folder.http.delete(f"{API}/data/{id}")).status_code == 204
                await asyncio.sleep(0.5)
            read += piece
    assert bytes(read) == content
    assert errno(await folder.http.get(f"{API}/data/{id}/content")) == "enoent"
