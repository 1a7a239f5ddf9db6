from __future__ import annotations

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WTimeoutError,
)

from runtime.mongo import StoreUnavailable, translated
from runtime.mongo.change_cursor import place_is_lost

UNCONFIRMED = {"writeErrors": [], "writeConcernErrors": [{"code": 64}]}
DUPLICATE = {"writeErrors": [{"code": 11000, "index": 0}], "writeConcernErrors": []}


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("x"),
        NetworkTimeout("x"),
        NotPrimaryError("x"),
        ServerSelectionTimeoutError("x"),
        WTimeoutError("x"),
        OperationFailure("stepping down", 11602),
        OperationFailure("killed session", 11601),
        BulkWriteError(UNCONFIRMED),
    ],
)
def test_a_database_that_is_away_is_unavailable(error: PyMongoError):
    assert isinstance(translated(error), StoreUnavailable)


@pytest.mark.parametrize(
    "error", [DuplicateKeyError("x", 11000), OperationFailure("x", 2), BulkWriteError(DUPLICATE)]
)
def test_an_answer_stays_an_answer(error: PyMongoError):
    assert translated(error) is error


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (OperationFailure("history lost", 286), True),
        (OperationFailure("bad token", 50811), True),
        (OperationFailure("unauthorized", 13), False),
        (OperationFailure("stepping down", 11602), False),
        (OperationFailure("cursor killed", 237), False),
        (OperationFailure("fetched too late", 1, {"errorLabels": ["ResumableChangeStreamError"]}), False),
        (AutoReconnect("x"), False),
    ],
)
def test_a_place_is_lost_only_if_the_server_refuses_it(error: PyMongoError, lost: bool):
    assert place_is_lost(error) is lost
