"""`fs-onedatarestfs`: all of PyFilesystem's own test cases, and what lies beyond them."""

from __future__ import annotations

import os
import unittest
from collections.abc import Iterator

import fs.copy
import fs.errors
import fs.mirror
import fs.walk
import pytest
from fs.base import FS
from fs.enums import ResourceType
from fs.memoryfs import MemoryFS
from fs.onedatarestfs import OnedataRESTFS
from fs.permissions import Permissions
from fs.test import FSTestCases
from onedatafilerestclient import OnedataFileRESTClient
from place import Place, a_place


def open_space(place: Place, space: str | None = None) -> OnedataRESTFS:
    """The file system of one space, or of all."""
    return OnedataRESTFS(place.host, place.token, space, verify_ssl=place.ca_file)


class TestCasesOfPyFilesystem(FSTestCases, unittest.TestCase):
    """None is left out."""

    def make_fs(self) -> FS:
        """A directory of its own for each of them."""
        self._place = a_place()
        place = self._place.__enter__()
        return open_space(place, place.space).opendir(place.path)

    def destroy_fs(self, _: FS) -> None:
        """Removes it."""
        self._place.__exit__(None, None, None)


@pytest.fixture
def folder(place: Place) -> Iterator[FS]:
    """A directory of its own."""
    with open_space(place, place.space) as space:
        yield space.opendir(place.path)


def test_without_a_space_the_top_lists_them_all(place: Place) -> None:
    with open_space(place) as top:
        assert place.space in top.listdir("/")
        assert place.space in {info.name for info in top.scandir("/")}
        place.put("f", b"x")
        assert top.readbytes(place.full("f")) == b"x"
        with pytest.raises(fs.errors.ResourceNotFound):
            top.listdir("no-such-space")


def test_directories_are_scanned_in_pages(folder: FS, place: Place) -> None:
    for number in range(25):
        place.put(f"{number:02}")
    page = [info.name for info in folder.scandir("/", page=(10, 13))]
    assert page == ["10", "11", "12"]
    assert [info.name for info in folder.scandir("/")] == [f"{number:02}" for number in range(25)]


def test_info_tells_times_sizes_and_permissions(folder: FS) -> None:
    folder.writebytes("f", b"12345")
    info = folder.getinfo("f", ["details", "access"])
    assert (info.size, info.is_file, info.type) == (5, True, ResourceType.file)
    assert info.modified is not None
    assert folder.getinfo("/", ["details"]).is_dir


def test_symbolic_links_are_told_as_such(folder: FS, place: Place) -> None:
    place.put("f", b"content")
    place.link("l", "f")
    assert folder.getinfo("l", ["details"]).type == ResourceType.symlink
    assert folder.isfile("l")


def test_trees_are_copied_mirrored_walked_and_removed(folder: FS) -> None:
    with MemoryFS() as local:
        local.makedirs("a/b")
        local.writetext("a/b/f.txt", "zażółć")
        local.writebytes("a/g.bin", bytes(range(256)))
        fs.copy.copy_dir(local, "/", folder, "/")
        local.writetext("a/new", "x")
        fs.mirror.mirror(local, folder)
        assert folder.readtext("a/b/f.txt") == "zażółć"
        assert sorted(fs.walk.Walker().files(folder)) == ["/a/b/f.txt", "/a/g.bin", "/a/new"]
        assert folder.glob("**/*.txt").count().files == 1
    folder.removetree("a")
    assert folder.listdir("/") == []


def test_files_move_within_a_space(folder: FS, place: Place) -> None:
    id = place.put("f", b"content")
    folder.makedir("d")
    folder.move("f", "d/g")
    assert place.client.get_file_id(place.space, file_path=place.at("d/g")) == id
    folder.copy("d/g", "h")
    with pytest.raises(fs.errors.DestinationExists):
        folder.move("h", "d/g")
    folder.move("h", "d/g", overwrite=True)
    assert folder.listdir("/") == ["d"]


def test_a_file_is_written_and_read_at_any_place(folder: FS) -> None:
    with folder.openbin("f", "w") as file:
        file.write(b"0123456789")
        file.seek(20)
        file.write(b"end")
    with folder.openbin("f", "r+") as file:
        file.seek(5)
        file.write(b"FIVE")
        assert file.seek(0, 2) == 23
        file.truncate(9)
    assert folder.readbytes("f") == b"01234FIVE"


@pytest.mark.parametrize("name", ["a b", "żółć 🦉", "a+b&c=d;e,@:", 'it\'s [odd] "here"', "tab\there"])
def test_odd_names_come_back(folder: FS, name: str) -> None:
    folder.makedir(name)
    folder.writebytes(f"{name}/{name}", b"x")
    assert (folder.listdir("/"), folder.listdir(name)) == ([name], [name])
    assert folder.readbytes(f"{name}/{name}") == b"x"


def test_errors_are_those_of_pyfilesystem(folder: FS) -> None:
    folder.writebytes("f", b"x")
    with pytest.raises(fs.errors.ResourceNotFound):
        folder.readbytes("nothing")
    with pytest.raises(fs.errors.ResourceNotFound):
        folder.getinfo("f/through/a/file")
    with pytest.raises(fs.errors.FileExpected):
        folder.openbin("/")
    with pytest.raises(fs.errors.InvalidCharsInPath):
        folder.writebytes("a\0b", b"x")


def test_others_are_denied_what_is_not_theirs(place: Place, member: OnedataFileRESTClient) -> None:
    place.client.create_file(place.space, place.at("mine"), file_type="DIR", mode=0o700)
    place.put("mine/f", b"secret")
    theirs = OnedataRESTFS(
        place.host, os.environ["ISTHMUS_TOKEN_MEMBER"], place.space, verify_ssl=place.ca_file
    )
    with theirs, pytest.raises(fs.errors.PermissionDenied):
        theirs.readbytes(place.at("mine/f"))


def test_permissions_are_sent_in_a_form_that_is_refused(folder: FS) -> None:
    """This client writes the mode in decimal digits; some of those are no octal number."""
    folder.writebytes("f", b"x")
    permissions = Permissions(mode=0o755)
    with pytest.raises(Exception, match="badValueInteger"):
        folder.setinfo("f", {"access": {"permissions": permissions.dump()}})
