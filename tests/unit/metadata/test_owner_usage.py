"""What belongs to whom, and how that went."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.errors import InvalidArgument, SpaceNotSupported, Unavailable
from runtime.identity import Identity, SpacePrivilege, SpaceRights
from services.metadata.domain import owner_usage
from services.metadata.domain.errors import Forbidden
from services.metadata.domain.usage_history import STEPS
from services.metadata.workers.owner_counter import REST, OwnerCounter
from tests.support.metadata import ALICE, BOB, SERVICE, SPACE, World, member, ref

VIEWER = replace(member("vera"), spaces={SPACE: SpaceRights("Space", 1 << SpacePrivilege.VIEW_STATISTICS)})


@pytest.fixture
async def world() -> World:
    return await World().open(quota_bytes=1000)


async def delete(world: World, name: str) -> None:
    await world.rules.files.delete(ALICE, "", ref(name))


async def held(world: World, owner: Identity, step_s: int = 300) -> list[int]:
    """The bytes of each step told."""
    points = await world.rules.owner_usage.read(VIEWER, SPACE, owner.subject_id, step_s)
    assert all(point.time_s % step_s == 0 for point in points)
    return [point.held_bytes for point in points]


@pytest.mark.parametrize("page", [1, 2, 1000])
async def test_bytes_belong_to_who_made_the_file(
    world: World, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_usage, "PAGE_FILES", page)
    monkeypatch.setattr(owner_usage, "PAGE_OWNERS", page)
    await world.put("a", size_bytes=7)
    await world.put("b", size_bytes=5, who=BOB)
    await world.put("c", size_bytes=30)
    assert await world.rules.owner_usage.count() == 2
    for step_s in STEPS:
        assert (await held(world, ALICE, step_s), await held(world, BOB, step_s)) == ([37], [5])
    assert await world.rules.owner_usage.count() == 0


async def test_all_that_counts_for_the_space_belongs_to_somebody(world: World) -> None:
    """Also what is overwritten in part, has another name, or is in the trash; garbage is nobody's."""
    await world.mkdir("d")
    await world.put("d", "in trash", size_bytes=50)
    file = await world.put("a", size_bytes=7)
    await world.link(file, "l")
    await world.put("a", size_bytes=9, who=BOB)
    await delete(world, "d")
    await world.rules.settled.flush()
    await world.rules.owner_usage.count()
    assert (await held(world, ALICE), await held(world, BOB)) == ([59], [])


async def test_steps_without_a_change_have_the_value_before(world: World) -> None:
    await world.put("a", size_bytes=7)
    await world.rules.owner_usage.count()
    world.clock.advance(900)
    await delete(world, "a")
    await world.rules.owner_usage.count()
    world.clock.advance(600)
    assert await world.rules.owner_usage.count() == 0
    assert await held(world, ALICE) == [7, 7, 7, 0, 0, 0]
    world.clock.advance(24 * 3600 - 300)
    assert await held(world, ALICE) == [0] * 288


async def test_who_owned_nothing_for_a_year_is_forgotten(world: World) -> None:
    await world.put("a", size_bytes=7)
    await world.rules.owner_usage.count()
    await delete(world, "a")
    await world.rules.owner_usage.count()
    for days, told in ((359, True), (2, False)):
        world.clock.advance(days * 86_400)
        await world.rules.owner_usage.count()
        assert bool(await held(world, ALICE)) is told


async def test_refusals(world: World) -> None:
    usage = world.rules.owner_usage
    with pytest.raises(Forbidden):
        await usage.read(ALICE, SPACE, "alice", 300)
    with pytest.raises(InvalidArgument):
        await usage.read(VIEWER, SPACE, "alice", 301)
    with pytest.raises(SpaceNotSupported):
        await usage.read(SERVICE, "elsewhere", "alice", 300)


async def test_counting_takes_a_small_part_of_the_time() -> None:
    began: list[float] = []
    now_s = 0.0

    async def count() -> int:
        nonlocal now_s
        began.append(now_s)
        now_s += 2
        return 1

    counter = OwnerCounter(count, now_s=lambda: now_s)
    for at_s in (10, 60, 10 + 2 + 2 * REST - 1, 10 + 2 + 2 * REST, 300):
        now_s = at_s
        assert await counter.run_once() == 0
    assert began == [10, 10 + 2 + 2 * REST, 300]


async def test_what_failed_is_tried_again_in_the_next_round() -> None:
    calls = 0

    async def count() -> int:
        nonlocal calls
        calls += 1
        raise Unavailable()

    counter = OwnerCounter(count)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await counter.run_once()
    assert calls == 2
