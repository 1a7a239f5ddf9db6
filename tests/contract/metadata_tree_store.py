"""What a store of files promises of moves, and of changes that happen together."""

from __future__ import annotations

import asyncio

import pytest

from runtime.errors import DirectoryNotEmpty, NoSuchFile
from services.metadata.domain.errors import (
    IdTaken,
    NameTaken,
    OneRefused,
    RenameIntoItself,
    RevisionConflict,
)
from services.metadata.domain.records import (
    File,
    new_root,
)
from services.metadata.domain.stores import Stores, TreeChange
from tests.contract.metadata_records import PROVIDER, ROOT, SPACE, a_directory, a_file, a_trashed


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
