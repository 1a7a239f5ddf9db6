"""The JSON body of a CDMI PUT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from runtime.errors import IsthmusError
from runtime.http.errors import ApiError
from runtime.http.params import parse_object
from services.gateway.domain.cdmi import metadata
from services.gateway.domain.cdmi.queries import Query
from services.gateway.domain.cdmi.values import BASE64, ENCODINGS, UTF8, Value
from services.gateway.domain.xattrs import check_mimetype

#: At most one of them says where the content comes from.
_SOURCES: Final = ("deserialize", "copy", "move", "reference", "deserializevalue", "value")
#: Operations that are not announced, and so are refused rather than ignored.
_NOT_BUILT: Final = ("deserialize", "deserializevalue", "reference", "serialize", "exports", "snapshot")

#: What a body may have besides its value: metadata and the like.
ROOM_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Body:
    """What a PUT asks for. `encoding`, `mimetype`: None where the body says nothing."""

    copy: Any = None
    move: Any = None
    value: Value | None = None
    encoding: str | None = None
    mimetype: str | None = None
    metadata: metadata.Change | None = None


def parse(raw: bytearray, query: Query, *, limit_bytes: int) -> Body:
    """A body checked whole, before anything happens.

    Raises ApiError: `malformedData` for bad JSON and for two sources, `notSupported` for what is not built,
    `badData` naming the field, `limitReached` for a value larger than `limit_bytes`. `raw` is emptied, as it
    may be large.
    """
    fields = parse_object(raw)
    raw.clear()
    if sum(fields.get(source) is not None for source in _SOURCES) > 1:
        raise ApiError("malformedData")
    if any(fields.get(name) is not None for name in _NOT_BUILT):
        raise ApiError("notSupported")
    encoding = fields.get("valuetransferencoding")
    if encoding is not None and encoding not in ENCODINGS:
        raise _bad("valuetransferencoding")
    return Body(
        copy=fields.get("copy"),
        move=fields.get("move"),
        value=_value(fields.pop("value", None), encoding, query, limit_bytes),
        encoding=encoding,
        mimetype=_mimetype(fields.get("mimetype")),
        metadata=metadata.plan(fields.get("metadata"), query.metadata),
    )


def _value(text: Any, encoding: str | None, query: Query, limit_bytes: int) -> Value | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise _bad("value")
    # A part of a value is always base64; a whole one is text unless this request says otherwise.
    value = Value.check(text, BASE64 if query.value or encoding == BASE64 else UTF8)
    if value.size_bytes > limit_bytes:
        raise ApiError("limitReached", {"limit": limit_bytes, "resourceDescription": "bytes in a CDMI value"})
    if query.value is not None and value.size_bytes != query.value[1] - query.value[0] + 1:
        raise _bad("range")
    return value


def _mimetype(value: Any) -> str | None:
    if value is None:
        return None
    try:
        return check_mimetype(value)
    except IsthmusError:
        raise _bad("mimetype") from None


def _bad(key: str) -> ApiError:
    return ApiError("badData", {"key": key})
