"""Copies that take long: leases, publishing, giving up, whoever is killed."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from runtime.errors import AccessDenied, FileExists, NoSuchFile, NotPermitted
from runtime.identity import DataCaveats, Identity
from services.metadata.domain.copies import MAX_BARREN_LEASES, Copies
from services.metadata.domain.copy_plans import CopyRequest, TooManyCopies
from services.metadata.domain.copy_records import Copy, CopyLost, CopyProgress, CopyState, NoSuchCopy
from services.metadata.domain.errors import Forbidden, RenameIntoItself
from services.metadata.domain.files import NewFile
from services.metadata.domain.records import FileType
from services.metadata.store.memory import memory_stores
from tests.support.crashing import Fuse, Killed, crashing
from tests.support.metadata import ALICE, BOB, SERVICE, SPACE, World, member, ref


@pytest.fixture
async def world() -> World:
    world = await World().open()
    await world.mkdir("d")
    await world.put("d", "file", size_bytes=10)
    await world.mkdir("to")
    return world


async def start(
    world: World,
    *source: str,
    name: str = "new",
    who: Identity = ALICE,
    request_id: str = "r",
    holder: str = "h",
    moves: bool = False,
) -> tuple[Copy, bool]:
    request = CopyRequest(request_id, ref(*source), ref("to"), name, moves, b"", holder)
    return await world.rules.copies.start(who, b"signed", request)


async def made(world: World, copy: Copy) -> None:
    """What the holder does: the root, and a file in it."""
    workshop = ref(file_id=copy.workshop_id)
    new = NewFile(copy.name, FileType.DIRECTORY)
    root, _ = await world.rules.files.create(ALICE, copy.request_id, workshop, new)
    assert root.file_id == copy.root_id
    inside = NewFile("file", FileType.REGULAR)
    await world.rules.files.create(ALICE, f"{copy.request_id}/f", ref(file_id=root.file_id), inside)


async def ended(copies: Copies, copy: Copy) -> None:
    await copies.publish(ALICE, copy.copy_id, copy.epoch)
    await copies.end(SERVICE, copy.copy_id, copy.epoch)


async def test_what_is_made_is_out_of_sight_until_it_is_whole(world: World) -> None:
    copy, leased = await start(world, "d")
    assert leased
    await made(world, copy)
    assert await world.names("to") == []
    assert await world.names() == ["d", "to"]
    await ended(world.rules.copies, copy)
    assert await world.names("to", "new") == ["file"]
    assert (await world.get("to", "new")).file_id == copy.root_id
    assert (await world.rules.copies.get(ALICE, copy.copy_id)).state is CopyState.DONE


async def test_a_repeated_request_finds_its_copy(world: World) -> None:
    copy, _ = await start(world, "d")
    again, leased = await start(world, "d", holder="other")
    assert (again.copy_id, leased) == (copy.copy_id, False)
    await made(world, copy)
    await ended(world.rules.copies, copy)
    over, leased = await start(world, "d", holder="other")
    assert (over.state, leased) == (CopyState.DONE, False)


async def test_a_lapsed_lease_goes_to_who_claims_it(world: World) -> None:
    copy, _ = await start(world, "d")
    assert await world.rules.copies.claim(SERVICE, "other") is None
    world.clock.advance(31)
    claimed = await world.rules.copies.claim(SERVICE, "other")
    assert claimed is not None
    assert (claimed.epoch, claimed.holder) == (copy.epoch + 1, "other")
    with pytest.raises(CopyLost):
        await world.rules.copies.save(SERVICE, copy.copy_id, copy.epoch, CopyProgress(5))
    with pytest.raises(CopyLost):
        await world.rules.copies.publish(ALICE, copy.copy_id, copy.epoch)


async def test_saving_keeps_the_lease(world: World) -> None:
    copy, _ = await start(world, "d")
    for copied in range(5):
        world.clock.advance(20)
        await world.rules.copies.save(SERVICE, copy.copy_id, copy.epoch, CopyProgress(copied))
        assert await world.rules.copies.claim(SERVICE, "other") is None
    await world.rules.copies.release(SERVICE, copy.copy_id, copy.epoch)
    claimed = await world.rules.copies.claim(SERVICE, "other")
    assert claimed is not None
    assert claimed.progress.copied_bytes == 4


async def test_a_copy_without_progress_is_given_up_in_the_end(world: World) -> None:
    copy, _ = await start(world, "d")
    for _ in range(MAX_BARREN_LEASES + 1):
        world.clock.advance(31)
        await world.rules.copies.claim(SERVICE, "other")
    assert (await world.rules.copies.find(ALICE, ref("to"), "new")).state is CopyState.FAILED
    assert (await world.rules.copies.get(ALICE, copy.copy_id)).error_reason == "UNAVAILABLE"


async def test_a_failed_copy_tells_why_and_leaves_nothing(world: World) -> None:
    copy, _ = await start(world, "d")
    await made(world, copy)
    await world.rules.copies.fail(SERVICE, copy.copy_id, copy.epoch, "ENOSPC", "full", forget=False)
    told = await world.rules.copies.find(BOB, ref("to"), "new")
    assert (told.state, told.error_reason) == (CopyState.FAILED, "ENOSPC")
    with pytest.raises(NoSuchFile):
        await world.rules.files.get(ALICE, ref(file_id=copy.root_id))
    again, leased = await start(world, "d", request_id="r2")
    assert leased
    assert (await world.rules.copies.find(ALICE, ref("to"), "new")).copy_id == again.copy_id


async def test_a_failure_is_forgotten_after_a_day(world: World) -> None:
    copy, _ = await start(world, "d")
    await world.rules.copies.fail(SERVICE, copy.copy_id, copy.epoch, "ENOSPC", "full", forget=False)
    world.clock.advance(24 * 3600 + 1)
    with pytest.raises(NoSuchCopy):
        await world.rules.copies.find(ALICE, ref("to"), "new")


async def test_what_somebody_puts_at_the_place_stays(world: World) -> None:
    copy, _ = await start(world, "d")
    await made(world, copy)
    await world.put("to", "new", size_bytes=3, who=BOB)
    with pytest.raises(FileExists):
        await world.rules.copies.publish(ALICE, copy.copy_id, copy.epoch)
    await world.rules.copies.fail(SERVICE, copy.copy_id, copy.epoch, "EEXIST", "", forget=False)
    assert (await world.get("to", "new")).owner_id == "bob"


async def test_a_copy_whose_directory_goes_cannot_be_published(world: World) -> None:
    copy, _ = await start(world, "d")
    await made(world, copy)
    await world.rules.files.delete(ALICE, "gone", ref("to"))
    with pytest.raises(NoSuchFile):
        await world.rules.copies.publish(ALICE, copy.copy_id, copy.epoch)


async def test_who_began_it_cancels_it(world: World) -> None:
    copy, _ = await start(world, "d")
    await made(world, copy)
    await world.rules.copies.cancel(ALICE, ref("to"), "new")
    with pytest.raises(NoSuchCopy):
        await world.rules.copies.find(ALICE, ref("to"), "new")
    with pytest.raises(CopyLost):
        await world.rules.copies.publish(ALICE, copy.copy_id, copy.epoch)
    with pytest.raises(NoSuchCopy):
        await world.rules.copies.cancel(ALICE, ref("to"), "new")
    with pytest.raises(NoSuchFile):
        await world.rules.files.get(ALICE, ref(file_id=copy.root_id))


async def test_others_cancel_it_only_where_they_may_remove(world: World) -> None:
    await start(world, "d")
    await world.rules.files.set_mode(ALICE, "m", ref("to"), 0o755)
    with pytest.raises(AccessDenied):
        await world.rules.copies.cancel(BOB, ref("to"), "new")
    await world.rules.files.set_mode(ALICE, "m2", ref("to"), 0o775)
    await world.rules.copies.cancel(BOB, ref("to"), "new")


async def test_a_read_only_token_cancels_nothing(world: World) -> None:
    await start(world, "d")
    with pytest.raises(AccessDenied):
        await world.rules.copies.cancel(member(caveats=DataCaveats(readonly=True)), ref("to"), "new")


async def test_what_may_not_be_is_refused_at_the_start(world: World) -> None:
    await world.mkdir("closed", mode=0o700)
    with pytest.raises(AccessDenied):
        await start(world, "closed", who=BOB)
    with pytest.raises(AccessDenied):
        await start(world, "d", who=member(caveats=DataCaveats(readonly=True)))
    with pytest.raises(NotPermitted):
        await start(world, "d", who=member(write=False))
    with pytest.raises(RenameIntoItself):
        await start(world, "to")
    await world.put("to", "new", size_bytes=1)
    with pytest.raises(FileExists):
        await start(world, "d")
    with pytest.raises(NoSuchFile):
        await start(world, "absent", name="other")
    with pytest.raises(NotPermitted):
        await start(world, "d", name=".__onedata__x")


async def test_a_move_needs_the_right_to_remove_its_source(world: World) -> None:
    await world.rules.files.set_mode(ALICE, "m", ref("d"), 0o755)
    with pytest.raises(AccessDenied):
        await start(world, "d", "file", who=BOB, moves=True)
    assert (await start(world, "d", "file", who=BOB))[1]


async def test_a_confined_token_copies_only_from_and_to_its_places(world: World) -> None:
    inside = member(caveats=DataCaveats(paths=((f"/{SPACE}/d", f"/{SPACE}/to"),)))
    assert (await start(world, "d", who=inside))[1]
    with pytest.raises(AccessDenied):
        await start(world, "d", who=member(caveats=DataCaveats(paths=((f"/{SPACE}/d",),))), request_id="2")
    only_target = member(caveats=DataCaveats(paths=((f"/{SPACE}/to", f"/{SPACE}/d/file"),)))
    with pytest.raises(AccessDenied):
        await start(world, "d", who=only_target, name="b", request_id="3")


async def test_a_second_copy_to_the_same_place_is_refused(world: World) -> None:
    await start(world, "d")
    with pytest.raises(FileExists):
        await start(world, "d", request_id="r2")


async def test_no_user_has_more_copies_than_allowed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.metadata.domain.copy_plans.MAX_OPEN_OF_USER", 1)
    await start(world, "d")
    with pytest.raises(TooManyCopies):
        await start(world, "d", name="b", request_id="r2")
    assert (await start(world, "d", name="b", request_id="r3", who=BOB))[1]


async def test_only_services_do_the_work(world: World) -> None:
    copy, _ = await start(world, "d")
    for call in (
        world.rules.copies.claim(ALICE, "h"),
        world.rules.copies.save(ALICE, copy.copy_id, copy.epoch, CopyProgress()),
        world.rules.copies.stop(ALICE, copy.copy_id),
        world.rules.copies.list(ALICE, after="", limit=10),
        world.rules.copies.get(BOB, copy.copy_id),
    ):
        with pytest.raises((NoSuchCopy, Forbidden)):
            await call


async def lifetime(world: World) -> None:
    """A copy as a holder makes it, from wherever an earlier holder left it."""
    copy, leased = await start(world, "d")
    if not leased:
        claimed = await world.rules.copies.claim(SERVICE, "h2")
        if claimed is None:
            return
        copy = claimed
    if copy.state is CopyState.COPYING:
        await made(world, copy)
    await ended(world.rules.copies, copy)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 14))
async def test_a_copy_survives_its_death_at_any_write(number: int, after: bool) -> None:
    stores = memory_stores()
    world = await World(stores=stores).open()
    await world.mkdir("d")
    await world.mkdir("to")
    fuse = Fuse(number, after=after)
    dying = World(stores=crashing(stores, fuse), clock=world.clock)
    with contextlib.suppress(Killed):
        await lifetime(dying)
    world.clock.advance(31)
    survivor = World(stores=stores, clock=world.clock)
    await lifetime(survivor)
    assert await survivor.names("to", "new") == ["file"]
    assert (await survivor.rules.copies.list(SERVICE, after="", limit=10)) == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 6))
async def test_undoing_survives_its_death_at_any_write(number: int, after: bool) -> None:
    stores = memory_stores()
    world = await World(stores=stores).open()
    await world.mkdir("d")
    await world.mkdir("to")
    copy, _ = await start(world, "d")
    await made(world, copy)
    dying = World(stores=crashing(stores, Fuse(number, after=after)), clock=world.clock)
    with contextlib.suppress(Killed):
        await dying.rules.copies.fail(SERVICE, copy.copy_id, copy.epoch, "EIO", "", forget=False)
    survivor = World(stores=stores, clock=world.clock)
    await survivor.rules.copies.undo_some()
    left = await survivor.rules.copies.get(ALICE, copy.copy_id)
    if left.state is CopyState.COPYING:
        await survivor.rules.copies.fail(SERVICE, copy.copy_id, copy.epoch, "EIO", "", forget=False)
        left = await survivor.rules.copies.get(ALICE, copy.copy_id)
    assert left.state is CopyState.FAILED
    with pytest.raises(NoSuchFile):
        await survivor.rules.files.get(ALICE, ref(file_id=copy.root_id))


async def test_cancelling_and_publishing_at_once_agree(world: World) -> None:
    copy, _ = await start(world, "d")
    await made(world, copy)
    publishing, cancelling = await asyncio.gather(
        world.rules.copies.publish(ALICE, copy.copy_id, copy.epoch),
        world.rules.copies.cancel(ALICE, ref("to"), "new"),
        return_exceptions=True,
    )
    assert (publishing is None) != (cancelling is None)
    assert await world.names("to") == (["new"] if publishing is None else [])


async def handmade(world: World, who: Identity = ALICE, holder: str = "h") -> tuple[Copy, bool]:
    """A directory without a source, which only its holder can make."""
    request = CopyRequest("r", None, ref("to"), "new", False, b"", holder)
    return await world.rules.copies.start(who, b"signed", request)


async def test_what_has_no_source_gets_its_place_like_any_copy(world: World) -> None:
    copy, leased = await handmade(world)
    assert (leased, copy.type, copy.source_id) == (True, FileType.DIRECTORY, "")
    await made(world, copy)
    await ended(world.rules.copies, copy)
    assert await world.names("to") == ["new"]
    assert await world.names("to", "new") == ["file"]


async def test_what_only_a_dead_holder_could_make_is_taken_away(world: World) -> None:
    copy, _ = await handmade(world)
    await made(world, copy)
    world.clock.advance(31)
    assert await world.rules.copies.claim(SERVICE, "other") is None
    again, leased = await handmade(world, holder="next try")
    assert (leased, again.epoch) == (True, copy.epoch + 1)
    world.clock.advance(61)
    assert await world.rules.copies.claim(SERVICE, "other") is None
    with pytest.raises(CopyLost):
        await world.rules.copies.publish(ALICE, again.copy_id, again.epoch)
    with pytest.raises(NoSuchCopy):
        await world.rules.copies.get(ALICE, copy.copy_id)
    assert await world.names("to") == []


async def test_what_got_its_place_before_its_holder_died_stays(world: World) -> None:
    copy, _ = await handmade(world)
    await made(world, copy)
    await world.rules.copies.publish(ALICE, copy.copy_id, copy.epoch)
    world.clock.advance(61)
    found = await world.rules.copies.claim(SERVICE, "other")
    assert found is not None
    await world.rules.copies.end(SERVICE, found.copy_id, found.epoch)
    assert await world.names("to") == ["new"]


async def test_a_directory_out_of_sight_needs_the_right_to_add_one(world: World) -> None:
    with pytest.raises(NotPermitted):
        await handmade(world, member("carl", write=False))
