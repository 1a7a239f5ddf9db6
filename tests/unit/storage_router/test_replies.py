from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.storage_router.api.data_port import replies


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("plain.txt", b'attachment; filename="plain.txt"'),
        ("  ", b'attachment; filename="_"'),
        ('a"b', b'attachment; filename="a\\"b"; filename*=UTF-8\'\'a%22b'),
        ("žluť", "attachment; filename=\"žluť\"; filename*=UTF-8''%C5%BElu%C5%A5".encode()),
        ("a\r\nx: y", b"attachment; filename=\"a__x: y\"; filename*=UTF-8''a%0D%0Ax%3A%20y"),
    ],
)
def test_names_of_downloads(name: str, wanted: bytes) -> None:
    assert replies.attachment(name) == wanted


@given(st.text())
def test_no_name_breaks_out_of_its_header(name: str) -> None:
    header = replies.attachment(name)
    assert b"\r" not in header
    assert b"\n" not in header
    replies.head(200, [(b"content-disposition", header)], close=False)


@given(st.text())
def test_stored_media_types_are_harmless(stored: str) -> None:
    replies.head(200, [(b"content-type", replies.media_type(stored))], close=False)


def test_media_types_that_are_none_become_the_default() -> None:
    assert replies.media_type("text/plain; charset=utf-8") == b"text/plain; charset=utf-8"
    for stored in ("", "text", "text/plain\r\nx: y", "text/plain\n", "/", "a b/c"):
        assert replies.media_type(stored) == b"application/octet-stream"


def test_a_header_with_a_line_break_is_never_sent() -> None:
    for value in (b"a\r\nb: c", b"a\nb", b"a\rb"):
        with pytest.raises(ValueError, match="line break"):
            replies.head(200, [(b"x", value)], close=False)


def test_etags_follow_content_and_patches() -> None:
    tags = {replies.etag("/s/0/1/2/012", 1), replies.etag("/s/0/1/2/012", 2), replies.etag("/s/0/1/3/013", 1)}
    assert len(tags) == 3
