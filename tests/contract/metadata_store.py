"""What every set of metadata stores promises. Test classes inherit it and bring a `stores` fixture."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from runtime.errors import DirectoryNotEmpty, NoSuchFile, SpaceNotSupported
from services.metadata.domain.columns import FIELDS, columns_of
from services.metadata.domain.dir_books import BooksChange
from services.metadata.domain.dir_sums import CountedDirectory, CountedFile, DirSums, SpaceStats
from services.metadata.domain.errors import (
    IdTaken,
    NameTaken,
    OneRefused,
    RenameIntoItself,
    RevisionConflict,
)
from services.metadata.domain.locations import Garbage, Location, Upload
from services.metadata.domain.records import (
    AclEntry,
    File,
    FileType,
    new_root,
    root_id,
    trash_id,
    trashed_from,
)
from services.metadata.domain.stores import (
    CustomMetadata,
    Download,
    DownloadMark,
    Intent,
    Position,
    ShareNote,
    Stores,
    TreeChange,
    Usage,
    UsagePoint,
)
from tests.contract.metadata_access_history import AccessHistoryStoreContract
from tests.contract.queue_store import QueueStoreContract

SPACE = "space1"
PROVIDER = "provider1"
ROOT = root_id(SPACE)


def a_file(file_id: str, name: str = "", parent_id: str = ROOT, **fields: object) -> File:
    return replace(
        new_root(SPACE, PROVIDER, 1000),
        **{
            "file_id": file_id,
            "parent_id": parent_id,
            "name": name or file_id,
            "type": FileType.REGULAR,
            "mode": 0o664,
            "owner_id": "alice",
            **fields,
        },
    )


def a_directory(file_id: str, name: str = "", parent_id: str = ROOT, **fields: object) -> File:
    return a_file(file_id, name, parent_id, type=FileType.DIRECTORY, **fields)


def a_trashed(directory: File, due_ms: int, op_id: str = "") -> File:
    return trashed_from(directory, by="alice", now_ms=0, due_ms=due_ms, op_id=op_id)


def a_location(file_id: str, **fields: object) -> Location:
    upload = Upload(f"op-{file_id}", True, "s1", f"/{file_id}", 0, 100)
    placed = Location(file_id, SPACE, PROVIDER).applied(upload, 1000)
    return replace(placed, revision=1, **fields)


def an_intent(request_id: str, **fields: object) -> Intent:
    return replace(Intent(request_id, SPACE, "f", "s1", f"/{request_id}", True, 1000), **fields)


def a_download(key: str) -> Download:
    return Download(key, SPACE, "d", "name", b"who", expires_ms=2000, share_id="sh")


class FileStoreContract:
    async def test_what_was_inserted_is_found_whole(self, stores: Stores) -> None:
        file = a_file(
            "f",
            "näme.txt",
            size_bytes=2**40,
            mimetype="text/plain",
            acl=(AclEntry(True, "alice", 0x21), AclEntry(False, "g1", 2, is_group=True)),
            share_ids=("s1", "s2"),
            symlink_target="x",
            has_custom_metadata=True,
        )
        await stores.files.insert(file)
        assert await stores.files.find("f") == file
        assert list(await stores.files.find_named(ROOT, "näme.txt")) == [file]

    async def test_what_is_not_there_is_not_found(self, stores: Stores) -> None:
        assert await stores.files.find("f") is None
        assert not await stores.files.find_named(ROOT, "f")
        assert not await stores.files.has_children(ROOT)

    async def test_an_id_is_taken_once(self, stores: Stores) -> None:
        await stores.files.insert(a_file("f", "a"))
        with pytest.raises(IdTaken):
            await stores.files.insert(a_file("f", "b"))

    async def test_a_name_is_taken_once_by_each_provider(self, stores: Stores) -> None:
        await stores.files.insert(a_file("f", "a"))
        await stores.files.insert(a_file("g", "a", named_by="provider2"))
        with pytest.raises(NameTaken):
            await stores.files.insert(a_file("h", "a"))
        assert len(await stores.files.find_named(ROOT, "a")) == 2

    async def test_of_many_inserts_of_one_name_one_wins(self, stores: Stores) -> None:
        inserts = (stores.files.insert(a_file(f"f{n}", "a")) for n in range(50))
        outcomes = await asyncio.gather(*inserts, return_exceptions=True)
        assert outcomes.count(None) == 1
        assert sum(isinstance(outcome, NameTaken) for outcome in outcomes) == 49

    async def test_concurrent_finds_answer_each_its_own(self, stores: Stores) -> None:
        for n in range(20):
            await stores.files.insert(a_file(f"f{n}", f"n{n}"))
        by_id = asyncio.gather(*(stores.files.find(f"f{n}") for n in range(25)))
        by_name = asyncio.gather(*(stores.files.find_named(ROOT, f"n{n}") for n in range(25)))
        ids = [file.file_id if file else None for file in await by_id]
        assert ids == [f"f{n}" for n in range(20)] + [None] * 5
        assert [file.file_id for files in await by_name for file in files] == ids[:20]

    async def test_a_replace_needs_the_previous_revision(self, stores: Stores) -> None:
        file = a_file("f")
        await stores.files.insert(file)
        await stores.files.replace(file.changed(mode=0o600))
        with pytest.raises(RevisionConflict):
            await stores.files.replace(file.changed(mode=0o644))
        stored = await stores.files.find("f")
        assert stored is not None
        assert (stored.mode, stored.revision) == (0o600, 2)

    async def test_of_many_replaces_of_one_revision_one_wins(self, stores: Stores) -> None:
        file = a_file("f")
        await stores.files.insert(file)
        replaces = (stores.files.replace(file.changed(mode=mode)) for mode in range(50))
        outcomes = await asyncio.gather(*replaces, return_exceptions=True)
        stored = await stores.files.find("f")
        assert outcomes.count(None) == 1
        assert stored is not None
        assert stored.mode == outcomes.index(None)
        assert sum(isinstance(outcome, RevisionConflict) for outcome in outcomes) == 49

    async def test_a_replace_does_not_bring_back_what_is_gone(self, stores: Stores) -> None:
        with pytest.raises(RevisionConflict):
            await stores.files.replace(a_file("f").changed(mode=0))
        assert await stores.files.find("f") is None

    async def test_a_rename_to_a_taken_name_is_refused(self, stores: Stores) -> None:
        file = a_file("f", "a")
        await stores.files.insert(file)
        await stores.files.insert(a_file("g", "b"))
        with pytest.raises(NameTaken):
            await stores.files.replace(file.changed(name="b"))
        assert await stores.files.find("f") == file

    async def test_a_tombstone_frees_the_name(self, stores: Stores) -> None:
        file = a_file("f", "a")
        await stores.files.insert(file)
        await stores.files.replace(file.tombstone(now_ms=2000, op_id="del", cleanup_ms=2000))
        await stores.files.insert(a_file("g", "a"))
        found = await stores.files.find("f")
        deleted = await stores.files.find_deleted("del")
        assert found is not None
        assert found.deleted
        assert deleted == found

    async def test_replace_many_leaves_conflicts_alone(self, stores: Stores) -> None:
        files = [a_file(f"f{n}") for n in range(3)]
        for file in files:
            await stores.files.insert(file)
        await stores.files.replace(files[1].changed(mode=0o600))
        await stores.files.replace_many([file.changed(mode=0o777) for file in files])
        stored = [await stores.files.find(file.file_id) for file in files]
        assert [file.mode for file in stored if file] == [0o777, 0o600, 0o777]

    async def test_a_link_comes_with_the_change_of_its_file(self, stores: Stores) -> None:
        file, link = a_file("f", "a"), a_file("link_1_file_f", "b")
        await stores.files.insert(file)
        linked = file.changed(links=(link.file_id,))
        await stores.files.insert_link(link, linked)
        assert await stores.files.find("f") == linked
        assert list(await stores.files.find_named(ROOT, "b")) == [link]

    @pytest.mark.parametrize(
        ("link_id", "name", "revision", "error"),
        [("new", "b", 2, RevisionConflict), ("new", "taken", 1, NameTaken), ("old", "b", 1, IdTaken)],
    )
    async def test_a_link_comes_with_its_file_or_not_at_all(
        self, stores: Stores, link_id: str, name: str, revision: int, error: type[Exception]
    ) -> None:
        file = a_file("f", "a")
        for each in (file, a_file("old", "taken")):
            await stores.files.insert(each)
        with pytest.raises(error):
            await stores.files.insert_link(a_file(link_id, name), replace(file, revision=revision + 1))
        assert await stores.files.find("f") == file
        assert not await stores.files.find_named(ROOT, "b")

    async def test_a_link_takes_the_place_of_a_file_in_the_same_moment(self, stores: Stores) -> None:
        file, old = a_file("f", "a"), a_file("old", "b")
        for each in (file, old):
            await stores.files.insert(each)
        link, linked = a_file("link_1_file_f", "b"), file.changed(links=("link_1_file_f",))
        stale = old.changed().tombstone(now_ms=1, op_id="", cleanup_ms=1)
        with pytest.raises(RevisionConflict):
            await stores.files.insert_link(link, linked, replaced=stale)
        assert [each.file_id for each in await stores.files.find_named(ROOT, "b")] == ["old"]
        assert await stores.files.find("f") == file
        gone = old.tombstone(now_ms=1, op_id="", cleanup_ms=1)
        await stores.files.insert_link(link, linked, replaced=gone)
        assert list(await stores.files.find_named(ROOT, "b")) == [link]
        assert [await stores.files.find(each) for each in ("f", "old")] == [linked, gone]

    async def test_of_many_links_at_once_none_is_lost(self, stores: Stores) -> None:
        file = a_file("f", "a")
        await stores.files.insert(file)
        inserts = (
            stores.files.insert_link(a_file(f"l{n}"), file.changed(links=(f"l{n}",))) for n in range(9)
        )
        outcomes = await asyncio.gather(*inserts, return_exceptions=True)
        stored = await stores.files.find("f")
        assert stored is not None
        assert outcomes.count(None) == 1
        assert stored.links == (f"l{outcomes.index(None)}",)

    async def test_children_are_listed_by_the_bytes_of_their_names(self, stores: Stores) -> None:
        names = ["b", "a", "B", "ä", "z", "a b", "\U0001f600", "\uffee", "a0", "~"]
        for name in names:
            await stores.files.insert(a_file(f"id-{name}", name))
        listed = await stores.files.list_children(ROOT, start=None, inclusive=True, limit=100)
        assert [file.name for file in listed] == sorted(names, key=lambda name: name.encode())

    async def test_a_listing_goes_on_after_a_position(self, stores: Stores) -> None:
        for name in "abcd":
            await stores.files.insert(a_file(f"id-{name}", name))
        await stores.files.insert(a_file("other-b", "b", named_by="provider2"))
        start = Position("b", PROVIDER)
        after = await stores.files.list_children(ROOT, start=start, inclusive=False, limit=2)
        at = await stores.files.list_children(ROOT, start=start, inclusive=True, limit=2)
        assert [file.file_id for file in after] == ["other-b", "id-c"]
        assert [file.file_id for file in at] == ["id-b", "other-b"]

    async def test_columns_tell_what_the_files_do(self, stores: Stores) -> None:
        acl = (AclEntry(True, "OWNER@", 1),)
        for file in (
            a_file("plain", size_bytes=7, local_bytes=3, mimetype="text/plain", has_custom_metadata=True),
            a_file("link", "a", type=FileType.SYMLINK, symlink_target="x", mode=0o777),
            a_file("linked", links=("l1", "l2"), unnamed=True, share_ids=("s1", "s2"), acl=acl),
            a_file("dir", type=FileType.DIRECTORY, acl=(), completion_status="Error"),
            a_file("other", "a", named_by="provider2", value_transfer_encoding="utf-8", owner_id="bob"),
        ):
            await stores.files.insert(file)
        start = Position("a", PROVIDER)
        for begin, inclusive, limit in ((None, True, 100), (start, True, 3), (start, False, 100)):
            files = await stores.files.list_children(ROOT, start=begin, inclusive=inclusive, limit=limit)
            columns = await stores.files.list_columns(
                ROOT, FIELDS, start=begin, inclusive=inclusive, limit=limit
            )
            assert columns == columns_of(files, FIELDS)
            assert columns["file_id"]

    async def test_columns_of_nothing_are_empty(self, stores: Stores) -> None:
        columns = await stores.files.list_columns(ROOT, ["name", "mode"], start=None, inclusive=True, limit=1)
        assert columns == {"name": [], "mode": []}

    async def test_a_listing_goes_backwards(self, stores: Stores) -> None:
        for name in "abcd":
            await stores.files.insert(a_file(f"id-{name}", name))
        before = await stores.files.list_before(ROOT, end=Position("d"), limit=2)
        assert [file.name for file in before] == ["c", "b"]

    async def test_listings_leave_out_what_is_not_to_be_seen(self, stores: Stores) -> None:
        await stores.files.insert(a_file("a"))
        await stores.files.insert(a_file("hidden", ".__onedata__tmp"))
        await stores.files.insert(a_file("close", ".__onedata_`"))
        await stores.files.insert(a_file("gone", deleted=True))
        await stores.files.insert(a_file("below", parent_id="elsewhere"))
        listed = await stores.files.list_children(ROOT, start=None, inclusive=True, limit=100)
        backwards = await stores.files.list_before(ROOT, end=Position("b"), limit=100)
        assert [file.file_id for file in listed] == ["close", "a"]
        assert [file.file_id for file in backwards] == ["a", "close"]

    async def test_some_names_can_be_listed(self, stores: Stores) -> None:
        for name in "abc":
            await stores.files.insert(a_file(f"id-{name}", name))
        listed = await stores.files.list_names(ROOT, {"c", "a", "x"})
        assert [file.name for file in listed] == ["a", "c"]

    async def test_only_what_is_alive_makes_a_directory_full(self, stores: Stores) -> None:
        child = a_file("f", parent_id="d")
        await stores.files.insert(child)
        assert await stores.files.has_children("d")
        await stores.files.replace(child.tombstone(now_ms=1, op_id="", cleanup_ms=1))
        assert not await stores.files.has_children("d")

    async def test_the_trash_is_listed_as_it_becomes_due(self, stores: Stores) -> None:
        for number, name in enumerate("cab"):
            directory = a_directory(name)
            await stores.files.insert(directory)
            await stores.files.replace(a_trashed(directory, number, f"op-{name}"))
        trashed = await stores.files.list_trashed(before_ms=2, limit=10)
        assert [file.file_id for file in trashed] == ["c", "a"]
        assert trashed[0].parent_id == trash_id(SPACE)
        assert await stores.files.find_deleted("op-a") == trashed[1]

    async def test_tombstones_are_cleaned_and_purged_when_due(self, stores: Stores) -> None:
        for name, due in (("a", 10), ("b", 5), ("c", 20)):
            await stores.files.insert(a_file(name, deleted=True, cleanup_ms=due, purge_ms=due + 100))
        due_now = await stores.files.list_cleanups(before_ms=20, limit=10)
        assert [file.file_id for file in due_now] == ["b", "a"]
        assert sorted(await stores.files.purge(before_ms=120, limit=10)) == ["a", "b"]
        assert await stores.files.find("a") is None
        assert await stores.files.find("c") is not None


class MoveContract:
    async def _tree(self, stores: Stores) -> dict[str, File]:
        files = {
            "a": a_directory("a"),
            "b": a_directory("b", parent_id="a"),
            "c": a_directory("c", parent_id="b"),
            "d": a_directory("d"),
            "f": a_file("f"),
            "g": a_file("g", parent_id="d"),
        }
        await stores.files.insert(new_root(SPACE, PROVIDER, 1))
        for file in files.values():
            await stores.files.insert(file)
        return files

    async def test_a_directory_moves_to_another(self, stores: Stores) -> None:
        files = await self._tree(stores)
        await stores.files.move(files["b"].changed(parent_id="d"), replaced=None, new_ancestry=True)
        moved = await stores.files.find("b")
        assert moved is not None
        assert moved.parent_id == "d"

    async def test_a_directory_never_moves_below_itself(self, stores: Stores) -> None:
        files = await self._tree(stores)
        with pytest.raises(RenameIntoItself):
            await stores.files.move(files["a"].changed(parent_id="c"), replaced=None, new_ancestry=True)
        assert await stores.files.find("a") == files["a"]

    async def test_a_directory_never_moves_below_the_trash(self, stores: Stores) -> None:
        files = await self._tree(stores)
        await stores.files.replace(a_trashed(files["a"], 1))
        with pytest.raises(NoSuchFile):
            await stores.files.move(files["d"].changed(parent_id="c"), replaced=None, new_ancestry=True)

    async def test_two_moves_never_make_a_circle(self, stores: Stores) -> None:
        files = await self._tree(stores)
        for _ in range(10):
            outcomes = await asyncio.gather(
                stores.files.move(files["a"].changed(parent_id="d"), replaced=None, new_ancestry=True),
                stores.files.move(files["d"].changed(parent_id="a"), replaced=None, new_ancestry=True),
                return_exceptions=True,
            )
            if any(outcome is None for outcome in outcomes):
                break
        assert outcomes.count(None) == 1

    async def test_the_replaced_file_goes_in_the_same_moment(self, stores: Stores) -> None:
        files = await self._tree(stores)
        gone = files["g"].tombstone(now_ms=1, op_id="", cleanup_ms=1)
        await stores.files.move(
            files["f"].changed(parent_id="d", name="g"), replaced=gone, new_ancestry=False
        )
        assert [file.file_id for file in await stores.files.find_named("d", "g")] == ["f"]
        assert await stores.files.find("g") == gone

    async def test_a_full_directory_is_not_replaced(self, stores: Stores) -> None:
        files = await self._tree(stores)
        gone = files["d"].tombstone(now_ms=1, op_id="", cleanup_ms=1)
        with pytest.raises(DirectoryNotEmpty):
            await stores.files.move(
                files["b"].changed(parent_id=ROOT, name="d"), replaced=gone, new_ancestry=True
            )
        assert await stores.files.find("b") == files["b"]

    async def test_a_conflict_undoes_both(self, stores: Stores) -> None:
        files = await self._tree(stores)
        await stores.files.replace(files["f"].changed(mode=0))
        gone = files["g"].tombstone(now_ms=1, op_id="", cleanup_ms=1)
        with pytest.raises(RevisionConflict):
            await stores.files.move(
                files["f"].changed(parent_id="d", name="g"), replaced=gone, new_ancestry=False
            )
        assert await stores.files.find("g") == files["g"]

    async def test_a_taken_name_undoes_both(self, stores: Stores) -> None:
        files = await self._tree(stores)
        with pytest.raises(NameTaken):
            await stores.files.move(
                files["c"].changed(parent_id="d", name="g"), replaced=None, new_ancestry=True
            )
        assert await stores.files.find("c") == files["c"]


class TogetherContract:
    """Many records in one call: each on its own, or all or none."""

    async def test_each_of_many_inserts_is_told_of(self, stores: Stores) -> None:
        await stores.files.insert(a_file("taken", "a"))
        some = [a_file("b"), a_file("c", "a"), a_file("taken", "d"), a_file("e")]
        outcomes = await stores.files.insert_many(some)
        assert [type(outcome) for outcome in outcomes] == [type(None), NameTaken, IdTaken, type(None)]
        assert await stores.files.find("b") == some[0]
        assert await stores.files.find("e") == some[3]

    async def test_changes_happen_together(self, stores: Stores) -> None:
        old, moving = a_file("old"), a_file("moving", "x")
        await stores.files.insert(old)
        await stores.files.insert(moving)
        gone = old.tombstone(now_ms=2000, op_id="r", cleanup_ms=2000)
        moved = moving.changed(name="y")
        await stores.files.change_together(
            [
                TreeChange(a_file("new", "x"), is_new=True),
                TreeChange(gone),
                TreeChange(moved),
                TreeChange(a_file("second", "old"), is_new=True),
            ]
        )
        assert await stores.files.find("old") == gone
        assert await stores.files.find("moving") == moved
        assert [file.file_id for file in await stores.files.find_named(ROOT, "x")] == ["new"]
        assert [file.file_id for file in await stores.files.find_named(ROOT, "old")] == ["second"]

    async def test_a_new_record_takes_the_place_of_another(self, stores: Stores) -> None:
        old, new = a_file("old", "a"), a_file("new", "a")
        await stores.files.insert(old)
        gone = old.tombstone(now_ms=2000, op_id="r", cleanup_ms=2000)
        stale = gone.changed()
        for refused in (stale, a_file("absent").changed()):
            with pytest.raises(OneRefused) as raised:
                await stores.files.change_together([TreeChange(new, is_new=True, replaced=refused)])
            assert isinstance(raised.value.cause, RevisionConflict)
            assert list(await stores.files.find_named(ROOT, "a")) == [old]
        await stores.files.change_together([TreeChange(new, is_new=True, replaced=gone)])
        assert list(await stores.files.find_named(ROOT, "a")) == [new]
        assert await stores.files.find("old") == gone

    async def test_when_one_is_refused_nothing_happens(self, stores: Stores) -> None:
        taken, stale = a_file("taken", "a"), a_file("stale")
        await stores.files.insert(taken)
        await stores.files.insert(stale)
        renamed = TreeChange(taken.changed(name="b"))
        refused = (
            (TreeChange(a_file("new", "stale"), is_new=True), NameTaken),
            (TreeChange(a_file("taken", "c"), is_new=True), IdTaken),
            (TreeChange(stale.changed().changed()), RevisionConflict),
        )
        for change, cause in refused:
            with pytest.raises(OneRefused) as raised:
                await stores.files.change_together([renamed, change])
            assert (raised.value.index, type(raised.value.cause)) == (1, cause)
            assert await stores.files.find("taken") == taken
            assert await stores.files.find("new") is None

    async def test_directories_make_no_circle_together(self, stores: Stores) -> None:
        one, two = a_directory("one"), a_directory("two")
        for directory in (new_root(SPACE, PROVIDER, 1000), one, two):
            await stores.files.insert(directory)
        changes = [
            TreeChange(one.changed(parent_id="two"), new_ancestry=True),
            TreeChange(two.changed(parent_id="one"), new_ancestry=True),
        ]
        with pytest.raises(OneRefused) as raised:
            await stores.files.change_together(changes)
        assert isinstance(raised.value.cause, RenameIntoItself)
        assert await stores.files.find("one") == one


class LocationStoreContract:
    async def test_a_location_is_found_whole(self, stores: Stores) -> None:
        location = a_location(
            "f",
            blocks=((0, 10), (20, 5)),
            garbage=(Garbage("s2", "/old", 7, 900),),
            version_vector={PROVIDER: 3, "provider2": 2},
            retired=True,
            registered=True,
        )
        await stores.locations.insert(location)
        assert await stores.locations.find("f") == location
        assert await stores.locations.find("g") is None

    async def test_a_location_is_inserted_once(self, stores: Stores) -> None:
        await stores.locations.insert(a_location("f"))
        with pytest.raises(IdTaken):
            await stores.locations.insert(a_location("f"))

    async def test_a_replace_needs_the_previous_revision(self, stores: Stores) -> None:
        location = a_location("f")
        await stores.locations.insert(location)
        await stores.locations.replace(replace(location, size_bytes=5, revision=2))
        with pytest.raises(RevisionConflict):
            await stores.locations.replace(replace(location, size_bytes=6, revision=2))
        with pytest.raises(RevisionConflict):
            await stores.locations.replace(replace(a_location("none"), revision=2))
        assert await stores.locations.find("none") is None

    async def test_only_the_same_revision_is_removed(self, stores: Stores) -> None:
        await stores.locations.insert(a_location("f"))
        await stores.locations.remove("f", revision=2)
        assert await stores.locations.find("f") is not None
        await stores.locations.remove("f", revision=1)
        assert await stores.locations.find("f") is None

    async def test_only_the_same_revision_is_settled(self, stores: Stores) -> None:
        for name, dirty_ms in (("a", 30), ("b", 10), ("c", 20)):
            await stores.locations.insert(a_location(name, dirty_ms=dirty_ms))
        dirty = await stores.locations.list_dirty(before_ms=30, limit=10)
        assert [location.file_id for location in dirty] == ["b", "c"]
        await stores.locations.settle([("b", 1), ("c", 2), ("x", 1)])
        dirty = await stores.locations.list_dirty(before_ms=100, limit=10)
        assert [location.file_id for location in dirty] == ["c", "a"]

    async def test_garbage_is_listed_by_storage_and_age(self, stores: Stores) -> None:
        for name, storage_id, since_ms in (("a", "s1", 30), ("b", "s1", 10), ("c", "s2", 5)):
            garbage = (Garbage(storage_id, f"/old-{name}", 7, since_ms),)
            await stores.locations.insert(a_location(name, garbage=garbage))
        listed = await stores.locations.list_garbage({"s1"}, before_ms=100, limit=10)
        assert [location.file_id for location in listed] == ["b", "a"]
        assert not await stores.locations.list_garbage({"s1"}, before_ms=10, limit=10)

    async def test_references_are_current_files_and_garbage(self, stores: Stores) -> None:
        await stores.locations.insert(a_location("a", garbage=(Garbage("s1", "/old", 7, 1),)))
        wanted = ["/a", "/old", "/none"]
        assert await stores.locations.find_references("s1", wanted) == {"/a", "/old"}
        assert await stores.locations.find_references("s1", wanted, with_garbage=False) == {"/a"}
        assert await stores.locations.find_references("s2", wanted) == set()

    async def test_held_bytes_are_content_and_garbage(self, stores: Stores) -> None:
        await stores.locations.insert(a_location("a", garbage=(Garbage("s1", "/old", 7, 1),)))
        await stores.locations.insert(a_location("b"))
        assert await stores.locations.held_bytes(SPACE) == 207
        assert await stores.locations.held_bytes("other") == 0


class FirstLocationContract:
    """A location that came with its file, until it changes."""

    async def made(self, stores: Stores) -> Location:
        location = a_location("f", dirty_ms=None)
        await stores.files.insert(a_file("f", size_bytes=100, location_revision=1, location=location))
        return location

    async def test_it_is_found_with_the_file_and_by_itself(self, stores: Stores) -> None:
        location = await self.made(stores)
        file = await stores.files.find("f")
        assert file is not None
        assert file.location == location
        assert await stores.locations.find("f") == location

    async def test_it_counts_and_is_a_reference(self, stores: Stores) -> None:
        await self.made(stores)
        await stores.locations.insert(a_location("g"))
        assert await stores.locations.held_bytes(SPACE) == 200
        assert await stores.locations.find_references("s1", ["/f", "/g", "/x"]) == {"/f", "/g"}
        assert await stores.locations.find_references("s2", ["/f"]) == set()

    async def test_its_next_revision_is_a_record_of_its_own(self, stores: Stores) -> None:
        location = await self.made(stores)
        later = replace(location, size_bytes=5, revision=2)
        await stores.locations.replace(later)
        with pytest.raises(RevisionConflict):
            await stores.locations.replace(replace(location, size_bytes=6, revision=2))
        assert await stores.locations.find("f") == later

    async def test_of_many_next_revisions_one_wins(self, stores: Stores) -> None:
        location = await self.made(stores)
        replaces = (stores.locations.replace(replace(location, size_bytes=n, revision=2)) for n in range(20))
        outcomes = await asyncio.gather(*replaces, return_exceptions=True)
        assert outcomes.count(None) == 1
        assert sum(isinstance(outcome, RevisionConflict) for outcome in outcomes) == 19

    async def test_what_was_let_go_is_not_found(self, stores: Stores) -> None:
        await self.made(stores)
        file = await stores.files.find("f")
        assert file is not None
        await stores.files.replace(file.changed(location=None))
        assert await stores.locations.find("f") is None
        with pytest.raises(RevisionConflict):
            await stores.locations.replace(replace(a_location("f"), revision=2))


class QuotaStoreContract:
    async def use(self, stores: Stores, size_bytes: int) -> None:
        await self.lease(stores, "one", 0, spent=size_bytes)

    async def lease(
        self, stores: Stores, holder: str, needed: int, *, spare: int = 0, spent: int = 0
    ) -> tuple[Usage, int]:
        return await stores.quotas.lease(
            SPACE, holder, spent_bytes=spent, needed_bytes=needed, spare_bytes=spare
        )

    async def test_a_quota_keeps_what_is_used(self, stores: Stores) -> None:
        await stores.quotas.ensure(SPACE, 100)
        await self.use(stores, 60)
        usage = await stores.quotas.ensure(SPACE, 50)
        assert (usage.quota_bytes, usage.used_bytes, usage.available_bytes) == (50, 60, 0)

    async def test_a_quota_of_an_older_support_is_not_set(self, stores: Stores) -> None:
        await stores.quotas.ensure(SPACE, 100, revision=5)
        assert (await stores.quotas.ensure(SPACE, 70, revision=4)).quota_bytes == 100
        assert (await stores.quotas.ensure(SPACE, 60, revision=5)).quota_bytes == 60
        assert (await stores.quotas.ensure(SPACE, 50)).quota_bytes == 50
        assert (await stores.quotas.ensure(SPACE, 40, revision=4)).quota_bytes == 50

    async def test_a_lease_is_the_need_and_what_is_free_of_the_spare(self, stores: Stores) -> None:
        await stores.quotas.ensure(SPACE, 100)
        usage, leased = await self.lease(stores, "one", 40, spare=30)
        assert (leased, usage.leased_bytes, usage.available_bytes) == (70, 70, 30)
        usage, leased = await self.lease(stores, "two", 20, spare=30)
        assert (leased, usage.leased_bytes, usage.available_bytes) == (30, 100, 0)
        with pytest.raises(SpaceNotSupported):
            await stores.quotas.lease("other", "one", spent_bytes=0, needed_bytes=1, spare_bytes=0)

    async def test_a_need_that_is_not_free_leases_nothing(self, stores: Stores) -> None:
        await stores.quotas.ensure(SPACE, 100)
        await self.lease(stores, "one", 70)
        usage, leased = await self.lease(stores, "two", 31, spare=10)
        assert (leased, usage.available_bytes) == (0, 30)
        _, leased = await self.lease(stores, "two", 30)
        assert leased == 30

    async def test_a_lease_is_settled_by_its_holder_alone(self, stores: Stores) -> None:
        await stores.quotas.ensure(SPACE, 100)
        await self.lease(stores, "one", 40)
        await self.lease(stores, "two", 20)
        usage, leased = await self.lease(stores, "one", 5, spent=30)
        assert (usage.used_bytes, leased, usage.leased_bytes) == (30, 5, 25)
        usage, _ = await self.lease(stores, "one", 0, spent=-20)
        assert (usage.used_bytes, usage.leased_bytes) == (10, 20)

    async def test_concurrent_leases_fill_the_quota_and_no_more(self, stores: Stores) -> None:
        await stores.quotas.ensure(SPACE, 100)
        leases = (self.lease(stores, f"h{n}", 7) for n in range(50))
        outcomes = await asyncio.gather(*leases)
        usage = await stores.quotas.find(SPACE)
        assert usage is not None
        assert (usage.leased_bytes, usage.available_bytes) == (98, 2)
        assert sum(leased for _, leased in outcomes) == 98

    async def test_what_is_used_never_falls_below_nothing(self, stores: Stores) -> None:
        await stores.quotas.ensure(SPACE, 100)
        await self.use(stores, 60)
        await self.use(stores, -1000)
        usage = await stores.quotas.find(SPACE)
        assert usage is not None
        assert usage.used_bytes == 0

    async def test_a_lease_that_is_not_renewed_counts_as_used(self, stores: Stores) -> None:
        await stores.quotas.ensure(SPACE, 100)
        await stores.quotas.ensure("quiet", 100)
        await self.lease(stores, "one", 40, spent=10)
        assert list(await stores.quotas.lapse(unheard_s=3600)) == []
        assert list(await stores.quotas.lapse(unheard_s=-1)) == [SPACE]
        usage = await stores.quotas.find(SPACE)
        assert usage is not None
        assert (usage.used_bytes, usage.leased_bytes) == (50, 0)

    async def test_a_counter_is_mended_only_while_it_rests(self, stores: Stores) -> None:
        usage = await stores.quotas.ensure(SPACE, 100)
        await self.use(stores, 10)
        assert not await stores.quotas.mend(usage, 50)
        now = await stores.quotas.find(SPACE)
        assert now is not None
        assert await stores.quotas.mend(now, 50)

    async def test_spaces_are_listed_by_pages(self, stores: Stores) -> None:
        for space_id in ("c", "a", "b"):
            await stores.quotas.ensure(space_id, 1)
        assert list(await stores.quotas.list_spaces(after="", limit=2)) == ["a", "b"]
        assert list(await stores.quotas.list_spaces(after="b", limit=2)) == ["c"]


class IntentStoreContract:
    async def test_an_intent_is_found_until_removed(self, stores: Stores) -> None:
        intent = an_intent("r1")
        await stores.intents.put(intent)
        await stores.intents.put(replace(intent, abandoned=True))
        assert await stores.intents.find("r1") == replace(intent, abandoned=True)
        await stores.intents.remove(["r1", "r2"])
        assert await stores.intents.find("r1") is None

    async def test_only_what_was_given_up_is_listed(self, stores: Stores) -> None:
        await stores.intents.put(an_intent("r1"))
        await stores.intents.put(an_intent("r2", abandoned=True, time_ms=20))
        await stores.intents.put(an_intent("r3", abandoned=True, time_ms=10))
        await stores.intents.put(an_intent("r4", abandoned=True, storage_id="s2"))
        listed = await stores.intents.list_abandoned({"s1"}, before_ms=100, limit=10)
        assert [intent.request_id for intent in listed] == ["r3", "r2"]

    async def test_what_was_removed_is_forgotten(self, stores: Stores) -> None:
        await stores.intents.put(an_intent("r1"))
        await stores.intents.put(an_intent("r2", abandoned=True))
        await stores.intents.remove_abandoned([("s1", "/r1"), ("s1", "/r2"), ("s2", "/r2")])
        assert await stores.intents.find("r1") is not None
        assert await stores.intents.find("r2") is None

    async def test_storage_files_of_intents_are_references(self, stores: Stores) -> None:
        await stores.intents.put(an_intent("r1"))
        await stores.intents.put(an_intent("r2", abandoned=True))
        assert await stores.intents.find_references("s1", ["/r1", "/r2", "/r3"]) == {"/r1", "/r2"}

    async def test_uploads_of_the_dead_refer_to_nothing(self, stores: Stores) -> None:
        await stores.intents.put(an_intent("r1", holder="p1"))
        await stores.intents.put(an_intent("r2", holder="p2"))
        await stores.intents.put(an_intent("r3"))
        await stores.intents.put(an_intent("r4", holder="p2", abandoned=True))
        asked = ["/r1", "/r2", "/r3", "/r4"]
        found = await stores.intents.find_references("s1", asked, living=["p1", "p9"])
        assert found == {"/r1", "/r3", "/r4"}
        assert await stores.intents.find_references("s1", asked) == set(asked)

    async def test_only_old_uploads_under_way_expire(self, stores: Stores) -> None:
        await stores.intents.put(an_intent("old", time_ms=10))
        await stores.intents.put(an_intent("new", time_ms=30))
        await stores.intents.put(an_intent("abandoned", time_ms=10, abandoned=True))
        assert await stores.intents.expire(before_ms=20, limit=10) == 1
        assert await stores.intents.find("old") is None


class CustomMetadataStoreContract:
    async def test_attributes_change_together_with_their_file(self, stores: Stores) -> None:
        file = a_file("f")
        await stores.files.insert(file)
        metadata = CustomMetadata("f", SPACE, {"a.b": b'"x"', "$c": b"1"}, revision=1)
        changed = file.changed(has_custom_metadata=True)
        await stores.custom_metadata.replace(metadata, changed)
        assert await stores.custom_metadata.find("f") == metadata
        assert await stores.files.find("f") == changed

    async def test_a_conflict_of_either_undoes_both(self, stores: Stores) -> None:
        file = a_file("f")
        await stores.files.insert(file)
        metadata = CustomMetadata("f", SPACE, {"a": b"1"}, revision=1)
        await stores.custom_metadata.replace(metadata, file.changed(mode=1))
        with pytest.raises(RevisionConflict):
            await stores.custom_metadata.replace(
                replace(metadata, xattrs={}, revision=2), file.changed(mode=2)
            )
        with pytest.raises(RevisionConflict):
            await stores.custom_metadata.replace(metadata, file.changed(mode=1).changed(mode=3))
        stored = await stores.files.find("f")
        assert stored is not None
        assert stored.mode == 1
        assert await stores.custom_metadata.find("f") == metadata

    async def test_attributes_come_together_with_a_new_file(self, stores: Stores) -> None:
        taken, new = a_file("taken", "a"), a_file("new", "b", has_custom_metadata=True)
        await stores.files.insert(taken)
        metadata = CustomMetadata("new", SPACE, {"k": b"1"}, 1)
        for refused, error in ((replace(new, name="a"), NameTaken), (replace(new, file_id="taken"), IdTaken)):
            with pytest.raises(error):
                await stores.custom_metadata.replace(metadata, refused)
            assert await stores.custom_metadata.find("new") is None
            assert await stores.files.find("new") is None
        await stores.custom_metadata.replace(metadata, new)
        assert await stores.custom_metadata.find("new") == metadata
        assert await stores.files.find("new") == new

    async def test_many_are_found_at_once_by_name_and_within_a_limit(self, stores: Stores) -> None:
        for file_id in ("f", "g"):
            await stores.files.insert(a_file(file_id))
        changed = a_file("f").changed()
        await stores.custom_metadata.replace(CustomMetadata("f", SPACE, {"$a": b"1", "b": b"22"}, 1), changed)
        await stores.custom_metadata.replace(
            CustomMetadata("g", SPACE, {"c": b"3"}, 1), a_file("g").changed()
        )
        find_many = stores.custom_metadata.find_many
        everything = await find_many(["f", "g", "none"], None, limit_bytes=4)
        assert everything is not None
        assert {key: value.xattrs for key, value in everything.items()} == {
            "f": {"$a": b"1", "b": b"22"},
            "g": {"c": b"3"},
        }
        some = await find_many(["f", "g"], {"$a", "$$ROOT"}, limit_bytes=1)
        assert some is not None
        assert {key: value.xattrs for key, value in some.items()} == {"f": {"$a": b"1"}, "g": {}}
        assert await find_many(["f", "g"], None, limit_bytes=3) is None

    async def test_removed_attributes_are_gone(self, stores: Stores) -> None:
        file = a_file("f")
        await stores.files.insert(file)
        await stores.custom_metadata.replace(CustomMetadata("f", SPACE, {"a": b"1"}, 1), file.changed())
        await stores.custom_metadata.remove("f")
        assert await stores.custom_metadata.find("f") is None


class ShareNoteStoreContract:
    async def test_a_note_is_put_over_the_one_before(self, stores: Stores) -> None:
        note = ShareNote("sh1", SPACE, "f", False, 10)
        await stores.share_notes.put(note)
        await stores.share_notes.put(replace(note, ending=True))
        assert await stores.share_notes.find("sh1") == replace(note, ending=True)
        assert await stores.share_notes.find("sh2") is None

    async def test_old_notes_are_listed_oldest_first(self, stores: Stores) -> None:
        for share_id, time_ms in (("a", 30), ("b", 10), ("c", 20), ("d", 50)):
            await stores.share_notes.put(ShareNote(share_id, SPACE, "f", False, time_ms))
        listed = await stores.share_notes.list(before_ms=40, limit=2)
        assert [note.share_id for note in listed] == ["b", "c"]

    async def test_removed_notes_are_gone(self, stores: Stores) -> None:
        await stores.share_notes.put(ShareNote("sh1", SPACE, "f", False, 10))
        for _ in range(2):
            await stores.share_notes.remove("sh1")
        assert not await stores.share_notes.list(before_ms=100, limit=10)


class DownloadStoreContract:
    async def _start(self, stores: Stores, key: str = "k", **options: Any) -> Download | None:
        wanted = {"request_id": "r1", "resume": False, "now_ms": 1000, "expires_ms": 5000, **options}
        return await stores.downloads.start(key, **wanted)

    async def test_a_code_starts_one_download(self, stores: Stores) -> None:
        download = a_download("k")
        await stores.downloads.insert(download)
        started = replace(download, started_by="r1", started_ms=1000, expires_ms=5000)
        assert await self._start(stores) == started
        assert await self._start(stores, now_ms=1500, expires_ms=5000) == started, "a retry is no second one"
        assert await self._start(stores, request_id="r2") is None
        assert await self._start(stores, "other") is None

    async def test_of_many_who_use_a_code_one_wins(self, stores: Stores) -> None:
        await stores.downloads.insert(a_download("k"))
        started = await asyncio.gather(*(self._start(stores, request_id=f"r{n}") for n in range(10)))
        assert sum(each is not None for each in started) == 1

    async def test_a_started_download_is_resumed_while_it_lives(self, stores: Stores) -> None:
        await stores.downloads.insert(a_download("k"))
        await self._start(stores)
        resumed = await self._start(stores, request_id="r2", resume=True, now_ms=4999, expires_ms=6000)
        assert resumed is not None
        assert (resumed.started_by, resumed.started_ms, resumed.expires_ms) == ("r1", 1000, 6000)
        assert await self._start(stores, request_id="r3", resume=True, now_ms=6000) is None

    async def test_resuming_may_be_the_start(self, stores: Stores) -> None:
        await stores.downloads.insert(a_download("k"))
        assert await self._start(stores, resume=True) is not None
        assert await self._start(stores, request_id="r2") is None

    async def test_the_latest_marks_are_kept(self, stores: Stores) -> None:
        await stores.downloads.insert(a_download("k"))
        for offset in (10, 30, 20, 40):
            await stores.downloads.note("k", DownloadMark(offset, b"%d" % offset), keep=3, expires_ms=9000)
        found = await self._start(stores)
        assert found is not None
        assert [mark.offset for mark in found.marks] == [20, 30, 40]
        assert found.marks[0].digest == b"20"
        await stores.downloads.note("other", DownloadMark(1, b""), keep=3, expires_ms=9000)
        assert await self._start(stores, "other") is None


class UsageHistoryStoreContract:
    async def test_the_newest_points_are_kept(self, stores: Stores) -> None:
        for number in range(5):
            await stores.usage_history.put(SPACE, 300, UsagePoint(300 * number, 9, number), keep=3)
        points = await stores.usage_history.list(SPACE, 300)
        assert [(point.time_s, point.used_bytes) for point in points] == [(600, 2), (900, 3), (1200, 4)]

    async def test_the_last_value_of_a_step_counts(self, stores: Stores) -> None:
        for used in (1, 2):
            await stores.usage_history.put(SPACE, 300, UsagePoint(300, 9, used), keep=3)
        assert list(await stores.usage_history.list(SPACE, 300)) == [UsagePoint(300, 9, 2)]

    async def test_spaces_and_steps_are_apart(self, stores: Stores) -> None:
        await stores.usage_history.put(SPACE, 300, UsagePoint(0, 9, 1), keep=3)
        assert not await stores.usage_history.list(SPACE, 3600)
        assert not await stores.usage_history.list("other", 300)


class DirStatsStoreContract:
    async def _begin(self, stores: Stores, space_id: str = SPACE) -> SpaceStats:
        space = SpaceStats(space_id, 7)
        await stores.dir_stats.insert_space(space)
        return space

    async def test_a_space_begins_once(self, stores: Stores) -> None:
        space = await self._begin(stores)
        await stores.dir_stats.insert_space(replace(space, position=9))
        await self._begin(stores, "other")
        assert await stores.dir_stats.find_space(SPACE) == space
        assert await stores.dir_stats.find_space("nowhere") is None
        listed = await stores.dir_stats.list_spaces(after="other", limit=10)
        assert [each.space_id for each in listed] == [SPACE]

    async def test_a_step_is_whole_or_nothing(self, stores: Stores) -> None:
        space = await self._begin(stores)
        sums = DirSums(1, 2, 2**40, 4, {"s1": 5, "s.2$": 6})
        directory, file = CountedDirectory("d", "", sums, ""), CountedFile("f", "d", sums)
        after = replace(space, position=8, revision=1)
        await stores.dir_stats.commit(BooksChange(after, [directory], [file]))
        with pytest.raises(RevisionConflict):
            await stores.dir_stats.commit(BooksChange(after, [], [], ["d"], ["f"]))
        assert await stores.dir_stats.find_space(SPACE) == after
        assert await stores.dir_stats.directories(after, ["d", "x"]) == {"d": directory}
        assert await stores.dir_stats.files(after, ["f", "x"]) == {"f": file}
        assert await stores.dir_stats.find_unlisted(after) == directory

    async def test_entries_go(self, stores: Stores) -> None:
        space = replace(await self._begin(stores), revision=1)
        await stores.dir_stats.commit(
            BooksChange(space, [CountedDirectory("d", "")], [CountedFile("f", "d", DirSums())])
        )
        await stores.dir_stats.commit(BooksChange(replace(space, revision=2), [], [], ["d"], ["f"]))
        assert await stores.dir_stats.directories(space, ["d"]) == {}
        assert await stores.dir_stats.files(space, ["f"]) == {}
        assert await stores.dir_stats.find_unlisted(space) is None

    async def test_eras_are_apart_and_former_ones_are_dropped(self, stores: Stores) -> None:
        first = replace(await self._begin(stores), revision=1)
        await stores.dir_stats.commit(BooksChange(first, [CountedDirectory("d", "")]))
        second = replace(first, era=2, revision=2)
        await stores.dir_stats.commit(BooksChange(second, [CountedDirectory("d", "", DirSums(files=3))]))
        assert await stores.dir_stats.drop(second, all_eras=False, limit=10) == 1
        assert await stores.dir_stats.drop(second, all_eras=False, limit=10) == 0
        assert await stores.dir_stats.directories(first, ["d"]) == {}
        assert (await stores.dir_stats.directories(second, ["d"]))["d"].sums.files == 3
        assert await stores.dir_stats.drop(second, all_eras=True, limit=10) == 1

    async def test_windows_keep_the_last_sums(self, stores: Stores) -> None:
        for now_s, files in ((100_000, 1), (100_010, 2), (100_100, 3)):
            await stores.dir_stats.note(SPACE, {"d": DirSums(files=files)}, now_s)
        await stores.dir_stats.note(SPACE, {"other": DirSums()}, 100_100)
        minutes = await stores.dir_stats.windows(SPACE, "d", 60, first_s=0, last_s=2**31, limit=10)
        assert [(each.time_s, each.sums.files, each.first_s, each.last_s) for each in minutes] == [
            (100_080, 3, 100_100, 100_100),
            (99_960, 2, 100_000, 100_010),
        ]
        hours = await stores.dir_stats.windows(SPACE, "d", 3600, first_s=0, last_s=2**31, limit=10)
        assert [(each.time_s, each.sums.files) for each in hours] == [(97_200, 3)]

    async def test_windows_are_read_in_part(self, stores: Stores) -> None:
        for number in range(150):
            await stores.dir_stats.note(SPACE, {"d": DirSums(files=number)}, 60_000 + 60 * number)
        read = stores.dir_stats.windows
        newest = await read(SPACE, "d", 60, first_s=0, last_s=2**31, limit=2)
        assert [each.sums.files for each in newest] == [149, 148]
        some = await read(SPACE, "d", 60, first_s=60_300, last_s=60_600, limit=1000)
        assert [each.sums.files for each in some] == [10, 9, 8, 7, 6, 5]

    async def test_a_removed_space_is_forgotten(self, stores: Stores) -> None:
        space = await self._begin(stores)
        await stores.dir_stats.note(SPACE, {"d": DirSums(files=1)}, 100_000)
        await stores.dir_stats.note(f"{SPACE}2", {"d": DirSums(files=1)}, 100_000)
        await stores.dir_stats.remove_space(space)
        assert await stores.dir_stats.find_space(SPACE) is None
        assert not await stores.dir_stats.windows(SPACE, "d", 60, first_s=0, last_s=2**31, limit=9)
        assert await stores.dir_stats.windows(f"{SPACE}2", "d", 60, first_s=0, last_s=2**31, limit=9)


class MetadataStoreContract(
    FileStoreContract,
    MoveContract,
    LocationStoreContract,
    FirstLocationContract,
    TogetherContract,
    QuotaStoreContract,
    IntentStoreContract,
    CustomMetadataStoreContract,
    DownloadStoreContract,
    ShareNoteStoreContract,
    UsageHistoryStoreContract,
    AccessHistoryStoreContract,
    DirStatsStoreContract,
    QueueStoreContract,
):
    """All of it."""
