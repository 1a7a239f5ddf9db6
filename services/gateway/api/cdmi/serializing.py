"""`{"serialize": source}`: an object, or a tree, becomes JSON, which is the value of another object.

It is written while it is read, one page of one directory after the other, so its size is bounded only by what
an operator allows. What the caller may not read in a tree is left out, as is what goes away meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from isthmus.metadata.v1 import files_pb2

from clients.file_columns import files_of, mask_of
from runtime.errors import AccessDenied, NoSuchFile, NotADirectory
from runtime.http.cdmi import Query, is_reference
from runtime.http.errors import ApiError
from services.gateway.api.cdmi.items import items_of
from services.gateway.api.cdmi.nodes import Node
from services.gateway.api.cdmi.told_values import ToldValue, tell
from services.gateway.api.namespace import id_of, ref
from services.gateway.api.ports import DataPort, Metadata
from services.gateway.domain.acls import PrincipalNames
from services.gateway.domain.cdmi import values
from services.gateway.domain.cdmi.fields import common_fields
from services.gateway.domain.cdmi.values import BASE64
from services.gateway.domain.files import DIRECTORY, QUEUE, REGULAR, SYMLINK, FileRecord

#: One page of each directory on the way down is held.
_PAGE_SIZE = 100
#: Directories below each other; as deep as a path may be.
MAX_DEPTH = 1024
_FIELDS = mask_of(
    ["type", "mode", "owner_id", "atime_ms", "mtime_ms", "ctime_ms", "size_bytes", "symlink_target",
     "has_custom_metadata", "has_acl", "mimetype", "value_transfer_encoding", "completion_status"]
)  # fmt: skip
#: What a reader who goes through a tree passes over.
_LEFT_OUT = ("eacces", "enoent")


@dataclass(frozen=True, slots=True)
class SerialLimits:
    """What an operator allows of one serialisation, on writing and on reading it."""

    objects: int = 10_000
    size_bytes: int = 1 << 30


@dataclass(slots=True)
class _Level:
    """A directory whose children are being written."""

    names: tuple[str, ...]
    pages: AsyncIterator[list[files_pb2.File]]
    files: Iterator[files_pb2.File] = field(default_factory=lambda: iter(()))
    is_empty: bool = True

    async def next(self) -> files_pb2.File | None:
        """The next child; None at the end."""
        while (file := next(self.files, None)) is None:
            page = await anext(self.pages, None)
            if page is None:
                return None
            self.files = iter(page)
        return file


@dataclass(frozen=True, slots=True)
class _Begun:
    """An object that can be read: its JSON up to its value or children."""

    opening: bytes
    value: ToldValue | None = None
    level: _Level | None = None

    async def close(self) -> None:
        """For an object that is not written."""
        if self.value is not None:
            await self.value.close()


class Serializing:
    """Writes objects as JSON."""

    def __init__(
        self, metadata: Metadata, data_port: DataPort, principals: PrincipalNames, limits: SerialLimits
    ) -> None:
        self._metadata = metadata
        self._data_port = data_port
        self._principals = principals
        self._limits = limits

    async def serialized(self, source: Node) -> AsyncIterator[bytes]:
        """The JSON of an object. Raises what reading the object itself raises, ApiError `limitReached`."""
        left = self._limits.size_bytes
        async for piece in self._write(source):
            left -= len(piece)
            if left < 0:
                raise too_much(self._limits.size_bytes, "bytes of a serialisation")
            yield piece

    async def _write(self, source: Node) -> AsyncIterator[bytes]:
        user_id = source.identity.subject_id
        begun = await self._begin(source.file, source.names, user_id)
        levels: list[_Level] = []
        count = 0
        while True:
            count += 1
            if count > self._limits.objects or len(levels) > MAX_DEPTH:
                await begun.close()
                raise too_much(self._limits.objects, "objects of a serialisation")
            async for piece in _written(begun):
                yield piece
            if begun.level is not None:
                levels.append(begun.level)
            found = None
            while levels and (found := await self._next(levels[-1], user_id)) is None:
                levels.pop()
                yield b"]}"
            if found is None:
                return
            yield b"" if levels[-1].is_empty else b","
            levels[-1].is_empty = False
            begun = found

    async def _next(self, level: _Level, user_id: str) -> _Begun | None:
        """The next child that can be read."""
        while (file := await level.next()) is not None:
            if file.type == QUEUE:
                # Left out it would be missing in what is made of this, and nobody would be told.
                raise ApiError("notSupported")
            if file.type not in (DIRECTORY, REGULAR) and not is_reference(file.symlink_target):
                continue
            try:
                return await self._begin(file, (*level.names, file.name), user_id)
            except (AccessDenied, NoSuchFile, NotADirectory):
                continue
            except ApiError as error:
                if error.id != "notFound" and (error.details or {}).get("errno") not in _LEFT_OUT:
                    raise
        return None

    async def _begin(self, file: FileRecord, names: tuple[str, ...], user_id: str) -> _Begun:
        if file.type == SYMLINK:
            told = {"objectName": f"{names[-1]}?", "reference": file.symlink_target}
            return _Begun(orjson.dumps(told))
        items = await items_of(self._metadata, self._principals, file, Query())
        fields = common_fields(file, names, Query(), items, user_id)
        if file.type == DIRECTORY:
            level = _Level(names, self._pages(file))
            # Whether it may be listed shows with its first page.
            level.files = iter(await anext(level.pages))
            return _Begun(_opening(fields, "children", b"["), level=level)
        return await self._begin_object(file, fields)

    async def _begin_object(self, file: FileRecord, fields: dict[str, Any]) -> _Begun:
        value = await tell(self._data_port, id_of(file), None, file.value_transfer_encoding or BASE64)
        fields["valuetransferencoding"] = value.encoding
        fields["valuerange"] = values.value_range(None, value.size_bytes)
        return _Begun(_opening(fields, "value", b'"'), value=value)

    async def _pages(self, directory: FileRecord) -> AsyncIterator[list[files_pb2.File]]:
        token = ""
        while True:
            answer = await self._metadata.list_children(
                files_pb2.ListChildrenRequest(
                    directory=ref(id_of(directory)),
                    page_size=_PAGE_SIZE,
                    page_token=token,
                    inclusive=True,
                    read_mask=_FIELDS,
                )
            )
            yield files_of(answer.columns)
            if answer.is_last:
                return
            token = answer.next_page_token


def _opening(fields: dict[str, Any], last: str, mark: bytes) -> bytes:
    return orjson.dumps(fields)[:-1] + b',"%b":%b' % (last.encode(), mark)


async def _written(begun: _Begun) -> AsyncIterator[bytes]:
    """An object, or a container up to its first child."""
    yield begun.opening
    if begun.value is not None:
        async for piece in begun.value.pieces():
            yield piece
        yield b'"}'


def too_much(limit: int, what: str) -> ApiError:
    """More than an operator allows."""
    return ApiError("limitReached", {"limit": limit, "resourceDescription": what})
