"""Versions of listings over a real change stream: one instance has the space to itself, another one errs."""

from __future__ import annotations

import asyncio

import pytest
from isthmus.metadata.v1 import files_pb2

from services.metadata.clients.ownership import WatchedOwnership
from services.metadata.domain import listing_versions
from tests.support.metadata import fresh_id
from tests.support.metadata_instances import Client, a_ref
from tests.support.waiting import until

Pair = tuple[Client, Client]


#: How long the doubt lasts here with which an instance begins to follow the changes.
FIRST_DOUBT_S = 1.0


@pytest.fixture
def short_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_versions, "DOUBT_S", FIRST_DOUBT_S)


@pytest.fixture
async def alone(monkeypatch: pytest.MonkeyPatch, short_doubt: None, pair: Pair) -> Pair:
    """The first one has the space to itself, as far as it knows; the second one knows that it has not."""

    def alone_since(self: WatchedOwnership, _: str) -> float | None:
        return 1.0 if self._instance_id.endswith("-1") else None

    monkeypatch.setattr(WatchedOwnership, "alone_since", alone_since)
    await asyncio.sleep(2 * FIRST_DOUBT_S)
    # From now on a doubt would last as long as a test.
    monkeypatch.setattr(listing_versions, "DOUBT_S", 60.0)
    return pair


async def listed(client: Client, known_version: str = "") -> files_pb2.ListChildrenResponse:
    request = files_pb2.ListChildrenRequest(
        directory=a_ref("d"), page_size=100, inclusive=True, known_version=known_version
    )
    request.read_mask.paths.append("mode")
    return await client.api.list_children(request)


async def set_mode(client: Client, mode: int) -> None:
    await client.api.set_mode(
        files_pb2.SetModeRequest(request_id=fresh_id(), file=a_ref("d", "a"), mode=mode)
    )


async def settled(client: Client) -> str:
    """A version that the directory keeps, once own changes have come by."""
    version = (await listed(client)).version
    assert version
    assert (await listed(client, version)).unchanged
    return version


async def test_own_changes_end_a_version_and_raise_no_doubt(alone: Pair) -> None:
    one, _ = alone
    with one.as_user():
        await one.mkdir("d")
        await one.create("d", "a")
        for mode in (0o600, 0o640, 0o644):
            version = await settled(one)
            await set_mode(one, mode)
            told = await listed(one, version)
            assert (told.unchanged, list(told.columns.mode)) == (False, [mode])
        await one.rename("d/a", "d/b")
        await one.put("d", "b", size_bytes=3)
        assert list((await listed(one, told.version)).columns.name) == ["b"]
        await settled(one)


async def test_a_file_that_another_instance_adds_is_listed_at_once(alone: Pair) -> None:
    one, two = alone
    with one.as_user(), two.as_user():
        await one.mkdir("d")
        version = await settled(one)
        for name in ("a", "b", "c"):
            await two.create("d", name)
            told = await listed(one, version)
            assert (told.unchanged, told.columns.name[-1]) == (False, name)
            version = told.version or version


async def test_what_another_instance_changes_is_heard_of(alone: Pair) -> None:
    one, two = alone
    with one.as_user(), two.as_user():
        await one.mkdir("d")
        await one.create("d", "a")
        version = await settled(one)
        await set_mode(two, 0o600)

        async def heard() -> bool:
            return not (await listed(one, version)).unchanged

        await until(heard)
        assert list((await listed(one, version)).columns.mode) == [0o600]
