from __future__ import annotations

import grpc
import grpc.aio
import pytest

from runtime import errors
from runtime.errors import IsthmusError
from runtime.rpc import status


class Renamed(errors.FailedPrecondition):
    """Renamed below itself."""

    reason = "TEST_RENAME_INTO_ITSELF"


def every_class(root: type[IsthmusError] = IsthmusError) -> list[type[IsthmusError]]:
    found = []
    for each in root.__subclasses__():
        found += [each, *every_class(each)]
    return found


def both_ways(error: IsthmusError) -> list[IsthmusError]:
    return [
        status.from_status(status.to_status(error)),
        status.from_mux_error(status.to_mux_error(error)),
    ]


def failed(code: grpc.StatusCode, details: str = "", trailing: bytes | None = None) -> grpc.aio.AioRpcError:
    metadata = grpc.aio.Metadata(*([] if trailing is None else [(status.DETAILS_KEY, trailing)]))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), metadata, details=details)


@pytest.mark.parametrize("kind", [each for each in every_class() if each.__module__ == "runtime.errors"])
def test_every_class_arrives_as_itself(kind: type[IsthmusError]):
    for arrived in both_ways(kind("what happened", file_id="f1")):
        assert type(arrived) is kind
        assert arrived.reason == kind.reason


def test_facts_and_message_arrive():
    for arrived in both_ways(Renamed("no", file_id="f1", parent_id=7)):
        assert isinstance(arrived, Renamed)
        assert arrived.facts == {"file_id": "f1", "parent_id": "7"}
        assert arrived.message == "no"


def test_a_subclass_goes_by_its_ancestor():
    assert status.code_of(Renamed()) is grpc.StatusCode.FAILED_PRECONDITION


def test_an_unknown_reason_arrives_as_its_category():
    error = errors.NotFound("gone")
    error.reason = "NEVER_HEARD_OF"  # type: ignore[misc]
    for arrived in both_ways(error):
        assert type(arrived) is errors.NotFound
        assert arrived.reason == "NEVER_HEARD_OF"


def test_an_internal_error_tells_nothing():
    for arrived in both_ways(errors.InternalError("the password is x", password="x")):
        assert arrived.message == "internal error"
        assert arrived.facts == {}


def test_what_is_too_long_for_headers_is_cut():
    sent = status.to_status(errors.NotFound("m" * 50_000, big="b" * 50_000, small="s"))
    assert sent.ByteSize() < 8000
    assert status.from_status(sent).facts == {"small": "s"}


def test_a_fact_may_be_called_like_a_parameter():
    error = errors.NotFound("m", place="p")
    error.facts["message"] = error.facts["self"] = "x"
    for arrived in both_ways(error):
        assert arrived.facts == {"place": "p"}


def test_a_failed_call_is_told_by_its_details():
    sent = status.to_status(errors.NoSuchFile("no", path="/a")).SerializeToString()
    arrived = status.from_rpc_error(failed(grpc.StatusCode.NOT_FOUND, "no", sent))
    assert isinstance(arrived, errors.NoSuchFile)
    assert arrived.facts == {"path": "/a"}


@pytest.mark.parametrize("trailing", [None, b"\xff\xff"])
def test_a_failed_call_without_details_is_told_by_its_code(trailing: bytes | None):
    arrived = status.from_rpc_error(failed(grpc.StatusCode.UNAVAILABLE, "connection refused", trailing))
    assert type(arrived) is errors.Unavailable
    assert arrived.message == "connection refused"


def test_a_call_cancelled_by_its_server_may_be_repeated():
    assert status.from_rpc_error(failed(grpc.StatusCode.CANCELLED)).retryable


def test_a_code_without_category_is_internal():
    assert isinstance(status.from_rpc_error(failed(grpc.StatusCode.DATA_LOSS)), errors.InternalError)
