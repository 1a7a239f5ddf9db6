"""What every store of copies promises. The tests of the other stores inherit it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.metadata.domain.copy_records import WORKED_AT, Copy, CopyProgress, CopyState
from services.metadata.domain.errors import IdTaken, NameTaken, RevisionConflict
from services.metadata.domain.records import FileType
from services.metadata.domain.stores import Stores


def a_copy(copy_id: str, **fields: object) -> Copy:
    copy = Copy(
        copy_id=copy_id,
        request_id=f"request-{copy_id}",
        user_id="alice",
        identity=b"\x00signed",
        space_id="space1",
        parent_id="parent",
        name=copy_id,
        root_id=f"root-{copy_id}",
        type=FileType.DIRECTORY,
        source_space_id="space2",
        source_id="source",
        moves=True,
        workshop_id=f"workshop-{copy_id}",
        update=b"\xffupdate",
        started_ms=1000,
        changed_ms=2000,
        progress=CopyProgress(1, 2, 3, 4, b"\x00here"),
    )
    return replace(copy, **fields)


class CopyStoreContract:
    """Copies by id, by place, by lease."""

    async def test_a_copy_is_found_as_it_was_put(self, stores: Stores) -> None:
        copy = a_copy("c", expires_ms=1 << 41, error_reason="ENOSPC", state=CopyState.FAILED, epoch=3)
        await stores.copies.insert(copy)
        assert await stores.copies.find("c") == copy
        assert await stores.copies.find_reserving("parent", "c") == copy
        assert await stores.copies.find("other") is None

    async def test_one_copy_reserves_a_name(self, stores: Stores) -> None:
        await stores.copies.insert(a_copy("c"))
        with pytest.raises(IdTaken):
            await stores.copies.insert(a_copy("c", name="d"))
        with pytest.raises(NameTaken):
            await stores.copies.insert(a_copy("d", name="c"))
        await stores.copies.insert(a_copy("e", name="c", parent_id="elsewhere"))
        await stores.copies.replace(a_copy("c").changed(reserves=False))
        await stores.copies.insert(a_copy("d", name="c"))
        found = await stores.copies.find_reserving("parent", "c")
        assert found is not None
        assert found.copy_id == "d"

    async def test_a_replace_needs_the_revision_before(self, stores: Stores) -> None:
        copy = a_copy("c")
        await stores.copies.insert(copy)
        changed = copy.changed(epoch=1)
        await stores.copies.replace(changed)
        with pytest.raises(RevisionConflict):
            await stores.copies.replace(copy.changed(epoch=2))
        with pytest.raises(RevisionConflict):
            await stores.copies.replace(a_copy("absent").changed())
        assert await stores.copies.find("c") == changed

    async def test_only_what_was_seen_is_removed(self, stores: Stores) -> None:
        copy = a_copy("c")
        await stores.copies.insert(copy)
        await stores.copies.replace(copy.changed(epoch=1))
        await stores.copies.remove(copy)
        assert await stores.copies.find("c") is not None
        await stores.copies.remove(copy.changed(epoch=1))
        assert await stores.copies.find("c") is None

    async def test_lapsed_leases_come_in_their_order(self, stores: Stores) -> None:
        for name, until in (("late", 30), ("early", 10), ("held", 99)):
            await stores.copies.insert(a_copy(name, lease_until_ms=until))
        await stores.copies.insert(a_copy("over", state=CopyState.DONE))
        lapsed = await stores.copies.list_lapsed(WORKED_AT, before_ms=50, limit=10)
        assert [copy.copy_id for copy in lapsed] == ["early", "late"]
        assert len(await stores.copies.list_lapsed(WORKED_AT, before_ms=50, limit=1)) == 1

    async def test_what_is_not_done_is_listed_and_counted(self, stores: Stores) -> None:
        for name, state in (("a", CopyState.COPYING), ("b", CopyState.DONE), ("c", CopyState.FAILED)):
            await stores.copies.insert(a_copy(name, state=state))
        await stores.copies.insert(a_copy("d", user_id="bob", state=CopyState.UNDOING))
        listed = await stores.copies.list(after="", limit=10)
        assert [copy.copy_id for copy in listed] == ["a", "c", "d"]
        assert [copy.copy_id for copy in await stores.copies.list(after="a", limit=1)] == ["c"]
        assert await stores.copies.count_open(limit=10) == 2
        assert await stores.copies.count_open(user_id="bob", limit=10) == 1
        assert await stores.copies.count_open(limit=1) == 1
