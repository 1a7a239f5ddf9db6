"""QueueService."""

from __future__ import annotations

from typing import Any

from isthmus.metadata.v1 import queues_pb2, queues_pb2_grpc

from runtime.auth import caller
from services.metadata.domain.queue_books import QueueValue
from services.metadata.domain.queue_writer import NewValue
from services.metadata.domain.queues import Queues, Taking

from .convert import file_to_proto, ref_from_proto


class QueueServicer(queues_pb2_grpc.QueueServiceServicer):
    """Values of queues over gRPC."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    async def GetQueue(
        self, request: queues_pb2.GetQueueRequest, context: Any
    ) -> queues_pb2.GetQueueResponse:
        page = await self._queues.read(caller(), ref_from_proto(request.file), limit=request.limit)
        return queues_pb2.GetQueueResponse(
            file=file_to_proto(page.file),
            first=page.state.first,
            next=page.state.next,
            held_bytes=page.state.held_bytes,
            values=map(_to_proto, page.values),
        )

    async def EnqueueValues(
        self, request: queues_pb2.EnqueueValuesRequest, context: Any
    ) -> queues_pb2.EnqueueValuesResponse:
        values = [
            NewValue(value.content, value.mimetype, value.value_transfer_encoding) for value in request.values
        ]
        op = await self._queues.enqueue(caller(), request.request_id, ref_from_proto(request.file), values)
        return queues_pb2.EnqueueValuesResponse(first=op.first)

    async def DequeueValues(
        self, request: queues_pb2.DequeueValuesRequest, context: Any
    ) -> queues_pb2.DequeueValuesResponse:
        taking = Taking(request.count)
        if request.HasField("numbers"):
            taking = Taking(first=request.numbers.first, last=request.numbers.last)
        op = await self._queues.dequeue(caller(), request.request_id, ref_from_proto(request.file), taking)
        return queues_pb2.DequeueValuesResponse(first=op.first, count=op.count)

    async def TransferValues(
        self, request: queues_pb2.TransferValuesRequest, context: Any
    ) -> queues_pb2.TransferValuesResponse:
        source, target = ref_from_proto(request.source), ref_from_proto(request.target)
        if request.remove:
            op = await self._queues.move_values(
                caller(), request.request_id, source, target, limit=request.limit
            )
        else:
            op = await self._queues.copy_values(
                caller(), request.request_id, source, target, limit=request.limit, first=request.first
            )
        return queues_pb2.TransferValuesResponse(count=op.count, next=op.through)


def _to_proto(value: QueueValue) -> queues_pb2.QueueValue:
    return queues_pb2.QueueValue(
        number=value.number,
        content=value.content,
        mimetype=value.mimetype,
        value_transfer_encoding=value.encoding,
    )
