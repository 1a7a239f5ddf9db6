"""The serving end of the multiplexed stream (isthmus.common.v1.MuxService).

A call that never waits costs no task of its own: one worker task takes the calls of a batch one after the
other, and only when a call makes it wait, another worker goes on with the rest. So each call runs inside one
proper task from beginning to end (time limits and cancellation work as always), cached answers cost a few
function calls, and slow calls hold up nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn, Protocol

import grpc
import grpc.aio
import structlog
from google.protobuf.message import DecodeError
from isthmus.common.v1 import mux_pb2, mux_pb2_grpc

from runtime.auth import ClusterKey
from runtime.errors import (
    DeadlineExceeded,
    InternalError,
    InvalidArgument,
    IsthmusError,
    ResourceExhausted,
    Unimplemented,
)
from runtime.rpc.interceptors import handle_call
from runtime.rpc.mux_limits import (
    CLOSE_MESSAGE_BYTES,
    MAX_CALLS_IN_MESSAGE,
    MAX_OPEN_CALLS,
    MAX_RESULT_BYTES,
)
from runtime.rpc.status import to_mux_error

log = structlog.get_logger(__name__)

#: Results that wait to be sent, in bytes, before reading pauses.
MAX_UNSENT_BYTES = 16 * 1024 * 1024
#: How often a client hears from a server that has paused reading.
SIGN_OF_LIFE_S = 0.5
#: Calls a worker answers without waiting before it lets others have the event loop.
CALLS_IN_A_ROW = 32

#: What one call came to: its serialised response, or an error.
Outcome = bytes | mux_pb2.MuxError
#: A unary method: what answers it, how its request is read and how its response is written.
Handler = tuple[Callable[[Any, Any], Awaitable[Any]], Callable[[bytes], Any], Callable[[Any], bytes]]
#: Answers one call for the holder of a signed identity. Never raises but when cancelled.
AnswerCall = Callable[[mux_pb2.MuxCall, bytes], Awaitable[Outcome]]


class Stream(Protocol):
    """The server's end of a stream; the context of a gRPC stream is one."""

    async def read(self) -> Any:
        """The next message; something else once the client has ended."""
        ...

    async def write(self, message: mux_pb2.ExchangeResponse, /) -> None:
        """Sends a message."""
        ...

    async def abort(self, code: grpc.StatusCode, details: str = "") -> NoReturn:
        """Ends the stream for a client that breaks the rules."""
        ...


class Exchange:
    """One stream: takes calls, has them answered side by side, sends results as they are ready."""

    def __init__(self, stream: Stream, answer: AnswerCall, draining: asyncio.Event) -> None:
        self._stream = stream
        self._answer = answer
        self._draining = draining
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[mux_pb2.MuxCall, bytes]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._results: deque[tuple[int, Outcome]] = deque()
        self._unsent_bytes = 0
        self._pong_due = False
        self._open_calls = 0
        self._result_ready = asyncio.Event()
        self._sent = asyncio.Event()

    async def run(self) -> None:
        """Until the client ends the stream, it breaks, or this process drains; leaves nothing running."""
        sender = self._loop.create_task(self._send())
        tasks = [sender]
        try:
            for step in (self._read_until_drained, self._all_sent):
                tasks.append(self._loop.create_task(step()))
                await asyncio.wait({tasks[-1], sender}, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    if task.done():
                        task.result()
        finally:
            self._queue.clear()
            tasks += self._workers
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_until_drained(self) -> None:
        reader = self._loop.create_task(self._read())
        drained = self._loop.create_task(self._draining.wait())
        try:
            await asyncio.wait({reader, drained}, return_when=asyncio.FIRST_COMPLETED)
            if reader.done():
                reader.result()
        finally:
            reader.cancel()
            drained.cancel()
            await asyncio.gather(reader, drained, return_exceptions=True)

    async def _read(self) -> None:
        while True:
            message = await self._stream.read()
            if not isinstance(message, mux_pb2.ExchangeRequest):
                return  # the client has ended its side
            if len(message.calls) > MAX_CALLS_IN_MESSAGE:
                await self._stream.abort(grpc.StatusCode.INVALID_ARGUMENT, "too many calls in one message")
            self._take(message)
            while self._open_calls >= MAX_OPEN_CALLS or self._unsent_bytes >= MAX_UNSENT_BYTES:
                await self._pause_reading()

    async def _pause_reading(self) -> None:
        self._sent.clear()
        try:
            await asyncio.wait_for(self._sent.wait(), SIGN_OF_LIFE_S)
        except TimeoutError:
            # Who asks whether anybody is there is not read now, and must not take us for dead.
            self._pong_due = True
            self._result_ready.set()

    async def _all_sent(self) -> None:
        while self._open_calls:
            self._sent.clear()
            await self._sent.wait()

    def _take(self, message: mux_pb2.ExchangeRequest) -> None:
        if not message.calls:  # a client that asks whether anybody is there
            self._pong_due = True
            self._result_ready.set()
            return
        identities = message.identities
        known = len(identities)
        for call in message.calls:
            blob = identities[call.identity_index] if call.identity_index < known else b""
            self._queue.append((call, blob))
        self._open_calls += len(message.calls)
        self._start_worker()

    def _start_worker(self) -> None:
        if not self._queue:
            return
        worker = self._loop.create_task(self._work())
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)
        # Runs right after the worker's first step: calls are left only if one of them made the worker wait.
        self._loop.call_soon(self._start_worker)

    async def _work(self) -> None:
        in_a_row = 0
        while self._queue:
            call, blob = self._queue.popleft()
            self._result(call.call_id, await self._answer(call, blob))
            in_a_row += 1
            if in_a_row % CALLS_IN_A_ROW == 0:
                await asyncio.sleep(0)

    def _result(self, call_id: int, outcome: Outcome) -> None:
        self._results.append((call_id, outcome))
        self._unsent_bytes += _size(outcome)
        self._result_ready.set()

    async def _send(self) -> None:
        while True:
            await self._result_ready.wait()
            self._result_ready.clear()
            while self._results or self._pong_due:
                response = self._next_message()
                await self._stream.write(response)
                self._open_calls -= len(response.results)
                self._sent.set()

    def _next_message(self) -> mux_pb2.ExchangeResponse:
        self._pong_due = False
        response = mux_pb2.ExchangeResponse()
        size = 0
        while self._results and len(response.results) < MAX_CALLS_IN_MESSAGE:
            call_id, outcome = self._results[0]
            size += _size(outcome)
            if size > CLOSE_MESSAGE_BYTES and response.results:
                break
            self._results.popleft()
            self._unsent_bytes -= _size(outcome)
            if isinstance(outcome, bytes):
                response.results.add(call_id=call_id, payload=outcome)
            else:
                response.results.add(call_id=call_id, error=outcome)
        return response


def _size(outcome: Outcome) -> int:
    return len(outcome) if isinstance(outcome, bytes) else 256


class MuxServicer(mux_pb2_grpc.MuxServiceServicer):
    """Serves every unary method in `handlers`, by full name, as if it had been called alone."""

    def __init__(self, handlers: Mapping[str, Handler], key: ClusterKey) -> None:
        self._handlers = handlers
        self._key = key
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """No more calls are taken; those under way are answered, then the streams end."""
        self._draining.set()

    async def Exchange(  # type: ignore[override]  # the form with read() and write(), not the generator
        self, request_iterator: object, context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        """One stream of a client."""
        await self.serve(context)

    async def serve(self, stream: Stream) -> None:
        """One stream of a client whose identity was checked, over whatever road it came."""
        await Exchange(stream, self._answer, self._draining).run()

    async def _answer(self, call: mux_pb2.MuxCall, blob: bytes) -> Outcome:
        try:
            return await self._respond(call, blob)
        except IsthmusError as error:
            return to_mux_error(error)
        except Exception:
            log.exception("mux_call_failed", rpc=call.method, request_id=call.request_id)
            return to_mux_error(InternalError())

    async def _respond(self, call: mux_pb2.MuxCall, blob: bytes) -> bytes:
        handler = self._handlers.get(call.method)
        if handler is None:
            raise Unimplemented(method=call.method)
        if not call.timeout_ms:
            raise DeadlineExceeded(method=call.method)
        behaviour, decode, encode = handler
        identity = self._key.verify(blob, time.time_ns() // 1_000_000)
        try:
            request = decode(call.payload)
        except DecodeError as error:
            raise InvalidArgument("the request can't be decoded", method=call.method) from error
        response = await handle_call(
            call.method,
            behaviour,
            request,
            identity=identity,
            identity_blob=blob,
            request_id=call.request_id,
            timeout_s=call.timeout_ms / 1000,
            traceparent=call.traceparent,
        )
        payload = encode(response)
        if len(payload) > MAX_RESULT_BYTES:
            raise ResourceExhausted("the answer is too large", method=call.method, size_bytes=len(payload))
        return payload
