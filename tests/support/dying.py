"""A process that is killed in the midst of a transaction."""

from __future__ import annotations

import asyncio
import signal
import sys

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
os.kill(os.getpid(), signal.SIGKILL)
"""


async def die_in_transaction(mongo_url: str, service: str, database: str, *records: str) -> None:
    """A process of this service is killed that has changed these records, each `collection=id`."""
    command = (sys.executable, "-c", _DIES, mongo_url, service, database, *records)
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == -signal.SIGKILL
