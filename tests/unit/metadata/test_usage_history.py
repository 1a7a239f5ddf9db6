"""Samples of quota and usage, by steps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.errors import InvalidArgument, SpaceNotSupported
from runtime.identity import SpacePrivilege, SpaceRights
from services.metadata.domain.errors import Forbidden
from services.metadata.domain.usage_history import STEPS
from tests.support.metadata import ALICE, SERVICE, SPACE, World, member

VIEWER = replace(member("vera"), spaces={SPACE: SpaceRights("Space", 1 << SpacePrivilege.VIEW_STATISTICS)})


@pytest.fixture
async def world() -> World:
    return await World().open(quota_bytes=1000)


async def test_every_step_has_its_last_value(world: World) -> None:
    history = world.rules.usage_history
    assert await history.sample() == 1
    await world.put("a", size_bytes=7)
    await history.sample()
    for step_s in STEPS:
        [point] = await history.read(VIEWER, SPACE, step_s)
        assert (point.time_s % step_s, point.quota_bytes, point.used_bytes) == (0, 1000, 7)


async def test_time_moves_on_by_steps(world: World) -> None:
    for _ in range(3):
        await world.rules.usage_history.sample()
        world.clock.advance(300)
    assert len(await world.rules.usage_history.read(SERVICE, SPACE, 300)) == 3


async def test_what_is_too_old_is_not_told(world: World) -> None:
    await world.rules.usage_history.sample()
    world.clock.advance(2 * 24 * 3600)
    assert not await world.rules.usage_history.read(SERVICE, SPACE, 300)
    assert await world.rules.usage_history.read(SERVICE, SPACE, 3600)


async def test_refusals(world: World) -> None:
    history = world.rules.usage_history
    with pytest.raises(Forbidden):
        await history.read(ALICE, SPACE, 300)
    with pytest.raises(InvalidArgument):
        await history.read(VIEWER, SPACE, 301)
    with pytest.raises(SpaceNotSupported):
        await history.read(SERVICE, "elsewhere", 300)
