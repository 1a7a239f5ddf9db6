"""What Envoy, led by the control plane, does to requests. Real Envoy, real Consul, echoing members."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.front_door import FrontDoor, front_door

DATA = "/api/v3/oneprovider/data/x"
CDMI = {"X-CDMI-Specification-Version": "1.1.1"}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FrontDoor]:
    async with front_door(tmp_path_factory.mktemp("door")) as door:
        await door.echo("gateway", uds=True)
        await door.echo("data_port")
        await door.echo("zone_rest")
        async with door.client() as client:
            for path in ("/", f"{DATA}/content", "/api/v3/onezone"):
                await until_status(client, path, 200)
        yield door


async def until_status(client: Any, path: str, status: int, timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while (await client.get(path)).status_code != status:
            await asyncio.sleep(0.02)


class Wire:
    """HTTP/1.1 over TLS by hand: what is written is what is sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, door: FrontDoor) -> Wire:
        return cls(*await asyncio.open_connection("localhost", door.envoy.port, ssl=door.tls()))

    async def get(self, target: bytes) -> tuple[int, Any]:
        """Status of the answer, and what the echo saw."""
        self.send(b"GET " + target + b" HTTP/1.1\r\nhost: localhost\r\n\r\n")
        return await self.answer()

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def answer(self) -> tuple[int, Any]:
        status, headers = await self.head()
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return status, json.loads(body) if status == 200 else None

    async def head(self) -> tuple[int, dict[str, str]]:
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:] if line)

    def close(self) -> None:
        self._writer.close()


@pytest.mark.parametrize(
    "target",
    [
        b"/cdmi/s/a%2Fb",
        b"/cdmi/s/a%2fb",
        b"/cdmi/s/a%00b",
        b"/cdmi/s/a%5Cb",
        b"/cdmi/s//a///b",
        b"/cdmi/s/../x/./y",
        b"/cdmi/s/%2e%2e/x",
        b"/cdmi/s/%C5%BC%FF%80",
        b"/cdmi/s/a%zz%",
        b"/cdmi/s/a;b=1,c",
        b"/cdmi/s/x?q=%2F%00//..&q",
        DATA.encode() + b"/path/a%2F//b%FF%00",
    ],
)
async def test_paths_arrive_as_they_were_sent(door: FrontDoor, target: bytes) -> None:
    wire = await Wire.open(door)
    status, seen = await wire.get(target)
    wire.close()
    assert status == 200
    assert seen["line"] == f"GET {target.decode()} HTTP/1.1"


async def test_only_bytes_no_uri_may_hold_are_refused(door: FrontDoor) -> None:
    """RFC 3986 wants them percent-encoded; Envoy has no switch for them."""
    refused = set()
    for byte in [*range(1, 0x100, 9), 0x00, 0x20, 0x23, 0x7F, 0x80, 0xFF]:
        wire = await Wire.open(door)
        status, _ = await wire.get(b"/cdmi/s/a" + bytes([byte]) + b"z")
        wire.close()
        refused |= {byte} if status == 400 else set()
    allowed = {byte for byte in range(0x21, 0x7F) if byte != 0x23}
    assert refused.isdisjoint(allowed)


@pytest.mark.parametrize(
    ("method", "path", "headers", "service"),
    [
        ("GET", f"{DATA}/content", {}, "data_port"),
        ("PUT", f"{DATA}/content", {}, "data_port"),
        ("DELETE", f"{DATA}/content", {}, "gateway"),
        ("GET", f"{DATA}/path/a/b", {}, "data_port"),
        ("PUT", f"{DATA}/path", {}, "data_port"),
        ("DELETE", f"{DATA}/path/a", {}, "gateway"),
        ("POST", f"{DATA}/children", {}, "data_port"),
        ("GET", f"{DATA}/children", {}, "gateway"),
        ("GET", DATA, {}, "gateway"),
        ("GET", "/ticket/abc", {}, "data_port"),
        ("GET", "/cdmi/s/x", {}, "data_port"),
        ("GET", "/cdmi/s/x/", {}, "gateway"),
        ("GET", "/cdmi/s/x", CDMI, "gateway"),
        ("GET", "/cdmi/s/x", {**CDMI, "Accept": "application/octet-stream"}, "data_port"),
        ("GET", "/cdmi/s/x", {**CDMI, "Accept": "application/CDMI-object"}, "gateway"),
        ("GET", "/cdmi/s/x", {**CDMI, "Accept": "application/*"}, "gateway"),
        ("PUT", "/cdmi/s/x", {}, "data_port"),
        ("PUT", "/cdmi/s/x", {"Content-Type": "text/plain"}, "data_port"),
        ("PUT", "/cdmi/s/x", {"Content-Type": "Application/cdmi-object"}, "gateway"),
        ("PUT", "/cdmi/s/x/", {}, "gateway"),
        ("POST", "/cdmi/s/x/", {}, "data_port"),
        ("POST", "/cdmi/s/x/", {"Content-Type": "application/cdmi-object"}, "gateway"),
        ("POST", "/cdmi/s/x", {}, "gateway"),
        ("POST", "/cdmi/cdmi_capabilities/", {}, "gateway"),
        ("DELETE", "/cdmi/s/x", {}, "gateway"),
        ("GET", "/cdmi/cdmi_capabilities/container", {}, "gateway"),
        ("GET", "/cdmi/cdmi_capabilities2", {}, "data_port"),
        ("GET", "/api/v3/onezone/users", {}, "zone_rest"),
        ("GET", "/api/v3/onezonely", {}, "gateway"),
        ("GET", "/", {}, "gateway"),
    ],
)
async def test_each_request_goes_where_it_belongs(
    door: FrontDoor, method: str, path: str, headers: dict[str, str], service: str
) -> None:
    async with door.client() as client:
        answer = await client.request(method, path, headers=headers)
    assert answer.json()["name"] == service


@pytest.mark.parametrize("path", ["/cdmi/s/x", "/cdmi/s/x/", "/cdmi/"])
@pytest.mark.parametrize("method", ["FETCH", "PROPFIND", "get", "GETS"])
async def test_methods_that_are_none_of_http_are_501_to_cdmi(door: FrontDoor, method: str, path: str) -> None:
    wire = await Wire.open(door)
    wire.send(f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    assert await wire.answer() == (501, None)
    assert (await wire.get(b"/cdmi/s/x"))[0] == 200
    wire.close()


async def test_request_id_is_the_doors_own(door: FrontDoor) -> None:
    async with door.client() as client:
        answer = await client.get("/", headers={"X-Request-Id": "mine"})
    seen = answer.json()["headers"]["x-request-id"]
    assert seen != "mine"
    assert answer.headers["x-request-id"] == seen


async def test_nobody_outside_says_who_he_is(door: FrontDoor) -> None:
    forged = {
        "Isthmus-Identity": "x",
        "isthmus-identity-bin": "x",
        "x-envoy-max-retries": "99",
        "a_b": "kept",
    }
    async with door.client() as client:
        seen = (await client.get("/", headers=forged)).json()["headers"]
    assert not {"isthmus-identity", "isthmus-identity-bin", "x-envoy-max-retries"} & set(seen)
    assert seen["a_b"] == "kept"


async def test_client_address_is_the_one_the_door_saw(door: FrontDoor) -> None:
    async with door.client() as client:
        seen = (await client.get("/", headers={"X-Forwarded-For": "10.9.8.7"})).json()["headers"]
    assert seen["x-forwarded-for"] in ("127.0.0.1", "::1")


async def test_bodies_of_get_requests_pass(door: FrontDoor) -> None:
    async with door.client() as client:
        answer = await client.request("GET", f"{DATA}/content", content=b'{"a": 1}')
    assert answer.json()["body_bytes"] == 8


async def test_refused_upload_sends_no_body(door: FrontDoor) -> None:
    wire = await Wire.open(door)
    ask = b"PUT %s/path/refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n"
    wire.send(ask % DATA.encode())
    status, _ = await wire.head()
    wire.close()
    assert status == 403


async def test_continue_comes_from_the_service(door: FrontDoor) -> None:
    wire = await Wire.open(door)
    ask = b"PUT %s/content HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n"
    wire.send(ask % DATA.encode())
    assert (await wire.head())[0] == 100
    wire.send(b"hello")
    status, seen = await wire.answer()
    wire.close()
    assert (status, seen["body_bytes"]) == (200, 5)


async def test_body_that_takes_longer_than_fifteen_seconds_passes(door: FrontDoor) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b"x" * 1000
            await asyncio.sleep(1)

    async with door.client() as client:
        answer = await client.put(f"{DATA}/content", content=parts())
    assert answer.json()["body_bytes"] == 17_000


async def test_large_body_passes_whole(door: FrontDoor) -> None:
    body = hashlib.sha256(b"seed").digest() * (1 << 20)
    async with door.client() as client:
        answer = await client.put(f"{DATA}/content", content=body)
    assert answer.json()["sha256"] == hashlib.sha256(body).hexdigest()


async def test_absent_service_answers_in_the_envelope(tmp_path: Path) -> None:
    async with front_door(tmp_path) as door, door.client() as client:
        answer = await client.get("/")
    assert answer.status_code == 503
    assert answer.json()["error"]["id"] == "serviceUnavailable"


async def test_clients_may_choose_http2(door: FrontDoor) -> None:
    tls = door.tls()
    tls.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("localhost", door.envoy.port, ssl=tls)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    writer.close()


async def test_access_log_names_no_ticket_and_no_query(door: FrontDoor) -> None:
    async with door.client() as client:
        await client.get("/ticket/secret-blob")
        await client.get("/visible?token=secret-query")
    log = door.folder / "access.log"
    async with asyncio.timeout(15):
        while "/visible" not in log.read_text():
            await asyncio.sleep(0.1)
    assert "secret" not in log.read_text()
