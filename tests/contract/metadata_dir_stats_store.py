"""What a store of statistics of directories promises."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.metadata.domain.dir_books import BooksChange
from services.metadata.domain.dir_sums import CountedDirectory, CountedFile, DirSums, SpaceStats
from services.metadata.domain.errors import (
    RevisionConflict,
)
from services.metadata.domain.stores import Stores
from tests.contract.metadata_records import SPACE


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
