"""Tickets of the direct road: signed leave to read or write one file's content at a data port.

In a URL a ticket is one path segment: base64url, without padding, of a signature and the serialised Ticket.
"""

from __future__ import annotations

import base64
import binascii

from google.protobuf.message import DecodeError
from isthmus.storage_router.v1 import tickets_pb2

from runtime.auth import ClusterKey
from runtime.errors import Unauthenticated

#: Where data ports take tickets.
PATH_PREFIX = "/ticket/"
#: How long a ticket is good unless asked for less.
LIFE_S = 300
#: Longest ticket in a URL.
MAX_TICKET_CHARACTERS = 32 * 1024

_PURPOSE = "ticket"
_SIGNATURE_BYTES = 32


class BadTicket(Unauthenticated):
    """The ticket is not one of this provider."""

    reason = "BAD_TOKEN"


class TicketExpired(Unauthenticated):
    """The ticket is no longer valid."""

    reason = "TOKEN_INVALID"


def sign(key: ClusterKey, ticket: tickets_pb2.Ticket) -> str:
    """A ticket as the path segment of a URL."""
    raw = ticket.SerializeToString()
    return base64.urlsafe_b64encode(key.sign_bytes(_PURPOSE, raw) + raw).rstrip(b"=").decode()


def verify(key: ClusterKey, text: str, now_ms: int) -> tickets_pb2.Ticket:
    """The ticket of a path segment. BadTicket, TicketExpired."""
    if len(text) > MAX_TICKET_CHARACTERS:
        raise BadTicket
    try:
        blob = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadTicket from error
    signature, raw = blob[:_SIGNATURE_BYTES], blob[_SIGNATURE_BYTES:]
    if not key.verify_bytes(_PURPOSE, raw, signature):
        raise BadTicket
    try:
        ticket = tickets_pb2.Ticket.FromString(raw)
    except DecodeError as error:
        raise BadTicket from error
    if ticket.expires_at_ms <= now_ms:
        raise TicketExpired
    return ticket


def url(base: str, text: str) -> str:
    """The address of a ticket at a data port; `base` is the port's public URL without a path."""
    return base.rstrip("/") + PATH_PREFIX + text
