"""The serving end of a stream: which calls of a message are begun in one turn of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.message import Message
from isthmus.common.v1 import mux_pb2

from runtime.batching import Batcher
from runtime.rpc.mux_server import MAX_WORKERS_AT_ONCE, Outcome, ServedStream


class KeptWire:
    """A wire that keeps what is sent."""

    def __init__(self) -> None:
        self.on_message: Callable[[Any], None] = lambda _: None
        self.on_writable: Callable[[], None] = lambda: None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.writable, self.closed = True, False
        self.sent: list[mux_pb2.ExchangeResponse] = []

    def send(self, message: Message) -> None:
        assert isinstance(message, mux_pb2.ExchangeResponse)
        self.sent.append(message)

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def abort(self) -> None: ...


class Served:
    """A stream whose calls are answered at once, or wait for a batch of a store that is always free."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.wire = KeptWire()
        self._store: Batcher[int, None] = Batcher(self._flush, max_in_flight=100)
        ServedStream(self.wire, self._answer, asyncio.Event())

    async def ask(self, count: int, *, waiting: bool) -> None:
        """Sends a message with so many calls; returns when all are answered."""
        self.wire.sent.clear()
        method = "wait" if waiting else "now"
        calls = [mux_pb2.MuxCall(call_id=number, method=method) for number in range(1, count + 1)]
        self.wire.on_message(mux_pb2.ExchangeRequest(calls=calls))
        async with asyncio.timeout(5):
            while self.answered < count:
                await asyncio.sleep(0)
        assert self.answered == count

    @property
    def answered(self) -> int:
        return sum(len(message.results) for message in self.wire.sent)

    async def _answer(self, call: mux_pb2.MuxCall, _: bytes) -> Outcome:
        if call.method == "wait":
            await self._store.submit(call.call_id)
        return b"done"

    async def _flush(self, items: list[int]) -> Sequence[None]:
        self.batches.append(len(items))
        return [None] * len(items)


async def test_calls_that_will_wait_as_the_last_ones_did_are_in_one_batch() -> None:
    served = Served()
    await served.ask(10, waiting=True)
    assert len(served.batches) > 1, "nobody knew that they would wait"
    served.batches.clear()
    await served.ask(10, waiting=True)
    assert served.batches == [10]


async def test_calls_that_are_answered_at_once_are_not_taken_for_waiting_ones_for_long() -> None:
    served = Served()
    await served.ask(10, waiting=True)
    await served.ask(10, waiting=False)
    served.batches.clear()
    await served.ask(2, waiting=True)
    assert served.batches == [1, 1], "the last ones did not wait"


async def test_more_calls_than_workers_at_once_are_all_answered() -> None:
    served = Served()
    await served.ask(2, waiting=True)
    served.batches.clear()
    await served.ask(3 * MAX_WORKERS_AT_ONCE + 1, waiting=True)
    assert served.batches[0] == MAX_WORKERS_AT_ONCE
    assert sum(served.batches) == 3 * MAX_WORKERS_AT_ONCE + 1
