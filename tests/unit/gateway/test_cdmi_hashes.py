"""Digests of values."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

from services.gateway.domain.cdmi import hashes
from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_cdmi_containers import CONTAINER, OBJECT, V, bad, get
from tests.unit.gateway.test_cdmi_objects import put


async def hash_items(gateway: GatewayTwin, path: str = "home/f", query: str = "cdmi_hash") -> dict[str, Any]:
    told = await get(gateway, f"{path}?metadata:{query};metadata:cdmi_value_hash")
    metadata = told["metadata"]
    assert isinstance(metadata, dict)
    return metadata


def told(algorithm: str, content: bytes) -> dict[str, str]:
    makers = {"SHA160": hashlib.sha1, "SHA256": hashlib.sha256, "SHA384": hashlib.sha384}
    digest = makers.get(algorithm, hashlib.sha512)(content).hexdigest()
    return {"cdmi_value_hash": algorithm, "cdmi_value_hash_provided": algorithm, "cdmi_hash": digest}


@pytest.mark.parametrize("algorithm", hashes.ALGORITHMS)
@pytest.mark.cdmi("16.4.value-hash")
async def test_an_object_tells_the_digest_its_users_want(gateway: GatewayTwin, algorithm: str) -> None:
    await put(gateway, "home/f", {"value": "hello", "metadata": {"cdmi_value_hash": algorithm}})
    assert await hash_items(gateway) == told(algorithm, b"hello")


@pytest.mark.cdmi("16.4.value-hash", "16.1.system")
async def test_without_being_asked_nothing_is_told(gateway: GatewayTwin) -> None:
    await put(gateway, "home/f", {"value": "hello", "metadata": {"a": "b"}})
    assert await hash_items(gateway) == {}
    metadata = (await get(gateway, "home/f"))["metadata"]
    assert len(metadata) == 6  # type: ignore[arg-type]


@pytest.mark.cdmi("16.4.value-hash")
async def test_a_digest_is_never_of_another_content(gateway: GatewayTwin) -> None:
    await put(gateway, "home/f", {"value": "hello", "metadata": {"cdmi_value_hash": "SHA256"}})
    assert await hash_items(gateway) == told("SHA256", b"hello")
    answer = await gateway.http.put("/cdmi/home/f?value:0-0", json={"value": "SA=="}, headers=OBJECT)
    assert answer.status_code == 204
    record = await get(gateway, "home/f?metadata:cdmi_has")
    assert record["metadata"].get("cdmi_hash") in (None, told("SHA256", b"Hello")["cdmi_hash"])  # type: ignore[attr-defined]
    assert await hash_items(gateway) == told("SHA256", b"Hello")
    await put(gateway, "home/f", {"value": "", "metadata": {}})
    assert await hash_items(gateway) == told("SHA256", b"")


@pytest.mark.cdmi("16.4.value-hash")
async def test_another_algorithm_makes_another_digest(gateway: GatewayTwin) -> None:
    await put(gateway, "home/f", {"value": "hello", "metadata": {"cdmi_value_hash": "SHA256"}})
    await hash_items(gateway)
    url = "/cdmi/home/f?metadata:cdmi_value_hash"
    answer = await gateway.http.put(url, json={"metadata": {"cdmi_value_hash": "SHA512"}}, headers=OBJECT)
    assert answer.status_code == 204
    assert await hash_items(gateway) == told("SHA512", b"hello")
    assert (await gateway.http.put(url, json={"metadata": {}}, headers=OBJECT)).status_code == 204
    assert await hash_items(gateway) == {}


@pytest.mark.cdmi("16.4.value-hash", "16.3.replace")
async def test_replacing_all_items_of_users_leaves_it(gateway: GatewayTwin) -> None:
    await put(gateway, "home/f", {"value": "hello", "metadata": {"cdmi_value_hash": "SHA160", "a": 1}})
    await put(gateway, "home/f", {"metadata": {"b": 2}})
    assert await hash_items(gateway) == told("SHA160", b"hello")


@pytest.mark.parametrize("value", ["MD5", "sha256", 5, None, ["SHA256"]])
@pytest.mark.cdmi("16.4.value-hash")
async def test_an_algorithm_nobody_knows_is_refused(gateway: GatewayTwin, value: object) -> None:
    answer = await put(gateway, "home/f", {"value": "x", "metadata": {"cdmi_value_hash": value}})
    assert bad(answer) == ("badData", "cdmi_value_hash")
    assert (await gateway.http.get("/cdmi/home/f", headers=V)).status_code == 404


@pytest.mark.cdmi("16.4.value-hash")
async def test_what_has_no_value_has_no_digest(gateway: GatewayTwin) -> None:
    body = {"metadata": {"cdmi_value_hash": "SHA256"}}
    queue = {**V, "content-type": "application/cdmi-queue"}
    for path, headers in (("home/d/", CONTAINER), ("home/q", queue)):
        assert (await gateway.http.put(f"/cdmi/{path}", json=body, headers=headers)).status_code == 201
        assert await hash_items(gateway, path) == {}


@pytest.mark.cdmi("16.4.value-hash", "15.copy")
async def test_a_copy_has_a_digest_of_its_own(gateway: GatewayTwin) -> None:
    await put(gateway, "home/f", {"value": "hello", "metadata": {"cdmi_value_hash": "SHA256"}})
    await put(gateway, "home/g", {"copy": "home/f"})
    await put(gateway, "home/g", {"value": "other", "metadata": {}})
    assert await hash_items(gateway, "home/g") == told("SHA256", b"other")
    assert await hash_items(gateway) == told("SHA256", b"hello")


@pytest.mark.cdmi("16.4.value-hash")
async def test_a_digest_once_made_is_told_without_reading(gateway: GatewayTwin) -> None:
    await put(gateway, "home/f", {"value": "hello", "metadata": {"cdmi_value_hash": "SHA256"}})
    await hash_items(gateway)
    await gateway.digests.stop()
    gateway.digests._data_port = None  # type: ignore[assignment]
    assert await hash_items(gateway) == told("SHA256", b"hello")
    assert "cdmi_hash" in (await get(gateway, "home/f"))["metadata"]  # type: ignore[operator]


@pytest.mark.cdmi("16.4.value-hash")
async def test_who_may_not_read_the_content_is_not_told_its_digest(gateway: GatewayTwin) -> None:
    await put(gateway, "home/f", {"value": "hello", "metadata": {"cdmi_value_hash": "SHA256"}})
    await hash_items(gateway)
    id = await gateway.id_of("f")
    await gateway.http.put(f"/api/v3/oneprovider/data/{id}", json={"mode": "600"})
    gateway.http.headers["x-auth-token"] = "member"
    assert "cdmi_hash" not in await hash_items(gateway)


@pytest.mark.cdmi("16.4.value-hash")
async def test_many_who_ask_at_once_have_it_made_once(gateway: GatewayTwin) -> None:
    await put(gateway, "home/f", {"value": "hello", "metadata": {"cdmi_value_hash": "SHA256"}})
    found = await asyncio.gather(*(hash_items(gateway) for _ in range(20)))
    assert all(each == told("SHA256", b"hello") for each in found)
