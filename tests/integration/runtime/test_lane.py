"""The lane's own rules; that it carries calls as gRPC does is tested with the multiplexed stream."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import grpc.aio
import pytest
from isthmus.common.v1 import mux_pb2, mux_pb2_grpc
from isthmus.metadata.v1 import files_pb2

from runtime.auth import ClusterKey, service_identity
from runtime.discovery import Instance, Watch
from runtime.rpc import lane
from runtime.rpc.lane import LaneServer
from runtime.rpc.mux import MuxClient
from runtime.rpc.mux_server import MuxServicer
from tests.support.lane_client import LaneClient

KEY = ClusterKey(b"k" * 32)
PING = mux_pb2.ExchangeRequest()


@pytest.fixture
async def server() -> AsyncIterator[LaneServer]:
    made = LaneServer(MuxServicer({}, KEY), KEY, label="test")
    await made.start()
    yield made
    await made.stop(0)


def blob(key: ClusterKey = KEY) -> bytes:
    return key.sign(service_identity("gateway"))


async def test_a_client_that_says_who_it_is_gets_answers(server: LaneServer) -> None:
    client = await LaneClient.open(server.name, blob())
    assert await client.ask(PING) == mux_pb2.ExchangeResponse()
    await client.close()


@pytest.mark.parametrize(
    "identity",
    [b"", b"nobody", blob(ClusterKey(b"x" * 32))],
    ids=["empty", "no identity", "of another cluster"],
)
async def test_nothing_is_answered_to_who_has_no_identity_of_this_cluster(
    server: LaneServer, identity: bytes
) -> None:
    client = await LaneClient.open(server.name, identity)
    assert await client.ask(PING) is None
    await client.close()


async def test_a_client_that_says_nothing_is_not_waited_for(
    server: LaneServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "HANDSHAKE_TIMEOUT_S", 0.05)
    reader, writer = await asyncio.open_unix_connection("\0" + server.name)
    assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("known", [False, True])
async def test_a_frame_longer_than_any_message_ends_the_connection(server: LaneServer, known: bool) -> None:
    reader, writer = await asyncio.open_unix_connection("\0" + server.name)
    if known:
        writer.write(len(blob()).to_bytes(4, "big") + blob())
        await writer.drain()
        await asyncio.sleep(0.05)
    writer.write(b"\xff\xff\xff\xff junk")
    assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.close()
    await writer.wait_closed()


async def test_a_frame_that_is_no_message_ends_only_this_stream(server: LaneServer) -> None:
    reader, writer = await asyncio.open_unix_connection("\0" + server.name)
    for frame in (blob(), b"\xff\xff\xff"):
        writer.write(len(frame).to_bytes(4, "big") + frame)
    assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.close()
    await writer.wait_closed()
    client = await LaneClient.open(server.name, blob())
    assert await client.ask(PING) is not None
    await client.close()


async def test_more_clients_than_may_come_are_turned_away(
    server: LaneServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "MAX_CLIENTS", 1)
    first = await LaneClient.open(server.name, blob())
    assert await first.ask(PING) is not None
    reader, writer = await asyncio.open_unix_connection("\0" + server.name)
    assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.close()
    await writer.wait_closed()
    assert await first.ask(PING) is not None
    await first.close()


class Connected:
    """Both ends of a connection in this process."""

    def __init__(self, here: lane.Frames, there: lane.Frames) -> None:
        self.here = here
        self.there = there
        self.come: list[bytes] = []
        there.on_message = self.come.append

    async def until_come(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.come) < count:
                await asyncio.sleep(0.005)


@pytest.fixture
async def connected() -> AsyncIterator[Connected]:
    accepted: asyncio.Queue[lane.Frames] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    name = f"\0isthmus-test-{secrets.token_hex(8)}"
    listening = await loop.create_unix_server(lambda: lane.Frames(2**25, bytes, accepted.put_nowait), name)
    _, client = await loop.create_unix_connection(lambda: lane.Frames(2**25, bytes), name)
    made = Connected(client, await accepted.get())
    yield made
    made.here.abort()
    made.there.abort()
    listening.close()
    await listening.wait_closed()


async def test_a_large_message_arrives_whole_though_the_other_end_reads_late(connected: Connected) -> None:
    connected.there.pause()
    sent = [bytes([number]) * 3_000_000 for number in range(8)]
    for frame in sent:
        connected.here.send_frame(frame)
    assert not connected.here.writable
    await asyncio.sleep(0.1)
    assert connected.come == []
    connected.there.resume()
    await connected.until_come(len(sent))
    assert connected.come == sent
    assert connected.here.writable


async def test_an_end_that_pauses_amid_frames_gets_the_rest_later_in_order(connected: Connected) -> None:
    def take(frame: bytes) -> None:
        connected.come.append(frame)
        connected.there.pause()

    connected.there.on_message = take
    sent = [bytes([number]) * number for number in range(20)]
    connected.here.send_frame(sent[0])
    await connected.until_come(1)
    for frame in sent[1:]:
        connected.here.send_frame(frame)
    for number in range(1, len(sent)):
        await asyncio.sleep(0.01)
        assert len(connected.come) == number, "one at a time"
        connected.there.resume()
        assert len(connected.come) == number, "not before who resumes has returned"
        await connected.until_come(number + 1)
    assert connected.come == sent


async def test_an_end_is_told_that_the_other_has_gone(connected: Connected) -> None:
    told = asyncio.Event()
    connected.there.on_writable = told.set
    connected.here.send_frame(b"the last")
    connected.here.close()
    assert not connected.here.writable
    async with asyncio.timeout(5):
        await asyncio.gather(connected.there.ended, connected.here.ended, told.wait())
    assert connected.come == [b"the last"]
    assert connected.there.closed
    assert not connected.there.writable


async def test_who_cannot_take_a_message_ends_the_connection_with_the_reason(connected: Connected) -> None:
    def refuse(frame: bytes) -> None:
        connected.come.append(frame)
        raise ValueError("not this one")

    connected.there.on_message = refuse
    connected.here.send_frame(b"first")
    connected.here.send_frame(b"second")
    with pytest.raises(ValueError, match="not this one"):
        await asyncio.wait_for(asyncio.shield(connected.there.ended), 5)
    await asyncio.wait_for(connected.here.ended, 5)
    assert connected.come == [b"first"]


class Members(Watch):
    """A watch that is told what Consul would say."""

    def __init__(self, instance: Instance) -> None:
        super().__init__("http://127.0.0.1:1", "metadata")
        self._learn((instance,))


async def test_an_instance_whose_lane_cannot_be_reached_is_called_by_grpc() -> None:
    async def get_file(request: files_pb2.GetFileRequest, _: object) -> files_pb2.GetFileResponse:
        return files_pb2.GetFileResponse(file=files_pb2.File(name="by gRPC"))

    method = "/isthmus.metadata.v1.FileService/GetFile"
    handler = (
        get_file,
        files_pb2.GetFileRequest.FromString,
        files_pb2.GetFileResponse.SerializeToString,
    )
    server = grpc.aio.server()
    mux_pb2_grpc.add_MuxServiceServicer_to_server(MuxServicer({method: handler}, KEY), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    meta = {"host_id": "here", "lane": "isthmus-test-nobody"}
    members = Members(Instance("metadata", "metadata-1", "127.0.0.1", port, meta=meta))
    client = MuxClient(members, KEY, service="gateway", host_id="here")
    await client.start()
    answer = await client.call(
        method, files_pb2.GetFileRequest(), files_pb2.GetFileResponse, routing_key="space", as_service=True
    )
    assert answer.file.name == "by gRPC"
    await client.stop()
    await server.stop(0)
