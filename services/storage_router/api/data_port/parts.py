"""Taking a body of several parts and making it content.

Nothing of it can be seen before all of it was found to be well-formed: the bytes go into a storage file of
their own, which then becomes the content, or, where parts go into content that is there, what they are copied
from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from runtime.errors import NoSpace
from runtime.http.multipart import Parser, PartEnd, PartHead, malformed
from services.storage_router.api.data_port.body import Body
from services.storage_router.api.data_port.exchange import Exchange
from services.storage_router.api.data_port.placing import Placing, Span
from services.storage_router.api.data_port.uploading import MAX_TRIES, Uploading
from services.storage_router.domain.contents import Committed, FileRef, Mode, StaleUpload, Wish
from services.storage_router.domain.drivers import ReadHandle, WriteHandle
from services.storage_router.domain.uploads import CannotPatch, Upload, Uploads


class PartReader:
    """The parts of a body, one after the other. Errors of `Parser` and `Body`."""

    def __init__(self, body: Body, boundary: bytes) -> None:
        self._parser = Parser(boundary)
        self._events = self._read(body)

    async def _read(self, body: Body) -> AsyncIterator[PartHead | bytes | PartEnd]:
        async for piece in body.pieces():
            for event in self._parser.feed(piece):
                yield event
        self._parser.close()

    async def head(self) -> PartHead | None:
        """The head of the next part; None when there is none. The part before has to be read."""
        async for event in self._events:
            if isinstance(event, PartHead):
                return event
        return None

    async def content(self) -> AsyncIterator[bytes]:
        """The content of the part whose head was read."""
        async for event in self._events:
            if isinstance(event, PartEnd):
                return
            if isinstance(event, bytes):
                yield event

    async def heads(self) -> AsyncIterator[PartHead]:
        """All parts that are left; each has to be read before the next."""
        while (head := await self.head()) is not None:
            yield head

    async def skip(self) -> None:
        """Reads the content of a part and throws it away."""
        async for _ in self.content():
            pass


class PartUploading:
    """Receives bodies of several parts."""

    def __init__(self, uploads: Uploads, uploading: Uploading) -> None:
        self._uploads = uploads
        self._uploading = uploading

    async def receive(
        self,
        exchange: Exchange,
        wish: Wish,
        reader: PartReader,
        heads: AsyncIterator[PartHead],
        ranges: Sequence[Span] = (),
    ) -> Committed:
        """Publishes the parts with these heads as one value; the first tells media type and encoding.

        `heads` come while the parts are read. `ranges`: see `Placing`, whose errors it raises, and those of
        `PartReader` and of `Uploading.receive`.
        """
        placing = Placing(ranges)
        staged = await self._uploads.begin(wish, large=True)
        try:
            spans = await self._write(exchange.body, staged, reader, heads, placing)
            await self._uploading.still_allowed(exchange)
            if placing.is_ranged and staged.begun.exists:
                committed = await self._patch(staged, spans)
                self._uploading.count(exchange, wish)
                return committed
        except BaseException:
            await self._uploads.give_up(staged)
            raise
        size_bytes = sum(spans[-1]) if spans else 0
        committed = await self._uploads.commit(staged, size_bytes)
        if not size_bytes:
            await self._uploads.give_up(staged)
        self._uploading.count(exchange, wish)
        return committed

    async def _write(
        self,
        body: Body,
        staged: Upload,
        reader: PartReader,
        heads: AsyncIterator[PartHead],
        placing: Placing,
    ) -> list[Span]:
        handle = await staged.open()
        try:
            is_first = True
            async for head in heads:
                if is_first:
                    staged.wish = _described(staged.wish, head)
                    is_first = False
                await _write_part(body, staged, handle, reader, placing, head)
            if is_first:
                raise malformed()
            spans = placing.spans()
            await staged.sync(handle)
            return spans
        finally:
            await handle.close()

    async def _patch(self, staged: Upload, spans: list[Span]) -> Committed:
        """Copies what came into the content that is there; nobody needs the copy's source then."""
        for attempt in range(1, MAX_TRIES + 1):
            try:
                target = await self._copied(staged, spans)
                committed = await self._commit_spans(target, spans)
                break
            except StaleUpload:
                if attempt == MAX_TRIES:
                    raise
        await self._uploads.give_up(staged)
        return committed

    async def _copied(self, staged: Upload, spans: list[Span]) -> Upload:
        wish = replace(
            staged.wish,
            file=FileRef(staged.begun.space_id, staged.begun.file_id),
            mode=Mode.PATCH,
            create=False,
            offset=spans[0][0] if spans else 0,
            size_bytes=sum(length for _, length in spans),
            # A part of a value says nothing about how the whole is to be told.
            encoding=None,
        )
        target = await self._uploads.begin(wish, large=True)
        if spans:
            source = await staged.opened.driver.open(staged.storage_file_id)
            try:
                await _copy(source, target, spans)
            finally:
                source.close()
        return target

    async def _commit_spans(self, target: Upload, spans: list[Span]) -> Committed:
        """Each span is a change of its own; before the last one the value is not complete."""
        wish = target.wish
        for number, (offset, length) in enumerate(spans[1:]):
            target.wish = replace(
                wish, request_id=f"{wish.request_id}/{number}", offset=offset, completion_status="Processing"
            )
            await self._uploads.commit(target, length)
        target.wish = wish
        return await self._uploads.commit(target, spans[0][1] if spans else 0)


async def _write_part(
    body: Body, staged: Upload, handle: WriteHandle, reader: PartReader, placing: Placing, head: PartHead
) -> None:
    placing.begin(head)
    if placing.is_ranged and not staged.opened.driver.capabilities.random_write:
        raise CannotPatch(storage_id=staged.opened.storage.storage_id)
    async for piece in reader.content():
        if staged.limit_bytes is not None and body.received_bytes > staged.limit_bytes:
            raise NoSpace("the quota of the space is used up", space_id=staged.begun.space_id)
        await handle.write(placing.take(len(piece)), memoryview(piece))
    placing.end()


async def _copy(source: ReadHandle, target: Upload, spans: list[Span]) -> None:
    handle = await target.open()
    try:
        for offset, length in spans:
            await handle.copy_from(source, offset, length)
        await target.sync(handle)
    finally:
        await handle.close()


def _described(wish: Wish, head: PartHead) -> Wish:
    """What the head of a value's first part says of it."""
    encoding = "utf-8" if head.charset == "utf-8" else "base64"
    return replace(wish, mimetype=head.media_type or wish.mimetype, encoding=encoding)
