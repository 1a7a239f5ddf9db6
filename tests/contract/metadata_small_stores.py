"""What stores of custom metadata, downloads, shares and the history of usage promise."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from services.metadata.domain.download_books import Download, DownloadMark
from services.metadata.domain.errors import (
    IdTaken,
    NameTaken,
    RevisionConflict,
)
from services.metadata.domain.share_books import ShareNote
from services.metadata.domain.stores import CustomMetadata, Stores
from services.metadata.domain.usage_books import HeldPoint, OwnerKey, UsagePoint
from tests.contract.metadata_records import SPACE, a_download, a_file


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


ALICE, BOB, FAR = OwnerKey(SPACE, "alice"), OwnerKey(SPACE, "bob"), OwnerKey("other", "alice")


class OwnerUsageStoreContract:
    async def test_files_alive_are_summed_up_page_by_page(self, stores: Stores) -> None:
        for file in (
            a_file("f1", "a", owner_id="alice", size_bytes=100, local_bytes=1),
            a_file("f2", "b", owner_id="bob", local_bytes=2**40),
            a_file("f3", "c", owner_id="alice", local_bytes=4),
            a_file("f4", "d", owner_id="alice", local_bytes=8, deleted=True),
            a_file("f5", "e", owner_id="alice", space_id="other", local_bytes=16),
            a_file("f6", "f", owner_id="carol"),
        ):
            await stores.files.insert(file)
        for limit, sums in (
            (2, [{ALICE: 1, BOB: 2**40}, {ALICE: 4}, {FAR: 16}]),
            (100, [{ALICE: 5, BOB: 2**40, FAR: 16}]),
        ):
            after, found = "", []
            while True:
                page = await stores.owner_usage.count_page(after=after, limit=limit)
                if page.held_bytes:
                    found.append(dict(page.held_bytes))
                after = page.next_id
                if not after:
                    break
            assert found == sums

    async def test_nothing_is_one_empty_page(self, stores: Stores) -> None:
        page = await stores.owner_usage.count_page(after="", limit=5)
        assert (dict(page.held_bytes), page.next_id) == ({}, "")

    async def test_what_was_noted_last_is_listed_in_order(self, stores: Stores) -> None:
        await stores.owner_usage.note({BOB: 1, FAR: 2, ALICE: 3}, 1000)
        await stores.owner_usage.note({BOB: 0}, 1001)
        first = await stores.owner_usage.list_last(after=None, limit=2)
        assert len(first) == 2
        rest = await stores.owner_usage.list_last(after=max(first), limit=2)
        assert {**first, **rest} == {ALICE: 3, BOB: 0, FAR: 2}
        assert not await stores.owner_usage.list_last(after=max(rest), limit=2)

    async def test_each_step_has_its_last_value(self, stores: Stores) -> None:
        for now_s, held in ((310, 1), (590, 2), (600, 3), (4000, 4)):
            for _ in range(2):
                await stores.owner_usage.note({ALICE: held}, now_s)
        points = await stores.owner_usage.list(ALICE, 300)
        assert list(points) == [HeldPoint(300, 2), HeldPoint(600, 3), HeldPoint(3900, 4)]
        assert list(await stores.owner_usage.list(ALICE, 3600)) == [HeldPoint(0, 3), HeldPoint(3600, 4)]
        assert not await stores.owner_usage.list(BOB, 300)

    async def test_no_more_points_are_kept_than_are_told(self, stores: Stores) -> None:
        for number in range(14):
            await stores.owner_usage.note({ALICE: number}, number * 30 * 86_400)
        points = await stores.owner_usage.list(ALICE, 30 * 86_400)
        assert [each.held_bytes for each in points] == list(range(2, 14))

    async def test_who_has_owned_nothing_for_long_is_forgotten(self, stores: Stores) -> None:
        await stores.owner_usage.note({ALICE: 0, BOB: 1}, 1000)
        await stores.owner_usage.note({FAR: 0}, 2000)
        await stores.owner_usage.forget(before_s=1500)
        assert dict(await stores.owner_usage.list_last(after=None, limit=9)) == {BOB: 1, FAR: 0}
        assert not await stores.owner_usage.list(ALICE, 300)
