"""A version is told only for what the directory lists, and as long as it does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from runtime.clock import ManualClock
from runtime.errors import AccessDenied, IsthmusError, Unavailable
from services.metadata.domain.columns import FIELDS
from services.metadata.domain.listing import Page, PageStart
from services.metadata.domain.listing_versions import DOUBT_S
from services.metadata.domain.records import AclEntry, File, FileType
from services.metadata.domain.stores import FileStore, Stores, TreeChange
from services.metadata.domain.xattrs import Update
from services.metadata.store.memory import MemoryFileStore, memory_stores
from services.metadata.workers.cache_invalidator import CacheInvalidator
from tests.support.metadata import ALICE, BOB, OWNER, SPACE, World, fresh_id, ref

NAMES = ("a", "b", "c")
PAGES = (
    (PageStart(), 100, tuple(FIELDS)),
    (PageStart(), 2, ("mode", "mtime_ms")),
    (PageStart(name="b"), 3, ("size_bytes", "hard_link_count")),
)


class Owner:
    """Has the space to itself, or not, as a test says."""

    def __init__(self) -> None:
        self.is_owner = True
        self.alone: float | None = 1.0

    def owns(self, space_id: str) -> bool:
        return self.is_owner

    def owned_for_s(self, space_id: str) -> float:
        return 1000.0

    def alone_since(self, space_id: str) -> float | None:
        return self.alone


@dataclass(frozen=True)
class Change:
    """A replaced record, as the change stream tells of it."""

    file_id: str
    revision: int
    space_id: str
    parent_id: str
    deleted: bool
    collection: str = "files"


class Journal(dict[str, File]):
    """The records of a store, which notes what is replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[Change] = []

    def __setitem__(self, file_id: str, file: File) -> None:
        if file_id in self:
            self.changes.append(Change(file_id, file.revision, file.space_id, file.parent_id, file.deleted))
        super().__setitem__(file_id, file)


class JournaledStore(MemoryFileStore):
    """A store with a change stream."""

    def __init__(self) -> None:
        super().__init__()
        self._files = self.journal = Journal()

    async def change_together(self, changes: Sequence[TreeChange]) -> None:
        noted = len(self.journal.changes)
        try:
            await super().change_together(changes)
        except IsthmusError:
            # It put a copy in the place of the journal.
            del self.journal.changes[noted:]
            before = self._files
            self.journal.clear()
            self.journal.update(before)
            self._files = self.journal
            raise


class Slow:
    """A store whose calls take a moment before and after they happen."""

    def __init__(self, store: object, chance: random.Random) -> None:
        self._store = store
        self._chance = chance

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*args: Any, **options: Any) -> Any:
            await self._pause()
            try:
                return await method(*args, **options)
            finally:
                await self._pause()

        return call

    async def _pause(self) -> None:
        for _ in range(self._chance.choice((0, 0, 0, 1, 4))):
            await asyncio.sleep(0)


@dataclass
class Instances:
    """Two instances over one database. Never has each of them the space to itself."""

    chance: random.Random
    clock: ManualClock = field(default_factory=ManualClock)
    kept: dict[object, tuple[str, Page]] = field(default_factory=dict)
    unchanged: int = 0

    def __post_init__(self) -> None:
        store = JournaledStore()
        self.journal = store.journal
        whole = memory_stores()
        slow = cast(FileStore, Slow(store, self.chance))
        values = {name: getattr(whole, name) for name in Stores.__dataclass_fields__}
        custom = whole.custom_metadata
        custom._files = store  # type: ignore[attr-defined]
        values.update(files=slow, custom_metadata=Slow(custom, self.chance))
        stores = Stores(**values)
        self.owners = [Owner(), Owner()]
        self.owners[1].alone, self.owners[1].is_owner = None, False
        self.worlds = [
            World(stores=stores, clock=self.clock, ownership=owner, trash_retention_s=500.0)
            for owner in self.owners
        ]
        self.invalidators = [
            CacheInvalidator(
                world.rules.file_cache,
                world.rules.location_cache,
                world.rules.leases,
                world.rules.listing_versions,
            )
            for world in self.worlds
        ]
        self._heard = [0, 0]
        self._eras = 1.0

    async def hear(self) -> None:
        """The change stream reaches both, all that has gathered."""
        for at, invalidator in enumerate(self.invalidators):
            changes = self.journal.changes[self._heard[at] :]
            self._heard[at] += len(changes)
            await invalidator.on_changes(changes, None)

    def hand_over(self) -> None:
        """Another instance gets the space, or nobody knows who has it."""
        for owner in self.owners:
            owner.is_owner, owner.alone = False, None
        self._eras += 1
        chosen = self.chance.choice((*self.owners, None))
        if chosen is not None:
            chosen.is_owner, chosen.alone = True, self._eras

    async def compare(self) -> None:
        """Whatever is told as unchanged is what the directory lists."""
        await self.hear()
        for world in self.worlds:
            for path in ((), ("a",), ("b",), ("a", "b")):
                for at, (start, size, fields) in enumerate(PAGES):
                    await self._compare(world, path, at, start, size, fields)

    async def _compare(
        self,
        world: World,
        path: tuple[str, ...],
        at: int,
        start: PageStart,
        size: int,
        fields: tuple[str, ...],
    ) -> None:
        try:
            directory = await world.get(*path, who=OWNER)
        except IsthmusError:
            return
        if directory.type is not FileType.DIRECTORY:
            return
        key = (directory.file_id, at)
        where = ref(file_id=directory.file_id)
        known, before = self.kept.get(key, ("", None))
        page = await world.rules.listing.list(OWNER, where, start, size, fields, known_version=known)
        true = await world.rules.listing.list(OWNER, where, start, size, fields)
        if page.is_unchanged:
            assert before is not None
            assert (before.columns, before.is_last, before.next_token) == (
                true.columns,
                true.is_last,
                true.next_token,
            )
            self.unchanged += 1
        else:
            assert page.columns == true.columns
            if page.version:
                self.kept[key] = (page.version, page)

    async def change(self) -> None:
        """One random change by one of them, or something that just happens."""
        chance = self.chance
        # Mostly as it should be: who has the space does it.
        owning = [world for world, owner in zip(self.worlds, self.owners, strict=True) if owner.is_owner]
        world = chance.choice(owning if owning and chance.random() < 0.95 else self.worlds)
        path, other = self._path(), self._path()
        rules = world.rules
        does: Callable[[], Coroutine[Any, Any, Any]] = chance.choice(
            (
                lambda: world.mkdir(*path),
                lambda: world.mkdir(*path),
                lambda: world.make(*path),
                lambda: world.make(*path, type=FileType.SYMLINK, target="a", update_existing=True),
                lambda: world.put(*path, size_bytes=chance.randrange(9), offset=chance.choice((None, 4))),
                lambda: world.publish(*path, size_bytes=3),
                lambda: rules.files.delete(ALICE, fresh_id(), ref(*path), only_empty=False),
                lambda: rules.files.delete(ALICE, fresh_id(), ref(*path), only_empty=True),
                lambda: rules.renames.rename(ALICE, fresh_id(), ref(*path), ref(*other[:-1]), other[-1]),
                lambda: rules.renames.rename(ALICE, fresh_id(), ref(*path), ref(*other[:-1]), other[-1]),
                lambda: rules.files.set_mode(ALICE, fresh_id(), ref(*path), chance.choice((0o700, 0o755))),
                lambda: self._link(world, path, other),
                lambda: rules.uploads.locate(ALICE, ref(*path)),
                lambda: rules.xattrs.update(ALICE, fresh_id(), ref(*path), Update(set={"x": b"1"})),
                lambda: rules.xattrs.update(ALICE, fresh_id(), ref(*path), Update(acl=_ACL)),
                lambda: self._restore(world, other),
                rules.touches.flush,
                rules.settled.flush,
                rules.repairs.empty_trash,
                rules.repairs.clean_tombstones,
                rules.repairs.reconcile_locations,
            )
        )
        try:
            await does()
        except IsthmusError:
            return

    async def _link(self, world: World, path: tuple[str, ...], other: tuple[str, ...]) -> None:
        await world.link(await world.get(*path), *other)

    async def _restore(self, world: World, other: tuple[str, ...]) -> None:
        page = await world.rules.trash.list(ALICE, SPACE, "", 10)
        if page.entries:
            where = ref(*other[:-1])
            chosen = self.chance.choice(page.entries)
            await world.rules.trash.restore(
                ALICE, fresh_id(), ref(file_id=chosen.file.file_id), where, other[-1]
            )

    def _path(self) -> tuple[str, ...]:
        return tuple(self.chance.choice(NAMES) for _ in range(self.chance.choice((1, 2, 2, 3))))


_ACL = (AclEntry(True, "EVERYONE@", 0x7019B),)


@pytest.mark.parametrize("seed", range(12))
async def test_unchanged_is_what_the_store_lists(seed: int) -> None:
    chance = random.Random(seed)
    instances = Instances(chance)
    await instances.worlds[0].open()
    for _ in range(150):
        await asyncio.gather(*(instances.change() for _ in range(chance.choice((1, 1, 2, 4)))))
        if chance.random() < 0.05:
            instances.hand_over()
        instances.clock.advance(chance.choice((0.0, 0.1, 0.1, 1.0, 5.0, 40.0)))
        await instances.compare()
    assert instances.unchanged > 50


@pytest.fixture
async def world() -> World:
    world = await World(ownership=Owner()).open()
    await world.mkdir("d")
    await world.make("d", "a")
    return world


async def listed(world: World, known: str = "") -> Page:
    return await world.rules.listing.list(ALICE, ref("d"), PageStart(), 10, ("mode",), known_version=known)


async def test_nothing_is_told_again_while_nothing_changes(world: World) -> None:
    first = await listed(world)
    again = await listed(world, first.version)
    assert first.version
    assert (again.is_unchanged, again.version, again.columns) == (True, first.version, {})
    await world.make("e")
    assert (await listed(world, first.version)).is_unchanged
    await world.make("d", "b")
    assert (await listed(world, first.version)).columns["name"] == ["a", "b"]


async def test_who_may_not_list_is_refused_whatever_he_knows(world: World) -> None:
    version = (await listed(world)).version
    await world.rules.files.set_mode(ALICE, "", ref("d"), 0o700)
    assert (await listed(world, version)).is_unchanged
    with pytest.raises(AccessDenied):
        await world.rules.listing.list(BOB, ref("d"), PageStart(), 10, ("mode",), known_version=version)


async def test_hard_links_have_no_version(world: World) -> None:
    await world.link(await world.get("d", "a"), "d", "link")
    assert (await listed(world)).version == ""


async def test_versions_end_with_the_time_alone(world: World) -> None:
    owner = cast(Owner, world.ownership)
    version = (await listed(world)).version
    owner.alone = None
    assert (await listed(world, version)).version == ""
    owner.alone = 2.0
    page = await listed(world, version)
    assert (page.is_unchanged, page.version not in ("", version)) == (False, True)


async def test_a_change_whose_end_is_unknown_leaves_doubt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = (await listed(world)).version
    store = world.stores.files
    insert = store.insert

    async def lost(file: File) -> None:
        raise Unavailable("nobody knows")

    monkeypatch.setattr(store, "insert", lost)
    with pytest.raises(Unavailable):
        await world.make("d", "late")
    monkeypatch.setattr(store, "insert", insert)
    assert (await listed(world, version)).version == ""
    world.clock.advance(DOUBT_S + 1)
    page = await listed(world, version)
    assert (page.is_unchanged, page.version != "") == (False, True)


async def test_who_has_the_space_hears_before_others_add_to_it(world: World) -> None:
    """The change stream tells of no new files, so it is told of them by another record."""
    journal: list[File] = []
    replace = world.stores.files.replace

    async def noted(file: File) -> None:
        await replace(file)
        journal.append(file)

    other = World(stores=world.stores, clock=world.clock, ownership=Owner())
    cast(Owner, other.ownership).alone = None
    world.stores.files.replace = noted  # type: ignore[method-assign]
    version = (await listed(world)).version
    for name in ("b", "c"):
        await other.make("d", name)
    assert [file.parent_id for file in journal] == [""]
    root = journal[0]
    change = Change(root.file_id, root.revision, SPACE, root.parent_id, root.deleted)
    world.rules.listing_versions.changed_elsewhere([change])
    page = await listed(world, version)
    assert (page.columns["name"], page.version) == (["a", "b", "c"], "")
    world.clock.advance(DOUBT_S + 1)
    assert (await listed(world)).version != ""


async def test_own_changes_that_come_by_are_known(world: World) -> None:
    changed = await world.rules.files.set_mode(ALICE, "", ref("d", "a"), 0o600)
    version = (await listed(world)).version
    change = Change(changed.file_id, changed.revision, SPACE, changed.parent_id, deleted=False)
    world.rules.listing_versions.changed_elsewhere([change])
    assert (await listed(world, version)).is_unchanged
    # The same once more would be somebody else's.
    world.rules.listing_versions.changed_elsewhere([change])
    assert not (await listed(world, version)).is_unchanged


async def test_only_so_many_directories_are_known(world: World) -> None:
    small = World(stores=world.stores, ownership=Owner())
    small.rules.listing_versions._capacity = 1
    first = await listed(small)
    await small.rules.listing.list(ALICE, ref(), PageStart(), 10, ("mode",))
    assert len(small.rules.listing_versions) == 1
    assert not (await listed(small, first.version)).is_unchanged
    small.rules.listing_versions._capacity = 0
    assert (await listed(small)).version == ""


async def test_a_gap_in_the_change_stream_leaves_doubt(world: World) -> None:
    """An announcement may have been in it, of files that are still being added."""
    version = (await listed(world)).version
    rules = world.rules
    invalidator = CacheInvalidator(
        rules.file_cache, rules.location_cache, rules.leases, rules.listing_versions
    )
    await invalidator.on_gap()
    assert (await listed(world, version)).version == ""
    world.clock.advance(DOUBT_S + 1)
    assert (await listed(world)).version not in ("", version)


async def test_what_could_not_be_announced_is_announced_with_the_next_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast(Owner, world.ownership).alone = None
    replace, tried = world.stores.files.replace, 0

    async def failing(file: File) -> None:
        nonlocal tried
        tried += 1
        if tried == 1:
            raise Unavailable("away")
        await replace(file)

    monkeypatch.setattr(world.stores.files, "replace", failing)
    with pytest.raises(Unavailable):
        await world.make("d", "b")
    assert await world.names("d") == ["a"]
    for name in ("b", "c"):
        await world.make("d", name)
    assert tried == 2


async def test_a_space_without_a_directory_is_announced_once_it_has_one() -> None:
    owner = Owner()
    owner.alone = None
    world = World(ownership=owner)
    told: list[bool] = []

    async def announce() -> bool:
        told.append(len(told) > 0)
        return told[-1]

    for _ in range(3):
        await world.rules.listing_versions.announced(SPACE, announce)
    assert told == [False, True]
