"""Imported storages: what may be registered there, and what is never touched."""

from __future__ import annotations

import pytest

from runtime.errors import AccessDenied, InvalidArgument, InvalidName, NoSuchFile, PermissionDenied
from runtime.identity import Identity, Kind, SpacePrivilege, SpaceRights
from services.storage_router.domain.choice import storage_file_id
from services.storage_router.domain.imports import Imports, NotALocalStorage, NotImported, Owner
from services.storage_router.domain.storage_users import StorageUsers
from services.storage_router.domain.storages import Health, ImportedStorage, StorageInUse
from services.storage_router.domain.sweeps import Removal
from services.storage_router.store.memory import MemoryStorageStore
from services.storage_router.store.memory_storage_users import MemoryStorageUserStore
from services.storage_router.workers.orphan_sweeper import OrphanSweeper
from services.storage_router.workers.remover import Remover
from tests.support.router_rules import SPACE, Router

REGISTRAR = Identity(Kind.USER, "u", spaces={SPACE: SpaceRights("a", 1 << SpacePrivilege.REGISTER_FILES)})
USERS = MemoryStorageUserStore(MemoryStorageStore())
OURS = storage_file_id(SPACE, "0" * 32)


@pytest.fixture
async def router() -> Router:
    router = await Router().open(imported=True)
    router.catalog.storage("st1").health = Health.OK
    router.clock.advance(10**9)
    await router.driver.inner.put("/raw/1", b"12345", sync=False)
    return router


async def test_a_file_is_told_as_the_storage_has_it(router: Router) -> None:
    imports = Imports(router.catalog, USERS, "p1")
    shown = (await imports.inspect(REGISTRAR, SPACE, "st1", "raw//1", stat=True)).file
    assert (shown.storage_file_id, shown.size_bytes) == ("/raw/1", 5)
    unseen = (await imports.inspect(REGISTRAR, SPACE, "st1", "/none", stat=False)).file
    assert (unseen.storage_file_id, unseen.size_bytes) == ("/none", 0)


@pytest.mark.parametrize(("stat", "uid", "owner"), [
    (True, None, None), (True, 7, Owner(7, "alice")), (False, 7, Owner(7, "alice")), (False, 8, Owner(8, "")),
    (False, None, None),
])  # fmt: skip
async def test_an_owner_is_who_an_operator_said(
    router: Router, stat: bool, uid: int | None, owner: Owner | None
) -> None:
    users = MemoryStorageUserStore(router.store)
    await StorageUsers(users).set("st1", 7, "alice")
    imports = Imports(router.catalog, users, "p1")
    found = await imports.inspect(REGISTRAR, SPACE, "st1", "/raw/1", stat=stat, uid=uid)
    assert found.owner == owner


@pytest.mark.parametrize(
    ("uid", "user_id"), [(-1, "alice"), (2**32 - 1, "alice"), (7, "a/b"), (7, "a\n"), (7, "a" * 257)]
)
async def test_impossible_users_of_storages_are_refused(router: Router, uid: int, user_id: str) -> None:
    users = StorageUsers(MemoryStorageUserStore(router.store))
    with pytest.raises(InvalidArgument):
        await users.set("st1", uid, user_id)
    assert await users.all("st1") == {}


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("/none", NoSuchFile), ("/raw/../x", InvalidName), ("", InvalidName),
        ("/.isthmus/storage", AccessDenied), (OURS, AccessDenied), ("/" + "n" * 256, InvalidArgument),
    ],
)  # fmt: skip
async def test_other_paths_are_refused(router: Router, path: str, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        await Imports(router.catalog, USERS, "p1").inspect(REGISTRAR, SPACE, "st1", path, stat=True)


async def test_only_the_imported_storage_of_the_space_counts(router: Router) -> None:
    imports = Imports(router.catalog, USERS, "p1")
    with pytest.raises(NotALocalStorage) as caught:
        await imports.inspect(REGISTRAR, SPACE, "st2", "/raw/1", stat=True)
    assert caught.value.facts == {"provider_id": "p1", "storage_id": "st2", "space_id": SPACE}
    with pytest.raises(PermissionDenied):
        await imports.inspect(Identity(Kind.USER, "v"), SPACE, "st1", "/raw/1", stat=True)
    plain = await Router().open()
    with pytest.raises(NotImported):
        await Imports(plain.catalog, USERS, "p1").inspect(REGISTRAR, SPACE, "st1", "/raw/1", stat=True)


async def test_an_imported_storage_is_never_swept(router: Router) -> None:
    await router.driver.inner.put(OURS, b"x", sync=False)
    sweeper = OrphanSweeper(router.catalog, router.removals, router.store, router.clock, min_age_s=60)
    await sweeper.run_once()
    with pytest.raises(ImportedStorage):
        await sweeper.sweep_now("st1", min_age_s=60)
    assert await router.stored() == [OURS]


@pytest.mark.parametrize(("readonly", "left"), [(False, []), (True, ["/raw/1"])])
async def test_a_deletion_removes_bytes_unless_read_only(readonly: bool, left: list[str]) -> None:
    router = await Router().open(imported=True, readonly=readonly)
    await router.driver.inner.put("/raw/1", b"12345", sync=False)
    router.removals.removals = [Removal(SPACE, "f", "st1", "/raw/1", 5)]
    assert await Remover(router.catalog, router.removals).run_once() == 1
    assert (await router.stored("raw"), len(router.removals.confirmed)) == (left, 1)


async def test_an_imported_storage_supports_one_space(router: Router) -> None:
    with pytest.raises(StorageInUse):
        await router.supports.begin(request_id="r9", storage_id="st1", token="other", size_bytes=1)
    assert router.zone.consumed == []


async def test_only_an_imported_storage_can_be_read_only(router: Router) -> None:
    values = {"driver": "memory", "parameters": {"mount_point": "/x"}, "secrets": {}, "fsync": True}
    with pytest.raises(InvalidArgument):
        await router.storages.create(request_id="r", name="xx", readonly=True, **values)
    made = await router.storages.create(request_id="r", name="xx", readonly=True, imported=True, **values)
    assert (made.imported, "put" in router.drivers.made["/x"].calls) == (True, False)
