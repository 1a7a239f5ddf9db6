"""`onedatafilerestclient`: content, creation, removal and moving, with their errors."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from place import Place, errno, refused

NAMES = [
    "plain.txt", " leading and trailing ", "a+b&c;d=e@f:g,h[i]j", "back\\slash", "'quotes' \"double\"",
    "tab\tname", "new\nline", "żółć-Ω-漢字-🦉", "e\u0301 is not \u00e9", "~!$^*()|<>{}`", "...", ".hidden",
    "x" * 255, "%",
]  # fmt: skip


# -- content -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "size", "found"),
    [(0, 4, b"0123"), (3, 1, b"3"), (8, 100, b"89"), (0, None, b"0123456789")],
)
def test_ranges_are_read(place: Place, offset: int, size: int | None, found: bytes) -> None:
    id = place.put("f", b"0123456789")
    assert place.client.get_file_content(place.space, offset=offset, size=size, file_id=id) == found


@pytest.mark.parametrize(("offset", "size"), [(10, 1), (100, 5), (0, 0)])
def test_ranges_of_nothing_are_416(place: Place, offset: int, size: int) -> None:
    id = place.put("f", b"0123456789")
    read = lambda: place.client.get_file_content(place.space, offset=offset, size=size, file_id=id)  # noqa: E731
    assert refused(read)[0] == 416


def test_an_empty_file_is_read_whole_and_has_no_ranges(place: Place) -> None:
    id = place.put("f")
    assert place.client.get_file_content(place.space, file_id=id) == b""
    assert refused(lambda: place.client.get_file_content(place.space, size=1, file_id=id))[0] == 416


def test_large_content_is_streamed_whole(place: Place) -> None:
    content = os.urandom(12 << 20)
    id = place.put("f", content)
    pieces = list(place.client.iter_file_content(place.space, chunk_size=1 << 20, file_id=id))
    assert max(map(len, pieces)) <= 1 << 20
    assert hashlib.sha256(b"".join(pieces)).digest() == hashlib.sha256(content).digest()


def test_writing_without_offset_replaces_and_with_it_keeps_the_rest(place: Place) -> None:
    id = place.put("f", b"0123456789")
    put = lambda data, **where: place.client.put_file_content(place.space, data, file_id=id, **where)  # noqa: E731
    put(b"abc", offset=0)
    assert place.get("f") == b"abc3456789"
    put(b"", offset=0)
    assert place.get("f") == b"abc3456789"
    put(b"END", offset=12)
    assert place.get("f") == b"abc3456789\0\0END"
    put(b"new")
    assert place.get("f") == b"new"
    put(b"")
    assert place.get("f") == b""


def test_content_can_be_sent_in_pieces_of_unknown_length(place: Place) -> None:
    id = place.put("f")
    place.client.put_file_content(place.space, (bytes([n]) * 100_000 for n in range(10)), file_id=id)
    assert place.get("f") == b"".join(bytes([n]) * 100_000 for n in range(10))


def test_many_writers_at_different_offsets_lose_nothing(place: Place) -> None:
    id = place.put("f")
    size = 10_000

    def write(number: int) -> None:
        place.client.put_file_content(place.space, bytes([number]) * size, offset=number * size, file_id=id)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(32)))
    assert place.get("f") == b"".join(bytes([number]) * size for number in range(32))


def test_a_directory_has_no_content(place: Place) -> None:
    assert errno(lambda: place.client.put_file_content(place.space, b"x", file_path=place.path)) == "eisdir"


# -- creation and removal ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_name_comes_back_byte_for_byte(place: Place, name: str) -> None:
    id = place.put(name, b"x")
    assert place.names() == [name]
    assert place.client.get_file_id(place.space, file_path=place.at(name)) == id
    assert place.client.get_attributes(place.space, file_id=id)["name"] == name
    place.client.remove(place.space, file_path=place.at(name))
    assert place.names() == []


@pytest.mark.parametrize(("name", "why"), [("x" * 256, "enametoolong"), ("ż" * 128, "enametoolong")])
def test_names_that_are_too_long_are_refused(place: Place, name: str, why: str) -> None:
    assert errno(lambda: place.put(name)) == why


def test_a_name_with_nul_is_an_invalid_path(place: Place) -> None:
    status, id, _ = refused(lambda: place.client.create_file(place.space, place.at("a\0b")))
    assert (status, id) == (400, "badValueFilePath")


@pytest.mark.parametrize("old", ["REG", "DIR"])
@pytest.mark.parametrize("new", ["REG", "DIR"])
def test_what_exists_is_not_created_again(place: Place, old: str, new: str) -> None:
    place.client.create_file(place.space, place.at("x"), file_type=old)
    assert errno(lambda: place.client.create_file(place.space, place.at("x"), file_type=new)) == "eexist"


def test_parents_are_made_when_asked_for(place: Place) -> None:
    assert errno(lambda: place.client.create_file(place.space, place.at("a/b/c"))) == "enoent"
    place.client.create_file(place.space, place.at("a/b/c"), create_parents=True)
    assert place.names("a") == ["b"]
    assert errno(lambda: place.client.create_file(place.space, place.at("a/b/c/d"))) == "enotdir"
    assert (
        errno(lambda: place.client.create_file(place.space, place.at("a/b/c/d/e"), create_parents=True))
        == "enotdir"
    )


def test_parents_are_made_once_by_many_at_the_same_time(place: Place) -> None:
    def make(number: int) -> None:
        place.client.create_file(place.space, place.at(f"p/q/r/{number:02}"), create_parents=True)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(make, range(24)))
    assert place.names("p/q/r") == [f"{number:02}" for number in range(24)]


def test_modes_are_given_at_creation(place: Place) -> None:
    for name, kind, mode, found in (
        ("f", "REG", None, "664"),
        ("d", "DIR", None, "775"),
        ("g", "REG", 0o600, "600"),
        ("e", "DIR", 0o750, "750"),
    ):
        id = place.client.create_file(place.space, place.at(name), file_type=kind, mode=mode)
        told = place.client.get_attributes(place.space, file_id=id, attributes=["posixPermissions"])
        assert told["posixPermissions"] == found


@pytest.mark.parametrize("kind", ["LNK", "SYMLNK"])
def test_links_need_a_target_that_this_client_cannot_say(place: Place, kind: str) -> None:
    status, id, _ = refused(lambda: place.client.create_file(place.space, place.at("l"), file_type=kind))
    assert (status, id) == (400, "missingRequiredValue")


def test_a_tree_is_removed_whole_and_at_once(place: Place) -> None:
    place.put("t/a/b/c", b"x")
    id = place.put("t/a/f", b"y")
    place.client.remove(place.space, file_path=place.at("t"))
    assert place.names() == []
    assert errno(lambda: place.client.get_attributes(place.space, file_id=id)) == "enoent"
    place.put("t/a/f", b"new")
    assert place.get("t/a/f") == b"new"


# -- moving --------------------------------------------------------------------------------------------


def move(place: Place, source: str, target: str) -> None:
    place.client.move(place.space, place.at(source), place.space, place.at(target))


def test_a_moved_file_keeps_id_content_mode_and_metadata(place: Place) -> None:
    place.client.create_file(place.space, place.at("to"), file_type="DIR")
    id = place.put("f", b"content")
    place.client.set_attributes(place.space, {"mode": "600"}, file_id=id)
    place.client.set_extended_attribute(place.space, {"colour": "blue"}, file_id=id)
    move(place, "f", "to/g")
    told = place.client.get_attributes(
        place.space, file_path=place.at("to/g"), attributes=["fileId", "posixPermissions", "xattr.colour"]
    )
    assert told == {"fileId": id, "posixPermissions": "600", "xattr.colour": "blue"}
    assert place.get("to/g") == b"content"
    assert place.names() == ["to"]


def test_a_moved_directory_keeps_all_it_holds(place: Place) -> None:
    id = place.put("d/e/f", b"deep")
    directory = place.client.get_file_id(place.space, file_path=place.at("d"))
    move(place, "d", "moved")
    assert place.client.get_file_id(place.space, file_path=place.at("moved")) == directory
    assert place.client.get_file_id(place.space, file_path=place.at("moved/e/f")) == id
    assert place.names() == ["moved"]


def test_a_file_moved_over_a_file_replaces_it(place: Place) -> None:
    id = place.put("f", b"new")
    place.put("g", b"old")
    move(place, "f", "g")
    assert (place.names(), place.get("g")) == (["g"], b"new")
    assert place.client.get_file_id(place.space, file_path=place.at("g")) == id


def test_moves_that_cannot_be_say_why(place: Place) -> None:
    place.put("f", b"x")
    place.put("d/g", b"y")
    assert errno(lambda: move(place, "nothing", "h")) == "enoent"
    assert errno(lambda: move(place, "f", "nothing/h")) == "enoent"
    assert errno(lambda: move(place, "d", "d/below")) == "einval"
    assert errno(lambda: move(place, "d", "f")) == "enotdir"
    assert (place.get("f"), place.get("d/g")) == (b"x", b"y")


def test_a_move_onto_a_directory_moves_nothing(place: Place) -> None:
    """It is answered with a redirection, which this client follows by reading the directory."""
    place.put("f", b"x")
    place.client.create_file(place.space, place.at("d"), file_type="DIR")
    move(place, "f", "d")
    assert place.names() == ["d", "f"]
    assert place.names("d") == []


@pytest.mark.parametrize("name", NAMES)
def test_every_name_can_be_moved_to(place: Place, name: str) -> None:
    place.put("f", b"x")
    move(place, "f", name)
    assert place.names() == [name]
    move(place, name, "f")
    assert place.get("f") == b"x"
