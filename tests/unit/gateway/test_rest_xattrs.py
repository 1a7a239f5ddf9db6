"""Extended attributes."""

from __future__ import annotations

import pytest

from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_rest_files import API, USER_ROOT, errno, error_id


async def url_of_file(gateway: GatewayTwin) -> str:
    return f"{API}/data/{await gateway.make('a.txt')}/metadata/xattrs"


async def test_a_new_file_has_none(gateway: GatewayTwin) -> None:
    assert (await gateway.http.get(await url_of_file(gateway))).json() == {}


async def test_put_merges_and_values_keep_their_type(gateway: GatewayTwin) -> None:
    url = await url_of_file(gateway)
    values = {"s": "text", "n": 1.5, "o": {"a": [None, True]}, "żółw": ""}
    assert (await gateway.http.put(url, json={"s": "old", "keep": 1})).status_code == 204
    assert (await gateway.http.put(url, json=values)).status_code == 204
    assert (await gateway.http.get(url)).json() == {**values, "keep": 1}
    assert (await gateway.http.get(url + "?attribute=o")).json() == {"o": {"a": [None, True]}}
    assert errno(await gateway.http.get(url + "?attribute=nope")) == "enodata"


async def test_nothing_to_set_is_nothing_done_where_there_is_a_file(gateway: GatewayTwin) -> None:
    url = await url_of_file(gateway)
    assert (await gateway.http.put(url, json={})).status_code == 204
    await gateway.http.delete(url.removesuffix("/metadata/xattrs"))
    assert errno(await gateway.http.put(url, json={})) == "enoent"


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"{", b"null"])
async def test_put_takes_objects_only(gateway: GatewayTwin, body: bytes) -> None:
    url = await url_of_file(gateway)
    answer = await gateway.http.put(url, content=body, headers={"content-type": "application/json"})
    assert error_id(answer) == "badValueJSON"


async def test_delete_wants_a_list_of_keys(gateway: GatewayTwin) -> None:
    url = await url_of_file(gateway)
    await gateway.http.put(url, json={"a": 1, "b": 2})
    assert error_id(await gateway.http.request("DELETE", url, json={"keys": "a"})) == "badValueListOfStrings"
    assert error_id(await gateway.http.request("DELETE", url, json={})) == "missingRequiredValue"
    assert (await gateway.http.request("DELETE", url, json={"keys": ["a", "nope"]})).status_code == 204
    assert (await gateway.http.get(url)).json() == {"b": 2}


async def test_reserved_names_have_their_own_rules(gateway: GatewayTwin) -> None:
    url = await url_of_file(gateway)
    assert errno(await gateway.http.get(url + "?attribute=cdmi_acl")) == "enodata"
    assert errno(await gateway.http.get(url + "?attribute=cdmi_size")) == "eperm"
    assert errno(await gateway.http.put(url, json={"onedata_x": 1})) == "eperm"
    assert errno(await gateway.http.put(url, json={"a": 1, "cdmi_size": 1})) == "eperm"
    assert errno(await gateway.http.request("DELETE", url, json={"keys": ["cdmi_mimetype"]})) == "eperm"
    assert (await gateway.http.get(url)).json() == {}


async def test_media_type_and_encoding_live_on_the_file(gateway: GatewayTwin) -> None:
    url = await url_of_file(gateway)
    fields = {"cdmi_mimetype": "text/plain", "cdmi_valuetransferencoding": "utf-8"}
    assert (await gateway.http.put(url, json=fields)).status_code == 204
    assert (await gateway.http.get(url)).json() == {}
    shown = (await gateway.http.get(url + "?show_internal=true")).json()
    assert shown.items() >= fields.items()
    assert (await gateway.http.get(url + "?attribute=cdmi_mimetype")).json() == {
        "cdmi_mimetype": "text/plain"
    }
    assert errno(await gateway.http.put(url, json={"cdmi_valuetransferencoding": "gzip"})) == "einval"


async def test_inherited_ones_come_from_the_nearest(gateway: GatewayTwin) -> None:
    directory = await gateway.make("dir", type="DIR")
    file = await gateway.make("dir/a.txt")
    for id, values in (("home1", {"a": 1, "b": 1, "c": 1}), (directory, {"a": 2, "b": 2}), (file, {"a": 3})):
        await gateway.http.put(f"{API}/data/{id}/metadata/xattrs", json=values)
    url = f"{API}/data/{file}/metadata/xattrs"
    assert (await gateway.http.get(url + "?inherited=true")).json() == {"a": 3, "b": 2, "c": 1}
    assert (await gateway.http.get(url)).json() == {"a": 3}


async def test_links_are_followed_unless_told_not_to(gateway: GatewayTwin) -> None:
    file = await gateway.make("a.txt")
    link = await gateway.make("link", type="SYMLNK", symlink_target="a.txt")
    await gateway.http.put(f"{API}/data/{file}/metadata/xattrs", json={"k": 1})
    url = f"{API}/data/{link}/metadata/xattrs"
    assert (await gateway.http.get(url)).json() == {"k": 1}
    assert (await gateway.http.get(url + "?resolve_symlink=false")).json() == {}


async def test_numbers_keep_every_digit(gateway: GatewayTwin) -> None:
    url = await url_of_file(gateway)
    body = b'{"n":123456789012345678901234567890}'
    answer = await gateway.http.put(url, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 204
    assert (await gateway.http.get(url)).content == body


async def test_the_completion_status_is_one_of_three(gateway: GatewayTwin) -> None:
    url = await url_of_file(gateway)
    assert (await gateway.http.put(url, json={"cdmi_completion_status": "Processing"})).status_code == 204
    told = (await gateway.http.get(url + "?attribute=cdmi_completion_status")).json()
    assert told == {"cdmi_completion_status": "Processing"}
    assert errno(await gateway.http.put(url, json={"cdmi_completion_status": "Done"})) == "einval"


async def test_too_much_is_e2big(gateway: GatewayTwin) -> None:
    url = await url_of_file(gateway)
    for name in ("a", "b"):
        assert (await gateway.http.put(url, json={name: "x" * 1_000_000})).status_code == 204
    assert errno(await gateway.http.put(url, json={"c": "x" * 1_000_000})) == "e2big"
    assert (await gateway.http.get(url)).json().keys() == {"a", "b"}


async def test_the_user_root_has_none(gateway: GatewayTwin) -> None:
    url = f"{API}/data/{USER_ROOT}/metadata/xattrs"
    assert errno(await gateway.http.put(url, json={"a": 1})) == "eperm"
