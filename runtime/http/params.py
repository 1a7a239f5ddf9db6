"""Parameters of a request: query string and JSON body as one dictionary, checked by declared type.

On conflict the query wins. A repeated query parameter becomes a list, one without `=` is true, `null`
counts as absent, and what nobody asks for is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from runtime.http.errors import ApiError

#: Largest JSON body of an ordinary request.
MAX_JSON_BODY_BYTES = 1 << 20
#: Deepest nesting of JSON. What we keep of it is told again inside other JSON, and no more than 254 levels
#: can be written.
MAX_JSON_DEPTH = 128
#: Most parameters in one query string.
MAX_QUERY_FIELDS = 1024

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_OCTAL = re.compile(r"[+-]?[0-7]+", re.ASCII)
_MODE_LIMIT = 0o1777
#: Stands for any integer too long to be worth parsing; beyond every limit we know.
_HUGE = 1 << 100


def parse_query(query: bytes) -> dict[str, Any]:
    """The query string as a dictionary. Raises ApiError `malformedData` for what is no UTF-8."""
    if not query:
        return {}
    fields = query.split(b"&", MAX_QUERY_FIELDS)
    if len(fields) > MAX_QUERY_FIELDS:
        raise ApiError("malformedData")
    parsed: dict[str, Any] = {}
    for field in fields:
        name, equals, value = field.partition(b"=")
        if not name:
            continue
        _add(parsed, _decode(name), _decode(value) if equals else True)
    return parsed


def _add(parsed: dict[str, Any], name: str, value: Any) -> None:
    if name not in parsed:
        parsed[name] = value
    elif isinstance(parsed[name], list):
        parsed[name].append(value)
    else:
        parsed[name] = [parsed[name], value]


def _decode(text: bytes) -> str:
    try:
        if b"%" not in text and b"+" not in text:
            return text.decode()
        return unquote_to_bytes(text.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise ApiError("malformedData") from None


def parse_object(body: bytes | bytearray) -> dict[str, Any]:
    """A JSON body as an object; an empty body is `{}`. Raises ApiError `malformedData` for all else."""
    if not body or body.isspace():
        return {}
    try:
        parsed = _loads(body)
    except ValueError:
        raise ApiError("malformedData") from None
    if not isinstance(parsed, dict):
        raise ApiError("malformedData")
    return parsed


def parse_value(body: bytes | bytearray, key: str) -> Any:
    """A body taken as it is: any JSON value. Raises ApiError `badValueJSON`, also for an empty body."""
    try:
        return _loads(body)
    except ValueError:
        raise ApiError("badValueJSON", {"key": key}) from None


def _loads(body: bytes | bytearray) -> Any:
    value = orjson.loads(body)
    # Only what has so many brackets can be so deep, and hardly anything has.
    if body.count(b"[") + body.count(b"{") > MAX_JSON_DEPTH and _depth(value) > MAX_JSON_DEPTH:
        raise ValueError("nested too deep")
    return value


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [child for each in level for child in (each.values() if isinstance(each, dict) else each)]
    return depth


class Params:
    """The merged parameters of one request; each method checks one of them.

    All of them raise ApiError with the id the declared type has, and answer the default when the
    parameter is absent or null.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    @classmethod
    def parse(cls, query: bytes, body: bytes | bytearray = b"") -> Params:
        """From the raw query string and, where the route takes JSON parameters, the body."""
        values = parse_object(body)
        values.update(parse_query(query))
        return cls(values)

    def get(self, key: str) -> Any:
        """The value as it came, or None."""
        return self._values.get(key)

    def boolean(self, key: str, default: bool = False) -> bool:
        """A JSON boolean, or the text `true` or `false`."""
        value = self._values.get(key)
        if value is None:
            return default
        if value is True or value == "true":
            return True
        if value is False or value == "false":
            return False
        raise ApiError("badValueBoolean", {"key": key})

    def integer(
        self, key: str, default: int | None = None, *, low: int | None = None, high: int | None = None
    ) -> int | None:
        """A JSON integer or decimal text, within the limits."""
        value = self._values.get(key)
        if value is None:
            return default
        number = _integer(key, value)
        _check_range(key, number, low, high)
        return number

    def string(self, key: str, default: str | None = None, *, empty: bool = True) -> str | None:
        """A text; `empty=False` refuses the empty one."""
        value = self._values.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            raise ApiError("badValueString", {"key": key})
        if not value and not empty:
            raise ApiError("badValueEmpty", {"key": key})
        return value

    def required_string(self, key: str, *, empty: bool = False) -> str:
        """A text that must be there."""
        value = self.string(key, empty=empty)
        if value is None:
            raise ApiError("missingRequiredValue", {"key": key})
        return value

    def choice(self, key: str, default: str, allowed: Sequence[str]) -> str:
        """One of some texts."""
        value = self.string(key, default) or ""
        if value not in allowed:
            raise ApiError("badValueNotAllowed", {"key": key, "allowed": list(allowed)})
        return value

    def strings(self, key: str, *, promote: bool = False) -> list[str] | None:
        """A list of texts; `promote` takes a single text for a list of one."""
        value = self._values.get(key)
        if value is None:
            return None
        if promote and isinstance(value, str):
            return [value]
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ApiError("badValueListOfStrings", {"key": key})
        return value

    def mode(self, key: str = "mode") -> int | None:
        """Permission bits as an octal text, 0..1777."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise ApiError("badValueString", {"key": key})
        if not _OCTAL.fullmatch(value):
            raise ApiError("badValueInteger", {"key": key})
        mode = int(value, 8) if len(value) <= 40 else _HUGE
        _check_range(key, mode, 0, _MODE_LIMIT)
        return mode


def _integer(key: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        if len(value) <= 40:
            return int(value)
        return -_HUGE if value[0] == "-" else _HUGE
    raise ApiError("badValueInteger", {"key": key})


def _check_range(key: str, number: int, low: int | None, high: int | None) -> None:
    too_low = low is not None and number < low
    too_high = high is not None and number > high
    if not too_low and not too_high:
        return
    if low is not None and high is not None:
        raise ApiError("badValueNotInRange", {"key": key, "low": low, "high": high})
    if too_low:
        raise ApiError("badValueTooLow", {"key": key, "limit": low})
    raise ApiError("badValueTooHigh", {"key": key, "limit": high})
