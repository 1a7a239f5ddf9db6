"""`/download/{code}`: a directory as a tar archive, made while it is sent, resumable."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import structlog

from runtime.auth import ClusterKey, LastingIdentity
from runtime.clock import Clock
from runtime.errors import AccessDenied, IsthmusError, NoSuchFile, NotPermitted
from runtime.http.errors import ApiError
from runtime.http.ranges import MAX_OFFSET, RangeNotSatisfiable
from runtime.request import Call, current_call, request_id
from services.storage_router import metrics
from services.storage_router.api.data_port import replies
from services.storage_router.api.data_port.connection import ClientGone, Connection
from services.storage_router.api.data_port.content import Service
from services.storage_router.api.data_port.downloads import descriptor_of, extent_parts, write_extents
from services.storage_router.api.data_port.exchange import Exchange
from services.storage_router.api.data_port.replies import Headers
from services.storage_router.api.data_port.transfer import BytesPart, Transfers
from services.storage_router.domain import archives
from services.storage_router.domain.accesses import Accesses
from services.storage_router.domain.archives import Directories, Download, Entry, Progress, Survey
from services.storage_router.domain.contents import Located
from services.storage_router.domain.drivers import is_of_storage
from services.storage_router.domain.reading import OpenContent

log = structlog.get_logger(__name__)

PREFIX = b"/download/"

#: Up to this size a file is read into memory, some of them at a time.
SMALL_BYTES = 64 * 1024
AT_ONCE = 32
#: What is gathered before it is sent.
FLUSH_BYTES = 256 * 1024
#: How often it is noted how far a download has come.
NOTE_INTERVAL_S = 2.0
#: Longest a tree is walked before an answer to who resumes begins; the front door bears a bit more silence.
SURVEY_LIMIT_S = 60.0
#: How long the identity that a code stands for is believed; renewed at half of it.
IDENTITY_LIFE_MS = 600_000

_CORS: Headers = [(b"access-control-allow-origin", b"*")]
_RANGE = re.compile(rb"[ \t]*bytes[ \t]*=[ \t]*([0-9]{1,19})[ \t]*-[ \t]*", re.IGNORECASE)


class ArchiveFront:
    """Sends archives to whoever holds a code, once; what broke off goes on with `Range: bytes=N-`."""

    def __init__(
        self,
        service: Service,
        directories: Directories,
        transfers: Transfers,
        accesses: Accesses,
        key: ClusterKey,
        clock: Clock,
    ) -> None:
        self._reading = service.reading
        self._directories = directories
        self._transfers = transfers
        self._accesses = accesses
        self._key = key
        self._clock = clock

    async def handle(self, exchange: Exchange) -> None:
        """The answer. ApiError, IsthmusError, RangeNotSatisfiable."""
        exchange.always = _CORS
        if exchange.head.method != "GET":
            exchange.reply(405, [(b"allow", b"GET")])
            return
        code = exchange.head.path[len(PREFIX) :].decode("latin-1")
        offset = _offset(exchange.header(b"range"))
        download = await self._directories.start(code, request_id=request_id(), resume=offset > 0)
        caller = _Caller(self._key, self._clock, download.identity)
        caller.renew()
        survey = Survey()
        if offset:
            survey = await self._survey(download, offset)
            _check(survey, offset)
        await self._send(exchange, download, caller, survey, offset)

    async def _survey(self, download: Download, offset: int) -> Survey:
        """The front door gives up an answer that is silent for longer than this takes."""
        try:
            async with asyncio.timeout(SURVEY_LIMIT_S):
                return await archives.survey(self._directories, download, offset)
        except TimeoutError:
            log.warning("download_not_resumed", space_id=download.directory.space_id, offset=offset)
            raise _begin_anew() from None

    async def _send(
        self, exchange: Exchange, download: Download, caller: _Caller, survey: Survey, offset: int
    ) -> None:
        progress = survey.begin
        out = _Outgoing(exchange.connection, self._transfers, skip=offset - progress.offset, whole=not offset)
        notes = _Notes(self._directories, download.code)
        pages = archives.pages(self._directories, download.directory, survey.token)
        try:
            async for _, page in pages:
                if not exchange.status:
                    out.write(exchange.begin(*_head(download, survey, offset), _length(survey, offset)))
                async for member in self._members(download, page.entries):
                    await out.member(member)
                    progress.add(member.header, member.located, member.size_bytes)
                    await notes.tell(progress)
                caller.renew()
            await out.end()
        except ClientGone:
            await notes.tell(progress, at_once=True)
            raise
        finally:
            metrics.SENT_BYTES.inc(out.sent_bytes)
            self._accesses.read(download.directory.space_id, out.sent_bytes)
        if offset and out.sent_bytes != survey.total_bytes - offset:
            raise ClientGone  # it changed meanwhile, and the length was promised

    async def _members(self, download: Download, entries: Sequence[Entry]) -> AsyncIterator[_Member]:
        """What becomes of entries: small files are read ahead, large ones opened when their turn comes."""
        for first in range(0, len(entries), AT_ONCE):
            some = entries[first : first + AT_ONCE]
            small = [entry for entry in some if archives.size_of(entry.located) <= SMALL_BYTES]
            read = await asyncio.gather(*(self._read(download, entry) for entry in small))
            ready = {entry.path: member for entry, member in zip(small, read, strict=True)}
            for entry in some:
                member = ready[entry.path] if entry.path in ready else await self._open(download, entry)
                if member is None:
                    continue  # it is gone, or not the caller's to read any more
                try:
                    yield member
                finally:
                    member.close()

    async def _read(self, download: Download, entry: Entry) -> _Member | None:
        member = await self._open(download, entry)
        if member is None or member.content is None:
            return member
        content = member.content
        try:
            pieces = [await content.read(extent) for extent in content.extents(0, content.size_bytes)]
        finally:
            content.close()
        return replace(member, content=None, body=b"".join(pieces))

    async def _open(self, download: Download, entry: Entry) -> _Member | None:
        if not archives.size_of(entry.located):
            return _Member(archives.header(download.name, entry), entry.located, 0)
        try:
            share_id = download.directory.share_id
            content = await self._reading.open_located(entry.located, share_id=share_id)
        except (NoSuchFile, AccessDenied, NotPermitted) as refused:
            if is_of_storage(refused):
                raise
            return None
        size_bytes = content.size_bytes
        return _Member(
            archives.header(download.name, entry, size_bytes), content.located, size_bytes, content=content
        )


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of the archive: its content is open, or in memory."""

    header: bytes
    located: Located
    size_bytes: int
    content: OpenContent | None = None
    body: bytes = b""

    def close(self) -> None:
        if self.content is not None:
            self.content.close()


class _Outgoing:
    """The body of an answer. `whole`: in chunks, as its length is not known; `skip`: bytes to leave out."""

    def __init__(self, connection: Connection, transfers: Transfers, *, skip: int, whole: bool) -> None:
        self._connection = connection
        self._transfers = transfers
        self._skip = skip
        self._chunked = whole
        self._buffer = bytearray()
        self.sent_bytes = 0

    def write(self, head: bytes) -> None:
        """The head of the answer."""
        self._connection.write(head)

    async def member(self, member: _Member) -> None:
        """A member with all that belongs to it. ClientGone."""
        await self._bytes(member.header)
        if member.content is not None:
            await self._content(member.content)
        else:
            await self._bytes(member.body)
        await self._bytes(bytes(archives.padded(member.size_bytes) - member.size_bytes))

    async def end(self) -> None:
        """The end of the archive, and of the answer."""
        await self._bytes(archives.END)
        await self._flush()
        if self._chunked:
            self._connection.write(b"0\r\n\r\n")

    async def _bytes(self, data: bytes) -> None:
        left = self._left_of(len(data))
        self._buffer += data[len(data) - left :]
        if len(self._buffer) >= FLUSH_BYTES:
            await self._flush()

    async def _content(self, content: OpenContent) -> None:
        size_bytes = content.size_bytes
        left = self._left_of(size_bytes)
        if not left:
            return
        await self._flush()
        extents = content.extents(size_bytes - left, left)
        begin, end = (b"%x\r\n" % left, b"\r\n") if self._chunked else (b"", b"")
        descriptor = descriptor_of(content)
        if descriptor is None:
            self._connection.write(begin)
            await write_extents(self._connection, content, extents)
            self._connection.write(end)
        else:
            parts = extent_parts(extents, descriptor)
            frames = [[BytesPart(text)] if text else [] for text in (begin, end)]
            await self._transfers.send(self._connection, [*frames[0], *parts, *frames[1]])
        self.sent_bytes += left

    async def _flush(self) -> None:
        if not self._buffer:
            return
        data = bytes(self._buffer)
        self._buffer.clear()
        self._connection.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        self.sent_bytes += len(data)
        await self._connection.drain()

    def _left_of(self, length: int) -> int:
        """How much of the next bytes is to be sent."""
        skipped = min(self._skip, length)
        self._skip -= skipped
        return length - skipped


class _Notes:
    """Notes now and then how far a download has come. What can't be noted only makes resuming harder."""

    def __init__(self, directories: Directories, code: str) -> None:
        self._directories = directories
        self._code = code
        self._told_s = time.monotonic()

    async def tell(self, progress: Progress, *, at_once: bool = False) -> None:
        now_s = time.monotonic()
        if not at_once and now_s - self._told_s < NOTE_INTERVAL_S:
            return
        self._told_s = now_s
        try:
            await self._directories.note(self._code, progress.mark)
        except IsthmusError as error:
            log.warning("download_not_noted", reason=error.reason)


class _Caller:
    """Who made the code: all calls are made for him, however long the download takes."""

    def __init__(self, key: ClusterKey, clock: Clock, blob: bytes) -> None:
        self._identity = LastingIdentity(key, blob, life_ms=IDENTITY_LIFE_MS)
        self._clock = clock

    def renew(self) -> None:
        """Makes the identity good for the calls that follow."""
        identity, blob = self._identity.current(self._clock.now_ms())
        call = current_call.get()
        current_call.set(Call(call.request_id, call.rpc, call.deadline_s, identity, blob, call.traceparent))


def _offset(header: bytes | None) -> int:
    """Where to go on. Any other range of a body that nobody knows the length of can't be satisfied."""
    if header is None:
        return 0
    match = _RANGE.fullmatch(header)
    if match is None or int(match[1]) > MAX_OFFSET:
        raise RangeNotSatisfiable(0)
    return int(match[1])


def _begin_anew() -> ApiError:
    """What was begun can't be gone on with: the client asks for another code."""
    return ApiError("badValueIdNotFound", {"key": "code"})


def _check(survey: Survey, offset: int) -> None:
    if not survey.is_same:
        # To go on would mix two states of the directory.
        raise _begin_anew()
    if offset >= survey.total_bytes:
        raise RangeNotSatisfiable(survey.total_bytes)


def _head(download: Download, survey: Survey, offset: int) -> tuple[int, Headers]:
    headers: Headers = [
        (b"content-type", b"application/x-tar"),
        (b"content-disposition", replies.attachment(f"{download.name}.tar")),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", b"no-store"),
    ]
    if not offset:
        return 200, [*headers, (b"transfer-encoding", b"chunked")]
    total = survey.total_bytes
    return 206, [*headers, (b"content-range", b"bytes %d-%d/%d" % (offset, total - 1, total))]


def _length(survey: Survey, offset: int) -> int | None:
    return survey.total_bytes - offset if offset else None
