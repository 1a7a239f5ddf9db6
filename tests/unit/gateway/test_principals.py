"""Names behind ids, remembered for a while; without the zone there are just ids."""

from __future__ import annotations

import pytest

from runtime.clock import ManualClock
from runtime.errors import IsthmusError, Unavailable
from services.gateway.clients import principals as module
from services.gateway.clients.principals import ZonePrincipals
from services.gateway.domain.acls import ParsedEntry

ACL = [
    ParsedEntry(True, "u1", 1),
    ParsedEntry(True, "u2", 1),
    ParsedEntry(True, "g1", 1, is_group=True),
    ParsedEntry(True, "EVERYONE@", 1),
]


class ZoneTwin:
    """Knows one user and one group."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, set[str], set[str]]] = []
        self.fails: IsthmusError | None = None

    async def list_principal_names(
        self, space_id: str, user_ids: list[str], group_ids: list[str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        self.asked.append((space_id, set(user_ids), set(group_ids)))
        if self.fails is not None:
            raise self.fails
        return {"u1": "Jane Doe"}, {"g1": "Readers"}


@pytest.fixture
def zone() -> ZoneTwin:
    return ZoneTwin()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def names(zone: ZoneTwin, clock: ManualClock) -> ZonePrincipals:
    return ZonePrincipals(zone, clock)  # type: ignore[arg-type]


async def test_known_and_unknown_ids_are_asked_for_once_in_a_while(
    names: ZonePrincipals, zone: ZoneTwin, clock: ManualClock
) -> None:
    for _ in range(3):
        assert await names.of_acl("s1", ACL) == {"u1": "Jane Doe", "g1": "Readers"}
    assert zone.asked == [("s1", {"u1", "u2"}, {"g1"})]
    clock.advance(module.REMEMBER_S)
    await names.of_acl("s1", ACL[:1])
    assert zone.asked[1:] == [("s1", {"u1"}, set())]


async def test_what_is_known_of_a_member_holds_for_his_space(names: ZonePrincipals, zone: ZoneTwin) -> None:
    await names.of_acl("s1", ACL)
    await names.of_acl("s2", ACL)
    assert [asked[0] for asked in zone.asked] == ["s1", "s2"]


async def test_without_the_zone_there_are_the_names_known_before(
    names: ZonePrincipals, zone: ZoneTwin, clock: ManualClock
) -> None:
    await names.of_acl("s1", ACL[:1])
    clock.advance(module.REMEMBER_S)
    zone.fails = Unavailable()
    for _ in range(3):
        assert await names.of_acl("s1", ACL) == {"u1": "Jane Doe"}
    assert len(zone.asked) == 2
    clock.advance(module.RETRY_AFTER_S)
    zone.fails = None
    assert await names.of_acl("s1", ACL) == {"u1": "Jane Doe", "g1": "Readers"}


async def test_memory_is_bounded(
    names: ZonePrincipals, zone: ZoneTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 2)
    for space in ("s1", "s2", "s3"):
        await names.of_acl(space, ACL[:1])
    await names.of_acl("s1", ACL[:1])
    assert len(zone.asked) == 4
