"""The gateway's road to the bytes, against real data ports."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from runtime.auth import as_caller
from runtime.discovery import Instance
from runtime.errors import NoSpace
from runtime.http import file_ids
from runtime.http.errors import ApiError
from runtime.http.file_ids import FileId
from runtime.request import bind
from services.gateway.clients.data_port import DataPortAway, DataPortClient
from services.storage_router.api.data_port import copies
from services.storage_router.domain import copying
from services.storage_router.drivers.posix_handles import PosixWriteHandle
from tests.support.data_port import SPACE, USER, RunningPort, run_data_port
from tests.support.waiting import until


@dataclass
class WatchTwin:
    """Knows the instances it is told."""

    instances: tuple[Instance, ...] = ()
    listeners: list[object] = field(default_factory=list)

    def subscribe(self, callback: object) -> object:
        self.listeners.append(callback)
        return lambda: None

    def become(self, *instances: Instance) -> None:
        self.instances = instances
        for listener in self.listeners:
            listener(instances)  # type: ignore[operator]


def instance(id: str, port: int, uds: Path | None = None) -> Instance:
    meta = {"host_id": "h1", "uds": str(uds)} if uds else {}
    return Instance("data_port", id, "127.0.0.1", port, meta=meta)


def dead_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[RunningPort]:
    async with run_data_port(tmp_path) as running:
        yield running


@pytest.fixture
async def watch(port: RunningPort) -> WatchTwin:
    return WatchTwin((instance("a", port.port.port, port.uds),))


async def read(client: DataPortClient, port: RunningPort, first: int = 0, last: int | None = None) -> bytes:
    file = file_ids.decode(port.id_of("a b%"))
    assert file is not None
    content = await client.open(file, first, last)
    try:
        return b"".join([piece async for piece in content.pieces()])
    finally:
        await content.close()


PATH = f"/space1@{SPACE}/a%20b%25"


@pytest.mark.parametrize("near", [True, False])
async def test_what_is_put_is_read(port: RunningPort, watch: WatchTwin, near: bool) -> None:
    watch.become(instance("a", port.port.port, port.uds if near else None))
    client = DataPortClient(watch, host_id="h1")  # type: ignore[arg-type]
    with as_caller(USER, port.key.sign(USER)), bind(request_id="r1"):
        await client.put(PATH, b"0123456789", 10, {"content-type": "text/plain; charset=utf-8"})
        assert await read(client, port) == b"0123456789"
        assert await read(client, port, 3, 5) == b"345"
        assert await read(client, port, 8, 99) == b"89"
        assert await read(client, port, 10, 12) == b""
    await client.stop()


async def test_a_plain_answer_comes_with_what_tells_of_the_content(
    port: RunningPort, watch: WatchTwin
) -> None:
    client = DataPortClient(watch, host_id="h1")  # type: ignore[arg-type]
    with as_caller(USER, port.key.sign(USER)), bind(request_id="r1"):
        await client.put(PATH, b"0123456789", 10, {"content-type": "text/plain"})
        file = file_ids.decode(port.id_of("a b%"))
        assert file is not None

        async def fetched(
            *, head: bool = False, **headers: str
        ) -> tuple[int, int | None, bytes, dict[bytes, bytes]]:
            found = await client.fetch(
                file, {key.replace("_", "-"): headers[key] for key in headers}, head=head
            )
            body = b"".join([piece async for piece in found.pieces()])
            await found.close()
            return found.status, found.length, body, dict(found.headers)

        status, length, body, told = await fetched()
        assert (status, length, body, told[b"content-type"]) == (200, 10, b"0123456789", b"text/plain")
        assert b"content-length" not in told
        etag = told[b"etag"].decode()
        assert (await fetched(head=True))[:3] == (200, 10, b"")
        assert (await fetched(if_none_match=etag))[0] == 304
        status, length, body, told = await fetched(range="bytes=2-4")
        assert (status, length, body, told[b"content-range"]) == (206, 3, b"234", b"bytes 2-4/10")
        status, length, body, told = await fetched(range="bytes=10-")
        assert (status, length, body, told[b"content-range"]) == (416, 0, b"", b"bytes */10")
    await client.stop()


async def test_pieces_are_made_anew_for_every_try(port: RunningPort, watch: WatchTwin) -> None:
    content = bytes(range(256)) * 8000
    tries = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal tries
        tries += 1
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    watch.become(instance("dead", dead_port()), instance("a", port.port.port))
    client = DataPortClient(watch, host_id="")  # type: ignore[arg-type]
    with as_caller(USER, port.key.sign(USER)), bind(request_id="r1"):
        for _ in range(4):
            await client.put(PATH, pieces, len(content), {})
        assert await read(client, port) == content
    assert tries >= 4
    await client.stop()


async def test_errors_come_as_the_data_port_told_them(port: RunningPort, watch: WatchTwin) -> None:
    client = DataPortClient(watch, host_id="h1")  # type: ignore[arg-type]
    with as_caller(USER, port.key.sign(USER)), bind(request_id="r1"):
        await client.put(PATH, b"x", 1, {})
        port.twin.denied.add(next(iter(port.twin.files)))
        with pytest.raises(ApiError) as raised:
            await read(client, port)
    assert raised.value.details == {"errno": "eacces"}
    await client.stop()


async def test_no_data_port_is_unavailable(port: RunningPort, watch: WatchTwin) -> None:
    client = DataPortClient(watch, host_id="h1")  # type: ignore[arg-type]
    with as_caller(USER, port.key.sign(USER)), bind(request_id="r1"):
        await client.put(PATH, b"x", 1, {})
        watch.become(instance("dead", dead_port()))
        with pytest.raises(DataPortAway):
            await read(client, port)
        watch.become()
        with pytest.raises(DataPortAway):
            await read(client, port)
    await client.stop()


async def test_a_doubtful_data_port_is_better_than_none(port: RunningPort, watch: WatchTwin) -> None:
    client = DataPortClient(watch, host_id="h1")  # type: ignore[arg-type]
    doubtful = replace(instance("a", port.port.port, port.uds), healthy=False)
    watch.become(instance("dead", dead_port()), doubtful)
    with as_caller(USER, port.key.sign(USER)), bind(request_id="r1"):
        await client.put(PATH, b"x", 1, {})
        assert await read(client, port) == b"x"
    await client.stop()


async def test_connections_of_gone_instances_are_closed(port: RunningPort, watch: WatchTwin) -> None:
    client = DataPortClient(watch, host_id="h1")  # type: ignore[arg-type]
    await client.start()
    with as_caller(USER, port.key.sign(USER)), bind(request_id="r1"):
        await client.put(PATH, b"x", 1, {})
    watch.become()
    assert client._sessions == {}
    await client.stop()


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Copies pause before each piece of a megabyte, as long as is said here, and tell of it all the time."""
    pauses = [0.05]
    copy_from = PosixWriteHandle.copy_from

    async def slow(self: PosixWriteHandle, *args: Any) -> None:
        await asyncio.sleep(pauses[0])
        await copy_from(self, *args)

    monkeypatch.setattr(PosixWriteHandle, "copy_from", slow)
    monkeypatch.setattr(copying, "PIECE_BYTES", 1 << 20)
    monkeypatch.setattr(copies, "LINE_INTERVAL_S", 0.02)
    return pauses


async def source_of(client: DataPortClient, port: RunningPort, content: bytes) -> FileId:
    async def pieces() -> AsyncIterator[bytes]:
        yield content

    await client.put(PATH, pieces, len(content), {})
    found = file_ids.decode(port.id_of("a b%"))
    assert found is not None
    return found


TARGET = f"/space1@{SPACE}/copy"


@pytest.mark.usefixtures("slowly")
async def test_a_long_copy_tells_how_far_it_is(port: RunningPort, watch: WatchTwin) -> None:
    client = DataPortClient(watch, host_id="h1")  # type: ignore[arg-type]
    content = os.urandom(5 << 20)
    told: list[int] = []
    with as_caller(USER, port.key.sign(USER)), bind(request_id="r1"):
        source = await source_of(client, port, content)
        with bind(request_id="r2"):
            await client.copy(source, TARGET, 0o640, told.append)
    assert told == sorted(told)
    assert 0 < max(told) <= len(content)
    assert [path.read_bytes() for path in port.stored()] == [content, content]
    await client.stop()


@pytest.mark.usefixtures("slowly")
async def test_a_long_copy_that_fails_tells_why_and_leaves_nothing(
    port: RunningPort, watch: WatchTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = DataPortClient(watch, host_id="h1")  # type: ignore[arg-type]

    async def full(*_: object) -> None:
        await asyncio.sleep(0.2)
        raise NoSpace

    with as_caller(USER, port.key.sign(USER)), bind(request_id="r1"):
        source = await source_of(client, port, b"x" * (3 << 20))
        monkeypatch.setattr(PosixWriteHandle, "copy_from", full)
        with bind(request_id="r2"), pytest.raises(ApiError) as refused:
            await client.copy(source, TARGET, 0o640, lambda _: None)
    assert (refused.value.id, refused.value.details) == ("posix", {"errno": "enospc"})
    assert len(port.stored()) == 1
    await client.stop()


async def test_a_copy_nobody_waits_for_is_given_up(
    port: RunningPort, watch: WatchTwin, slowly: list[float]
) -> None:
    client = DataPortClient(watch, host_id="h1")  # type: ignore[arg-type]
    with as_caller(USER, port.key.sign(USER)), bind(request_id="r1"):
        source = await source_of(client, port, b"x" * (3 << 20))
        slowly[0] = 3600.0
        heard = asyncio.Event()
        with bind(request_id="r2"):
            copy = asyncio.create_task(client.copy(source, TARGET, 0o640, lambda _: heard.set()))
        await heard.wait()
        assert len(port.stored()) == 2
        copy.cancel()
        await until(lambda: len(port.stored()) == 1)
    await client.stop()
