"""Between columns of the domain and their protos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

from isthmus.metadata.v1 import files_pb2

from runtime.errors import InvalidArgument
from services.metadata.domain.columns import FIELDS, Columns
from services.metadata.domain.extras import Extra
from services.metadata.domain.records import FileType

from .convert import acl_to_proto, type_to_proto

#: By what types are called, since members of an enumeration are slow to look up by the thousand.
_TYPES = {type_.value: type_to_proto(type_) for type_ in FileType}


def _types(column: Iterable[FileType]) -> Iterable[Any]:
    return map(_TYPES.__getitem__, map(attrgetter("_value_"), column))


#: Columns whose values have another form on the wire.
_CONVERTED: dict[str, Callable[[Iterable[Any]], Iterable[Any]]] = {"type": _types}
#: Told by few files, so each by its place.
_RARE = ("share_ids", "gids")
#: What the domain can tell, and the wire has a column for.
_MASKABLE = FIELDS - {"named_by"}


def fields_from_mask(paths: Iterable[str]) -> set[str]:
    """Fields of the domain for the columns a mask asks for. Raises InvalidArgument for any other."""
    fields = set(paths)
    unknown = fields - _MASKABLE
    if unknown:
        raise InvalidArgument("no such column", column=min(unknown))
    # Whether a size is a sum depends on what the file is.
    return fields | {"type"} if "size_bytes" in fields else fields


def columns_to_proto(
    columns: Columns, extras: Sequence[Extra], told: files_pb2.FileColumns | None = None
) -> files_pb2.FileColumns:
    """All columns that the wire knows, and what was wanted beside them.

    `told`: the part of an answer to fill; put there later, all of it would be copied.
    """
    told = files_pb2.FileColumns() if told is None else told
    for field, column in columns.items():
        if field in _MASKABLE and field not in _RARE:
            convert = _CONVERTED.get(field)
            getattr(told, field).extend(convert(column) if convert else column)
    for field in _RARE:
        for at, values in enumerate(columns.get(field, ())):
            if values:
                getattr(told.rest[at], field).extend(values)
    for at, extra in enumerate(extras):
        if extra.acl or extra.xattrs:
            told.rest[at].acl.extend(acl_to_proto(extra.acl))
            told.rest[at].xattrs.update(extra.xattrs)
    return told
