from __future__ import annotations

import asyncio

import pytest

from runtime.errors import InputOutputError, NoSpace, ReadOnlyStorage
from services.storage_router.domain.choice import is_ours, storage_file_id
from services.storage_router.domain.drivers import StorageUnreachable
from services.storage_router.domain.storages import Health
from services.storage_router.domain.sweeps import Removal, SweepSuspicious
from services.storage_router.workers.catalog_refresher import CatalogRefresher
from services.storage_router.workers.health_prober import HealthProber
from services.storage_router.workers.orphan_sweeper import OrphanSweeper
from services.storage_router.workers.remover import Remover
from tests.support.router_rules import SPACE, Router


@pytest.fixture
async def router() -> Router:
    router = await Router().open()
    router.clock.advance(10**9)
    return router


def name(number: int) -> str:
    return storage_file_id(SPACE, f"{number:032x}")


async def put(router: Router, *numbers: int) -> None:
    for number in numbers:
        await router.driver.inner.put(name(number), b"x", sync=False)


def sweeper(router: Router) -> OrphanSweeper:
    return OrphanSweeper(router.catalog, router.removals, router.store, router.clock, min_age_s=60)


async def test_removals_are_deleted_then_confirmed(router: Router) -> None:
    await put(router, 1, 2)
    router.removals.removals = [
        Removal(SPACE, "f", "st1", name(1), 1),
        Removal(SPACE, "g", "st1", name(9), 1),
    ]
    remover = Remover(router.catalog, router.removals)
    assert await remover.run_once() == 2
    assert await router.stored() == [name(2)]
    assert (len(router.removals.confirmed), await remover.run_once()) == (2, 0)


async def test_what_cannot_be_deleted_is_not_confirmed(router: Router) -> None:
    await put(router, 1)
    router.removals.removals = [Removal(SPACE, "f", "st1", name(1), 1)]
    router.driver.failures["delete"] = InputOutputError()
    assert await Remover(router.catalog, router.removals).run_once() == 0
    assert router.removals.confirmed == []


async def test_removals_of_a_dead_storage_wait(router: Router) -> None:
    router.removals.removals = [Removal(SPACE, "f", "st1", name(1), 1)]
    router.catalog.storage("st1").health = Health.UNREACHABLE
    assert await Remover(router.catalog, router.removals).run_once() == 0


async def test_a_sweep_removes_only_old_orphans_of_ours(router: Router) -> None:
    router.catalog.storage("st1").health = Health.OK
    await put(router, 1, 2, 3)
    router.removals.referenced = {name(2)}
    await router.driver.inner.put(f"/{SPACE}/notes.txt", b"", sync=False)
    await router.driver.inner.put("/foreign/0/0/0/" + "0" * 32, b"", sync=False)
    await sweeper(router).run_once()
    assert await router.stored() == sorted([name(2), f"/{SPACE}/notes.txt"])
    assert len(await router.stored("foreign")) == 1


async def test_young_files_are_left_alone() -> None:
    router = await Router().open()
    router.catalog.storage("st1").health = Health.OK
    await put(router, 1)
    await sweeper(router).run_once()
    assert len(await router.stored()) == 1


async def test_a_sweep_goes_on_where_it_stopped(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.storage_router.domain.sweeps.PAGE", 3)
    monkeypatch.setattr("services.storage_router.workers.orphan_sweeper._PAGES", 1)
    router.catalog.storage("st1").health = Health.OK
    await put(router, *range(7))
    left = []
    for _ in range(3):
        await sweeper(router).run_once()
        left.append(len(await router.stored()))
    assert left == [4, 1, 0]
    assert (max(router.removals.asked), await router.store.get_cursor("st1")) == (3, name(6))
    await sweeper(router).run_once()
    assert await router.store.get_cursor("st1") == ""


async def test_a_metadata_that_knows_nothing_is_not_believed(router: Router) -> None:
    router.catalog.storage("st1").health = Health.OK
    await put(router, *range(150))
    with pytest.raises(SweepSuspicious):
        await sweeper(router).run_once()
    assert len(await router.stored()) == 150
    assert await sweeper(router).sweep_now("st1", min_age_s=60) == (150, 150)


@pytest.mark.parametrize(
    ("method", "error", "health"),
    [
        ("check", StorageUnreachable(), Health.UNREACHABLE),
        ("put", ReadOnlyStorage(), Health.READ_ONLY),
        ("put", NoSpace(), Health.READ_ONLY),
        ("open", InputOutputError(), Health.UNREACHABLE),
    ],
)
async def test_probing_finds_what_is_wrong(
    router: Router, method: str, error: Exception, health: Health
) -> None:
    prober = HealthProber(router.catalog, instance_id="i", timeout_s=1)
    opened = router.catalog.storage("st1")
    await prober.run_once()
    assert (opened.health, opened.left.total_bytes > 0) == (Health.OK, True)
    router.driver.failures[method] = error  # type: ignore[assignment]
    await prober.run_once()
    assert opened.health is health
    assert opened.detail
    router.driver.failures.clear()
    await prober.run_once()
    assert (opened.health, opened.detail) == (Health.OK, "")


async def test_a_probe_that_hangs_is_not_repeated(router: Router) -> None:
    prober = HealthProber(router.catalog, instance_id="i", timeout_s=0.05)
    opened = router.catalog.storage("st1")
    back = router.driver.waits["check"] = asyncio.Event()
    for _ in range(3):
        await prober.run_once()
    assert (opened.health, router.driver.calls.count("check")) == (Health.UNREACHABLE, 1)
    back.set()
    await asyncio.sleep(0)
    await prober.run_once()
    assert opened.health is Health.OK


async def test_readonly_storages_are_probed_without_writing() -> None:
    router = await Router().open(readonly=True)
    await HealthProber(router.catalog, instance_id="i", timeout_s=1).run_once()
    assert router.driver.calls == ["space_left"]


async def test_the_store_is_prepared_once(router: Router) -> None:
    prepared: list[int] = []

    async def prepare() -> None:
        prepared.append(1)

    refresher = CatalogRefresher(router.catalog, prepare)
    await refresher.run_once()
    await refresher.run_once()
    assert prepared == [1]


def test_only_the_own_layout_is_swept() -> None:
    for ours in (name(1), name(2**127), storage_file_id(SPACE, "ab"), storage_file_id(SPACE, "a/b")):
        assert is_ours(ours) is ("a/b" not in ours)
    for foreign in (
        "/s/file",
        "/s/0/0/0/1" + "0" * 31,
        "/s/0/0/0/000",
        "/s/a/b/c/ABC" + "0" * 29,
        "/s/x/y/z/w",
    ):
        assert not is_ours(foreign)
