"""A storage's folder is gone or not mounted: its spaces wait, others go on, nothing lands beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.account import Account
from tests.support.load import Traffic, is_envelope, until
from tests.support.own_space import OwnSpace, listing, make_space, mount, unmount
from tests.support.stack import RunningStack

CONTENT = b"still here\n"
Gone = Callable[[OwnSpace], AbstractContextManager[Path]]


@pytest.fixture
async def space(stack: RunningStack, tmp_path: Path) -> AsyncIterator[OwnSpace]:
    """A space on a disk that is mounted at a folder; it has one file, `kept`."""
    disk, folder = tmp_path / "disk", tmp_path / "mounted"
    disk.mkdir()
    folder.mkdir()
    mount(disk, folder)
    try:
        space = await make_space(stack, folder)
        async with space.account.client() as client:
            assert (await client.put(f"/cdmi/{space.account.space}/kept", content=CONTENT)).status_code == 201
        yield space
    finally:
        unmount(folder)


@contextmanager
def unmounted(space: OwnSpace) -> Iterator[Path]:
    """The bare mount point."""
    unmount(space.mount_point)
    try:
        yield space.mount_point
    finally:
        mount(space.mount_point.with_name("disk"), space.mount_point)


@contextmanager
def removed(space: OwnSpace) -> Iterator[Path]:
    """No folder at all."""
    disk = space.mount_point.with_name("disk")
    unmount(space.mount_point)
    space.mount_point.rmdir()
    try:
        yield space.mount_point
    finally:
        space.mount_point.mkdir(exist_ok=True)
        mount(disk, space.mount_point)


def is_told(answer: httpx.Response) -> bool:
    """503, or the storage's I/O error, in the envelope."""
    if not is_envelope(answer):
        return False
    error = answer.json()["error"]
    return answer.status_code == 503 or (answer.status_code, error.get("details")) == (400, {"errno": "eio"})


@pytest.mark.parametrize("gone", [unmounted, removed])
async def test_its_spaces_wait_and_work_again_by_themselves(space: OwnSpace, gone: Gone) -> None:
    base = f"/cdmi/{space.account.space}"
    async with space.account.client() as client:
        with gone(space) as bare:
            answers = [
                await client.get(f"{base}/kept"),
                await client.put(f"{base}/kept", content=b"other"),
                await client.put(f"{base}/new", content=b"small"),
                await client.put(f"{base}/new-large", content=bytes(1 << 20)),
            ]
            left = list(bare.rglob("*")) if bare.exists() else []
        assert [is_told(answer) for answer in answers] == [True] * 4, [answer.text for answer in answers]
        assert left == []
        assert await listing(space.account) == {"kept": len(CONTENT)}

        async def works() -> bool:
            read = await client.get(f"{base}/kept")
            put = await client.put(f"{base}/new", content=b"small")
            return (read.status_code, read.content, put.is_success) == (200, CONTENT, True)

        await until(works, 30.0, "storage that works again", 0.2)


async def test_other_spaces_go_on(stack: RunningStack, account: Account, space: OwnSpace) -> None:
    async with Traffic(account, "beside-a-missing-storage") as traffic:
        with unmounted(space):
            async with space.account.client() as client:
                answer = await client.get(f"/cdmi/{space.account.space}/kept")
            await traffic.more(80)
    assert is_told(answer)
    traffic.report.assert_flawless()
