"""Where in a value the parts of a body go."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.errors import FileTooLarge
from runtime.http.errors import ApiError
from runtime.http.multipart import PartHead
from runtime.http.ranges import parse_content_range
from services.storage_router.domain.uploads import MAX_FILE_BYTES

Span = tuple[int, int]

#: Ways to write content down that change nothing of it.
_AS_IT_IS = ("", "binary", "8bit", "7bit")


class Placing:
    """Told of each part as it comes. Parts without a range follow the one before, the first begins at 0.

    `ranges`: first and last byte of each part as the query has them, none where it says nothing.
    ApiError `badData`: `content-range` for what contradicts itself, the query or another part, `range` for
    parts that are not as long or as many as the query says, `content-length`.
    """

    def __init__(self, ranges: Sequence[Span] = ()) -> None:
        self._ranges = ranges
        self._spans: list[Span] = []
        self._total: int | None = None
        #: Whether any part says where it goes, so that what is there stays around it.
        self.is_ranged = bool(ranges)
        self._offset = 0
        self._taken = 0
        self._length: int | None = None
        self._key = "content-length"

    def begin(self, head: PartHead) -> None:
        """A part begins."""
        if head.headers.get("content-transfer-encoding", "").lower() not in _AS_IT_IS:
            raise _bad("content-transfer-encoding")
        self._taken = 0
        self._length, self._key = head.length, "content-length"
        number = len(self._spans)
        if self._ranges and number >= len(self._ranges):
            raise _bad("range")
        told = head.headers.get("content-range")
        if told is not None:
            self._place(self._told(told), "content-range")
        elif self._ranges:
            self._place(self._ranges[number], "range")

    def _told(self, text: str) -> Span:
        first, last, total = parse_content_range(text)
        is_within = total is None or last < total
        agrees = total is None or self._total in (None, total)
        if not (is_within and agrees):
            raise _bad("content-range")
        self._total = self._total if total is None else total
        if self._ranges and self._ranges[len(self._spans)] != (first, last):
            raise _bad("content-range")
        return first, last

    def _place(self, span: Span, key: str) -> None:
        first, last = span
        length = last - first + 1
        if self._length not in (None, length):
            raise _bad("content-length")
        self.is_ranged = True
        self._offset, self._length, self._key = first, length, key

    def take(self, count: int) -> int:
        """So many bytes more of the part have come: where they go."""
        at = self._offset + self._taken
        self._taken += count
        if self._length is not None and self._taken > self._length:
            raise _bad(self._key)
        if at + count > MAX_FILE_BYTES:
            raise FileTooLarge(limit=MAX_FILE_BYTES)
        return at

    def end(self) -> None:
        """The part is over."""
        if self._length not in (None, self._taken):
            raise _bad(self._key)
        self._spans.append((self._offset, self._taken))
        self._offset += self._taken

    def spans(self) -> list[Span]:
        """Offset and length of all that came, in order, what touches as one."""
        if self._ranges and len(self._spans) != len(self._ranges):
            raise _bad("range")
        merged: list[Span] = []
        for offset, length in sorted(span for span in self._spans if span[1]):
            end = sum(merged[-1]) if merged else 0
            if offset < end:
                raise _bad("content-range")
            if merged and offset == end:
                merged[-1] = (merged[-1][0], merged[-1][1] + length)
            else:
                merged.append((offset, length))
        return merged


def _bad(key: str) -> ApiError:
    return ApiError("badData", {"key": key})
