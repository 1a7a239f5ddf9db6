"""A request that is tried again, after any step of its first try, answers as the first try would have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from runtime.errors import Unavailable
from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_cdmi_containers import CONTAINER, OBJECT, V, errno, get

ITEMS = {"metadata": {"k": "v"}}


class Dying:
    """A metadata service whose caller dies right after the call of this number was done."""

    def __init__(self, gateway: GatewayTwin, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls_left = -1
        self.is_dead = False
        inner = gateway.metadata._call

        async def call(method: Any, request: Any) -> Any:
            if self.is_dead:
                raise Unavailable("the gateway is dead")
            answer = await inner(method, request)
            self.is_dead = self.calls_left == 0
            if self.is_dead:
                raise Unavailable("the gateway has died")
            self.calls_left -= 1
            return answer

        monkeypatch.setattr(gateway.metadata, "_call", call)


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayTwin]:
    """One whose requests do not wait for copies of a dead gateway."""
    twin = GatewayTwin(copy_wait_s=0.1)
    await twin.start()
    async with twin.http:
        yield twin
        await twin.jobs.stop()


@pytest.fixture
def dying(gateway: GatewayTwin, monkeypatch: pytest.MonkeyPatch) -> Dying:
    return Dying(gateway, monkeypatch)


async def prepare(gateway: GatewayTwin) -> None:
    await gateway.make("dir", type="DIR")
    await gateway.make("dir/sub", type="DIR")
    await gateway.make("dir/sub/b", content=b"deep")
    await gateway.make("a", content=b"source")
    await gateway.make("there", content=b"old")
    await gateway.http.put("/cdmi/home/dir/", json={"metadata": {"of": "dir"}}, headers=CONTAINER)


REQUESTS = [
    ("home/new/", ITEMS, CONTAINER, 201),
    ("home/new/", {}, {}, 201),
    ("home/dir/", ITEMS, CONTAINER, 204),
    ("home/new", {"value": "x", **ITEMS}, OBJECT, 201),
    ("home/there", {"value": "x", **ITEMS}, OBJECT, 204),
    ("home/new", {"copy": "home/a", **ITEMS}, OBJECT, 201),
    ("home/new", {"reference": "/cdmi/home/a"}, OBJECT, 201),
    ("home/new/", {"copy": "home/dir"}, CONTAINER, 201),
    ("home/new", {"move": "home/a", **ITEMS}, OBJECT, 201),
    ("home/there", {"move": "home/a", **ITEMS}, OBJECT, 200),
    ("twin@twin1/new", {"move": "home/a"}, OBJECT, 201),
    ("twin@twin1/new/", {"move": "home/dir", **ITEMS}, CONTAINER, 201),
]


@pytest.mark.cdmi("15.errors", "16.3.whole")
@pytest.mark.parametrize(("path", "body", "headers", "status"), REQUESTS)
async def test_a_request_cut_short_anywhere_ends_as_if_it_had_not_been(
    gateway: GatewayTwin,
    dying: Dying,
    path: str,
    body: dict[str, Any],
    headers: dict[str, str],
    status: int,
) -> None:
    for survived in range(30):
        await prepare(gateway)
        request = {"json": body, "headers": {**headers, "x-request-id": f"try-{survived}"}}
        dying.calls_left = survived
        first = await gateway.http.put(f"/cdmi/{path}", **request)
        dying.calls_left, dying.is_dead = -1, False
        if first.status_code == status:
            assert survived > 0
            return
        again = await gateway.http.put(f"/cdmi/{path}", **request)
        if again.status_code == 202:
            await gateway.settle_copies()
        else:
            assert again.status_code == status, (survived, again.text)
        await look(gateway, path, body)
        for name in ("new/", "new", "dir/", "a", "there"):
            for space in ("home", "twin@twin1"):
                await gateway.http.delete(f"/cdmi/{space}/{name}", headers=V)
    raise AssertionError("it never ends")


async def look(gateway: GatewayTwin, path: str, body: dict[str, Any]) -> None:
    """What the request was to make is there, and what it was to take away is not."""
    if "reference" in body:
        found = await gateway.http.get(f"/cdmi/{path}", headers=V)
        assert (found.status_code, found.headers["location"]) == (302, body["reference"])
        return
    told = await get(gateway, path)
    if "metadata" in body:
        assert told["metadata"]["k"] == "v"  # type: ignore[index]
    if "dir" in str(body):
        assert (await get(gateway, f"{path}sub/b"))["value"] == "deep"
    elif "home/a" in str(body):
        assert told["value"] == "source"
    if "move" in body:
        gone = await gateway.http.get(f"/cdmi/{body['move']}", headers=V)
        assert gone.status_code == 404


async def test_another_request_is_no_repetition(gateway: GatewayTwin) -> None:
    await prepare(gateway)
    for number, expected in enumerate((201, 400)):
        headers = {**OBJECT, "x-request-id": f"copy-{number}"}
        answer = await gateway.http.put("/cdmi/home/new", json={"copy": "home/a"}, headers=headers)
        assert answer.status_code == expected
    assert errno(answer) == "eexist"
