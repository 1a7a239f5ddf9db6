"""Many small calls between two services over one stream to each instance: the client, and the servicer.

One unary gRPC call costs Python hundreds of microseconds on each side; the same calls gathered into batches
on one stream cost a small part of that. The unary methods stay for operators and rare calls, with the same
handlers. Who calls what is decided by rendezvous hashing, so all callers send one key to one instance.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from google.protobuf.message import Message
from isthmus.common.v1 import mux_pb2

from runtime.auth import ClusterKey, caller_blob, service_identity
from runtime.discovery import Instance, Watch
from runtime.errors import DeadlineExceeded, ResourceExhausted, Unavailable
from runtime.identity import Identity
from runtime.rendezvous import ranking
from runtime.request import current_call
from runtime.rpc.mux_limits import MAX_REQUEST_BYTES
from runtime.rpc.mux_link import Link, LinkBroken, Outgoing, State
from runtime.rpc.mux_server import MuxServicer
from runtime.rpc.status import from_mux_error
from runtime.telemetry import traceparent

__all__ = ["MuxClient", "MuxServicer", "NoInstance"]

log = structlog.get_logger(__name__)

#: Instances a call is tried on, as long as its deadline lasts.
MAX_ATTEMPTS = 4
#: Longest to wait for an instance when none is connected: a restart of the only one goes unnoticed.
INSTANCE_WAIT_S = 3.0
#: Longest to wait for the owner of a key to be connected for the first time, before the next one is taken.
OPENING_WAIT_S = 0.5
#: Longest that calls under way keep the stream to an instance that has left Consul.
RETIRE_WAIT_S = 10.0
#: Calls that may wait for an instance; one more fails at once.
MAX_WAITING = 8192
#: Routing keys whose order of instances is remembered.
MAX_ROUTES = 10_000

R = TypeVar("R", bound=Message)

#: What tells one process from its successor: instance id, address, start.
_Process = tuple[str, str, str]


class NoInstance(Unavailable):
    """No instance of the service can be reached."""

    reason = "NO_INSTANCE"


class MuxClient:
    """Calls unary methods of the service that `watch` follows.

    `service` is the name of this process's own service: streams are opened, and calls with `as_service` made,
    in its name. Start `watch` before and stop it after. `host_id` is this process's own: instances with the
    same one are reached without gRPC (`runtime.rpc.lane`).
    """

    def __init__(self, watch: Watch, key: ClusterKey, *, service: str, host_id: str = "") -> None:
        self._watch = watch
        self._key = key
        self._service = service
        self._host_id = host_id
        self._links: dict[_Process, Link] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._routes: dict[str, list[Link]] = {}
        self._changed = asyncio.Event()
        self._unsubscribe: Callable[[], None] | None = None
        self._own: tuple[Identity, bytes] | None = None
        self._waiting = 0
        self._stopped = False

    async def start(self) -> None:
        """Opens a stream to every instance known, and from now on to every new one."""
        self._unsubscribe = self._watch.subscribe(self._follow)
        self._follow(self._watch.instances)

    async def stop(self) -> None:
        """Closes all streams; calls under way fail with `Unavailable`."""
        self._stopped = True
        if self._unsubscribe is not None:
            self._unsubscribe()
        for task in self._retiring:
            task.cancel()
        links, self._links = list(self._links.values()), {}
        self._routes.clear()
        await asyncio.gather(*(link.close() for link in links), *self._retiring, return_exceptions=True)

    async def call(
        self,
        method: str,
        request: Message,
        response_class: type[R],
        *,
        routing_key: str,
        timeout_s: float = 10.0,
        idempotent: bool = True,
        as_service: bool = False,
    ) -> R:
        """One call of `method` (`/package.Service/Method`) on the instance that `routing_key` belongs to.

        The caller of the request under way is passed on, with its request id, trace and what is left of its
        deadline; `as_service` calls in this service's own name instead. When the stream breaks, an idempotent
        call, and any call that was not sent yet, goes to the next instance. Raises what the method raises,
        `DeadlineExceeded`, or `Unavailable`.
        """
        payload = request.SerializeToString()
        if len(payload) > MAX_REQUEST_BYTES:
            raise ResourceExhausted("the request is too large", size_bytes=len(payload), method=method)
        request_now = current_call.get()
        deadline_s = time.monotonic() + timeout_s
        call = Outgoing(
            method=method,
            payload=payload,
            identity=self._own_identity() if as_service else caller_blob(),
            request_id=request_now.request_id,
            traceparent=traceparent(),
            deadline_s=min(deadline_s, request_now.deadline_s or deadline_s),
        )
        result = await self._try_instances(call, routing_key, idempotent=idempotent)
        if result.HasField("error"):
            raise from_mux_error(result.error)
        return response_class.FromString(result.payload)

    async def _try_instances(
        self, call: Outgoing, routing_key: str, *, idempotent: bool
    ) -> mux_pb2.MuxResult:
        failed: set[tuple[Link, int]] = set()
        for attempt in range(MAX_ATTEMPTS):
            link = self._first_ready(routing_key, failed) or await self._wait_for_one(
                call, routing_key, failed
            )
            session = link.session
            try:
                return await link.submit(call)
            except LinkBroken as broken:
                if attempt + 1 == MAX_ATTEMPTS or (broken.sent and not idempotent):
                    raise
                failed.add((link, session))
        raise AssertionError("unreachable")

    def _first_ready(self, routing_key: str, failed: set[tuple[Link, int]]) -> Link | None:
        """The first connected instance in the order of the key; None to wait for one that is just opening."""
        for link in self._routes.get(routing_key) or self._route(routing_key):
            if link.state is State.READY and (link, link.session) not in failed:
                return link
            if link.state is State.OPENING and link.age_s < OPENING_WAIT_S:
                return None
        return None

    async def _wait_for_one(self, call: Outgoing, routing_key: str, failed: set[tuple[Link, int]]) -> Link:
        give_up_s = time.monotonic() + INSTANCE_WAIT_S
        self._waiting += 1
        try:
            while (link := self._first_ready(routing_key, failed)) is None:
                now_s = time.monotonic()
                if now_s >= call.deadline_s:
                    raise DeadlineExceeded(method=call.method)
                if now_s >= give_up_s or self._stopped or self._waiting > MAX_WAITING:
                    raise NoInstance(service=self._watch.service)
                # Looks again by itself, too: an instance stops counting as just opening without any event.
                left_s = min(call.deadline_s, give_up_s) - now_s
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), min(left_s, OPENING_WAIT_S))
            return link
        finally:
            self._waiting -= 1

    def _route(self, routing_key: str) -> list[Link]:
        """Healthy instances in the order of the key, then the others: better a doubtful one than none."""
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        links = {link.instance.instance_id: link for link in self._links.values()}
        healthy = [instance.instance_id for instance in self._watch.instances if instance.healthy]
        order = [*ranking(routing_key, healthy), *ranking(routing_key, links.keys() - set(healthy))]
        route = [links[instance_id] for instance_id in order if instance_id in links]
        self._routes[routing_key] = route
        return route

    def _follow(self, instances: tuple[Instance, ...]) -> None:
        known = dict(self._links)
        self._links = {}
        for instance in instances:
            process = _process(instance)
            link = known.pop(process, None)
            self._links[process] = link or Link(
                instance, self._own_identity, self._announce, host_id=self._host_id
            )
        for gone in known.values():
            task = asyncio.create_task(_retire(gone))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
        self._announce()

    def _announce(self) -> None:
        self._routes.clear()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _own_identity(self) -> bytes:
        identity = service_identity(self._service)
        if self._own is None or self._own[0] is not identity:
            self._own = (identity, self._key.sign(identity))
        return self._own[1]


def _process(instance: Instance) -> _Process:
    return instance.instance_id, instance.address, instance.meta.get("started_at_ms", "")


async def _retire(link: Link) -> None:
    """Lets the calls under way end: who deregisters in good order still answers them."""
    try:
        async with asyncio.timeout(RETIRE_WAIT_S):
            while not link.idle:
                await asyncio.sleep(0.1)
    except TimeoutError:
        log.warning("mux_retired_with_calls", peer=link.instance.instance_id)
    finally:
        await link.close()
