"""What stores of locations, quotas and uploads under way promise."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from runtime.errors import SpaceNotSupported
from services.metadata.domain.errors import (
    IdTaken,
    RevisionConflict,
)
from services.metadata.domain.locations import Garbage, Location
from services.metadata.domain.stores import Stores, Usage
from tests.contract.metadata_records import PROVIDER, SPACE, a_file, a_location, an_intent


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
