"""The JSON of a PUT, taken apart while it comes: the value, which may be large, and all the rest.

A value is kept as it came, in pieces that can be decoded one by one, so there is one copy of it in memory and
no object for each of its characters. The rest is small, or the body is refused.
"""

from __future__ import annotations

import re
from typing import Final

import orjson

from runtime.http.errors import ApiError

#: What a body may have besides its value: metadata and the like.
ROOM_BYTES: Final = 1 << 20

#: The inside of a JSON string as far as it can be decoded on its own: no escape, character or pair of
#: surrogates is cut. What a chunk ends with and this does not match waits for the next chunk.
RUN: Final = re.compile(
    rb"(?:[ !#-\[\]-\x7f]++"
    rb"|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
    rb'|\\["\\/bfnrt]'
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4})*+"
)
#: The longest that may have to wait is a pair of surrogates but for its last digit.
LONGEST_CUT: Final = 11
_SERIALIZED: Final = "deserializevalue"
#: Pieces are gathered up to this size.
_PIECE_BYTES: Final = 256 * 1024

#: What is before the next mark of structure, and the mark: a bracket, a comma, a colon or a whole string.
_STEP: Final = re.compile(rb'[^"{}\[\]:,]*+([{}\[\]:,]|"(?:[^"\\]++|\\.)*+")', re.DOTALL)
_BLANKS: Final = re.compile(rb"[ \t\r\n]*+")
_QUOTE: Final = 0x22


class Scanner:
    """Fed with a body chunk by chunk.

    `value` is None where the body has no text of that name, else its pieces, still escaped as in JSON and
    without their quotes; so is `serialized` for `deserializevalue`. A body has but one of them.
    """

    def __init__(self) -> None:
        self.value: list[bytearray] | None = None
        self.serialized: list[bytearray] | None = None
        #: The one of both that is being taken in.
        self._large: list[bytearray] = []
        self._rest = bytearray()
        self._pending = b""
        self._inside_value = False
        self._depth = 0
        #: The next string is a name of the outermost object.
        self._name_due = False
        self._name = ""
        self._large_name = ""
        #: The next thing is what belongs to the name of a large text.
        self._value_due = False

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes. Raises ApiError `malformedData`, and `limitReached` for too large a rest."""
        data = self._pending + chunk if self._pending else chunk
        position = 0
        while position < len(data):
            step = self._within_value if self._inside_value else self._outside_value
            reached = step(data, position)
            if reached == position:
                break
            position = reached
        self._pending = data[position:]
        if len(self._rest) + len(self._pending) > ROOM_BYTES:
            raise ApiError(
                "limitReached", {"limit": ROOM_BYTES, "resourceDescription": "bytes beside the value"}
            )

    def finish(self) -> bytes:
        """The body with an empty text in place of the value. Raises ApiError `malformedData`."""
        if self._inside_value:
            raise ApiError("malformedData")
        return bytes(self._rest + self._pending)

    def _within_value(self, data: bytes, position: int) -> int:
        match = RUN.match(data, position)
        end = match.end() if match else position
        if end > position:
            self._keep(data[position:end])
        if end < len(data) and data[end] == _QUOTE:
            self._inside_value = False
            return end + 1
        if len(data) - end > LONGEST_CUT:
            raise ApiError("malformedData")
        return end

    def _keep(self, piece: bytes) -> None:
        if not self._large or len(self._large[-1]) >= _PIECE_BYTES:
            self._large.append(bytearray())
        self._large[-1] += piece

    def _outside_value(self, data: bytes, position: int) -> int:
        if self._value_due:
            blanks = _BLANKS.match(data, position)
            begin = blanks.end() if blanks else position
            if begin == len(data):
                return position
            self._value_due = False
            if data[begin] == _QUOTE:
                self._begin_value()
                return begin + 1
        step = _STEP.match(data, position)
        if step is None:
            return position
        self._rest += step[0]
        self._note(step[1])
        return step.end()

    def _begin_value(self) -> None:
        if self.value is not None or self.serialized is not None:
            raise ApiError("malformedData")
        if self._large_name == _SERIALIZED:
            self.serialized = self._large
        else:
            self.value = self._large
        self._rest += b'""'
        self._inside_value = True

    def _note(self, mark: bytes) -> None:
        """Follows where in the outermost object we are. What is no JSON shows when the rest is parsed."""
        if mark in b"{[":
            self._depth += 1
            self._name_due = self._depth == 1
        elif mark in b"}]":
            self._depth -= 1
        elif self._depth != 1:
            return
        elif mark == b",":
            self._name_due = True
        elif mark == b":":
            self._value_due = self._name in ("value", _SERIALIZED)
            self._large_name = self._name
            self._name = ""
        elif self._name_due:
            self._name_due = False
            self._name = _text(mark)


def _text(quoted: bytes) -> str:
    try:
        return str(orjson.loads(quoted))
    except ValueError:
        raise ApiError("malformedData") from None
