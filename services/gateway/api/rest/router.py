"""Routes of files: from a raw path to an operation, by dictionary.

Paths are matched undecoded, segment by segment, so that an encoded slash or an odd name never changes which
route is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runtime.auth import as_caller
from runtime.http.media import accepts
from services.gateway.api.gate import Gate
from services.gateway.api.http import Answer, Request, empty
from services.gateway.api.ports import Metadata
from services.gateway.api.rest.lookup import lookup_file_id
from services.gateway.api.rest.operations import Operation, authenticate, run

PREFIX = b"/api/v3/oneprovider"
_DATA = PREFIX + b"/data/"
_LOOKUP = PREFIX + b"/lookup-file-id"

Methods = Mapping[str, Operation]


@dataclass(frozen=True, slots=True)
class FileRoutes:
    """Operations by what follows `/data/{id}`. `below_*`: whatever follows that prefix is the tail."""

    exact: Mapping[bytes, Methods]
    below_path: Methods
    below_hardlinks: Methods


class RestRouter:
    """Finds and runs the operation of a request under `/api/v3/oneprovider`."""

    def __init__(self, gate: Gate, metadata: Metadata, routes: FileRoutes) -> None:
        self._gate = gate
        self._metadata = metadata
        self._routes = routes

    async def answer(self, request: Request) -> Answer | None:
        """The answer, or None when this is no route of files. Raises what the one error handler tells."""
        raw = fold(request.raw_path)
        if raw.startswith(_DATA):
            return await self._data(request, raw)
        if raw == _LOOKUP or raw.startswith(_LOOKUP + b"/"):
            return await self._lookup(request, raw[len(_LOOKUP) :])
        return None

    async def _data(self, request: Request, raw: bytes) -> Answer | None:
        segment, _, rest = raw[len(_DATA) :].partition(b"/")
        methods, tail = self._find(rest)
        if methods is None or not segment:
            return None
        operation = methods.get(request.method)
        if operation is None:
            return method_not_allowed(methods)
        identity, blob = await authenticate(self._gate, request, operation, segment)
        with as_caller(identity, blob):
            return await run(self._gate, operation, request, identity, segment, tail)

    def _find(self, rest: bytes) -> tuple[Methods | None, bytes]:
        methods = self._routes.exact.get(rest) or self._routes.exact.get(rest.rstrip(b"/"))
        if methods is not None:
            return methods, b""
        head, _, tail = rest.partition(b"/")
        if head == b"path":
            return self._routes.below_path, tail
        if head == b"hardlinks" and b"/" not in tail.rstrip(b"/"):
            return self._routes.below_hardlinks, tail.rstrip(b"/")
        return None, b""

    async def _lookup(self, request: Request, rest: bytes) -> Answer:
        if request.method != "POST":
            return empty(405, {"allow": "POST"})
        identity, blob = await self._gate.authenticate_user(request)
        if not accepts(request.header(b"accept"), ("application/json",)):
            return empty(406)
        with as_caller(identity, blob):
            return await lookup_file_id(self._metadata, rest, identity, provider_id=self._gate.provider_id)


def method_not_allowed(methods: Methods) -> Answer:
    """405 with the methods there are."""
    return empty(405, {"allow": ", ".join(methods)})


def fold(raw_path: bytes) -> bytes:
    """The path with `.` and `..` segments folded, everything else untouched."""
    if b"/." not in raw_path and b"%2e" not in raw_path.lower():
        return raw_path
    kept: list[bytes] = []
    for segment in raw_path.split(b"/"):
        plain = segment.lower().replace(b"%2e", b".")
        if plain == b"..":
            if len(kept) > 1:
                kept.pop()
        elif plain != b".":
            kept.append(segment)
    return b"/".join(kept) or b"/"
