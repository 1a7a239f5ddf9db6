"""Pages of files as their readers want them: column by column, or as a record for each file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from isthmus.metadata.v1 import files_pb2

#: Told in every page, or told with another column.
_UNASKED = frozenset({"space_id", "parent_id", "file_id", "name", "has_sum"})
#: What few files have, with the value of all others.
_RARE: dict[str, Callable[[], Any]] = {"share_ids": tuple, "gids": tuple, "acl": tuple, "xattrs": dict}
#: Never told of children: theirs is that of the directory and a name. And what is wanted beside columns.
_ELSEWHERE = frozenset({"path", "acl", "xattrs"})


def mask_of(fields: Iterable[str]) -> FieldMask:
    """What to ask for to have these fields of `File`."""
    return FieldMask(paths=sorted(set(fields) - _UNASKED - _ELSEWHERE))


def columns_of(told: files_pb2.FileColumns, fields: Iterable[str]) -> dict[str, Sequence[Any]]:
    """These fields of `File`, each for all files in their order."""
    count = len(told.file_id)
    return {field: _column(told, field, count) for field in fields}


def _column(told: files_pb2.FileColumns, field: str, count: int) -> Sequence[Any]:
    if field in _RARE:
        column = [_RARE[field]()] * count
        for at, rest in told.rest.items():
            column[at] = getattr(rest, field)
        return column
    if field == "parent_id" and told.parent_ids:
        return list(told.parent_ids)
    if field in ("space_id", "parent_id"):
        return [getattr(told, field)] * count
    if field == "path":
        return [()] * count
    column = list(getattr(told, field))
    return column or [False] * count if field == "has_sum" else column


def files_of(told: files_pb2.FileColumns) -> list[files_pb2.File]:
    """A record for each file, with the fields that were asked for."""
    columns = {field.name: getattr(told, field.name) for field in told.DESCRIPTOR.fields if _is_column(field)}
    there = {name: column for name, column in columns.items() if len(column)}
    files = [
        files_pb2.File(space_id=told.space_id, parent_id=told.parent_id, **dict(zip(there, row, strict=True)))
        for row in zip(*there.values(), strict=True)
    ]
    for file, parent_id in zip(files, told.parent_ids, strict=False):
        file.parent_id = parent_id
    for at, rest in told.rest.items():
        files[at].share_ids.extend(rest.share_ids)
        files[at].gids.extend(rest.gids)
        files[at].acl.extend(rest.acl)
        files[at].xattrs.update(rest.xattrs)
    return files


def _is_column(field: Any) -> bool:
    return field.name not in ("space_id", "parent_id", "parent_ids", "rest")
