"""`POST /data/{id}/ticket`: a signed URL with which a client uses a data port directly, for a short time.

Ours, beyond the original. The body says `{"method": "GET"}` or `{"method": "PUT"}`; the answer is
`{"url": ..., "expiresAt": <seconds>}`.
"""

from __future__ import annotations

from typing import Protocol

from isthmus.metadata.v1 import contents_pb2, files_pb2
from isthmus.storage_router.v1 import tickets_pb2

from runtime.auth import caller_blob
from runtime.clock import Clock
from runtime.errors import IsADirectory
from runtime.http.declared import choice
from services.gateway.api.http import Answer, json_answer
from services.gateway.api.namespace import ref
from services.gateway.api.ports import Contents
from services.gateway.api.rest.operations import Call

METHOD = choice("method", "What the ticket is for: download or upload.", ("GET", "PUT"), default="GET")


class TicketIssuer(Protocol):
    """Signs tickets and knows where they are taken."""

    def issue(self, ticket: tickets_pb2.Ticket) -> str:
        """The URL of a ticket."""
        ...


class TicketRoutes:
    """Makes tickets. Permission is checked now; permission to write once more when the ticket is used."""

    def __init__(self, contents: Contents, issuer: TicketIssuer, clock: Clock, *, life_s: float) -> None:
        self._contents = contents
        self._issuer = issuer
        self._clock = clock
        self._life_s = life_s

    async def create(self, call: Call) -> Answer:
        """`POST /data/{id}/ticket`."""
        method = call[METHOD]
        call.check_member()
        if call.file.is_user_root:
            raise IsADirectory
        # Nobody can do with a ticket what the token could not, nor for longer.
        expires_at_ms = self._clock.now_ms() + int(self._life_s * 1000)
        if call.identity.expires_at_ms and method == "PUT":
            expires_at_ms = min(expires_at_ms, call.identity.expires_at_ms)
        ticket = tickets_pb2.Ticket(
            method=method,
            space_id=call.file.space_id,
            file_id=call.file.uuid,
            expires_at_ms=expires_at_ms,
        )
        if method == "GET":
            await self._for_reading(ticket, ref(call.file, follow=True))
        else:
            await self._for_writing(ticket, ref(call.file, follow=True))
        return json_answer({"url": self._issuer.issue(ticket), "expiresAt": expires_at_ms // 1000})

    async def _for_reading(self, ticket: tickets_pb2.Ticket, file: files_pb2.FileRef) -> None:
        located = await self._contents.locate_content(contents_pb2.LocateContentRequest(file=file))
        ticket.file_id = located.file.file_id
        ticket.storage_id = located.location.storage_id
        ticket.storage_file_id = located.location.storage_file_id
        ticket.size_bytes = located.location.size_bytes
        ticket.content_type = located.file.mimetype
        ticket.file_name = located.file.name

    async def _for_writing(self, ticket: tickets_pb2.Ticket, file: files_pb2.FileRef) -> None:
        wish = contents_pb2.BeginUploadRequest(file=file, mode=contents_pb2.UPLOAD_MODE_REPLACE)
        ticket.file_id = (await self._contents.begin_upload(wish)).file_id
        ticket.identity = caller_blob()
