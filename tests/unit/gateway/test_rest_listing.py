"""Listing of directories and spaces."""

from __future__ import annotations

import pytest

from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_rest_files import API, USER_ROOT, errno, error_id

CHILDREN = f"{API}/data/home1/children"


@pytest.fixture(params=["application", "server"])
def road(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def names(gateway: GatewayTwin, query: str, path: str = CHILDREN) -> list[str]:
    answer = await gateway.http.get(f"{path}?{query}")
    assert answer.status_code == 200, answer.text
    return [child["name"] for child in answer.json()["children"]]


async def fill(gateway: GatewayTwin, *wanted: str) -> None:
    for name in wanted:
        await gateway.make(name)


async def test_pages_follow_by_token_and_the_last_has_one_too(gateway: GatewayTwin) -> None:
    await fill(gateway, "c", "a", "b")
    first = (await gateway.http.get(CHILDREN + "?limit=2")).json()
    assert ([child["name"] for child in first["children"]], first["isLast"]) == (["a", "b"], False)
    second = (await gateway.http.get(f"{CHILDREN}?limit=2&token={first['nextPageToken']}")).json()
    assert ([child["name"] for child in second["children"]], second["isLast"]) == (["c"], True)
    assert isinstance(second["nextPageToken"], str)


async def test_default_attributes_are_id_and_name(gateway: GatewayTwin) -> None:
    await fill(gateway, "a")
    answer = await gateway.http.get(CHILDREN)
    assert list(answer.json()["children"][0]) == ["fileId", "file_id", "name"]


async def test_tokens_need_no_quoting_and_survive_removal(gateway: GatewayTwin) -> None:
    await fill(gateway, *(f"f{number:03}&+%?" for number in range(9)))
    seen, token = [], ""
    while True:
        page = (await gateway.http.get(f"{CHILDREN}?limit=2{token}")).json()
        for child in page["children"]:
            seen.append(child["name"])
            await gateway.http.delete(f"{API}/data/{child['fileId']}")
        if page["isLast"]:
            break
        assert page["nextPageToken"].replace("-", "").replace("_", "").isalnum()
        token = f"&token={page['nextPageToken']}"
    assert len(seen) == len(set(seen)) == 9


async def test_order_is_by_bytes(gateway: GatewayTwin) -> None:
    await fill(gateway, "ż", "z", "B", "a", "\U0001f422", "\uffee")
    assert await names(gateway, "") == ["B", "a", "z", "ż", "\uffee", "\U0001f422"]


async def test_positions_by_index_and_offset(gateway: GatewayTwin) -> None:
    await fill(gateway, "a", "b", "c", "d")
    assert await names(gateway, "index=b") == ["b", "c", "d"]
    assert await names(gateway, "index=b&inclusive=false") == ["c", "d"]
    assert await names(gateway, "offset=2") == ["c", "d"]
    assert await names(gateway, "index=c&offset=-1&limit=2") == ["b", "c"]
    assert await names(gateway, "index=bb") == ["c", "d"]


@pytest.mark.parametrize(
    ("query", "id"),
    [("limit=0", "badValueNotInRange"), ("limit=10001", "badValueNotInRange"), ("limit=x", "badValueInteger"),
     ("token=", "badValueEmpty"), ("index=", "badValueEmpty"), ("offset=501", "badValueNotInRange"),
     ("inclusive=maybe", "badValueBoolean"), ("attributes=nope", "badValueNotAllowed")],
)  # fmt: skip
async def test_bad_parameters_are_named(gateway: GatewayTwin, query: str, id: str) -> None:
    assert error_id(await gateway.http.get(f"{CHILDREN}?{query}")) == id


@pytest.mark.parametrize("query", ["token=%21%21", "token=abc", "offset=-1", "token=%C5%BC"])
async def test_bad_positions_are_einval(gateway: GatewayTwin, query: str) -> None:
    assert errno(await gateway.http.get(f"{CHILDREN}?{query}")) == "einval"


async def test_long_pages_are_put_together(gateway: GatewayTwin) -> None:
    for number in range(1100):
        await gateway.make(f"f{number:04}")
    assert len(await names(gateway, "limit=1050")) == 1050
    assert len(await names(gateway, "limit=10000")) == 1100


async def test_a_file_lists_as_itself(gateway: GatewayTwin) -> None:
    file = await gateway.make("a.txt")
    answer = await gateway.http.get(f"{API}/data/{file}/children?attributes=fileId&attributes=path")
    assert answer.json()["children"] == [{"fileId": file, "path": "/home/a.txt"}]
    assert answer.json()["isLast"]


async def test_xattrs_of_children_are_told(gateway: GatewayTwin) -> None:
    file = await gateway.make("a")
    await gateway.make("b")
    await gateway.http.put(f"{API}/data/{file}/metadata/xattrs", json={"k": "v"})
    answer = await gateway.http.get(CHILDREN + "?attributes=xattr.k")
    assert answer.json()["children"] == [{"xattr.k": "v"}, {"xattr.k": None}]


async def test_the_user_root_lists_supported_spaces(gateway: GatewayTwin) -> None:
    path = f"{API}/data/{USER_ROOT}/children"
    assert await names(gateway, "", path) == ["home", "twin@twin1", "twin@twin2"]
    assert await names(gateway, "index=home&inclusive=false", path) == ["twin@twin1", "twin@twin2"]
    first = (await gateway.http.get(path + "?limit=1")).json()
    assert not first["isLast"]
    rest = await names(gateway, f"token={first['nextPageToken']}", path)
    assert rest == ["twin@twin1", "twin@twin2"]
    assert errno(await gateway.http.get(path + "?token=%C5%BC")) == "einval"


async def test_spaces_of_the_user_root_have_attributes(gateway: GatewayTwin) -> None:
    path = f"{API}/data/{USER_ROOT}/children?attributes=name&attributes=posixPermissions&limit=1"
    assert (await gateway.http.get(path)).json()["children"] == [{"name": "home", "posixPermissions": "775"}]
