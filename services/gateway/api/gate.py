"""What happens to every request before its route: who asks, under which request id."""

from __future__ import annotations

from runtime.errors import Unauthenticated
from runtime.http.errors import ApiError
from runtime.http.file_ids import FileId, resolve_id
from runtime.http.tokens import client_ip, consumer_token, extract_token, require_user
from runtime.identity import Identity
from runtime.request import new_request_id
from services.gateway.api.http import Request
from services.gateway.api.ports import Accesses, Authenticator, Spaces

_MAX_REQUEST_ID_LENGTH = 128


class Gate:
    """Authenticates requests, tells which file the `{id}` of a path means, and notes who comes."""

    def __init__(
        self, authenticator: Authenticator, spaces: Spaces, accesses: Accesses, *, provider_id: str
    ) -> None:
        self._authenticator = authenticator
        self._accesses = accesses
        self._spaces = spaces
        self.provider_id = provider_id

    async def authenticate(self, request: Request) -> tuple[Identity, bytes]:
        """Identity and signed form of the caller; a guest has no token. Raises what is 401 or 503."""
        return await self._authenticator.authenticate(
            extract_token(request.headers),
            peer_ip(request),
            consumer_token(request.headers),
        )

    async def authenticate_public(self, request: Request) -> tuple[Identity, bytes]:
        """The guest, for what everybody sees alike. A token is not needed, but a bad one is refused."""
        try:
            await self.authenticate(request)
        except Unauthenticated as error:
            # Whoever has no space here is served as a guest, too.
            if error.reason != "USER_NOT_SUPPORTED":
                raise
        return await self._authenticator.authenticate(None, peer_ip(request))

    async def authenticate_user(self, request: Request) -> tuple[Identity, bytes]:
        """The same for routes that guests may not use."""
        identity, blob = await self.authenticate(request)
        require_user(identity)
        return identity, blob

    async def resolve(self, segment: str, identity: Identity) -> FileId:
        """The file of a path segment, as `resolve_id`; also for spaces the caller is no member of."""
        try:
            return resolve_id(segment, identity, provider_id=self.provider_id)
        except ApiError:
            if segment in identity.spaces or not await self._spaces.is_supported(segment):
                raise
            return resolve_id(segment, identity, provider_id=self.provider_id, supported_spaces=(segment,))

    def note(self, identity: Identity, space_id: str) -> None:
        """To be called once a request turned out to be about this space; what strangers ask is not noted."""
        if space_id in identity.spaces:
            self._accesses.saw(space_id)


def peer_ip(request: Request) -> str:
    """Address of the client."""
    return client_ip(request.headers, request.peer)


def request_id_of(request: Request) -> str:
    """The front door's request id, the same on its retries, which makes changes safe to repeat."""
    id = request.header(b"x-request-id")
    if id and len(id) <= _MAX_REQUEST_ID_LENGTH and id.isascii() and id.isprintable():
        return id
    return new_request_id()
