"""A process that serves the multiplexed stream: for tests that kill or pause it. `PORT INSTANCE_ID LANE`."""

from __future__ import annotations

import asyncio
import sys

import grpc.aio
from isthmus.common.v1 import mux_pb2_grpc
from isthmus.metadata.v1 import files_pb2

from runtime.auth import ClusterKey
from runtime.rpc.lane import LaneServer
from runtime.rpc.mux import MuxServicer

METHOD = "/isthmus.metadata.v1.FileService/GetFile"
SECRET = b"k" * 32


async def serve(port: int, instance_id: str, lane_name: str) -> None:
    """Answers with its instance id as the name; a file id that is a number waits so many seconds."""

    async def get_file(request: files_pb2.GetFileRequest, _: object) -> files_pb2.GetFileResponse:
        if request.file.file_id:
            await asyncio.sleep(float(request.file.file_id))
        return files_pb2.GetFileResponse(file=files_pb2.File(name=instance_id))

    handler = (
        get_file,
        files_pb2.GetFileRequest.FromString,
        files_pb2.GetFileResponse.SerializeToString,
    )
    server = grpc.aio.server()
    servicer = MuxServicer({METHOD: handler}, ClusterKey(SECRET))
    mux_pb2_grpc.add_MuxServiceServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    lane = LaneServer(servicer, ClusterKey(SECRET), label=instance_id)
    lane.name = lane_name
    await lane.start()
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
