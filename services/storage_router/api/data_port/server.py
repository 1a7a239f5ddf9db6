"""The data port as a part of the process: listeners, connections, limits, stopping."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from services.storage_router import metrics
from services.storage_router.api.data_port.connection import Connection
from services.storage_router.api.data_port.limits import Limits
from services.storage_router.api.data_port.routes import Routes
from services.storage_router.api.data_port.transfer import Transfers

log = structlog.get_logger(__name__)

_BACKLOG = 1024
_LOOK_S = 1.0


class DataPort:
    """Listens on TCP and, where told so, on a Unix socket."""

    def __init__(
        self,
        routes: Routes,
        transfers: Transfers,
        limits: Limits,
        *,
        host: str,
        port: int,
        uds: str = "",
        drain_s: float = 0.0,
        trusts: Callable[[str], bool] = lambda peer_ip: False,
    ) -> None:
        self.limits = limits
        self._trusts = trusts
        self.stopping = False
        self.port = port
        self._routes = routes
        self._transfers = transfers
        self._host = host
        self._uds = uds
        self._drain_s = drain_s
        self._is_closed = False
        self._connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._watchman: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listens. OSError when an address is taken."""
        _raise_descriptor_limit(self.limits.max_connections)
        loop = asyncio.get_running_loop()
        tcp = await loop.create_server(lambda: Connection(self), self._host, self.port, backlog=_BACKLOG)
        self._servers.append(tcp)
        self.port = tcp.sockets[0].getsockname()[1]
        if self._uds:
            listener = _unix_listener(self._uds)
            self._servers.append(await loop.create_unix_server(lambda: Connection(self), sock=listener))
        self._watchman = asyncio.create_task(self._watch_deadlines())
        log.info("data_port_listens", port=self.port, uds=self._uds)

    async def stop(self) -> None:
        """Serves for `drain_s` more, asking clients to leave; then ends what is under way, within bounds."""
        self.stopping = True
        await asyncio.sleep(self._drain_s)
        self._is_closed = True
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            if connection.idle:
                connection.abort()
        tasks = [connection.task for connection in self._connections if connection.task is not None]
        if tasks:
            _, slow = await asyncio.wait(tasks, timeout=self.limits.stop_timeout_s)
            self._transfers.stop()
            for task in slow:
                task.cancel()
            if slow:
                await asyncio.wait(slow, timeout=self.limits.stop_timeout_s)
        if self._watchman is not None:
            self._watchman.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watchman
        if self._uds:
            Path(self._uds).unlink(missing_ok=True)

    def trusts(self, peer_ip: str) -> bool:
        """Whether a TCP peer is the front door or a service of this provider."""
        return self._trusts(peer_ip)

    def connected(self, connection: Connection) -> None:
        """A client came: it is served from here on, or turned away when there are too many."""
        if self._is_closed or len(self._connections) >= self.limits.max_connections:
            metrics.CONNECTIONS_REFUSED.inc()
            connection.abort()
            return
        self._connections.add(connection)
        metrics.CONNECTIONS.set(len(self._connections))
        connection.task = asyncio.create_task(self._serve(connection))

    def disconnected(self, connection: Connection) -> None:
        """The connection is closed; its task notices by itself."""
        if connection.task is None:
            self._forget(connection)

    async def _serve(self, connection: Connection) -> None:
        try:
            await self._routes.serve(connection, stopping=lambda: self.stopping)
        except Exception:  # a bug in one connection must not stop the port, nor go unseen
            log.exception("connection_failed")
            connection.abort()
        finally:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        metrics.CONNECTIONS.set(len(self._connections))

    async def _watch_deadlines(self) -> None:
        # One look a second over all connections is cheaper than a timer for each state of each request.
        while True:
            await asyncio.sleep(_LOOK_S)
            now = time.monotonic()
            for connection in list(self._connections):
                if connection.deadline_s < now:
                    connection.abort()


def _raise_descriptor_limit(connections: int) -> None:
    """Every connection may need a socket, its copy, a file and a folder."""
    wanted = 4 * connections + 512
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        log.warning("few_descriptors", wanted=wanted, limit=hard)
        wanted = hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _unix_listener(path: str) -> socket.socket:
    """A listening Unix socket; what an earlier process left there is replaced, anything else is not."""
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(place.lstat().st_mode):
            place.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        place.chmod(0o660)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
