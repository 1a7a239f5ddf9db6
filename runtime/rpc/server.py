"""A gRPC server with all that every one of ours has: health, reflection, identity, errors, the mux.

Authentication is required for every method but health, reflection and what is named as open.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NoReturn

import grpc
import grpc.aio
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from isthmus.common.v1 import mux_pb2_grpc

from runtime.auth import ClusterKey
from runtime.config import BadSettings, RuntimeSettings
from runtime.errors import IsthmusError
from runtime.identity import Identity
from runtime.request import Call
from runtime.rpc.interceptors import (
    DEFAULT_TIMEOUT_S,
    REQUEST_ID_KEY,
    TRACEPARENT_KEY,
    Handling,
    Metadata,
    handle_call,
    identify,
    log_calls_slower_than,
    new_call,
)
from runtime.rpc.lane import LaneServer
from runtime.rpc.mux_server import MuxServicer
from runtime.rpc.status import DETAILS_KEY, code_of, to_status

log = structlog.get_logger(__name__)

#: Who calls, by the call's metadata. Raises Unauthenticated.
Authenticate = Callable[[Metadata], Awaitable[tuple[Identity, bytes]]]

#: Calls that are answered at the same time; more are refused with RESOURCE_EXHAUSTED.
MAX_CALLS = 4096
#: Longest that calls under way may take when the server stops.
STOP_GRACE_S = 5.0

#: A signed identity of somebody in very many spaces is far larger than the headers gRPC expects.
MAX_METADATA_BYTES = 512 * 1024
_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a taken port must be an error, not a second server nobody finds
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.http2.min_ping_interval_without_data_ms", 5000),
    # As in `runtime.rpc.channel`.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1024 * 1024),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)


class RpcServer:
    """Serves what is added before `start`.

    `authenticate` replaces the check of the cluster's signed identities; such a server has no mux.
    `open_services` are full names of services anybody may call. `with_lane`: processes with the same
    `host_id` may also come by the lane, whose name is `lane` after `start`.
    """

    def __init__(
        self,
        settings: RuntimeSettings,
        key: ClusterKey | None,
        *,
        authenticate: Authenticate | None = None,
        open_services: Collection[str] = (),
        with_lane: bool = False,
    ) -> None:
        if key is None and authenticate is None:
            raise ValueError("a server needs a cluster key or another way to authenticate")
        self._settings = settings
        self._key = key
        self._authenticate = authenticate
        self._open_services = frozenset(open_services)
        self._services: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
        self._health = health.aio.HealthServicer()
        self._mux: MuxServicer | None = None
        self._with_lane = with_lane and bool(settings.host_id)
        self._lane: LaneServer | None = None
        self._server: grpc.aio.Server | None = None
        self._port = 0
        log_calls_slower_than(settings.slow_call_ms / 1000)

    @property
    def port(self) -> int:
        """Where it listens, after `start`."""
        return self._port

    @property
    def lane(self) -> str:
        """Name of the lane, after `start`; empty without one."""
        return self._lane.name if self._lane is not None else ""

    def add(self, add_to_server: Callable[[Any, Any], None], servicer: object) -> None:
        """Adds a servicer with the generated `add_XServicer_to_server`."""
        add_to_server(servicer, _Recorder(self._services))

    async def start(self) -> None:
        """Listens and serves. Raises BadSettings when the port can't be had."""
        self._server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=MAX_CALLS)
        unary = dict(self._unary_handlers())
        if self._key is not None and self._authenticate is None:
            self._mux = MuxServicer(unary, self._key)
            self.add(mux_pb2_grpc.add_MuxServiceServicer_to_server, self._mux)
        for service, handlers in self._services.items():
            guarded = {name: self._guard(f"/{service}/{name}", each) for name, each in handlers.items()}
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, guarded),))
            self._server.add_registered_method_handlers(service, guarded)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*self._services, health.SERVICE_NAME)
        reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), self._server)
        self._port = self._listen(self._server)
        await self._server.start()
        if self._with_lane and self._mux is not None and self._key is not None:
            self._lane = LaneServer(self._mux, self._key, label=self._settings.instance_id)
            await self._lane.start()
        for name in ("", *names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        log.info("rpc_listening", port=self._port, services=list(self._services))

    async def stop(self) -> None:
        """Tells all that it goes, answers for `drain_s` more, then ends what is left."""
        if self._server is None:
            return
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self._settings.drain_s)
        if self._mux is not None:
            self._mux.drain()
        if self._lane is not None:
            await self._lane.stop()
        await self._server.stop(STOP_GRACE_S)
        self._server = None

    def _listen(self, server: grpc.aio.Server) -> int:
        host = self._settings.listen_host
        address = f"[{host}]" if ":" in host else host
        try:
            return server.add_insecure_port(f"{address}:{self._settings.grpc_port}")
        except RuntimeError as error:
            raise BadSettings(f"gRPC can't listen on {address}:{self._settings.grpc_port}") from error

    def _unary_handlers(self) -> Iterable[tuple[str, tuple[Any, Any, Any]]]:
        for service, handlers in self._services.items():
            for name, each in handlers.items():
                if each.unary_unary is not None and service not in self._open_services:
                    how = (each.unary_unary, each.request_deserializer, each.response_serializer)
                    yield f"/{service}/{name}", how

    def _guard(
        self, method: str, handler: grpc.RpcMethodHandler[Any, Any]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """The same method, with everything around it that every call has."""
        codec = (handler.request_deserializer, handler.response_serializer)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(self._unary(method, handler.unary_unary), *codec)
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(self._stream(method, handler.unary_stream), *codec)
        if handler.stream_unary is not None:
            return grpc.stream_unary_rpc_method_handler(self._stream(method, handler.stream_unary), *codec)
        return grpc.stream_stream_rpc_method_handler(self._stream(method, handler.stream_stream), *codec)

    def _unary(self, method: str, behaviour: Any) -> Any:
        async def answer(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            try:
                metadata = _metadata(context)
                identity, blob = await self._identify(method, metadata)
                return await handle_call(
                    method,
                    behaviour,
                    request,
                    identity=identity,
                    identity_blob=blob,
                    request_id=str(metadata.get(REQUEST_ID_KEY, "")),
                    timeout_s=_timeout_s(context, DEFAULT_TIMEOUT_S),
                    traceparent=str(metadata.get(TRACEPARENT_KEY, "")),
                )
            except IsthmusError as error:
                await _abort(context, error)

        return answer

    def _stream(self, method: str, behaviour: Any) -> Any:
        """For generators, and for servicers that read and write by the context."""

        async def generate(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            try:
                with Handling(await self._call(method, context), stream=True):
                    async for response in behaviour(request, context):
                        yield response
            except IsthmusError as error:
                await _abort(context, error)

        async def run(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            try:
                with Handling(await self._call(method, context), stream=True):
                    return await behaviour(request, context)
            except IsthmusError as error:
                await _abort(context, error)

        return generate if inspect.isasyncgenfunction(behaviour) else run

    async def _call(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> Call:
        metadata = _metadata(context)
        identity, blob = await self._identify(method, metadata)
        return new_call(
            method,
            identity=identity,
            identity_blob=blob,
            request_id=str(metadata.get(REQUEST_ID_KEY, "")),
            timeout_s=_timeout_s(context, None),
            traceparent=str(metadata.get(TRACEPARENT_KEY, "")),
        )

    async def _identify(self, method: str, metadata: Metadata) -> tuple[Identity | None, bytes]:
        if method[1:].partition("/")[0] in self._open_services:
            return None, b""
        if self._authenticate is not None:
            return await self._authenticate(metadata)
        assert self._key is not None  # noqa: S101  # __init__ made sure
        return identify(self._key, metadata)


class _Recorder:
    """Stands in for a server when generated code adds a servicer."""

    def __init__(self, services: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]) -> None:
        self._services = services

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[Any]) -> None:
        """The same handlers come again by `add_registered_method_handlers`."""

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Notes the methods of a service."""
        self._services[service_name] = dict(method_handlers)


def _metadata(context: grpc.aio.ServicerContext[Any, Any]) -> Metadata:
    return dict(context.invocation_metadata() or ())


def _timeout_s(context: grpc.aio.ServicerContext[Any, Any], default: float | None) -> float | None:
    left_s: float | None = context.time_remaining()
    return default if left_s is None else left_s


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: IsthmusError) -> NoReturn:
    status = to_status(error)
    await context.abort(
        code_of(error), status.message, trailing_metadata=((DETAILS_KEY, status.SerializeToString()),)
    )
