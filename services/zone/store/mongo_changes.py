"""Changes of the zone from MongoDB's own log: whichever instance made one, every instance hears of it.

The place of a change is the resume token of the stream, the same at every instance and in order as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymongo.database import Database

from runtime.mongo import ChangeCursor, ChangeFollower, ResumeToken
from services.zone.domain.changes import ChangeFeed

Document = dict[str, Any]

#: Shortest time between two questions to the server: what happens meanwhile comes together.
PACE_S = 0.02

_WATCHED = ["users", "tokens", "temporary_secrets", "memberships", "spaces", "storages", "providers"]
_PIPELINE: list[Document] = [
    # MongoDB tries this on every write of the whole server, whatever it is about: it has to be simple.
    {
        "$match": {
            "operationType": {"$in": ["insert", "update", "replace", "delete"]},
            "ns.coll": {"$in": _WATCHED},
        }
    },
    # What depends on a field made here is tried only on what has passed so far.
    {"$addFields": {"revised": {"$ifNull": ["$updateDescription.updatedFields.revision", None]}}},
    {
        "$match": {
            "$or": [
                {"ns.coll": {"$ne": "providers"}},
                {"operationType": {"$in": ["insert", "delete"]}},
                # Reports that it is up come all the time, and make no new revision.
                {"revised": {"$ne": None}},
            ]
        }
    },
    {"$project": {"ns.coll": 1, "operationType": 1, "documentKey": 1, "updateDescription.updatedFields": 1}},
]


class MongoChanges:
    """Publishes what changes in the database. A Part."""

    def __init__(self, database: Database[Document], feed: ChangeFeed) -> None:
        self._database = database
        self._feed = feed
        self._follower = ChangeFollower("zone", self._open, self._publish, on_gap=self._begin, pace_s=PACE_S)

    async def start(self) -> None:
        """Begins to follow."""
        await self._follower.start()

    async def stop(self) -> None:
        """Ends following."""
        await self._follower.stop()

    def _open(self, after: ResumeToken | None) -> ChangeCursor:
        return ChangeCursor(self._database, _PIPELINE, resume_after=after)

    async def _begin(self) -> None:
        self._feed.begin(lambda: self._follower.live)

    async def _publish(self, changes: Sequence[Document], token: ResumeToken) -> None:
        changed = {code for change in changes if (code := changed_code(change))}
        self._feed.publish(changed, str(token["_data"]))


def changed_code(change: Document) -> str:
    """What an answer about tokens may rest on that this change touches; empty for none."""
    collection, kind = change["ns"]["coll"], change["operationType"]
    key = str(change["documentKey"]["_id"])
    if collection == "memberships":
        return key.partition(":")[2]  # the member: what he may do has changed
    if collection == "temporary_secrets":
        return key
    if collection == "tokens":
        fields = change.get("updateDescription", {}).get("updatedFields", {})
        counts_only = kind == "insert" or fields.keys() == {"usage_count"}
        return "" if counts_only else f"tok-{key}"
    return {"users": "usr-", "spaces": "spc-", "storages": "sto-", "providers": "prv-"}[collection] + key
