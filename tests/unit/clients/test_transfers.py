"""Uploads and downloads: trees, resumption, retries, checks."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import pytest

from clients.cli.downloads import Downloads
from clients.cli.transfer import Options, is_part_of, part_name, pieces
from clients.cli.uploads import Uploads
from clients.http_api import ClientError, UnreachableError
from clients.rest import ProviderClient
from tests.support.provider_twin import ProviderTwin

OPTIONS = Options(retries=0, retry_wait_s=0.0, resumable_bytes=1000)
BIG = os.urandom(4500)


class Counted:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.expected = self.moved = 0
        self.notes: list[str] = []

    def expect(self, size_bytes: int) -> None:
        self.expected += size_bytes

    def advance(self, size_bytes: int) -> None:
        self.moved += size_bytes

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def twin() -> ProviderTwin:
    return ProviderTwin()


@pytest.fixture
def provider(twin: ProviderTwin):
    with ProviderClient("https://provider", "token", transport=twin.transport) as client:
        yield client


@pytest.fixture
def progress() -> Counted:
    return Counted()


def put(provider: ProviderClient, progress: Counted, source: Path, target: str, **changes: object) -> Uploads:
    uploads = Uploads(provider, progress, replace(OPTIONS, **changes))
    uploads.put([str(source)], target)
    return uploads


def get(
    provider: ProviderClient, progress: Counted, source: str, target: Path, **changes: object
) -> Downloads:
    downloads = Downloads(provider, progress, replace(OPTIONS, **changes))
    downloads.get([source], str(target))
    return downloads


def test_a_small_file_is_one_request(provider, twin, progress, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello")
    uploads = put(provider, progress, tmp_path / "a.txt", "space/x/b.txt")
    assert twin.find("space/x/b.txt").content == b"hello"
    assert (uploads.outcome.files, progress.expected, progress.moved) == (1, 5, 5)
    assert twin.requests[-1] == "PUT /cdmi/space/x/b.txt"


def test_a_target_with_slash_keeps_the_name(provider, twin, progress, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello")
    put(provider, progress, tmp_path / "a.txt", "space/dir/")
    assert twin.find("space/dir/a.txt").content == b"hello"


def test_a_large_file_shows_only_when_whole(provider, twin, progress, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(BIG)
    twin.break_uploads_after = [999]
    uploads = put(provider, progress, tmp_path / "big", "space/big")
    assert uploads.outcome.failed == 1
    assert twin.find("space/big") is None


def test_an_upload_goes_on_where_it_stopped(provider, twin, progress, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(BIG)
    hidden = part_name("big", "big", *_identity(tmp_path / "big"))
    twin.write(f"space/{hidden}", BIG[:3000])
    uploads = put(provider, progress, tmp_path / "big", "space/big")
    assert twin.find("space/big").content == BIG
    assert (uploads.outcome.resumed_bytes, progress.moved) == (3000, 4500)
    assert [name for name in twin.space.children if name.endswith(".part")] == []


def test_a_changed_source_begins_anew(provider, twin, progress, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(BIG)
    twin.write("space/" + part_name("big", "big", *_identity(tmp_path / "big")), BIG[:3000])
    (tmp_path / "big").write_bytes(BIG[::-1])
    os.utime(tmp_path / "big", (1, 1))
    put(provider, progress, tmp_path / "big", "space/big")
    assert twin.find("space/big").content == BIG[::-1]


def test_a_broken_upload_is_tried_again_and_told(provider, twin, progress, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"hello")
    twin.break_uploads_after = [1]
    uploads = put(provider, progress, tmp_path / "a", "space/a", retries=1)
    assert (uploads.outcome.files, uploads.outcome.failed, progress.moved) == (1, 0, 5)
    assert "trying again" in progress.notes[0]


def test_a_tree_is_copied_and_links_left_out(provider, twin, progress, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a/b").mkdir(parents=True)
    (tree / "a/one").write_bytes(b"1")
    (tree / "a/b/two").write_bytes(b"22")
    (tree / "link").symlink_to("a/one")
    uploads = put(provider, progress, tree, "space", recursive=True)
    assert twin.find("space/tree/a/b/two").content == b"22"
    assert (uploads.outcome.files, uploads.outcome.skipped) == (2, 1)


def test_update_leaves_out_what_is_there(provider, twin, progress, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "old").write_bytes(b"1")
    (tree / "new").write_bytes(b"2")
    os.utime(tree / "old", (1, 1))
    twin.write("space/tree/old", b"1")
    uploads = put(provider, progress, tree, "space", recursive=True, update=True)
    assert (uploads.outcome.files, uploads.outcome.unchanged) == (1, 1)


def test_a_directory_needs_recursive(provider, progress, tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="--recursive"):
        put(provider, progress, tmp_path, "space")


def test_one_refused_file_does_not_stop_the_rest(provider, twin, progress, tmp_path: Path) -> None:
    twin.write("space/a", b"1")
    twin.write("space/b", b"2")
    (tmp_path / "a").mkdir()  # a file cannot take the name of a directory
    downloads = Downloads(provider, progress, OPTIONS)
    downloads.get(["space/a", "space/b"], str(tmp_path))
    assert (downloads.outcome.failed, (tmp_path / "b").read_bytes()) == (1, b"2")


def test_a_download_goes_on_with_a_range(provider, twin, progress, tmp_path: Path) -> None:
    content = os.urandom((4 << 20) + 1000)
    twin.write("space/big", content)
    twin.break_downloads_after = [3 << 20]
    assert get(provider, progress, "space/big", tmp_path / "big").outcome.failed == 1
    assert not (tmp_path / "big").exists()
    second = get(provider, progress, "space/big", tmp_path / "big")
    assert (tmp_path / "big").read_bytes() == content
    assert second.outcome.resumed_bytes == 3 << 20


def test_a_part_of_another_version_is_thrown_away(provider, twin, progress, tmp_path: Path) -> None:
    content = os.urandom((4 << 20) + 1000)
    twin.write("space/big", content)
    twin.break_downloads_after = [3 << 20]
    get(provider, progress, "space/big", tmp_path / "big")
    twin.write("space/big", content[::-1])
    second = get(provider, progress, "space/big", tmp_path / "big")
    assert (tmp_path / "big").read_bytes() == content[::-1]
    assert (second.outcome.resumed_bytes, names(tmp_path)) == (0, ["big"])


def test_an_old_file_stays_when_the_new_one_breaks(provider, twin, progress, tmp_path: Path) -> None:
    twin.write("space/f", b"new content")
    (tmp_path / "f").write_bytes(b"old")
    twin.break_downloads_after = [3]
    downloads = get(provider, progress, "space/f", tmp_path / "f")
    assert downloads.outcome.unreachable
    assert ((tmp_path / "f").read_bytes(), names(tmp_path)) == (b"old", ["f"])


def test_verify_compares_both_sides(provider, twin, progress, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"hello")
    assert put(provider, progress, tmp_path / "a", "space/a", verify=True).outcome.files == 1
    with pytest.raises(ClientError, match="SHA-256"):
        Uploads(provider, progress, OPTIONS).check_same(
            tmp_path / "a", twin.write("space/b", b"other").file_id
        )


def test_an_absent_server_ends_the_whole_command(provider, twin, progress, tmp_path: Path) -> None:
    for number in range(50):
        twin.write(f"space/t/f{number}", b"content")
    twin.break_downloads_after = [1] * 50
    downloads = get(provider, progress, "space/t", tmp_path, recursive=True, parallel=1)
    assert downloads.outcome.unreachable
    assert downloads.outcome.failed < 5


def test_pieces_notice_a_shrinking_source() -> None:
    source = io.BytesIO(b"12345")
    source.name = "f"
    with pytest.raises(ClientError, match="shorter"):
        list(pieces(source, 9))


def test_part_names_fit_and_are_recognised() -> None:
    long = "ü" * 127
    assert len(part_name(long, 1).encode()) <= 255
    assert is_part_of(part_name(long, 1), long)
    assert not is_part_of(part_name("other", 1), "big")


def test_retries_end(provider, progress) -> None:
    calls = []

    def attempt() -> None:
        calls.append(1)
        raise UnreachableError("away")

    with pytest.raises(UnreachableError):
        Uploads(provider, progress, replace(OPTIONS, retries=2)).retried("f", attempt)
    assert len(calls) == 3


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def _identity(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino
