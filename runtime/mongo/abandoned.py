"""Transactions that nobody will end, because their process died in their midst.

MongoDB notices neither a dead process nor a closed connection in between two steps of a transaction. What it
changed stays locked until the server's limit for transactions, a minute and a half by default: other
transactions are refused meanwhile, plain writes wait. Ours take their steps without a rest, so one that
rests belongs to a process that is dead, or was stopped. That one learns of it at its next step, and begins
anew.
"""

from __future__ import annotations

from typing import Any

import structlog
from pymongo import MongoClient

log = structlog.get_logger(__name__)

#: How often each instance looks, in seconds. A look takes the server less than a millisecond, but four
#: instances that look all the time are felt in what a stack needs at rest.
ABANDONED_INTERVAL_S = 2.0
#: Rests longer than this are no rests, in seconds.
_LONGEST_REST_S = 1.0


def abort_abandoned(client: MongoClient[dict[str, Any]]) -> int:
    """Aborts what processes have left that log in, and name themselves, as this one; answers how many.

    Blocks, and raises what the driver raises. Needs no more rights than to read and write.
    """
    query = {
        "type": "idleSession",
        "appName": client.options.pool_options.appname,
        "transaction.timeInactiveMicros": {"$gt": int(_LONGEST_REST_S * 1e6)},
    }
    # Of other users it would need the right to know.
    look = {"$currentOp": {"allUsers": False, "idleSessions": True}}
    found = [{"id": rest["lsid"]["id"]} for rest in client.admin.aggregate([look, {"$match": query}])]
    if found:
        client.admin.command("killSessions", found, codec_options=client.codec_options)
        log.warning("transactions_aborted", count=len(found))
    return len(found)
