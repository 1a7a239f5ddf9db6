"""Small bodies through a data port, over HTTP inside the provider.

A data port on the same host is reached by its Unix socket. A request that got no answer because an instance
went away is made again at another one: reads begin anew, and writes carry a request id that makes them safe.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import aiohttp
import orjson
from yarl import URL

from runtime.auth import caller_blob, to_text
from runtime.discovery import Instance, Watch
from runtime.errors import Unavailable
from runtime.http import file_ids
from runtime.http.cdmi import BY_ID, COPY_OF, MODE, PARTS, PROGRESS, RANGES
from runtime.http.errors import CATALOGUE, ApiError
from runtime.http.file_ids import FileId
from runtime.request import request_id
from runtime.telemetry import traceparent

_PIECE_BYTES = 256 * 1024
_MAX_ERROR_BYTES = 64 * 1024
_TRIES = 3
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=2.0, sock_read=60.0)
_CONNECTIONS_PER_INSTANCE = 256

#: Headers of an answer that tell of the content, not of the exchange.
_ABOUT_CONTENT = frozenset(
    {b"content-type", b"content-range", b"content-disposition", b"accept-ranges", b"etag", b"last-modified"}
)

Pieces = bytes | Callable[[], AsyncIterator[bytes]]
#: Is told how many bytes are copied by now.
Told = Callable[[int], None]


class DataPortAway(Unavailable):
    """No data port answers."""

    reason = "DATA_PORT_AWAY"


class OpenContent:
    """Bytes on their way from a data port. `size_bytes`: the whole file's."""

    def __init__(self, size_bytes: int, response: aiohttp.ClientResponse | None = None) -> None:
        self.size_bytes = size_bytes
        self._response = response

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes in order. Raises DataPortAway when the stream breaks off."""
        if self._response is None:
            return
        try:
            async for piece in self._response.content.iter_chunked(_PIECE_BYTES):
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise DataPortAway from error

    async def close(self) -> None:
        """Gives the connection back, or drops it when bytes are left on it."""
        if self._response is not None:
            self._response.release()
            self._response = None


class FetchedContent(OpenContent):
    """A data port's answer to a plain request, with the headers that tell of the content."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        super().__init__(_total(response), response)
        self.status = response.status
        self.headers = tuple(
            (name, value) for key, value in response.raw_headers if (name := key.lower()) in _ABOUT_CONTENT
        )
        self.length = response.content_length


class _Once:
    """A body that cannot be made again: once it is begun, there is no second try."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._begun = False
        #: Why it broke off, if that was where it comes from.
        self.error: Exception | None = None

    def __call__(self) -> AsyncIterator[bytes]:
        if self._begun:
            raise DataPortAway
        return self._run()

    async def _run(self) -> AsyncIterator[bytes]:
        self._begun = True
        try:
            async for piece in self._pieces:
                yield piece
        except Exception as error:
            self.error = error
            raise


class DataPortClient:
    """Reads and writes as the caller of the request under way."""

    def __init__(self, watch: Watch, *, host_id: str) -> None:
        self._watch = watch
        self._host_id = host_id
        self._sessions: dict[tuple[str, str], aiohttp.ClientSession] = {}
        self._unsubscribe: Callable[[], None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begins to follow which data ports there are."""
        self._unsubscribe = self._watch.subscribe(self._forget_gone)

    async def stop(self) -> None:
        """Closes all connections."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def open(self, file: FileId, first: int = 0, last: int | None = None) -> OpenContent:
        """Opens bytes `first`..`last` of a file; what lies behind the end is not there.

        Raises ApiError as the data port told it, and DataPortAway.
        """
        headers = {}
        if first or last is not None:
            headers["range"] = f"bytes={first}-{'' if last is None else last}"
        path = f"/api/v3/oneprovider/data/{file_ids.encode(file.space_id, file.uuid)}/content"
        response = await self._request("GET", path, headers, None)
        if response.status == 416:
            # An empty file, or a range wholly behind the end: nothing is there to read.
            response.release()
            return OpenContent(_total(response))
        await _check(response)
        return OpenContent(_total(response), response)

    async def fetch(self, file: FileId, headers: Mapping[str, str], *, head: bool = False) -> FetchedContent:
        """Asks for a file in plain HTTP form, with a client's headers of ranges and conditions.

        Raises as `open`.
        """
        path = f"/cdmi/{BY_ID}/{file_ids.encode(file.space_id, file.uuid)}"
        response = await self._request("HEAD" if head else "GET", path, headers, None)
        if response.status not in (304, 416):
            await _check(response)
        return FetchedContent(response)

    async def copy(self, source: FileId, path: str, mode: int, told: Told | None = None) -> None:
        """Copies content, inside the storage where it can, to a new file of this mode at `path`, as `put`.

        `told` hears once a second how many bytes are copied; then it may take as long as it takes. Raises as
        `open`.
        """
        headers = {
            COPY_OF.decode(): file_ids.encode(source.space_id, source.uuid),
            MODE.decode(): f"{mode:o}",
            "content-length": "0",
        }
        if told is not None:
            headers[PROGRESS.decode()] = "1"
        response = await self._request("PUT", f"/cdmi{path}", headers, b"")
        await _check(response)
        try:
            if response.status == 200:
                await _hear(response, told or _nobody)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise DataPortAway from error
        finally:
            # What was not heard to its end is broken off, and the copy with it.
            response.release()

    async def put(self, path: str, pieces: Pieces, size_bytes: int, headers: dict[str, str]) -> bool:
        """Writes a data object in plain CDMI form; `path` is percent-encoded, without the `/cdmi`.

        True when this request made it, now or on an earlier try.

        `pieces` are bytes, or make the pieces anew for every try. Raises as `open`.
        """
        headers = {**headers, "content-length": str(size_bytes)}
        response = await self._request("PUT", f"/cdmi{path}", headers, pieces)
        await _check(response)
        response.release()
        return response.status == 201

    async def put_parts(
        self,
        path: str,
        boundary: bytes,
        pieces: AsyncIterator[bytes],
        ranges: Sequence[tuple[int, int]],
        headers: dict[str, str],
    ) -> bool:
        """Writes a data object whose value comes in parts of a body (`multipart/mixed`), as `put`.

        `pieces`: the body, which is read once. `ranges`: where its parts go, as far as they do not say.
        Raises what `pieces` raises.
        """
        headers = {**headers, PARTS.decode(): boundary.decode()}
        if ranges:
            headers[RANGES.decode()] = ",".join(f"{first}-{last}" for first, last in ranges)
        return await self.put_stream(path, pieces, headers)

    async def put_stream(self, path: str, pieces: AsyncIterator[bytes], headers: dict[str, str]) -> bool:
        """As `put`, of a length that shows at the end. `pieces` are read once; raises what they raise."""
        body = _Once(pieces)
        try:
            response = await self._request("PUT", f"/cdmi{path}", headers, body)
        except DataPortAway:
            raise body.error or DataPortAway from None
        await _check(response)
        response.release()
        return response.status == 201

    async def _request(
        self, method: str, path: str, headers: Mapping[str, str], pieces: Pieces | None
    ) -> aiohttp.ClientResponse:
        tried: set[str] = set()
        for _ in range(_TRIES):
            instance = self._choose(tried)
            if instance is None:
                break
            tried.add(instance.instance_id)
            with suppress(aiohttp.ClientConnectionError, TimeoutError, OSError):
                return await self._session(instance).request(
                    method,
                    URL(f"http://{instance.address}{path}", encoded=True),
                    headers={**headers, **_inside_headers()},
                    data=pieces() if callable(pieces) else pieces,
                    allow_redirects=False,
                )
        raise DataPortAway

    def _choose(self, tried: set[str]) -> Instance | None:
        """Any of the best that were not tried yet. One of doubtful health is better than none: Consul may
        be wrong about all of them."""
        left = [each for each in self._watch.instances if each.instance_id not in tried]
        if not left:
            return None
        best = max(map(self._rank, left))
        return random.choice([each for each in left if self._rank(each) == best])

    def _rank(self, instance: Instance) -> tuple[bool, bool]:
        return instance.healthy, bool(self._uds(instance))

    def _uds(self, instance: Instance) -> str:
        if not self._host_id or instance.meta.get("host_id") != self._host_id:
            return ""
        return instance.meta.get("uds", "")

    def _session(self, instance: Instance) -> aiohttp.ClientSession:
        uds = self._uds(instance)
        key = (instance.instance_id, uds or instance.address)
        session = self._sessions.get(key)
        if session is None:
            connector: aiohttp.BaseConnector = (
                aiohttp.UnixConnector(uds, limit=_CONNECTIONS_PER_INSTANCE)
                if uds
                else aiohttp.TCPConnector(limit=_CONNECTIONS_PER_INSTANCE)
            )
            session = self._sessions[key] = aiohttp.ClientSession(
                connector=connector,
                timeout=_TIMEOUT,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return session

    def _forget_gone(self, instances: tuple[Instance, ...]) -> None:
        present = {(each.instance_id, self._uds(each) or each.address) for each in instances}
        for key in [key for key in self._sessions if key not in present]:
            task = asyncio.get_running_loop().create_task(self._sessions.pop(key).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _inside_headers() -> dict[str, str]:
    headers = {"isthmus-identity": to_text(caller_blob()), "x-request-id": request_id()}
    trace = traceparent()
    if trace:
        headers["traceparent"] = trace
    return headers


def _total(response: aiohttp.ClientResponse) -> int:
    """Size of the whole file by the headers of an answer."""
    content_range = response.headers.get("content-range", "")
    digits = content_range.rpartition("/")[2] or response.headers.get("content-length", "0")
    return int(digits) if digits.isdigit() else 0


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status < 300:
        return
    try:
        body = await response.content.read(_MAX_ERROR_BYTES)
    except (aiohttp.ClientError, OSError) as error:
        raise DataPortAway from error
    finally:
        response.release()
    raise _told(response.status, body)


def _nobody(copied_bytes: int) -> None:
    """Nobody wants to know."""


async def _hear(response: aiohttp.ClientResponse, told: Told) -> None:
    """The lines of a copy to its end. Raises as `_check`; DataPortAway for an end that is none."""
    async for text in response.content:
        line = orjson.loads(text)
        if "error" in line:
            raise _told(line["status"], text)
        if "created" in line:
            return
        told(line["copied"])
    raise DataPortAway


def _told(status: int, body: bytes) -> ApiError:
    """The error a data port answered with, as it is to be passed on."""
    try:
        error: dict[str, Any] = orjson.loads(body)["error"]
        if error["id"] in CATALOGUE:
            return ApiError(error["id"], error.get("details"), status)
    except (ValueError, TypeError, KeyError):
        pass
    return ApiError("notFound" if status == 404 else "internalServerError")
