"""What a store of files promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.metadata.domain.columns import FIELDS, columns_of
from services.metadata.domain.errors import (
    IdTaken,
    NameTaken,
    RevisionConflict,
)
from services.metadata.domain.records import (
    AclEntry,
    FileType,
    ValueDigest,
    trash_id,
)
from services.metadata.domain.stores import Position, Stores
from tests.contract.metadata_records import PROVIDER, ROOT, SPACE, a_directory, a_file, a_trashed


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
            value_hash="SHA256",
            value_digest=ValueDigest("SHA256", "abc", 7),
            gids=(0,),
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

    async def test_names_of_the_system_are_left_out_wherever_a_listing_begins(self, stores: Stores) -> None:
        for name in ("+", ".", ".__onedata", ".__onedata__", ".__onedata__tmp", ".__onedata_`", "a"):
            await stores.files.insert(a_file(f"id-{name}", name))
        shown = ["+", ".", ".__onedata", ".__onedata_`", "a"]
        for begin in (*shown, ".__onedata__a"):
            for inclusive in (True, False):
                listed = await stores.files.list_children(
                    ROOT, start=Position(begin, PROVIDER), inclusive=inclusive, limit=100
                )
                expected = [name for name in shown if name > begin or (inclusive and name == begin)]
                assert [file.name for file in listed] == expected

    async def test_several_directories_are_listed_together(self, stores: Stores) -> None:
        for parent_id, name in (("p2", "b"), ("p1", "z"), ("p2", "a"), ("p3", "c"), ("p4", "d")):
            await stores.files.insert(a_file(f"{parent_id}-{name}", name, parent_id=parent_id))
        await stores.files.insert(a_file("p2-hidden", ".__onedata__x", parent_id="p2"))
        await stores.files.insert(a_file("p2-a2", "a", parent_id="p2", named_by="provider2"))
        gone = a_file("p2-gone", "aa", parent_id="p2")
        await stores.files.insert(gone)
        await stores.files.replace(gone.changed(deleted=True))
        columns = await stores.files.list_columns_of(["p2", "p4", "p1", "none"], ["file_id"], limit=4)
        assert columns == {
            "file_id": ["p1-z", "p2-a", "p2-a2", "p2-b"],
            "parent_id": ["p1", "p2", "p2", "p2"],
        }

    async def test_columns_tell_what_the_files_do(self, stores: Stores) -> None:
        acl = (AclEntry(True, "OWNER@", 1),)
        for file in (
            a_file("plain", size_bytes=7, local_bytes=3, mimetype="text/plain", has_custom_metadata=True),
            a_file("link", "a", type=FileType.SYMLINK, symlink_target="x", mode=0o777),
            a_file("linked", links=("l1", "l2"), unnamed=True, share_ids=("s1", "s2"), acl=acl, gids=(5,)),
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
