"""Some fields of many files, each field in a column of its own.

A page of a directory told so costs a fraction of what a record for each of its files would.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from .records import File

#: By fields and properties of `File`; all columns are of one length.
Columns = dict[str, list[Any]]

#: What can be asked for.
FIELDS = frozenset(
    {
        "file_id", "name", "named_by", "type", "mode", "owner_id", "provider_id", "creation_time_ms",
        "atime_ms", "mtime_ms", "ctime_ms", "size_bytes", "local_bytes", "symlink_target", "hard_link_count",
        "has_custom_metadata", "mimetype", "value_transfer_encoding", "completion_status", "has_acl",
        "share_ids", "gids",
    }
)  # fmt: skip
#: What identifies a file in its directory.
IDENTITY = ("file_id", "name", "named_by")
#: Texts without a narrow bound.
_TEXTS = ("name", "path", "symlink_target", "mimetype")


def columns_of(files: Collection[File], fields: Iterable[str]) -> Columns:
    """These fields of records."""
    return {field: [getattr(file, field) for file in files] for field in fields}


def first_rows(columns: Columns, count: int) -> Columns:
    """The columns of the first files only."""
    if count >= height(columns):
        return columns
    return some_rows(columns, 0, count)


def some_rows(columns: Columns, start: int, end: int) -> Columns:
    """The columns of the files between two places only."""
    return {field: column[start:end] for field, column in columns.items()}


def height(columns: Columns) -> int:
    """How many files there are."""
    return len(columns["file_id"])


def put_row(columns: Columns, at: int, file: File, *, kept: Collection[str]) -> None:
    """Has a row tell what this record does, but for the fields to be kept."""
    for field, column in columns.items():
        if field not in kept:
            column[at] = getattr(file, field)


def rows_fitting(columns: Columns, *, row_bytes: int, limit_bytes: int) -> int:
    """How many of the first files can be told in so many bytes, at least one.

    `row_bytes`: what a file takes beside its texts, at most.
    """
    if bytes_at_most(columns, row_bytes=row_bytes) <= limit_bytes:
        return height(columns)
    texts = [columns[field] for field in _TEXTS if field in columns]
    size_bytes = 0
    for count, row in enumerate(zip(*texts, strict=True)):
        size_bytes += row_bytes + sum(len(text.encode()) for text in row)
        if size_bytes > limit_bytes and count:
            return count
    return height(columns)


def bytes_at_most(columns: Columns, *, row_bytes: int) -> int:
    """What the files take when they are told, at most: a character has 4 bytes at most."""
    texts = [columns[field] for field in _TEXTS if field in columns]
    return height(columns) * row_bytes + 4 * sum(sum(map(len, text)) for text in texts)
