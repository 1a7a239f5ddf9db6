"""The lane's own rules; that it carries calls as gRPC does is tested with the multiplexed stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc.aio
import pytest
from isthmus.common.v1 import mux_pb2, mux_pb2_grpc
from isthmus.metadata.v1 import files_pb2

from runtime.auth import ClusterKey, service_identity
from runtime.discovery import Instance, Watch
from runtime.rpc import lane
from runtime.rpc.lane import LaneServer, LaneStream
from runtime.rpc.mux import MuxClient
from runtime.rpc.mux_server import MuxServicer

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
    stream = await LaneStream.open(server.name, blob())
    await stream.write(PING)
    assert await stream.read() == mux_pb2.ExchangeResponse()
    stream.cancel()


@pytest.mark.parametrize(
    "identity",
    [b"", b"nobody", blob(ClusterKey(b"x" * 32))],
    ids=["empty", "no identity", "of another cluster"],
)
async def test_nothing_is_answered_to_who_has_no_identity_of_this_cluster(
    server: LaneServer, identity: bytes
) -> None:
    stream = await LaneStream.open(server.name, identity)
    await stream.write(PING)
    assert await stream.read() is None


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
    stream = await LaneStream.open(server.name, blob())
    await stream.write(PING)
    assert await stream.read() is not None
    stream.cancel()


async def test_more_clients_than_may_come_are_turned_away(
    server: LaneServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "MAX_CLIENTS", 1)
    first = await LaneStream.open(server.name, blob())
    await first.write(PING)
    assert await first.read() is not None
    reader, writer = await asyncio.open_unix_connection("\0" + server.name)
    assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.close()
    await writer.wait_closed()
    await first.write(PING)
    assert await first.read() is not None
    first.cancel()


async def test_a_large_message_arrives_whole_though_the_other_end_reads_late() -> None:
    accepted: asyncio.Queue[lane.Frames] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    name = "\0isthmus-test-large"
    listening = await loop.create_unix_server(lambda: lane.Frames(2**25, accepted.put_nowait), name)
    _, client = await loop.create_unix_connection(lambda: lane.Frames(2**25), name)
    served = await accepted.get()
    sent = [bytes([number]) * 3_000_000 for number in range(8)]

    async def send() -> None:
        for frame in sent:
            await client.write(frame)

    sending = asyncio.ensure_future(send())
    await asyncio.sleep(0.1)
    assert [await served.read() for _ in sent] == sent
    await sending
    client.close()
    assert await served.read() is None
    with pytest.raises(ConnectionError):
        await served.write(b"too late")
    listening.close()
    await listening.wait_closed()


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
