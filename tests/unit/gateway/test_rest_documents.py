"""JSON and RDF documents over REST."""

from __future__ import annotations

import pytest

from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_rest_files import API, USER_ROOT, errno, error_id

JSON = {"content-type": "application/json"}
RDF = {"content-type": "application/rdf+xml"}


async def url_of(gateway: GatewayTwin, kind: str, path: str = "a.txt", type: str = "REG") -> str:
    return f"{API}/data/{await gateway.make(path, type=type)}/metadata/{kind}"


async def test_a_document_comes_back_as_it_was_stored(gateway: GatewayTwin) -> None:
    url = await url_of(gateway, "json")
    text = b'{"a": 123456789012345678901234567890,  "b": [1.50]}'
    assert (await gateway.http.put(url, content=text, headers=JSON)).status_code == 204
    answer = await gateway.http.get(url)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (
        200, text, "application/json",
    )  # fmt: skip


@pytest.mark.parametrize("text", [b"null", b"5", b'"x"', b"[]", b"false", b'{"":{}}'])
async def test_any_json_value_is_a_document(gateway: GatewayTwin, text: bytes) -> None:
    url = await url_of(gateway, "json")
    await gateway.http.put(url, content=text, headers=JSON)
    assert (await gateway.http.get(url)).content == text


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b"\xff", b"[" * 10_000])
async def test_what_is_no_json_is_refused(gateway: GatewayTwin, text: bytes) -> None:
    url = await url_of(gateway, "json")
    answer = await gateway.http.put(url, content=text, headers=JSON)
    assert error_id(answer) == "badValueJSON"
    assert answer.json()["error"]["details"] == {"key": "metadata"}


async def test_filters_read_and_write_one_place(gateway: GatewayTwin) -> None:
    url = await url_of(gateway, "json")
    where = "?filter_type=keypath&filter=a.b.[1].c"
    assert (await gateway.http.put(url + where, json=2)).status_code == 204
    assert (await gateway.http.get(url)).json() == {"a": {"b": [None, {"c": 2}]}}
    assert (await gateway.http.get(url + where)).content == b"2"
    assert errno(await gateway.http.get(url + "?filter_type=keypath&filter=a.x")) == "enodata"
    assert errno(await gateway.http.put(url + "?filter_type=keypath&filter=a.[0]", json=1)) == "enodata"
    assert (await gateway.http.get(url + "?filter=a")).json() == {"a": {"b": [None, {"c": 2}]}}
    assert (await gateway.http.put(url + "?filter=a", json=[1])).status_code == 204
    assert (await gateway.http.get(url)).json() == [1]


@pytest.mark.parametrize(
    ("query", "id", "details"),
    [
        ("filter_type=keypath", "missingRequiredValue", {"key": "filter"}),
        ("filter_type=keypath&filter=", "badValueEmpty", {"key": "filter"}),
        (
            "filter_type=jsonpath&filter=a",
            "badValueNotAllowed",
            {"key": "filter_type", "allowed": ["keypath"]},
        ),
        ("filter_type=keypath&filter=a&filter=b", "badValueString", {"key": "filter"}),
        ("inherited=1", "badValueBoolean", {"key": "inherited"}),
        ("resolve_symlink=no", "badValueBoolean", {"key": "resolve_symlink"}),
    ],
)
async def test_bad_parameters_are_named(
    gateway: GatewayTwin, query: str, id: str, details: dict[str, object]
) -> None:
    url = await url_of(gateway, "json")
    answer = await gateway.http.get(f"{url}?{query}")
    assert error_id(answer) == id
    assert answer.json()["error"]["details"] == details


async def test_inherited_documents_are_merged_and_the_nearer_wins(gateway: GatewayTwin) -> None:
    directory = await url_of(gateway, "json", "dir", "DIR")
    file = await url_of(gateway, "json", "dir/a")
    root = f"{API}/data/home1/metadata/json"
    await gateway.http.put(root, json={"a": {"x": 1, "y": 1}, "b": 1, "c": [1, 2]})
    await gateway.http.put(directory, json={"a": {"y": 2}, "c": [3]})
    assert (await gateway.http.get(file + "?inherited=true")).json() == {
        "a": {"x": 1, "y": 2}, "b": 1, "c": [3],
    }  # fmt: skip
    assert errno(await gateway.http.get(file)) == "enodata"
    await gateway.http.put(file, json={"a": {"y": 3}})
    query = "?inherited=true&filter_type=keypath&filter=a"
    assert (await gateway.http.get(file + query)).json() == {"x": 1, "y": 3}
    await gateway.http.put(file, json=5)
    assert (await gateway.http.get(file + "?inherited=true")).json() == 5


async def test_removing_a_document_is_fine_where_there_is_none(gateway: GatewayTwin) -> None:
    for kind in ("json", "rdf"):
        url = await url_of(gateway, kind, kind)
        assert (await gateway.http.delete(url)).status_code == 204
        await gateway.http.put(url, content=b"{}", headers=JSON if kind == "json" else RDF)
        assert (await gateway.http.delete(url)).status_code == 204
        assert errno(await gateway.http.get(url)) == "enodata"


@pytest.mark.parametrize("body", [b"<rdf/>", "żółw".encode("utf-16"), b"\x00\xff\r\n", b"{not xml"])
async def test_rdf_is_kept_byte_for_byte(gateway: GatewayTwin, body: bytes) -> None:
    url = await url_of(gateway, "rdf")
    assert (await gateway.http.put(url, content=body, headers=RDF)).status_code == 204
    answer = await gateway.http.get(url)
    assert (answer.content, answer.headers["content-type"]) == (body, "application/rdf+xml")


async def test_rdf_wants_its_own_content_type(gateway: GatewayTwin) -> None:
    url = await url_of(gateway, "rdf")
    assert (await gateway.http.put(url, content=b"<rdf/>", headers=JSON)).status_code == 415
    assert (await gateway.http.get(url, headers={"accept": "application/json"})).status_code == 406
    assert (await gateway.http.put(url, headers=JSON)).status_code == 204


async def test_a_file_that_is_gone_is_not_found(gateway: GatewayTwin) -> None:
    for kind, headers in (("json", JSON), ("rdf", RDF)):
        url = await url_of(gateway, kind)
        await gateway.http.delete(url.partition("/metadata")[0])
        for method in ("GET", "PUT", "DELETE"):
            answer = await gateway.http.request(method, url, content=b"{}", headers=headers)
            assert (answer.status_code, answer.json()["error"]["id"]) == (404, "notFound")


async def test_documents_are_attributes_with_reserved_names(gateway: GatewayTwin) -> None:
    url = await url_of(gateway, "xattrs")
    values = {"onedata_json": {"a": [1]}, "onedata_rdf": "<żółw/>", "own": 1}
    assert (await gateway.http.put(url, json=values)).status_code == 204
    assert (await gateway.http.get(url)).json() == {"own": 1}
    assert (await gateway.http.get(url + "?show_internal=true")).json() == values
    assert (await gateway.http.get(url + "?attribute=onedata_rdf")).json() == {"onedata_rdf": "<żółw/>"}
    id = url.removeprefix(f"{API}/data/").partition("/")[0]
    assert (await gateway.http.get(f"{API}/data/{id}/metadata/json")).json() == {"a": [1]}
    assert (await gateway.http.get(f"{API}/data/{id}/metadata/rdf")).content == "<żółw/>".encode()
    asked = {"attributes": ["hasCustomMetadata", "xattr.onedata_json", "xattr.own", "xattr.cdmi_size"]}
    assert (await gateway.http.request("GET", f"{API}/data/{id}", json=asked)).json() == {
        "hasCustomMetadata": True, "xattr.onedata_json": {"a": [1]}, "xattr.own": 1, "xattr.cdmi_size": None,
    }  # fmt: skip
    keys = {"keys": ["onedata_json", "onedata_rdf", "own"]}
    assert (await gateway.http.request("DELETE", url, json=keys)).status_code == 204
    assert (await gateway.http.request("GET", f"{API}/data/{id}", json=asked)).json()[
        "hasCustomMetadata"
    ] is False
    assert errno(await gateway.http.put(url, json={"onedata_rdf": 5})) == "einval"


async def test_links_are_followed_unless_told_not_to(gateway: GatewayTwin) -> None:
    await gateway.make("a")
    link = await gateway.make("link", type="SYMLNK", symlink_target="a")
    url = f"{API}/data/{link}/metadata/json"
    await gateway.http.put(url, json=1)
    await gateway.http.put(url + "?resolve_symlink=false", json=2)
    assert (await gateway.http.get(url)).json() == 1
    assert (await gateway.http.get(url + "?resolve_symlink=false")).json() == 2
    assert (await gateway.http.get(f"{API}/data/{await gateway.id_of('a')}/metadata/json")).json() == 1


async def test_the_user_root_has_no_documents(gateway: GatewayTwin) -> None:
    assert errno(await gateway.http.put(f"{API}/data/{USER_ROOT}/metadata/json", json=1)) == "eperm"
