"""A control plane in this process, a real Consul and a real Envoy: the front door without the services."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
import httpx
from envoy.service.discovery.v3 import ads_pb2_grpc

from runtime.discovery import Registrar, Registration
from services.cluster_manager.api.ads import AdsServicer
from services.cluster_manager.domain.door import Door
from services.cluster_manager.domain.resources import Resources
from services.cluster_manager.store.consul import ConsulCatalog
from stack.ca import Certificates, ensure_certificates
from stack.envoy import bootstrap
from tests.support import echo
from tests.support.ports import free_port, free_ports
from tests.support.processes import Program
from tests.support.servers import Server, own_consul, own_envoy

HOST_ID = "test-host"


@dataclass
class FrontDoor:
    """Where the parts are, and how to put members behind the door."""

    folder: Path
    consul: Server
    envoy: Server
    certificates: Certificates
    control_plane_port: int
    _cleanup: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def url(self) -> str:
        return self.envoy.url

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificates.ca))

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, verify=self.tls(), timeout=30)

    async def register(self, service: str, port: int, *, uds: str = "", check: str = "tcp") -> Registrar:
        """Make a member known; it is deregistered by `stop()`, at the latest at the end of the test."""
        registration = Registration(
            service=service,
            instance_id=f"{service}-{port}",
            host="127.0.0.1",
            port=port,
            check=check,  # type: ignore[arg-type]
            meta={"uds": uds, "host_id": HOST_ID if uds else ""},
        )
        registrar = Registrar(self.consul.url, [registration])
        await registrar.start()
        self._cleanup.push_async_callback(registrar.stop)
        return registrar

    async def echo(self, service: str, *, uds: bool = False) -> Registrar:
        """An echo server in this process, called like its service."""
        port = free_port()
        socket = str(self.folder / f"{service}-{port}.sock") if uds else ""
        for server in await echo.serve(service, port, socket):
            self._cleanup.callback(server.close)
        return await self.register(service, port, uds=socket)

    async def echo_process(self, service: str) -> tuple[Program, Registrar]:
        """An echo server that can be killed; it calls itself by its port."""
        port = free_port()
        command = [sys.executable, "-m", "tests.support.echo", f"{service}-{port}", str(port)]
        program = Program(f"echo-{port}", command, self.folder / f"echo-{port}.log")
        program.start()
        self._cleanup.callback(program.stop)
        program.wait_ready(lambda: accepts(port))
        return program, await self.register(service, port)


def accepts(port: int) -> bool:
    """Whether something listens on the port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.asynccontextmanager
async def front_door(folder: Path, *, stream_idle_timeout_s: float = 60.0) -> AsyncIterator[FrontDoor]:
    """The front door with nobody behind it."""
    https_port, admin_port = free_ports(2)
    certificates = ensure_certificates(folder / "tls")
    door = Door(
        https_port=https_port,
        listen_host="127.0.0.1",
        tls_cert_file=str(certificates.server),
        tls_key_file=str(certificates.server_key),
        stream_idle_timeout_s=stream_idle_timeout_s,
        upstream_check_interval_s=0.5,
        access_log_file=str(folder / "access.log"),
        access_log_percent=100.0,
        serves_zone=True,
    )
    async with own_consul(folder) as consul, control_plane(consul.url, door) as port:
        config = bootstrap(
            node_id="envoy-1", host_id=HOST_ID, control_plane=[("127.0.0.1", port)], admin_port=admin_port
        )
        async with own_envoy(folder, config, https_port) as envoy, contextlib.AsyncExitStack() as cleanup:
            yield FrontDoor(folder, consul, envoy, certificates, port, cleanup)


@contextlib.asynccontextmanager
async def control_plane(consul_url: str, door: Door) -> AsyncIterator[int]:
    """The discovery service on a port of its own."""
    source = ConsulCatalog(consul_url)
    await source.start()
    server = grpc.aio.server()
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(
        AdsServicer(Resources(door), source), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)
        await source.stop()
