"""The serving end of the multiplexed stream (isthmus.common.v1.MuxService).

A call that never waits costs no task of its own: one worker task takes the calls of a batch one after the
other, and only when a call makes it wait, others go on with the rest. So each call runs inside one proper
task from beginning to end (time limits and cancellation work as always), cached answers cost a few function
calls, and slow calls hold up nobody. Where the last calls waited, the next ones are begun all in one turn of
the event loop, each by a worker of its own: what they wait for can gather them.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

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
from runtime.rpc.wire import GrpcWire, Wire

log = structlog.get_logger(__name__)

#: Results that wait to be sent, in bytes, before reading pauses and no further call is begun.
MAX_UNSENT_BYTES = 16 * 1024 * 1024
#: How often a client hears from a server that has paused reading.
SIGN_OF_LIFE_S = 0.5
#: Calls a worker answers without waiting before it lets others have the event loop.
CALLS_IN_A_ROW = 32
#: Workers begun in one turn of the event loop.
MAX_WORKERS_AT_ONCE = 32

#: What one call came to: its serialised response, or an error.
Outcome = bytes | mux_pb2.MuxError
#: A unary method: what answers it, how its request is read and how its response is written.
Handler = tuple[Callable[[Any, Any], Awaitable[Any]], Callable[[bytes], Any], Callable[[Any], bytes]]
#: Answers one call for the holder of a signed identity. Never raises but when cancelled.
AnswerCall = Callable[[mux_pb2.MuxCall, bytes], Awaitable[Outcome]]


class BadMessage(ValueError):
    """The client breaks the rules of the stream."""


class ServedStream:
    """One stream: takes calls, has them answered side by side, sends results as they are ready."""

    def __init__(self, wire: Wire, answer: AnswerCall, draining: asyncio.Event) -> None:
        self._wire = wire
        self._answer = answer
        self._draining = draining
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[mux_pb2.MuxCall, bytes]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._calls_wait = False  # as the last ones did
        self._begun_count = self._answered_count = 0
        self._results: deque[tuple[int, Outcome]] = deque()
        self._unsent_bytes = 0
        self._open_calls = 0
        self._pong_due = False
        self._flush_due = False
        self._sign: asyncio.TimerHandle | None = None  # set while nothing is taken
        self._flushed = asyncio.Event()
        wire.on_message, wire.on_writable = self._take, self._flush

    async def run(self) -> None:
        """Until the client ends the stream, it breaks, or this process drains; leaves nothing running."""
        drained = self._loop.create_task(self._draining.wait())
        either: set[asyncio.Future[Any]] = {self._wire.ended, drained}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            self._wire.pause()
            while (self._open_calls or not self._wire.writable) and not self._wire.closed:
                self._flushed.clear()
                await self._flushed.wait()
            if self._wire.ended.done():
                self._wire.ended.result()
        finally:
            self._queue.clear()
            if self._sign is not None:
                self._sign.cancel()
            tasks = [drained, *self._workers]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self, message: mux_pb2.ExchangeRequest) -> None:
        calls = message.calls
        if not calls:  # a client that asks whether anybody is there
            self._pong_due = True
            self._flush_soon()
            return
        if len(calls) > MAX_CALLS_IN_MESSAGE:
            raise BadMessage("too many calls in one message")
        identities = list(message.identities)
        known = len(identities)
        for call in calls:
            blob = identities[call.identity_index] if call.identity_index < known else b""
            self._queue.append((call, blob))
        self._open_calls += len(calls)
        if self._is_full() and self._sign is None:
            self._wire.pause()
            self._sign = self._loop.call_later(SIGN_OF_LIFE_S, self._give_sign)
        self._start_workers()

    def _is_full(self) -> bool:
        return self._open_calls >= MAX_OPEN_CALLS or self._unsent_bytes >= MAX_UNSENT_BYTES

    def _give_sign(self) -> None:
        # Who asks whether anybody is there is not read now, and must not take us for dead.
        self._sign = self._loop.call_later(SIGN_OF_LIFE_S, self._give_sign)
        self._pong_due = True
        self._flush()

    def _start_workers(self) -> None:
        if not self._may_work():
            return
        for _ in range(min(len(self._queue), MAX_WORKERS_AT_ONCE) if self._calls_wait else 1):
            worker = self._loop.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        # Runs right after the first steps of these workers.
        self._loop.call_soon(self._look_after_workers, self._begun_count, self._answered_count)

    def _look_after_workers(self, begun_before: int, answered_before: int) -> None:
        """Learns from how the first steps went, and has the calls taken that are left: somebody waits."""
        begun = self._begun_count - begun_before
        if begun:
            self._calls_wait = 2 * (self._answered_count - answered_before) < begun
        self._start_workers()

    async def _work(self) -> None:
        in_a_row = 0
        while self._may_work():
            call, blob = self._queue.popleft()
            self._begun_count += 1
            self._result(call.call_id, await self._answer(call, blob))
            in_a_row += 1
            if in_a_row % CALLS_IN_A_ROW == 0:
                await asyncio.sleep(0)

    def _may_work(self) -> bool:
        # A client may ask for far more at once than it reads.
        return bool(self._queue) and self._unsent_bytes < MAX_UNSENT_BYTES

    def _result(self, call_id: int, outcome: Outcome) -> None:
        self._answered_count += 1
        self._results.append((call_id, outcome))
        self._unsent_bytes += _size(outcome)
        self._flush_soon()

    def _flush_soon(self) -> None:
        # On the next turn, not now: whatever else is ready in this turn comes along.
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        while (self._results or self._pong_due) and self._wire.writable:
            response = self._next_message()
            self._open_calls -= len(response.results)
            self._wire.send(response)
        if self._sign is not None and not self._is_full() and not self._draining.is_set():
            self._sign.cancel()
            self._sign = None
            self._wire.resume()
        self._start_workers()  # for what was left when too much was unsent
        self._flushed.set()

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
        wire = GrpcWire(context)
        try:
            await self.open(wire).run()
        except BadMessage as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        finally:
            await wire.close()

    def open(self, wire: Wire) -> ServedStream:
        """One stream of a client whose identity was checked, whatever road it came. Who opens it runs it."""
        return ServedStream(wire, self._answer, self._draining)

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
