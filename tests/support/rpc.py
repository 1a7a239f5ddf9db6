"""A small gRPC service for tests of what surrounds every call, and a server to put it in.

The service has no proto of its own: its messages are `ReportStatusRequest` (`version` says what to do) and
`ReportStatusResponse`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
from isthmus.zone.v1.providers_pb2 import ReportStatusRequest, ReportStatusResponse

from runtime.auth import ClusterKey
from runtime.config import RuntimeSettings
from runtime.errors import NotFound
from runtime.rpc.server import RpcServer

SERVICE = "isthmus.test.v1.EchoService"
REPORT = f"/{SERVICE}/Report"
LIST = f"/{SERVICE}/List"
COUNT = f"/{SERVICE}/Count"
TALK = f"/{SERVICE}/Talk"


class NoSuchStar(NotFound):
    """No such star."""

    reason = "NO_SUCH_STAR"


#: What a call does: given what `version` says, the number to answer with.
Act = Callable[[str], Awaitable[int]]


class EchoServicer:
    """`Report` one to one, `List` one to many, `Count` many to one, `Talk` many to many."""

    def __init__(self, act: Act) -> None:
        self._act = act

    async def report(self, request: ReportStatusRequest, _context: Any) -> ReportStatusResponse:
        return ReportStatusResponse(time_ms=await self._act(request.version))

    async def list(self, request: ReportStatusRequest, _context: Any) -> AsyncIterator[ReportStatusResponse]:
        yield ReportStatusResponse(time_ms=0)
        yield ReportStatusResponse(time_ms=await self._act(request.version))

    async def count(self, requests: AsyncIterator[Any], _context: Any) -> ReportStatusResponse:
        last = [request.version async for request in requests][-1]
        return ReportStatusResponse(time_ms=await self._act(last))

    async def talk(self, _requests: object, context: Any) -> None:
        while isinstance(request := await context.read(), ReportStatusRequest):
            await context.write(ReportStatusResponse(time_ms=await self._act(request.version)))


def add_echo_to_server(servicer: EchoServicer, server: Any) -> None:
    """As generated code would."""
    codec = (ReportStatusRequest.FromString, ReportStatusResponse.SerializeToString)
    handlers = {
        "Report": grpc.unary_unary_rpc_method_handler(servicer.report, *codec),
        "List": grpc.unary_stream_rpc_method_handler(servicer.list, *codec),
        "Count": grpc.stream_unary_rpc_method_handler(servicer.count, *codec),
        "Talk": grpc.stream_stream_rpc_method_handler(servicer.talk, *codec),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_registered_method_handlers(SERVICE, handlers)


class EchoStub:
    """As generated code would."""

    def __init__(self, channel: Any) -> None:
        codec = {
            "request_serializer": ReportStatusRequest.SerializeToString,
            "response_deserializer": ReportStatusResponse.FromString,
            "_registered_method": True,
        }
        self.report = channel.unary_unary(REPORT, **codec)
        self.list = channel.unary_stream(LIST, **codec)
        self.count = channel.stream_unary(COUNT, **codec)
        self.talk = channel.stream_stream(TALK, **codec)


def ask(what: str) -> ReportStatusRequest:
    """A request of the echo service."""
    return ReportStatusRequest(version=what)


def settings(tmp_path: Path, **fields: Any) -> RuntimeSettings:
    """Settings of a process under test: any free port, no drain."""
    known = {"instance_id": "echo-1", "cluster_key_file": tmp_path / "cluster.key", "drain_s": 0.0}
    return RuntimeSettings(**{**known, **fields})


@contextlib.asynccontextmanager
async def running_server(
    settings: RuntimeSettings, key: ClusterKey | None, act: Act, **options: Any
) -> AsyncIterator[RpcServer]:
    """A server with the echo service on a free port."""
    server = RpcServer(settings, key, **options)
    server.add(add_echo_to_server, EchoServicer(act))
    await server.start()
    try:
        yield server
    finally:
        async with asyncio.timeout(10):
            await server.stop()
