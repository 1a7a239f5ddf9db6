"""What the API's description tells of errors: for each status, which ids an operation can answer with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from runtime.http.declared import Param
from runtime.http.errors import CATALOGUE, ApiError, posix
from services.gateway.api.rest.described import JSON_TYPE, Told

Json = dict[str, Any]

ERROR_SCHEMA: Json = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["id", "description"],
            "additionalProperties": False,
            "properties": {
                "id": {
                    "type": "string",
                    "description": "What happened. Together with `details` for programs.",
                },
                "description": {"type": "string", "description": "The same for people."},
                "details": {"type": "object", "description": "Left out where an error has none."},
            },
        }
    },
}

#: Of any route, when something inside is away or wrong.
_ALWAYS = ("internalServerError", "serviceUnavailable", "temporaryFailure", "timeout")
_PRIVATE = ("unauthorized", "noConnectionToOnezone")
_OF_A_FILE = ("forbidden", "spaceNotSupportedBy", "posix/enoent")
_OF_A_QUERY = ("malformedData",)
_OF_A_BODY = ("malformedData", "limitReached")

#: Details of the examples.
_DETAILS: Json = {
    "key": "name",
    "keys": ["description", "name"],
    "limit": 1,
    "low": 1,
    "high": 1000,
    "allowed": ["a", "b"],
    "spaceId": "space2",
    "storageId": "storage1",
    "providerId": "provider1",
    "resourceDescription": "bytes in the body of this request",
    "supportedVersions": ["1.1.1", "1.1"],
    "authError": ApiError("tokenInvalid").inner(),
}


def error_responses(
    told: Told, params: Sequence[Param[Any]], *, about_file: bool, shared: bool, has_body: bool
) -> dict[str, Json]:
    """By status, the errors of an operation; those without a body among them."""
    errors = [*_ALWAYS, *told.errors]
    if not told.public:
        errors += _PRIVATE
        # A path or a query that is no UTF-8.
        errors += _OF_A_QUERY
    if about_file:
        errors += _OF_A_FILE if shared else (*_OF_A_FILE, "notSupported")
    if has_body:
        errors += _OF_A_BODY
    for param in params:
        errors += param.errors
    responses = {str(status): _of_status(ids) for status, ids in _by_status(errors).items()}
    if not told.public:
        responses["406"] = {"description": "What `Accept` asks for is none of what there is. No body."}
    if has_body:
        responses["415"] = {"description": "The body is of another type. No body."}
    return responses


def _by_status(errors: Iterable[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for error in dict.fromkeys(errors):
        found.setdefault(CATALOGUE[error.partition("/")[0]].status, []).append(error)
    return found


def _of_status(errors: list[str]) -> Json:
    ids = sorted({error.partition("/")[0] for error in errors})
    only_these = {"properties": {"error": {"properties": {"id": {"enum": ids}}}}}
    content = {
        "schema": {"allOf": [{"$ref": "#/components/schemas/Error"}, only_these]},
        "examples": {error.replace("/", "-"): {"value": _example(error)} for error in sorted(errors)},
    }
    shown = ", ".join(f"`{error.replace('/', ' ')}`" for error in sorted(errors))
    return {"description": shown, "content": {JSON_TYPE: content}}


def _example(error: str) -> Json:
    id, _, errno = error.partition("/")
    if errno:
        return {"error": posix(errno).inner()}
    details = {name: _DETAILS[name] for name in CATALOGUE[id].details if name in _DETAILS}
    return {"error": ApiError(id, details).inner()}
