"""What the HTTP clients of a provider and of a zone share: TLS, credentials, and errors as classes.

Synchronous on purpose: it stands below command-line tools and scripts. Services talk gRPC.
"""

from __future__ import annotations

import ipaddress
import json
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

#: Content is one body or pieces of it; pieces are sent as they come and never gathered.
Content = bytes | Iterable[bytes]

CONNECT_TIMEOUT_S = 8.0
READ_TIMEOUT_S = 60.0
MAX_ERROR_BYTES = 1 << 20


class ClientError(Exception):
    """Base of what these clients raise."""


class UnreachableError(ClientError):
    """No answer could be had: no connection, TLS refused, broken off, or 502, 503, 504. Try again later."""


class RefusedError(ClientError):
    """The server answered that it will not.

    `error_id`, `description` and `details` are those of the error envelope; `error_id` is "" when the
    answer was none. `status` is the HTTP status.
    """

    def __init__(self, status: int, error_id: str, description: str, details: Mapping[str, Any]) -> None:
        self.status = status
        self.error_id = error_id
        self.description = description
        self.details = dict(details)
        super().__init__(f"{error_id or f'HTTP {status}'}: {description}")

    @property
    def errno(self) -> str:
        """Lower-case POSIX name such as `enoent`, or ""."""
        return str(self.details.get("errno", "")) if self.error_id == "posix" else ""

    @property
    def missing(self) -> bool:
        """Whether it says that there is no such thing."""
        return self.errno == "enoent" or self.status == httpx.codes.NOT_FOUND


class HttpApi:
    """One server and one caller. Safe to share between threads; keeps connections open until `close`."""

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        basic: tuple[str, str] | None = None,
        ca_file: Path | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`base_url` has scheme, host and port. `ca_file`: the authority to trust instead of the system's."""
        self.base_url = base_url.rstrip("/")
        headers = {"user-agent": "isthmus"}
        if token:
            headers["x-auth-token"] = token
        self._client = httpx.Client(
            base_url=self.base_url,
            headers=headers,
            auth=basic,
            verify=_tls(ca_file) if transport is None else False,
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=64),
            trust_env=not _is_loopback(urlsplit(self.base_url).hostname or ""),
            transport=transport,
        )

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def __enter__(self) -> HttpApi:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int | bool] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        content: Content | None = None,
    ) -> httpx.Response:
        """The whole answer. `path` is percent-encoded already; `body` is sent as JSON, `content` as it is.

        Raises RefusedError for an answer of 400 and above, UnreachableError when there is none.
        """
        with self.stream(method, path, params=params, headers=headers, body=body, content=content) as answer:
            try:
                answer.read()
            except httpx.TransportError as error:
                raise UnreachableError(self._unreachable(error)) from error
            return answer

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int | bool] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        content: Content | None = None,
    ) -> Iterator[httpx.Response]:
        """As `request`, but the body of the answer is still to be read, through `pieces`."""
        sent = dict(headers or {})
        if body is not None:
            content = json.dumps(body).encode()
            sent["content-type"] = "application/json"
        try:
            request = self._client.build_request(method, path, params=params, headers=sent, content=content)
            answer = self._client.send(request, stream=True)
        except httpx.TransportError as error:
            raise UnreachableError(self._unreachable(error)) from error
        try:
            if answer.status_code >= httpx.codes.BAD_REQUEST:
                raise self._refusal(answer)
            yield answer
        finally:
            answer.close()

    def pieces(self, answer: httpx.Response, piece_bytes: int) -> Iterator[bytes]:
        """The body of a streamed answer. UnreachableError when it breaks off."""
        try:
            yield from answer.iter_bytes(piece_bytes)
        except httpx.TransportError as error:
            raise UnreachableError(self._unreachable(error)) from error

    def _unreachable(self, error: httpx.TransportError) -> str:
        words = str(error) or type(error).__name__
        return f"{self.base_url} does not answer: {words}"

    def _refusal(self, answer: httpx.Response) -> ClientError:
        if answer.status_code in (502, 503, 504):
            words = _envelope(answer)[1] or answer.reason_phrase
            return UnreachableError(f"{self.base_url} is not able to answer now: {words}")
        error_id, description, details = _envelope(answer)
        return RefusedError(
            answer.status_code,
            error_id,
            description or answer.reason_phrase or f"HTTP status {answer.status_code}",
            details,
        )


def json_object(answer: httpx.Response) -> dict[str, Any]:
    """The body as a JSON object; ClientError when it is none."""
    try:
        got = answer.json()
    except ValueError as error:
        raise ClientError(f"{answer.url} did not answer with JSON") from error
    if not isinstance(got, dict):
        raise ClientError(f"{answer.url} did not answer with a JSON object")
    return got


def _envelope(answer: httpx.Response) -> tuple[str, str, dict[str, Any]]:
    """Id, description and details of the error JSON; for `unauthorized` the reason it gives."""
    body = b""
    try:
        for piece in answer.iter_bytes(1 << 16):
            body += piece
            if len(body) > MAX_ERROR_BYTES:
                return "", "", {}
        error = json.loads(body)["error"]
        inner = (error.get("details") or {}).get("authError")
        shown = inner if isinstance(inner, dict) else error
        return str(error["id"]), str(shown.get("description", "")), dict(error.get("details") or {})
    except (httpx.TransportError, ValueError, KeyError, TypeError, AttributeError):
        return "", "", {}


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:
        raise ClientError(f"cannot read the certificate authority {ca_file}: {error.strerror}") from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
