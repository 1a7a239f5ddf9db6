"""The error envelope and what each inside error becomes."""

from __future__ import annotations

import orjson
import pytest

from runtime import errors
from runtime.http.errors import CATALOGUE, ApiError, from_error, posix, reason_of, unauthorized


def told(error: errors.IsthmusError) -> ApiError:
    return from_error(error, provider_id="p1")


def test_envelope_has_one_key_and_readable_text() -> None:
    error = ApiError("badValueNotInRange", {"key": "limit", "low": 1, "high": 10000})
    assert orjson.loads(error.body()) == {
        "error": {
            "id": "badValueNotInRange",
            "description": 'Bad value: "limit" has to be between 1 and 10000.',
            "details": {"key": "limit", "low": 1, "high": 10000},
        }
    }


def test_details_are_left_out_when_there_are_none() -> None:
    assert "details" not in orjson.loads(ApiError("malformedData").body())["error"]


def test_posix_errors_are_400_and_name_the_errno() -> None:
    error = told(errors.NoSuchFile())
    assert (error.status, error.details) == (400, {"errno": "enoent"})
    assert error.description == "Operation failed with POSIX error: enoent."


@pytest.mark.parametrize(
    ("id", "status"),
    [("unauthorized", 401), ("forbidden", 403), ("notFound", 404), ("alreadyExists", 409),
     ("internalServerError", 500), ("notImplemented", 501), ("serviceUnavailable", 503),
     ("noConnectionToOnezone", 503), ("spaceNotSupportedBy", 400), ("tokenInvalid", 400)],
)  # fmt: skip
def test_status_is_the_catalogues(id: str, status: int) -> None:
    assert CATALOGUE[id].status == status


@pytest.mark.parametrize(
    ("error", "id", "status"),
    [
        (errors.AccessDenied(), "posix", 400),
        (errors.NoSpace(), "posix", 400),
        (errors.InputOutputError(), "posix", 400),
        (errors.PermissionDenied(), "forbidden", 403),
        (errors.NotFound(), "notFound", 404),
        (errors.Unauthenticated(), "unauthorized", 401),
        (errors.Unavailable(), "serviceUnavailable", 503),
        (errors.DeadlineExceeded(), "timeout", 503),
        (errors.Unimplemented(), "notSupported", 400),
        (errors.InvalidArgument(), "malformedData", 400),
        (errors.InternalError(), "internalServerError", 500),
        (errors.IsthmusError(), "internalServerError", 500),
    ],
)
def test_inside_errors_have_one_answer_each(error: errors.IsthmusError, id: str, status: int) -> None:
    assert (told(error).id, told(error).status) == (id, status)


def test_reasons_of_the_catalogue_find_their_id() -> None:
    error = errors.rebuild(errors.Unavailable, "NO_CONNECTION_TO_ONEZONE", "", {})
    assert told(error).id == "noConnectionToOnezone"


def test_token_reasons_are_nested_in_unauthorized() -> None:
    error = errors.rebuild(
        errors.Unauthenticated, "TOKEN_CAVEAT_UNVERIFIED", "", {"caveat": '{"type":"time"}'}
    )
    details = told(error).details
    assert told(error).status == 401
    assert details is not None
    assert details["authError"]["id"] == "tokenCaveatUnverified"
    assert details["authError"]["details"] == {"caveat": {"type": "time"}}


def test_space_not_supported_names_space_and_provider() -> None:
    error = errors.rebuild(errors.FailedPrecondition, "SPACE_NOT_SUPPORTED", "", {"space_id": "s1"})
    assert told(error).details == {"spaceId": "s1", "providerId": "p1"}


def test_missing_credentials_have_no_details() -> None:
    assert unauthorized().details is None
    assert unauthorized().headers["www-authenticate"] == "Bearer"


def test_bad_version_reads_as_the_originals() -> None:
    error = ApiError("badVersion", {"supportedVersions": ["1.1.1", "1.1"]})
    assert error.description == 'Bad version - supported versions: [<<"1.1.1">>,<<"1.1">>].'


def test_every_description_fills_its_placeholders() -> None:
    for id, entry in CATALOGUE.items():
        assert "{" not in ApiError(id, dict.fromkeys(entry.details, "x")).description


def test_user_text_in_details_is_never_a_format() -> None:
    assert posix("{x}").description == "Operation failed with POSIX error: {x}."


def test_reason_of_splits_words_as_reasons_do() -> None:
    assert [reason_of(id) for id in ("tokenInvalid", "badValueJSON", "notAnAccessToken")] == [
        "TOKEN_INVALID", "BAD_VALUE_JSON", "NOT_AN_ACCESS_TOKEN",
    ]  # fmt: skip
