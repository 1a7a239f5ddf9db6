"""Files that hold secrets."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from runtime.secret_file import write_secret


def test_new_file_is_its_owners_only(tmp_path: Path) -> None:
    write_secret(tmp_path / "s", b"one")
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600


def test_replacing_leaves_no_other_file(tmp_path: Path) -> None:
    write_secret(tmp_path / "s", b"one")
    write_secret(tmp_path / "s", b"two")
    assert [file.name for file in tmp_path.iterdir()] == ["s"]
    assert (tmp_path / "s").read_bytes() == b"two"


def test_who_could_read_the_former_file_can_read_the_new_one(tmp_path: Path) -> None:
    write_secret(tmp_path / "s", b"one")
    (tmp_path / "s").chmod(0o640)
    write_secret(tmp_path / "s", b"two")
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o640


def test_what_can_not_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    with pytest.raises(OSError, match="s"):
        write_secret(tmp_path / "s", b"two")
    assert [file.name for file in tmp_path.iterdir()] == ["s"]
