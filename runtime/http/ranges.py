"""`Range` and `Content-Range` as both fronts read them.

A malformed `Range` is answered 416 like an unsatisfiable one, where RFC 9110 would ignore it: the
original does, and its clients rely on it.
"""

from __future__ import annotations

import re

from runtime.http.errors import ApiError

#: Most ranges of one request; a multipart answer of more is an attack, not a download.
MAX_RANGES = 128
#: Positions beyond this exist on no storage.
MAX_OFFSET = (1 << 63) - 1

_UNIT = re.compile(r"\s*bytes\s*=(.*)", re.IGNORECASE | re.DOTALL)
_RANGE = re.compile(r"[ \t]*([0-9]*)[ \t]*-[ \t]*([0-9]*)[ \t]*")
_CONTENT_RANGE = re.compile(
    r"[ \t]*bytes[ \t]+([0-9]{1,19})-([0-9]{1,19})/(\*|[0-9]{1,19})[ \t]*", re.IGNORECASE
)


class RangeNotSatisfiable(Exception):
    """416: answer with `Content-Range: bytes */SIZE` and no body."""

    def __init__(self, size: int) -> None:
        super().__init__(f"no such range in {size} bytes")
        self.size = size

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the 416 answer; names are lower-case."""
        return {"content-range": f"bytes */{self.size}"}


def parse_range(header: str | bytes, size: int) -> list[tuple[int, int]]:
    """The ranges asked for, first and last byte inclusive, in the order asked and not merged.

    Ends beyond the file are cut; a suffix longer than the file is the whole file. Everything else that
    does not fit, also one bad range among good ones and any range of an empty file, raises
    RangeNotSatisfiable.
    """
    text = header.decode("latin-1") if isinstance(header, bytes) else header
    unit = _UNIT.fullmatch(text)
    if unit is None or size <= 0:
        raise RangeNotSatisfiable(size)
    parts = unit[1].split(",", MAX_RANGES)
    if len(parts) > MAX_RANGES:
        raise RangeNotSatisfiable(size)
    return [_one_range(part, size) for part in parts]


def _one_range(part: str, size: int) -> tuple[int, int]:
    match = _RANGE.fullmatch(part)
    if match is None or match[1] == match[2] == "":
        raise RangeNotSatisfiable(size)
    first, last = _number(match[1]), _number(match[2])
    if first is None:  # the last N bytes
        if not last:
            raise RangeNotSatisfiable(size)
        return max(0, size - last), size - 1
    if first >= size or (last is not None and last < first):
        raise RangeNotSatisfiable(size)
    return first, size - 1 if last is None else min(last, size - 1)


def _number(digits: str) -> int | None:
    if not digits:
        return None
    stripped = digits.lstrip("0")
    # More digits than any offset has: int() of arbitrary length would be work for nothing.
    return MAX_OFFSET if len(stripped) > 19 else int(stripped or "0")


def parse_content_range(header: str | bytes) -> tuple[int, int, int | None]:
    """First byte, last byte and total of an upload's `Content-Range: bytes A-B/TOTAL` (TOTAL may be `*`).

    Raises ApiError `badData` with key `content-range` for anything else, several ranges included.
    """
    text = header.decode("latin-1") if isinstance(header, bytes) else header
    match = _CONTENT_RANGE.fullmatch(text)
    if match is None:
        raise ApiError("badData", {"key": "content-range"})
    first, last = int(match[1]), int(match[2])
    if first > last or last > MAX_OFFSET:
        raise ApiError("badData", {"key": "content-range"})
    return first, last, None if match[3] == "*" else int(match[3])
