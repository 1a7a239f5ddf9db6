"""Queues: their order, their limits, what becomes of them in the tree, and a process killed at any write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from runtime.errors import (
    AccessDenied,
    FileExists,
    InvalidArgument,
    InvalidName,
    IsthmusError,
    NoSpace,
    NoSuchFile,
    NotSupported,
)
from services.metadata.domain.errors import LimitReached, NotTheOldest, TooManyAtOnce
from services.metadata.domain.queue_writer import Enqueue, NewValue, QueueLimits
from services.metadata.domain.queues import MAX_TAKEN_BYTES, Taking
from services.metadata.domain.records import FileType, trash_id
from services.metadata.domain.stores import Stores
from services.metadata.domain.uploads import UploadRequest
from services.metadata.store.memory import memory_stores
from tests.support.crashing import Fuse, Killed, crashing
from tests.support.metadata import ALICE, BOB, SERVICE, SPACE, World, fresh_id, member, ref


async def opened(limits: QueueLimits | None = None, *, quota_bytes: int = 10**9) -> World:
    world = await World(queue_limits=limits or QueueLimits()).open(quota_bytes=quota_bytes)
    await world.make("q", type=FileType.QUEUE)
    return world


async def test_a_queue_is_first_in_first_out_and_numbers_are_not_given_again() -> None:
    world = await opened()
    assert [await world.enqueue("q", b"a", b"b"), await world.enqueue("q", b"c")] == [0, 2]
    assert await world.values("q") == {0: b"a", 1: b"b", 2: b"c"}
    assert await world.dequeue("q", 3) == 3
    assert await world.values("q") == {}
    assert await world.enqueue("q", b"d") == 3


async def test_an_empty_queue_gives_nothing() -> None:
    world = await opened()
    page = await world.rules.queues.read(ALICE, ref("q"), limit=1)
    assert (page.state.first, page.state.next, list(page.values)) == (0, 0, [])
    assert await world.dequeue("q", 5) == 0


async def test_fewer_are_taken_where_there_are_fewer() -> None:
    world = await opened()
    await world.enqueue("q", b"a", b"b")
    assert await world.dequeue("q", 5) == 2


async def test_numbers_are_taken_from_the_oldest_on() -> None:
    world = await opened()
    await world.enqueue("q", b"a", b"b", b"c")
    with pytest.raises(NotTheOldest):
        await world.rules.queues.dequeue(ALICE, "r", ref("q"), Taking(first=1, last=2))
    for taking, left in ((Taking(first=0, last=0), {1, 2}), (Taking(first=0, last=1), {2})):
        await world.rules.queues.dequeue(ALICE, fresh_id(), ref("q"), taking)
        assert set(await world.values("q")) == left
    op = await world.rules.queues.dequeue(ALICE, "late", ref("q"), Taking(first=0, last=1))
    assert op.count == 0, "what is gone is not taken again"
    await world.rules.queues.dequeue(ALICE, "more", ref("q"), Taking(first=2, last=99))
    assert await world.values("q") == {}


async def test_a_repeated_request_does_nothing_again() -> None:
    world = await opened()
    assert await world.enqueue("q", b"a", request_id="r1") == await world.enqueue("q", b"a", request_id="r1")
    await world.enqueue("q", b"b")
    assert await world.dequeue("q", request_id="r2") == await world.dequeue("q", request_id="r2") == 1
    assert await world.values("q") == {1: b"b"}


async def test_a_request_id_of_somebody_else_is_another_one() -> None:
    world = await opened()
    await world.rules.files.set_mode(ALICE, "mode", ref("q"), 0o666)
    await world.enqueue("q", b"a", request_id="r")
    await world.enqueue("q", b"b", who=BOB, request_id="r")
    assert list((await world.values("q")).values()) == [b"a", b"b"]


async def test_twice_at_once_a_request_is_done_once() -> None:
    world = await opened()
    numbers = await asyncio.gather(*(world.enqueue("q", b"a", request_id="r") for _ in range(5)))
    assert set(numbers) == {0}
    assert len(await world.values("q")) == 1


async def test_many_at_once_become_few_changes_in_their_order() -> None:
    world = await opened()
    numbers = await asyncio.gather(*(world.enqueue("q", b"%d" % n) for n in range(200)))
    assert numbers == list(range(200))
    assert await world.values("q") == {n: b"%d" % n for n in range(200)}
    state = await world.stores.queues.find((await world.get("q")).file_id)
    assert state is not None
    assert state.revision < 20


async def test_of_many_takers_each_takes_another_value() -> None:
    world = await opened()
    await world.enqueue("q", *(b"%d" % n for n in range(50)))
    ops = await asyncio.gather(
        *(world.rules.queues.dequeue(ALICE, fresh_id(), ref("q"), Taking(3)) for _ in range(20))
    )
    taken = [number for op in ops for number in op.numbers]
    assert taken == list(range(50))


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ([], InvalidArgument),
        ([b"x" * 11], LimitReached),
        ([b"x"] * 4, TooManyAtOnce),
        ([b"x" * 10, b"x" * 10, b"x" * 10], LimitReached),
    ],
    ids=["nothing", "large", "many", "full"],
)
async def test_what_is_too_much_is_refused_whole(values: list[bytes], error: type[IsthmusError]) -> None:
    world = await opened(QueueLimits(value_bytes=10, request_values=3, queue_values=4, queue_bytes=29))
    with pytest.raises(error):
        await world.enqueue("q", *values)
    assert await world.values("q") == {}
    assert await world.used_bytes() == 0


async def test_a_full_queue_takes_what_fits_of_those_who_come_together() -> None:
    world = await opened(QueueLimits(queue_values=3))
    outcomes = await asyncio.gather(
        *(world.enqueue("q", *([b"x"] * count)) for count in (2, 2, 1, 1)), return_exceptions=True
    )
    assert [outcome if isinstance(outcome, int) else type(outcome) for outcome in outcomes] == [
        0, LimitReached, 2, LimitReached,
    ]  # fmt: skip


async def test_what_one_message_cannot_bear_is_refused() -> None:
    world = await opened(QueueLimits(value_bytes=MAX_TAKEN_BYTES))
    half = b"x" * (MAX_TAKEN_BYTES // 2)
    with pytest.raises(LimitReached):
        await world.enqueue("q", half, half, b"x")
    for _ in range(9):
        await world.enqueue("q", half)
    with pytest.raises(LimitReached):
        await world.rules.queues.read(ALICE, ref("q"), limit=9)
    page = await world.rules.queues.read(ALICE, ref("q"), limit=8)
    assert len(page.values) == 8


async def test_more_than_a_request_may_ask_is_refused() -> None:
    world = await opened(QueueLimits(request_values=3))
    for _ in range(3):
        await world.enqueue("q", b"a", b"b")
    with pytest.raises(TooManyAtOnce):
        await world.rules.queues.read(ALICE, ref("q"), limit=4)
    with pytest.raises(TooManyAtOnce):
        await world.dequeue("q", 4)
    with pytest.raises(TooManyAtOnce):
        await world.rules.queues.dequeue(ALICE, "r", ref("q"), Taking(first=0, last=3))


async def test_an_encoding_nobody_knows_is_refused() -> None:
    world = await opened()
    with pytest.raises(InvalidArgument):
        await world.rules.queues.enqueue(ALICE, "r", ref("q"), [NewValue(b"", "text/plain", "rot13")])


async def test_values_count_against_the_quota_until_they_are_taken() -> None:
    world = await opened(quota_bytes=10)
    await world.enqueue("q", b"12345")
    assert await world.used_bytes() == 5
    outcomes = await asyncio.gather(
        world.enqueue("q", b"123456"), world.enqueue("q", b"123"), return_exceptions=True
    )
    assert isinstance(outcomes[0], NoSpace)
    assert outcomes[1] == 1
    await world.dequeue("q")
    assert await world.used_bytes() == 3
    recount = await world.rules.spaces.recount(SERVICE, SPACE, pause_s=0)
    assert recount.corrected_bytes == 0


async def test_rights_are_those_of_data() -> None:
    world = await opened()
    await world.enqueue("q", b"a")
    await world.rules.files.set_mode(ALICE, "mode", ref("q"), 0o640)
    assert len(await world.values("q", who=BOB)) == 1
    with pytest.raises(AccessDenied):
        await world.enqueue("q", b"b", who=BOB)
    with pytest.raises(AccessDenied):
        await world.dequeue("q", who=BOB)
    await world.rules.files.set_mode(ALICE, "mode2", ref("q"), 0o600)
    with pytest.raises(AccessDenied):
        await world.values("q", who=BOB)
    page = await world.rules.queues.read(BOB, ref("q"), limit=0)
    assert page.state.count == 1, "which values there are is told to whoever can walk there"


async def test_without_the_privilege_to_write_nothing_is_taken() -> None:
    world = await opened()
    await world.enqueue("q", b"a")
    with pytest.raises(IsthmusError):
        await world.dequeue("q", who=member("alice", write=False))


async def test_a_queue_has_no_content() -> None:
    world = await opened()
    with pytest.raises(NotSupported):
        await world.rules.uploads.locate(ALICE, ref("q"))
    for create in (False, True):
        with pytest.raises(NotSupported):
            await world.rules.uploads.begin(ALICE, UploadRequest(fresh_id(), ref("q"), True, create=create))
    with pytest.raises(NotSupported):
        await world.put("q", size_bytes=5)
    with pytest.raises(NotSupported):
        await world.link(await world.get("q"), "second")


async def test_only_queues_have_values() -> None:
    world = await opened()
    await world.put("f", size_bytes=5)
    for name in ("f", ""):
        with pytest.raises(NotSupported):
            await world.rules.queues.read(ALICE, ref(*filter(None, [name])), limit=0)


async def test_a_renamed_queue_keeps_its_values() -> None:
    world = await opened()
    await world.mkdir("d")
    await world.enqueue("q", b"a")
    await world.rules.renames.rename(ALICE, fresh_id(), ref("q"), ref("d"), "r")
    page = await world.rules.queues.read(ALICE, ref("d", "r"), limit=9)
    assert [value.content for value in page.values] == [b"a"]


async def test_a_queue_is_not_replaced_by_a_rename_and_replaces_nothing() -> None:
    world = await opened()
    await world.put("f", size_bytes=5)
    for source, target in (("f", "q"), ("q", "f")):
        with pytest.raises(FileExists):
            await world.rules.renames.rename(ALICE, fresh_id(), ref(source), ref(), target)


async def test_a_new_link_does_not_take_the_place_of_a_queue() -> None:
    world = await opened()
    file = await world.put("f", size_bytes=5)
    with pytest.raises(FileExists):
        await world.make("q", type=FileType.SYMLINK, target="f", update_existing=True)
    with pytest.raises(FileExists):
        await world.rules.links.create(
            ALICE, fresh_id(), ref(), "q", ref(file_id=file.file_id), update_existing=True
        )


async def test_a_deleted_queue_gives_its_bytes_back_and_takes_nothing_more() -> None:
    world = await opened()
    file = await world.get("q")
    await world.enqueue("q", *([b"abc"] * 1000))
    await world.enqueue("q", *([b"abc"] * 500))
    await world.rules.files.delete(ALICE, "gone", ref("q"))
    with pytest.raises(NoSuchFile):
        await world.enqueue("q", b"late")
    await world.clean_up()
    assert await world.used_bytes() == 0
    assert await world.stores.queues.size_bytes(file.file_id, range(2000)) == 0
    late = NewValue(b"late", "text/plain", "utf-8")
    with pytest.raises(NoSuchFile):
        # As one would whose way to it was found before it was deleted.
        await world.rules.queue_writer.apply(SPACE, file.file_id, Enqueue("", [late]))


async def test_a_queue_in_a_deleted_tree_is_restored_with_its_values() -> None:
    world = World(trash_retention_s=3600)
    await world.open()
    directory = await world.mkdir("d")
    await world.make("d", "q", type=FileType.QUEUE)
    where = ref("d", "q")
    await world.rules.queues.enqueue(ALICE, "r", where, [NewValue(b"a", "text/plain", "utf-8")])
    await world.rules.files.delete(ALICE, "gone", ref("d"))
    with pytest.raises(NoSuchFile):
        await world.rules.queues.read(ALICE, where, limit=1)
    trashed = await world.stores.files.find(directory.file_id)
    assert trashed is not None
    assert trashed.parent_id == trash_id(SPACE)
    await world.rules.trash.restore(ALICE, "back", ref(file_id=directory.file_id))
    page = await world.rules.queues.read(ALICE, where, limit=1)
    assert [value.content for value in page.values] == [b"a"]
    assert await world.used_bytes() == 1


async def test_a_tree_is_removed_with_the_values_of_its_queues() -> None:
    world = await World().open()
    await world.mkdir("d")
    await world.make("d", "q", type=FileType.QUEUE)
    await world.rules.queues.enqueue(ALICE, "r", ref("d", "q"), [NewValue(b"a", "text/plain", "utf-8")])
    await world.rules.files.delete(ALICE, "gone", ref("d"))
    await world.clean_up()
    assert await world.used_bytes() == 0
    assert await world.stores.queues.held_bytes(SPACE) == 0


async def test_values_move_from_one_queue_to_another() -> None:
    world = await opened()
    await world.make("r", type=FileType.QUEUE)
    await world.enqueue("q", b"a", b"b", b"c")
    await world.enqueue("r", b"z")
    for _ in range(2):
        op = await world.rules.queues.move_values(ALICE, "m", ref("q"), ref("r"), limit=2)
        assert (op.first, op.count) == (1, 2)
    assert await world.values("q") == {2: b"c"}
    assert await world.values("r") == {0: b"z", 1: b"a", 2: b"b"}
    assert await world.used_bytes() == 4
    with pytest.raises(InvalidName):
        await world.rules.queues.move_values(ALICE, "n", ref("q"), ref("q"), limit=2)


async def test_values_are_copied_page_by_page() -> None:
    world = await opened()
    await world.make("r", type=FileType.QUEUE)
    await world.enqueue("q", b"a", b"b", b"c")
    op = await world.rules.queues.copy_values(ALICE, "c0", ref("q"), ref("r"), limit=2)
    assert (op.count, op.through) == (2, 2)
    await world.dequeue("q")
    again = await world.rules.queues.copy_values(ALICE, "c0", ref("q"), ref("r"), limit=2)
    assert again == op, "a repeated request goes on where it was"
    last = await world.rules.queues.copy_values(ALICE, "c2", ref("q"), ref("r"), limit=2, first=2)
    assert (last.count, last.through) == (1, 3)
    over = await world.rules.queues.copy_values(ALICE, "c3", ref("q"), ref("r"), limit=2, first=3)
    assert (over.count, over.through) == (0, 3)
    assert list((await world.values("r")).values()) == [b"a", b"b", b"c"]


async def test_a_page_of_copies_is_cut_where_it_is_too_much() -> None:
    world = await opened(QueueLimits(value_bytes=MAX_TAKEN_BYTES))
    await world.make("r", type=FileType.QUEUE)
    for _ in range(3):
        await world.enqueue("q", b"x" * (MAX_TAKEN_BYTES // 2))
    op = await world.rules.queues.copy_values(ALICE, "c", ref("q"), ref("r"), limit=3)
    assert (op.count, op.through) == (2, 2)


async def test_changes_show_in_the_times() -> None:
    world = await opened()
    before = await world.get("q")
    world.clock.advance(10)
    await world.enqueue("q", b"a")
    assert (await world.get("q")).mtime_ms == before.mtime_ms + 10_000


Action = Callable[[World], Awaitable[object]]


async def _enqueue_two(world: World) -> object:
    return await world.enqueue("q", b"new", b"er", request_id="r")


async def _dequeue_one(world: World) -> object:
    return await world.dequeue("q", request_id="r")


async def _move_one(world: World) -> object:
    return await world.rules.queues.move_values(ALICE, "r", ref("q"), ref("other"), limit=1)


async def _delete(world: World) -> object:
    await world.rules.files.delete(ALICE, "r", ref("q"))
    return await world.clean_up()


#: What the two queues hold afterwards.
ACTIONS: dict[Action, tuple[list[bytes], list[bytes]]] = {
    _enqueue_two: ([b"old", b"older", b"new", b"er"], []),
    _dequeue_one: ([b"older"], []),
    _move_one: ([b"older"], [b"old"]),
    _delete: ([], []),
}


async def prepared() -> Stores:
    world = await World(stores=memory_stores()).open()
    for name in ("q", "other"):
        await world.make(name, type=FileType.QUEUE)
    await world.enqueue("q", b"old", b"older")
    await world.rules.quotas.close()
    return world.stores


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.__name__)
async def test_killed_at_any_write_and_repeated_it_is_done_once(
    action: Action, number: int, after: bool
) -> None:
    stores = await prepared()
    doomed = World(stores=crashing(stores, Fuse(number, after=after)))
    doomed.clock.advance(100)
    with contextlib.suppress(Killed):
        await action(doomed)
    survivor = World(stores=stores)
    survivor.clock.advance(1000)
    await action(survivor)
    left, moved = ACTIONS[action]
    if action is not _delete:
        assert list((await survivor.values("q")).values()) == left
    assert list((await survivor.values("other")).values()) == moved
    await survivor.stores.quotas.lapse(unheard_s=-1)
    await survivor.rules.spaces.recount(SERVICE, SPACE, pause_s=0)
    assert await survivor.used_bytes() == sum(map(len, left + moved))
