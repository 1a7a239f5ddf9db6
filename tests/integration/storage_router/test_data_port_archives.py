"""Downloads of directories at the data port: one archive a code, resumable."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
from dataclasses import replace
from typing import Any

import orjson
import pytest

from runtime.http import file_ids
from services.storage_router.api.data_port import archives as archive_front
from services.storage_router.domain.archives import EntryPage
from services.storage_router.domain.contents import File, FileKind, FileRef, Location
from tests.support.data_port import SPACE, RunningPort
from tests.support.raw_http import Answer, RawClient

DATA = "/api/v3/oneprovider/data"
BIG = os.urandom(300_000)


def error(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(answer.body)["error"]
    return found


async def fill(client: RawClient, **files: bytes) -> None:
    for name, content in files.items():
        answer = await client.request("PUT", f"{DATA}/{SPACE}/path/{name}", body=content)
        assert answer.status == 201, answer.body


async def offered(client: RawClient) -> str:
    """The path of a new archive."""
    answer = await client.request("GET", f"{DATA}/{SPACE}/content")
    assert (answer.status, answer.body) == (302, b"")
    location = answer.headers["location"]
    assert location.startswith("https://localhost/download/")
    return location.removeprefix("https://localhost")


async def chunks(client: RawClient) -> bytes:
    """A chunked body to its end."""
    data = bytearray()
    while True:
        line = await client._reader.readline()
        if not line:
            raise EOFError
        size = int(line, 16)
        data += (await client._reader.readexactly(size + 2))[:-2]
        if not size:
            return bytes(data)


async def download(client: RawClient, path: str) -> bytes:
    await client.send(f"GET {path} HTTP/1.1\r\nhost: test\r\n\r\n".encode())
    status, headers = await client.head()
    assert (status, headers["transfer-encoding"], headers["content-type"]) == (
        200, "chunked", "application/x-tar",
    )  # fmt: skip
    assert headers["content-disposition"] == 'attachment; filename="root.tar"'
    return await chunks(client)


async def resumed(client: RawClient, path: str, offset: int) -> Answer:
    return await client.request("GET", path, {"range": f"bytes={offset}-", "x-auth-token": ""})


def files_in(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar if each.isreg()}  # type: ignore[union-attr]


async def test_a_directory_comes_as_an_archive(port: RunningPort, client: RawClient) -> None:
    await fill(client, a=b"hello", big=BIG, empty=b"")
    data = await download(client, await offered(client))
    assert files_in(data) == {"root/a": b"hello", "root/big": BIG, "root/empty": b""}
    assert len(data) % 512 == 0


async def test_a_code_is_good_once(port: RunningPort, client: RawClient) -> None:
    await fill(client, a=b"hello")
    path = await offered(client)
    await download(client, path)
    for wrong in (path, "/download/nonsense", "/download/"):
        answer = await client.request("GET", wrong)
        assert (answer.status, error(answer)["details"]) == (400, {"key": "code"})
        assert error(answer)["id"] == "badValueIdNotFound"


async def test_a_download_goes_on_from_any_byte(port: RunningPort, client: RawClient) -> None:
    await fill(client, a=b"hello", b=b"x" * 1000, big=BIG, z=b"end")
    path = await offered(client)
    data = await download(client, path)
    for offset in (1, 511, 512, 600, 1030, 2000, 3000, 100_000, 250_000, len(data) - 1025, len(data) - 1):
        answer = await resumed(client, path, offset)
        assert (answer.status, answer.headers["content-range"]) == (
            206, f"bytes {offset}-{len(data) - 1}/{len(data)}",
        )  # fmt: skip
        assert answer.body == data[offset:], offset


async def test_ranges_that_do_not_go_on_are_refused(port: RunningPort, client: RawClient) -> None:
    await fill(client, a=b"hello")
    path = await offered(client)
    data = await download(client, path)
    assert (await resumed(client, path, len(data))).status == 416
    for wanted in ("bytes=1-2", "bytes=-3", "bytes=1-,2-", "lines=1-", "bytes=99999999999999999999-"):
        answer = await client.request("GET", path, {"range": wanted})
        assert (answer.status, answer.body) == (416, b"")


async def test_another_state_is_not_gone_on_with(port: RunningPort, client: RawClient) -> None:
    await fill(client, a=b"hello", b=b"x" * 1000)
    path = await offered(client)
    code = path.rpartition("/")[2]
    await download(client, path)
    port.directories.downloads[code] = replace(port.directories.downloads[code], started_ms=0)
    answer = await resumed(client, path, 2000)
    assert (answer.status, error(answer)["id"]) == (400, "badValueIdNotFound")


async def test_a_tree_too_large_to_be_looked_through_is_begun_anew(
    port: RunningPort, client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(client, a=b"hello", b=b"x" * 1000)
    path = await offered(client)
    await download(client, path)
    page, asked = port.directories.page, asyncio.Event()

    async def never_ending(directory: FileRef, token: str) -> EntryPage:
        asked.set()
        await asyncio.sleep(0.01)
        return replace(await page(directory, ""), next_token="more")

    monkeypatch.setattr(archive_front, "SURVEY_LIMIT_S", 0.1)
    monkeypatch.setattr(port.directories, "page", never_ending)
    answer = await resumed(client, path, 2000)
    assert asked.is_set()
    assert (answer.status, error(answer)["id"]) == (400, "badValueIdNotFound")
    assert error(answer)["details"] == {"key": "code"}


async def test_links_and_holes_are_kept(port: RunningPort, client: RawClient) -> None:
    link = File("l", SPACE, name="l", kind=FileKind.SYMLINK, symlink_target="a", mode=0o777)
    port.twin.files["l"] = (link, Location())
    answer = await client.request("PUT", f"{DATA}/{SPACE}/children?name=s")
    answer = await client.request("POST", f"{DATA}/{SPACE}/children?name=s&offset=200000", body=b"end")
    assert answer.status == 201
    data = await download(client, await offered(client))
    assert files_in(data) == {"root/s": bytes(200_000) + b"end"}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getmember("root/l").linkname == "a"


async def test_what_is_deleted_meanwhile_is_left_out(port: RunningPort, client: RawClient) -> None:
    await fill(client, a=b"hello", b=b"gone", c=b"there")
    path = await offered(client)
    port.directories.page_size = 100
    page = port.directories.page

    async def page_then_delete(*args: object) -> object:
        found = await page(*args)  # type: ignore[arg-type]
        for id, (file, location) in list(port.twin.files.items()):
            if file.name == "b":
                await port.catalog.storage("st1").driver.delete(location.storage_file_id)
                del port.twin.files[id]
        return found

    port.directories.page = page_then_delete  # type: ignore[method-assign,assignment]
    assert files_in(await download(client, path)) == {"root/a": b"hello", "root/c": b"there"}


async def test_what_can_not_be_read_breaks_the_archive_off(port: RunningPort, client: RawClient) -> None:
    await fill(client, a=b"hello", b=b"lost")
    for path in port.stored():
        if path.read_bytes() == b"lost":
            path.unlink()
    where = await offered(client)
    with pytest.raises((ConnectionError, EOFError)):
        await download(client, where)


async def test_only_get_is_for_codes(port: RunningPort, client: RawClient) -> None:
    path = await offered(client)
    for method in ("HEAD", "PUT", "POST", "DELETE"):
        answer = await client.request(method, path)
        assert (answer.status, answer.headers["allow"]) == (405, "GET")


async def test_a_file_is_no_archive(port: RunningPort, client: RawClient) -> None:
    await fill(client, a=b"hello")
    answer = await client.request("GET", f"{DATA}/{port.id_of('a')}/content")
    assert (answer.status, answer.body) == (200, b"hello")
    missing = file_ids.encode(SPACE, "0" * 32)
    assert (await client.request("GET", f"{DATA}/{missing}/content")).status == 400
