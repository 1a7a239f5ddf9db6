"""A storage, or what was promised of it, is used up: ENOSPC, and nothing half-done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.support.account import DATA, endless
from tests.support.load import is_envelope, until
from tests.support.own_space import REMOVED_S, OwnSpace, listing, make_space, small_disk
from tests.support.stack import RunningStack

MIB = 1 << 20
PIECE = bytes(range(256)) * 256


@pytest.fixture(scope="module", params=["disk", "quota"])
def tight(
    stack: RunningStack, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[OwnSpace]:
    """A space with room for 8 MiB: by the size of its disk, or by what the provider promised."""
    folder = tmp_path_factory.mktemp("tight")
    if request.param == "quota":
        yield asyncio.run(make_space(stack, folder, size_bytes=8 * MIB))
    else:
        with small_disk(folder / "disk", 8 * MIB) as disk:
            yield asyncio.run(make_space(stack, disk))


@pytest.fixture(autouse=True)
async def empty_again(tight: OwnSpace) -> AsyncIterator[None]:
    """Each test finds and leaves the space empty, with all its room."""
    yield
    async with tight.account.client() as client:
        for name in await listing(tight.account):
            assert (await client.delete(f"/cdmi/{tight.account.space}/{name}")).status_code == 204
    await until(lambda: tight.storage_files() == set(), REMOVED_S, "empty storage")


def is_enospc(answer: httpx.Response) -> bool:
    told = answer.json()["error"] if is_envelope(answer) else {}
    return answer.status_code == 400 and (told["id"], told["details"]) == ("posix", {"errno": "enospc"})


@pytest.mark.parametrize("how", ["with a length", "in chunks"])
async def test_too_large_an_upload_leaves_nothing(tight: OwnSpace, how: str) -> None:
    body = PIECE * 160 if how == "with a length" else endless(PIECE, 10 * MIB)
    async with tight.account.client() as client:
        answer = await client.put(f"/cdmi/{tight.account.space}/too-large", content=body)
    assert is_enospc(answer), answer.text
    assert await listing(tight.account) == {}
    await until(lambda: tight.storage_files() == set(), 5.0, "empty storage")


async def test_overwriting_with_too_much_keeps_the_old_content(tight: OwnSpace) -> None:
    path = f"/cdmi/{tight.account.space}/kept"
    async with tight.account.client() as client:
        assert (await client.put(path, content=PIECE)).status_code == 201
        for body in (PIECE * 160, endless(PIECE, 10 * MIB)):
            answer = await client.put(path, content=body)
            assert is_enospc(answer), answer.text
            assert (await client.get(path)).content == PIECE
    await until(lambda: len(tight.storage_files()) == 1, 5.0, "a single storage file")


async def test_small_files_fill_it_and_room_made_is_used_again(tight: OwnSpace) -> None:
    made = 0
    async with tight.account.client() as client:

        async def put(name: str) -> httpx.Response:
            return await client.put(f"/cdmi/{tight.account.space}/{name}", content=PIECE * 3)

        while (answer := await put(f"file-{made}")).status_code == 201:
            made += 1
        assert is_enospc(answer), answer.text
        assert await listing(tight.account) == {f"file-{number}": len(PIECE) * 3 for number in range(made)}
        first = await client.get(f"/cdmi/{tight.account.space}/file-0")
        assert first.content == PIECE * 3

        gone = await client.delete(f"/cdmi/{tight.account.space}/file-0")
        assert gone.status_code == 204

        async def fits_again() -> bool:
            return (await put("again")).status_code == 201

        await until(fits_again, REMOVED_S, "room for a file", 0.3)
    assert made >= 35


async def test_the_full_storage_is_one_spaces_trouble_only(tight: OwnSpace, stack: RunningStack) -> None:
    async with tight.account.client() as client:
        full = await client.put(f"/cdmi/{tight.account.space}/x", content=PIECE * 160)
        other = await client.put(f"/cdmi/{stack.space}/beside-the-full", content=PIECE)
        read = await client.get(f"{DATA}/{tight.account.root_id}")
    assert is_enospc(full)
    assert other.status_code in (201, 204)
    assert read.status_code == 200
