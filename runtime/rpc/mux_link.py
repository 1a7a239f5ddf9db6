"""One multiplexed stream to one instance: kept open, watched, and opened again when it breaks."""

from __future__ import annotations

import asyncio
import enum
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
import grpc.aio
import structlog
from isthmus.common.v1 import mux_pb2, mux_pb2_grpc

from runtime import telemetry
from runtime.deadlines import Deadlines
from runtime.discovery import Instance
from runtime.errors import DeadlineExceeded, Unavailable
from runtime.rpc.lane import Frames, open_lane
from runtime.rpc.mux_limits import (
    CLOSE_MESSAGE_BYTES,
    MAX_CALLS_IN_MESSAGE,
    MAX_OPEN_CALLS,
    MAX_RESULT_BYTES,
)
from runtime.rpc.wire import GrpcWire, Wire

log = structlog.get_logger(__name__)

#: Messages on their way that the server is not known to have taken. Few, so that calls gather meanwhile.
MAX_MESSAGES_UNTAKEN = 4
#: After this long a message counts as taken though nothing was answered: all its calls may be slow ones.
TAKEN_AFTER_S = 0.005
#: Callers that wait for a place in a message; one more is refused.
MAX_WAITING = 8192
#: How long a new stream may take until the peer answers on it.
OPEN_TIMEOUT_S = 2.0
#: The link is looked at this often. With calls under way and nothing heard for `ASK_AFTER_S` (or
#: `ASK_IDLE_AFTER_S` without calls) the peer is asked for a sign of life; after `MAX_SILENT_LOOKS` looks
#: without one it counts as dead. Looks are counted, not seconds: this process may have been paused itself.
LOOK_INTERVAL_S = 0.5
ASK_AFTER_S, ASK_IDLE_AFTER_S = 1.0, 5.0
MAX_SILENT_LOOKS = 4
#: Start and end of the growing pause before the stream is opened again.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 3.0

BREAKS = telemetry.counter("mux_breaks", "Streams to instances of a service that broke.", ["service"])
CALLS_IN_MESSAGE = telemetry.histogram(
    "mux_message_calls", "Calls in one message to a service.", ["service"], (1, 2, 4, 8, 16, 32, 64, 128, 256)
)

_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", MAX_RESULT_BYTES + 2 * CLOSE_MESSAGE_BYTES),
    ("grpc.enable_retries", 0),
]


class LinkBroken(Unavailable):
    """The stream to an instance broke. `sent`: whether the instance may have begun with the call."""

    reason = "LINK_BROKEN"

    def __init__(self, message: str = "", *, sent: bool = False, **facts: object) -> None:
        super().__init__(message, **facts)
        self.sent = sent


class LinkFull(Unavailable):
    """Too many calls wait for this instance already."""

    reason = "QUEUE_FULL"


class _NoSignOfLife(Exception):
    """The peer was silent for too long."""


class State(enum.Enum):
    """`OPENING` only until the first try has ended; then `READY` and `BROKEN` in turns."""

    OPENING = 1
    READY = 2
    BROKEN = 3


Answer = asyncio.Future[mux_pb2.MuxResult]


@dataclass(slots=True, eq=False)
class Outgoing:
    """A call to be sent."""

    method: str
    payload: bytes
    identity: bytes
    request_id: str
    traceparent: str
    deadline_s: float
    size: int = field(init=False)
    #: Given by the link that it is submitted to, the number when it is sent.
    answer: Answer = field(init=False, repr=False)
    call_id: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.size = len(self.payload) + len(self.method) + 128


class Link:
    """Owns the stream to `instance`. `identify` gives the signed identity to open it with; `on_change` is
    called after every change of `state`. An instance with the same `host_id` is reached by its lane.

    `session` counts the streams opened: a link with a new session may work where the old one failed.
    """

    def __init__(
        self,
        instance: Instance,
        identify: Callable[[], bytes],
        on_change: Callable[[], None],
        *,
        host_id: str = "",
    ) -> None:
        self.instance = instance
        is_near = bool(host_id) and instance.meta.get("host_id") == host_id
        self._lane = instance.meta.get("lane", "") if is_near else ""
        self.state = State.OPENING
        self.session = 0
        self._identify = identify
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._wire: Wire | None = None
        self._waiting: OrderedDict[Outgoing, None] = OrderedDict()
        self._under_way: dict[int, Answer] = {}
        self._untaken: deque[tuple[int, float]] = deque()
        self._deadlines = Deadlines(_expire)
        self._last_call_id = 0
        self._newest_answered = 0
        self._answered = asyncio.Event()
        self._ping_due = False
        self._flush_due = False
        self._look_again: asyncio.TimerHandle | None = None
        self._heard_s = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._made_s = time.monotonic()
        self._calls_in_message = CALLS_IN_MESSAGE.labels(instance.service)
        self._task = self._loop.create_task(self._keep_open(), name=f"mux-{instance.instance_id}")

    @property
    def age_s(self) -> float:
        """Seconds since the first try began."""
        return time.monotonic() - self._made_s

    @property
    def idle(self) -> bool:
        """True when no call waits or is under way."""
        return not self._waiting and not self._under_way

    async def close(self) -> None:
        """Ends the stream; calls under way fail with `LinkBroken`."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def submit(self, call: Outgoing) -> mux_pb2.MuxResult:
        """The result of the call.

        Raises `LinkBroken` when the stream breaks or is not open, `DeadlineExceeded`, or `LinkFull`.
        """
        if self.state is not State.READY:
            raise LinkBroken(instance_id=self.instance.instance_id)
        if len(self._waiting) >= MAX_WAITING:
            raise LinkFull(instance_id=self.instance.instance_id)
        call.call_id = 0  # it may have had one on another link
        answer: Answer = self._loop.create_future()
        call.answer = answer
        self._waiting[call] = None
        self._deadlines.add(call, call.deadline_s)
        self._flush_soon()
        try:
            return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled():
                answer.exception()  # seen: nobody else will ask, and asyncio would complain
            raise
        finally:
            self._deadlines.discard(call)
            self._waiting.pop(call, None)
            self._under_way.pop(call.call_id, None)

    async def _keep_open(self) -> None:
        while True:
            cause = "closed by the peer"
            try:
                await self._one_session()
            except grpc.aio.AioRpcError as error:
                cause = f"{error.code().name}: {error.details()}"
            except asyncio.CancelledError:
                self._broke("")
                raise
            except _NoSignOfLife:
                cause = "no sign of life"
            except TimeoutError:
                cause = "not opened in time"
            except Exception as error:
                # Whatever it was: without this loop the instance would never be reached again.
                log.exception("mux_failed", peer=self.instance.instance_id)
                cause = repr(error)
            self._broke(cause)
            await asyncio.sleep(self._pause_s * random.uniform(0.7, 1.3))
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    async def _one_session(self) -> None:
        self.session += 1
        self._ping_due = True
        lane = await self._open_lane()
        if lane is not None:
            await self._run(lane)
            return
        async with grpc.aio.insecure_channel(self.instance.address, options=_OPTIONS) as channel:
            stream = mux_pb2_grpc.MuxServiceStub(channel).Exchange(
                metadata=(("isthmus-identity-bin", self._identify()),)
            )
            wire = GrpcWire(stream, on_abort=stream.cancel)
            try:
                await self._run(wire)
            finally:
                await wire.close()

    async def _open_lane(self) -> Frames | None:
        """The instance's lane; None where it has none that can be reached."""
        if not self._lane:
            return None
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                return await open_lane(self._lane, self._identify())
        except OSError as error:
            log.info("lane_not_reached", peer=self.instance.instance_id, error=repr(error))
            return None

    async def _run(self, wire: Wire) -> None:
        """Uses a wire until it ends."""
        self._answered.clear()
        self._wire = wire
        wire.on_message, wire.on_writable = self._heard, self._flush
        watching = self._loop.create_task(self._watch_over())
        self._flush()
        try:
            await asyncio.wait({wire.ended, watching}, return_when=asyncio.FIRST_COMPLETED)
            for each in (wire.ended, watching):
                if each.done():
                    each.result()
        finally:
            self._wire = None
            wire.abort()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    def _opened(self) -> None:
        self.state = State.READY
        self._pause_s = FIRST_PAUSE_S
        self._answered.set()
        log.info("mux_opened", peer=self.instance.instance_id, address=self.instance.address)
        self._on_change()

    def _broke(self, cause: str) -> None:
        if self.state is State.READY and cause:
            log.warning("mux_broke", peer=self.instance.instance_id, cause=cause)
            BREAKS.labels(self.instance.service).inc()
        self.state = State.BROKEN
        facts = {"instance_id": self.instance.instance_id}
        for answer in list(self._under_way.values()):
            if not answer.done():
                answer.set_exception(LinkBroken(sent=True, **facts))
        for call in list(self._waiting):
            if not call.answer.done():
                call.answer.set_exception(LinkBroken(sent=False, **facts))
        self._under_way.clear()
        self._waiting.clear()
        self._untaken.clear()
        self._on_change()

    def _heard(self, message: mux_pb2.ExchangeResponse) -> None:
        self._heard_s = time.monotonic()
        if self.state is not State.READY:
            self._opened()
        for result in message.results:
            self._newest_answered = max(self._newest_answered, result.call_id)
            answer = self._under_way.pop(result.call_id, None)
            if answer is not None and not answer.done():
                answer.set_result(result)
        if self._waiting:
            self._flush_soon()

    def _flush_soon(self) -> None:
        # On the next turn, not now: whoever else is ready in this turn comes along.
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        wire = self._wire
        while wire is not None and wire.writable and (self._ping_due or self._may_send()):
            wire.send(self._next_message())

    def _may_send(self) -> bool:
        if not self._waiting or len(self._under_way) >= MAX_OPEN_CALLS:
            return False
        now_s = time.monotonic()
        # The server takes messages in order: one answered call means that all before it were taken.
        while self._untaken and (
            self._untaken[0][0] <= self._newest_answered or now_s - self._untaken[0][1] >= TAKEN_AFTER_S
        ):
            self._untaken.popleft()
        if len(self._untaken) < MAX_MESSAGES_UNTAKEN:
            return True
        if self._look_again is None:
            self._look_again = self._loop.call_later(TAKEN_AFTER_S, self._look)
        return False

    def _look(self) -> None:
        self._look_again = None
        self._flush()

    def _next_message(self) -> mux_pb2.ExchangeRequest:
        request = mux_pb2.ExchangeRequest()
        if self._ping_due:
            self._ping_due = False
            return request  # a message without calls asks for a sign of life
        identities: dict[bytes, int] = {}
        now_s = time.monotonic()
        first, size = self._last_call_id + 1, 0
        room = min(MAX_CALLS_IN_MESSAGE, MAX_OPEN_CALLS - len(self._under_way))
        while self._waiting and len(request.calls) < room:
            call, _ = self._waiting.popitem(last=False)
            if call.answer.done():
                continue
            position = identities.setdefault(call.identity, len(identities))
            size += call.size + (len(call.identity) if position == len(request.identities) else 0)
            if size > CLOSE_MESSAGE_BYTES and request.calls:
                self._waiting[call] = None
                self._waiting.move_to_end(call, last=False)
                break
            if position == len(request.identities):
                request.identities.append(call.identity)
            self._last_call_id += 1
            self._under_way[self._last_call_id] = call.answer
            call.call_id = self._last_call_id
            request.calls.add(
                call_id=self._last_call_id,
                method=call.method,
                payload=call.payload,
                timeout_ms=max(1, int((call.deadline_s - now_s) * 1000)),
                identity_index=position,
                request_id=call.request_id,
                traceparent=call.traceparent,
            )
        if request.calls:
            self._untaken.append((first, now_s))
            self._calls_in_message.observe(len(request.calls))
        return request

    async def _watch_over(self) -> None:
        """Asks a silent peer for a sign of life. TimeoutError, _NoSignOfLife."""
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            await self._answered.wait()
        asked_s, silent_looks = 0.0, 0
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            if self._heard_s >= asked_s:
                silent_looks = 0
            else:
                silent_looks += 1
                if silent_looks >= MAX_SILENT_LOOKS:
                    raise _NoSignOfLife
                continue
            patience_s = ASK_IDLE_AFTER_S if self.idle else ASK_AFTER_S
            if time.monotonic() - self._heard_s > patience_s:
                asked_s = time.monotonic()
                self._ping_due = True
                self._flush()


def _expire(call: Outgoing) -> None:
    if not call.answer.done():
        call.answer.set_exception(DeadlineExceeded(method=call.method))
