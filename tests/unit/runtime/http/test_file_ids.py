"""Object ids and guids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http.errors import ApiError
from runtime.http.file_ids import (
    FileId,
    check_member,
    crc16,
    decode,
    encode,
    encode_data,
    from_guid,
    resolve_id,
    space_root,
    to_guid,
    user_root,
)
from runtime.identity import GUEST, Identity, Kind, SpaceRights

VECTOR = "00000000000CDBDA677569642331323323616263"
USER = Identity(
    kind=Kind.USER,
    subject_id="u1",
    spaces={"s1": SpaceRights(name="home"), "s2": SpaceRights(name="away", supported=False)},
)
IDS = st.text("0123456789abcdef_@", min_size=1, max_size=64)


def refusal(segment: str) -> str:
    with pytest.raises(ApiError) as raised:
        resolve_id(segment, USER, provider_id="p1")
    return raised.value.id


def member_refusal(file_id: FileId, identity: Identity = USER) -> str:
    with pytest.raises(ApiError) as raised:
        check_member(identity, file_id, provider_id="p1")
    return raised.value.id


def test_crc_has_the_check_value_of_its_kind() -> None:
    assert crc16(b"123456789") == 0xBB3D


def test_the_vector_holds_both_ways() -> None:
    assert encode("abc", "123") == VECTOR
    assert decode(VECTOR) == decode(VECTOR.lower()) == FileId("abc", "123")


@pytest.mark.parametrize(
    ("number", "head"), [(1, "0000000000208CA8"), (2, "0000000000208DE8"), (3, "0000000000204D29")]
)
def test_capability_ids_are_those_of_the_original(number: int, head: str) -> None:
    assert encode_data(b"%032d" % number) == head + "30" * 31 + f"3{number}"


@given(IDS, IDS, st.none() | IDS)
def test_ids_come_back(space_id: str, uuid: str, share_id: str | None) -> None:
    file_id = FileId(space_id, uuid, share_id)
    assert decode(encode(space_id, uuid, share_id)) == file_id
    assert from_guid(to_guid(file_id)) == file_id


@pytest.mark.parametrize(
    "text",
    ["", "NOT_AN_ID", "00", VECTOR[:-1], VECTOR[:16], VECTOR + "zz", " " + VECTOR, VECTOR + "23",
     encode_data(b"guid#a"), encode_data(b"guid##a"), encode_data(b"other#a#b"), encode_data(b"guid#\xff#b"),
     encode_data(b"guid#a\0#b"), encode_data(b"x" * 400), "٣" * 40],
)  # fmt: skip
def test_what_is_no_object_id_decodes_to_nothing(text: str) -> None:
    assert decode(text) is None


@given(st.text())
def test_decoding_never_fails(text: str) -> None:
    decode(text)
    from_guid(text)


def test_a_bare_id_of_a_supported_space_means_its_root() -> None:
    assert resolve_id("s1", USER, provider_id="p1") == space_root("s1")
    assert resolve_id("s9", USER, provider_id="p1", supported_spaces={"s9"}) == space_root("s9")


@pytest.mark.parametrize("segment", ["NOT_AN_ID", "s2", "s9", ""])
def test_gibberish_is_a_space_not_supported(segment: str) -> None:
    assert refusal(segment) == "spaceNotSupportedBy"


def test_gibberish_is_told_back() -> None:
    with pytest.raises(ApiError) as raised:
        resolve_id("NOT_AN_ID", USER, provider_id="p1")
    assert raised.value.details == {"spaceId": "NOT_AN_ID", "providerId": "p1"}


def test_only_members_pass() -> None:
    check_member(USER, FileId("s1", "f"), provider_id="p1")
    assert member_refusal(FileId("s9", "f")) == "forbidden"
    assert member_refusal(FileId("s2", "f")) == "spaceNotSupportedBy"
    assert member_refusal(FileId("s1", "f"), GUEST) == "unauthorized"


def test_the_user_root_is_for_its_user_only() -> None:
    check_member(USER, user_root("u1"), provider_id="p1")
    assert member_refusal(user_root("u2")) == "forbidden"
