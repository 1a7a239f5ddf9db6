from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.storage_router.api.data_port import head
from services.storage_router.api.data_port.head import BadRequest, find_end, parse

PLAIN = b"GET /a/b?c=d HTTP/1.1\r\nHost: x\r\nX-Twice: 1\r\nx-twice: 2\r\n\r\n"


def test_a_plain_head() -> None:
    parsed = parse(PLAIN)
    assert (parsed.method, parsed.path, parsed.query) == ("GET", b"/a/b", b"c=d")
    assert parsed.headers == {b"host": b"x", b"x-twice": b"1, 2"}
    assert (parsed.keep_alive, parsed.content_length, parsed.has_body) == (True, 0, False)


@pytest.mark.parametrize(
    ("lines", "keep_alive"),
    [
        (b"GET / HTTP/1.1\r\nconnection: Close\r\n", False),
        (b"GET / HTTP/1.0\r\n", False),
        (b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n", True),
    ],
)
def test_whether_the_connection_goes_on(lines: bytes, keep_alive: bool) -> None:
    assert parse(lines + b"\r\n").keep_alive is keep_alive


def test_bodies_are_announced_by_length_or_in_chunks() -> None:
    assert parse(b"PUT / HTTP/1.1\r\ncontent-length: 12\r\n\r\n").content_length == 12
    chunked = parse(b"PUT / HTTP/1.1\r\ntransfer-encoding: Chunked\r\nexpect: 100-Continue\r\n\r\n")
    assert (chunked.content_length, chunked.has_body, chunked.expects_continue) == (None, True, True)


def test_the_absolute_form_is_taken() -> None:
    assert parse(b"GET http://host:1/a?b HTTP/1.1\r\nhost: x\r\n\r\n").path == b"/a"
    assert parse(b"GET http://host HTTP/1.1\r\nhost: x\r\n\r\n").path == b"/"


def test_a_wish_for_another_protocol_is_ignored() -> None:
    lines = b"GET /a HTTP/1.1\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n"
    assert parse(lines).path == b"/a"


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nspace : x\r\n\r\n",
        b"GET / HTTP/1.1\nhost: x\n\nGET / HTTP/1.1\r\n\r\n",
        b"PUT / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"PUT / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"PUT / HTTP/1.1\r\ncontent-length: +1\r\n\r\n",
        b"PUT / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"PUT / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"PUT / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"PUT / HTTP/1.1\r\ntransfer-encoding: xchunked\r\n\r\n",
        b"PUT / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET nowhere HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT host:1 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /a\x00b HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\x00b\r\n\r\n",
    ],
)
def test_heads_that_are_none(raw: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(raw)
    assert refused.value.status == 400


@pytest.mark.parametrize("raw", [b"GET /\r\n\r\n", b"GET / HTTP/2.0\r\n\r\n"])
def test_other_versions_are_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(raw)
    assert refused.value.status == 505


def test_heads_have_a_bound() -> None:
    many = b"".join(b"h%d: x\r\n" % number for number in range(head.MAX_HEADERS + 1))
    with pytest.raises(BadRequest) as refused:
        parse(b"GET / HTTP/1.1\r\n" + many + b"\r\n")
    assert refused.value.status == 431
    with pytest.raises(BadRequest) as refused:
        find_end(bytearray(head.MAX_HEAD_BYTES), 0)
    assert refused.value.status == 431


@given(st.binary(max_size=40), st.lists(st.integers(1, 20), max_size=12))
def test_the_end_is_found_however_the_bytes_come(tail: bytes, steps: list[int]) -> None:
    whole = PLAIN + tail
    buffer, scanned, end = bytearray(), 0, -1
    for step in [*steps, len(whole)]:
        buffer += whole[len(buffer) : len(buffer) + step]
        end = find_end(buffer, scanned)
        if end >= 0:
            break
        scanned = len(buffer)
    assert end == len(PLAIN)


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_understood(raw: bytes) -> None:
    try:
        parsed = parse(raw + b"\r\n\r\n")
    except BadRequest:
        return
    assert parsed.path.startswith(b"/")


@given(
    st.sampled_from([b"GET", b"PUT", b"HEAD", b"POST", b"get", b"X"]),
    st.binary(max_size=60),
    st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=6),
)
def test_random_parts_are_refused_or_understood(
    method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    raw = b"%b /%b HTTP/1.1\r\n%b\r\n" % (method, target, lines)
    try:
        parsed = parse(raw)
    except BadRequest:
        return
    assert parsed.content_length is None or parsed.content_length >= 0
