"""Instances that are killed, paused or restarted while calls go on."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from isthmus.metadata.v1 import files_pb2, files_pb2_grpc

from runtime.auth import ClusterKey
from runtime.config import RuntimeSettings
from runtime.discovery import Instance, Registrar, Registration, Watch
from runtime.rendezvous import owner
from runtime.rpc.mux import MuxClient
from runtime.rpc.server import RpcServer
from tests.support.mux_instance import METHOD, SECRET
from tests.support.ports import free_ports
from tests.support.processes import Program

KEY = ClusterKey(SECRET)
ROOT = Path(__file__).parents[3]


class Members(Watch):
    """A watch that is told what Consul would say."""

    def __init__(self, instances: tuple[Instance, ...]) -> None:
        super().__init__("http://127.0.0.1:1", "metadata")
        self._learn(instances)


def lane_of(name: str, port: int) -> str:
    return f"isthmus-test-{name}-{port}"


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
async def programs(tmp_path: Path) -> AsyncIterator[dict[str, tuple[Program, int]]]:
    started: dict[str, tuple[Program, int]] = {}
    for number, port in enumerate(free_ports(2), start=1):
        name = f"metadata-{number}"
        program = Program(
            name,
            [sys.executable, "-m", "tests.support.mux_instance", port, name, lane_of(name, port)],
            tmp_path / f"{name}.log",
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"},
        )
        program.start()
        started[name] = (program, port)
    for program, port in started.values():
        program.wait_ready(lambda port=port: listens(port))  # type: ignore[misc]
    yield started
    for program, _ in started.values():
        program.stop()


async def ask(client: MuxClient, *, wait_s: str = "", idempotent: bool = True) -> str:
    request = files_pb2.GetFileRequest(file=files_pb2.FileRef(file_id=wait_s))
    answer = await client.call(
        METHOD,
        request,
        files_pb2.GetFileResponse,
        routing_key="space",
        timeout_s=15,
        idempotent=idempotent,
        as_service=True,
    )
    return answer.file.name


@pytest.mark.parametrize("road", ["grpc", "lane"])
@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
async def test_calls_move_on_when_their_instance_is_killed_or_paused(
    programs: dict[str, tuple[Program, int]], fault: signal.Signals, road: str
) -> None:
    members = Members(
        tuple(
            Instance(
                "metadata", name, "127.0.0.1", port, meta={"host_id": "lane", "lane": lane_of(name, port)}
            )
            for name, (_, port) in programs.items()
        )
    )
    client = MuxClient(members, KEY, service="gateway", host_id=road)
    await client.start()
    struck = owner("space", programs)
    assert struck is not None
    assert await ask(client) == struck
    under_way = [asyncio.ensure_future(ask(client, wait_s="0.5")) for _ in range(20)]
    await asyncio.sleep(0.1)
    programs[struck][0].signal(fault)
    began_s = time.monotonic()
    assert struck not in await asyncio.gather(*under_way)
    assert time.monotonic() - began_s < (3 if fault is signal.SIGKILL else 8)
    began_s = time.monotonic()
    assert await ask(client) != struck, "avoided from now on"
    assert time.monotonic() - began_s < 1
    if fault is signal.SIGSTOP:
        programs[struck][0].signal(signal.SIGCONT)
        async with asyncio.timeout(8):
            while await ask(client) != struck:
                await asyncio.sleep(0.05)
    await client.stop()


class Files(files_pb2_grpc.FileServiceServicer):
    """Answers after a moment, with the name of the instance."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def GetFile(self, request: files_pb2.GetFileRequest, context: object) -> files_pb2.GetFileResponse:
        await asyncio.sleep(0.002)
        return files_pb2.GetFileResponse(file=files_pb2.File(name=self._name))


class Instanced:
    """A whole instance: server and registration, started and stopped in the order of a service."""

    def __init__(self, consul_url: str, service: str, number: int, key_file: Path) -> None:
        self.name = f"{service}-{number}"
        settings = RuntimeSettings(
            instance_id=self.name, consul_url=consul_url, cluster_key_file=key_file, drain_s=0.3
        )
        self.server = RpcServer(settings, KEY)
        self.server.add(files_pb2_grpc.add_FileServiceServicer_to_server, Files(self.name))  # type: ignore[abstract]
        self.registrar = Registrar(
            consul_url, lambda: [Registration(service, self.name, "127.0.0.1", self.server.port)]
        )

    async def start(self) -> None:
        await self.server.start()
        await self.registrar.start()

    async def stop(self) -> None:
        await self.registrar.stop()
        await self.server.stop()


async def test_a_rolling_restart_fails_no_call(consul_url: str, tmp_path: Path) -> None:
    service = f"metadata-{secrets.token_hex(4)}"
    running = [Instanced(consul_url, service, number, tmp_path / "key") for number in (1, 2)]
    for each in running:
        await each.start()
    watch = Watch(consul_url, service)
    client = MuxClient(watch, KEY, service="gateway")
    await watch.start()
    await client.start()
    answered_by: set[str] = set()
    done = asyncio.Event()

    async def caller() -> None:
        while not done.is_set():
            answered_by.add(await ask(client, idempotent=False))

    callers = [asyncio.ensure_future(caller()) for _ in range(20)]
    for position, old in enumerate(list(running)):
        await old.stop()
        running[position] = Instanced(consul_url, service, position + 1, tmp_path / "key")
        await running[position].start()
        assert await watch.ready(3)
        await asyncio.sleep(0.2)
    done.set()
    await asyncio.gather(*callers)
    assert answered_by == {each.name for each in running}
    await client.stop()
    await watch.stop()
    for each in running:
        await each.stop()
