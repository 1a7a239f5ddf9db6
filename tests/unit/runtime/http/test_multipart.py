"""Bodies of several parts: what is in them, and that it does not depend on how they arrive."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http.errors import ApiError
from runtime.http.multipart import (
    MAX_HEAD_BYTES,
    MAX_PARTS,
    MAX_PREAMBLE_BYTES,
    Parser,
    PartEnd,
    PartHead,
    boundary_of,
)

Parts = list[tuple[dict[str, str], bytes]]


def parse(chunks: Iterable[bytes], boundary: bytes = b"b") -> Parts:
    """The parts of a whole body."""
    parser, parts = Parser(boundary), list[tuple[dict[str, str], bytearray]]()
    ended = 0
    for chunk in chunks:
        for event in parser.feed(chunk):
            if isinstance(event, PartHead):
                parts.append((dict(event.headers), bytearray()))
            elif isinstance(event, PartEnd):
                ended += 1
            else:
                parts[-1][1].extend(event)
    parser.close()
    assert ended == len(parts)
    return [(headers, bytes(content)) for headers, content in parts]


def outcome(chunks: Iterable[bytes]) -> object:
    """The parts, or how they are refused."""
    try:
        return parse(chunks)
    except ApiError as error:
        return error.id, str(error.details)


def test_parts_have_headers_and_content() -> None:
    body = b"for mail\r\n--b\r\nContent-Type: a/b\r\nX:  y \r\n\r\none\r\n--b \t\r\n\r\n\r\n--b--\r\nafter"
    assert parse([body]) == [({"content-type": "a/b", "x": "y"}, b"one"), ({}, b"")]


@pytest.mark.parametrize("body", [b"--b\r\n\r\n--b--", b"--b\r\nX: y\r\n\r\n--b--", b"--b\r\n\r\n\r\n--b--"])
def test_a_part_may_be_empty(body: bytes) -> None:
    assert [content for _, content in parse([body])] == [b""]


def test_what_only_looks_like_a_delimiter_is_content() -> None:
    content = b"\r\n-b\r\r\n--\r\n--B--b\n--b\r"
    assert parse([b"--b\r\n\r\n" + content + b"\r\n--b--"]) == [({}, content)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no delimiter",
        b"--b\r\n\r\nbroken off",
        b"--b\r\n\r\nlast one missing\r\n--b\r\n",
        b"--b\r\n\r\nline end missing--b--",
        b"--bx\r\n\r\n\r\n--b--",
        b"--b\r\nno header\r\n\r\n\r\n--b--",
        b"--b\r\nFolded: a\r\n b\r\n\r\n\r\n--b--",
        b"--b\r\nX: 1\r\nx: 2\r\n\r\n\r\n--b--",
        b"--b\r\nX: \xff\r\n\r\n\r\n--b--",
        b"--b\r\nX: a\nY: b\r\n\r\n\r\n--b--",
        b"--b" + b" " * 65 + b"\r\n\r\n\r\n--b--",
        b"x" * (MAX_PREAMBLE_BYTES + 1) + b"\r\n--b--",
    ],
)
def test_what_is_no_multipart_is_refused(body: bytes) -> None:
    assert outcome([body]) == ("badData", "{'key': 'multipart'}")


def test_heads_and_parts_have_limits() -> None:
    parse([b"--b\r\nX: " + b"y" * 1000 + b"\r\n\r\n\r\n--b--"])
    for body in (
        b"--b\r\nX: " + b"y" * MAX_HEAD_BYTES + b"\r\n\r\n\r\n--b--",
        b"--b\r\nX: " + b"y" * MAX_HEAD_BYTES * 2,
        b"--b\r\n\r\n\r\n" * (MAX_PARTS + 1) + b"--b--",
    ):
        with pytest.raises(ApiError) as refused:
            parse([body])
        assert refused.value.id == "limitReached"


def test_little_is_held_of_large_content() -> None:
    parser = Parser(b"b")
    list(parser.feed(b"--b\r\n\r\n"))
    for _ in range(50):
        told = sum(len(event) for event in parser.feed(b"\r\n--" * 10_000) if isinstance(event, bytes))
        assert told >= 39_990
        assert len(parser.pending) < 10


PIECES = st.sampled_from(
    [b"--b", b"--", b"\r\n", b"\r", b"\n", b"-", b"b", b" ", b"\t", b"X: y", b":", b"value", b"\xff", b"",
     b"\r\n--b\r\n\r\n", b"\r\n--b--"]
)  # fmt: skip
BODIES = st.lists(PIECES, max_size=30).map(b"".join)


def cut(body: bytes, places: list[int]) -> list[bytes]:
    """The body in chunks that end at these places."""
    ends = sorted(place % (len(body) + 1) for place in places)
    return [body[start:end] for start, end in zip([0, *ends], [*ends, len(body)], strict=True)]


@given(BODIES, st.lists(st.integers(0, 1000), max_size=8))
def test_chunks_change_nothing(body: bytes, places: list[int]) -> None:
    whole = outcome([body])
    assert outcome(cut(body, places)) == whole
    assert outcome(body[at : at + 1] for at in range(len(body))) == whole


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.lists(st.integers(0, 1000), max_size=8))
def test_what_was_put_together_comes_apart(contents: list[bytes], places: list[int]) -> None:
    boundary = b"no content has this"
    body = b"".join(
        b"\r\n--%b\r\nContent-Length: %d\r\n\r\n%b" % (boundary, len(content), content)
        for content in contents
    )
    chunks = cut(body[2:] + b"\r\n--" + boundary + b"--", places)
    told = [({"content-length": str(len(content))}, content) for content in contents]
    assert parse(chunks, boundary) == told


@pytest.mark.parametrize("text", ["", "a b", 'b; charset="utf-8"', "x" * 70, "'()+_,-./:=?"])
def test_boundaries_are_told_with_the_type(text: str) -> None:
    boundary = text.partition(";")[0]
    if not boundary:
        with pytest.raises(ApiError):
            boundary_of("multipart/mixed")
        return
    assert boundary_of(f'multipart/mixed; boundary="{boundary}"; x=y') == boundary.encode()
    assert boundary_of(f"Multipart/Mixed;BOUNDARY={boundary}") == boundary.encode() or " " in boundary


@pytest.mark.parametrize("boundary", ["x" * 71, "a ", "ä", "a;b", '""', "a\r\nb"])
def test_bad_boundaries_are_refused(boundary: str) -> None:
    with pytest.raises(ApiError) as refused:
        boundary_of(f'multipart/mixed; boundary="{boundary}"')
    assert refused.value.details == {"key": "boundary"}


def test_heads_tell_type_charset_and_length() -> None:
    head = PartHead({"content-type": 'Text/Plain; a=b; CharSet="UTF-8"', "content-length": "12"})
    assert (head.media_type, head.charset, head.length) == ("text/plain", "utf-8", 12)
    assert (PartHead().media_type, PartHead().charset, PartHead().length) == ("", "", None)
    with pytest.raises(ApiError):
        _ = PartHead({"content-length": "-1"}).length
