"""Answering with content: whole, a range, several ranges, or nothing new."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from runtime.http.ranges import parse_range
from services.storage_router import metrics
from services.storage_router.api.data_port.conditions import Validators, validators_of
from services.storage_router.api.data_port.connection import Connection
from services.storage_router.api.data_port.exchange import Exchange
from services.storage_router.api.data_port.replies import Headers
from services.storage_router.api.data_port.transfer import BytesPart, FilePart, Part, Transfers, ZerosPart
from services.storage_router.domain.accesses import Accesses
from services.storage_router.domain.reading import Extent, OpenContent

#: Pieces read from a storage that has no descriptors.
_PIECE_BYTES = 1 << 20


@dataclass(slots=True)
class _Run:
    """What goes out in one piece: some text, then extents."""

    text: bytes
    extents: list[Extent]


@dataclass(slots=True)
class _Plan:
    """A whole body."""

    status: int
    headers: Headers
    runs: list[_Run]
    size_bytes: int


class Downloads:
    """Sends content. Up to `inline_bytes` goes out with the head in one write."""

    def __init__(self, transfers: Transfers, accesses: Accesses, *, inline_bytes: int) -> None:
        self._transfers = transfers
        self._accesses = accesses
        self._inline_bytes = inline_bytes

    async def send(
        self, exchange: Exchange, content: OpenContent, media_type: bytes, headers: Headers
    ) -> None:
        """The answer to a GET or HEAD. RangeNotSatisfiable, InputOutputError; closes nothing."""
        validators = validators_of(content.located)
        headers = [*headers, (b"accept-ranges", b"bytes"), *validators.headers]
        if validators.is_known(exchange):
            exchange.reply(304, headers)
            return
        plan = _plan(content, _wanted(exchange, validators, content.size_bytes), media_type, headers)
        if exchange.is_head:
            exchange.connection.write(exchange.begin(plan.status, plan.headers, plan.size_bytes))
            return
        if plan.size_bytes <= self._inline_bytes:
            body = await _gather(content, plan)
            exchange.connection.write(exchange.begin(plan.status, plan.headers, plan.size_bytes) + body)
            self._count(content, plan.size_bytes)
        else:
            await self._stream(exchange, content, plan)

    def _count(self, content: OpenContent, size_bytes: int) -> None:
        metrics.SENT_BYTES.inc(size_bytes)
        self._accesses.read(content.located.file.space_id, size_bytes)

    async def _stream(self, exchange: Exchange, content: OpenContent, plan: _Plan) -> None:
        head = exchange.begin(plan.status, plan.headers, plan.size_bytes)
        descriptor = descriptor_of(content)
        if descriptor is not None:
            parts = _parts(plan, descriptor)
            try:
                await self._transfers.send(exchange.connection, [BytesPart(head), *parts])
            finally:
                self._count(content, plan.size_bytes - sum(part.left_bytes for part in parts))
            return
        exchange.connection.write(head)
        for run in plan.runs:
            exchange.connection.write(run.text)
            await write_extents(exchange.connection, content, run.extents)
        self._count(content, plan.size_bytes)


async def write_extents(connection: Connection, content: OpenContent, extents: Sequence[Extent]) -> None:
    """Sends extents in pieces, as storages without descriptors need it."""
    for extent in extents:
        for offset in range(extent.offset, extent.offset + extent.length, _PIECE_BYTES):
            length = min(_PIECE_BYTES, extent.offset + extent.length - offset)
            connection.write(await content.read(Extent(offset, length, extent.hole)))
            await connection.drain()


def descriptor_of(content: OpenContent) -> int | None:
    """The storage file's descriptor; -1 where all is holes and none is needed; None without descriptors."""
    if content.handle is None:
        return -1
    return content.handle.fileno() if content.handle.has_descriptor else None


def _wanted(exchange: Exchange, validators: Validators, size: int) -> list[tuple[int, int]] | None:
    asked = exchange.header(b"range")
    if asked is None or exchange.is_head or not validators.allow_range(exchange, time.time()):
        return None
    return parse_range(asked, size)


def _plan(
    content: OpenContent, ranges: list[tuple[int, int]] | None, media_type: bytes, headers: Headers
) -> _Plan:
    size = content.size_bytes
    if ranges is None:
        runs = [_Run(b"", content.extents(0, size))]
        return _Plan(200, [(b"content-type", media_type), *headers], runs, size)
    if len(ranges) == 1:
        first, last = ranges[0]
        span = (b"content-range", b"bytes %d-%d/%d" % (first, last, size))
        runs = [_Run(b"", content.extents(first, last - first + 1))]
        return _Plan(206, [(b"content-type", media_type), span, *headers], runs, last - first + 1)
    return _multipart(content, ranges, media_type, headers)


def _multipart(
    content: OpenContent, ranges: list[tuple[int, int]], media_type: bytes, headers: Headers
) -> _Plan:
    boundary = os.urandom(16).hex().encode()
    runs: list[_Run] = []
    total = 0
    for number, (first, last) in enumerate(ranges):
        text = b"%b--%b\r\ncontent-type: %b\r\ncontent-range: bytes %d-%d/%d\r\n\r\n" % (
            b"\r\n" if number else b"",
            boundary,
            media_type,
            first,
            last,
            content.size_bytes,
        )
        runs.append(_Run(text, content.extents(first, last - first + 1)))
        total += len(text) + last - first + 1
    end = b"\r\n--%b--\r\n" % boundary
    runs.append(_Run(end, []))
    kind = (b"content-type", b"multipart/byteranges; boundary=" + boundary)
    return _Plan(206, [kind, *headers], runs, total + len(end))


def _parts(plan: _Plan, descriptor: int) -> list[Part]:
    parts: list[Part] = []
    for run in plan.runs:
        if run.text:
            parts.append(BytesPart(run.text))
        parts += extent_parts(run.extents, descriptor)
    return parts


def extent_parts(extents: Sequence[Extent], descriptor: int) -> list[Part]:
    """Extents as the kernel sends them."""
    return [
        ZerosPart(extent.length) if extent.hole else FilePart(descriptor, extent.offset, extent.length)
        for extent in extents
    ]


async def _gather(content: OpenContent, plan: _Plan) -> bytes:
    if len(plan.runs) == 1 and len(plan.runs[0].extents) == 1:
        return await content.read(plan.runs[0].extents[0])
    found = bytearray()
    for run in plan.runs:
        found += run.text
        for extent in run.extents:
            found += await content.read(extent)
    return bytes(found)
