"""The JSON body of a CDMI PUT."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from runtime.errors import IsthmusError
from runtime.http.cdmi import Query, is_reference
from runtime.http.errors import ApiError
from runtime.http.params import parse_object
from services.gateway.domain.cdmi import metadata
from services.gateway.domain.cdmi.scanning import Scanner
from services.gateway.domain.cdmi.values import BASE64, ENCODINGS, UTF8, InParts, Streamed, Value
from services.gateway.domain.xattrs import check_mimetype

#: At most one of them says where the content comes from.
_SOURCES: Final = ("deserialize", "copy", "move", "reference", "deserializevalue", "serialize", "value")
#: Operations that are not announced, and so are refused rather than ignored.
_NOT_BUILT: Final = ("exports", "snapshot")
#: Queues have no serialisation.
NOT_FOR_QUEUES: Final = ("serialize", "deserialize", "deserializevalue")


@dataclass(slots=True)
class Body:
    """What a PUT asks for. `encoding`, `mimetype`: None where the body says nothing.

    `serialized`: JSON of an object, as `deserializevalue` has it.
    """

    copy: Any = None
    move: Any = None
    reference: str | None = None
    serialize: Any = None
    deserialize: Any = None
    serialized: Value | None = None
    value: Value | InParts | Streamed | None = None
    encoding: str | None = None
    mimetype: str | None = None
    metadata: metadata.Change | None = None


def parse_parts(scanner: Scanner, value: InParts | None, query: Query) -> Body:
    """A body in parts, whose first was taken in. As `parse`; the value is none of the JSON's."""
    if scanner.value is not None:
        raise _bad("value")
    body = parse(scanner, query, limit_bytes=0)
    sources = (body.copy, body.move, body.reference, body.serialize, body.deserialize, body.serialized)
    if value is not None and any(source is not None for source in sources):
        raise ApiError("malformedData")
    body.value = value
    return body


def parse(scanner: Scanner, query: Query, *, limit_bytes: int) -> Body:
    """A body that was taken in whole, checked before anything happens.

    Raises ApiError: `malformedData` for bad JSON, a name that occurs twice and for two sources,
    `notSupported` for what is not built, `badData` naming the field, `limitReached` for a value larger than
    `limit_bytes`.
    """
    fields = unambiguous(scanner.finish())
    if sum(fields.get(source) is not None for source in _SOURCES) > 1:
        raise ApiError("malformedData")
    refuse_unbuilt(fields)
    encoding = fields.get("valuetransferencoding")
    if encoding is not None and encoding not in ENCODINGS:
        raise _bad("valuetransferencoding")
    if scanner.value is None and fields.get("value") is not None:
        raise _bad("value")
    if scanner.serialized is None and fields.get("deserializevalue") is not None:
        raise _bad("deserializevalue")
    return Body(
        copy=fields.get("copy"),
        move=fields.get("move"),
        reference=_reference(fields),
        serialize=fields.get("serialize"),
        deserialize=fields.get("deserialize"),
        serialized=_serialized(scanner.serialized, limit_bytes),
        value=_value(scanner.value, encoding, query, limit_bytes),
        encoding=encoding,
        mimetype=_mimetype(fields.get("mimetype")),
        metadata=metadata.plan(fields.get("metadata"), query.metadata),
    )


def refuse_unbuilt(fields: Mapping[str, Any], *more: str) -> None:
    """Raises ApiError `notSupported` for what is no part of this server, or for these names."""
    if any(fields.get(name) is not None for name in (*_NOT_BUILT, *more)):
        raise ApiError("notSupported")


def unambiguous(raw: bytes | bytearray) -> dict[str, Any]:
    """The object, no name of which occurs twice: which of both was meant nobody knows.

    Raises ApiError `malformedData`.
    """
    # The one parser is strict and bounds the depth, the other keeps every digit and sees every name.
    if not parse_object(raw):
        return {}
    try:
        fields: dict[str, Any] = json.loads(raw, object_pairs_hook=refuse_repeated)
    except ValueError:  # a number of thousands of digits
        raise ApiError("malformedData") from None
    return fields


def refuse_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The members of an object. Raises ApiError `malformedData` for a name that occurs twice."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ApiError("malformedData")
    return members


def _value(raw: list[bytearray] | None, encoding: str | None, query: Query, limit_bytes: int) -> Value | None:
    if raw is None:
        return None
    # A part of a value is always base64; a whole one is text unless this request says otherwise.
    value = Value.check(raw, BASE64 if query.value or encoding == BASE64 else UTF8)
    _check_size(value, limit_bytes)
    if query.value is not None and value.size_bytes != query.value[1] - query.value[0] + 1:
        raise _bad("range")
    return value


def _serialized(raw: list[bytearray] | None, limit_bytes: int) -> Value | None:
    if raw is None:
        return None
    value = Value.check(raw, BASE64)
    _check_size(value, limit_bytes)
    return value


def _check_size(value: Value, limit_bytes: int) -> None:
    if value.size_bytes > limit_bytes:
        raise ApiError("limitReached", {"limit": limit_bytes, "resourceDescription": "bytes in a CDMI value"})


def _reference(fields: dict[str, Any]) -> str | None:
    uri = fields.get("reference")
    if uri is None:
        return None
    if any(value is not None for name, value in fields.items() if name != "reference"):
        raise ApiError("malformedData")
    if not isinstance(uri, str) or not is_reference(uri):
        raise _bad("reference")
    return uri


def _mimetype(value: Any) -> str | None:
    if value is None:
        return None
    try:
        return check_mimetype(value)
    except IsthmusError:
        raise _bad("mimetype") from None


def _bad(key: str) -> ApiError:
    return ApiError("badData", {"key": key})
