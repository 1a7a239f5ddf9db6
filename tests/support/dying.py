"""A process that is killed in the midst of a transaction."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bson import Binary
from pymongo import MongoClient

_DIES = """
import os, signal, sys
from runtime.mongo import connect
url, service, database, *records = sys.argv[1:]
client = connect(url, service=service)
session = client.start_session()
session.start_transaction()
for record in records:
    collection, record_id = record.split("=")
    change = {"$set": {"left": True}}
    client[database][collection].update_one({"_id": record_id}, change, session=session, upsert=True)
print(session.session_id["id"].hex(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@asynccontextmanager
async def died_in_transaction(
    mongo_url: str, service: str, database: str, *records: str
) -> AsyncIterator[None]:
    """A process of this service was killed that had changed these records, each `collection=id`.

    In the end nothing of it is left, so that whoever drops the database need not wait for the server's limit.
    """
    command = (sys.executable, "-c", _DIES, mongo_url, service, database, *records)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    try:
        yield
    finally:
        await asyncio.to_thread(_end_session, mongo_url, bytes.fromhex(told.decode().strip()))


def _end_session(mongo_url: str, session_id: bytes) -> None:
    with MongoClient[dict[str, object]](mongo_url) as client:
        client.admin.command("killSessions", [{"id": Binary(session_id, 4)}])
