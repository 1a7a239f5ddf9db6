"""Who read and wrote how much, in MongoDB.

`access_history` has small documents: some successive steps of one width, of one space or of one user in it,
as sums that are only ever added to. They go by themselves when they are too old to be told. `access_tellers`
has how far each process has told, so that nothing is added twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pymongo import UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database

from services.metadata.domain.access_books import USERS_STEP_S, AccessPoint, Sums, Told
from services.metadata.domain.errors import IdTaken
from services.metadata.domain.usage_history import STEPS

from .documents import Document
from .threads import PatientThreads
from .transactions import Session, run_transaction

#: Steps in one document.
IN_ONE_DOCUMENT = 12
#: A process that has told nothing for so long is gone.
TELLER_LIFE_S = 86_400


class MongoAccessHistoryStore:
    """The collections `access_history` and `access_tellers`."""

    def __init__(self, database: Database[Document], threads: PatientThreads) -> None:
        self._history: MongoCollection[Document] = database["access_history"]
        self._tellers: MongoCollection[Document] = database["access_tellers"]
        self._client = database.client
        self._threads = threads
        # Two at once would change the documents of the same spaces, and only make each other try again.
        self._noting = asyncio.Lock()

    async def note(self, told: Told) -> None:
        def steps(session: Session) -> None:
            self._tellers.update_one(
                {"_id": told.holder, "sequence": {"$lt": told.sequence}},
                {"$set": {"sequence": told.sequence, "expires_at": _at(told.time_s + TELLER_LIFE_S)}},
                upsert=True,
                session=session,
            )
            updates = [*self._updates(session, told)]
            if updates:
                self._history.bulk_write(updates, ordered=False, session=session)

        def note() -> None:
            # Taken: the teller is there, and further on, so this was noted before.
            with contextlib.suppress(IdTaken):
                run_transaction(self._client, steps, taken=IdTaken)

        async with self._noting:
            await self._threads.write(note)

    def _updates(self, session: Session, told: Told) -> Iterable[UpdateOne]:
        by_space, by_user = told.by_space(), told.by_user()
        new, before = self._users(session, told.time_s, by_space, by_user)
        for (space_id, user_id), sums in by_user.items():
            for step_s in STEPS:
                yield _update(space_id, user_id, step_s, told.time_s, sums)
        for space_id, sums in by_space.items():
            users = before.get(space_id, 0) + new.get(space_id, 0)
            for step_s in STEPS:
                yield _update(space_id, "", step_s, told.time_s, sums, users=users)

    def _users(
        self, session: Session, time_s: int, space_ids: Iterable[str], users: Iterable[tuple[str, str]]
    ) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Users not seen before in this slot, and how many were, by space."""
        number = time_s // USERS_STEP_S
        pairs = [*((space_id, "") for space_id in space_ids), *users]
        ids = {_chunk_id(*pair, USERS_STEP_S, number): pair for pair in pairs}
        slot = f"steps.{number}"
        query = {"_id": {"$in": [*ids]}, slot: {"$exists": True}}
        seen = {
            ids[each["_id"]]: each["steps"][str(number)].get("users", 0)
            for each in self._history.find(query, {slot: 1}, session=session)
        }
        new: dict[str, int] = {}
        for space_id, user_id in users:
            if (space_id, user_id) not in seen:
                new[space_id] = new.get(space_id, 0) + 1
        return new, {space_id: count for (space_id, user_id), count in seen.items() if not user_id}

    async def list(self, space_id: str, user_id: str, step_s: int, *, since_s: int) -> Sequence[AccessPoint]:
        first = since_s // step_s
        series = _series(space_id, user_id, step_s)
        query = {"_id": {"$gte": _chunk_id(space_id, user_id, step_s, first), "$lt": f"{series}~"}}
        found = await self._threads.read(lambda: [*self._history.find(query)])
        points = [
            _point(int(number) * step_s, each)
            for document in found
            for number, each in document["steps"].items()
            if int(number) >= first
        ]
        return sorted(points, key=lambda point: point.time_s)


def _update(
    space_id: str, user_id: str, step_s: int, time_s: int, sums: Sums, *, users: int | None = None
) -> UpdateOne:
    number = time_s // step_s
    slot = f"steps.{number}"
    last = number - number % IN_ONE_DOCUMENT + IN_ONE_DOCUMENT
    settings: dict[str, Any] = {"expires_at": _at((last + STEPS[step_s]) * step_s)}
    if users is not None:
        settings[f"{slot}.users"] = users
    added = {
        f"{slot}.read_bytes": sums.read_bytes,
        f"{slot}.written_bytes": sums.written_bytes,
        f"{slot}.reads": sums.reads,
        f"{slot}.writes": sums.writes,
    }
    key = {"_id": _chunk_id(space_id, user_id, step_s, number)}
    return UpdateOne(key, {"$inc": added, "$set": settings}, upsert=True)


def _chunk_id(space_id: str, user_id: str, step_s: int, number: int) -> str:
    return f"{_series(space_id, user_id, step_s)}{number // IN_ONE_DOCUMENT:012d}"


def _series(space_id: str, user_id: str, step_s: int) -> str:
    """What the ids of all documents of one series begin with; no id has a slash."""
    return f"{space_id}/{user_id}/{step_s}/"


def _point(time_s: int, step: Mapping[str, int]) -> AccessPoint:
    sums = Sums(step["read_bytes"], step["written_bytes"], step["reads"], step["writes"])
    return AccessPoint(time_s, sums, step.get("users", 0))


def _at(time_s: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(time_s, tz=datetime.UTC)
