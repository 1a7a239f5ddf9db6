"""Memberships in MongoDB: one document for each direct membership, whatever joins whatever.

memberships  _id "<target>:<member>", target, member (references such as "grp-1234"), privileges (mask),
             joined_at_ms, member_kind, target_kind

What follows from them is computed when asked: the way up from a user is one `$graphLookup` by the index on
`member`. So a change high up in nested groups costs one write, and no copy of anything can be out of date.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from bson.int64 import Int64
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from runtime.mongo import MongoThreads
from services.zone.domain.entities import Kind, Membership, Ref
from services.zone.domain.stores import Circle

Document = dict[str, Any]

_COLLECTION = "memberships"


def create_membership_indexes(database: Database[Document]) -> None:
    """Once at start; harmless when they are there."""
    database[_COLLECTION].create_index([("member", 1), ("target_kind", 1)])
    database[_COLLECTION].create_index(
        [("target", 1), ("member_kind", 1), ("joined_at_ms", 1), ("member", 1)]
    )


class MongoMembershipStore:
    """Answers MembershipStore."""

    def __init__(self, database: Database[Document], threads: MongoThreads) -> None:
        self._memberships = database[_COLLECTION]
        self._zone = database.zone
        self._threads = threads

    async def add(self, membership: Membership) -> bool:
        nests = membership.member.kind is Kind.GROUP and membership.target.kind is Kind.GROUP
        try:
            await self._threads.write(lambda: self._nest(membership) if nests else self._insert(membership))
        except DuplicateKeyError:
            return False
        return True

    def _insert(self, membership: Membership, session: ClientSession | None = None) -> None:
        self._memberships.insert_one(to_document(membership), session=session)

    def _nest(self, membership: Membership) -> None:
        """A group into a group. Two of these at a time could close a circle that neither sees, so they
        write to one document, and MongoDB lets the second wait and look again."""

        def work(session: ClientSession) -> None:
            turn = {"$inc": {"turn": Int64(1)}}
            self._zone.update_one({"_id": "group_nesting"}, turn, upsert=True, session=session)
            above = self._memberships.aggregate(_above(membership.target), session=session)
            targets = {document["target"] for document in above} | {membership.target.code}
            if membership.member.code in targets:
                raise Circle
            self._insert(membership, session)

        with self._memberships.database.client.start_session() as session:
            session.with_transaction(work)

    async def find(self, target: Ref, member: Ref) -> Membership | None:
        query = {"_id": _id(target, member)}
        found = await self._threads.read(lambda: self._memberships.find_one(query))
        return _from_document(found) if found else None

    async def of_target(self, target: Ref, kind: Kind) -> list[Membership]:
        query = {"target": target.code, "member_kind": kind.value}
        order = [("joined_at_ms", 1), ("member", 1)]
        found = await self._threads.read(lambda: list(self._memberships.find(query).sort(order)))
        return [_from_document(document) for document in found]

    async def above(self, member: Ref) -> list[Membership]:
        found = await self._threads.read(lambda: list(self._memberships.aggregate(_above(member))))
        return [_from_document(document) for document in found]

    async def ids_below(self, targets: Collection[Ref], kind: Kind) -> list[str]:
        codes = [target.code for target in targets]

        def work() -> list[str]:
            groups = self._groups_below(codes)
            if kind is Kind.GROUP:
                return sorted(groups)
            pipeline: list[Document] = [
                {"$match": {"target": {"$in": [*codes, *groups]}, "member_kind": kind.value}},
                {"$group": {"_id": "$member"}},
            ]
            return sorted(document["_id"] for document in self._memberships.aggregate(pipeline))

        return [Ref.parse(code).id for code in await self._threads.read(work)]

    def _groups_below(self, codes: list[str]) -> set[str]:
        """Level by level: what lies below a large group must not have to fit into one document."""
        found: set[str] = set()
        level = codes
        while level:
            query = {"target": {"$in": level}, "member_kind": Kind.GROUP.value}
            members = {document["member"] for document in self._memberships.find(query, {"member": 1})}
            level = list(members - found)
            found |= members
        return found

    async def change_privileges(self, target: Ref, member: Ref, *, grant: int, revoke: int) -> bool:
        change = {"$bit": {"privileges": {"and": Int64(~revoke), "or": Int64(grant)}}}
        query = {"_id": _id(target, member)}
        done = await self._threads.write(lambda: self._memberships.update_one(query, change))
        return done.matched_count == 1

    async def remove(self, target: Ref, member: Ref) -> bool:
        query = {"_id": _id(target, member)}
        done = await self._threads.write(lambda: self._memberships.delete_one(query))
        return done.deleted_count == 1


def insert_with(
    database: Database[Document], document: Document, into: str, memberships: Collection[Membership]
) -> None:
    """A new thing with its first memberships: all or none, since a membership of something that turns out
    to be somebody else's would open it for a moment. Raises DuplicateKeyError."""

    def work(session: ClientSession) -> None:
        database[into].insert_one(document, session=session)
        if memberships:
            database[_COLLECTION].insert_many(map(to_document, memberships), session=session)

    with database.client.start_session() as session:
        session.with_transaction(work)


def delete_all_in(database: Database[Document], target: Ref) -> None:
    """All memberships in something that is no more."""
    database[_COLLECTION].delete_many({"target": target.code})


def delete_own_of(database: Database[Document], member: Ref, session: ClientSession) -> None:
    """All that something was a member of."""
    database[_COLLECTION].delete_many({"member": member.code}, session=session)


def _above(member: Ref) -> list[Document]:
    """Memberships of the member and of every group above, each once; level by level within the server."""
    return [
        {"$match": {"member": member.code}},
        {"$group": {"_id": None, "direct": {"$push": "$$ROOT"}, "targets": {"$push": "$target"}}},
        {
            "$graphLookup": {
                "from": _COLLECTION,
                "startWith": "$targets",
                "connectFromField": "target",
                "connectToField": "member",
                "as": "nested",
            }
        },
        {"$project": {"all": {"$concatArrays": ["$direct", "$nested"]}}},
        {"$unwind": "$all"},
        {"$replaceRoot": {"newRoot": "$all"}},
    ]


def _id(target: Ref, member: Ref) -> str:
    return f"{target.code}:{member.code}"


def to_document(membership: Membership) -> Document:
    """As it is kept."""
    target, member = membership.target, membership.member
    return {
        "_id": _id(target, member),
        "target": target.code,
        "member": member.code,
        "target_kind": target.kind.value,
        "member_kind": member.kind.value,
        "privileges": Int64(membership.privileges),
        "joined_at_ms": membership.joined_at_ms,
    }


def _from_document(document: Document) -> Membership:
    return Membership(
        Ref.parse(document["target"]),
        Ref.parse(document["member"]),
        int(document["privileges"]),
        document["joined_at_ms"],
    )
