"""What the gateway without sockets has in the place of a data port."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isthmus.metadata.v1 import contents_pb2, files_pb2

from runtime.auth import caller
from runtime.errors import IsthmusError
from runtime.http.errors import from_error
from runtime.http.file_ids import FileId, decode
from runtime.http.multipart import Parser, PartEnd, PartHead
from runtime.http.paths import resolve_space, split_path
from runtime.http.ranges import RangeNotSatisfiable, parse_content_range, parse_range
from runtime.request import request_id
from services.gateway.api.http import Headers, to_headers
from services.storage_router.api.data_port.placing import Placing

if TYPE_CHECKING:
    from tests.support.gateway import MetadataTwin

PROVIDER_ID = "provider1"


class DataPortTwin:
    """A data port over a dictionary: begins and commits uploads at metadata, as a real one does."""

    def __init__(self, metadata: MetadataTwin) -> None:
        self._metadata = metadata
        self._storage: dict[str, bytes] = {}
        #: What copies that may take long wait for.
        self.gate = asyncio.Event()
        self.gate.set()

    async def open(self, file: FileId, first: int = 0, last: int | None = None) -> OpenTwin:
        located = await self._told(
            self._metadata.locate_content(
                contents_pb2.LocateContentRequest(
                    file=files_pb2.FileRef(space_id=file.space_id, file_id=file.uuid)
                )
            )
        )
        content = self._storage.get(located.location.storage_file_id, b"")
        return OpenTwin(content[first : None if last is None else last + 1], len(content))

    async def fetch(self, file: FileId, headers: Mapping[str, str], *, head: bool = False) -> FetchedTwin:
        whole = await self.open(file)
        ref = files_pb2.FileRef(space_id=file.space_id, file_id=file.uuid)
        found = await self._metadata.get_file(files_pb2.GetFileRequest(file=ref))
        told: Headers = ((b"content-type", found.file.mimetype.encode()),)
        if head or "range" not in headers:
            return FetchedTwin(whole.content, whole.size_bytes, 200, told)
        try:
            first, last = parse_range(headers["range"], whole.size_bytes)[0]
        except RangeNotSatisfiable as error:
            return FetchedTwin(b"", whole.size_bytes, 416, to_headers(error.headers.items()))
        place = (b"content-range", b"bytes %d-%d/%d" % (first, last, whole.size_bytes))
        return FetchedTwin(whole.content[first : last + 1], whole.size_bytes, 206, (*told, place))

    async def copy(
        self, source: FileId, path: str, mode: int, told: Callable[[int], None] | None = None
    ) -> None:
        if told is not None:
            told(0)
            await self.gate.wait()
        content = await self.open(source)
        headers = {"isthmus-mode": f"{mode:o}"}
        await self.put(path, content.content, content.size_bytes, headers)

    async def put(self, path: str, pieces: Any, size_bytes: int, headers: dict[str, str]) -> bool:
        body = pieces if isinstance(pieces, bytes) else b"".join([piece async for piece in pieces()])
        assert len(body) == size_bytes
        return bool(await self._told(self._put(self._ref(path), body, headers)))

    async def put_stream(self, path: str, pieces: AsyncIterator[bytes], headers: dict[str, str]) -> bool:
        body = b"".join([piece async for piece in pieces])
        return await self.put(path, body, len(body), headers)

    async def put_parts(
        self,
        path: str,
        boundary: bytes,
        pieces: AsyncIterator[bytes],
        ranges: Sequence[tuple[int, int]],
        headers: dict[str, str],
    ) -> bool:
        """Where parts go is the real rule; they are put together in memory, and written in one piece."""
        parser, placing = Parser(boundary), Placing(ranges)
        value, heads = bytearray(), list[PartHead]()
        async for piece in pieces:
            for event in parser.feed(piece):
                if isinstance(event, PartHead):
                    heads.append(event)
                    placing.begin(event)
                elif isinstance(event, PartEnd):
                    placing.end()
                else:
                    at = placing.take(len(event))
                    value.extend(bytes(max(0, at - len(value))))
                    value[at : at + len(event)] = event
        parser.close()
        spans = placing.spans()
        headers = {**headers, "content-type": heads[0].headers.get("content-type", "")}
        if placing.is_ranged:
            headers["content-range"] = f"bytes {spans[0][0]}-{len(value) - 1}/*"
        body = bytes(value[spans[0][0] :]) if placing.is_ranged else bytes(value)
        return await self.put(path, body, len(body), headers)

    def _ref(self, path: str) -> files_pb2.FileRef:
        names = split_path(path.encode())
        if names[0] == "cdmi_objectid":
            file = decode(names[1])
            assert file is not None
            return files_pb2.FileRef(space_id=file.space_id, file_id=file.uuid, path=names[2:])
        space_id = resolve_space(caller(), names[0], provider_id=PROVIDER_ID)
        return files_pb2.FileRef(space_id=space_id, path=names[1:])

    async def _put(self, ref: files_pb2.FileRef, body: bytes, headers: dict[str, str]) -> bool:
        where = headers.get("content-range")
        offset = parse_content_range(where)[0] if where else 0
        mode = contents_pb2.UPLOAD_MODE_PATCH if where else contents_pb2.UPLOAD_MODE_REPLACE
        begun = await self._metadata.begin_upload(
            contents_pb2.BeginUploadRequest(
                request_id=request_id(),
                file=ref,
                mode=mode,
                create=bool(ref.path),
                size_bytes=len(body),
                exclusive="isthmus-mode" in headers,
            )
        )
        old = self._storage.get(begun.location.storage_file_id, b"") if where else b""
        content = old.ljust(offset, b"\0")
        stored = begun.location.storage_file_id if where and old else f"/{secrets.token_hex(8)}"
        self._storage[stored] = content[:offset] + body + content[offset + len(body) :]
        commit = contents_pb2.CommitUploadRequest(
            request_id=request_id(), space_id=begun.space_id, file_id=begun.file_id, mode=mode,
            create=not begun.exists, parent_id="" if begun.exists else begun.parent_id,
            name="" if begun.exists else begun.name, storage_id="s1", storage_file_id=stored,
            offset=offset, size_bytes=len(body),
            completion_status="Processing" if headers.get("x-cdmi-partial") == "true" else "Complete",
        )  # fmt: skip
        if "isthmus-mode" in headers:
            commit.permissions = int(headers["isthmus-mode"], 8)
        media, _, parameters = headers.get("content-type", "").partition(";")
        if media:
            commit.mimetype = media
        if "utf-8" in parameters:
            commit.value_transfer_encoding = "utf-8"
        return (await self._metadata.commit_upload(commit)).created

    async def _told(self, answer: Any) -> Any:
        """Errors come over HTTP, so they come as the catalogue's."""
        try:
            return await answer
        except IsthmusError as error:
            raise from_error(error, provider_id=PROVIDER_ID) from error


@dataclass
class OpenTwin:
    """Bytes in memory, in small pieces."""

    content: bytes
    size_bytes: int

    async def pieces(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.content), 1000):
            yield self.content[start : start + 1000]

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class FetchedTwin(OpenTwin):
    """An answer with one range, or with everything."""

    status: int
    headers: Headers

    @property
    def length(self) -> int:
        return len(self.content)
