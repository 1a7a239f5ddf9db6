"""Files of an owner on a real folder: looked at, read in place, and never reached through links."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime.errors import AccessDenied, InputOutputError, InvalidName, NoSuchFile
from runtime.identity import Identity, Kind, SpacePrivilege, SpaceRights
from services.storage_router.domain.catalog import Catalog
from services.storage_router.domain.drivers import StorageUnreachable
from services.storage_router.domain.imports import Imports
from services.storage_router.domain.storages import Health, Storage, Support
from services.storage_router.domain.sweeps import Removal
from services.storage_router.drivers.registry import Drivers
from services.storage_router.store.memory import MemoryStorageStore
from services.storage_router.store.memory_storage_users import MemoryStorageUserStore
from services.storage_router.workers.remover import Remover
from tests.support.router_rules import RemovalsTwin

SPACE = "aspace"
REGISTRAR = Identity(Kind.USER, "u", spaces={SPACE: SpaceRights("a", 1 << SpacePrivilege.REGISTER_FILES)})


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A storage of others: a file, links that lead out, and a secret beside it."""
    folder = tmp_path / "archive"
    (folder / "raw").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"hidden")
    (folder / "raw/run").write_bytes(b"0123456789")
    (folder / "raw/run").chmod(0o1640)
    os.utime(folder / "raw/run", (1_000, 2_000))
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to("..")
    return folder


USERS = MemoryStorageUserStore(MemoryStorageStore())


async def opened(folder: Path, pool: ThreadPoolExecutor, *, readonly: bool = False) -> Catalog:
    store = MemoryStorageStore()
    parameters = {"mount_point": str(folder)}
    await store.add_storage(
        Storage("st1", "archive", "posix", parameters, imported=True, readonly=readonly, request_id="r")
    )
    await store.put_support(Support(SPACE, "st1", 1000, "r2"))
    catalog = Catalog(store, Drivers(pool))
    await catalog.refresh()
    return catalog


async def test_a_file_is_told_as_the_disk_has_it(folder: Path, pool: ThreadPoolExecutor) -> None:
    catalog = await opened(folder, pool)
    shown = (await Imports(catalog, USERS, "p1").inspect(REGISTRAR, SPACE, "st1", "raw/run", stat=True)).file
    assert (shown.storage_file_id, shown.size_bytes, shown.mode) == ("/raw/run", 10, 0o1640)
    assert (shown.atime_ms, shown.mtime_ms) == (1_000_000, 2_000_000)
    assert shown.uid == os.getuid()
    handle = await catalog.storage("st1").driver.open(shown.storage_file_id)
    assert await handle.read(2, 3) == b"234"
    handle.close()


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("/link", InputOutputError),
        ("/up/secret", InputOutputError),
        ("/raw/../../secret", InvalidName),
        ("/raw", InputOutputError),
        ("/none", NoSuchFile),
        ("/.isthmus/storage", AccessDenied),
    ],
)
async def test_nothing_but_a_regular_file_below_the_mount_point_is_told(
    folder: Path, pool: ThreadPoolExecutor, path: str, refusal: type[Exception]
) -> None:
    imports = Imports(await opened(folder, pool), USERS, "p1")
    with pytest.raises(refusal):
        await imports.inspect(REGISTRAR, SPACE, "st1", path, stat=True)


async def test_a_file_that_became_a_link_is_not_followed(folder: Path, pool: ThreadPoolExecutor) -> None:
    driver = (await opened(folder, pool)).storage("st1").driver
    (folder / "raw/run").unlink()
    (folder / "raw/run").symlink_to(folder.parent / "secret")
    with pytest.raises(InputOutputError):
        await driver.open("/raw/run")
    with pytest.raises(InputOutputError):
        await driver.open_for_write("/raw/run")


async def test_a_read_only_storage_is_used_without_a_mark_and_keeps_its_files(
    folder: Path, pool: ThreadPoolExecutor
) -> None:
    before = sorted(folder.rglob("*"))
    catalog = await opened(folder, pool, readonly=True)
    await Imports(catalog, USERS, "p1").inspect(REGISTRAR, SPACE, "st1", "/raw/run", stat=True)
    removals = RemovalsTwin()
    removals.removals = [Removal(SPACE, "f", "st1", "/raw/run", 10)]
    assert await Remover(catalog, removals).run_once() == 1
    assert sorted(folder.rglob("*")) == before


async def test_a_storage_that_is_away_is_not_asked(folder: Path, pool: ThreadPoolExecutor) -> None:
    catalog = await opened(folder, pool)
    catalog.storage("st1").health = Health.UNREACHABLE
    with pytest.raises(StorageUnreachable):
        await Imports(catalog, USERS, "p1").inspect(REGISTRAR, SPACE, "st1", "/raw/run", stat=True)
