"""Channels to other services: they pass on who calls, why and how long, and raise our errors.

A channel from here fits every generated stub. A wrapper and not gRPC's client interceptors, because those
cost a task for each call and see a stream's errors in some of its ways only.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Collection, Generator
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from prometheus_client import Histogram

from runtime import telemetry
from runtime.auth import ClusterKey, service_identity
from runtime.errors import DeadlineExceeded
from runtime.identity import Identity
from runtime.request import current_call, remaining_s
from runtime.rpc.interceptors import IDENTITY_KEY, REQUEST_ID_KEY, TRACEPARENT_KEY
from runtime.rpc.status import carries_details, from_rpc_error

#: A unary call without a time limit of its own has this one.
DEFAULT_TIMEOUT_S = 10.0
#: Tries of an idempotent unary call whose server could not be reached, and the pause before the second,
#: which doubles each time and is spread.
MAX_TRIES = 4
FIRST_PAUSE_S = 0.05
#: Largest answer; the same bound as a result on a multiplexed stream.
MAX_ANSWER_BYTES = 16 * 1024 * 1024

_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),  # else channels to one target share a connection
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    ("grpc.max_metadata_size", 512 * 1024),
    ("grpc.absolute_max_metadata_size", 512 * 1024),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 3000),
    # A fixed window: else each message that comes after a silence is followed by pings to measure the road.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1024 * 1024),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5000),
    ("grpc.enable_retries", 0),  # tries are counted here, for every kind of target alike
)

CALLED = telemetry.histogram(
    "rpc_client_seconds", "Calls made and the time each took, seconds.", ["method", "code"]
)
_timers: dict[tuple[str, str], Histogram] = {}


def open_channel(
    target: str,
    *,
    key: ClusterKey | None = None,
    service: str = "isthmus",
    not_idempotent: Collection[str] = (),
    root_certificates: bytes | None = None,
) -> grpc.aio.Channel:
    """A channel to `target`: `xds:///<service>` or `host:port`. Close it when done.

    With `key`, calls are made for the caller of the request under way, else in the name of `service`;
    without, no identity leaves this process. Request id, trace and what is left of the deadline always go
    along. Calls raise IsthmusError. A unary call whose server could not be reached is tried again within its
    time, except methods in `not_idempotent` (full names). With `root_certificates` (PEM) it is TLS.
    """
    if root_certificates is None:
        channel = grpc.aio.insecure_channel(target, options=_OPTIONS)
    else:
        credentials = grpc.ssl_channel_credentials(root_certificates)
        channel = grpc.aio.secure_channel(target, credentials, options=_OPTIONS)
    return Channel(channel, _Outgoing(key, service), frozenset(not_idempotent))


class ChannelPart:
    """Opens a channel on start and closes it on stop."""

    def __init__(self, channel: grpc.aio.Channel, *, wait_s: float) -> None:
        self._channel = channel
        self._wait_s = wait_s

    async def start(self) -> None:
        """Waits for the connection; when it takes too long, it comes by itself later."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._channel.channel_ready(), self._wait_s)

    async def stop(self) -> None:
        """Ends what is under way."""
        await self._channel.close()


class _Outgoing:
    """What goes along with every call of a channel."""

    def __init__(self, key: ClusterKey | None, service: str) -> None:
        self._key = key
        self._service = service
        self._own: tuple[Identity, bytes] | None = None

    def metadata(self, given: Any) -> tuple[tuple[str, str | bytes], ...]:
        """`given` by the caller, and the rest of the request's context."""
        call = current_call.get()
        pairs: list[tuple[str, str | bytes]] = list(given or ())
        if self._key is not None:
            pairs.append((IDENTITY_KEY, call.identity_blob or self._own_blob(self._key)))
        if call.request_id:
            pairs.append((REQUEST_ID_KEY, call.request_id))
        if traceparent := telemetry.traceparent():
            pairs.append((TRACEPARENT_KEY, traceparent))
        return tuple(pairs)

    def _own_blob(self, key: ClusterKey) -> bytes:
        identity = service_identity(self._service)
        if self._own is None or self._own[0] is not identity:
            self._own = (identity, key.sign(identity))
        return self._own[1]


class Channel(grpc.aio.Channel):
    """A channel whose calls carry context and raise IsthmusError."""

    def __init__(
        self, channel: grpc.aio.Channel, outgoing: _Outgoing, not_idempotent: frozenset[str]
    ) -> None:
        self._channel = channel
        self._outgoing = outgoing
        self._not_idempotent = not_idempotent

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """One request, one response: `await call(request, timeout=...)`."""
        start = self._channel.unary_unary(method, *args, **kwargs)
        max_tries = 1 if method in self._not_idempotent else MAX_TRIES

        async def call(
            request: Any, *, timeout: float | None = None, metadata: Any = None, **others: Any
        ) -> Any:
            limit_s = DEFAULT_TIMEOUT_S if timeout is None else timeout
            give_up_s = time.monotonic() + min(limit_s, remaining_s(limit_s))
            for tried in range(1, max_tries + 1):
                left_s = give_up_s - time.monotonic()
                if left_s <= 0:
                    raise DeadlineExceeded(method=method)
                began_s = time.perf_counter()
                code = "OK"
                try:
                    sent = self._outgoing.metadata(metadata)
                    return await start(request, timeout=left_s, metadata=sent, **others)
                except grpc.aio.AioRpcError as error:
                    code = error.code().name
                    pause_s = _pause_s(tried)
                    if tried == max_tries or not _worth_a_try(error) or left_s <= pause_s:
                        raise from_rpc_error(error) from error
                except asyncio.CancelledError:
                    code = "CANCELLED"
                    raise
                finally:
                    _timer(method, code).observe(time.perf_counter() - began_s)
                await asyncio.sleep(pause_s)
            raise AssertionError("unreachable")

        return call

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """One request, many responses: `async for response in call(request)`."""
        start = self._channel.unary_stream(method, *args, **kwargs)

        def call(request: Any, *, timeout: float | None = None, metadata: Any = None, **others: Any) -> Any:
            sent = self._outgoing.metadata(metadata)
            return StreamCall(start(request, timeout=_within_deadline(timeout), metadata=sent, **others))

        return call

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Many requests, one response: `await call(requests)`."""
        start = self._channel.stream_unary(method, *args, **kwargs)

        def call(
            requests: Any = None, *, timeout: float | None = None, metadata: Any = None, **others: Any
        ) -> Any:
            sent = self._outgoing.metadata(metadata)
            return StreamCall(start(requests, timeout=_within_deadline(timeout), metadata=sent, **others))

        return call

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Many both ways. May outlive the request it was opened in, so it has only its own time limit."""
        start = self._channel.stream_stream(method, *args, **kwargs)

        def call(
            requests: Any = None, *, timeout: float | None = None, metadata: Any = None, **others: Any
        ) -> Any:
            sent = self._outgoing.metadata(metadata)
            return StreamCall(start(requests, timeout=timeout, metadata=sent, **others))

        return call

    async def close(self, grace: float | None = None) -> None:
        """Ends all calls, after `grace` seconds at most."""
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """State of the connection."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Until the state is another."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Until it is connected."""
        await self._channel.channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()


class StreamCall:
    """A call with a stream on either side. All ways to use it raise IsthmusError."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._responses()

    async def _responses(self) -> AsyncIterator[Any]:
        try:
            async for response in self._call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    def __await__(self) -> Generator[Any, None, Any]:
        return self._translated(self._call).__await__()

    async def read(self) -> Any:
        """The next response, or `grpc.aio.EOF`."""
        return await self._translated(self._call.read())

    async def write(self, request: Any) -> None:
        """Sends one request."""
        await self._translated(self._call.write(request))

    async def done_writing(self) -> None:
        """No more requests."""
        await self._translated(self._call.done_writing())

    def cancel(self) -> bool:
        """Ends the call; False when it has ended already."""
        return bool(self._call.cancel())

    def done(self) -> bool:
        """Whether it has ended."""
        return bool(self._call.done())

    async def _translated(self, awaitable: Any) -> Any:
        try:
            return await awaitable
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error


def _worth_a_try(error: grpc.aio.AioRpcError) -> bool:
    """A server that says it is unavailable has said so; one that was never reached may be back."""
    return error.code() is grpc.StatusCode.UNAVAILABLE and not carries_details(error)


def _pause_s(tried: int) -> float:
    return FIRST_PAUSE_S * float(2 ** (tried - 1)) * random.uniform(0.5, 1.5)


def _within_deadline(timeout_s: float | None) -> float | None:
    left_s = remaining_s(-1.0)
    if left_s < 0:
        return timeout_s
    return left_s if timeout_s is None else min(timeout_s, left_s)


def _timer(method: str, code: str) -> Histogram:
    timer = _timers.get((method, code))
    if timer is None:
        timer = _timers[method, code] = CALLED.labels(method, code)
    return timer
