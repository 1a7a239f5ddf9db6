"""One request being answered."""

from __future__ import annotations

import time
from collections.abc import Iterable

from runtime.http.errors import ApiError
from runtime.identity import GUEST, Identity
from runtime.request import Call, current_call
from services.storage_router.api.data_port import replies
from services.storage_router.api.data_port.body import Body
from services.storage_router.api.data_port.callers import Callers
from services.storage_router.api.data_port.connection import Connection
from services.storage_router.api.data_port.head import Head
from services.storage_router.api.data_port.replies import Headers


class Exchange:
    """A request, its body, and the answer to it. Exactly one answer is begun."""

    def __init__(
        self, connection: Connection, head: Head, body: Body, callers: Callers, *, stopping: bool
    ) -> None:
        self.connection = connection
        self.head = head
        self.body = body
        self.identity: Identity = GUEST
        #: Headers of every answer on this route.
        self.always: Headers = []
        self.status = 0
        #: When the answer began, on the monotonic clock.
        self.answered_s = 0.0
        self.keep_alive = False
        self._callers = callers
        self._stopping = stopping

    @property
    def is_head(self) -> bool:
        """Whether only the headers of the answer are wanted."""
        return self.head.method == "HEAD"

    @property
    def is_from_inside(self) -> bool:
        """Whether a service of this provider sent it, once `identify` has verified its signature."""
        return Callers.is_signed(self.head)

    def header(self, name: bytes) -> bytes | None:
        """A header of the request, by its lower-case name."""
        return self.head.headers.get(name)

    @property
    def accept(self) -> str | None:
        """The `Accept` header."""
        value = self.head.headers.get(b"accept")
        return None if value is None else value.decode("latin-1")

    async def identify(self) -> None:
        """Finds the caller: `identity`, and the caller of all calls made from here on.

        Unauthenticated, Unavailable. May be repeated when a long time has passed: a token may have ended.
        """
        self._call_as(*await self._callers.identify(self.connection, self.head))

    async def identify_as_guest(self) -> None:
        """The caller is nobody, for what everybody sees alike. A bad token is refused nevertheless.

        Unauthenticated, Unavailable.
        """
        self._call_as(*await self._callers.guest(self.connection, self.head))

    def _call_as(self, identity: Identity, blob: bytes) -> None:
        self.identity = identity
        call = current_call.get()
        current_call.set(
            Call(call.request_id, call.rpc, call.deadline_s, self.identity, blob, call.traceparent)
        )

    def begin(self, status: int, headers: Headers, content_length: int | None) -> bytes:
        """The head of the answer. From here on a failure can only break the connection off.

        `content_length` None: the answer has no body and needs no length.
        """
        self.keep_alive = self.head.keep_alive and self.body.can_keep_alive and not self._stopping
        self.status = status
        self.answered_s = time.monotonic()
        length: Headers = [] if content_length is None else [(b"content-length", b"%d" % content_length)]
        return replies.head(status, [*self.always, *headers, *length], close=not self.keep_alive)

    def reply(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"") -> None:
        """A whole answer at once."""
        has_length = status not in (204, 304)
        raw = self.begin(status, list(headers), len(body) if has_length else None)
        self.connection.write(raw if self.is_head or not body else raw + body)

    async def turn_away(self, status: int, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """A refusal without a body, once the client has sent what it is sending."""
        await self.body.hear_out()
        self.reply(status, headers)

    def refuse(self, error: ApiError) -> None:
        """An error of the catalogue."""
        headers = [(name.encode(), value.encode()) for name, value in error.headers.items()]
        self.reply(error.status, headers, error.body())
