from __future__ import annotations

from typing import Any

import pytest

from runtime.errors import (
    AlreadyExists,
    InputOutputError,
    InvalidArgument,
    ReadOnlyStorage,
    Unavailable,
)
from services.storage_router.domain.storages import (
    NoSuchStorage,
    Storage,
    StorageChange,
    StorageInUse,
    StorageTestFailed,
)
from tests.support.router_rules import SPACE, Router


@pytest.fixture
def router() -> Router:
    return Router()


async def create(router: Router, name: str = "disk", request_id: str = "r1", **more: Any) -> Storage:
    wanted: dict[str, Any] = {
        "driver": "memory", "parameters": {"mount_point": f"/{name}"}, "secrets": {}, "readonly": False,
        "fsync": True, **more,
    }  # fmt: skip
    return await router.storages.create(request_id=request_id, name=name, **wanted)


async def test_a_storage_is_tried_before_it_is_added(router: Router) -> None:
    storage = await create(router)
    assert await router.storages.get(storage.storage_id) == storage
    assert {"put", "open", "delete"} <= set(router.drivers.made["/disk"].calls)


@pytest.mark.parametrize(
    ("method", "operation"), [("check", "access"), ("put", "create"), ("open", "read"), ("prepare", "access")]
)
async def test_a_failing_storage_is_not_added(router: Router, method: str, operation: str) -> None:
    driver = router.drivers.make("memory", {"mount_point": "/disk"}, {}, storage_id="x")
    driver.failures[method] = InputOutputError()
    with pytest.raises(StorageTestFailed) as caught:
        await create(router)
    assert caught.value.facts["operation"] == operation
    assert await router.storages.list(after_name="", limit=10) == []


async def test_repeating_a_creation_finds_the_first(router: Router) -> None:
    assert await create(router) == await create(router)
    with pytest.raises(AlreadyExists):
        await create(router, request_id="r2")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 256])
async def test_names_are_printable(router: Router, name: str) -> None:
    with pytest.raises(InvalidArgument):
        await create(router, name, parameters={"mount_point": "/m"})


async def test_unknown_drivers_are_refused(router: Router) -> None:
    with pytest.raises(InvalidArgument):
        await create(router, driver="floppy")
    with pytest.raises(InvalidArgument):
        await create(router, request_id="")


def test_secrets_are_not_shown() -> None:
    storage = Storage("id", "name", "s3", {}, {"key": "hush"})
    assert "hush" not in repr(storage)


async def support(router: Router, storage: Storage, token: str = SPACE, request_id: str = "s1") -> Any:
    return await router.supports.begin(
        request_id=request_id, storage_id=storage.storage_id, token=token, size_bytes=100
    )


async def test_supporting_a_space_goes_through_zone_store_and_metadata(router: Router) -> None:
    storage = await create(router)
    made = await support(router, storage)
    assert (made.space_id, made.size_bytes) == (SPACE, 100)
    assert router.spaces.quotas == {SPACE: 100}
    with pytest.raises(StorageInUse):
        await router.storages.delete(storage.storage_id)


async def test_an_interrupted_support_goes_on_where_it_stopped(router: Router) -> None:
    storage = await create(router)
    router.spaces.failure = Unavailable()
    with pytest.raises(Unavailable):
        await support(router, storage)
    router.spaces.failure = None
    assert (await support(router, storage)).space_id == SPACE
    assert router.zone.consumed == [SPACE]
    with pytest.raises(AlreadyExists):
        await support(router, storage, request_id="s2")


async def test_supports_need_a_size_and_a_storage(router: Router) -> None:
    with pytest.raises(NoSuchStorage):
        await router.supports.begin(request_id="s", storage_id="no", token="t", size_bytes=1)
    with pytest.raises(InvalidArgument):
        await router.supports.begin(request_id="s", storage_id="no", token="t", size_bytes=0)
    assert router.zone.consumed == []


async def test_an_unused_storage_can_go(router: Router) -> None:
    storage = await create(router)
    await router.storages.delete(storage.storage_id)
    with pytest.raises(NoSuchStorage):
        await router.storages.delete(storage.storage_id)


async def test_a_change_is_effective_and_told_at_once(router: Router) -> None:
    storage = await create(router, imported=True)
    await router.zone.register(storage)
    await router.catalog.refresh()
    opened = router.catalog.storage(storage.storage_id)
    opened.check_writable()
    change = StorageChange(name="archive", readonly=True, qos_parameters={"geo": "PL"})
    changed = await router.storages.change(storage.storage_id, change)
    await router.catalog.refresh()
    with pytest.raises(ReadOnlyStorage):
        opened.check_writable()
    assert (changed.name, changed.imported, changed.readonly) == ("archive", True, True)
    assert await router.storages.get(storage.storage_id) == changed
    assert router.zone.storages[storage.storage_id] == changed


async def test_what_is_written_again_is_tried_first(router: Router) -> None:
    storage = await create(router, imported=True, readonly=True)
    driver = router.drivers.made["/disk"]
    driver.failures["put"] = InputOutputError()
    with pytest.raises(StorageTestFailed):
        await router.storages.change(storage.storage_id, StorageChange(readonly=False))
    assert (await router.storages.get(storage.storage_id)).readonly
    driver.failures.clear()
    assert not (await router.storages.change(storage.storage_id, StorageChange(readonly=False))).readonly


async def test_a_zone_that_is_away_only_keeps_imported_as_it_is(router: Router) -> None:
    storage = await create(router, imported=True)
    router.zone.failure = Unavailable()
    assert (await router.storages.change(storage.storage_id, StorageChange(readonly=True))).readonly
    with pytest.raises(Unavailable):
        await router.storages.change(storage.storage_id, StorageChange(imported=False, readonly=False))
    assert (await router.storages.get(storage.storage_id)).imported


async def test_bad_changes_of_a_storage_are_refused(router: Router) -> None:
    await router.open()
    with pytest.raises(StorageInUse):
        await router.storages.change("st1", StorageChange(imported=True))
    with pytest.raises(NoSuchStorage):
        await router.storages.change("none", StorageChange(name="other"))
    too_many: dict[str, str | float] = {f"k{number}": 1.0 for number in range(101)}
    parameters: list[dict[str, str | float]] = [{"": "x"}, {"x": float("nan")}, {"x": "y" * 1001}, too_many]
    bad = [StorageChange(), StorageChange(readonly=True), StorageChange(name="x")]
    for change in (*bad, *(StorageChange(qos_parameters=each) for each in parameters)):
        with pytest.raises(InvalidArgument):
            await router.storages.change("st1", change)
    await create(router, "two", "r9")
    with pytest.raises(AlreadyExists):
        await router.storages.change("st1", StorageChange(name="two"))


async def test_the_catalog_follows_the_store(router: Router) -> None:
    storage = await create(router)
    assert await router.catalog.refresh() == 1
    assert await router.catalog.refresh() == 0
    await support(router, storage)
    await router.catalog.refresh()
    assert router.catalog.storage_for_new_data(SPACE).storage == storage
    assert router.catalog.spaces_on(storage.storage_id) == [SPACE]
    await router.store.delete_storage(storage.storage_id)
    assert await router.catalog.refresh() == 1
    assert router.catalog.find(storage.storage_id) is None
