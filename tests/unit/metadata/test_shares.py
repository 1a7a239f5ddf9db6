"""Making and ending shares, with a zone that may be away, and a process that may be killed at any write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.errors import InvalidName, NotPermitted, SpaceNotSupported, Unavailable
from runtime.identity import GUEST, Identity, SpacePrivilege, SpaceRights
from services.metadata.domain.errors import Forbidden, ZoneRefused
from services.metadata.domain.paths import FileRef
from services.metadata.domain.quotas import KNOWN_FOR_S
from services.metadata.domain.records import FileType
from services.metadata.domain.shares import SETTLE_AFTER_MS, NoSuchShare, Requester, Share
from services.metadata.domain.stores import Stores
from services.metadata.store.memory import memory_stores
from tests.support.crashing import Fuse, Killed, crashing
from tests.support.metadata import BOB, OWNER, SERVICE, SPACE, World, member, ref
from tests.support.zone_shares import ZoneSharesTwin

MANAGER = replace(
    member("mary"),
    spaces={SPACE: SpaceRights("Space", 1 << SpacePrivilege.VIEW | 1 << SpacePrivilege.MANAGE_SHARES)},
)


class Site(World):
    """A world with a zone."""

    def __init__(self, zone: ZoneSharesTwin, stores: Stores | None = None) -> None:
        self.zone = zone
        super().__init__(stores=stores or memory_stores(), zone_shares=zone)

    async def share(self, *path: str, who: Identity = OWNER, request_id: str = "") -> Share:
        """Shares what is at a path."""
        return await self.rules.shares.create(who, request_id, ref(*path), "results", "# Results")

    async def share_ids(self, *path: str) -> list[str]:
        """Ids on a file's record."""
        return list((await self.get(*path, who=OWNER)).share_ids)


@pytest.fixture
async def site() -> Site:
    made = Site(ZoneSharesTwin())
    await made.open()
    await made.mkdir("d")
    await made.make("d", "f")
    return made


async def test_a_share_is_on_the_record_and_at_the_zone(site: Site) -> None:
    share = await site.share("d")
    assert await site.share_ids("d") == [share.share_id]
    assert site.zone.shares == {share.share_id: share}
    assert (share.root_type, share.creator_id) == (FileType.DIRECTORY, "olga")


async def test_a_file_may_have_several_shares(site: Site) -> None:
    shares = [await site.share("d", "f") for _ in range(3)]
    assert await site.share_ids("d", "f") == [share.share_id for share in shares]


async def test_a_request_that_is_repeated_makes_one_share(site: Site) -> None:
    first = await site.share("d", request_id="r1")
    assert await site.share("d", request_id="r1") == first
    assert await site.share_ids("d") == [first.share_id]


async def test_a_link_can_not_be_shared(site: Site) -> None:
    await site.make("link", type=FileType.SYMLINK, target="d")
    with pytest.raises(InvalidName):
        await site.share("link")


async def test_making_and_ending_need_the_privilege(site: Site) -> None:
    with pytest.raises(NotPermitted):
        await site.share("d", who=BOB)
    share = await site.share("d", who=MANAGER)
    with pytest.raises(NotPermitted):
        await site.rules.shares.delete(BOB, share.share_id)
    with pytest.raises(Forbidden):
        await site.rules.shares.update(BOB, share.share_id, name="mine", description=None)
    assert await site.rules.shares.get(BOB, share.share_id) == share


async def test_strangers_learn_nothing(site: Site) -> None:
    share = await site.share("d")
    stranger = member("sam", space_id="other")
    for attempt in (
        site.rules.shares.get(stranger, share.share_id),
        site.rules.shares.delete(stranger, share.share_id),
        site.rules.shares.create(stranger, "", ref("d"), "x1", ""),
    ):
        with pytest.raises(Forbidden):
            await attempt


async def test_an_ended_share_is_nowhere(site: Site) -> None:
    kept, ended = await site.share("d"), await site.share("d")
    await site.rules.shares.delete(OWNER, ended.share_id)
    assert await site.share_ids("d") == [kept.share_id]
    assert list(site.zone.shares) == [kept.share_id]
    with pytest.raises(NoSuchShare):
        await site.rules.shares.get(OWNER, ended.share_id)


async def test_what_is_given_is_changed(site: Site) -> None:
    share = await site.share("d")
    await site.rules.shares.update(OWNER, share.share_id, name="renamed", description=None)
    assert await site.rules.shares.get(OWNER, share.share_id) == replace(share, name="renamed")


async def test_a_share_outlives_its_root(site: Site) -> None:
    share = await site.share("d", "f")
    await site.rules.files.delete(OWNER, "r", ref("d", "f"))
    assert await site.rules.shares.get(OWNER, share.share_id) == share
    await site.rules.shares.delete(OWNER, share.share_id)
    assert not site.zone.shares


async def test_nobody_sees_what_was_shared_in_a_space_no_longer_supported(site: Site) -> None:
    share = await site.share("d")
    public = FileRef(SPACE, file_id=share.root_file_id, share_id=share.share_id)
    assert (await site.rules.files.get(GUEST, public)).file.file_id == share.root_file_id
    await site.rules.spaces.ensure(SERVICE, SPACE, 0, revision=2)
    site.clock.advance(KNOWN_FOR_S + 1)
    with pytest.raises(SpaceNotSupported):
        await site.rules.files.get(GUEST, public)


async def test_the_zone_is_told_for_whom_also_later(site: Site) -> None:
    share = await site.share("d")
    assert site.zone.by == Requester("olga")
    shares = site.rules.shares
    await shares.update(OWNER, share.share_id, name="renamed", description=None, peer_ip="192.0.2.1")
    assert site.zone.by == Requester("olga", "192.0.2.1")
    await shares.delete(OWNER, share.share_id, peer_ip="192.0.2.2")
    assert site.zone.by == Requester("olga", "192.0.2.2")
    site.zone.lost = Unavailable()
    with pytest.raises(ZoneRefused):
        await shares.create(MANAGER, "", ref("d"), "results", "", peer_ip="192.0.2.3")
    site.zone.lost = site.zone.by = None
    await settle(site)
    assert site.zone.by == Requester("mary", "192.0.2.3")


@pytest.mark.parametrize("lost", [False, True])
async def test_without_the_zone_there_is_no_share(site: Site, lost: bool) -> None:
    site.zone.lost, site.zone.fails = (Unavailable(), None) if lost else (None, Unavailable())
    with pytest.raises(ZoneRefused):
        await site.share("d")
    assert await site.share_ids("d") == []
    site.zone.lost = site.zone.fails = None
    await settle(site)
    assert not site.zone.shares


async def test_a_share_ends_for_the_public_while_the_zone_is_away(site: Site) -> None:
    share = await site.share("d")
    zone_away = site.zone.delete

    async def away(share_id: str, by: Requester) -> None:
        raise Unavailable

    site.zone.delete = away  # type: ignore[method-assign]
    await site.rules.shares.delete(OWNER, share.share_id)
    assert await site.share_ids("d") == []
    with pytest.raises(NoSuchShare):
        await site.rules.shares.get(OWNER, share.share_id)
    site.zone.delete = zone_away  # type: ignore[method-assign]
    await settle(site)
    assert not site.zone.shares


async def test_guests_have_no_business_with_shares(site: Site) -> None:
    share = await site.share("d")
    with pytest.raises(Exception, match="credentials"):
        await site.rules.shares.get(GUEST, share.share_id)


async def settle(site: Site) -> None:
    """What the background duty does when notes are old enough."""
    site.clock.advance(SETTLE_AFTER_MS / 1000 + 1)
    await site.rules.shares.settle()
    assert not await site.stores.share_notes.list(before_ms=1 << 60, limit=1)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize("ending", [False, True])
async def test_killed_at_any_write_it_is_whole_afterwards(
    site: Site, number: int, after: bool, ending: bool
) -> None:
    share = await site.share("d") if ending else None
    dying = Site(site.zone, crashing(site.stores, Fuse(number, after=after)))
    try:
        if share is None:
            await dying.share("d")
        else:
            await dying.rules.shares.delete(OWNER, share.share_id)
    except Killed:
        pass
    heir = Site(site.zone, site.stores)
    heir.clock.advance(dying.clock.monotonic_s())
    await settle(heir)
    assert await heir.share_ids("d") == list(site.zone.shares)
    if share is not None and number > 1:
        assert not site.zone.shares
