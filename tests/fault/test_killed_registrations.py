"""Instances die while files of others are registered: each file is registered wholly or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.account import DATA
from tests.support.load import is_envelope
from tests.support.own_space import OwnSpace, make_space
from tests.support.stack import RunningStack

JSON = {"content-type": "application/json"}
FILES = 120
AT_ONCE = 8


@pytest.fixture
async def space(stack: RunningStack, tmp_path: Path) -> OwnSpace:
    """A space on an imported storage with many files."""
    (tmp_path / "raw").mkdir()
    for number in range(FILES):
        (tmp_path / f"raw/{number}").write_bytes(content(number))
    return await make_space(stack, tmp_path, imported=True)


def content(number: int) -> bytes:
    return f"bytes of {number}".encode()


async def register(http: httpx.AsyncClient, space: OwnSpace, number: int) -> str:
    """Its id, or nothing when the request failed, which is told in the envelope or by a broken connection."""
    body = {
        "spaceId": space.account.space_id,
        "storageId": space.storage_id,
        "storageFileId": f"/raw/{number}",
        "destinationPath": f"/dir/{number}",
        "json": {"number": number},
        "xattrs": {"number": number},
    }
    try:
        answer = await http.post("/api/v3/oneprovider/data/register", json=body, headers=JSON)
    except httpx.TransportError:
        return ""
    assert answer.status_code == 201 or is_envelope(answer), answer.text
    return str(answer.json()["fileId"]) if answer.status_code == 201 else ""


async def require_whole(http: httpx.AsyncClient, file_id: str, number: int) -> None:
    told = (await http.get(f"{DATA}/{file_id}")).json()
    assert told["size"] == len(content(number))
    assert (await http.get(f"{DATA}/{file_id}/content")).content == content(number)
    assert (await http.get(f"{DATA}/{file_id}/metadata/json")).json() == {"number": number}
    assert (await http.get(f"{DATA}/{file_id}/metadata/xattrs")).json() == {"number": number}


async def visible(http: httpx.AsyncClient, space: OwnSpace) -> dict[int, str]:
    """Ids of all files there are, by number."""
    directory = (await http.post(f"/api/v3/oneprovider/lookup-file-id/{space.account.space}/dir")).json()
    listed = await http.get(f"{DATA}/{directory['fileId']}/children")
    return {int(each["name"]): each["fileId"] for each in listed.json()["children"]}


async def test_a_registration_is_whole_whoever_dies(stack: RunningStack, space: OwnSpace) -> None:
    acknowledged: dict[int, str] = {}
    numbers: Iterator[int] = iter(range(FILES))

    async with space.account.client() as http:

        async def work() -> None:
            for number in numbers:
                file_id = await register(http, space, number)
                if file_id:
                    acknowledged[number] = file_id

        async def kill() -> None:
            for count, victim in enumerate(("metadata-1", "storage_router-1", "gateway-1", "metadata-2"), 1):
                while len(acknowledged) < count * FILES // 6:
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(stack.wait_back, victim, stack.kill(victim))

        await asyncio.gather(kill(), *(work() for _ in range(AT_ONCE)))
        there = await visible(http, space)
        assert acknowledged.items() <= there.items()
        for number, file_id in there.items():
            await require_whole(http, file_id, number)
        again = {number: await register(http, space, number) for number in range(FILES)}
        assert there.items() <= again.items()
        assert await visible(http, space) == again
    for number in range(FILES):
        assert (space.mount_point / f"raw/{number}").read_bytes() == content(number)
