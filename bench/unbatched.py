"""The bare pipeline of one call and one round trip to the database each: how fast those can be at best.

A create is an insert, a stat a find by id. Same parts as Isthmus's road of a create: an HTTP process
(uvicorn, uvloop, httptools, no framework), gRPC to a second process, MongoDB with the same write concern, the
same document and the same indexes. It checks no token and no permission, so it does less for each request
than Isthmus does.

    BENCH_MONGO_URL=… python -m bench.unbatched store PORT
    python -m bench.unbatched front PORT STORE
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import grpc.aio
import orjson
import pymongo
import uvicorn
import uvloop
from isthmus.metadata.v1 import files_pb2, files_pb2_grpc
from pymongo.write_concern import WriteConcern

DATABASE = "isthmus_bench_unbatched"
#: The variable that has the address of MongoDB, with its password.
MONGO_URL = "BENCH_MONGO_URL"
THREADS = 32
PARENT = files_pb2.FileRef(file_id="d" * 32)
OK_HEADERS = [(b"content-type", b"application/json")]


class Store:
    """One insert for each call, in a thread, acknowledged when journaled by a majority."""

    def __init__(self, mongo_url: str) -> None:
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(mongo_url, maxPoolSize=THREADS)
        self._files = client[DATABASE].get_collection(
            "files", write_concern=WriteConcern(w="majority", j=True)
        )
        self._files.create_index(
            [("parent_id", 1), ("name", 1), ("named_by", 1)],
            unique=True,
            partialFilterExpression={"deleted": False},
        )
        self._files.create_index([("parent_id", 1), ("name", 1)])
        self._files.replace_one({"_id": PARENT.file_id}, _document("", "", PARENT.file_id), upsert=True)
        self._threads = ThreadPoolExecutor(THREADS)

    async def create(
        self, request: files_pb2.CreateFileRequest, context: object
    ) -> files_pb2.CreateFileResponse:
        """Inserts a document as the metadata service keeps it."""
        document = _document(request.parent.file_id, request.name, uuid.uuid4().hex)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._files.insert_one, document)
        return files_pb2.CreateFileResponse(file=files_pb2.File(file_id=document["_id"], name=request.name))

    async def get(self, request: files_pb2.GetFileRequest, context: object) -> files_pb2.GetFileResponse:
        """Finds such a document by its id."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._files.find_one, {"_id": request.file.file_id})
        if found is None:
            raise LookupError(request.file.file_id)
        return files_pb2.GetFileResponse(file=files_pb2.File(file_id=found["_id"], name=found["name"]))


def _document(parent_id: str, name: str, file_id: str) -> dict[str, Any]:
    now_ms = int(time.time() * 1000)
    return {
        "_id": file_id,
        "space_id": "0" * 32,
        "parent_id": parent_id,
        "name": name,
        "named_by": "p" * 32,
        "type": 1,
        "mode": 0o664,
        "owner_id": "u" * 32,
        "provider_id": "p" * 32,
        "atime_ms": now_ms,
        "mtime_ms": now_ms,
        "ctime_ms": now_ms,
        "created_at_ms": now_ms,
        "size_bytes": 0,
        "share_ids": [],
        "revision": 1,
        "deleted": False,
        "op_id": uuid.uuid4().hex,
        "acl": None,
    }


class Front:
    """A bare ASGI application: every POST with `name` in its query, and every GET, is one unary call."""

    def __init__(self, store: str) -> None:
        self._target = store
        self._stub: Any = None

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Answers as `POST …/children` does, or as `GET …?attributes=fileId`."""
        if scope["type"] != "http":
            return
        if self._stub is None:
            self._stub = files_pb2_grpc.FileServiceStub(grpc.aio.insecure_channel(self._target))
        while (await receive()).get("more_body"):
            pass
        if scope["method"] == "GET":
            status, told = 200, await self._stub.GetFile(files_pb2.GetFileRequest(file=PARENT))
        else:
            name = parse_qs(scope["query_string"].decode())["name"][0]
            request = files_pb2.CreateFileRequest(parent=PARENT, name=name)
            status, told = 201, await self._stub.CreateFile(request)
        body = orjson.dumps({"fileId": told.file.file_id})
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*OK_HEADERS, length]})
        await send({"type": "http.response.body", "body": body})


async def serve_store(port: int, mongo_url: str) -> None:
    """Serves until the process is stopped."""
    server = grpc.aio.server()
    store = Store(mongo_url)
    create = grpc.unary_unary_rpc_method_handler(
        store.create,
        files_pb2.CreateFileRequest.FromString,
        files_pb2.CreateFileResponse.SerializeToString,
    )
    get = grpc.unary_unary_rpc_method_handler(
        store.get, files_pb2.GetFileRequest.FromString, files_pb2.GetFileResponse.SerializeToString
    )
    handlers = grpc.method_handlers_generic_handler(
        "isthmus.metadata.v1.FileService", {"CreateFile": create, "GetFile": get}
    )
    server.add_generic_rpc_handlers((handlers,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


def main(role: str, port: int, *store: str) -> None:
    """Runs one of the two processes."""
    if role == "store":
        uvloop.run(serve_store(port, os.environ[MONGO_URL]))
    else:
        config = uvicorn.Config(
            Front(*store), host="127.0.0.1", port=port, access_log=False, log_level="warning", lifespan="off"
        )
        uvicorn.Server(config).run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
