from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.storage_router.api.data_port.chunked import ChunkedDecoder
from services.storage_router.api.data_port.head import BadRequest
from tests.support.raw_http import chunked

NEXT = b"GET /next HTTP/1.1\r\n"


@given(
    st.lists(st.binary(min_size=1, max_size=50), max_size=8),
    st.lists(st.integers(1, 30), max_size=20),
    st.integers(1, 64),
)
def test_a_body_ends_where_it_ends(pieces: list[bytes], steps: list[int], limit: int) -> None:
    whole = chunked(*pieces) + NEXT
    decoder, buffer, found, sent = ChunkedDecoder(), bytearray(), bytearray(), 0
    for step in [*steps, len(whole)]:
        buffer += whole[sent : sent + step]
        sent += step
        while taken := decoder.take(buffer, limit):
            assert len(taken) <= limit
            found += taken
    assert decoder.done
    assert found == b"".join(pieces)
    assert buffer + whole[sent:] == NEXT


def test_extensions_and_trailers_are_skipped() -> None:
    buffer = bytearray(b"3;a=b\r\nabc\r\n0;x\r\nDigest: 1\r\nMore: 2\r\n\r\nrest")
    decoder = ChunkedDecoder()
    assert decoder.take(buffer, 100) == b"abc"
    assert (decoder.done, bytes(buffer)) == (True, b"rest")


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"0x3\r\n",
        b"3 \n\r\nabc",
        b"3\r\nabcd\r\n",
        b"1" * 17 + b"\r\n",
        b"1;" + b"e" * 2000,
        b"0\r\n" + b"t: x\r\n" * 2000,
    ],
)
def test_what_is_no_chunked_body(raw: bytes) -> None:
    decoder = ChunkedDecoder()
    with pytest.raises(BadRequest):
        decoder.take(bytearray(raw), 1 << 20)


@given(st.binary(max_size=200))
def test_random_bytes_end_or_are_refused(raw: bytes) -> None:
    decoder, buffer = ChunkedDecoder(), bytearray(raw)
    try:
        found = decoder.take(buffer, 1 << 20)
    except BadRequest:
        return
    assert len(found) + len(buffer) <= len(raw)
