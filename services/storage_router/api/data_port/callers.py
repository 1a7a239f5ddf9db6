"""Who sent a request: a token, checked here, or an identity the gateway checked before."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Protocol

from runtime.auth import ClusterKey, from_text
from runtime.clock import Clock
from runtime.errors import Unauthenticated
from runtime.http.tokens import client_ip, consumer_token, extract_token
from runtime.identity import Identity
from runtime.request import new_request_id
from services.storage_router.api.data_port.connection import Connection
from services.storage_router.api.data_port.head import Head

Network = IPv4Network | IPv6Network

_IDENTITY = b"isthmus-identity"
_MAX_REQUEST_ID_BYTES = 128


class Authenticator(Protocol):
    """Judges access tokens."""

    async def authenticate(
        self, token: str | None, peer_ip: str, consumer_token: str | None = None
    ) -> tuple[Identity, bytes]:
        """The caller and its signed form; a guest for no token. Unauthenticated, Unavailable."""
        ...


class Callers:
    """Finds the caller of a request.

    What only the front door may say (the client's address, the request's id) is believed from the Unix
    socket, from this host and from `front_doors`.
    """

    def __init__(
        self, authenticator: Authenticator, key: ClusterKey, clock: Clock, front_doors: tuple[Network, ...]
    ) -> None:
        self._authenticator = authenticator
        self._key = key
        self._clock = clock
        self._front_doors = front_doors

    async def identify(self, connection: Connection, head: Head) -> tuple[Identity, bytes]:
        """The caller and its signed form. Unauthenticated, Unavailable."""
        signed = head.headers.get(_IDENTITY)
        if signed is not None:
            blob = from_text(signed.decode("latin-1").strip())
            return self._key.verify(blob, self._clock.now_ms()), blob
        address = connection.peer_ip
        if connection.is_trusted:
            address = client_ip(head.headers, address)
        return await self._authenticator.authenticate(
            extract_token(head.headers), address, consumer_token(head.headers)
        )

    async def guest(self, connection: Connection, head: Head) -> tuple[Identity, bytes]:
        """The guest and its signed form, once a token that came along was found good."""
        try:
            await self.identify(connection, head)
        except Unauthenticated as error:
            # Whoever has no space here is served as a guest, too.
            if error.reason != "USER_NOT_SUPPORTED":
                raise
        return await self._authenticator.authenticate(None, connection.peer_ip)

    @staticmethod
    def is_signed(head: Head) -> bool:
        """Whether the request says who calls by a signed identity."""
        return _IDENTITY in head.headers

    def request_id(self, connection: Connection, head: Head) -> str:
        """The id that all tries of one request share; a stranger's is not taken for one.

        Metadata answers a repeated id as it did before, so a client that sends the same one always would
        lose its writes.
        """
        given = head.headers.get(b"x-request-id", b"")
        known = connection.is_trusted or _IDENTITY in head.headers
        if known and given and len(given) <= _MAX_REQUEST_ID_BYTES:
            return given.decode("latin-1")
        return new_request_id()

    def is_front_door(self, peer_ip: str) -> bool:
        """Whether a TCP peer is Envoy or a service of this provider."""
        try:
            peer = ip_address(peer_ip)
        except ValueError:
            return False
        return peer.is_loopback or any(
            peer.version == network.version and peer in network for network in self._front_doors
        )
