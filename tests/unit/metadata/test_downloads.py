"""Codes for downloads of directories."""

from __future__ import annotations

import pytest

from runtime.errors import AccessDenied, NoSuchFile, NotADirectory
from services.metadata.domain import downloads
from services.metadata.domain.download_books import DownloadMark
from services.metadata.domain.downloads import DownloadCodeUnknown
from services.metadata.domain.errors import Forbidden
from tests.support.metadata import ALICE, BOB, SERVICE, World, ref


@pytest.fixture
async def world() -> World:
    world = await World().open()
    await world.mkdir("d")
    return world


async def offer(world: World, *path: str) -> str:
    return await world.rules.downloads.create(ALICE, b"alice", ref(*path), space_name="Space")


async def test_a_code_tells_what_and_for_whom(world: World) -> None:
    code = await offer(world, "d")
    download = await world.rules.downloads.start(SERVICE, code, "r1", resume=False)
    assert (download.name, download.identity) == ("d", b"alice")
    assert download.file_id == (await world.get("d")).file_id
    root = await world.rules.downloads.start(SERVICE, await offer(world), "r2", resume=False)
    assert root.name == "Space"


async def test_the_code_itself_is_kept_nowhere(world: World) -> None:
    code = await offer(world, "d")
    download = await world.rules.downloads.start(SERVICE, code, "r1", resume=False)
    assert code not in repr(download)


async def test_a_code_is_used_once(world: World) -> None:
    code = await offer(world, "d")
    await world.rules.downloads.start(SERVICE, code, "r1", resume=False)
    with pytest.raises(DownloadCodeUnknown):
        await world.rules.downloads.start(SERVICE, code, "r2", resume=False)
    await world.rules.downloads.start(SERVICE, code, "r2", resume=True)


async def test_codes_die_of_age_unless_they_are_used(world: World) -> None:
    unused, used = await offer(world, "d"), await offer(world, "d")
    await world.rules.downloads.start(SERVICE, used, "r1", resume=False)
    world.clock.advance(downloads.UNUSED_LIFE_MS / 1000)
    with pytest.raises(DownloadCodeUnknown):
        await world.rules.downloads.start(SERVICE, unused, "r2", resume=False)
    for _ in range(3):
        world.clock.advance(downloads.STARTED_LIFE_MS / 1000 - 1)
        await world.rules.downloads.note(SERVICE, used, DownloadMark(1, b""))
    await world.rules.downloads.start(SERVICE, used, "r3", resume=True)
    world.clock.advance(downloads.STARTED_LIFE_MS / 1000)
    with pytest.raises(DownloadCodeUnknown):
        await world.rules.downloads.start(SERVICE, used, "r4", resume=True)


async def test_codes_are_for_directories_one_may_list(world: World) -> None:
    await world.make("f")
    await world.mkdir("closed", mode=0o700)
    for who, path, error in (
        (ALICE, "f", NotADirectory), (BOB, "closed", AccessDenied), (ALICE, "nothing", NoSuchFile),
    ):  # fmt: skip
        with pytest.raises(error):
            await world.rules.downloads.create(who, b"", ref(path), space_name="Space")


async def test_only_services_use_codes(world: World) -> None:
    code = await offer(world, "d")
    with pytest.raises(Forbidden):
        await world.rules.downloads.start(ALICE, code, "r1", resume=False)
    with pytest.raises(Forbidden):
        await world.rules.downloads.note(ALICE, code, DownloadMark(1, b""))
