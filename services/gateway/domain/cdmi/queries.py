"""The query string of CDMI: fields separated by `;`, each `name`, `name:argument` or `name:FROM-TO`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from runtime.http.errors import ApiError
from runtime.http.ranges import MAX_OFFSET

_MAX_FIELDS = 1024
_RANGE = re.compile(r"([0-9]{1,19})-([0-9]{1,19})", re.ASCII)

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Query:
    """What a query asks for. `fields` are the names in order; empty asks for the default.

    `metadata` holds the arguments of `metadata:...`, prefixes on reading and names on writing.
    """

    fields: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    value: Range | None = None
    children: Range | None = None

    def wants(self, field: str) -> bool:
        """Whether a field belongs into the answer."""
        return not self.fields or field in self.fields


def parse(query: bytes) -> Query:
    """Raises ApiError `badData`, key `query string`, for ranges that are none and for invalid UTF-8."""
    if not query:
        return Query()
    parts = query.split(b";", _MAX_FIELDS)
    if len(parts) > _MAX_FIELDS:
        raise _bad()
    fields: dict[str, None] = {}
    metadata: list[str] = []
    ranges: dict[str, Range] = {}
    for part in parts:
        name, colon, argument = _decode(part).partition(":")
        if not name:
            continue
        fields[name] = None
        if not colon:
            continue
        if name == "metadata":
            metadata.append(argument)
        elif name in ("value", "children"):
            if name in ranges:
                raise _bad()
            ranges[name] = _range(argument)
    value = ranges.get("value")
    if value is not None and value[0] > value[1]:
        raise _bad()
    return Query(tuple(fields), tuple(metadata), value, ranges.get("children"))


def _decode(part: bytes) -> str:
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise _bad() from None


def _range(argument: str) -> Range:
    match = _RANGE.fullmatch(argument)
    if match is None or int(match[2]) > MAX_OFFSET:
        raise _bad()
    return int(match[1]), int(match[2])


def _bad() -> ApiError:
    return ApiError("badData", {"key": "query string"})
