"""`onedatafilerestclient`: spaces, ids, attributes, listings and custom metadata, with their errors."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest
from onedatafilerestclient import OnedataFileRESTClient
from onedatafilerestclient.errors import (
    ReadonlyTokenError,
    SpaceNotFoundError,
)
from place import Place, errno, refused

DEFAULT_ATTRIBUTES = [
    "fileId",
    "parentFileId",
    "name",
    "posixPermissions",
    "atime",
    "mtime",
    "ctime",
    "type",
    "size",
    "directShareIds",
    "index",
    "displayGid",
    "displayUid",
    "ownerUserId",
    "originProviderId",
    "hardlinkCount",
]
ALL_ATTRIBUTES = [
    *DEFAULT_ATTRIBUTES,
    *[
        "activePermissionsType",
        "acl",
        "conflictingName",
        "path",
        "creationTime",
        "isFullyReplicatedLocally",
        "localReplicationRate",
        "symlinkValue",
        "hasCustomMetadata",
        "effProtectionFlags",
        "effDatasetProtectionFlags",
        "effDatasetInheritancePath",
        "effQosInheritancePath",
        "aggregateQosStatus",
        "archiveRecallRootFileId",
    ],
    "xattr.colour",
]


# -- who and where -------------------------------------------------------------------------------------


def test_the_token_reaches_its_spaces_through_the_zone(place: Place) -> None:
    scope = place.client.get_token_scope()
    assert place.space in place.client.list_spaces()
    space_id = place.client.get_space_id(place.space)
    support = scope["dataAccessScope"]["spaces"][space_id]["supports"]
    assert support.keys() <= scope["dataAccessScope"]["providers"].keys()


def test_an_unknown_space_is_not_found(place: Place) -> None:
    with pytest.raises(SpaceNotFoundError):
        place.client.get_file_id("no-such-space")


def test_a_bad_token_is_refused_with_an_error_body(place: Place) -> None:
    for token in ("rubbish", place.token[:-8]):
        status, id, _ = refused(place.client_with(token).list_spaces)
        assert status in (400, 401)
        assert id


def test_a_space_answers_to_its_name_its_id_and_both(place: Place) -> None:
    space_id = place.client.get_space_id(place.space)
    root = place.client.get_file_id(place.space)
    assert place.client.get_file_id(f"{place.space}@{space_id}") == root
    assert place.client.get_attributes(place.space, file_id=space_id)["fileId"] == root
    assert place.client.get_attributes(place.space)["name"] == place.space
    assert errno(lambda: place.client.get_file_id(f"other@{space_id}")) == "enoent"


def test_a_token_for_reading_is_not_even_used_for_writing(place: Place) -> None:
    place.put("f", b"content")
    reader = place.client_with(place.confined({"type": "data.readonly"}))
    assert reader.get_file_content(place.space, file_path=place.at("f")) == b"content"
    with pytest.raises(ReadonlyTokenError):
        reader.remove(place.space, file_path=place.at("f"))


def test_a_token_for_one_path_reaches_nothing_else(place: Place) -> None:
    place.put("in/f", b"inside")
    place.put("out", b"outside")
    space_id = place.client.get_space_id(place.space)
    path = f"/{space_id}/{place.at('in')}"
    encoded = base64.b64encode(path.encode()).decode()
    guest = place.client_with(place.confined({"type": "data.path", "whitelist": [encoded]}))
    assert guest.get_file_content(place.space, file_path=place.at("in/f")) == b"inside"
    assert errno(lambda: guest.get_file_content(place.space, file_path=place.at("out"))) in (
        "eacces",
        "enoent",
    )


# -- ids and attributes --------------------------------------------------------------------------------


def test_a_missing_file_is_enoent_whatever_is_asked(place: Place) -> None:
    id = place.put("gone")
    place.client.remove(place.space, file_id=id)
    client, space = place.client, place.space
    for call in (
        lambda: client.get_file_id(space, file_path=place.at("gone")),
        lambda: client.get_attributes(space, file_id=id),
        lambda: client.get_file_content(space, file_id=id),
        lambda: client.put_file_content(space, b"x", file_id=id),
        lambda: client.list_children(space, file_id=id),
        lambda: client.remove(space, file_id=id),
        lambda: client.set_attributes(space, {"mode": "644"}, file_id=id),
    ):
        assert errno(call) == "enoent"


def test_a_path_through_a_file_is_enotdir(place: Place) -> None:
    place.put("f")
    assert errno(lambda: place.client.get_file_id(place.space, file_path=place.at("f/g"))) == "enotdir"


def test_all_default_attributes_are_told(place: Place) -> None:
    id = place.put("f", b"12345")
    told = place.client.get_attributes(place.space, file_path=place.at("f"))
    assert set(DEFAULT_ATTRIBUTES) <= told.keys()
    assert (told["fileId"], told["name"], told["type"], told["size"]) == (id, "f", "REG", 5)
    assert all(isinstance(told[key], int) for key in ("atime", "mtime", "ctime", "hardlinkCount"))


def test_every_attribute_can_be_asked_for(place: Place) -> None:
    place.put("f")
    told = place.client.get_attributes(place.space, file_path=place.at("f"), attributes=ALL_ATTRIBUTES)
    assert told.keys() == set(ALL_ATTRIBUTES)
    assert told["path"] == f"/{place.full('f')}"
    assert told["xattr.colour"] is None


@pytest.mark.parametrize("mode", ["640", "0755", "000"])
def test_the_mode_can_be_changed(place: Place, mode: str) -> None:
    id = place.put("f")
    place.client.set_attributes(place.space, {"mode": mode}, file_id=id)
    told = place.client.get_attributes(place.space, file_id=id, attributes=["posixPermissions"])
    assert told["posixPermissions"] == mode[-3:]


def test_what_is_no_mode_is_refused(place: Place) -> None:
    id = place.put("f")
    status, name, _ = refused(lambda: place.client.set_attributes(place.space, {"mode": "0493"}, file_id=id))
    assert (status, name) == (400, "badValueInteger")


def test_a_member_without_permission_is_told_eacces(place: Place, member: OnedataFileRESTClient) -> None:
    place.client.create_file(place.space, place.at("mine"), file_type="DIR", mode=0o700)
    id = place.put("mine/f", b"secret")
    assert errno(lambda: member.get_file_id(place.space, file_path=place.at("mine/f"))) == "eacces"
    assert errno(lambda: member.get_file_content(place.space, file_id=id)) == "eacces"
    assert errno(lambda: member.remove(place.space, file_id=id)) == "eacces"
    assert errno(lambda: member.list_children(place.space, file_path=place.at("mine"))) == "eacces"
    assert errno(lambda: member.create_file(place.space, place.at("mine/g"))) == "eacces"


# -- listing -------------------------------------------------------------------------------------------


def test_a_listing_has_what_was_asked_for_in_the_order_of_bytes(place: Place) -> None:
    for name in ("b", "a", "B", "ä"):
        place.put(name)
    place.client.create_file(place.space, place.at("dir"), file_type="DIR")
    listed = place.client.list_children(
        place.space, file_path=place.path, attributes=["name", "type", "size", "mtime", "posixPermissions"]
    )
    names = [child["name"] for child in listed["children"]]
    assert names == sorted(names, key=str.encode) == ["B", "a", "b", "dir", "ä"]
    assert listed["children"][3]["type"] == "DIR"
    assert listed["isLast"]


def test_a_file_lists_as_itself(place: Place) -> None:
    place.put("f")
    listed = place.client.list_children(place.space, file_path=place.at("f"))
    assert [child["name"] for child in listed["children"]] == ["f"]


@pytest.mark.parametrize("limit", [0, 10_001])
def test_limits_of_a_page_are_told(place: Place, limit: int) -> None:
    status, id, _ = refused(lambda: place.client.list_children(place.space, limit=limit))
    assert (status, id) == (400, "badValueNotInRange")


@pytest.fixture
def crowd(place: Place) -> set[str]:
    """Names of a directory of 300."""
    names = {f"{number:03} +&=" for number in range(300)}
    place.client.create_file(place.space, place.at("crowd"), file_type="DIR")
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(lambda name: place.client.create_file(place.space, place.at(f"crowd/{name}")), names)
        )
    return names


def pages(place: Place, limit: int, *, removing: bool = False) -> list[str]:
    found: list[str] = []
    token = None
    while True:
        page = place.client.list_children(
            place.space, file_path=place.at("crowd"), limit=limit, continuation_token=token
        )
        found += [str(child["name"]) for child in page["children"]]
        if removing:
            for child in page["children"]:
                place.client.remove(place.space, file_path=place.at(f"crowd/{child['name']}"))
        if page["isLast"]:
            return found
        token = page["nextPageToken"]


def test_pages_have_everything_once(place: Place, crowd: set[str]) -> None:
    assert pages(place, limit=37) == sorted(crowd)


def test_what_was_listed_may_be_removed_while_listing_goes_on(place: Place, crowd: set[str]) -> None:
    assert pages(place, limit=50, removing=True) == sorted(crowd)
    assert place.names("crowd") == []


# -- custom metadata -----------------------------------------------------------------------------------


def test_extended_attributes_are_merged(place: Place) -> None:
    id = place.put("f")
    assert place.client.get_extended_attribute(place.space, file_id=id) == {}
    place.client.set_extended_attribute(place.space, {"a": "1", "b": "2"}, file_id=id)
    place.client.set_extended_attribute(place.space, {"b": "3", "ż key": "ü"}, file_id=id)
    assert place.client.get_extended_attribute(place.space, file_path=place.at("f")) == {
        "a": "1",
        "b": "3",
        "ż key": "ü",
    }


@pytest.mark.parametrize("document", [{"a": {"b": [1, {"c": None}]}, "ż": 1.5}, {}])
def test_json_metadata_is_replaced(place: Place, document: dict[str, object]) -> None:
    id = place.put("f")
    assert errno(lambda: place.client.get_json_metadata(place.space, file_id=id)) == "enodata"
    place.client.set_json_metadata(place.space, {"old": True}, file_id=id)
    place.client.set_json_metadata(place.space, document, file_id=id)
    assert place.client.get_json_metadata(place.space, file_id=id) == document


def test_rdf_metadata_is_kept_as_it_is(place: Place) -> None:
    id = place.put("f")
    text = '<?xml version="1.0"?>\n<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>\n'
    assert errno(lambda: place.client.get_rdf_metadata(place.space, file_id=id)) == "enodata"
    place.client.set_rdf_metadata(place.space, text, file_id=id)
    assert place.client.get_rdf_metadata(place.space, file_id=id) == text


def test_directories_have_metadata_too(place: Place) -> None:
    place.client.set_extended_attribute(place.space, {"k": "v"}, file_path=place.path)
    place.client.set_json_metadata(place.space, {"j": 1}, file_path=place.path)
    assert place.client.get_extended_attribute(place.space, file_path=place.path) == {"k": "v"}
    assert place.client.get_json_metadata(place.space, file_path=place.path) == {"j": 1}
