"""Batches of new records with a real mongod, whose answers may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import ASCENDING, MongoClient
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure

from runtime.mongo import Document, connect
from services.metadata.domain.errors import IdTaken, NameTaken
from services.metadata.store.bulk import Outcome, insert_each
from tests.support.lost_answers import LostAnswers, losing_answers

MIB = 1 << 20


class Records:
    """A collection behind a server whose answers may be lost."""

    def __init__(self, behind: Collection[Document], straight: Collection[Document]) -> None:
        self._behind = behind
        self.straight = straight

    async def insert(self, *documents: Document) -> list[Outcome]:
        return await asyncio.to_thread(insert_each, self._behind, list(documents))

    async def ids(self) -> list[Any]:
        return await asyncio.to_thread(self.straight.distinct, "_id")


@pytest.fixture
async def between(mongo_url: str) -> AsyncIterator[tuple[LostAnswers, str]]:
    async with losing_answers(mongo_url) as both:
        yield both


@pytest.fixture
async def answers(between: tuple[LostAnswers, str]) -> LostAnswers:
    return between[0]


@pytest.fixture
async def records(
    between: tuple[LostAnswers, str], mongo_url: str, mongo_database: str
) -> AsyncIterator[Records]:
    straight: MongoClient[Document] = connect(mongo_url)
    behind: MongoClient[Document] = connect(between[1])
    collection = straight[mongo_database]["stars"]
    await asyncio.to_thread(collection.create_index, [("name", ASCENDING)], unique=True)
    yield Records(behind[mongo_database]["stars"], collection)
    await asyncio.to_thread(behind.close)
    await asyncio.to_thread(straight.close)


def a_star(document_id: str, name: str = "", **fields: Any) -> Document:
    return {"_id": document_id, "name": name or document_id, **fields}


async def test_each_document_has_its_own_outcome(records: Records) -> None:
    await records.insert(a_star("a"), a_star("b"))
    outcomes = await records.insert(a_star("c"), a_star("a", "other"), a_star("d", "b"), a_star("e"))
    assert [type(each) for each in outcomes] == [type(None), IdTaken, NameTaken, type(None)]
    assert await records.ids() == ["a", "b", "c", "e"]


async def test_a_batch_whose_answer_is_lost_is_known_again(records: Records, answers: LostAnswers) -> None:
    answers.lose(1, b"stars")
    stars = [a_star("a", sizes=[1, 2**40], more={"x": None}), a_star("b")]
    assert await records.insert(*stars) == [None, None]
    assert answers.left == 0
    assert await records.ids() == ["a", "b"]


async def test_what_others_took_is_told_after_a_lost_answer_too(
    records: Records, answers: LostAnswers
) -> None:
    await records.insert(a_star("a"), a_star("b"))
    answers.lose(1, b"stars")
    outcomes = await records.insert(a_star("a", mass=2), a_star("c", "b"), a_star("d"))
    assert answers.left == 0
    assert [type(each) for each in outcomes] == [IdTaken, NameTaken, type(None)]
    assert await records.ids() == ["a", "b", "d"]


async def test_a_batch_whose_second_answer_is_lost_too_fails(records: Records, answers: LostAnswers) -> None:
    answers.lose(2, b"stars")
    with pytest.raises(ConnectionFailure):
        await records.insert(a_star("a"))
    assert answers.left == 0
    assert await records.insert(a_star("a", mass=2)) != [None]


async def test_a_batch_larger_than_a_command_is_divided(records: Records) -> None:
    stars = [a_star(str(number), filling=bytes(7 * MIB)) for number in range(3)]
    outcomes = await records.insert(*stars, a_star("1", "other"))
    assert [type(each) for each in outcomes] == [*[type(None)] * 3, IdTaken]
    assert await records.ids() == ["0", "1", "2"]
