"""What every store of storages promises."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.errors import AlreadyExists
from services.storage_router.domain.storages import NoSuchStorage, Storage, StorageStore, Support

DISK = Storage(
    "st1", "disk", "posix", {"mount_point": "/m"}, {"key": "hush"}, readonly=False, fsync=False,
    request_id="r1", created_at_ms=5,
)  # fmt: skip


class StorageStoreContract:
    """Inherit, and give a fixture `store`: prepared and empty."""

    async def test_a_storage_comes_back_whole(self, store: StorageStore) -> None:
        await store.add_storage(DISK)
        assert await store.get_storage("st1") == DISK
        assert list(await store.list_storages()) == [DISK]

    async def test_an_imported_storage_comes_back_as_such(self, store: StorageStore) -> None:
        imported = replace(DISK, imported=True, readonly=True)
        await store.add_storage(imported)
        assert await store.get_storage("st1") == imported

    async def test_the_same_request_finds_the_first(self, store: StorageStore) -> None:
        await store.add_storage(DISK)
        assert await store.add_storage(replace(DISK, name="other", created_at_ms=6)) == DISK

    async def test_names_and_ids_are_unique(self, store: StorageStore) -> None:
        await store.add_storage(DISK)
        with pytest.raises(AlreadyExists):
            await store.add_storage(replace(DISK, storage_id="st2", request_id="r2"))
        with pytest.raises(AlreadyExists):
            await store.add_storage(replace(DISK, name="other", request_id="r2"))

    async def test_what_is_not_there_is_not_found(self, store: StorageStore) -> None:
        with pytest.raises(NoSuchStorage):
            await store.get_storage("none")
        await store.delete_storage("none")

    async def test_a_deleted_storage_is_gone(self, store: StorageStore) -> None:
        await store.add_storage(DISK)
        await store.delete_storage("st1")
        assert list(await store.list_storages()) == []

    async def test_the_public_part_of_a_storage_changes(self, store: StorageStore) -> None:
        await store.add_storage(DISK)
        parameters = {"geo": "PL", "a.$b": 2.5}
        wanted = replace(DISK, name="other", imported=True, readonly=True, qos_parameters=parameters)
        assert await store.change_storage(DISK, wanted)
        assert await store.get_storage("st1") == wanted
        assert not await store.change_storage(DISK, replace(DISK, name="third"))
        assert await store.change_storage(wanted, DISK)
        assert list(await store.list_storages()) == [DISK]
        assert not await store.change_storage(replace(DISK, storage_id="none"), wanted)

    async def test_no_two_storages_get_one_name(self, store: StorageStore) -> None:
        await store.add_storage(DISK)
        await store.add_storage(replace(DISK, storage_id="st2", name="other", request_id="r2"))
        with pytest.raises(AlreadyExists):
            await store.change_storage(DISK, replace(DISK, name="other"))
        assert await store.get_storage("st1") == DISK

    async def test_storages_are_listed_by_name_in_pages(self, store: StorageStore) -> None:
        for name in ("c", "a", "b", "B"):
            await store.add_storage(replace(DISK, storage_id=name, name=name, request_id=name))
        page = await store.list_storages(limit=2)
        rest = await store.list_storages(after_name=page[-1].name, limit=9)
        assert [each.name for each in (*page, *rest)] == ["B", "a", "b", "c"]

    async def test_a_support_is_what_was_said_last_of_it(self, store: StorageStore) -> None:
        support = Support("space", "st1", 100, "r1", "name", 7)
        assert await store.put_support(support)
        assert not await store.put_support(support)
        assert not await store.put_support(replace(support, size_bytes=5, revision=6))
        assert await store.find_support("space") == support
        assert await store.find_support_of_request("r1") == support
        assert await store.find_support_of_request("r2") is None
        assert await store.find_support("other") is None
        later = replace(support, size_bytes=200, space_name="renamed", revision=8)
        assert await store.put_support(later)
        assert list(await store.list_supports()) == [later]
        assert await store.has_supports("st1")
        assert not await store.has_supports("st2")

    async def test_a_support_that_ended_is_gone_until_a_later_one(self, store: StorageStore) -> None:
        support = Support("space", "st1", 100, "r1", "name", 7)
        assert not await store.end_support("space", 9)
        await store.put_support(support)
        assert not await store.end_support("space", 6)
        assert await store.end_support("space", 9)
        assert not await store.end_support("space", 9)
        assert not await store.put_support(replace(support, revision=8))
        assert await store.find_support("space") is None
        assert await store.find_support_of_request("r1") is None
        assert list(await store.list_supports()) == []
        assert not await store.has_supports("st1")
        again = Support("space", "st2", 50, "r2", "name", 10)
        assert await store.put_support(again)
        assert await store.find_support("space") == again

    async def test_supports_are_listed_by_space_in_pages(self, store: StorageStore) -> None:
        for space_id in ("s3", "s1", "s2"):
            await store.put_support(Support(space_id, "st1", 1, space_id))
        page = await store.list_supports(limit=2)
        rest = await store.list_supports(after_space=page[-1].space_id)
        assert [each.space_id for each in (*page, *rest)] == ["s1", "s2", "s3"]

    async def test_a_cursor_is_remembered(self, store: StorageStore) -> None:
        assert await store.get_cursor("st1") == ""  # type: ignore[attr-defined]
        await store.put_cursor("st1", "/a/b")  # type: ignore[attr-defined]
        await store.put_cursor("st1", "/a/c")  # type: ignore[attr-defined]
        assert await store.get_cursor("st1") == "/a/c"  # type: ignore[attr-defined]
