"""The state-of-the-world discovery protocol, as one stream sees it; no I/O.

A client names what it wants of a type; the server answers with all of it, a version and a nonce; the
client answers that with the nonce, and with an error if it could not use it (a NACK). At most one answer
of a type is under way, so a slow client gets the newest state when it is ready, not every state between.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from services.cluster_manager.domain.catalog import Catalog
from services.cluster_manager.domain.resources import DEPENDENTS, Answer, Client, Resources, ResourceType

WITH_WILDCARD = frozenset({ResourceType.CLUSTER, ResourceType.LISTENER})
FROM_CATALOG = frozenset({ResourceType.ENDPOINTS})


@dataclass(frozen=True)
class Request:
    """What a client said. `error`: why it refuses the answer with this nonce; empty is consent."""

    kind: ResourceType
    names: frozenset[str]
    nonce: str = ""
    error: str = ""


@dataclass(frozen=True)
class Response:
    """What to send to the client."""

    kind: ResourceType
    nonce: str
    answer: Answer


@dataclass
class _Interest:
    """One type in one stream."""

    names: frozenset[str] | None  # None: all there are
    must_send: bool = True
    in_flight: str = ""  # nonce of the answer the client has not confirmed
    last_nonce: str = ""
    last_version: str = ""


@dataclass
class Stream:
    """What one client has asked for and been told."""

    client: Client
    resources: Resources
    _interests: dict[ResourceType, _Interest] = field(default_factory=dict)
    _sent: int = 0

    def hear(self, request: Request) -> None:
        """Take in a request, a confirmation or a refusal."""
        interest = self._interests.get(request.kind)
        if interest is None:
            # Only the first request of these types can mean "all" by naming nothing.
            wants_all = not request.names and request.kind in WITH_WILDCARD
            self._interests[request.kind] = _Interest(None if wants_all else request.names)
            return
        if request.nonce != interest.last_nonce:
            return  # about an answer that a newer one has replaced
        if interest.in_flight == request.nonce:
            interest.in_flight = ""
        if request.names != (interest.names or frozenset()):
            interest.names = request.names
            interest.must_send = True

    def due(self, catalog: Catalog | None) -> list[Response]:
        """The answers to send now, in the order to send them.

        A refused answer is not repeated: the same content would be refused again. Before there is a
        catalog nothing is said about endpoints: what the client had from another instance is better.
        """
        due: list[Response] = []
        for kind in ResourceType:
            interest = self._interests.get(kind)
            if interest is None or interest.in_flight or (catalog is None and kind in FROM_CATALOG):
                continue
            answer = self.resources.answer(self.client, kind, interest.names, catalog or Catalog())
            if interest.must_send or answer.version != interest.last_version:
                due.append(self._send(kind, interest, answer))
        return due

    def _send(self, kind: ResourceType, interest: _Interest, answer: Answer) -> Response:
        self._sent += 1
        nonce = str(self._sent)
        interest.in_flight = interest.last_nonce = nonce
        dependent = self._interests.get(DEPENDENTS[kind]) if kind in DEPENDENTS else None
        if dependent is not None and answer.version != interest.last_version:
            dependent.must_send = True
        interest.last_version = answer.version
        interest.must_send = False
        return Response(kind, nonce, answer)
