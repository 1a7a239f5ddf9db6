"""What a client of the multiplexed stream may do that ours never does, over gRPC and by the lane."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio
import pytest
from isthmus.common.v1 import mux_pb2, mux_pb2_grpc
from isthmus.metadata.v1 import files_pb2

from runtime.rpc import mux_server
from runtime.rpc.mux_limits import MAX_CALLS_IN_MESSAGE
from tests.integration.runtime.test_mux import GET, KEY, USER, Suite, suite, until
from tests.support.lane_client import LaneClient

TOO_MANY = mux_pb2.ExchangeRequest(
    calls=[mux_pb2.MuxCall(call_id=number) for number in range(MAX_CALLS_IN_MESSAGE + 1)]
)


async def test_a_message_with_too_many_calls_ends_the_stream() -> None:
    async with suite(1) as made, channel_to(made) as channel:
        stream: Any = mux_pb2_grpc.MuxServiceStub(channel).Exchange()
        await stream.write(TOO_MANY)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stream.read()
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_message_with_too_many_calls_ends_the_lane() -> None:
    async with suite(1, by_lane=True) as made:
        client = await lane_client(made)
        assert await client.ask(TOO_MANY) is None
        await client.close()
        assert (await made.get("ok:1")).file_id == "ok:1", "other streams go on"


async def test_a_client_that_sends_no_more_still_gets_its_answers() -> None:
    async with suite(1) as made, channel_to(made) as channel:
        stream: Any = mux_pb2_grpc.MuxServiceStub(channel).Exchange()
        await stream.write(asked("wait:0.2", 1))
        await stream.done_writing()
        assert [result.call_id for result in (await stream.read()).results] == [1]
        assert await stream.read() is grpc.aio.EOF


async def test_a_client_that_reads_nothing_is_not_worked_for_without_bound() -> None:
    size, count = 2_000_000, 40
    async with suite(1, by_lane=True) as made:
        client = await lane_client(made)
        for number in range(count):
            client.send(asked(f"big:{size}", number + 1).SerializeToString())
        await until(lambda: sum(made.served[0].asked.values()) > 5)
        await asyncio.sleep(0.3)
        bound = mux_server.MAX_UNSENT_BYTES // size + 4
        assert sum(made.served[0].asked.values()) <= bound
        answered: list[int] = []
        while len(answered) < count:
            message = await client.read()
            assert message is not None
            answered += [result.call_id for result in message.results]
        assert answered == list(range(1, count + 1))
        await client.close()


def asked(file_id: str, call_id: int) -> mux_pb2.ExchangeRequest:
    """A message with one call."""
    payload = files_pb2.GetFileRequest(file=files_pb2.FileRef(file_id=file_id)).SerializeToString()
    call = mux_pb2.MuxCall(call_id=call_id, method=GET, payload=payload, timeout_ms=60_000)
    return mux_pb2.ExchangeRequest(calls=[call], identities=[KEY.sign(USER)])


def channel_to(made: Suite) -> grpc.aio.Channel:
    """A further channel to the only instance."""
    return grpc.aio.insecure_channel(f"127.0.0.1:{made.served[0].port}")


async def lane_client(made: Suite) -> LaneClient:
    """A further client of the only instance."""
    lane = made.served[0].lane
    assert lane is not None
    return await LaneClient.open(lane.name, KEY.sign(USER))
