"""What everybody sees through a share, and nothing else."""

from __future__ import annotations

import pytest

from runtime.errors import (
    AccessDenied,
    InvalidArgument,
    NoSuchFile,
    NotPermitted,
    SpaceNotSupported,
    Unauthenticated,
)
from runtime.identity import GUEST
from services.metadata.domain.custom_metadata import JsonUpdate, Update
from services.metadata.domain.errors import Forbidden
from services.metadata.domain.listing import PageStart
from services.metadata.domain.paths import FileRef
from services.metadata.domain.records import AclEntry, File, FileType
from services.metadata.domain.xattrs import Asked
from tests.support.metadata import ALICE, OWNER, SERVICE, SPACE, World, ref

SHARE = "share1"


def seen(file: File, *, follow: bool = False, share_id: str = SHARE) -> FileRef:
    """A file as everybody sees it."""
    return FileRef(SPACE, file.file_id, (), follow, share_id)


class Shared(World):
    """A world with `d` shared: `d/f`, `d/sub/deep`, and `secret` beside it."""

    root: File
    file: File
    deep: File
    secret: File

    async def fill(self) -> None:
        await self.open()
        await self.mkdir("closed", mode=0o700)
        self.root = await self.mkdir("closed", "d")
        self.file = await self.put("closed", "d", "f", size_bytes=3)
        await self.mkdir("closed", "d", "sub")
        self.deep = await self.put("closed", "d", "sub", "deep", size_bytes=4)
        self.secret = await self.put("closed", "secret", size_bytes=5)
        await self.mark(self.root)

    async def mark(self, file: File, *share_ids: str) -> None:
        """Makes a file the root of a share."""
        stored = await self.stores.files.find(file.file_id)
        assert stored is not None
        self.rules.file_cache.clear()
        await self.stores.files.replace(stored.changed(share_ids=share_ids or (SHARE,)))

    async def change(self, file: File, **changes: object) -> None:
        """Changes a record as it is."""
        stored = await self.stores.files.find(file.file_id)
        assert stored is not None
        self.rules.file_cache.clear()
        await self.stores.files.replace(stored.changed(**changes))

    async def link(self, name: str, target: str) -> File:
        """A symbolic link in the shared directory."""
        return await self.make("closed", "d", name, type=FileType.SYMLINK, target=target)


@pytest.fixture
async def shared() -> Shared:
    made = Shared()
    await made.fill()
    return made


async def test_everything_below_the_root_is_seen(shared: Shared) -> None:
    for file in (shared.root, shared.file, shared.deep):
        found = await shared.rules.files.get(GUEST, seen(file))
        assert found.file.file_id == file.file_id
        assert found.chain[0].file_id == shared.root.file_id


async def test_what_lies_above_does_not_close_it(shared: Shared) -> None:
    # The directory above the share is open to its owner only.
    page = await shared.rules.listing.list(GUEST, seen(shared.root), PageStart(), 10)
    assert page.columns["name"] == ["f", "sub"]


async def test_content_is_located(shared: Shared) -> None:
    _, location = await shared.rules.uploads.locate(GUEST, seen(shared.deep))
    assert location is not None
    assert location.size_bytes == 4


async def test_nothing_outside_of_it_exists(shared: Shared) -> None:
    parent = await shared.get("closed")
    for file in (shared.secret, parent):
        with pytest.raises(NoSuchFile):
            await shared.rules.files.get(GUEST, seen(file))


async def test_another_share_leads_nowhere(shared: Shared) -> None:
    with pytest.raises(NoSuchFile):
        await shared.rules.files.get(GUEST, seen(shared.file, share_id="share2"))


async def test_an_ended_share_leads_nowhere(shared: Shared) -> None:
    await shared.change(shared.root, share_ids=())
    with pytest.raises(NoSuchFile):
        await shared.rules.files.get(GUEST, seen(shared.file))


async def test_a_deleted_root_leads_nowhere(shared: Shared) -> None:
    await shared.rules.files.delete(OWNER, "r", ref("closed", "d"))
    for file in (shared.root, shared.file):
        with pytest.raises(NoSuchFile):
            await shared.rules.files.get(GUEST, seen(file))


async def test_what_moves_out_is_seen_no_more(shared: Shared) -> None:
    await shared.rules.renames.rename(OWNER, "r", ref("closed", "d", "f"), ref("closed"), "f")
    with pytest.raises(NoSuchFile):
        await shared.rules.files.get(GUEST, seen(shared.file))


async def test_the_bits_of_others_decide(shared: Shared) -> None:
    await shared.change(shared.file, mode=0o660)
    with pytest.raises(AccessDenied):
        await shared.rules.uploads.locate(GUEST, seen(shared.file))
    await shared.rules.files.get(GUEST, seen(shared.file))
    await shared.change(await shared.get("closed", "d", "sub"), mode=0o774)
    with pytest.raises(AccessDenied):
        await shared.rules.files.get(GUEST, seen(shared.deep))


@pytest.mark.parametrize(
    ("identifier", "allowed"),
    [("ANONYMOUS@", True), ("EVERYONE@", True), ("OWNER@", False), ("GROUP@", False), ("alice", False)],
)
async def test_an_acl_decides_for_nobody_in_particular(
    shared: Shared, identifier: str, allowed: bool
) -> None:
    await shared.change(shared.file, acl=(AclEntry(True, identifier, 0x1),))
    if allowed:
        await shared.rules.uploads.locate(GUEST, seen(shared.file))
        return
    with pytest.raises(AccessDenied):
        await shared.rules.uploads.locate(GUEST, seen(shared.file))


async def test_users_come_as_guests_or_not_at_all(shared: Shared) -> None:
    for identity in (ALICE, OWNER, SERVICE):
        with pytest.raises(Forbidden):
            await shared.rules.files.get(identity, seen(shared.file))


async def test_without_a_share_guests_are_asked_who_they_are(shared: Shared) -> None:
    with pytest.raises(Unauthenticated):
        await shared.rules.files.get(GUEST, ref(file_id=shared.file.file_id))


async def test_nothing_can_be_changed(shared: Shared) -> None:
    await shared.change(shared.file, mode=0o666)
    await shared.change(shared.root, mode=0o777)
    with pytest.raises(NotPermitted):
        await shared.rules.files.delete(GUEST, "r", seen(shared.file))
    with pytest.raises(NotPermitted):
        await shared.rules.xattrs.update(GUEST, "r", seen(shared.file), Update({"a": b"1"}))
    with pytest.raises(Forbidden):
        await shared.rules.files.set_mode(GUEST, "r", seen(shared.file), 0o777)


async def test_paths_lead_nowhere(shared: Shared) -> None:
    with pytest.raises(InvalidArgument):
        await shared.rules.files.get(GUEST, FileRef(SPACE, shared.root.file_id, ("f",), False, SHARE))


async def test_another_space_is_said_not_to_be_here(shared: Shared) -> None:
    with pytest.raises(SpaceNotSupported):
        await shared.rules.files.get(GUEST, FileRef("elsewhere", shared.file.file_id, (), False, SHARE))


@pytest.mark.parametrize("target", ["f", "./sub/../f", "../d/f", f"<__onedata_space_id:{SPACE}>/closed/d/f"])
async def test_links_that_stay_inside_are_followed(shared: Shared, target: str) -> None:
    link = await shared.link("link", target)
    found = await shared.rules.files.get(GUEST, seen(link, follow=True))
    assert found.file.file_id == shared.file.file_id


@pytest.mark.parametrize(
    "target",
    ["../secret", f"<__onedata_space_id:{SPACE}>/closed/secret", "/etc/passwd", "nope", "..", "../secret/x"],
)
async def test_links_that_leave_it_lead_nowhere(shared: Shared, target: str) -> None:
    link = await shared.link("link", target)
    with pytest.raises(NoSuchFile):
        await shared.rules.files.get(GUEST, seen(link, follow=True))


async def test_metadata_is_public_too(shared: Shared) -> None:
    json = JsonUpdate(b'{"x":1}')
    await shared.rules.xattrs.update(ALICE, "r", ref("closed", "d", "f"), Update({"a": b"1"}, json=json))
    await shared.rules.xattrs.update(ALICE, "r", ref("closed", "d"), Update({"b": b"2"}))
    await shared.rules.xattrs.update(OWNER, "r", ref(), Update({"c": b"3"}))
    told = await shared.rules.xattrs.list(GUEST, seen(shared.file), Asked(inherited=True))
    assert list(told.xattrs) == [("a", b"1"), ("b", b"2")]
    assert await shared.rules.xattrs.get_json(GUEST, seen(shared.file), "") == b'{"x":1}'
