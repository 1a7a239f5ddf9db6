"""The front door as a client meets it who writes requests byte by byte.

Libraries mend much of what is tried this way before it leaves.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.support.folder import API, V
from tests.support.raw_http import Answer, RawClient
from tests.support.stack import RunningStack

ZONE = "/api/v3/onezone"
OCTETS = {"content-type": "application/octet-stream"}
CONTAINER = {**V, "content-type": "application/cdmi-container"}


class Door:
    """The front door, one connection for each request."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self._tls = stack.tls()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[RawClient]:
        """A new one."""
        client = await RawClient.connect(urlsplit(self._stack.url).port or 443, self._tls)
        try:
            yield client
        finally:
            client.abort()

    async def ask(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        *,
        token: str | None = None,
    ) -> Answer:
        """The answer, by default to the owner. It is never the server's fault."""
        told = {"host": "localhost", "x-auth-token": self._stack.token if token is None else token}
        async with self.connection() as client:
            answer = await client.request(method, target, {**told, **(headers or {})}, body)
        assert answer.status < 500, f"{method} {target[:200]}: {answer}"
        return answer


def told(answer: Answer) -> tuple[int, str, Any]:
    """Status, id and details of an error in the envelope."""
    assert answer.headers.get("content-type") == "application/json", answer
    inner = json.loads(answer.body)["error"]
    assert inner["description"]
    return answer.status, inner["id"], inner.get("details")


def refusal(answer: Answer) -> str:
    """The id of a 400, for POSIX errors the errno."""
    status, id, details = told(answer)
    assert status == 400, answer
    return str(details["errno"]) if id == "posix" else id


def each_door(stack: RunningStack) -> list[tuple[str, str]]:
    """One request at every place that checks tokens by itself."""
    return [
        ("GET", f"{API}/data/{stack.space_id}"),
        ("GET", f"{API}/data/{stack.space_id}/path/nothing"),
        ("PUT", f"{API}/data/{stack.space_id}/path/nothing"),
        ("GET", f"/cdmi/{stack.space}/"),
        ("GET", f"/cdmi/{stack.space}/nothing"),
        ("GET", f"{ZONE}/user"),
    ]
