"""CDMI without HTTP: addresses, queries, versions, bodies, metadata, values."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import IsthmusError
from runtime.http.cdmi import Query
from runtime.http.errors import ApiError
from runtime.http.file_ids import FileId, encode
from services.gateway.domain.cdmi import addresses, bodies, fields, metadata, values
from services.gateway.domain.cdmi.metadata import Change
from services.gateway.domain.cdmi.scanning import Scanner
from services.gateway.domain.cdmi.values import Value

ID = encode("s1", "f1")
ROOT_CAPABILITIES = "0000000000208CA8" + "30" * 31 + "31"


def refusal(call: Any, *args: Any, **kwargs: Any) -> tuple[str, str | None]:
    with pytest.raises(ApiError) as raised:
        call(*args, **kwargs)
    return raised.value.id, (raised.value.details or {}).get("key")


@pytest.mark.parametrize(
    ("raw", "names", "container"),
    [
        (b"", (), True),
        (b"/", (), True),
        (b"/space/dir/", ("space", "dir"), True),
        (b"/space/a%20b", ("space", "a b"), False),
        (b"/space/./a%2Fb", ("space", "a/b"), False),
        (b"/cdmi_capabilities", ("cdmi_capabilities",), False),
        (b"/cdmi_objectid", ("cdmi_objectid",), False),
    ],
)
@pytest.mark.cdmi("2.path", "2.decode", "2.dots")
def test_paths_have_names_and_a_form(raw: bytes, names: tuple[str, ...], container: bool) -> None:
    address = addresses.parse(raw)
    assert (address.names, address.container, address.impossible) == (names, container, False)


@pytest.mark.cdmi("2.objectid")
def test_object_ids_may_have_a_path_below() -> None:
    address = addresses.parse(f"/cdmi_objectid/{ID}/a/b/".encode())
    assert (address.object_id, address.names, address.container) == (FileId("s1", "f1"), ("a", "b"), True)
    assert addresses.parse(f"/cdmi_objectid/{ID.lower()}".encode()).container is False


@pytest.mark.parametrize(
    ("raw", "capability"),
    [
        ("/cdmi_capabilities/", "cdmi_capabilities/"),
        ("/cdmi_capabilities/container/", "cdmi_capabilities/container/"),
        (f"/cdmi_objectid/{ROOT_CAPABILITIES}/", "cdmi_capabilities/"),
        (f"/cdmi_objectid/{ROOT_CAPABILITIES.lower()}", "cdmi_capabilities/"),
    ],
)
@pytest.mark.cdmi("10.access", "9.fixed")
def test_capabilities_are_found_by_path_and_id(raw: str, capability: str) -> None:
    assert addresses.parse(raw.encode()).capability == capability


@pytest.mark.parametrize("text", ["xyz", ID[:-1], "00", "FF" + ID[2:], ""])
def test_malformed_ids_are_told_as_such(text: str) -> None:
    assert refusal(addresses.parse, f"/cdmi_objectid/{text}/".encode()) == ("badValueIdentifier", "file_id")


@pytest.mark.cdmi("2.dots")
def test_climbing_paths_name_nothing() -> None:
    assert addresses.parse(b"/space/../x").impossible
    assert addresses.parse(b"/space/%2e%2e/x").impossible


@pytest.mark.parametrize("source", ["space/dir/f", "/space/dir/f", "/space/dir/f/", "space//dir/./f"])
@pytest.mark.cdmi("15.sources")
def test_sources_need_no_slash_in_front(source: str) -> None:
    assert addresses.parse_source(source, "copy").names == ("space", "dir", "f")


@pytest.mark.cdmi("15.sources", "9.malformed")
def test_sources_may_be_ids() -> None:
    assert addresses.parse_source(f"/cdmi_objectid/{ID}/x", "move").object_id == FileId("s1", "f1")
    assert refusal(addresses.parse_source, "cdmi_objectid/nope", "move") == ("badValueIdentifier", "move")
    assert refusal(addresses.parse_source, 5, "copy") == ("badData", "copy")


@given(st.binary())
def test_any_address_is_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(ApiError):
        addresses.parse(raw)
    with contextlib.suppress(ApiError):
        addresses.parse(b"/cdmi_objectid/" + raw)


def body(text: bytes, query: Query | None = None) -> bodies.Body:
    scanner = Scanner()
    scanner.feed(text)
    return bodies.parse(scanner, query or Query(), limit_bytes=1000)


def test_values_are_text_unless_said_otherwise() -> None:
    plain = body(b'{"value": "YWJj"}').value
    coded = body(b'{"value": "YWJj", "valuetransferencoding": "base64"}').value
    part = body(b'{"value": "YWJj"}', Query(values=((0, 2),))).value
    assert plain is not None
    assert coded is not None
    assert part is not None
    assert (plain.size_bytes, coded.size_bytes, part.size_bytes) == (4, 3, 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[]", ("malformedData", None)),
        (b"{", ("malformedData", None)),
        (b'{"a":' * 10_000, ("malformedData", None)),
        (b'{"copy": "a", "move": "b"}', ("malformedData", None)),
        (b'{"value": "a", "move": "b"}', ("malformedData", None)),
        (b'{"reference": "a"}', ("badData", "reference")),
        (b'{"snapshot": "a"}', ("notSupported", None)),
        (b'{"value": 5}', ("badData", "value")),
        (b'{"metadata": []}', ("badData", "metadata")),
        (b'{"valuetransferencoding": "gzip"}', ("badData", "valuetransferencoding")),
        (b'{"mimetype": "a\\r\\nb: c"}', ("badData", "mimetype")),
        (b'{"value": "?", "valuetransferencoding": "base64"}', ("badData", "base64")),
        (b'{"value": "' + b"a" * 1001 + b'"}', ("limitReached", None)),
        (b'{"metadata": {"cdmi_acl": {}}}', ("badData", "acl")),
        (b'{"metadata": {"cdmi_acl": null}}', ("badData", "acl")),
        (b'{"metadata": {"onedata_rdf": {}}}', ("badData", "metadata")),
        (b'{"a": ' + b"9" * 5000 + b"}", ("malformedData", None)),
    ],
)
@pytest.mark.cdmi("12.4.bad-body", "12.4.exclusive", "21.refused")
def test_bodies_are_refused_before_anything_happens(text: bytes, expected: tuple[str, str | None]) -> None:
    assert refusal(body, text) == expected


@pytest.mark.cdmi("12.4.range")
def test_a_part_has_the_length_of_its_range() -> None:
    assert refusal(body, b'{"value": "YWJj"}', Query(values=((0, 5),))) == ("badData", "range")


@given(st.binary())
def test_any_body_is_read_or_refused(text: bytes) -> None:
    with contextlib.suppress(ApiError):
        body(text)


@pytest.mark.parametrize(
    ("given_items", "named", "change"),
    [
        (None, (), None),
        ({"a": 1}, (), Change({"a": b"1"}, replace_all=True)),
        ({}, (), Change(replace_all=True)),
        ({"cdmi_size": "5"}, (), Change(replace_all=True)),
        ({"cdmi_acl": []}, (), Change(replace_all=True, acl=[])),
        ({"a": 1, "b": 2}, ("a", "c"), Change({"a": b"1"}, ("c",))),
        (None, ("a",), Change({}, ("a",))),
        ({"b": 2}, ("cdmi_owner",), None),
        ({"cdmi_acl": [1], "b": 2}, ("cdmi_acl",), Change(acl=[1])),
        (None, ("cdmi_acl",), Change(acl=[])),
        (
            {"onedata_json": {"ż": 12345678901234567890123}, "onedata_rdf": "<r/>"},
            ("onedata_json",),
            Change(json='{"ż":12345678901234567890123}'.encode()),
        ),
        ({"onedata_rdf": "ż"}, (), Change(replace_all=True, rdf="ż".encode())),
        (None, ("onedata_json", "onedata_rdf"), Change(remove=("onedata_json", "onedata_rdf"))),
    ],
)
@pytest.mark.cdmi("16.3.replace", "16.3.named")
def test_metadata_is_replaced_or_changed_by_name(
    given_items: object, named: tuple[str, ...], change: Change | None
) -> None:
    assert metadata.plan(given_items, named) == change


@pytest.mark.cdmi("16.2.read", "17.3.set")
@pytest.mark.parametrize(
    ("prefixes", "acl", "user_items"),
    [((), True, True), (("cdmi_",), True, False), (("cdmi_acl",), True, False),
     (("cdmi_size",), False, False), (("c",), True, True), (("my_",), False, True),
     (("cdmi_size", "my_"), False, True)],
)  # fmt: skip
def test_prefixes_tell_what_has_to_be_read(prefixes: tuple[str, ...], acl: bool, user_items: bool) -> None:
    assert metadata.shows_acl(prefixes) == acl
    assert metadata.shows_user_items(prefixes) == user_items


@pytest.mark.parametrize("name", ["", "a\0b", "n" * 256, "onedata_other"])
def test_names_no_item_can_have_are_refused(name: str) -> None:
    for named in ((), (name,)):
        with pytest.raises(IsthmusError):
            metadata.plan({name: 1}, named)
    with pytest.raises(IsthmusError):
        metadata.plan(None, (name,))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 1000, 262_143, 262_144, 400_000])
async def test_values_come_back_from_base64(size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]
    value = Value.check([base64.b64encode(content)], values.BASE64)
    assert value.size_bytes == size
    assert b"".join([piece async for piece in value.pieces()]) == content


@pytest.mark.parametrize(
    "text", ["a", "ab=", "ab==cd==", "ab c", "ab\\n", "żó==", "=", "A" * 262_142 + "==" + "AAAA"]
)
@pytest.mark.cdmi("12.4.encoding")
def test_bad_base64_is_refused(text: str) -> None:
    assert refusal(Value.check, [text.encode()], values.BASE64) == ("badData", "base64")


@given(st.lists(st.binary(max_size=20)))
async def test_base64_of_pieces_is_base64_of_the_whole(pieces: list[bytes]) -> None:
    async def source() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    told = b"".join([piece async for piece in values.to_base64(source())])
    whole = b"".join(pieces)
    assert told == base64.b64encode(whole)
    assert len(told) == values.base64_length(len(whole))


async def pieces_of(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@given(st.text(), st.integers(1, 5))
async def test_text_is_escaped_however_it_is_cut(text: str, size: int) -> None:
    content = text.encode()
    told = b"".join([piece async for piece in values.to_text(pieces_of(content, size))])
    assert orjson.loads(b'"' + told + b'"') == text
    assert await values.text_length(pieces_of(content, size)) == len(told)


@pytest.mark.parametrize("content", [b"\xff", b"abc\xc5", b"\xed\xa0\x80"])
async def test_bytes_are_no_text(content: bytes) -> None:
    assert await values.text_length(pieces_of(content, 2)) is None


def test_value_ranges_are_told_as_asked() -> None:
    assert [values.value_range(None, 0), values.value_range(None, 5), values.value_range((1, 99), 5)] == [
        "0--1", "0-4", "1-99",
    ]  # fmt: skip


@pytest.mark.cdmi("10.sets")
def test_a_setting_announces_exactly_what_the_original_does() -> None:
    standing = {"cdmi_acl", "cdmi_size", "cdmi_ctime", "cdmi_atime", "cdmi_mtime"}
    sets = {
        "": {"cdmi_dataobjects", "cdmi_security_access_control", "cdmi_object_move_from_local",
             "cdmi_object_copy_from_local", "cdmi_object_access_by_ID"},
        "container/": standing | {
            "cdmi_list_children", "cdmi_list_children_range", "cdmi_read_metadata", "cdmi_modify_metadata",
            "cdmi_create_dataobject", "cdmi_create_container", "cdmi_delete_container",
            "cdmi_move_container", "cdmi_copy_container", "cdmi_move_dataobject", "cdmi_copy_dataobject"},
        "dataobject/": standing | {
            "cdmi_read_value", "cdmi_read_value_range", "cdmi_read_metadata", "cdmi_modify_value",
            "cdmi_modify_value_range", "cdmi_modify_metadata", "cdmi_delete_dataobject"},
    }  # fmt: skip
    for name, expected in sets.items():
        address = f"cdmi_capabilities/{name}"
        told = fields.capability_fields(address, Query(), original=True)["capabilities"]
        assert told == dict.fromkeys(expected, "true")
        assert fields.capability_fields(address, Query())["capabilities"].keys() >= expected
