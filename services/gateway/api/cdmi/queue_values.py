"""Values on their way from queue to queue."""

from __future__ import annotations

from isthmus.metadata.v1 import files_pb2, queues_pb2

from services.gateway.api.cdmi.repeats import step_id
from services.gateway.api.ports import Metadata

#: As many as one request may copy; the metadata service knows how many that are.
_ALL = (1 << 31) - 1


async def copy_values(metadata: Metadata, source: files_pb2.FileRef, target: files_pb2.FileRef) -> None:
    """Adds copies of all values that a queue holds now to another one, some at a time.

    Each step has a number of its own, so a request that is tried again goes on where it was.
    """
    held = await metadata.get_queue(queues_pb2.GetQueueRequest(file=source))
    number, step = held.first, 1
    while number < held.next:
        answer = await metadata.transfer_values(
            queues_pb2.TransferValuesRequest(
                request_id=step_id(f"values/{step}"),
                source=source,
                target=target,
                limit=min(_ALL, held.next - number),
                first=number,
            )
        )
        if not answer.count:
            return
        number, step = answer.next, step + 1
