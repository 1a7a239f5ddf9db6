"""Records in memory never become older, and nothing invalidated comes back."""

from __future__ import annotations

from dataclasses import replace

from services.metadata.domain import cache as cache_module
from services.metadata.domain.cache import FileCache
from services.metadata.domain.records import File, new_root
from services.metadata.workers.cache_invalidator import CacheInvalidator
from tests.support.metadata import ALICE, SPACE, World, ref


def a_file(file_id: str = "f", name: str = "a", **fields: object) -> File:
    values = {"file_id": file_id, "parent_id": "d", "name": name, **fields}
    return replace(new_root(SPACE, "p", 0), **values)


def read(cache: FileCache, file: File) -> None:
    cache.put_read(file, cache.mark())


def test_the_least_used_go_first() -> None:
    cache = FileCache(2, "p")
    for name in "ab":
        read(cache, a_file(name, name))
    cache.get("a")
    read(cache, a_file("c", "c"))
    assert [cache.get(name) is not None for name in "abc"] == [True, False, True]
    assert cache.get_named("d", "b") is None
    assert len(cache) == 2


def test_a_newer_revision_stays() -> None:
    cache = FileCache(10, "p")
    new = a_file(revision=2)
    cache.put_written(new)
    read(cache, a_file(revision=1))
    assert cache.get("f") == new


def test_what_was_invalidated_during_a_read_is_not_kept() -> None:
    cache = FileCache(10, "p")
    mark = cache.mark()
    cache.invalidate("f", 2)
    cache.put_read(a_file(revision=1), mark)
    assert cache.get("f") is None
    read(cache, a_file(revision=2))
    assert cache.get("f") is not None


def test_what_is_cleared_during_a_read_is_not_kept() -> None:
    cache = FileCache(10, "p")
    mark = cache.mark()
    cache.clear()
    cache.put_read(a_file(), mark)
    assert len(cache) == 0


def test_a_read_slower_than_the_memory_of_invalidations_is_not_kept(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(cache_module, "MAX_INVALIDATIONS", 3)
    cache = FileCache(10, "p")
    mark = cache.mark()
    for number in range(5):
        cache.invalidate(f"f{number}")
    cache.put_read(a_file("f0"), mark)
    assert cache.get("f0") is None


def test_an_old_name_is_forgotten_with_a_rename() -> None:
    cache = FileCache(10, "p")
    cache.put_written(a_file())
    cache.put_written(a_file(name="b", revision=2))
    assert cache.get_named("d", "a") is None
    assert cache.get_named("d", "b") is not None
    cache.put_written(a_file(name="b", revision=3, deleted=True))
    assert cache.get_named("d", "b") is None


def test_names_of_other_providers_are_asked_for() -> None:
    cache = FileCache(10, "p")
    read(cache, a_file(named_by="other"))
    assert cache.get("f") is not None
    assert cache.get_named("d", "a") is None


async def test_what_another_instance_changed_is_forgotten() -> None:
    one = await World().open()
    two = World(stores=one.stores)
    file = await one.make("a")
    await two.get("a")
    changed = await one.rules.files.set_mode(ALICE, "", ref("a"), 0o600)
    assert (await two.get("a")).mode == file.mode
    for world in (one, two):
        rules = world.rules
        invalidator = CacheInvalidator(
            rules.file_cache, rules.location_cache, rules.leases, rules.listing_versions
        )
        await invalidator.on_changes([_Seen("files", changed)], None)
    assert (await two.get("a")).mode == 0o600
    assert one.rules.file_cache.get(file.file_id) == changed
    await invalidator.on_gap()
    assert len(two.rules.file_cache) == 0


class _Seen:
    def __init__(self, collection: str, file: File) -> None:
        self.collection = collection
        self.file_id = file.file_id
        self.revision = file.revision
        self.space_id = file.space_id
        self.parent_id = file.parent_id
        self.deleted = file.deleted
