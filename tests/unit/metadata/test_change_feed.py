"""The change log, document by document: only the newest of each, in order, from any place on."""

from __future__ import annotations

import pytest

from runtime.errors import InvalidArgument
from services.metadata.domain import change_feed
from services.metadata.domain.change_feed import ChangedDocument, Document, FeedPage, Follow
from services.metadata.domain.custom_metadata import Update
from services.metadata.domain.errors import Forbidden
from tests.support.journal import Journal
from tests.support.metadata import ALICE, OWNER, SERVICE, SPACE, World, ref

ALL = Follow(frozenset(Document), with_location=True, with_custom_metadata=True)
META, TIMES = Document.FILE_META, Document.TIMES
LOCATION, CUSTOM = Document.FILE_LOCATION, Document.CUSTOM_METADATA


class Followed(World):
    """A world whose changes are logged."""

    async def begin(self) -> None:
        await self.open()
        self.journal = Journal(self.stores)
        self.journal.note()
        self.start = (await self.rules.change_feed.heads([SPACE]))[SPACE]

    async def read(self, follow: Follow = ALL, *, after: int | None = None, size: int = 100) -> FeedPage:
        """A page from the beginning of the test on."""
        self.journal.note()
        after = self.start if after is None else after
        return await self.rules.change_feed.read(OWNER, SPACE, follow, after=after, page_size=size)

    async def told(self, follow: Follow = ALL) -> list[tuple[Document, str]]:
        """What changed, in order."""
        return [(each.document, each.file.name) for each in (await self.read(follow)).changes]


@pytest.fixture
async def world() -> Followed:
    made = Followed()
    await made.begin()
    return made


async def test_a_new_file_is_three_documents(world: Followed) -> None:
    await world.put("a", size_bytes=3)
    found = await world.told()
    assert [each for each in found if each[1] == "a"] == [(LOCATION, "a"), (META, "a"), (TIMES, "a")]


async def test_numbers_grow_and_a_reader_goes_on_behind_any_of_them(world: Followed) -> None:
    await world.put("a", size_bytes=3)
    await world.make("b")
    changes = (await world.read()).changes
    numbers = [each.number for each in changes]
    assert numbers == sorted(set(numbers))
    for position, number in enumerate(numbers):
        assert [each.number for each in (await world.read(after=number)).changes] == numbers[position + 1 :]


async def test_only_the_document_that_changed_is_told(world: Followed) -> None:
    await world.make("a")
    world.journal.note()
    before = (await world.read()).position
    world.clock.advance(1)
    await world.rules.files.set_mode(ALICE, "r", ref("a"), 0o600)
    assert {each.document for each in (await world.read(after=before)).changes} == {META, TIMES}
    before = (await world.read()).position
    await world.get("a")
    world.clock.advance(2 * 24 * 3600)
    world.rules.touches.read(await world.get("a"))
    await world.rules.touches.flush()
    assert {each.document for each in (await world.read(after=before)).changes} == {TIMES}


async def test_what_changed_again_is_told_once(world: Followed) -> None:
    await world.make("a")
    world.journal.note()
    for mode in (0o600, 0o640, 0o644):
        await world.rules.files.set_mode(ALICE, f"r{mode}", ref("a"), mode)
        world.journal.note()
    [meta] = [each for each in (await world.read()).changes if (each.document, each.file.name) == (META, "a")]
    assert meta.file.mode == 0o644


async def test_a_change_of_times_does_not_hide_one_of_metadata(world: Followed) -> None:
    await world.mkdir("d")
    world.journal.note()
    await world.make("d", "f")
    await world.rules.touches.flush()
    assert (META, "d") in await world.told()


async def test_custom_metadata_comes_with_its_values(world: Followed) -> None:
    await world.make("a")
    before = (await world.read()).position
    await world.rules.xattrs.update(ALICE, "r", ref("a"), Update({"k": b'"v"'}))
    changes = (await world.read(after=before)).changes
    [custom] = [each for each in changes if each.document is CUSTOM]
    assert custom.custom_metadata is not None
    assert custom.custom_metadata.xattrs == {"k": b'"v"'}


async def test_only_what_is_followed_is_told(world: Followed) -> None:
    await world.put("a", size_bytes=3)
    for document in (META, LOCATION):
        assert {each[0] for each in await world.told(Follow(frozenset({document})))} == {document}
    assert await world.told(Follow(frozenset())) == []


async def test_a_deleted_file_has_no_path_any_more(world: Followed) -> None:
    await world.make("a")
    await world.rules.files.delete(ALICE, "r", ref("a"))
    [meta] = [
        each for each in (await world.read()).changes if each.document is META and each.file.name == "a"
    ]
    assert (meta.file.deleted, meta.path) == (True, None)


async def test_what_moves_has_its_new_path(world: Followed) -> None:
    await world.mkdir("d")
    await world.make("a")
    await world.rules.renames.rename(ALICE, "r", ref("a"), ref("d"), "b")
    assert ("d", "b") in [each.path for each in (await world.read()).changes if each.document is META]


async def test_pages_go_on_where_they_end(world: Followed) -> None:
    for name in "abcdef":
        await world.put(name, size_bytes=1)
    whole = (await world.read()).changes
    position, joined = world.start, list[ChangedDocument]()
    while True:
        page = await world.read(after=position, size=3)
        joined += page.changes
        position = page.position
        if not page.more:
            break
    assert joined == list(whole)


async def test_much_metadata_ends_a_page_early(world: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        await world.make(name)
        await world.rules.xattrs.update(ALICE, f"r{name}", ref(name), Update({"k": b'"' + b"x" * 900 + b'"'}))
    monkeypatch.setattr(change_feed, "MAX_PAGE_BYTES", 1000)
    position, seen = world.start, set[str]()
    for _ in range(100):
        page = await world.read(after=position)
        seen |= {each.file.name for each in page.changes if each.custom_metadata is not None}
        position = page.position
        if not page.more:
            break
    assert seen == {"a", "b", "c"}


async def test_following_needs_the_privilege(world: Followed) -> None:
    with pytest.raises(Forbidden):
        await world.rules.change_feed.read(ALICE, SPACE, ALL, after=0, page_size=1)


@pytest.mark.parametrize(("after", "size"), [(-1, 1), (0, 0), (0, 201)])
async def test_pages_have_limits(world: Followed, after: int, size: int) -> None:
    with pytest.raises(InvalidArgument):
        await world.rules.change_feed.read(SERVICE, SPACE, ALL, after=after, page_size=size)


async def test_heads_are_told_of_few_spaces(world: Followed) -> None:
    assert await world.rules.change_feed.heads(["nowhere"]) == {}
    with pytest.raises(InvalidArgument):
        await world.rules.change_feed.heads([str(number) for number in range(1001)])
