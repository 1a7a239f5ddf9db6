"""Objects become JSON, and JSON becomes objects again."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_cdmi_containers import CONTAINER, OBJECT, V, bad, errno, get
from tests.unit.gateway.test_cdmi_objects import put
from tests.unit.gateway.test_cdmi_repeats import Dying

Json = dict[str, Any]

FILE: Json = {"objectType": "application/cdmi-object", "objectName": "f", "value": "x"}
TREE: Json = {"objectType": "application/cdmi-container", "objectName": "d/", "children": [FILE]}
ACL = [{"acetype": "0x0", "identifier": "OWNER@", "aceflags": "0x0", "acemask": "0x7019B"}]


def headers_of(path: str) -> dict[str, str]:
    return CONTAINER if path.endswith("/") else OBJECT


async def serialized(gateway: GatewayTwin, source: str, path: str = "home/out", **headers: str) -> Json:
    answer = await put(gateway, path, {"serialize": source}, **headers)
    assert answer.status_code in (201, 204), answer.text
    return dict(json.loads((await get(gateway, f"{path}?value"))["value"]))  # type: ignore[arg-type]


async def make(
    gateway: GatewayTwin, path: str, text: object, *, request_id: str = "", **more: object
) -> httpx.Response:
    """Deserialises a value in the body."""
    raw = text if isinstance(text, bytes) else json.dumps(text).encode()
    body = {"deserializevalue": base64.b64encode(raw).decode(), **more}
    headers = {**headers_of(path), **({"x-request-id": request_id} if request_id else {})}
    return await gateway.http.put(f"/cdmi/{path}", json=body, headers=headers)


async def listing(gateway: GatewayTwin) -> object:
    return (await get(gateway, "home/?children"))["children"]


@pytest.mark.cdmi("21.5.serialize")
async def test_a_data_object_becomes_json(gateway: GatewayTwin) -> None:
    await put(gateway, "home/a", {"value": 'say "hi"\n', "mimetype": "text/x", "metadata": {"k": [1]}})
    answer = await put(gateway, "home/out", {"serialize": "/home/a"})
    assert (answer.status_code, answer.json()["mimetype"]) == (201, "application/json")
    told = json.loads((await get(gateway, "home/out?value"))["value"])  # type: ignore[arg-type]
    assert told == await get(gateway, "home/a")
    assert list(told)[-1] == "value"


@pytest.mark.cdmi("21.5.serialize")
async def test_a_tree_becomes_json_with_its_children_last(gateway: GatewayTwin) -> None:
    await gateway.make("dir", type="DIR")
    await gateway.make("dir/empty", type="DIR")
    await gateway.make("dir/a", content=b"one")
    await gateway.make("dir/link", type="SYMLNK", symlink_target="elsewhere")
    await put(gateway, "home/dir/ref", {"reference": "/cdmi/home/a"})
    told = await serialized(gateway, "home/dir")
    assert list(told)[-1] == "children"
    children = {child["objectName"]: child for child in told["children"]}
    assert list(children) == ["a", "empty/", "ref?"]
    assert (children["a"]["value"], children["empty/"]["children"]) == ("one", [])
    assert children["ref?"] == {"objectName": "ref?", "reference": "/cdmi/home/a"}
    assert children["a"]["parentURI"] == "/home/dir/"


@pytest.mark.cdmi("21.5.serialize")
async def test_what_may_not_be_read_is_left_out_of_a_tree(gateway: GatewayTwin) -> None:
    await gateway.make("dir", type="DIR", mode=0o777)
    await gateway.make("dir/a", content=b"x")
    await gateway.make("dir/secret", content=b"x", mode=0o600)
    await gateway.make("dir/shut", type="DIR", mode=0o700)
    told = await serialized(gateway, "home/dir", x_auth_token="member")
    assert [child["objectName"] for child in told["children"]] == ["a"]
    for source in ("home/dir/secret", "home/dir/shut"):
        assert errno(await put(gateway, "home/no", {"serialize": source}, x_auth_token="member")) == "eacces"
    assert await listing(gateway) == ["dir/", "out"]


@pytest.mark.cdmi("21.5.serialize", "21.5.limits")
async def test_a_serialisation_that_is_refused_changes_nothing(gateway: GatewayTwin) -> None:
    await gateway.make("old", content=b"old")
    await gateway.make("dir", type="DIR")
    for number in range(50):
        await gateway.make(f"dir/{number}")
    await gateway.make("a", content=b"x" * (2 << 20))
    for source in ("home/dir", "home/a"):
        for target in ("home/old", "home/new"):
            refused = await put(gateway, target, {"serialize": source})
            assert refused.json()["error"]["id"] == "limitReached"
    assert errno(await put(gateway, "home/new", {"serialize": "home/nope"})) == "enoent"
    assert errno(await put(gateway, "home/new", {"serialize": ""})) == "eperm"
    assert bad(await put(gateway, "home/new?value:0-1", {"serialize": "home/a"})) == ("badData", "range")
    answer = await gateway.http.put("/cdmi/home/new/", json={"serialize": "home/a"}, headers=CONTAINER)
    assert bad(answer) == ("badData", "serialize")
    assert await listing(gateway) == ["a", "dir/", "old"]
    assert (await get(gateway, "home/old?value"))["value"] == "old"


@pytest.mark.cdmi("21.5.deserialize")
async def test_objects_are_made_of_json_in_the_body_or_elsewhere(gateway: GatewayTwin) -> None:
    items = {"k": {"n": 10**30}, "cdmi_acl": ACL, "cdmi_size": "99"}
    await put(gateway, "home/a", {"value": "hi", "mimetype": "text/x", "metadata": items})
    first = await serialized(gateway, "home/a")
    for path, answer in (
        ("b", await make(gateway, "home/b", first)),
        ("c", await put(gateway, "home/c", {"deserialize": "home/out"})),
    ):
        assert answer.status_code == 201, answer.text
        told = await get(gateway, f"home/{path}")
        assert told["objectID"] != first["objectID"]
        assert told == await get(gateway, f"cdmi_objectid/{told['objectID']}")
        for name in ("value", "mimetype", "valuetransferencoding", "completionStatus"):
            assert told[name] == first[name]
        assert told["metadata"]["k"] == {"n": 10**30}  # type: ignore[index]
        assert told["metadata"]["cdmi_acl"] == ACL  # type: ignore[index]


@pytest.mark.cdmi("21.5.deserialize")
async def test_the_body_has_the_last_word(gateway: GatewayTwin) -> None:
    text = {**FILE, "metadata": {"a": 1}, "mimetype": "text/x"}
    answer = await make(gateway, "home/a", text, metadata={"b": 2}, mimetype="text/y")
    assert answer.status_code == 201, answer.text
    told = await get(gateway, "home/a")
    assert (told["mimetype"], told["metadata"]["b"], "a" in told["metadata"]) == ("text/y", 2, False)  # type: ignore[index,operator]


async def test_fields_may_follow_a_value_or_be_missing(gateway: GatewayTwin) -> None:
    late = {"metadata": {"k": 1}, "unknown": [{"x": None}], "mimetype": "text/x"}
    answer = await make(gateway, "home/a", {**FILE, **late})
    assert answer.status_code == 201, answer.text
    told = await get(gateway, "home/a")
    assert (told["metadata"]["k"], told["mimetype"]) == (1, "text/x")  # type: ignore[index]
    for path, kind in (("home/b", "object"), ("home/c/", "container")):
        assert (await make(gateway, path, {"objectType": f"application/cdmi-{kind}"})).status_code == 201
    partial = {"completionStatus": "Processing", **FILE}
    assert (await make(gateway, "home/e", partial)).json()["completionStatus"] == "Processing"


def nested(depth: int) -> bytes:
    opening = b'{"objectType":"application/cdmi-container","objectName":"d","children":['
    return opening * depth + b"]}" * depth


HOSTILE: list[tuple[object, tuple[str, str | None]]] = [
    (b"", ("malformedData", None)),
    (b"[]", ("malformedData", None)),
    ({**TREE, "children": [{**FILE, "valuetransferencoding": "utf-8"}]}, ("malformedData", None)),
    ({**TREE, "children": [{**FILE, "completionStatus": "Processing"}]}, ("malformedData", None)),
    (b"{}", ("badData", "objectType")),
    (b"{", ("malformedData", None)),
    (json.dumps(TREE).encode()[:-1], ("malformedData", None)),
    (json.dumps(TREE).encode() + b"{}", ("malformedData", None)),
    ({**TREE, "objectType": "application/cdmi-queue"}, ("badData", "objectType")),
    (FILE, ("badData", "objectType")),
    ({**TREE, "children": ["f"]}, ("malformedData", None)),
    ({**TREE, "children": {"f": FILE}}, ("malformedData", None)),
    ({**TREE, "children": [FILE, FILE]}, ("malformedData", None)),
    ({**TREE, "children": [FILE, {**TREE, "objectName": "f/"}]}, ("malformedData", None)),
    ({**TREE, "children": [FILE, {**FILE, "objectName": 5}]}, ("badData", "objectName")),
    ({**TREE, "children": [FILE, {"objectType": FILE["objectType"]}]}, ("badData", "objectName")),
    ({**TREE, "children": [FILE, {**FILE, "objectName": "g", "value": 5}]}, ("malformedData", None)),
    ({**TREE, "children": [FILE, {**TREE, "objectName": "g", "value": ""}]}, ("malformedData", None)),
    ({**TREE, "children": [FILE, {"objectName": "r?", "reference": "//evil"}]}, ("badData", "reference")),
    ({**TREE, "metadata": 5}, ("badData", "metadata")),
    ({**TREE, "metadata": {"cdmi_acl": "x"}}, ("badData", "acl")),
    ({**TREE, "metadata": {"cdmi_acl": [{}]}}, ("badData", "acl")),
    (json.dumps(TREE).encode()[:-1] + b',"a":1,"a":2}', ("malformedData", None)),
    (json.dumps(TREE).encode()[:-1] + b',"children":[]}', ("malformedData", None)),
    ({**TREE, "u": "x" * (1 << 20), "children": [{**FILE, "u": "y" * (1 << 20)}]}, ("limitReached", None)),
    ({**TREE, "children": [{**FILE, "objectName": str(n)} for n in range(50)]}, ("limitReached", None)),
    (nested(51), ("limitReached", None)),
    (nested(5000), ("limitReached", None)),
    (b'{"unknown":' + b"[" * 1000, ("malformedData", None)),
    *(
        ({**TREE, "children": [FILE, {**FILE, "objectName": name}]}, ("badData", "objectName"))
        for name in ("", ".", "..", "a/b", "/", "../../etc", "a\0b")
    ),
    *(
        ({**TREE, "children": [FILE, {**wrong, **FILE, "objectName": "g"}]}, ("badData", key))
        for key, wrong in (
            ("valuetransferencoding", {"valuetransferencoding": "gzip"}),
            ("mimetype", {"mimetype": "a\r\nb"}),
            ("metadata", {"metadata": []}),
        )
    ),
    (
        {**TREE, "children": [FILE, {"objectType": FILE["objectType"], "objectName": "g",
                                     "valuetransferencoding": "base64", "value": "A"}]},
        ("badData", "base64"),
    ),
]  # fmt: skip


@pytest.mark.cdmi("21.5.deserialize", "21.5.limits")
@pytest.mark.parametrize(("text", "told"), HOSTILE)
async def test_what_is_no_serialisation_leaves_nothing(
    gateway: GatewayTwin, text: object, told: tuple[str, str | None]
) -> None:
    answer = await make(gateway, "home/new/", text)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["id"], error.get("details", {}).get("key")) == told
    assert await listing(gateway) == []


@pytest.mark.cdmi("21.5.deserialize")
async def test_only_new_objects_are_made(gateway: GatewayTwin) -> None:
    await gateway.make("a", content=b"old")
    await gateway.make("dir", type="DIR")
    assert errno(await make(gateway, "home/a", FILE)) == "eexist"
    assert errno(await make(gateway, "home/dir/", TREE)) == "eexist"
    assert errno(await make(gateway, "home/no/a", FILE)) == "enoent"
    assert errno(await make(gateway, "new/", TREE)) == "eperm"
    assert bad(await make(gateway, "home/b", TREE)) == ("badData", "objectType")
    for text in ("?", 5):
        body = {"deserializevalue": text}
        assert bad(await put(gateway, "home/b", body))[0] == "badData"
    assert errno(await put(gateway, "home/b", {"deserialize": "home/dir"})) == "eisdir"
    assert errno(await put(gateway, "home/b", {"deserialize": "home/nope"})) == "enoent"
    for more in ({"value": ""}, {"copy": "home/a"}, {"deserialize": "home/a"}, {"reference": "/cdmi/"}):
        body = {"deserializevalue": base64.b64encode(json.dumps(FILE).encode()).decode(), **more}
        assert (await put(gateway, "home/b", body)).json()["error"]["id"] == "malformedData"
    large = await make(gateway, "home/b", {**FILE, "value": "x" * (4 << 20)})
    assert large.json()["error"]["id"] == "limitReached"
    assert await listing(gateway) == ["a", "dir/"]
    assert (await get(gateway, "home/a?value"))["value"] == "old"


@pytest.mark.cdmi("21.5.deserialize")
async def test_a_tree_is_made_with_the_rights_of_who_asks(gateway: GatewayTwin) -> None:
    await gateway.make("shut", type="DIR", mode=0o755)
    body = {"deserializevalue": base64.b64encode(json.dumps(TREE).encode()).decode()}
    headers = {**CONTAINER, "x-auth-token": "member"}
    assert errno(await gateway.http.put("/cdmi/home/shut/d/", json=body, headers=headers)) == "eacces"
    answer = await gateway.http.put("/cdmi/home/d/", json=body, headers=headers)
    assert (answer.status_code, answer.json()["metadata"]["cdmi_owner"]) == (201, "u2")
    await gateway.make("secret", content=b"{}", mode=0o600)
    refused = await put(gateway, "home/x", {"deserialize": "home/secret"}, x_auth_token="member")
    assert errno(refused) == "eacces"


@pytest.fixture
def dying(gateway: GatewayTwin, monkeypatch: pytest.MonkeyPatch) -> Dying:
    return Dying(gateway, monkeypatch)


DEEP: Json = {**TREE, "metadata": {"k": 1}, "children": [FILE, {**TREE, "objectName": "e", "metadata": {}}]}


async def made_and_died(gateway: GatewayTwin, dying: Dying, survived: int) -> bool:
    """Whether the tree was made before the gateway died, after so many calls; then it lives again."""
    dying.calls_left = survived
    answer = await make(gateway, "home/new/", DEEP, request_id=f"r{survived}")
    dying.calls_left, dying.is_dead = -1, False
    return answer.status_code == 201


@pytest.mark.cdmi("21.5.deserialize")
async def test_a_tree_whose_maker_died_is_made_by_the_next_try(gateway: GatewayTwin, dying: Dying) -> None:
    for survived in range(40):
        if await made_and_died(gateway, dying, survived):
            assert survived > 5
            return
        gateway.clock.advance(31)
        again = await make(gateway, "home/new/", DEEP, request_id=f"r{survived}")
        assert again.status_code == 201, (survived, again.text)
        assert again.json()["metadata"]["k"] == 1
        assert (await get(gateway, "home/new/e/f?value"))["value"] == "x"
        assert (await gateway.http.delete("/cdmi/home/new/", headers=V)).status_code == 204
    raise AssertionError("it never ends")


@pytest.mark.cdmi("21.5.deserialize")
async def test_a_tree_whose_maker_died_is_there_whole_or_not_at_all(
    gateway: GatewayTwin, dying: Dying
) -> None:
    for survived in range(40):
        if await made_and_died(gateway, dying, survived):
            assert survived > 5
            return
        for _ in range(3):
            await gateway.settle_copies()
        if await listing(gateway) == ["new/"]:
            assert (await get(gateway, "home/new/"))["children"] == ["e/", "f"]
            await gateway.http.delete("/cdmi/home/new/", headers=V)
        answer = await make(gateway, "home/new/", TREE, request_id=f"other{survived}")
        assert answer.status_code == 201, (survived, answer.text)
        await gateway.http.delete("/cdmi/home/new/", headers=V)
    raise AssertionError("it never ends")


async def test_nobody_sees_a_tree_before_it_is_whole(
    gateway: GatewayTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[object]()
    inner = gateway.metadata._call

    async def look() -> object:
        found = await gateway.http.get("/cdmi/home/new/", headers=V)
        return await listing(gateway), found.json()["completionStatus"]

    async def call(method: Any, request: Any) -> Any:
        if method.__name__ == "CommitUpload":
            monkeypatch.setattr(gateway.metadata, "_call", inner)
            # Every request has a task of its own.
            seen.append(await asyncio.create_task(look()))
            monkeypatch.setattr(gateway.metadata, "_call", call)
        return await inner(method, request)

    monkeypatch.setattr(gateway.metadata, "_call", call)
    assert (await make(gateway, "home/new/", DEEP)).status_code == 201
    assert seen == [([], "Processing")] * 2


async def test_large_values_go_through_in_pieces(gateway: GatewayTwin) -> None:
    await gateway.make("a", content=b'\xc3\xa4"\\' * 200_000)
    first = await get(gateway, "home/a")
    await serialized(gateway, "home/a")
    assert (await put(gateway, "home/b", {"deserialize": "home/out"})).status_code == 201
    assert (await get(gateway, "home/b"))["value"] == first["value"]


NAMES = st.text('ab ż%?"\\.#', min_size=1, max_size=6).filter(lambda name: name not in (".", ".."))
VALUES = st.one_of(st.text(max_size=20), st.integers(), st.lists(st.none(), max_size=2))
ITEMS = st.dictionaries(NAMES, VALUES, max_size=2)
FILES = st.fixed_dictionaries(
    {"value": st.binary(max_size=300), "utf8": st.booleans(), "metadata": ITEMS,
     "mimetype": st.sampled_from(["text/x", "odd one"])}
)  # fmt: skip
TREES = st.recursive(
    st.fixed_dictionaries({"metadata": ITEMS, "children": st.dictionaries(NAMES, FILES, max_size=3)}),
    lambda inner: st.fixed_dictionaries(
        {"metadata": ITEMS, "children": st.dictionaries(NAMES, st.one_of(inner, FILES), max_size=3)}
    ),
    max_leaves=5,
)


def as_json(name: str, node: Json) -> Json:
    """A tree of the strategy as a serialisation."""
    if "children" in node:
        children = [as_json(each, child) for each, child in node["children"].items()]
        return {"objectType": "application/cdmi-container", "objectName": f"{name}/",
                "metadata": node["metadata"], "children": children}  # fmt: skip
    text = node["value"].decode("latin-1") if node["utf8"] else base64.b64encode(node["value"]).decode()
    return {"objectType": "application/cdmi-object", "objectName": name, "mimetype": node["mimetype"],
            "metadata": node["metadata"], "valuetransferencoding": "utf-8" if node["utf8"] else "base64",
            "value": text}  # fmt: skip


def without_place(told: Json) -> Json:
    """What stays the same when a tree is made again."""
    told = copy.deepcopy(told)
    for name in ("objectID", "parentID", "parentURI"):
        told.pop(name, None)
    told["metadata"] = {
        k: v for k, v in told["metadata"].items() if not k.startswith("cdmi_") or k == "cdmi_acl"
    }
    if "children" in told:
        told["children"] = sorted(map(without_place, told["children"]), key=lambda child: child["objectName"])
    return told


@pytest.mark.cdmi("21.5.deserialize", "21.5.serialize")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(TREES)
async def test_a_tree_that_was_serialised_comes_back(gateway: GatewayTwin, tree: Json) -> None:
    try:
        made = await make(gateway, "home/first/", as_json("first", tree))
        assert made.status_code == 201, made.text
        first = await serialized(gateway, "home/first")
        again = await gateway.http.put(
            "/cdmi/home/again/", json={"deserialize": "home/out"}, headers=CONTAINER
        )
        assert again.status_code == 201, again.text
        second = await serialized(gateway, "home/again", "home/out2")
        assert without_place({**second, "objectName": "first/"}) == without_place(first)
        names = {name + "/" * ("children" in child) for name, child in tree["children"].items()}
        assert {child["objectName"] for child in first["children"]} == names
    finally:
        for path in ("first/", "again/", "out", "out2"):
            await gateway.http.delete(f"/cdmi/home/{path}", headers=V)
