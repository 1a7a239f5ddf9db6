"""Who supports a space, remembered for a while."""

from __future__ import annotations

import pytest
from isthmus.zone.v1 import providers_pb2

from clients.zone import NoConnectionToOnezone
from runtime.clock import ManualClock
from runtime.errors import IsthmusError, Unavailable
from services.gateway.clients.space_providers import ZoneSpaceProviders
from services.gateway.domain.providers import SupportingProvider


class ZoneTwin:
    """Supports every space but `gone` by one provider."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.fails: IsthmusError | None = None

    async def list_space_providers(self, space_ids: list[str]) -> list[providers_pb2.SpaceProviders]:
        self.asked.append(list(space_ids))
        if self.fails is not None:
            raise self.fails
        provider = providers_pb2.SupportingProvider(provider_id="p1", name="krakow", storage_ids=["s1"])
        return [
            providers_pb2.SpaceProviders(space_id=id, providers=[provider])
            for id in space_ids
            if id != "gone"
        ]


@pytest.fixture
def zone() -> ZoneTwin:
    return ZoneTwin()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def providers(zone: ZoneTwin, clock: ManualClock) -> ZoneSpaceProviders:
    return ZoneSpaceProviders(zone, clock)  # type: ignore[arg-type]


async def test_the_zone_is_asked_once_in_a_while(
    providers: ZoneSpaceProviders, zone: ZoneTwin, clock: ManualClock
) -> None:
    expected = {"s1": (SupportingProvider("p1", "krakow", ("s1",)),)}
    for _ in range(2):
        assert await providers.of_spaces(["s1", "gone"]) == expected
    assert zone.asked == [["s1", "gone"], ["gone"]]
    clock.advance(11)
    await providers.of_spaces(["s1"])
    assert zone.asked[-1] == ["s1"]


async def test_what_is_known_is_told_while_the_zone_is_away(
    providers: ZoneSpaceProviders, zone: ZoneTwin, clock: ManualClock
) -> None:
    known = await providers.of_spaces(["s1"])
    clock.advance(11)
    zone.fails = Unavailable()
    assert await providers.of_spaces(["s1"]) == known
    with pytest.raises(NoConnectionToOnezone):
        await providers.of_spaces(["s1", "s2"])


async def test_many_spaces_are_asked_for_in_parts(providers: ZoneSpaceProviders, zone: ZoneTwin) -> None:
    found = await providers.of_spaces([f"s{number}" for number in range(1500)])
    assert len(found) == 1500
    assert [len(asked) for asked in zone.asked] == [1000, 500]
