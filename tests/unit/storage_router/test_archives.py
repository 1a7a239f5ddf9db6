"""Tar archives made of directories."""

from __future__ import annotations

import io
import tarfile

import pytest

from services.storage_router.domain import archives
from services.storage_router.domain.archives import Download, Entry, EntryPage, Mark, Progress
from services.storage_router.domain.contents import File, FileKind, FileRef, Located, Location

NAMES = [
    "a", "a b", "a+b", "'", '"', "a\\b", "\x01", "a\nb", "\x7f", "żółw 🐢", "e\u0301", "-", "~", "x" * 255,
    "ż" * 127, "...", "a%41", "a=b", " ", "a ",
]  # fmt: skip


def entry(path: str, size_bytes: int = 0, *, revision: int = 1, **fields: object) -> Entry:
    file = File(path, "space", name=path.rpartition("/")[2], **{"mode": 0o664, "mtime_ms": 5000, **fields})
    return Entry(path, Located(file, Location("st", f"/{path}", size_bytes, (), revision)))


class Walk:
    """A directory whose entries are given."""

    def __init__(self, *entries: Entry, page_size: int = 2) -> None:
        self.entries = entries
        self.page_size = page_size

    async def page(self, directory: FileRef, token: str) -> EntryPage:
        first = int(token or "0")
        last = first + self.page_size
        return EntryPage(self.entries[first:last], str(last) if last < len(self.entries) else "")


def unpacked(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getmembers()


@pytest.mark.parametrize("name", NAMES)
def test_names_come_back_byte_for_byte(name: str) -> None:
    deep = "/".join(["d" * 200, name])
    for path in (name, deep):
        (member,) = unpacked(archives.header("root", entry(path)) + archives.END)
        assert member.name == f"root/{path}"


@pytest.mark.parametrize("root", ["", ".", "..", "a/b", "a\0b"])
def test_the_root_never_leads_elsewhere(root: str) -> None:
    (member,) = unpacked(archives.header(root, entry("f")) + archives.END)
    assert member.name in ("_/f", "a_b/f")


def test_kinds_modes_times_and_sizes_are_told() -> None:
    link = entry("l", kind=FileKind.SYMLINK, symlink_target="to/żółw " * 30)
    directory = entry(".", kind=FileKind.DIRECTORY, mode=0o1775)
    data = b"".join(archives.header("r", each) for each in (directory, link, entry("e"))) + archives.END
    top, symlink, file = unpacked(data)
    assert (top.name, top.isdir(), top.mode) == ("r", True, 0o1775)
    assert (symlink.issym(), symlink.linkname) == (True, "to/żółw " * 30)
    assert (file.isreg(), file.mode, file.mtime, file.size) == (True, 0o664, 5, 0)


def test_sizes_beyond_eight_gibibytes_are_told() -> None:
    size_bytes = 9 << 30
    raw = archives.header("r", entry("big", size_bytes))
    info = tarfile.TarInfo.frombuf(raw[-512:], "utf-8", "strict")
    assert b"size=%d\n" % size_bytes in raw
    assert info.name == "r/big"


async def surveyed(walk: Walk, offset: int, *marks: Mark, started_ms: int = 10_000) -> archives.Survey:
    download = Download("c", FileRef("space", "d"), "r", b"", started_ms, marks)
    return await archives.survey(walk, download, offset)  # type: ignore[arg-type]  # pages are all it asks for


def progress_after(*entries: Entry) -> Progress:
    progress = Progress()
    for each in entries:
        size_bytes = archives.size_of(each.located)
        progress.add(archives.header("r", each), each.located, size_bytes)
    return progress


ENTRIES = [entry(name, size) for name, size in (("a", 10), ("b", 0), ("c", 1000), ("d", 512), ("e", 1))]


async def test_a_survey_finds_where_to_go_on() -> None:
    walk = Walk(*ENTRIES)
    whole = progress_after(*ENTRIES).offset + len(archives.END)
    for offset in range(0, whole, 100):
        found = await surveyed(walk, offset)
        assert (found.total_bytes, found.is_same) == (whole, True)
        assert found.begin.offset <= offset
        assert found.begin.offset == progress_after(*ENTRIES[: int(found.token or 0)]).offset


async def test_what_was_marked_must_be_what_is_there() -> None:
    mark = progress_after(*ENTRIES[:3]).mark
    assert (await surveyed(Walk(*ENTRIES), 4000, mark)).is_same
    changed = [ENTRIES[0], ENTRIES[1], entry("c", 1000, revision=2), *ENTRIES[3:]]
    gone = [ENTRIES[0], *ENTRIES[2:]]
    renamed = [entry("A", 10), *ENTRIES[1:]]
    for other in (changed, gone, renamed, ENTRIES[:2]):
        assert not (await surveyed(Walk(*other), 4000, mark)).is_same
        assert not (await surveyed(Walk(*other), 100, mark)).is_same, "a mark ahead counts, too"


async def test_what_changed_since_the_start_is_not_gone_on_with() -> None:
    entries = [*ENTRIES[:2], entry("c", 1000, mtime_ms=20_000), *ENTRIES[3:]]
    assert not (await surveyed(Walk(*entries), 4000)).is_same
    assert (await surveyed(Walk(*entries), 500)).is_same, "it comes later, and is sent as it is then"
    mark = progress_after(*entries[:3]).mark
    assert (await surveyed(Walk(*entries), 4500, mark)).is_same, "it was sent in this state"
