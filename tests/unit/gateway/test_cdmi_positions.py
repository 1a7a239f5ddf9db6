"""Children by their numbers: large numbers do not cost the whole way each time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from services.gateway.api.cdmi import containers, positions
from services.gateway.api.cdmi.nodes import Node
from services.gateway.api.cdmi.positions import Mark, Positions
from tests.support.gateway import GatewayTwin
from tests.unit.gateway.test_cdmi_containers import V, get


@pytest.fixture
def pages(gateway: GatewayTwin, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the pages that were asked for; pages are small."""
    asked: list[int] = []
    inner = gateway.metadata.files.ListChildren

    async def counted(request: Any, context: Any) -> Any:
        asked.append(request.page_size)
        return await inner(request, context)

    monkeypatch.setattr(gateway.metadata.files, "ListChildren", counted)
    monkeypatch.setattr(containers, "_PAGE_SIZE", 3)
    monkeypatch.setattr(containers, "_STEP_SIZE", 6)
    return asked


async def fill(gateway: GatewayTwin, count: int) -> list[str]:
    names = [f"f{number:03}" for number in range(count)]
    for name in names:
        await gateway.make(name)
    return names


@pytest.mark.cdmi("11.2.range")
async def test_the_way_to_large_numbers_is_remembered(gateway: GatewayTwin, pages: list[int]) -> None:
    names = await fill(gateway, 40)
    assert (await get(gateway, "home/?children:30-32"))["children"] == names[30:33]
    assert len(pages) > 4
    pages.clear()
    assert (await get(gateway, "home/?children:33-35"))["children"] == names[33:36]
    assert len(pages) <= 2
    pages.clear()
    assert (await get(gateway, "home/?children:20-21"))["children"] == names[20:22]
    assert len(pages) <= 2


@pytest.mark.cdmi("11.2.range")
async def test_a_change_makes_old_marks_worthless(gateway: GatewayTwin, pages: list[int]) -> None:
    names = await fill(gateway, 30)
    await get(gateway, "home/?children:24-26")
    gateway.clock.advance(1)
    await gateway.make("a-new-first")
    await gateway.http.delete("/cdmi/home/f010", headers=V)
    names.remove("f010")
    names.insert(0, "a-new-first")
    for first in (0, 9, 10, 11, 24):
        told = await get(gateway, f"home/?children:{first}-{first + 2}")
        assert told["children"] == names[first : first + 3]


async def test_the_number_of_children_is_counted_once(gateway: GatewayTwin, pages: list[int]) -> None:
    await fill(gateway, 20)
    assert await get(gateway, "home/?childrenrange") == {"childrenrange": "0-19"}
    pages.clear()
    assert await get(gateway, "home/?childrenrange") == {"childrenrange": "0-19"}
    assert pages == []
    gateway.clock.advance(1)
    await gateway.make("one-more")
    assert await get(gateway, "home/?childrenrange") == {"childrenrange": "0-20"}


async def test_a_way_that_is_too_long_is_gone_on_with(
    gateway: GatewayTwin, pages: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = await fill(gateway, 40)
    monkeypatch.setattr(containers, "_LONGEST_WALK_S", -1.0)
    answers = []
    for _ in range(10):
        answer = await gateway.http.get("/cdmi/home/?children:38-39", headers=V)
        answers.append(answer.status_code)
        if answer.status_code == 200:
            assert answer.json()["children"] == names[38:]
            break
        assert answer.json()["error"]["id"] == "timeout"
    assert answers[-1] == 200
    assert len(answers) > 2


def node(file_id: str = "d", mtime_ms: int = 5, **caveats: Any) -> Node:
    identity: Any = SimpleNamespace(caveats=SimpleNamespace(paths=(), object_ids=(), **caveats))
    record: Any = SimpleNamespace(space_id="s", file_id=file_id, mtime_ms=mtime_ms)
    return Node(identity, ("space", "d"), True, "s", record)


def test_marks_are_bounded_and_the_last_one_stays() -> None:
    known = Positions()
    for position in range(1, 5000):
        known.note(node(), Mark(position, f"t{position}"))
    assert known.before(node(), 10**9) == Mark(4999, "t4999")
    assert len(known._known["s", "d"].positions) <= positions.MAX_MARKS
    assert known.before(node(), 0) == Mark()
    for number in range(positions.MAX_DIRECTORIES):
        known.note(node(f"other{number}"), Mark(1, "t"))
    assert known.before(node(), 10**9) == Mark()


def test_nothing_is_remembered_of_what_changes_just_now() -> None:
    known = Positions()
    changing = node(mtime_ms=1 << 60)
    known.note(changing, Mark(1, "t"))
    assert known.before(changing, 5) == Mark()
