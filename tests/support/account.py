"""What a user of a running stack has: an address, a certificate authority, a token and a space."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from urllib.parse import quote

import httpx

API = "/api/v3/oneprovider"
DATA = f"{API}/data"
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Account:
    """The front door, for one user in one space. `root_id`: object id of the space's directory."""

    url: str
    ca_file: Path
    token: str
    space: str
    space_id: str
    root_id: str = ""

    def client(self, *, token: str | None = None) -> httpx.AsyncClient:
        """A client with connections of its own; close it. Never follows, never repeats."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers={
                "x-auth-token": self.token if token is None else token,
                "content-type": "application/octet-stream",
                "accept-encoding": "identity",
            },
            verify=trust(self.ca_file),
            timeout=TIMEOUT_S,
            trust_env=False,
        )

    async def entered(self) -> Account:
        """With the space's `root_id`, asked at the door itself."""
        async with self.client() as client:
            answer = await client.post(f"{API}/lookup-file-id/{quote(self.space)}")
        assert answer.status_code == 200, answer.text
        return replace(self, root_id=answer.json()["fileId"])


@cache
def trust(ca_file: Path) -> ssl.SSLContext:
    """TLS that trusts this authority only."""
    return ssl.create_default_context(cafile=str(ca_file))


async def endless(piece: bytes, size_bytes: int) -> AsyncIterator[bytes]:
    """A body of so many bytes, in pieces, without a length that anybody could know."""
    while size_bytes > 0:
        yield piece[:size_bytes]
        size_bytes -= len(piece)
