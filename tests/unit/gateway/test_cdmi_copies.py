"""Copies that take long: 202, how far they are, how they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from runtime.errors import NoSpace, Unavailable
from runtime.http.errors import ApiError
from services.gateway.domain.cdmi.fields import percent_complete
from tests.support.gateway import GatewayTwin
from tests.support.waiting import until
from tests.unit.gateway.test_cdmi_containers import CONTAINER, OBJECT, V, errno, get
from tests.unit.gateway.test_cdmi_objects import put


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayTwin]:
    """One whose requests hardly wait, with a tree of two directories and three files."""
    twin = GatewayTwin(copy_wait_s=0.05)
    await twin.start()
    async with twin.http:
        await twin.make("dir", type="DIR")
        await twin.make("dir/sub", type="DIR")
        for name in ("dir/a", "dir/sub/b", "dir/z"):
            await twin.make(name, content=b"content of " + name.encode())
        yield twin
        twin.data_port.gate.set()
        await twin.jobs.stop()


async def begin(gateway: GatewayTwin, target: str = "home/new/", **body: Any) -> httpx.Response:
    """A copy that waits at its first file."""
    gateway.data_port.gate.clear()
    return await gateway.http.put(f"/cdmi/{target}", json={"copy": "home/dir", **body}, headers=CONTAINER)


async def end(gateway: GatewayTwin) -> None:
    gateway.data_port.gate.set()
    await until(lambda: gateway.jobs.running == 0)


@pytest.mark.cdmi("15.progress", "21.1.accepted", "21.1.processing")
async def test_a_long_copy_is_accepted_and_told_of_until_it_is_whole(gateway: GatewayTwin) -> None:
    accepted = await begin(gateway)
    assert accepted.status_code == 202
    assert accepted.headers["location"] == "https://door:8443/cdmi/home/new/"
    told = await get(gateway, "home/new/")
    assert (told["completionStatus"], told["percentComplete"]) == ("Processing", "0")
    assert "children" not in told
    assert (await get(gateway, "home/?children"))["children"] == ["dir/"]
    await end(gateway)
    whole = await get(gateway, "home/new/")
    assert (whole["completionStatus"], whole["children"]) == ("Complete", ["a", "sub/", "z"])
    assert whole["objectID"] == told["objectID"] == accepted.json()["objectID"]
    assert "percentComplete" not in whole
    assert (await get(gateway, "home/new/sub/b?value"))["value"] == "content of dir/sub/b"


@pytest.mark.cdmi("21.1.processing")
async def test_what_is_not_whole_is_told_by_its_fields(gateway: GatewayTwin) -> None:
    await begin(gateway)
    assert await get(gateway, "home/new/?completionStatus") == {"completionStatus": "Processing"}
    assert (await gateway.http.get("/cdmi/home/new", headers=V)).status_code == 302
    assert (await gateway.http.get("/cdmi/home/new/")).status_code == 404
    assert (await gateway.http.get("/cdmi/home/new/", headers={**V, "x-auth-token": "member"})).json()[
        "completionStatus"
    ] == "Processing"
    await end(gateway)


@pytest.mark.cdmi("21.1.cancel")
async def test_deleting_the_destination_gives_the_copy_up(gateway: GatewayTwin) -> None:
    await begin(gateway)
    assert (await gateway.http.delete("/cdmi/home/new/", headers=V)).status_code == 204
    assert (await gateway.http.get("/cdmi/home/new/", headers=V)).status_code == 404
    await end(gateway)
    assert (await gateway.http.get("/cdmi/home/new/", headers=V)).status_code == 404
    assert (await gateway.http.delete("/cdmi/home/new/", headers=V)).status_code == 404


@pytest.mark.cdmi("21.1.error")
async def test_a_failure_is_told_at_the_destination(
    gateway: GatewayTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begin(gateway)

    async def full(*_: object) -> None:
        raise NoSpace

    monkeypatch.setattr(gateway.data_port, "put", full)
    await end(gateway)
    told = await get(gateway, "home/new/")
    assert told["completionStatus"] == "Error: Operation failed with POSIX error: enospc."
    assert "percentComplete" not in told
    monkeypatch.undo()
    again = await gateway.http.put("/cdmi/home/new/", json={"copy": "home/dir"}, headers=CONTAINER)
    assert again.status_code in (201, 202)
    await end(gateway)
    assert (await get(gateway, "home/new/"))["completionStatus"] == "Complete"


async def test_a_source_that_goes_meanwhile_ends_the_copy(gateway: GatewayTwin) -> None:
    await gateway.make("big", content=b"x" * 10)
    gateway.data_port.gate.clear()
    await begin(gateway)
    assert (await gateway.http.delete("/cdmi/home/dir/", headers=V)).status_code == 204
    await end(gateway)
    await until(lambda: _status_is(gateway, "Error: Operation failed with POSIX error: enoent."))


async def _status_is(gateway: GatewayTwin, status: str) -> bool:
    answer = await gateway.http.get("/cdmi/home/new/", headers=V)
    return bool(answer.status_code == 200 and answer.json()["completionStatus"] == status)


async def test_a_file_that_goes_meanwhile_is_left_out(gateway: GatewayTwin) -> None:
    await begin(gateway)
    assert (await gateway.http.delete("/cdmi/home/dir/a", headers=V)).status_code == 204
    await end(gateway)
    assert (await get(gateway, "home/new/"))["children"] == ["sub/", "z"]


async def test_another_gateway_goes_on_where_one_stopped(gateway: GatewayTwin) -> None:
    await begin(gateway)
    await gateway.jobs.stop()
    gateway.data_port.gate.set()
    other = gateway.new_jobs()
    assert await other.claim_some() == 1
    await until(lambda: other.running == 0)
    assert (await get(gateway, "home/new/"))["children"] == ["a", "sub/", "z"]


async def test_a_gateway_whose_lease_lapsed_stops(gateway: GatewayTwin) -> None:
    await begin(gateway)
    gateway.clock.advance(31)
    gateway.data_port.gate.set()
    other = gateway.new_jobs()
    assert await other.claim_some() == 1
    await until(lambda: other.running == 0 and gateway.jobs.running == 0)
    whole = await get(gateway, "home/new/")
    assert (whole["completionStatus"], whole["children"]) == ("Complete", ["a", "sub/", "z"])


async def test_what_is_away_for_a_while_is_waited_for(
    gateway: GatewayTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = gateway.data_port.copy
    failures = [Unavailable(), ApiError("serviceUnavailable")]

    async def unsteady(*args: Any) -> None:
        if failures:
            raise failures.pop()
        await copy(*args)

    monkeypatch.setattr(gateway.data_port, "copy", unsteady)
    answer = await gateway.http.put("/cdmi/home/new/", json={"copy": "home/dir"}, headers=CONTAINER)
    assert answer.status_code == 202
    await until(lambda: gateway.jobs.running == 0)
    assert (await get(gateway, "home/new/"))["children"] == ["a", "sub/", "z"]


async def test_a_large_file_goes_the_same_way(gateway: GatewayTwin) -> None:
    await gateway.make("large", content=b"x" * 2000)
    gateway.data_port.gate.clear()
    answer = await put(gateway, "home/new", {"copy": "home/large", "metadata": {"k": "v"}})
    assert answer.status_code == 202
    told = await get(gateway, "home/new")
    assert told["completionStatus"] == "Processing"
    assert not {"value", "valuerange", "mimetype"} & told.keys()
    await end(gateway)
    whole = await get(gateway, "home/new")
    assert (whole["value"], whole["metadata"]["k"]) == ("x" * 2000, "v")  # type: ignore[index]


async def test_a_move_between_spaces_removes_its_source_last(gateway: GatewayTwin) -> None:
    gateway.data_port.gate.clear()
    answer = await gateway.http.put(
        "/cdmi/twin@twin1/new/", json={"move": "home/dir", "metadata": {"k": 1}}, headers=CONTAINER
    )
    assert answer.status_code == 202
    assert (await get(gateway, "home/?children"))["children"] == ["dir/"]
    await end(gateway)
    assert (await get(gateway, "home/?children"))["children"] == []
    moved = await get(gateway, "twin@twin1/new/")
    assert (moved["children"], moved["metadata"]["k"]) == (["a", "sub/", "z"], 1)  # type: ignore[index]


async def test_more_copies_than_there_is_room_for_wait(gateway: GatewayTwin) -> None:
    gateway.data_port.gate.clear()
    for number in range(20):
        assert (await begin(gateway, f"home/new{number}/")).status_code == 202
    assert gateway.jobs.running == 16
    gateway.data_port.gate.set()
    await gateway.jobs.start()
    await until(lambda: _all_there(gateway, 20))


async def _all_there(gateway: GatewayTwin, count: int) -> bool:
    names = (await get(gateway, "home/?children"))["children"]
    return sum("new" in str(name) for name in names) == count  # type: ignore[attr-defined]


async def test_closed_directories_are_filled_and_closed_again(gateway: GatewayTwin) -> None:
    await gateway.make("shut", type="DIR", mode=0o777)
    await gateway.make("shut/a", content=b"x")
    id = await gateway.id_of("shut")
    await gateway.http.put(f"/api/v3/oneprovider/data/{id}?mode=0555")
    answer = await gateway.http.put("/cdmi/home/new/", json={"copy": "home/shut"}, headers=CONTAINER)
    if answer.status_code == 202:
        await until(lambda: gateway.jobs.running == 0)
    told = await gateway.http.get(
        f"/api/v3/oneprovider/data/{await gateway.id_of('new')}?attributes=posixPermissions"
    )
    assert told.json() == {"posixPermissions": "555"}
    assert (await get(gateway, "home/new/"))["children"] == ["a"]


async def test_a_second_copy_to_the_place_is_refused(gateway: GatewayTwin) -> None:
    await begin(gateway)
    second = await gateway.http.put("/cdmi/home/new/", json={"copy": "home/dir/sub"}, headers=CONTAINER)
    assert errno(second) == "eexist"
    await end(gateway)


async def test_a_posted_copy_tells_its_place(gateway: GatewayTwin) -> None:
    await gateway.make("large", content=b"x" * 2000)
    gateway.data_port.gate.clear()
    answer = await gateway.http.post("/cdmi/home/", json={"copy": "home/large"}, headers=OBJECT)
    assert answer.status_code == 202
    place = answer.headers["location"]
    assert (await gateway.http.get(place, headers=V)).json()["completionStatus"] == "Processing"
    await end(gateway)
    assert (await gateway.http.get(place, headers=V)).json()["completionStatus"] == "Complete"


def test_how_much_is_done_is_told_as_far_as_it_is_known() -> None:
    def percent(done: int, files: int, total: int, total_files: int) -> str | None:
        return percent_complete(
            copied_bytes=done, copied_files=files, total_bytes=total, total_files=total_files
        )

    assert percent(0, 0, 0, 0) is None
    assert percent(5, 5, 0, 0) is None
    assert percent(0, 1, 0, 4) == "25"
    assert percent(1 << 30, 0, 2 << 30, 1) == "49"
    assert percent(1 << 30, 9, 1 << 20, 3) == "99"


async def test_the_guest_of_nothing_is_told_nothing(gateway: GatewayTwin) -> None:
    await begin(gateway)
    await asyncio.sleep(0)
    stranger = {**V, "x-auth-token": "stranger"}
    assert (await gateway.http.get("/cdmi/home/new/", headers=stranger)).status_code == 404
    await end(gateway)
