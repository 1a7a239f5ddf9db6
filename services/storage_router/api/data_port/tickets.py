"""The direct road: `/ticket/{ticket}`. The ticket says all there is to ask, so nobody is asked."""

from __future__ import annotations

from isthmus.storage_router.v1 import tickets_pb2

from runtime import tickets
from runtime.auth import ClusterKey, as_caller
from runtime.clock import Clock
from runtime.errors import NoSpace, NoSuchFile
from runtime.http.errors import posix
from runtime.request import request_id
from services.storage_router.api.data_port import replies
from services.storage_router.api.data_port.content import Service
from services.storage_router.api.data_port.exchange import Exchange
from services.storage_router.api.data_port.replies import Headers
from services.storage_router.domain.contents import File, FileRef, Located, Location, Wish

PREFIX = tickets.PATH_PREFIX.encode()

_CORS: Headers = [(b"access-control-allow-origin", b"*")]


class TicketFront:
    """Reads and writes for whoever holds a ticket."""

    def __init__(self, service: Service, key: ClusterKey, clock: Clock) -> None:
        self._service = service
        self._key = key
        self._clock = clock

    async def handle(self, exchange: Exchange) -> None:
        """The answer. ApiError, IsthmusError, RangeNotSatisfiable."""
        exchange.always = _CORS
        text = exchange.head.path[len(PREFIX) :].decode("latin-1")
        ticket = tickets.verify(self._key, text, self._clock.now_ms())
        method = "GET" if exchange.is_head else exchange.head.method
        if method != ticket.method:
            await exchange.turn_away(405, [(b"allow", b"GET, HEAD" if ticket.method == "GET" else b"PUT")])
        elif method == "GET":
            await self._get(exchange, ticket)
        else:
            await self._put(exchange, ticket)

    async def _get(self, exchange: Exchange, ticket: tickets_pb2.Ticket) -> None:
        file = File(ticket.file_id, ticket.space_id, name=ticket.file_name, size_bytes=ticket.size_bytes)
        location = Location(
            storage_id=ticket.storage_id,
            storage_file_id=ticket.storage_file_id,
            size_bytes=ticket.size_bytes,
        )
        try:
            content = await self._service.reading.open_whole(Located(file, location))
        except NoSuchFile:
            # The ticket is for content that has been replaced since; the client asks for a new one.
            raise posix("enoent") from None
        try:
            headers: Headers = [(b"content-disposition", replies.attachment(ticket.file_name))]
            media_type = replies.media_type(ticket.content_type)
            await self._service.downloads.send(exchange, content, media_type, headers)
        finally:
            content.close()

    async def _put(self, exchange: Exchange, ticket: tickets_pb2.Ticket) -> None:
        identity = self._key.verify(ticket.identity, self._clock.now_ms())
        length = exchange.body.length
        if ticket.max_bytes and length is not None and length > ticket.max_bytes:
            raise NoSpace("the ticket allows fewer bytes")
        wish = Wish(
            request_id=request_id(),
            file=FileRef(ticket.space_id, ticket.file_id),
            max_bytes=ticket.max_bytes or None,
        )
        with as_caller(identity, ticket.identity):
            await self._service.uploading.receive(exchange, wish)
        exchange.reply(204)
