"""What a store of the history of accesses promises."""

from __future__ import annotations

import asyncio

from services.metadata.domain.access_books import Access, AccessPoint, Sums, Told
from services.metadata.domain.errors import RevisionConflict
from services.metadata.domain.stores import Stores

DAY_S = 86_400
#: The beginning of a slot of every width.
BEGIN_S = 600 * 30 * DAY_S

READ = Sums(read_bytes=2**40, reads=1)
WRITTEN = Sums(written_bytes=5, writes=2)


def told(*accesses: Access, holder: str = "h", sequence: int = 1, at_s: int = 0) -> Told:
    return Told(holder, sequence, BEGIN_S + at_s, accesses)


async def noted(stores: Stores, told: Told) -> None:
    """Until nobody is faster."""
    while True:
        try:
            return await stores.access_history.note(told)
        except RevisionConflict:
            await asyncio.sleep(0.01)


async def points(stores: Stores, space_id: str, user_id: str = "", step_s: int = 300) -> list[AccessPoint]:
    return list(await stores.access_history.list(space_id, user_id, step_s, since_s=BEGIN_S))


class AccessHistoryStoreContract:
    async def test_accesses_add_up_by_space_user_and_step(self, stores: Stores) -> None:
        accesses = (Access("s", "alice", READ), Access("s", "bob", WRITTEN), Access("t", "", READ))
        await stores.access_history.note(told(*accesses, at_s=299))
        await stores.access_history.note(told(Access("s", "alice", READ), sequence=2, at_s=300))
        assert await points(stores, "s") == [
            AccessPoint(BEGIN_S, READ + WRITTEN, 2), AccessPoint(BEGIN_S + 300, READ, 1),
        ]  # fmt: skip
        assert await points(stores, "s", "bob") == [AccessPoint(BEGIN_S, WRITTEN)]
        for step_s in (3600, DAY_S, 30 * DAY_S):
            [point] = await points(stores, "s", step_s=step_s)
            assert (point.time_s, point.sums) == (BEGIN_S, READ + WRITTEN + READ)
            assert await points(stores, "s", "alice", step_s) == [AccessPoint(BEGIN_S, READ + READ)]
        assert await points(stores, "t") == [AccessPoint(BEGIN_S, READ, 0)]
        assert await points(stores, "absent") == []

    async def test_what_is_told_again_is_noted_once(self, stores: Stores) -> None:
        for _ in range(3):
            await stores.access_history.note(told(Access("s", "alice", READ)))
        await stores.access_history.note(told(Access("s", "alice", READ), sequence=0))
        await stores.access_history.note(told(Access("s", "alice", WRITTEN), holder="other"))
        assert await points(stores, "s") == [AccessPoint(BEGIN_S, READ + WRITTEN, 1)]

    async def test_a_user_counts_once_in_a_slot(self, stores: Stores) -> None:
        for sequence, user_id in enumerate(("alice", "bob", "alice", "alice", "carol")):
            at_s = 300 if sequence > 2 else 0
            access = Access("s", user_id, Sums())
            await stores.access_history.note(told(access, sequence=sequence, at_s=at_s))
        assert [point.users for point in await points(stores, "s")] == [2, 2]
        assert [point.users for point in await points(stores, "s", step_s=3600)] == [2], "of the last slot"

    async def test_steps_before_a_time_are_left_out(self, stores: Stores) -> None:
        for sequence, at_s in enumerate((0, 300, 7200, 20 * 300)):
            await stores.access_history.note(told(Access("s", "alice", READ), sequence=sequence, at_s=at_s))
        listed = await stores.access_history.list("s", "", 300, since_s=BEGIN_S + 300)
        assert [point.time_s - BEGIN_S for point in listed] == [300, 20 * 300, 7200]

    async def test_ids_that_begin_alike_are_apart(self, stores: Stores) -> None:
        await stores.access_history.note(told(Access("s", "al", READ), Access("s2", "alice", WRITTEN)))
        assert await points(stores, "s", "alice") == []
        assert await points(stores, "s") == [AccessPoint(BEGIN_S, READ, 1)]

    async def test_of_many_who_tell_at_once_nothing_is_lost(self, stores: Stores) -> None:
        every = (told(Access("s", f"u{n % 3}", READ), holder=f"h{n}", at_s=n) for n in range(12))
        await asyncio.gather(*(noted(stores, each) for each in every))
        [point] = await points(stores, "s")
        assert (point.sums.reads, point.sums.read_bytes, point.users) == (12, 12 * 2**40, 3)
