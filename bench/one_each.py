"""A service of Isthmus without batches: what batching is measured against.

`python -m bench.one_each services.metadata` runs that service, its own code from the first line to the last,
with three things changed: every call between services is a unary gRPC call of its own, every record is a
round trip of its own to MongoDB, and nothing is remembered on a lease. Threads and connections to the
database are as many as help it.
"""

from __future__ import annotations

import runpy
import sys
from typing import Any, TypeVar

import grpc.aio
from google.protobuf.message import Message

from runtime.batching import Batcher
from runtime.leased_memory import LeasedMemory
from runtime.mongo.threads import MongoThreads
from runtime.rendezvous import ranking
from runtime.rpc.channel import open_channel
from runtime.rpc.mux import MuxClient, NoInstance

#: As many as the client of MongoDB has connections.
THREADS = 16

R = TypeVar("R", bound=Message)


def one_record_each() -> None:
    """Every batch has one item, and many may be under way."""
    make_batcher, make_threads = Batcher.__init__, MongoThreads.__init__

    def batcher(self: Batcher[Any, Any], flush: Any, **options: Any) -> None:
        make_batcher(self, flush, **{**options, "max_batch": 1, "max_in_flight": THREADS})

    def threads(self: MongoThreads, **options: Any) -> None:
        make_threads(self, **{**options, "writers": THREADS, "readers": THREADS})

    Batcher.__init__ = batcher  # type: ignore[method-assign]
    MongoThreads.__init__ = threads  # type: ignore[method-assign]


def one_call_each() -> None:
    """The multiplexed stream gives way to unary calls, to the same instance for the same caller."""
    channels: dict[str, grpc.aio.Channel] = {}

    async def call(
        self: MuxClient,
        method: str,
        request: Message,
        response_class: type[R],
        *,
        routing_key: str,
        timeout_s: float = 10.0,
        **_: Any,
    ) -> R:
        healthy = {each.instance_id: each for each in self._watch.instances if each.healthy}
        if not healthy:
            raise NoInstance(service=self._watch.service)
        address = healthy[ranking(routing_key, list(healthy))[0]].address
        if address not in channels:
            channels[address] = open_channel(address, key=self._key, service=self._service)
        make = channels[address].unary_unary(
            method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=response_class.FromString,
        )
        answer: R = await make(request, timeout=timeout_s)
        return answer

    MuxClient.call = call  # type: ignore[method-assign]


def nothing_remembered() -> None:
    """Every question is asked."""
    LeasedMemory.lease_on = lambda self, space_id: ""  # type: ignore[method-assign]


if __name__ == "__main__":
    one_record_each()
    one_call_each()
    nothing_remembered()
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
