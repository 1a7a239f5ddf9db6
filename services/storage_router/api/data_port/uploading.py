"""Taking a body and making it content."""

from __future__ import annotations

from dataclasses import replace

from runtime.auth import caller
from runtime.clock import Clock
from runtime.errors import NoSpace
from services.storage_router.api.data_port.body import Body
from services.storage_router.api.data_port.connection import Connection
from services.storage_router.api.data_port.exchange import Exchange
from services.storage_router.api.data_port.transfer import Transfers
from services.storage_router.domain.accesses import Accesses
from services.storage_router.domain.contents import Committed, StaleUpload, Wish
from services.storage_router.domain.drivers import WriteHandle
from services.storage_router.domain.uploads import Upload, Uploads

#: How often a small upload is done again when the content was replaced meanwhile.
MAX_TRIES = 3

#: An identity with less left is renewed before the commit.
_RENEW_BEFORE_MS = 60_000


class Uploading:
    """Receives bodies: up to `collect_bytes` in memory and in one write, larger ones as they come."""

    def __init__(
        self,
        uploads: Uploads,
        transfers: Transfers,
        accesses: Accesses,
        clock: Clock,
        *,
        collect_bytes: int,
    ) -> None:
        self._uploads = uploads
        self._accesses = accesses
        self._clock = clock
        self._transfers = transfers
        self._collect_bytes = collect_bytes

    async def receive(self, exchange: Exchange, wish: Wish) -> Committed:
        """Publishes the body of a request as `wish` says; nothing is visible of what fails.

        The body is taken only once the upload was allowed. ClientGone, BadRequest; errors of `Uploads`.
        """
        exchange.body.peek(self._collect_bytes + 1)
        length = exchange.body.length
        if wish.size_bytes != length:
            wish = replace(wish, size_bytes=length)
        if length is not None and length <= self._collect_bytes:
            committed = await self._small(exchange.body, wish)
        else:
            committed = await self._large(exchange, wish)
        self.count(exchange, wish)
        return committed

    def count(self, exchange: Exchange, wish: Wish) -> None:
        """To be called once a body was published."""
        self._accesses.wrote(wish.file.space_id, exchange.body.received_bytes)

    async def _small(self, body: Body, wish: Wish) -> Committed:
        data: bytearray | None = None
        if not body.is_held_back and self._uploads.may_write_first(wish):
            data = await body.read(self._collect_bytes)
            committed = await self._uploads.write_first(wish, data)
            if committed is not None:
                return committed
        for attempt in range(1, MAX_TRIES + 1):
            upload = await self._uploads.begin(wish, large=False)
            if data is None:
                data = await body.read(self._collect_bytes)
            try:
                await self._uploads.put(upload, data)
                return await self._uploads.commit(upload, len(data))
            except StaleUpload:
                if attempt == MAX_TRIES:
                    raise
        raise AssertionError("the last try returns or raises")

    async def _large(self, exchange: Exchange, wish: Wish) -> Committed:
        exchange.body.hold()
        upload = await self._uploads.begin(wish, large=True)
        try:
            handle = await upload.open()
            try:
                await self._write(exchange.connection, exchange.body, upload, handle)
                await upload.sync(handle)
            finally:
                await handle.close()
            await self.still_allowed(exchange)
        except BaseException:
            await self._uploads.give_up(upload)
            raise
        return await self._uploads.commit(upload, exchange.body.received_bytes)

    async def still_allowed(self, exchange: Exchange) -> None:
        """A long body may outlive the identity it was allowed under; the token's verdict may have changed."""
        if caller().expires_at_ms - self._clock.now_ms() < _RENEW_BEFORE_MS:
            await exchange.identify()

    async def _write(self, connection: Connection, body: Body, upload: Upload, handle: WriteHandle) -> None:
        offset = upload.wish.offset
        if body.length is None or not upload.opened.driver.capabilities.sendfile:
            await _write_pieces(body, upload, handle, offset)
            return
        body.allow()
        first = body.take_buffered()
        length = body.length
        await self._transfers.receive(
            connection, handle.fileno(), offset, first=first, length=length, took=body.took
        )


async def _write_pieces(body: Body, upload: Upload, handle: WriteHandle, offset: int) -> None:
    async for piece in body.pieces():
        if upload.limit_bytes is not None and body.received_bytes > upload.limit_bytes:
            raise NoSpace("the quota of the space is used up", space_id=upload.begun.space_id)
        await handle.write(offset, memoryview(piece))
        offset += len(piece)
