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
from tests.support.doors import door
from tests.support.ports import free_port, free_ports
from tests.support.processes import Program
from tests.support.servers import Server, own_consul, own_envoy

HOST_ID = "test-host"


class ControlPlane:
    """The discovery service in this process; always on the same port, also after a restart."""

    def __init__(self, consul_url: str, door: Door) -> None:
        self._consul_url = consul_url
        self._resources = Resources(door)
        self.port = free_port()

    async def start(self) -> None:
        self._source = ConsulCatalog(self._consul_url)
        await self._source.start()
        self._server = grpc.aio.server()
        servicer = AdsServicer(self._resources, self._source)
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(servicer, self._server)
        self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(0)
        await self._source.stop()


@dataclass
class FrontDoor:
    """Where the parts are, and how to put members behind the door."""

    folder: Path
    consul: Server
    envoy: Server
    certificates: Certificates
    control_plane: ControlPlane
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
async def front_door(folder: Path, *, gateway_silence_s: float = 30.0) -> AsyncIterator[FrontDoor]:
    """The front door with nobody behind it."""
    https_port, admin_port = free_ports(2)
    certificates = ensure_certificates(folder / "tls")
    settings = door(
        https_port=https_port,
        tls_cert_file=str(certificates.server),
        tls_key_file=str(certificates.server_key),
        upstream_check_interval_s=0.5,
        gateway_silence_s=gateway_silence_s,
        access_log_file=str(folder / "access.log"),
        access_log_percent=100.0,
    )
    async with own_consul(folder) as consul, contextlib.AsyncExitStack() as cleanup:
        plane = ControlPlane(consul.url, settings)
        await plane.start()
        cleanup.push_async_callback(plane.stop)
        config = bootstrap(
            node_id="envoy-1",
            host_id=HOST_ID,
            control_plane=[("127.0.0.1", plane.port)],
            admin_port=admin_port,
        )
        async with own_envoy(folder, config, https_port) as envoy, contextlib.AsyncExitStack() as members:
            yield FrontDoor(folder, consul, envoy, certificates, plane, members)
