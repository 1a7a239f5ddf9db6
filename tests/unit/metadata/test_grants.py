"""Which attributes may be remembered, and who waits until they are forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from isthmus.metadata.v1 import files_pb2

from runtime.auth import as_caller
from runtime.identity import DataCaveats, Identity
from runtime.leased_memory import Renewal
from services.metadata.domain.custom_metadata import Update
from services.metadata.domain.dir_stats import KNOWN_FOR_S
from services.metadata.domain.grants import QUIET_MS
from services.metadata.domain.leases import LEASE_END_S
from services.metadata.domain.records import File, FileType
from services.metadata.domain.times import times_of
from services.metadata.wiring import file_servicer
from tests.support.counted import Counted
from tests.support.metadata import ALICE, BOB, SPACE, World, fresh_id, member, ref

READONLY = member(caveats=DataCaveats(readonly=True))
CONFINED = member(caveats=DataCaveats(paths=(("/space1/d",),)))


class Asking:
    """A holder that asks for attributes, and confirms only when told to."""

    def __init__(self, world: World) -> None:
        self.world = world
        rules = world.rules
        self._files = file_servicer(rules)
        self.lease = Renewal("", 0, 0.0)

    async def renew(self) -> Renewal:
        """What the holder is told now, confirming what it was told before."""
        told = await self.world.rules.leases.renew(SPACE, "gateway", self.lease.lease_id, self.lease.number)
        assert told is not None
        self.lease = told
        return told

    async def ask(
        self, *path: str, who: Identity = ALICE, follow: bool = False, file_id: str = "", **more: Any
    ) -> files_pb2.GetFileResponse:
        """The answer about a file."""
        file = files_pb2.FileRef(space_id=SPACE, file_id=file_id, path=path, follow_last_symlink=follow)
        request = files_pb2.GetFileRequest(file=file, lease_id=self.lease.lease_id, **more)
        with as_caller(who, b""):
            return await self._files.GetFile(request, None)

    async def may_remember(self, *path: str, **more: Any) -> bool:
        """Whether the answer about a file comes with a grant."""
        return (await self.ask(*path, **more)).HasField("grant")

    async def quiet(self) -> None:
        """Nothing happens for a while; the lease goes on."""
        self.world.clock.advance(QUIET_MS / 1000)
        await self.world.rules.touches.flush()
        self.world.clock.advance(QUIET_MS / 1000)
        await self.renew()


async def asking_in(world: World) -> Asking:
    """With `d`, and `d/f` in it, made a while ago."""
    asking = Asking(world)
    await world.mkdir("d")
    await world.put("d", "f", size_bytes=3)
    await world.make("d", "link", type=FileType.SYMLINK, target="f")
    await asking.quiet()
    return asking


@pytest.fixture
async def asking(monkeypatch: pytest.MonkeyPatch) -> Asking:
    monkeypatch.setattr("services.metadata.domain.leases.HOLD_S", 0.0)
    return await asking_in(await World().open())


async def waits(asking: Asking, change: Callable[[], Awaitable[object]]) -> tuple[str, ...]:
    """What the holder has to forget before this change is over; the change is over then."""
    with as_caller(ALICE, b""):
        changing = asyncio.ensure_future(change())
    for _ in range(20):
        await asyncio.sleep(0)
    waited, told = not changing.done(), await asking.renew()
    await asking.renew()
    await asyncio.wait_for(changing, 5)
    assert waited == bool(told.recalled)
    return told.recalled


async def test_what_is_quiet_may_be_remembered(asking: Asking):
    for path in (("d",), ("d", "f"), ("d", "link"), ()):
        assert await asking.may_remember(*path), path
    found = await asking.world.get("d", "f")
    answer = await asking.ask("d", "f")
    directory = await asking.world.get("d")
    assert list(answer.grant.file_ids)[1:] == [directory.file_id, found.file_id, times_of(found.file_id)]


async def test_by_its_id_too(asking: Asking):
    found = await asking.world.get("d", "f")
    assert await asking.may_remember(file_id=found.file_id)


async def test_nothing_without_a_lease(asking: Asking):
    asking.lease = Renewal("", 0, 0.0)
    assert not await asking.may_remember("d", "f")
    asking.lease = Renewal("nobody's", 0, 0.0)
    assert not await asking.may_remember("d", "f")


async def test_what_changed_lately_is_not_remembered(asking: Asking):
    world = asking.world
    await world.rules.files.set_mode(ALICE, fresh_id(), ref("d", "f"), 0o600)
    assert not await asking.may_remember("d", "f")
    world.clock.advance(QUIET_MS / 1000)
    await asking.renew()
    assert await asking.may_remember("d", "f")


async def test_times_that_wait_to_be_written_are_not_remembered(asking: Asking):
    world = asking.world
    await world.make("d", "new")
    world.clock.advance(QUIET_MS / 1000)
    await asking.renew()
    assert not await asking.may_remember("d")
    await world.rules.touches.flush()
    assert await asking.may_remember("d")


@pytest.mark.parametrize("who", [BOB, READONLY, CONFINED])
async def test_who_may_remember(asking: Asking, who: Identity):
    assert await asking.may_remember("d", "f", who=who) == (who is not CONFINED)


async def test_what_was_found_by_a_link_is_not_remembered(asking: Asking):
    world = asking.world
    await world.make("way", type=FileType.SYMLINK, target="d")
    await world.link(await world.get("d", "f"), "second")
    await asking.quiet()
    assert not await asking.may_remember("way", "f")
    assert not await asking.may_remember("d", "link", follow=True)
    assert not await asking.may_remember("second")
    assert await asking.may_remember("d", "f")
    assert await asking.may_remember("way")


async def test_queues_are_not_remembered(asking: Asking):
    await asking.world.make("queue", type=FileType.QUEUE)
    await asking.quiet()
    assert not await asking.may_remember("queue")


async def test_an_answer_overtaken_by_a_change_is_not_remembered(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
):
    world = asking.world
    of_file = world.rules.extras.of_file

    async def slow(*arguments: Any) -> Any:
        extra = await of_file(*arguments)
        await world.rules.xattrs.update(ALICE, fresh_id(), ref("d", "f"), Update(set={"key": b"2"}))
        return extra

    monkeypatch.setattr(world.rules.extras, "of_file", slow)
    wanted = files_pb2.WantedAttributes(xattrs=["key"])
    assert not await asking.may_remember("d", "f", wanted=wanted)


async def test_sums_are_not_remembered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.metadata.domain.leases.HOLD_S", 0.0)
    world = Counted()
    await world.begin()
    asking = await asking_in(world)
    await world.settle()
    await asking.renew()
    assert (await asking.ask("d")).file.has_sum
    assert not await asking.may_remember("d")
    without = await asking.ask("d", without_sum=True)
    assert (without.file.has_sum, without.file.size_bytes, without.HasField("grant")) == (False, 0, True)
    assert await asking.may_remember("d", "f")


async def test_that_directories_have_no_sums_is_remembered_for_a_moment(asking: Asking):
    assert (await asking.ask("d")).grant.max_age_ms == KNOWN_FOR_S * 1000
    assert (await asking.ask("d", without_sum=True)).grant.max_age_ms == 0
    assert (await asking.ask("d", "f")).grant.max_age_ms == 0


CHANGES: dict[str, Callable[[World, File], Awaitable[object]]] = {
    "mode": lambda world, _: world.rules.files.set_mode(ALICE, fresh_id(), ref("d", "f"), 0o600),
    "size": lambda world, _: world.put("d", "f", size_bytes=9),
    "xattr": lambda world, _: world.rules.xattrs.update(
        ALICE, fresh_id(), ref("d", "f"), Update(set={"key": b"1"})
    ),
    "hard link": lambda world, file: world.link(file, "second"),
    "name": lambda world, _: world.rules.renames.rename(ALICE, fresh_id(), ref("d", "f"), ref("d"), "g"),
    "removal": lambda world, _: world.rules.files.delete(ALICE, fresh_id(), ref("d", "f")),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_of_a_file_waits_until_it_is_forgotten(asking: Asking, change: str):
    file = await asking.world.get("d", "f")
    assert await asking.may_remember("d", "f")
    recalled = await waits(asking, lambda: CHANGES[change](asking.world, file))
    assert file.file_id in recalled


CONTENTS: dict[str, Callable[[World], Awaitable[object]]] = {
    "making": lambda world: world.make("d", "new"),
    "an upload": lambda world: world.put("d", "new", size_bytes=1),
    "a small upload": lambda world: world.publish("d", "new", size_bytes=1),
    "removal": lambda world: world.rules.files.delete(ALICE, fresh_id(), ref("d", "f")),
    "renaming": lambda world: world.rules.renames.rename(ALICE, fresh_id(), ref("d", "f"), ref("d"), "g"),
    "moving away": lambda world: world.rules.renames.rename(ALICE, fresh_id(), ref("d", "f"), ref(), "g"),
    "another name": lambda world: world.make("d", "l", type=FileType.SYMLINK, target="x"),
}


@pytest.mark.parametrize("change", CONTENTS)
async def test_what_happens_in_a_directory_waits_until_its_times_are_forgotten(asking: Asking, change: str):
    directory = await asking.world.get("d")
    assert await asking.may_remember("d")
    recalled = await waits(asking, lambda: CONTENTS[change](asking.world))
    assert recalled == (times_of(directory.file_id),)
    assert (await asking.ask("d")).file.mtime_ms == asking.world.clock.now_ms()


async def test_who_makes_no_use_of_times_does_not_depend_on_them(asking: Asking):
    """So a directory in which files are being made is remembered all the same."""
    world = asking.world
    directory = await world.get("d")
    await world.make("d", "new")
    assert not await asking.may_remember("d")
    answer = await asking.ask("d", without_times=True)
    assert list(answer.grant.file_ids)[1:] == [directory.file_id]
    assert await waits(asking, lambda: world.make("d", "another")) == ()
    told = await waits(asking, lambda: world.rules.files.set_mode(ALICE, fresh_id(), ref("d"), 0o700))
    assert told == (directory.file_id,)


async def test_a_file_that_changed_lately_is_not_remembered_even_without_times(asking: Asking):
    await asking.world.put("d", "f", size_bytes=9)
    assert not await asking.may_remember("d", "f", without_times=True)


async def test_files_below_are_no_reason_to_wait(asking: Asking):
    assert await asking.may_remember("d", "f")
    assert await waits(asking, lambda: asking.world.make("d", "new")) == ()


async def test_only_the_first_change_in_a_directory_waits(asking: Asking):
    assert await asking.may_remember("d")
    assert await waits(asking, lambda: asking.world.make("d", "first"))
    assert await waits(asking, lambda: asking.world.make("d", "second")) == ()


async def test_all_changes_wait_that_come_while_the_first_one_does(asking: Asking):
    assert await asking.may_remember("d")
    making = [asyncio.ensure_future(asking.world.make("d", name)) for name in ("first", "second")]
    for _ in range(20):
        await asyncio.sleep(0)
    assert not any(each.done() for each in making)
    await asking.renew()
    await asking.renew()
    await asyncio.wait_for(asyncio.gather(*making), 5)


async def test_a_holder_that_is_gone_delays_a_new_file_by_its_lease(asking: Asking):
    assert await asking.may_remember("d")
    making = asyncio.ensure_future(asking.world.make("d", "new"))
    await asyncio.sleep(0.1)
    assert not making.done()
    asking.world.clock.advance(LEASE_END_S)
    await asyncio.wait_for(making, 5)


async def test_the_change_of_somebody_who_went_away_is_noted(asking: Asking):
    world = asking.world
    assert await asking.may_remember("d")
    world.clock.advance(0.5)
    making = asyncio.ensure_future(world.make("d", "new"))
    for _ in range(20):
        await asyncio.sleep(0)
    making.cancel()
    second = asyncio.ensure_future(world.make("d", "second"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert making.cancelled()
    assert not second.done(), "the times are not forgotten yet"
    await asking.renew()
    await asking.renew()
    await asyncio.wait_for(second, 5)
    assert (await world.get("d")).mtime_ms == world.clock.now_ms()


async def test_a_read_is_told_and_not_waited_for(asking: Asking):
    world = asking.world
    file = await world.get("d", "f")
    assert await asking.may_remember("d", "f")
    world.clock.advance(1.0)
    await world.rules.uploads.locate(ALICE, ref("d", "f"))
    assert (await asking.renew()).recalled == (times_of(file.file_id),)
    assert (await asking.ask("d", "f")).file.atime_ms == world.clock.now_ms()


async def test_times_are_told_while_they_are_written(asking: Asking, monkeypatch: pytest.MonkeyPatch):
    world = asking.world
    world.clock.advance(1.0)
    await world.make("d", "new")
    now_ms = world.clock.now_ms()
    replace = world.stores.files.replace
    seen: list[int] = []

    async def slow(file: File) -> None:
        seen.append((await world.get("d")).mtime_ms)
        await world.make("d", "meanwhile") if len(seen) == 1 else None
        await replace(file)
        seen.append((await world.get("d")).mtime_ms)

    monkeypatch.setattr(world.stores.files, "replace", slow)
    await world.rules.touches.flush()
    assert set(seen) == {now_ms}
    assert (await world.get("d")).mtime_ms == now_ms
