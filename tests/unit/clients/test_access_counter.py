"""What is counted is told in batches, as what it was, and once."""

from __future__ import annotations

from typing import Any

import pytest
from isthmus.metadata.v1.access_history_pb2 import NoteAccessesRequest, NoteAccessesResponse

from clients import access_counter
from clients.access_counter import AccessCounter
from runtime.auth import as_caller, service_identity
from runtime.clock import ManualClock
from runtime.errors import Unavailable
from runtime.identity import GUEST, Identity, Kind


class Metadata:
    """Is told; is away while `away`."""

    def __init__(self) -> None:
        self.told: list[NoteAccessesRequest] = []
        self.away = False

    async def note_accesses(self, request: NoteAccessesRequest) -> NoteAccessesResponse:
        if self.away:
            raise Unavailable
        self.told.append(request)
        return NoteAccessesResponse()

    def accesses(self) -> list[tuple[Any, ...]]:
        return [
            (each.space_id, each.user_id, each.read_bytes, each.reads, each.written_bytes, each.writes)
            for request in self.told
            for each in request.accesses
        ]


@pytest.fixture
def metadata() -> Metadata:
    return Metadata()


@pytest.fixture
def counter(metadata: Metadata) -> AccessCounter:
    return AccessCounter(metadata, ManualClock())


def as_user(user_id: str) -> Any:
    return as_caller(Identity(Kind.USER, user_id), b"")


async def test_accesses_are_summed_up_by_space_and_user(counter: AccessCounter, metadata: Metadata) -> None:
    with as_user("alice"):
        counter.read("s", 10)
        counter.read("s", 5)
        counter.wrote("s", 7)
        counter.saw("t")
    with as_user("bob"):
        counter.wrote("s", 1)
    await counter.tell()
    assert metadata.accesses() == [
        ("s", "alice", 15, 2, 7, 1), ("t", "alice", 0, 0, 0, 0), ("s", "bob", 0, 0, 1, 1),
    ]  # fmt: skip


async def test_nobody_is_known_by_a_share_or_a_ticket(counter: AccessCounter, metadata: Metadata) -> None:
    counter.read("s", 1)
    for identity in (GUEST, service_identity("test")):
        with as_caller(identity, b""):
            counter.read("s", 1)
    await counter.tell()
    assert metadata.accesses() == [("s", "", 3, 3, 0, 0)]


async def test_nothing_is_told_of_nothing(counter: AccessCounter, metadata: Metadata) -> None:
    await counter.tell()
    counter.saw("s")
    await counter.tell()
    await counter.tell()
    assert len(metadata.told) == 1


async def test_what_was_not_told_is_told_again_as_the_same(
    counter: AccessCounter, metadata: Metadata
) -> None:
    counter.read("s", 1)
    metadata.away = True
    for size_bytes in (2, 4):
        with pytest.raises(Unavailable):
            await counter.tell()
        counter.read("s", size_bytes)
    metadata.away = False
    await counter.tell()
    await counter.tell()
    assert [each[2] for each in metadata.accesses()] == [1, 6]
    first, second = metadata.told
    assert first.holder == second.holder
    assert first.sequence < second.sequence


async def test_batches_are_as_large_as_metadata_takes(
    counter: AccessCounter, metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_counter, "MAX_ACCESSES", 2)
    for number in range(5):
        counter.saw(f"s{number}")
    await counter.tell()
    assert [len(request.accesses) for request in metadata.told] == [2, 2, 1]
    assert len({request.sequence for request in metadata.told}) == 3


async def test_too_many_users_count_for_their_space(
    counter: AccessCounter, metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_counter, "MAX_TALLIES", 2)
    for user_id in ("alice", "bob", "carol", "dave", "alice"):
        with as_user(user_id):
            counter.read("s", 1)
    await counter.tell()
    assert [each[1:4] for each in metadata.accesses()] == [("alice", 2, 2), ("bob", 1, 1), ("", 2, 2)]


async def test_the_last_is_told_at_the_end(counter: AccessCounter, metadata: Metadata) -> None:
    await counter.start()
    metadata.away = True
    counter.read("s", 1)
    with pytest.raises(Unavailable):
        await counter.tell()
    counter.read("s", 2)
    metadata.away = False
    await counter.stop()
    assert [each[2] for each in metadata.accesses()] == [1, 2]


async def test_an_end_without_metadata_is_an_end(counter: AccessCounter, metadata: Metadata) -> None:
    await counter.start()
    metadata.away = True
    counter.read("s", 1)
    await counter.stop()
    assert metadata.told == []
