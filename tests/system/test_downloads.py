"""Downloads: ranges of all kinds, conditions, names, and writers at the same time."""

from __future__ import annotations

import asyncio
import os
import re
from email.utils import formatdate
from urllib.parse import unquote

import httpx
import pytest

from tests.support.folder import API, Folder, errno, error

CONTENT = bytes(range(256)) * 40


async def test_several_ranges_come_as_parts(folder: Folder) -> None:
    id = await folder.put("a", CONTENT)
    answer = await folder.http.get(f"{API}/data/{id}/content", headers={"range": "bytes=0-1,100-109,-2"})
    assert answer.status_code == 206
    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    parts = answer.content.split(b"--" + boundary.encode())[1:-1]
    size = len(CONTENT)
    for part, (first, last) in zip(parts, ((0, 1), (100, 109), (size - 2, size - 1)), strict=True):
        head, _, body = part.partition(b"\r\n\r\n")
        assert b"content-range: bytes %d-%d/%d" % (first, last, size) in head
        assert body.removesuffix(b"\r\n") == CONTENT[first : last + 1]


async def test_an_empty_file_has_no_ranges(folder: Folder) -> None:
    id = (await folder.create("empty", type="REG")).json()["fileId"]
    answer = await folder.http.get(f"{API}/data/{id}/content", headers={"range": "bytes=0-0"})
    assert (answer.status_code, answer.headers["content-range"], answer.content) == (416, "bytes */0", b"")
    assert (await folder.http.get(f"{API}/data/{id}/content")).content == b""


async def test_a_bad_range_is_told_before_a_missing_right(folder: Folder, member: httpx.AsyncClient) -> None:
    id = await folder.put("secret", b"0123456789", mode="600")
    url = f"{API}/data/{id}/content"
    assert (await member.get(url, headers={"range": "bytes=10-"})).status_code == 416
    assert errno(await member.get(url, headers={"range": "bytes=0-"})) == "eacces"


async def test_what_the_client_has_is_not_sent_again(folder: Folder) -> None:
    id = await folder.put("a", CONTENT)
    url = f"{API}/data/{id}/content"
    first = await folder.http.get(url)
    tag, modified = first.headers["etag"], first.headers["last-modified"]
    for headers in ({"if-none-match": tag}, {"if-modified-since": modified}):
        again = await folder.http.get(url, headers=headers)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    await folder.http.put(url, content=b"new")
    assert (await folder.http.get(url, headers={"if-none-match": tag})).content == b"new"
    ages_ago = formatdate(0, usegmt=True)
    assert (await folder.http.get(url, headers={"if-modified-since": ages_ago})).content == b"new"


async def test_a_resumed_download_gets_the_rest_or_all_of_the_new(folder: Folder) -> None:
    id = await folder.put("a", CONTENT)
    url = f"{API}/data/{id}/content"
    tag = (await folder.http.get(url)).headers["etag"]
    rest = await folder.http.get(url, headers={"range": "bytes=1000-", "if-range": tag})
    assert (rest.status_code, rest.content) == (206, CONTENT[1000:])
    await folder.http.put(url, content=CONTENT[::-1])
    whole = await folder.http.get(url, headers={"range": "bytes=1000-", "if-range": tag})
    assert (whole.status_code, whole.content) == (200, CONTENT[::-1])


@pytest.mark.parametrize("name", ['say "hi".txt', "żółw 🐢.txt", "a\\b", "a;b=c", "a\nb", "plain.txt", " "])
async def test_the_name_of_a_download_is_told_exactly(folder: Folder, name: str) -> None:
    id = await folder.put(name, b"x")
    told = (await folder.http.get(f"{API}/data/{id}/content")).headers["content-disposition"]
    assert told.startswith('attachment; filename="')
    exact = re.search(r"filename\*=UTF-8''(\S+)", told)
    if exact:
        assert unquote(exact[1]) == name
    else:
        assert told == f'attachment; filename="{name if name.strip() else "_"}"'


async def test_writers_at_different_offsets_lose_nothing(folder: Folder) -> None:
    size = 4096
    pieces = [os.urandom(size) for _ in range(64)]
    for first in (b"", b"x"):
        id = await folder.put(f"f{len(first)}", first)
        url = f"{API}/data/{id}/content"

        async def write(number: int, url: str = url) -> int:
            answer = await folder.http.put(f"{url}?offset={number * size}", content=pieces[number])
            return answer.status_code

        assert set(await asyncio.gather(*map(write, range(64)))) == {204}
        assert (await folder.http.get(url)).content == b"".join(pieces)
        assert await folder.attributes(id, "size") == {"size": 64 * size}


@pytest.mark.parametrize(
    ("query", "id"),
    [("offset=-1", "badValueTooLow"), ("offset=x", "badValueInteger"), ("offset=1.5", "badValueInteger")],
)
async def test_bad_offsets_of_uploads(folder: Folder, query: str, id: str) -> None:
    file = await folder.put("a", b"x")
    answer = await folder.http.put(f"{API}/data/{file}/content?{query}", content=b"y")
    assert (answer.status_code, error(answer)[1]) == (400, id)
    assert errno(await folder.http.put(f"{API}/data/{folder.id}/content", content=b"y")) == "eisdir"
