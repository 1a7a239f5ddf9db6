"""A service's HTTP server: uvicorn on TCP and, where the front door shares the host, on a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from runtime.http.hearing import HearsOut
from runtime.http.protocol import HttpProtocol

_BACKLOG = 2048
#: Longer than the front door keeps an idle connection, so that it is never the one to find it closed.
_KEEP_ALIVE_S = 4000
_STOP_TIMEOUT_S = 5


#: How often the date in answers is renewed.
_TICK_S = 1.0


class _Server(uvicorn.Server):
    """Signals are the process's to handle, not the server's; and an idle one wakes up once a second only."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._over = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        # The first of its ticks is the one that renews the date.
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), _TICK_S)

    def end(self) -> None:
        """Has it end what it serves and return."""
        self.should_exit = True
        self._over.set()


class HttpServer:
    """Serves one ASGI application. `port` is known after `start`."""

    def __init__(
        self, app: Any, *, host: str, port: int, uds: str, max_concurrent_requests: int, drain_s: float
    ) -> None:
        self._host = host
        self._wanted_port = port
        self._uds = uds
        self._drain_s = drain_s
        self._sockets: list[socket.socket] = []
        self._task: asyncio.Task[None] | None = None
        self._server = _Server(
            uvicorn.Config(
                HearsOut(app),
                loop="none",
                http=HttpProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=_BACKLOG,
                limit_concurrency=max_concurrent_requests,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_STOP_TIMEOUT_S,
            )
        )
        self.port = 0

    async def start(self) -> None:
        """Binds, and returns when requests are taken. Raises OSError when a port or path is taken."""
        self._sockets = [_listen_tcp(self._host, self._wanted_port)]
        if self._uds:
            self._sockets.append(_listen_unix(self._uds))
        self.port = self._sockets[0].getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=self._sockets), name="http-server")
        while not self._server.started:
            if self._task.done():
                await self._task
                raise OSError("the HTTP server ended while it started")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Still serves while the front door learns of the end, then finishes what is under way."""
        await asyncio.sleep(self._drain_s)
        self._server.end()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        for each in self._sockets:
            each.close()
        if self._uds:
            Path(self._uds).unlink(missing_ok=True)


def _listen_tcp(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's delay off for what is accepted here.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.setblocking(False)
    return listening


def _listen_unix(path: str) -> socket.socket:
    # A socket file left by a process that was killed is nobody's.
    Path(path).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(path)
    Path(path).chmod(0o660)
    listening.setblocking(False)
    return listening
