"""Tokens that open nothing, at every place that checks them by itself."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import httpx
import pytest

from clients.zone_rest import ZoneClient
from tests.support.folder import error
from tests.support.raw_door import ZONE, Door, each_door, told
from tests.support.stack import RunningStack

pytestmark = pytest.mark.usefixtures("nothing_stumbles")

# A verdict on a token is asked for anew after two seconds.
VERDICT_TIMEOUT_S = 15.0


async def verdicts(stack: RunningStack, token: str) -> set[str]:
    """Why a token is refused, at all doors; "" where it is not."""
    found = set()
    door = Door(stack)
    for method, target in each_door(stack):
        answer = await door.ask(method, target, token=token, body=b"x" if method == "PUT" else None)
        if answer.status != 401:
            found.add("")
            continue
        _, id, details = told(answer)
        assert id == "unauthorized"
        found.add(details["authError"]["id"] if details else "nobody")
    return found


async def until_refused(stack: RunningStack, token: str) -> set[str]:
    deadline = time.monotonic() + VERDICT_TIMEOUT_S
    while "" in (found := await verdicts(stack, token)):
        assert time.monotonic() < deadline, f"not refused everywhere: {found}"
        await asyncio.sleep(0.2)
    return found


@pytest.mark.parametrize("token", ["", "x", "x" * 60_000, "MDAx", "ż" * 40, "a b", "=" * 80])
async def test_gibberish_is_a_bad_token(stack: RunningStack, token: str) -> None:
    assert await verdicts(stack, token) == {"badToken"}


async def test_without_a_token_there_is_no_reason(stack: RunningStack, guest: httpx.AsyncClient) -> None:
    for method, target in each_door(stack):
        answer = await guest.request(method, target, content=b"x" if method == "PUT" else None)
        assert error(answer) == (401, "unauthorized", None)


async def test_a_forged_signature_is_an_invalid_token(stack: RunningStack) -> None:
    """One character in the middle is another. Where that is no part of the signature, nothing fits."""
    middle = len(stack.token) // 2
    other = "A" if stack.token[middle] != "A" else "B"
    forged = stack.token[:middle] + other + stack.token[middle + 1 :]
    assert await verdicts(stack, forged) <= {"tokenInvalid", "badToken"}


async def test_a_token_ends_with_its_time(stack: RunningStack) -> None:
    ends = int(time.time()) + 6
    with ZoneClient(stack.url, token=stack.token, ca_file=stack.ca_file) as zone:
        id, token = zone.create_token(
            f"short-{os.urandom(4).hex()}", caveats=[{"type": "time", "validUntil": ends}]
        )
    assert await verdicts(stack, token) == {""}
    assert await until_refused(stack, token) == {"tokenCaveatUnverified"}
    assert time.time() > ends
    async with stack.client() as client:
        await client.delete(f"{ZONE}/tokens/named/{id}")


async def test_a_revoked_token_opens_nothing(stack: RunningStack) -> None:
    with ZoneClient(stack.url, token=stack.token, ca_file=stack.ca_file) as zone:
        id, token = zone.create_token(f"lost-{os.urandom(4).hex()}")
    assert await verdicts(stack, token) == {""}
    async with stack.client() as client:
        answer = await client.patch(f"{ZONE}/tokens/named/{id}", json={"revoked": True})
        assert answer.status_code == 204
        assert await until_refused(stack, token) == {"tokenRevoked"}
        await client.delete(f"{ZONE}/tokens/named/{id}")
    assert await until_refused(stack, token) <= {"tokenRevoked", "tokenInvalid"}


async def test_nobody_says_who_he_is(stack: RunningStack, door: Door) -> None:
    """Identities between services are signed, and not even looked at when they come from outside."""
    operator = Path(stack.env["ISTHMUS_OPERATOR_TOKEN_FILE"]).read_text().strip()
    for header in ("isthmus-identity", "isthmus-identity-bin", "authorization"):
        for method, target in each_door(stack)[:5]:
            value = f"Bearer {operator}" if header == "authorization" else operator
            body = b"x" if method == "PUT" else None
            async with door.connection() as client:
                await client.send(
                    f"{method} {target} HTTP/1.1\r\nhost: localhost\r\n{header}: {value}\r\n"
                    f"content-length: {len(body or b'')}\r\n\r\n".encode()
                    + (body or b"")
                )
                assert (await client.answer()).status == 401
