"""Statistics of directories: exact once the log is followed to its end, whatever happened."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest

from runtime.errors import (
    DirectoryNotEmpty,
    FileExists,
    InvalidArgument,
    IsADirectory,
    NoSuchFile,
    NotADirectory,
    SpaceNotSupported,
)
from services.metadata.domain.dir_books import BooksChange
from services.metadata.domain.dir_stats import DirStatsDisabled, DirStatsNotReady
from services.metadata.domain.dir_sums import DirSums, StatsState
from services.metadata.domain.errors import Forbidden, RenameIntoItself
from services.metadata.domain.records import TMP_NAME, FileType, root_id
from tests.support.counted import Counted
from tests.support.crashing import Fuse, Killed, crashing
from tests.support.metadata import ALICE, OWNER, SERVICE, SPACE, STORAGE, ref


@pytest.fixture
async def world() -> Counted:
    made = Counted()
    await made.begin()
    return made


async def test_everything_below_counts(world: Counted) -> None:
    await world.mkdir("d")
    await world.mkdir("d", "e")
    await world.put("d", "e", "f", size_bytes=5)
    await world.put("d", "g", size_bytes=7)
    await world.make("d", "link", type=FileType.SYMLINK, target="x")
    await world.settle()
    assert await world.sums("d") == DirSums(3, 1, 12, 12, {STORAGE: 12})
    assert await world.sums("d", "e") == DirSums(1, 0, 5, 5, {STORAGE: 5})
    await world.check()


async def test_what_was_there_before_is_counted_too() -> None:
    world = Counted()
    await world.begin(enabled=False)
    await world.mkdir("d")
    for number in range(230):
        await world.put("d", f"f{number:03}", size_bytes=1)
    await world.put(TMP_NAME, "t", size_bytes=3)
    await world.mkdir("gone")
    await world.put("gone", "x", size_bytes=2)
    await world.rules.files.delete(OWNER, "r", ref("gone"))
    await world.switch(True)
    with pytest.raises(DirStatsNotReady):
        await world.sums()
    await world.settle()
    assert (await world.sums("d")).files == 230
    await world.check()


async def test_changes_while_it_is_counted_first_are_not_lost() -> None:
    world = Counted()
    await world.begin(enabled=False)
    for directory in "abc":
        await world.mkdir(directory)
        for number in range(120):
            await world.put(directory, f"f{number:03}", size_bytes=1)
    await world.switch(True)
    for step in range(12):
        await world.rules.dir_stats.collect()
        await world.put("a", f"new{step}", size_bytes=2)
        await world.rules.files.delete(OWNER, f"r{step}", ref("b", f"f{step:03}"))
        await world.rules.renames.rename(OWNER, f"m{step}", ref("c", f"f{step:03}"), ref("a"), f"moved{step}")
        world.journal.note()
    await world.settle()
    await world.check()


async def test_an_operator_sees_how_far_it_is() -> None:
    world = Counted()
    await world.begin(enabled=False)
    await world.put("f", size_bytes=1)

    async def state() -> str:
        return (await world.rules.dir_stats.state(SERVICE, SPACE)).value

    assert await state() == "disabled"
    await world.switch(True)
    assert await state() == "initializing"
    await world.settle()
    assert await state() == "enabled"
    await world.switch(False)
    assert await state() == "stopping"
    await world.settle()
    assert await state() == "disabled"
    with pytest.raises(Forbidden):
        await world.rules.dir_stats.state(ALICE, SPACE)
    with pytest.raises(SpaceNotSupported):
        await world.rules.dir_stats.state(SERVICE, "elsewhere")


async def test_who_switches_while_it_is_counted_tries_again(
    world: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, commit = world.stores.dir_stats, world.stores.dir_stats.commit
    in_the_way = [True, True]

    async def commit_second(change: BooksChange) -> None:
        # The collector has changed the space between the look at it and this.
        if in_the_way:
            in_the_way.pop()
            known = await store.find_space(SPACE)
            assert known is not None
            await commit(BooksChange(replace(known, revision=known.revision + 1)))
        await commit(change)

    monkeypatch.setattr(store, "commit", commit_second)
    await world.switch(False)
    assert await world.rules.dir_stats.state(SERVICE, SPACE) is StatsState.STOPPING


async def test_a_moved_directory_takes_its_sums_along(world: Counted) -> None:
    for path in (("a",), ("b",), ("a", "d")):
        await world.mkdir(*path)
    await world.put("a", "d", "f", size_bytes=5)
    await world.settle()
    await world.rules.renames.rename(OWNER, "r", ref("a", "d"), ref("b"), "d")
    await world.settle()
    assert (await world.sums("a"), (await world.sums("b")).logical) == (DirSums(), 5)
    await world.check()


async def test_directories_that_change_places_make_no_circle(world: Counted) -> None:
    await world.mkdir("a")
    await world.mkdir("a", "b")
    await world.put("a", "b", "f", size_bytes=5)
    await world.settle()
    await world.rules.renames.rename(OWNER, "r1", ref("a", "b"), ref(), "b")
    await world.rules.renames.rename(OWNER, "r2", ref("a"), ref("b"), "a")
    await world.settle()
    assert await world.sums("b") == DirSums(1, 1, 5, 5, {STORAGE: 5})
    await world.check()


async def test_every_name_counts_and_the_bytes_once(world: Counted) -> None:
    await world.mkdir("d")
    file = await world.put("f", size_bytes=5)
    await world.link("d", "one", to=file.file_id)
    await world.settle()
    assert await world.sums("d") == DirSums(files=1, logical=5)
    await world.rules.files.delete(OWNER, "r", ref("f"))
    await world.settle()
    assert await world.sums("d") == DirSums(1, 0, 5, 5, {STORAGE: 5})
    await world.check()


async def test_the_trash_counts_until_it_is_emptied(world: Counted) -> None:
    await world.mkdir("d")
    await world.put("d", "f", size_bytes=5)
    await world.settle()
    await world.rules.files.delete(OWNER, "r", ref("d"))
    await world.settle()
    assert (await world.sums()).logical == 5
    await world.clean_up()
    await world.settle()
    assert (await world.sums()).logical == 0
    await world.check()


async def test_history_has_the_last_sums_of_each_window(world: Counted) -> None:
    await world.settle()
    for size in (1, 2, 3):
        await world.put(f"f{size}", size_bytes=size)
        await world.settle()
        world.clock.advance(40)
    stats = world.rules.dir_stats
    windows = await stats.windows(OWNER, ref(), 60, start_s=0, stop_s=0, limit=10)
    times = [window.time_s for window in windows]
    assert times == sorted(times, reverse=True)
    assert windows[0].sums.logical == 6
    assert all(window.time_s % 60 == 0 and window.first_s <= window.last_s for window in windows)
    assert await stats.windows(OWNER, ref(), 60, start_s=0, stop_s=0, limit=1) == windows[:1]
    assert await stats.windows(OWNER, ref(), 60, start_s=times[1], stop_s=0, limit=10) == windows[1:]


async def test_old_windows_are_not_told(world: Counted) -> None:
    await world.settle()
    world.clock.advance(60 * 721)
    stats = world.rules.dir_stats
    assert not await stats.windows(OWNER, ref(), 60, start_s=0, stop_s=0, limit=10)
    assert await stats.windows(OWNER, ref(), 3600, start_s=0, stop_s=0, limit=10)


async def test_switched_off_it_forgets(world: Counted) -> None:
    await world.put("f", size_bytes=5)
    await world.settle()
    await world.switch(False)
    with pytest.raises(DirStatsDisabled):
        await world.sums()
    await world.settle()
    assert await world.stores.dir_stats.find_space(SPACE) is None
    await world.switch(True)
    await world.settle()
    await world.check()


async def test_a_recount_mends_wrong_books(world: Counted) -> None:
    await world.put("f", size_bytes=5)
    await world.settle()
    store = world.stores.dir_stats
    space = await store.find_space(SPACE)
    assert space is not None
    root = (await store.directories(space, [root_id(SPACE)]))[root_id(SPACE)]
    wrong = replace(root, sums=DirSums(files=99))
    await store.commit(BooksChange(replace(space, revision=space.revision + 1), (wrong,)))
    await world.rules.dir_stats.recount(SERVICE, SPACE)
    await world.settle()
    await world.check()


async def test_sizes_are_told_only_where_they_are_known(world: Counted) -> None:
    await world.put("f", size_bytes=5)
    stats = world.rules.dir_stats
    assert await stats.sizes(SPACE, [root_id(SPACE)]) == {}
    await world.settle()
    world.clock.advance(6)
    assert await stats.sizes(SPACE, [root_id(SPACE), "nothing"]) == {root_id(SPACE): 5}
    assert await stats.sizes("elsewhere", ["x"]) == {}


async def test_refusals(world: Counted) -> None:
    stats = world.rules.dir_stats
    await world.make("f")
    await world.settle()
    with pytest.raises(NotADirectory):
        await world.sums("f")
    for step_s, limit in ((61, 1), (60, 0), (60, 1001)):
        with pytest.raises(InvalidArgument):
            await stats.windows(OWNER, ref(), step_s, start_s=0, stop_s=0, limit=limit)
    for attempt in (stats.switch(ALICE, SPACE, enabled=False), stats.recount(ALICE, SPACE)):
        with pytest.raises(Forbidden):
            await attempt


@dataclass
class Player:
    """Does something at random to a world, again and again."""

    world: Counted
    random: random.Random
    number: int = 0

    async def play(self) -> None:
        """One action, which may be refused."""
        self.number += 1
        actions = (self.mkdir, self.put, self.put, self.put, self.delete, self.move, self.move, self.link)
        try:
            await self.random.choice(actions)()
        except (NoSuchFile, FileExists, RenameIntoItself, DirectoryNotEmpty, NotADirectory, IsADirectory):
            return

    def directory(self) -> tuple[str, ...]:
        return tuple(self.random.choice("ab") for _ in range(self.random.randint(0, 3)))

    def file(self) -> tuple[str, ...]:
        return (*self.directory(), self.random.choice("xyz"))

    def anything(self) -> tuple[str, ...]:
        return self.file() if self.random.random() < 0.5 else (self.directory() or ("a",))

    async def mkdir(self) -> None:
        await self.world.mkdir(*self.directory(), self.random.choice("ab"))

    async def put(self) -> None:
        await self.world.put(*self.file(), size_bytes=self.random.randint(0, 9))

    async def delete(self) -> None:
        await self.world.rules.files.delete(OWNER, f"d{self.number}", ref(*self.anything()))

    async def move(self) -> None:
        target, name = self.directory(), self.random.choice("abxyz")
        await self.world.rules.renames.rename(
            OWNER, f"m{self.number}", ref(*self.anything()), ref(*target), name
        )

    async def link(self) -> None:
        found = await self.world.rules.files.get(ALICE, ref(*self.file()))
        await self.world.link(*self.directory(), self.random.choice("xyz"), to=found.file.file_id)


@pytest.mark.parametrize("seed", range(12))
async def test_after_anything_at_all_it_is_exact(seed: int) -> None:
    world = Counted()
    await world.begin(enabled=False)
    player = Player(world, random.Random(seed))
    for step in range(250):
        await player.play()
        if step == 60:
            await world.switch(True)
        if player.random.random() < 0.5:
            world.journal.note()
        if player.random.random() < 0.3:
            await world.rules.dir_stats.collect()
        if player.random.random() < 0.05:
            await world.clean_up()
    await world.settle()
    await world.check()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 14))
async def test_killed_at_any_write_it_goes_on(number: int, after: bool) -> None:
    world = Counted()
    await world.begin(enabled=False)
    for name in ("a", "b"):
        await world.mkdir(name)
        await world.put(name, "f", size_bytes=3)
    await world.switch(True)
    dying = Counted(crashing(world.stores, Fuse(number, after=after)), world.clock)
    try:
        for _ in range(20):
            await dying.rules.dir_stats.collect()
    except Killed:
        pass
    await world.rules.renames.rename(OWNER, "r", ref("a"), ref("b"), "a")
    await world.settle()
    await world.check()
