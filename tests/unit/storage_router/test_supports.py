from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.errors import NotFound, SpaceNotSupported, Unavailable
from services.storage_router.domain.storages import PublicPart, Storage, StorageChange, Support
from services.storage_router.domain.supports import SupportTooSmall
from services.storage_router.domain.zone_news import SupportState, ZoneNews
from services.storage_router.workers.dir_stats_switch import MAX_AT_ONCE, DirStatsSwitch
from services.storage_router.workers.zone_follower import ZoneFollower
from tests.support.router_rules import SPACE, Router, StatsTwin

NOW = Support(SPACE, "st1", 1000, "r2", "name", 5)


@pytest.fixture
async def router() -> Router:
    """With a support of revision 0."""
    return await Router().open()


@pytest.fixture
def follower(router: Router) -> ZoneFollower:
    return ZoneFollower(
        router.supports,
        router.store,
        router.zone,
        dir_stats=DirStatsSwitch(StatsTwin(), StatsTwin()),
        on_change=router.catalog.refresh,
    )


def told(*supports: Support, caught_up: bool = False) -> ZoneNews:
    return ZoneNews([SupportState(each) for each in supports], caught_up=caught_up)


async def test_a_size_told_by_the_zone_becomes_the_quota(router: Router, follower: ZoneFollower) -> None:
    await follower.act(told(replace(NOW, size_bytes=7, space_name="renamed")))
    assert router.spaces.quotas == {SPACE: 7}
    assert router.catalog.supports[SPACE].space_name == "renamed"


async def test_what_comes_late_changes_nothing(router: Router, follower: ZoneFollower) -> None:
    await follower.act(told(NOW))
    await follower.act(told(replace(NOW, size_bytes=3, revision=4)))
    await follower.act(ZoneNews(ended={SPACE: 4}))
    assert router.spaces.quotas == {SPACE: 1000}
    assert await router.store.find_support(SPACE) == NOW


async def test_a_support_nobody_here_knows_is_taken_over(router: Router, follower: ZoneFollower) -> None:
    other = Support("other", "st1", 50, "r9", "other", 3)
    await follower.act(told(other))
    assert router.catalog.supports["other"] == other
    assert router.spaces.quotas == {"other": 50}


async def test_an_ended_support_takes_no_more_data(router: Router, follower: ZoneFollower) -> None:
    assert await follower.held() == [SPACE]
    await follower.act(ZoneNews(ended={SPACE: 9}))
    assert router.spaces.quotas == {SPACE: 0}
    with pytest.raises(SpaceNotSupported):
        router.catalog.storage_for_new_data(SPACE)
    assert await follower.held() == []


async def test_what_fails_is_taken_in_when_it_is_told_again(router: Router, follower: ZoneFollower) -> None:
    router.spaces.failure = Unavailable()
    with pytest.raises(Unavailable):
        await follower.act(told(NOW))
    router.spaces.failure = None
    await follower.act(told(NOW))
    assert router.spaces.quotas == {SPACE: 1000}


async def test_the_zone_is_told_of_storages_it_does_not_know(router: Router, follower: ZoneFollower) -> None:
    assert await follower.run_once() == 0
    assert router.zone.storages == {}
    await follower.act(ZoneNews(storages={"gone": PublicPart("gone")}, caught_up=True))
    router.zone.storages["gone"] = Storage("gone", "gone", "memory", {})
    await follower.run_once()
    assert list(router.zone.storages) == ["st1"]


async def test_the_zone_is_told_how_storages_are(router: Router, follower: ZoneFollower) -> None:
    router.zone.storages["st1"] = Storage("st1", "old", "memory", {})
    await follower.act(ZoneNews(storages={"st1": PublicPart("old")}, caught_up=True))
    await follower.run_once()
    assert router.zone.storages["st1"].name == "disk"
    # As it tells then:
    await follower.act(ZoneNews(storages={"st1": PublicPart("disk")}))
    router.zone.storages.clear()
    await follower.run_once()
    assert router.zone.storages == {}


async def test_a_change_by_another_instance_is_taken_in(router: Router, follower: ZoneFollower) -> None:
    known = await router.storages.get("st1")
    await router.store.change_storage(known, StorageChange(name="other").of(known))
    await follower.act(ZoneNews(storages={"st1": PublicPart("other")}))
    assert router.catalog.storage("st1").storage.name == "other"


async def test_an_operator_resizes_a_support_everywhere(router: Router) -> None:
    router.spaces.used = {SPACE: 60}
    resized = await router.supports.resize(SPACE, 60)
    assert (resized.size_bytes, router.spaces.quotas) == (60, {SPACE: 60})
    assert await router.store.find_support(SPACE) == resized
    with pytest.raises(SupportTooSmall):
        await router.supports.resize(SPACE, 59)
    with pytest.raises(SpaceNotSupported):
        await router.supports.resize("other", 60)


async def test_an_operator_revokes_a_support_everywhere(router: Router) -> None:
    await router.supports.resize(SPACE, 500)
    await router.supports.revoke(SPACE)
    assert router.zone.supports == {}
    assert router.spaces.quotas == {SPACE: 0}
    assert await router.store.find_support(SPACE) is None
    with pytest.raises(SpaceNotSupported):
        await router.supports.revoke(SPACE)


async def test_a_zone_that_is_away_leaves_the_support_as_it_is(router: Router) -> None:
    router.zone.failure = Unavailable()
    with pytest.raises(Unavailable):
        await router.supports.resize(SPACE, 500)
    with pytest.raises(Unavailable):
        await router.supports.revoke(SPACE)
    assert router.spaces.quotas == {}
    assert await router.store.find_support(SPACE) is not None


async def test_statistics_are_switched_and_reported_once_they_are_there() -> None:
    twin = StatsTwin()
    switch = DirStatsSwitch(twin, twin)
    switch.note([SupportState(NOW, True, "initializing")])
    for _ in range(3):
        await switch.run_once()
    assert (twin.switched, twin.reported) == ([True], [])
    twin.status = "enabled"
    await switch.run_once()
    assert twin.reported == ["enabled"]
    switch.note([SupportState(NOW, True, "enabled")])
    await switch.run_once()
    assert twin.reported == ["enabled"]


async def test_a_late_report_of_what_was_switched_back_is_mended() -> None:
    twin = StatsTwin()
    twin.status = "enabled"
    switch = DirStatsSwitch(twin, twin)
    switch.note([SupportState(NOW, False, "enabled")])
    await switch.run_once()
    twin.status = "disabled"
    await switch.run_once()
    assert (twin.switched, twin.reported) == ([False], ["disabled"])


async def test_what_the_zone_does_not_want_ends() -> None:
    twin = StatsTwin()
    twin.status = "enabled"
    switch = DirStatsSwitch(twin, twin)
    switch.note([SupportState(NOW)])
    await switch.run_once()
    assert (twin.switched, twin.status) == ([False], "stopping")


async def test_an_operator_switches_statistics_at_the_zone() -> None:
    twin = StatsTwin()
    switch = DirStatsSwitch(twin, twin)
    await switch.switch(SPACE, enabled=True)
    assert (twin.asked, twin.switched) == ([True], [])
    twin.failure = NotFound()
    with pytest.raises(SpaceNotSupported):
        await switch.switch(SPACE, enabled=True)


async def test_spaces_that_are_not_there_yet_hold_up_no_others() -> None:
    twin = StatsTwin()
    twin.status = "initializing"
    switch = DirStatsSwitch(twin, twin)
    slow = [replace(NOW, space_id=f"s{number}") for number in range(MAX_AT_ONCE)]
    switch.note([SupportState(each, True, "initializing") for each in slow])
    switch.note([SupportState(NOW)])
    await switch.run_once()
    assert twin.switched == []
    await switch.run_once()
    assert twin.switched[0] is False


async def test_one_space_that_is_gone_does_not_hold_the_others_up() -> None:
    twin = StatsTwin()
    twin.failure = SpaceNotSupported()
    switch = DirStatsSwitch(twin, twin)
    switch.note([SupportState(NOW, True, "initializing")])
    assert await switch.run_once() == 0
    switch.note([], ended=[SPACE])
    twin.failure = AssertionError("asked for what ended")
    assert await switch.run_once() == 0
