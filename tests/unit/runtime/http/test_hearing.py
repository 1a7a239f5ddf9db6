"""What an application leaves unread is heard out before it answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.http.hearing import HearsOut, Message, Receive, Scope, Send
from runtime.http.protocol import WHOLE

PIECES = [b"a" * 10, b"b" * 10, b"c" * 10]
ANSWER: list[Message] = [{"type": "http.response.start", "status": 415}, {"type": "http.response.body"}]


class Client:
    """Sends a body in pieces, and keeps what it is told together with how much it had sent by then."""

    def __init__(self, *pieces: bytes, **headers: str) -> None:
        self._left = list(pieces)
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.told: list[tuple[Any, int]] = []
        self.taken = 0

    async def receive(self) -> Message:
        if not self._left:
            await asyncio.Event().wait()  # nothing more comes
        piece = self._left.pop(0)
        self.taken += len(piece)
        return {"type": "http.request", "body": piece, "more_body": bool(self._left)}

    async def send(self, message: Message) -> None:
        self.told.append((message["type"], self.taken))

    async def ask(self, app: HearsOut) -> None:
        await app({"type": "http", "headers": self.headers}, self.receive, self.send)


async def refuses(_scope: Scope, _receive: Receive, send: Send) -> None:
    for message in ANSWER:
        await send(message)


async def reads(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await refuses(scope, receive, send)


def with_body(*pieces: bytes, **more: str) -> Client:
    return Client(*pieces, **{"content-length": "30", **more})


@pytest.mark.parametrize("app", [refuses, reads])
async def test_an_answer_begins_when_all_has_come(app: Any) -> None:
    for client in (with_body(*PIECES), Client(*PIECES, **{"transfer-encoding": "chunked"})):
        await client.ask(HearsOut(app))
        assert client.told == [("http.response.start", 30), ("http.response.body", 30)]


async def test_an_answer_in_one_message_begins_when_all_has_come() -> None:
    async def refuses_at_once(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": WHOLE, "status": 415})

    client = with_body(*PIECES)
    await client.ask(HearsOut(refuses_at_once))
    assert client.told == [(WHOLE, 30)]


async def test_requests_without_a_body_are_answered_at_once() -> None:
    for headers in ({}, {"content-length": "0"}):
        client = Client(**headers)
        await client.ask(HearsOut(refuses))
        assert len(client.told) == 2


async def test_who_waits_to_be_asked_is_not_asked() -> None:
    client = with_body(*PIECES, expect="100-continue")
    await client.ask(HearsOut(refuses))
    assert client.told[0] == ("http.response.start", 0)


async def reads_a_little(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await refuses(scope, receive, send)


async def test_who_waited_and_was_asked_is_heard_out() -> None:
    client = with_body(*PIECES, expect="100-continue")
    await client.ask(HearsOut(reads_a_little))
    assert client.told[0] == ("http.response.start", 30)


async def test_no_more_than_the_bound_is_taken() -> None:
    client = Client(*PIECES, **{"transfer-encoding": "chunked"})
    await client.ask(HearsOut(refuses, limit_bytes=15))
    assert client.told[0] == ("http.response.start", 20)


async def test_what_is_announced_beyond_the_bound_is_not_waited_for() -> None:
    client = Client(**{"content-length": "16"})
    await client.ask(HearsOut(refuses, limit_bytes=15, timeout_s=60))
    assert client.told[0] == ("http.response.start", 0)


async def test_who_stops_sending_is_answered_all_the_same() -> None:
    client = with_body()
    await client.ask(HearsOut(refuses, timeout_s=0.01))
    assert len(client.told) == 2


async def test_who_goes_away_is_waited_for_no_more() -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    client = with_body()
    client.receive = gone  # type: ignore[method-assign]
    await client.ask(HearsOut(refuses, timeout_s=60))
    assert len(client.told) == 2
