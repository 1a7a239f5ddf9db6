"""Making, finding, changing and deleting files."""

from __future__ import annotations

import pytest

from runtime.errors import (
    AccessDenied,
    DirectoryNotEmpty,
    FileExists,
    InvalidName,
    NoSuchFile,
    NotADirectory,
    NotPermitted,
    SpaceNotSupported,
    TooManySymlinks,
    Unauthenticated,
)
from runtime.identity import GUEST
from services.metadata.domain.errors import Forbidden
from services.metadata.domain.files import NewFile
from services.metadata.domain.records import FileType, root_id
from services.metadata.domain.tree import OwnsNothing
from tests.support.metadata import ALICE, BOB, OWNER, SERVICE, SPACE, World, member, ref

SYMLINK = FileType.SYMLINK
DIRECTORY = FileType.DIRECTORY


@pytest.fixture
async def world() -> World:
    return await World().open()


async def test_a_new_file_is_what_was_asked_for(world: World) -> None:
    file = await world.make("a", mode=0o640)
    assert (file.name, file.mode, file.owner_id, file.size_bytes) == ("a", 0o640, "alice", 0)
    assert file.parent_id == root_id(SPACE)
    assert await world.get("a") == file
    assert (await world.rules.files.get(ALICE, ref(file_id=file.file_id))).path == ("a",)


async def test_modes_have_defaults(world: World) -> None:
    assert (await world.make("f")).mode == 0o664
    assert (await world.mkdir("d")).mode == 0o775
    assert (await world.make("l", type=SYMLINK, target="f")).mode == 0o777


async def test_a_name_is_taken_once(world: World) -> None:
    await world.make("a")
    for type in (FileType.REGULAR, DIRECTORY):
        with pytest.raises(FileExists):
            await world.make("a", type=type)


async def test_a_repeated_request_answers_as_the_first(world: World) -> None:
    first = await world.make("a", request_id="r1")
    assert await world.make("a", request_id="r1") == first
    with pytest.raises(FileExists):
        await world.make("a", request_id="r2")


async def test_a_repeated_request_does_not_bring_back_what_was_deleted(world: World) -> None:
    first = await world.make("a", request_id="r1")
    await world.rules.files.delete(ALICE, "r2", ref("a"))
    assert (await world.make("a", request_id="r1")).file_id == first.file_id
    assert await world.names() == []


async def test_an_existing_file_can_be_updated(world: World) -> None:
    old = await world.make("a")
    new, created = await world.rules.files.create(
        ALICE, "r", ref(), NewFile("a", FileType.REGULAR, 0o600), update_existing=True
    )
    assert (new.file_id, new.mode, created) == (old.file_id, 0o600, False)
    with pytest.raises(FileExists):
        await world.make("a", type=DIRECTORY, update_existing=True)


async def test_an_existing_link_is_made_anew(world: World) -> None:
    old = await world.make("l", type=SYMLINK, target="x")
    new = await world.make("l", type=SYMLINK, target="y", update_existing=True)
    assert new.file_id != old.file_id
    assert (await world.get("l")).symlink_target == "y"


async def test_missing_parents_are_made_when_asked(world: World) -> None:
    with pytest.raises(NoSuchFile):
        await world.make("a", "b", "c")
    await world.make("a", "b", "c", mode=0o600, create_parents=True)
    assert (await world.get("a", "b")).mode == 0o775
    with pytest.raises(NotADirectory):
        await world.make("a", "b", "c", "d", "e", create_parents=True)


async def test_the_directory_of_a_new_file_is_touched(world: World) -> None:
    before = await world.mkdir("d")
    world.clock.advance(10)
    await world.make("d", "f")
    assert (await world.get("d")).mtime_ms == before.mtime_ms + 10_000
    await world.rules.touches.flush()
    stored = await world.stores.files.find(before.file_id)
    assert stored is not None
    assert stored.mtime_ms == before.mtime_ms + 10_000


@pytest.mark.parametrize("mode", [0o555, 0o664, 0o700])
async def test_making_needs_the_right_to(world: World, mode: int) -> None:
    await world.mkdir("d", mode=mode)
    with pytest.raises(AccessDenied):
        await world.make("d", "f", who=BOB)
    await world.make("d", "f", who=OWNER)


async def test_a_closed_directory_does_not_tell_what_is_in_it(world: World) -> None:
    await world.mkdir("d", mode=0o700)
    await world.make("d", "f")
    for name in ("f", "none"):
        with pytest.raises(AccessDenied):
            await world.get("d", name, who=BOB)
    file = await world.get("d", "f")
    with pytest.raises(AccessDenied):
        await world.rules.files.get(BOB, ref(file_id=file.file_id))


async def test_strangers_guests_and_other_spaces(world: World) -> None:
    for who, error in (
        (member(space_id="other"), Forbidden),
        (GUEST, Unauthenticated),
        (member(supported=False), SpaceNotSupported),
    ):
        with pytest.raises(error):
            await world.get(who=who)
    with pytest.raises(SpaceNotSupported):
        await world.rules.files.get(member(space_id="other"), ref(space_id="other"))
    with pytest.raises(SpaceNotSupported):
        await world.rules.files.get(SERVICE, ref(space_id="other", file_id="x"))


async def test_a_file_is_found_in_its_own_space_only(world: World) -> None:
    file = await world.make("a")
    await world.rules.spaces.ensure(SERVICE, "other", 10)
    with pytest.raises(NoSuchFile):
        await world.rules.files.get(member(space_id="other"), ref(file_id=file.file_id, space_id="other"))


async def test_a_file_has_nothing_below_it(world: World) -> None:
    file = await world.make("a")
    for reference in (ref("a", "b"), ref("b", file_id=file.file_id)):
        with pytest.raises(NotADirectory):
            await world.rules.files.get(ALICE, reference)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b"])
async def test_paths_hold_names_only(world: World, name: str) -> None:
    with pytest.raises(InvalidName):
        await world.get("a", name)


async def test_links_are_followed_in_the_middle_and_at_the_end_on_demand(world: World) -> None:
    await world.mkdir("d")
    target = await world.make("d", "f")
    await world.make("to-d", type=SYMLINK, target="d")
    await world.make("d", "up", type=SYMLINK, target="../d/./f")
    await world.make("absolute", type=SYMLINK, target=f"<__onedata_space_id:{SPACE}>/d/f")
    assert (await world.get("to-d", "f")).file_id == target.file_id
    assert (await world.get("to-d")).type is SYMLINK
    for path in (("to-d", "up"), ("absolute",)):
        assert (await world.get(*path, follow=True)).file_id == target.file_id
    link = await world.get("to-d")
    below = await world.rules.files.get(ALICE, ref("f", file_id=link.file_id))
    assert below.file.file_id == target.file_id


@pytest.mark.parametrize(
    "target", ["../x", "/etc/passwd", "<__onedata_space_id:other>/x", "none", "a/../../../x"]
)
async def test_links_never_leave_the_space(world: World, target: str) -> None:
    await world.mkdir("a")
    await world.make("l", type=SYMLINK, target=target)
    with pytest.raises(NoSuchFile):
        await world.get("l", follow=True)


async def test_forty_links_are_followed_and_no_more(world: World) -> None:
    await world.make("l0")
    for number in range(1, 42):
        await world.make(f"l{number}", type=SYMLINK, target=f"l{number - 1}")
    assert (await world.get("l40", follow=True)).name == "l0"
    with pytest.raises(TooManySymlinks):
        await world.get("l41", follow=True)


async def test_links_in_a_circle_are_given_up(world: World) -> None:
    await world.make("a", type=SYMLINK, target="b/x/y/z")
    await world.make("b", type=SYMLINK, target="a/x/y/z")
    with pytest.raises(TooManySymlinks):
        await world.get("a", follow=True)


async def test_a_link_needs_rights_on_its_target(world: World) -> None:
    await world.mkdir("d", mode=0o700)
    await world.make("d", "f")
    await world.make("l", type=SYMLINK, target="d/f")
    with pytest.raises(AccessDenied):
        await world.get("l", who=BOB, follow=True)


async def test_the_mode_is_changed_by_owners(world: World) -> None:
    await world.make("a")
    changed = await world.rules.files.set_mode(ALICE, "r", ref("a"), 0o1600)
    assert (await world.get("a")).mode == changed.mode == 0o1600
    assert await world.rules.files.set_mode(ALICE, "r", ref("a"), 0o1600) == changed
    await world.rules.files.set_mode(OWNER, "", ref("a"), 0o644)
    with pytest.raises(AccessDenied):
        await world.rules.files.set_mode(BOB, "", ref("a"), 0o777)
    with pytest.raises(NotPermitted):
        await world.rules.files.set_mode(OWNER, "", ref(), 0o777)


async def test_a_deleted_file_is_gone(world: World) -> None:
    file = await world.make("a")
    await world.rules.files.delete(ALICE, "r", ref("a"))
    for reference in (ref("a"), ref(file_id=file.file_id)):
        with pytest.raises(NoSuchFile):
            await world.rules.files.get(ALICE, reference)
    await world.rules.files.delete(ALICE, "r", ref("a"))
    with pytest.raises(NoSuchFile):
        await world.rules.files.delete(ALICE, "r2", ref("a"))
    assert (await world.make("a")).file_id != file.file_id


async def test_a_deleted_tree_is_gone_at_once_and_cleaned_later(world: World) -> None:
    for path in (("d",), ("d", "e"), ("d", "e", "g")):
        await world.mkdir(*path)
    file = await world.put("d", "e", "f", size_bytes=7)
    await world.rules.files.delete(ALICE, "r", ref("d"))
    await world.rules.files.delete(ALICE, "r", ref("d"))
    with pytest.raises(NoSuchFile):
        await world.rules.files.get(ALICE, ref(file_id=file.file_id))
    assert await world.names() == []
    assert await world.used_bytes() == 7
    await world.clean_up()
    assert await world.used_bytes() == 0
    assert await world.stores.locations.find(file.file_id) is None


async def test_tombstones_are_purged_in_the_end(world: World) -> None:
    file = await world.make("a")
    await world.rules.files.delete(ALICE, "r", ref("a"))
    await world.clean_up()
    assert await world.stores.files.find(file.file_id) is not None
    world.clock.advance(8 * 24 * 3600)
    assert await world.rules.repairs.purge_tombstones() == 1
    assert await world.stores.files.find(file.file_id) is None


async def test_only_an_empty_directory_is_deleted_when_asked(world: World) -> None:
    await world.mkdir("d")
    await world.make("d", "f")
    with pytest.raises(DirectoryNotEmpty):
        await world.rules.files.delete(ALICE, "", ref("d"), only_empty=True)
    await world.rules.files.delete(ALICE, "", ref("d", "f"))
    await world.rules.files.delete(ALICE, "", ref("d"), only_empty=True)
    assert await world.names() == []


async def test_deleting_needs_the_right_to(world: World) -> None:
    await world.mkdir("d", mode=0o755)
    await world.make("d", "f")
    await world.mkdir("sticky", mode=0o1777)
    await world.make("sticky", "f")
    for path in (("d", "f"), ("sticky", "f")):
        with pytest.raises(AccessDenied):
            await world.rules.files.delete(BOB, "", ref(*path))
    await world.rules.files.delete(ALICE, "", ref("sticky", "f"))
    await world.rules.files.delete(OWNER, "", ref("d", "f"))


async def test_a_tree_is_deleted_only_by_who_may_empty_it(world: World) -> None:
    await world.mkdir("d", mode=0o755)
    with pytest.raises(AccessDenied):
        await world.rules.files.delete(BOB, "", ref("d"))
    await world.rules.files.set_mode(ALICE, "", ref("d"), 0o775)
    await world.rules.files.delete(BOB, "", ref("d"))


async def test_the_directory_of_a_space_stays(world: World) -> None:
    for who in (OWNER, SERVICE):
        with pytest.raises(NotPermitted):
            await world.rules.files.delete(who, "", ref())


async def test_reading_without_trust_asks_the_store(world: World) -> None:
    await world.make("a")
    other = World(stores=world.stores, ownership=OwnsNothing())
    await other.get("a")
    await world.rules.files.set_mode(ALICE, "", ref("a"), 0o600)
    assert (await other.get("a")).mode == 0o600
