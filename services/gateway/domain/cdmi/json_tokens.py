"""JSON of any size, taken apart while it comes: texts in pieces, all else in tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

import orjson

from runtime.http.errors import ApiError
from services.gateway.domain.cdmi.scanning import LONGEST_CUT, RUN

#: Objects and arrays in each other.
MAX_DEPTH: Final = 4096
#: A name, a number: small, or this is none of what it claims to be.
_MAX_TOKEN_BYTES: Final = 8 * 1024

_BLANKS: Final = re.compile(rb"[ \t\r\n]*+")
_NAME: Final = re.compile(rb'"(?:[^"\\\x00-\x1f]++|\\.)*+"', re.DOTALL)
_WORD: Final = re.compile(rb"[-+.0-9A-Za-z]++")
_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?")
_LITERALS: Final = (b"true", b"false", b"null")


class Kind(Enum):
    """What a token is."""

    OPEN_OBJECT = "{"
    CLOSE_OBJECT = "}"
    OPEN_ARRAY = "["
    CLOSE_ARRAY = "]"
    NAME = "name"
    #: A piece of a text, still escaped.
    TEXT = "text"
    TEXT_END = '"'
    #: A number, true, false or null.
    LITERAL = "literal"


@dataclass(frozen=True, slots=True)
class Token:
    """`raw` has what a NAME (decoded, as UTF-8), a TEXT or a LITERAL consists of."""

    kind: Kind
    raw: bytes = b""


class _Due(Enum):
    VALUE = 1
    VALUE_OR_END = 2
    NAME = 3
    NAME_OR_END = 4
    COLON = 5
    COMMA_OR_END = 6
    NOTHING = 7


_OPENING: Final = {
    b"{": (Kind.OPEN_OBJECT, _Due.NAME_OR_END),
    b"[": (Kind.OPEN_ARRAY, _Due.VALUE_OR_END),
}
_CLOSING: Final = {b"}": (Kind.CLOSE_OBJECT, b"{"), b"]": (Kind.CLOSE_ARRAY, b"[")}


class Tokenizer:
    """Fed with one JSON object or array chunk by chunk. Raises ApiError `malformedData` for anything else."""

    def __init__(self) -> None:
        self._pending = b""
        self._open: list[bytes] = []
        self._due = _Due.VALUE
        self._in_text = False

    def feed(self, chunk: bytes) -> Iterator[Token]:
        """What the next bytes complete; to be exhausted before more are fed."""
        data = self._pending + chunk if self._pending else chunk
        position = 0
        while position < len(data):
            step = self._text(data, position) if self._in_text else self._token(data, position)
            if step is None:
                break
            position, token = step
            if token is not None:
                yield token
        self._pending = data[position:]

    def close(self) -> None:
        """No more comes."""
        if self._due is not _Due.NOTHING or self._pending.strip(b" \t\r\n"):
            raise _malformed()

    def _text(self, data: bytes, position: int) -> tuple[int, Token | None] | None:
        match = RUN.match(data, position)
        end = match.end() if match else position
        if end > position:
            return end, Token(Kind.TEXT, data[position:end])
        if data[end : end + 1] == b'"':
            self._in_text = False
            self._after_value()
            return end + 1, Token(Kind.TEXT_END)
        if len(data) - end > LONGEST_CUT:
            raise _malformed()
        return None

    def _token(self, data: bytes, position: int) -> tuple[int, Token | None] | None:
        blanks = _BLANKS.match(data, position)
        at = blanks.end() if blanks else position
        mark = data[at : at + 1]
        if not mark:
            return at, None
        if mark in _CLOSING:
            return at + 1, self._close(mark)
        if self._due in (_Due.NAME, _Due.NAME_OR_END):
            return self._name(data, at)
        if self._due in (_Due.COLON, _Due.COMMA_OR_END):
            self._separate(mark)
            return at + 1, None
        if self._due is _Due.NOTHING:
            raise _malformed()
        return self._value(data, at, mark)

    def _close(self, mark: bytes) -> Token:
        kind, opening = _CLOSING[mark]
        may_end = self._due in (_Due.COMMA_OR_END, _Due.NAME_OR_END, _Due.VALUE_OR_END)
        if not may_end or not self._open or self._open.pop() != opening:
            raise _malformed()
        self._after_value()
        return Token(kind)

    def _separate(self, mark: bytes) -> None:
        if mark != (b":" if self._due is _Due.COLON else b","):
            raise _malformed()
        is_name_due = self._due is _Due.COMMA_OR_END and self._open[-1] == b"{"
        self._due = _Due.NAME if is_name_due else _Due.VALUE

    def _name(self, data: bytes, at: int) -> tuple[int, Token] | None:
        match = _NAME.match(data, at)
        if match is None:
            _wait(data, at, is_begun=data[at : at + 1] == b'"')
            return None
        if match.end() - at > _MAX_TOKEN_BYTES:
            raise _malformed()
        try:
            name = str(orjson.loads(match[0])).encode()
        except ValueError:
            raise _malformed() from None
        self._due = _Due.COLON
        return match.end(), Token(Kind.NAME, name)

    def _value(self, data: bytes, at: int, mark: bytes) -> tuple[int, Token | None] | None:
        if mark == b'"' and self._open:
            self._in_text = True
            return at + 1, None
        if mark in _OPENING:
            kind, self._due = _OPENING[mark]
            self._open.append(mark)
            if len(self._open) > MAX_DEPTH:
                raise _malformed()
            return at + 1, Token(kind)
        word = _WORD.match(data, at)
        if word is None or not self._open:
            raise _malformed()
        if word.end() == len(data):
            _wait(data, at, is_begun=True)
            return None
        if len(word[0]) > _MAX_TOKEN_BYTES:
            raise _malformed()
        if word[0] not in _LITERALS and not _NUMBER.fullmatch(word[0]):
            raise _malformed()
        self._after_value()
        return word.end(), Token(Kind.LITERAL, word[0])

    def _after_value(self) -> None:
        self._due = _Due.COMMA_OR_END if self._open else _Due.NOTHING


def _wait(data: bytes, at: int, *, is_begun: bool) -> None:
    """The rest of a token is still to come, unless it is none."""
    if not is_begun or len(data) - at > _MAX_TOKEN_BYTES:
        raise _malformed()


def _malformed() -> ApiError:
    return ApiError("malformedData")
