"""What both fronts read of a CDMI request."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http import cdmi
from runtime.http.errors import ApiError
from runtime.http.file_ids import FileId, encode, user_root
from runtime.identity import Identity, Kind, SpaceRights

ID = encode("s1", "f1")


def refusal(call: Any, *args: Any, **kwargs: Any) -> tuple[str, str | None]:
    with pytest.raises(ApiError) as raised:
        call(*args, **kwargs)
    return raised.value.id, (raised.value.details or {}).get("key")


@pytest.mark.cdmi("5.list")
@pytest.mark.parametrize("header", ["1.1.1", "1.1", "1.0, 1.1", " 2.0 ,1.1.1 "])
def test_spoken_versions_are_accepted(header: str) -> None:
    assert cdmi.speaks_cdmi(header)


@pytest.mark.cdmi("5.list")
@pytest.mark.parametrize(
    "header",
    ["", " ", ",", "1.0.2", "2.3.4", "1", "1.", "1.2", "1.2.", "1.2.3.", "1.2.3.4", "word", "1.0,2.0"],
)
def test_other_versions_are_refused(header: str) -> None:
    assert refusal(cdmi.speaks_cdmi, header) == ("badVersion", None)


@pytest.mark.cdmi("5.absent")
def test_no_version_is_plain_http() -> None:
    assert cdmi.speaks_cdmi(None) is False


@pytest.mark.cdmi("6.1.accept")
def test_the_first_type_offered_depends_on_the_version() -> None:
    assert cdmi.offered_types(container=True, cdmi=False) == (cdmi.CONTAINER,)
    assert cdmi.offered_types(container=False, cdmi=True) == (
        cdmi.OBJECT,
        cdmi.BINARY,
        cdmi.MULTIPART,
        cdmi.QUEUE,
    )
    assert cdmi.offered_types(container=False, cdmi=False) == (cdmi.BINARY, cdmi.OBJECT, cdmi.QUEUE)


@pytest.mark.cdmi("6.2.handler", "6.2.json-suffix")
@pytest.mark.parametrize(
    ("media_type", "container", "expected"),
    [
        ("application/cdmi-object", False, cdmi.OBJECT),
        ("application/cdmi-object+json", False, cdmi.OBJECT),
        ("application/cdmi-container+json", True, cdmi.CONTAINER),
        ("text/plain", False, None),
        ("", True, None),
        ("application/cdmi-object", True, ("badValueIdentifier", "path")),
        ("application/cdmi-container", False, ("badValueIdentifier", "path")),
        ("application/cdmi-queue", False, cdmi.QUEUE),
        ("application/cdmi-queue", True, ("badValueIdentifier", "path")),
        ("application/cdmi-domain", True, ("notSupported", None)),
        ("multipart/mixed", False, "multipart/mixed"),
        ("multipart/mixed", True, ("badValueIdentifier", "path")),
        ("application/cdmi-capability", True, ("notSupported", None)),
    ],
)
def test_the_type_of_a_body_has_to_fit_the_path(media_type: str, container: bool, expected: object) -> None:
    try:
        found: object = cdmi.body_type(media_type, container=container, cdmi=True)
    except ApiError as error:
        found = (error.id, (error.details or {}).get("key"))
    assert found == expected


@pytest.mark.cdmi("6.2.handler")
@pytest.mark.parametrize("media_type", ["application/cdmi-object", "application/cdmi-container"])
def test_a_cdmi_type_needs_a_version(media_type: str) -> None:
    for container in (False, True):
        told = refusal(cdmi.body_type, media_type, container=container, cdmi=False)
        assert told == ("missingRequiredValue", "version")


@pytest.mark.cdmi("7.fields", "7.ranges", "7.decode")
def test_queries_name_fields_with_arguments() -> None:
    query = cdmi.parse_query(b"objectName;metadata:my-%20;metadata:b;value:0-99;children:2-4;unknown")
    assert query.metadata == ("my- ", "b")
    assert (query.value, query.children) == ((0, 99), (2, 4))
    assert query.wants("objectName")
    assert not query.wants("parentURI")


@pytest.mark.cdmi("7.fields")
def test_an_empty_query_wants_everything() -> None:
    assert cdmi.parse_query(b"").wants("anything")
    assert cdmi.parse_query(b";;").fields == ()


@pytest.mark.cdmi("7.ranges")
@pytest.mark.parametrize(
    "raw", [b"value:a-b", b"value:5", b"value:5-2", b"value:-1-2", b"children:x", b"children:5", b"%ff",
            b"value:0-1;value:2-3", b"value:0-9223372036854775808", b";" * 5000]
)  # fmt: skip
def test_bad_queries_are_bad_data(raw: bytes) -> None:
    assert refusal(cdmi.parse_query, raw) == ("badData", "query string")


def test_what_comes_in_parts_may_have_several_ranges() -> None:
    query = cdmi.parse_query(b"value:5-6;value:0-1", in_parts=True)
    assert query.values == ((5, 6), (0, 1))
    for raw in (b"value:5-6;value:1-0", b"children:0-1;children:2-3", b"value:0-1;" * 129):
        with pytest.raises(ApiError):
            cdmi.parse_query(raw, in_parts=True)


@given(st.binary())
def test_any_query_is_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(ApiError):
        cdmi.parse_query(raw)


@pytest.mark.cdmi("9.malformed")
@pytest.mark.parametrize(
    "text", ["xyz", ID[:-1], ID[:16], "", "FF" + ID[2:], ID[:8] + "01" + ID[10:], ID * 9]
)
def test_malformed_ids_are_told_as_such(text: str) -> None:
    assert refusal(cdmi.object_id, text, "file_id") == ("badValueIdentifier", "file_id")


@pytest.mark.cdmi("9.form")
def test_ids_are_read_in_either_case_whatever_their_checksum() -> None:
    wrong_sum = ID[:12] + "0000" + ID[16:]
    for text in (ID, ID.lower(), wrong_sum):
        assert cdmi.object_id(text, "file_id") == FileId("s1", "f1")


@given(st.text())
def test_any_id_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ApiError):
        cdmi.object_id(text, "file_id")


@pytest.mark.cdmi("4.shares")
@pytest.mark.parametrize(
    "file",
    [FileId("unknown", "f"), FileId("s1", "f", "share"), user_root("somebody else")],
)
def test_files_the_caller_cannot_know_do_not_exist(file: FileId) -> None:
    caller = Identity(kind=Kind.USER, subject_id="u1", spaces={"s1": SpaceRights("one", 1)}, expires_at_ms=1)
    assert refusal(cdmi.check_known, file, caller, provider_id="p1") == ("posix", None)


def test_spaces_kept_elsewhere_are_told_apart() -> None:
    rights = {"s1": SpaceRights("one", 1, supported=False)}
    caller = Identity(kind=Kind.USER, subject_id="u1", spaces=rights, expires_at_ms=1)
    assert refusal(cdmi.check_known, FileId("s1", "f"), caller, provider_id="p1")[0] == "spaceNotSupportedBy"
    cdmi.check_known(user_root("u1"), caller, provider_id="p1")


@pytest.mark.cdmi("2.1.redirect")
@pytest.mark.parametrize(
    ("scheme", "host", "expected"),
    [
        ("http", "h:1", "http://h:1/cdmi/s/d/?x=1"),
        (None, "h:1", "https://h:1/cdmi/s/d/?x=1"),
        ("gopher", "bad host", "https://door/cdmi/s/d/?x=1"),
        ("https", None, "https://door/cdmi/s/d/?x=1"),
    ],
)
def test_redirects_lead_to_the_host_that_was_asked(
    scheme: str | None, host: str | None, expected: str
) -> None:
    headers = cdmi.redirect(cdmi.absolute(scheme, host, "/cdmi/s/d/", domain="door"), b"x=1")
    assert headers == {"location": expected, "cache-control": "max-age=3600"}


@pytest.mark.cdmi("12.5.flag")
def test_only_true_says_that_more_is_to_come() -> None:
    assert [cdmi.is_partial(text) for text in ("true", " True ", "false", "1", "", None)] == [
        True, True, False, False, False, False,
    ]  # fmt: skip


@pytest.mark.cdmi("21.3.references")
@pytest.mark.parametrize(
    "target",
    [
        "/cdmi/",
        "/cdmi/home/a%20b",
        "/cdmi/cdmi_objectid/00",
        "/cdmi/a?value:0-1;metadata:x",
        "/cdmi/a//b/...",
    ],
)
def test_references_lead_to_cdmi_here(target: str) -> None:
    assert cdmi.is_reference(target)


@pytest.mark.cdmi("21.3.references")
@pytest.mark.parametrize(
    "target",
    ["", "/cdmi", "cdmi/a", "//evil/cdmi/a", "https://evil/cdmi/a", "/cdmi/../api/v3", "/cdmi/%2E%2e/x",
     "/cdmi/./a", "/cdmi/a/..", "/cdmi/a b", "/cdmi/a\r\nx: y", "/cdmi/a\n", "/cdmi/ä", "/cdmi/%",
     "/cdmi/%4g", "/cdmi/a#b", "/cdmi/\\evil", "/cdmi/" + "a" * 4090, "/CDMI/a"],
)  # fmt: skip
def test_other_links_are_no_references(target: str) -> None:
    assert not cdmi.is_reference(target)
