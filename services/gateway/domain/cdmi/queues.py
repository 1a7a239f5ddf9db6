"""Queues of CDMI: which values a query means, and what a POST adds."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from runtime.errors import IsthmusError
from runtime.http.cdmi import Query, arguments_of
from runtime.http.errors import ApiError
from services.gateway.domain.cdmi.values import BASE64, ENCODINGS, UTF8, value_range
from services.gateway.domain.xattrs import check_mimetype

DEFAULT_MIMETYPE: Final = "text/plain"
#: Longest value and most bytes of one request that may get through to the metadata service, which has limits
#: of its own.
MAX_TAKEN_BYTES: Final = 2 << 20

_COUNT: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_NUMBERS: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)
_OF_SOURCE: Final = re.compile(r"\?values:([0-9]{1,9})$", re.ASCII)
#: Fields of an answer that tell of values, one entry for each.
_OF_VALUES: Final = ("mimetype", "valuerange", "valuetransferencoding", "value", "values")
#: What a DELETE may name.
_TAKEN: Final = frozenset({"value", "values"})


class Told(Protocol):
    """A value as the metadata service tells it."""

    @property
    def content(self) -> bytes: ...
    @property
    def mimetype(self) -> str: ...
    @property
    def value_transfer_encoding(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Taking:
    """What a DELETE takes: so many of the oldest values, or those numbered from `first` to `last`."""

    count: int = 0
    first: int | None = None
    last: int = 0


@dataclass(frozen=True, slots=True)
class NewValue:
    """A value to be added."""

    content: bytes
    mimetype: str
    encoding: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where values come from: `count` of the oldest of a queue, or (None) whatever the path names."""

    path: str
    count: int | None = None


def wanted_count(query: Query, raw_query: bytes) -> int:
    """How many values a GET is about: those of `values:N`, the oldest by default, none for other fields.

    Raises ApiError `badData`, key `query string`.
    """
    given = arguments_of(raw_query, "values")
    if not given:
        return 1 if any(map(query.wants, _OF_VALUES)) else 0
    if len(given) > 1 or query.value is not None or _COUNT.fullmatch(given[0]) is None:
        raise _bad_query()
    return int(given[0])


def taking(query: Query, raw_query: bytes) -> Taking | None:
    """What a DELETE takes: values, or (None) the queue.

    Whoever misspells what he wants taken does not want the queue gone, so other fields are refused: ApiError
    `badData`, key `query string`.
    """
    if not query.fields:
        return None
    if len(query.fields) > 1 or not _TAKEN.issuperset(query.fields) or query.value is not None:
        raise _bad_query()
    if query.fields == ("value",):
        return Taking(1)
    given = arguments_of(raw_query, "values")
    if len(given) != 1:
        raise _bad_query()
    return _numbers(given[0])


def _numbers(text: str) -> Taking:
    match = _NUMBERS.fullmatch(text)
    if match is not None and int(match[1]) <= int(match[2]):
        return Taking(first=int(match[1]), last=int(match[2]))
    if _COUNT.fullmatch(text) is None:
        raise _bad_query()
    return Taking(int(text))


def value_fields(query: Query, values: Sequence[Told], *, first: int, next: int) -> dict[str, Any]:
    """Fields that tell which values there are and what these are; the oldest comes first.

    `first`, `next`: numbers of the oldest value and of the one that comes next.
    """
    shown = list(map(_shown, values)) if query.value is None else [_part(each, query) for each in values]
    fields: dict[str, Any] = {
        "queueValues": f"{first}-{next - 1}" if next > first else "",
        "mimetype": [value.mimetype for value in values],
        "valuerange": [value_range(query.value, len(value.content)) for value in values],
        "valuetransferencoding": [encoding for encoding, _ in shown],
        "value": [text for _, text in shown],
    }
    return {name: told for name, told in fields.items() if query.wants(name) or _is_named(query, name)}


def _is_named(query: Query, name: str) -> bool:
    return name == "value" and "values" in query.fields


def _shown(value: Told) -> tuple[str, str]:
    if value.value_transfer_encoding == UTF8:
        return UTF8, value.content.decode()
    return BASE64, base64.b64encode(value.content).decode()


def _part(value: Told, query: Query) -> tuple[str, str]:
    """A range of a value, which may cut characters, so it is always base64."""
    first, last = query.value or (0, -1)
    return BASE64, base64.b64encode(value.content[first : last + 1]).decode()


def source(fields: dict[str, Any]) -> tuple[str, Source] | None:
    """`copy` or `move` of a body, and where from; None where it has its values itself.

    Raises ApiError: `malformedData` for several sources and for a reference, `badData` for one that is no
    text.
    """
    given = [name for name in ("copy", "move", "value", "reference") if fields.get(name) is not None]
    if len(given) > 1 or given == ["reference"]:
        raise ApiError("malformedData")
    if not given:
        raise ApiError("missingRequiredValue", {"key": "value"})
    if given == ["value"]:
        return None
    text = fields[given[0]]
    if not isinstance(text, str):
        raise _bad(given[0])
    match = _OF_SOURCE.search(text)
    if match is None:
        return given[0], Source(text)
    return given[0], Source(text[: match.start()], int(match[1]))


def new_values(fields: dict[str, Any]) -> Sequence[NewValue]:
    """What a body adds. `value`, and where they are there `mimetype` and `valuetransferencoding`, are lists
    of one length.

    Raises ApiError `badData` naming the list that is wrong, or `base64`.
    """
    texts = _texts(fields["value"], "value", None)
    count = len(texts)
    mimetypes = _texts(fields.get("mimetype"), "mimetype", count) or [DEFAULT_MIMETYPE] * count
    encodings = _texts(fields.get("valuetransferencoding"), "valuetransferencoding", count) or [UTF8] * count
    return list(_values(texts, mimetypes, encodings))


def _values(texts: Sequence[str], mimetypes: Sequence[str], encodings: Sequence[str]) -> Iterator[NewValue]:
    for text, mimetype, encoding in zip(texts, mimetypes, encodings, strict=True):
        if encoding not in ENCODINGS:
            raise _bad("valuetransferencoding")
        try:
            checked = check_mimetype(mimetype)
        except IsthmusError:
            raise _bad("mimetype") from None
        yield NewValue(_decoded(text, encoding), checked, encoding)


def _texts(given: Any, key: str, count: int | None) -> list[str]:
    """A list of texts of this length; an empty one where it is absent and may be."""
    if given is None:
        return []
    if not isinstance(given, list) or not given or not all(isinstance(text, str) for text in given):
        raise _bad(key)
    if count is not None and len(given) != count:
        raise _bad(key)
    return given


def _decoded(text: str, encoding: str) -> bytes:
    try:
        if encoding == UTF8:
            return text.encode()
        return binascii.a2b_base64(text.encode(), strict_mode=True)
    except UnicodeEncodeError:
        raise ApiError("malformedData") from None
    except ValueError:
        raise _bad("base64") from None


def _bad(key: str) -> ApiError:
    return ApiError("badData", {"key": key})


def _bad_query() -> ApiError:
    return _bad("query string")
