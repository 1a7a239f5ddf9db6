"""Members come and go: what clients of the front door and of `xds:///` channels notice."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.support.front_door import FrontDoor, front_door


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[FrontDoor]:
    async with front_door(tmp_path) as door:
        yield door


async def until(is_true: Callable[[], Awaitable[bool]], timeout_s: float) -> float:
    """Seconds it took."""
    begun = time.monotonic()
    async with asyncio.timeout(timeout_s):
        while not await is_true():
            await asyncio.sleep(0.01)
    return time.monotonic() - begun


async def names_of(client: httpx.AsyncClient, count: int = 6) -> set[str]:
    answers = [await client.get("/") for _ in range(count)]
    return {answer.json()["name"] if answer.status_code == 200 else "-" for answer in answers}


async def test_member_is_reachable_as_soon_as_it_registers(door: FrontDoor) -> None:
    async with door.client() as client:
        assert (await client.get("/")).status_code == 503
        await door.echo("gateway")

        async def answers() -> bool:
            return (await client.get("/")).status_code == 200

        assert await until(answers, 5) < 1


async def test_member_that_deregisters_is_gone_at_once(door: FrontDoor) -> None:
    await door.echo_process("gateway")
    program, registrar = await door.echo_process("gateway")
    async with door.client() as client:

        async def both() -> bool:
            return len(await names_of(client)) == 2

        async def one() -> bool:
            return len(await names_of(client)) == 1

        await until(both, 5)
        await registrar.stop()
        assert await until(one, 5) < 1
        assert program.is_running()


async def test_killed_member_costs_no_request_and_is_gone_in_two_seconds(door: FrontDoor) -> None:
    for _ in range(2):
        program, _ = await door.echo_process("gateway")
    async with door.client() as client:

        async def both() -> bool:
            return len(await names_of(client)) == 2

        await until(both, 5)
        program.kill()
        seen = await names_of(client, 200)
        assert "-" not in seen
        await asyncio.sleep(2)
        assert len(await names_of(client, 20)) == 1
    state = await endpoint_states(door, "gateway")
    assert sorted(state.values()) == [False, True]


async def endpoint_states(door: FrontDoor, cluster: str) -> dict[str, bool]:
    """Address of each endpoint in Envoy, and whether Envoy sends requests there."""
    async with httpx.AsyncClient() as admin:
        config = json.loads(next(door.folder.glob("envoy-*.json")).read_text())
        port = config["admin"]["address"]["socket_address"]["port_value"]
        clusters = (await admin.get(f"http://127.0.0.1:{port}/clusters?format=json")).json()
    found = next(each for each in clusters["cluster_statuses"] if each["name"] == cluster)
    return {
        json.dumps(each["address"]): each["health_status"].get("eds_health_status") == "HEALTHY"
        for each in found["host_statuses"]
    }


async def test_request_in_a_hung_member_is_taken_elsewhere(tmp_path: Path) -> None:
    async with front_door(tmp_path, gateway_silence_s=1.0) as door, door.client() as client:
        programs = [(await door.echo_process("gateway"))[0] for _ in range(2)]

        async def both() -> bool:
            return len(await names_of(client)) == 2

        await until(both, 5)
        programs[0].signal(signal.SIGSTOP)
        answers = await asyncio.gather(*(client.get("/") for _ in range(8)))
        assert {answer.status_code for answer in answers} == {200}
        programs[0].signal(signal.SIGCONT)
        await until(both, 15)


async def test_socket_is_used_on_the_same_host(door: FrontDoor) -> None:
    await door.echo("data_port", uds=True)
    async with door.client() as client:

        async def answers() -> bool:
            return (await client.get("/ticket/x")).status_code == 200

        await until(answers, 5)
    (address,) = await endpoint_states(door, "data_port")
    assert "pipe" in address


class HealthServer:
    """A gRPC server of nobody in particular."""

    def __init__(self, service: str) -> None:
        self._service = service

    async def start(self, door: FrontDoor) -> None:
        self.server = grpc.aio.server()
        servicer = health.aio.HealthServicer()
        await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        await self.server.start()
        self.registrar = await door.register(self._service, self.port)


async def check(channel: grpc.aio.Channel, **metadata: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    call = stub.Check(health_pb2.HealthCheckRequest(), timeout=10, metadata=tuple(metadata.items()) or None)
    return int((await call).status)


async def test_grpc_goes_through_the_door_to_the_service_it_names(door: FrontDoor) -> None:
    server = HealthServer("metadata")
    await server.start(door)
    roots = grpc.ssl_channel_credentials(door.certificates.ca.read_bytes())
    try:
        async with grpc.aio.secure_channel(f"localhost:{door.envoy.port}", roots) as channel:

            async def answers() -> bool:
                try:
                    return await check(channel, **{"x-isthmus-service": "metadata"}) == 1
                except grpc.aio.AioRpcError:
                    return False

            await until(answers, 5)
            with pytest.raises(grpc.aio.AioRpcError):
                await check(channel, **{"x-isthmus-service": "zone"})
    finally:
        await server.server.stop(0)


async def test_xds_channel_follows_the_members(door: FrontDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    xds = {
        "xds_servers": [
            {
                "server_uri": f"127.0.0.1:{door.control_plane.port}",
                "channel_creds": [{"type": "insecure"}],
                "server_features": ["xds_v3"],
            }
        ],
        "node": {"id": "test"},
    }
    monkeypatch.setenv("GRPC_XDS_BOOTSTRAP_CONFIG", json.dumps(xds))
    servers = [HealthServer("metadata") for _ in range(2)]
    for server in servers:
        await server.start(door)
    async with grpc.aio.insecure_channel("xds:///metadata") as channel:
        assert [await check(channel) for _ in range(10)] == [1] * 10
        await servers[0].registrar.stop()
        await servers[0].server.stop(0)
        assert [await check(channel) for _ in range(20)] == [1] * 20
    await servers[1].server.stop(0)


async def test_door_keeps_its_members_while_consul_is_away(door: FrontDoor) -> None:
    await door.echo("gateway")
    async with door.client() as client:

        async def answers() -> bool:
            return (await client.get("/")).status_code == 200

        await until(answers, 5)
        door.consul.program.kill()
        await asyncio.sleep(1)
        assert await answers()
        # A control plane that begins without Consul knows nobody, and must not say so.
        await door.control_plane.stop()
        assert await answers()
        await door.control_plane.start()
        await asyncio.sleep(3)
        assert await answers()


async def test_members_flow_again_after_the_control_plane_came_back(door: FrontDoor) -> None:
    async with door.client() as client:

        async def answers() -> bool:
            return (await client.get("/")).status_code == 200

        await door.control_plane.stop()
        await door.echo("gateway")
        await door.control_plane.start()
        assert await until(answers, 10) < 5
