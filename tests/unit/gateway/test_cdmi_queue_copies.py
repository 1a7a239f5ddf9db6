"""Values of queues that come from elsewhere, and copies and moves of whole queues."""

from __future__ import annotations

import pytest

from runtime.http.cdmi import parse_query
from services.gateway.domain.cdmi import queues
from services.gateway.domain.cdmi.queues import Source, Taking
from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_cdmi_containers import CONTAINER, OBJECT, V, errno, get
from tests.unit.gateway.test_cdmi_queues import QUEUE, add, delete, held, make, post


@pytest.mark.cdmi("21.8.transfer")
async def test_values_come_from_another_queue(gateway: GatewayTwin) -> None:
    await make(gateway)
    await make(gateway, "other")
    await add(gateway, "a", "b", "c")
    assert (await post(gateway, "other", copy="home/q")).status_code == 204
    assert (await post(gateway, "other", copy="/home/q?values:2")).status_code == 204
    assert await held(gateway, "other") == ["a", "a", "b"]
    assert (await post(gateway, "other", move="home/q?values:2")).status_code == 204
    assert (await held(gateway, "other"), await held(gateway)) == (["a", "a", "b", "a", "b"], ["c"])
    assert errno(await post(gateway, move="home/q?values:1")) == "einval"


@pytest.mark.cdmi("21.8.transfer")
async def test_a_data_object_becomes_a_value(gateway: GatewayTwin) -> None:
    await make(gateway)
    fields = {"value": "AAEC", "valuetransferencoding": "base64", "mimetype": "image/png"}
    await gateway.http.put("/cdmi/home/f", json=fields, headers=OBJECT)
    await gateway.http.put("/cdmi/home/t", json={"value": "text"}, headers=OBJECT)
    assert (await post(gateway, copy="home/f")).status_code == 204
    assert (await post(gateway, move="home/t")).status_code == 204
    assert await get(gateway, "home/q?values:9;mimetype;valuetransferencoding") == {
        "mimetype": ["image/png", "application/octet-stream"],
        "valuetransferencoding": ["base64", "utf-8"],
        "value": ["AAEC", "text"],
    }
    assert (await get(gateway, "home/?children"))["children"] == ["f", "q"]


@pytest.mark.parametrize(
    ("source", "refusal"), [("home/nope", "enoent"), ("home/d", "eisdir"), ("nowhere/x", "enoent")]
)
@pytest.mark.cdmi("21.8.transfer")
async def test_what_has_no_value_is_not_added(gateway: GatewayTwin, source: str, refusal: str) -> None:
    await make(gateway)
    await gateway.http.put("/cdmi/home/d/", headers=CONTAINER)
    for key in ("copy", "move"):
        assert errno(await post(gateway, **{key: source})) == refusal
    assert await held(gateway) == []


@pytest.mark.cdmi("21.8.like-another")
async def test_a_copy_of_a_queue_has_its_values(gateway: GatewayTwin) -> None:
    await make(gateway, metadata={"colour": "blue"})
    await add(gateway, *map(str, range(30)))
    await delete(gateway, "q?values:10")
    told = await make(gateway, "copy", copy="home/q")
    assert (told["queueValues"], told["metadata"]["colour"]) == ("0-19", "blue")
    assert await held(gateway, "copy") == await held(gateway) == [*map(str, range(10, 30))]


@pytest.mark.cdmi("21.8.like-another")
async def test_a_tree_is_copied_with_its_queues(gateway: GatewayTwin) -> None:
    await gateway.http.put("/cdmi/home/d/", headers=CONTAINER)
    await make(gateway, "d/q")
    await add(gateway, "a", name="d/q")
    answer = await gateway.http.put("/cdmi/home/e/", json={"copy": "home/d/"}, headers=CONTAINER)
    assert answer.status_code == 201, answer.text
    assert await held(gateway, "e/q") == ["a"]


@pytest.mark.cdmi("21.8.like-another")
async def test_a_moved_queue_keeps_id_and_values(gateway: GatewayTwin) -> None:
    before = await make(gateway)
    await add(gateway, "a")
    told = await make(gateway, "moved", move="home/q")
    assert (told["objectID"], told["queueValues"]) == (before["objectID"], "0-0")
    assert (await gateway.http.get("/cdmi/home/q", headers=V)).status_code == 404


@pytest.mark.cdmi("21.8.like-another")
async def test_to_another_space_a_queue_goes_as_a_copy_or_with_its_tree(gateway: GatewayTwin) -> None:
    await gateway.http.put("/cdmi/home/d/", headers=CONTAINER)
    await make(gateway, "d/q")
    await add(gateway, "a", "b", name="d/q")
    answer = await gateway.http.put("/cdmi/twin@twin1/q", json={"move": "home/d/q"}, headers=QUEUE)
    assert errno(answer) == "exdev"
    answer = await gateway.http.put("/cdmi/twin@twin1/q", json={"copy": "home/d/q"}, headers=QUEUE)
    assert answer.status_code == 201, answer.text
    answer = await gateway.http.put("/cdmi/twin@twin1/d/", json={"move": "home/d/"}, headers=CONTAINER)
    assert answer.status_code == 201, answer.text
    for path in ("q", "d/q"):
        assert (await get(gateway, f"twin@twin1/{path}?values:9"))["value"] == ["a", "b"]
    assert (await gateway.http.get("/cdmi/home/d/", headers=V)).status_code == 404


@pytest.mark.cdmi("21.refused")
async def test_a_tree_with_a_queue_is_not_serialised_without_it(gateway: GatewayTwin) -> None:
    await gateway.http.put("/cdmi/home/d/", headers=CONTAINER)
    await make(gateway, "d/q")
    for source in ("home/d", "home/d/q"):
        answer = await gateway.http.put("/cdmi/home/s", json={"serialize": source}, headers=OBJECT)
        assert answer.status_code == 400, answer.text
        assert (await gateway.http.get("/cdmi/home/s", headers=V)).status_code == 404


@pytest.mark.cdmi("21.8.like-another")
async def test_a_queue_is_like_queues_only_and_takes_no_place(gateway: GatewayTwin) -> None:
    await make(gateway)
    await gateway.http.put("/cdmi/home/f", json={"value": "x"}, headers=OBJECT)
    for key in ("copy", "move"):
        answer = await gateway.http.put("/cdmi/home/new", json={key: "home/f"}, headers=QUEUE)
        assert errno(answer) == "einval"
        for source, target in (("q", "f"), ("f", "q")):
            answer = await gateway.http.put(
                f"/cdmi/home/{target}", json={key: f"home/{source}"}, headers=OBJECT
            )
            assert errno(answer) == "eexist", (key, source, target)


def test_sources_may_say_how_many() -> None:
    assert queues.source({"copy": "a/q?values:12"}) == ("copy", Source("a/q", 12))
    assert queues.source({"move": "a/q?x"}) == ("move", Source("a/q?x"))
    assert queues.taking(parse_query(b"values:4-9"), b"values:4-9") == Taking(first=4, last=9)
    assert queues.taking(parse_query(b""), b"") is None
