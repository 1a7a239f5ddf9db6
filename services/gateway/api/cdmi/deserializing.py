"""`{"deserialize": source}` and `{"deserializevalue": base64}`: JSON becomes an object, or a tree, again.

It is made while it is read. A tree is made out of sight, and gets its place once it is whole; each file of it
has a request id of its own, so a request that is tried again goes on with what was made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from isthmus.metadata.v1 import files_pb2

from runtime.errors import FileExists, InvalidName, IsthmusError
from runtime.http import file_ids
from runtime.http.errors import ApiError, posix
from runtime.http.file_ids import FileId
from runtime.http.paths import quote_segment
from runtime.request import bind, request_id
from services.gateway.api.cdmi.nodes import Node
from services.gateway.api.cdmi.repeats import is_ours, step_id
from services.gateway.api.cdmi.serializing import MAX_DEPTH, SerialLimits, too_much
from services.gateway.api.cdmi.updates import Update, Updates, overridden, planned
from services.gateway.api.cdmi.workshops import Workshops
from services.gateway.api.namespace import id_of, ref
from services.gateway.api.ports import DataPort, Metadata
from services.gateway.domain.cdmi import metadata as rules
from services.gateway.domain.cdmi.addresses import to_url_path
from services.gateway.domain.cdmi.serialized import Entry, Reader
from services.gateway.domain.cdmi.values import content_type_of
from services.gateway.domain.files import DIRECTORY, REGULAR, SYMLINK
from services.gateway.domain.xattrs import check_mimetype

#: Values up to this size are sent as one piece.
_SMALL = 256 * 1024


@dataclass(slots=True)
class _Place:
    """Where an object goes. `path`: percent-encoded, as a data port finds it. `number`: of the object in the
    serialisation, which its request id is made of."""

    parent: files_pb2.FileRef
    name: str
    path: str
    number: int = 0

    @property
    def request_id(self) -> str:
        """That of this object: the topmost is what the request is about."""
        return f"{request_id()}/{self.number}" if self.number else request_id()

    @property
    def ref(self) -> files_pb2.FileRef:
        """The place, as the metadata service is told of it."""
        path = [*self.parent.path, self.name]
        return files_pb2.FileRef(space_id=self.parent.space_id, file_id=self.parent.file_id, path=path)


@dataclass(slots=True)
class _Level:
    """A directory whose children are being made."""

    entry: Entry
    place: _Place
    inside: files_pb2.FileRef
    path: str
    names: set[str] = field(default_factory=set)

    def below(self, entry: Entry, number: int) -> _Place:
        """The place of a child. Raises ApiError `malformedData` for a name that occurs twice."""
        name = entry.name
        if name in self.names:
            raise ApiError("malformedData")
        self.names.add(name)
        return _Place(self.inside, name, f"{self.path}/{quote_segment(name)}", number)


class Deserializing:
    """Makes files of their JSON, as the caller of the request under way."""

    def __init__(
        self,
        metadata: Metadata,
        data_port: DataPort,
        updates: Updates,
        workshops: Workshops,
        limits: SerialLimits,
    ) -> None:
        self._metadata = metadata
        self._data_port = data_port
        self._updates = updates
        self._workshops = workshops
        self._limits = limits

    async def make(self, node: Node, chunks: AsyncIterator[bytes], update: Update | None) -> None:
        """Makes what the JSON says where nothing is. `update`: what the topmost has differently.

        Raises EEXIST; ApiError `badData` by the field, `malformedData`, `limitReached`; what making files
        raises. Then nothing is left of it.
        """
        if node.record is not None and not is_ours(node.record):
            raise posix("eexist")
        place = _Place(node.parent_ref(), node.names[-1], node.inside_path())
        reader = Reader(chunks, limit_bytes=self._limits.size_bytes)
        if node.container:
            await self._workshops.make(
                node, lambda inside: self._make_tree(reader, inside, place.name, update)
            )
            return
        try:
            await self._make_all(reader, place, update, container=False)
        except BaseException:
            await self._take_away(place.ref)
            raise

    async def _make_tree(self, reader: Reader, inside: FileId, name: str, update: Update | None) -> None:
        path = _path_of(inside)
        place = _Place(ref(inside), name, f"{path}/{quote_segment(name)}")
        await self._make_all(reader, place, update, container=True)

    async def _take_away(self, where: files_pb2.FileRef) -> None:
        """What somebody else has put there meanwhile is his."""
        with suppress(IsthmusError, ApiError):
            found = await self._metadata.get_file(files_pb2.GetFileRequest(file=where))
            if is_ours(found.file):
                gone = files_pb2.DeleteFileRequest(request_id=step_id("undo"), file=ref(id_of(found.file)))
                await self._metadata.delete_file(gone)

    async def _make_all(
        self, reader: Reader, place: _Place, update: Update | None, *, container: bool
    ) -> None:
        top = await reader.entry()
        if top is None or (top.type == DIRECTORY) != container:
            raise ApiError("badData", {"key": "objectType"})
        level = await self._make(reader, top, place, update)
        levels = [level] if level else []
        number = 1
        while levels:
            entry = await reader.entry()
            if entry is None:
                level = levels.pop()
                await reader.rest(level.entry)
                await self._finish(level.entry, level.place, None if levels else update)
                continue
            if number >= self._limits.objects or len(levels) > MAX_DEPTH:
                raise too_much(self._limits.objects, "objects of a serialisation")
            level = await self._make(reader, entry, levels[-1].below(entry, number), None)
            levels += [level] if level else []
            number += 1
        await reader.end()

    async def _make(
        self, reader: Reader, entry: Entry, place: _Place, update: Update | None
    ) -> _Level | None:
        """One object whole; of a container that has children what comes before them."""
        with bind(request_id=place.request_id):
            if entry.type == SYMLINK:
                await self._create(place, SYMLINK, symlink_target=entry.reference)
            elif entry.type == REGULAR:
                await self._make_file(reader, entry, place)
            else:
                made = await self._create(place, DIRECTORY)
                if entry.content:
                    return _Level(entry, place, ref(id_of(made)), _path_of(id_of(made)))
        await reader.rest(entry)
        await self._finish(entry, place, update)
        return None

    async def _create(self, place: _Place, type: int, symlink_target: str = "") -> files_pb2.File:
        request = files_pb2.CreateFileRequest(
            request_id=request_id(),
            parent=place.parent,
            name=place.name,
            type=files_pb2.FileType.ValueType(type),
            symlink_target=symlink_target,
        )
        try:
            return (await self._metadata.create_file(request)).file
        except FileExists:
            answer = await self._metadata.get_file(files_pb2.GetFileRequest(file=place.ref))
            if not is_ours(answer.file):
                raise
            return answer.file

    async def _make_file(self, reader: Reader, entry: Entry, place: _Place) -> None:
        headers = {"content-type": content_type_of(_mimetype(entry), entry.encoding)[0]}
        if entry.fields.get("completionStatus") == "Processing":
            headers["x-cdmi-partial"] = "true"
        pieces = reader.value(entry.encoding) if entry.content else _nothing()
        first = bytearray()
        async for piece in pieces:
            first += piece
            if len(first) > _SMALL:
                await self._data_port.put_stream(place.path, _chained(bytes(first), pieces), headers)
                return
        await self._data_port.put(place.path, bytes(first), len(first), headers)

    async def _finish(self, entry: Entry, place: _Place, update: Update | None) -> None:
        """Metadata and ACL; last, since an ACL may forget about who makes it."""
        if entry.type == SYMLINK:
            if update is not None:
                raise ApiError("malformedData")
            return
        change = rules.plan(entry.fields.get("metadata"), ())
        is_directory = entry.type == DIRECTORY
        mimetype = None if is_directory else _untold(entry)
        try:
            told = planned(change, directory=is_directory, mimetype=mimetype)
        except InvalidName:
            raise ApiError("badData", {"key": "metadata"}) from None
        wanted = overridden(told or Update(), update)
        if wanted != Update():
            with bind(request_id=place.request_id):
                await self._updates.apply_to(place.ref, wanted)


def _path_of(directory: FileId) -> str:
    """Percent-encoded, as a data port finds it."""
    id = file_ids.encode(directory.space_id, directory.uuid)
    return to_url_path(("cdmi_objectid", id), container=False)


def _mimetype(entry: Entry) -> str | None:
    mimetype = entry.fields.get("mimetype")
    try:
        return None if mimetype is None else check_mimetype(mimetype)
    except IsthmusError:
        raise ApiError("badData", {"key": "mimetype"}) from None


def _untold(entry: Entry) -> str | None:
    """The media type, where it did not come with the value."""
    mimetype = _mimetype(entry)
    return mimetype if "mimetype" in entry.late else content_type_of(mimetype, entry.encoding)[1]


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
