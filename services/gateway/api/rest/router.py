"""Routes of files: from a raw path to an operation, by dictionary.

Paths are matched undecoded, segment by segment, so that an encoded slash or an odd name never changes which
route is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from runtime.auth import as_caller
from runtime.http.paths import decode_id
from services.gateway.api.gate import Gate
from services.gateway.api.http import Answer, Request, empty
from services.gateway.api.rest.operations import (
    Methods,
    PlainMethods,
    authenticate,
    run,
    run_plain,
)

PREFIX = b"/api/v3/oneprovider"
_DATA = PREFIX + b"/data/"
_LOOKUP = PREFIX + b"/lookup-file-id"
#: Paths whose routes are remembered, and the longest of them: clients ask for the same few again and again.
_MAX_REMEMBERED, _MAX_REMEMBERED_BYTES = 4096, 512


@dataclass(frozen=True, slots=True)
class RestRoutes:
    """All operations below the prefix.

    `files`: by what follows `/data/{id}`. `below_*`: whatever follows that prefix is the tail. `plain`: by
    their path, in which `{name}` stands for any one segment; they win over a file's. `lookup`: the path is
    the tail.
    """

    files: Mapping[bytes, Methods]
    below_path: Methods
    below_hardlinks: Methods
    plain: Mapping[str, PlainMethods]
    lookup: PlainMethods


@dataclass(frozen=True, slots=True)
class _FileRoute:
    """A route of a file: the undecoded `{id}`, and what follows the route."""

    methods: Methods
    segment: bytes
    tail: bytes


@dataclass(frozen=True, slots=True)
class _PlainRoute:
    """Any other route."""

    methods: PlainMethods
    path: Mapping[str, str]
    tail: bytes = b""


class RestRouter:
    """Finds and runs the operation of a request under `/api/v3/oneprovider`."""

    def __init__(self, gate: Gate, routes: RestRoutes) -> None:
        self._gate = gate
        self._routes = routes
        self._plain = _Templates(routes.plain)
        self._remembered = lru_cache(_MAX_REMEMBERED)(self._route)

    async def answer(self, request: Request) -> Answer | None:
        """The answer, or None when this is no route of ours. Raises what the one error handler tells."""
        raw_path = request.raw_path
        is_short = len(raw_path) <= _MAX_REMEMBERED_BYTES
        route = self._remembered(raw_path) if is_short else self._route(raw_path)
        if route is None:
            return None
        if isinstance(route, _FileRoute):
            operation = route.methods.get(request.method)
            if operation is None:
                return method_not_allowed(route.methods)
            identity, blob = await authenticate(self._gate, request, route.segment)
            with as_caller(identity, blob):
                return await run(self._gate, operation, request, identity, route.segment, route.tail)
        plain = route.methods.get(request.method)
        if plain is None:
            return method_not_allowed(route.methods)
        identity, blob = await self._gate.authenticate_user(request)
        with as_caller(identity, blob):
            return await run_plain(self._gate, plain, request, identity, route.path, route.tail)

    def _route(self, raw_path: bytes) -> _FileRoute | _PlainRoute | None:
        raw = fold(raw_path)
        found = self._plain.find(raw[len(PREFIX) :])
        if found is not None:
            return _PlainRoute(*found)
        if raw.startswith(_DATA):
            segment, _, rest = raw[len(_DATA) :].partition(b"/")
            methods, tail = self._find(rest)
            return None if methods is None or not segment else _FileRoute(methods, segment, tail)
        if raw == _LOOKUP or raw.startswith(_LOOKUP + b"/"):
            return _PlainRoute(self._routes.lookup, {}, raw[len(_LOOKUP) :])
        return None

    def _find(self, rest: bytes) -> tuple[Methods | None, bytes]:
        methods = self._routes.files.get(rest) or self._routes.files.get(rest.rstrip(b"/"))
        if methods is not None:
            return methods, b""
        head, _, tail = rest.partition(b"/")
        if head == b"path":
            return self._routes.below_path, tail
        if head == b"hardlinks" and b"/" not in tail.rstrip(b"/"):
            return self._routes.below_hardlinks, tail.rstrip(b"/")
        return None, b""


class _Templates:
    """Routes by templates such as `/shares/{shid}`."""

    def __init__(self, routes: Mapping[str, PlainMethods]) -> None:
        self._by_head: dict[bytes, list[tuple[list[str], PlainMethods]]] = {}
        for template, methods in routes.items():
            segments = template.strip("/").split("/")
            self._by_head.setdefault(segments[0].encode(), []).append((segments, methods))

    def find(self, raw: bytes) -> tuple[PlainMethods, dict[str, str]] | None:
        """The methods of an undecoded path, and what its variable segments hold."""
        given = raw.rstrip(b"/").split(b"/")[1:]
        candidates = self._by_head.get(given[0]) if given and raw.startswith(b"/") else None
        if candidates is None:
            return None
        for segments, methods in candidates:
            if len(segments) == len(given):
                values = _match(segments, given)
                if values is not None:
                    return methods, values
        return None


def _match(segments: list[str], given: list[bytes]) -> dict[str, str] | None:
    values: dict[str, str] = {}
    for segment, raw in zip(segments, given, strict=True):
        if not segment.startswith("{"):
            if segment.encode() != raw:
                return None
        elif not raw:
            return None
        else:
            values[segment[1:-1]] = decode_id(raw)
    return values


def method_not_allowed(methods: Iterable[str]) -> Answer:
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
